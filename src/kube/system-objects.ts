/** The objects of a fresh kubeadm cluster with flannel: namespaces, Services, and the pods that run it. */

import { SKIP_MIRROR } from './controllers/endpointslice.ts'
import type {
  ContainerSpec,
  DaemonSet,
  Deployment,
  EndpointSlice,
  Endpoints,
  KubeObject,
  Node,
  Pod,
  Service,
} from './objects.ts'
import { SERVICE_NAME } from './slices.ts'
import { API_PORT } from './system-images.ts'

/** What kubectl and the nodes report. */
export const VERSION = 'v1.32.5'
const ETCD = '3.5.16-0'
const COREDNS = 'v1.11.3'
const FLANNEL = 'v0.26.7'
const KUBE_ROUTER = 'v2.5.0'

export const IMAGES: readonly string[] = [
  `registry.k8s.io/kube-apiserver:${VERSION}`,
  `registry.k8s.io/kube-controller-manager:${VERSION}`,
  `registry.k8s.io/kube-scheduler:${VERSION}`,
  `registry.k8s.io/kube-proxy:${VERSION}`,
  `registry.k8s.io/etcd:${ETCD}`,
  `registry.k8s.io/coredns/coredns:${COREDNS}`,
  `ghcr.io/flannel-io/flannel:${FLANNEL}`,
]

/** As kubeadm has it. */
export const CONTROL_PLANE_TAINT = 'node-role.kubernetes.io/control-plane'

export function namespaces(): KubeObject[] {
  return ['default', 'kube-flannel', 'kube-node-lease', 'kube-public', 'kube-system'].map((name) => ({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name },
  }))
}

/** The API server's own Service, its Endpoints and its slice: written by the API server, not by controllers. */
export function apiService(clusterIP: string, addresses: readonly string[]): KubeObject[] {
  const metadata = { name: 'kubernetes', namespace: 'default' }
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { ...metadata, labels: { component: 'apiserver', provider: 'kubernetes' } },
    spec: { clusterIP, ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: API_PORT }] },
  }
  const endpoints: Endpoints = {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { ...metadata, labels: { [SKIP_MIRROR]: 'true' } },
    subsets: [
      { addresses: addresses.map((ip) => ({ ip })), ports: [{ name: 'https', port: API_PORT, protocol: 'TCP' }] },
    ],
  }
  const slice: EndpointSlice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { ...metadata, labels: { [SERVICE_NAME]: 'kubernetes' } },
    addressType: 'IPv4',
    endpoints: addresses.map((ip) => ({ addresses: [ip], conditions: { ready: true } })),
    ports: [{ name: 'https', port: API_PORT, protocol: 'TCP' }],
  }
  return [service as unknown as Service, endpoints, slice]
}

export function dnsService(clusterIP: string): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: 'kube-dns',
      namespace: 'kube-system',
      labels: { 'k8s-app': 'kube-dns', 'kubernetes.io/cluster-service': 'true', 'kubernetes.io/name': 'CoreDNS' },
      annotations: { 'prometheus.io/port': '9153', 'prometheus.io/scrape': 'true' },
    },
    spec: {
      clusterIP,
      selector: { 'k8s-app': 'kube-dns' },
      ports: [
        { name: 'dns', port: 53, protocol: 'UDP', targetPort: 53 },
        { name: 'dns-tcp', port: 53, protocol: 'TCP', targetPort: 53 },
        { name: 'metrics', port: 9153, protocol: 'TCP', targetPort: 9153 },
      ],
    },
  }
}

function container(
  name: string,
  image: string,
  command: readonly string[],
  more: Partial<ContainerSpec> = {},
): ContainerSpec {
  return { name, image, imagePullPolicy: 'IfNotPresent', command: [...command], ...more }
}

/**
 * The Corefile that kubeadm writes since 1.33: names of the cluster are not cached, so that an answer shows every
 * change at once and its TTL does not count down.
 */
export function defaultCorefile(domain: string): string {
  return `.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes ${domain} in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30 {
       disable success ${domain}
       disable denial ${domain}
    }
    loop
    reload
    loadbalance
}
`
}

export function coreDnsConfigMap(corefile: string): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'coredns', namespace: 'kube-system' },
    data: { Corefile: corefile },
  }
}

export function coreDnsDeployment(): KubeObject {
  const labels = { 'k8s-app': 'kube-dns' }
  const ports = [
    { name: 'dns', containerPort: 53, protocol: 'UDP' },
    { name: 'dns-tcp', containerPort: 53, protocol: 'TCP' },
    { name: 'metrics', containerPort: 9153, protocol: 'TCP' },
  ]
  const coredns: ContainerSpec = {
    name: 'coredns',
    image: `registry.k8s.io/coredns/coredns:${COREDNS}`,
    imagePullPolicy: 'IfNotPresent',
    args: ['-conf', '/etc/coredns/Corefile'],
    ports,
    volumeMounts: [{ name: 'config-volume', mountPath: '/etc/coredns', readOnly: true }],
  }
  const spec: Partial<Deployment['spec']> = {
    replicas: 2,
    selector: { matchLabels: labels },
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: 1 } },
    template: {
      metadata: { labels },
      spec: {
        containers: [coredns],
        dnsPolicy: 'Default',
        nodeSelector: { 'kubernetes.io/os': 'linux' },
        priorityClassName: 'system-cluster-critical',
        serviceAccountName: 'coredns',
        tolerations: [
          { key: 'CriticalAddonsOnly', operator: 'Exists' },
          { key: CONTROL_PLANE_TAINT, effect: 'NoSchedule' },
        ],
        volumes: [
          { name: 'config-volume', configMap: { name: 'coredns', items: [{ key: 'Corefile', path: 'Corefile' }] } },
        ],
      },
    },
  }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'coredns', namespace: 'kube-system', labels },
    spec,
  }
}

function daemonSet(
  name: string,
  namespace: string,
  labels: Record<string, string>,
  template: ContainerSpec,
  priority: string,
): KubeObject {
  const spec: Partial<DaemonSet['spec']> = {
    selector: { matchLabels: labels },
    template: {
      metadata: { labels },
      spec: {
        containers: [template],
        hostNetwork: true,
        priorityClassName: priority,
        tolerations: [{ operator: 'Exists' }],
      },
    },
  }
  return { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: { name, namespace, labels }, spec }
}

export function daemonSets(): KubeObject[] {
  const proxy = container('kube-proxy', `registry.k8s.io/kube-proxy:${VERSION}`, [
    '/usr/local/bin/kube-proxy',
    '--config=/var/lib/kube-proxy/config.conf',
  ])
  const flannel = container('kube-flannel', `ghcr.io/flannel-io/flannel:${FLANNEL}`, [
    '/opt/bin/flanneld',
    '--ip-masq',
    '--kube-subnet-mgr',
  ])
  return [
    daemonSet('kube-proxy', 'kube-system', { 'k8s-app': 'kube-proxy' }, proxy, 'system-node-critical'),
    daemonSet('kube-flannel-ds', 'kube-flannel', { app: 'flannel' }, flannel, 'system-node-critical'),
  ]
}

/** kube-router as the policy engine beside flannel. */
export function kubeRouterSet(): KubeObject {
  const router = container('kube-router', `docker.io/cloudnativelabs/kube-router:${KUBE_ROUTER}`, [
    '/usr/local/bin/kube-router',
    '--run-router=false',
    '--run-firewall=true',
    '--run-service-proxy=false',
  ])
  return daemonSet('kube-router', 'kube-system', { 'k8s-app': 'kube-router' }, router, 'system-node-critical')
}

/** The static pods of a control-plane node, mirrored in the API as the kubelet does. */
export function staticPods(node: Node, ip: string): KubeObject[] {
  const name = node.metadata.name
  const parts: readonly (readonly [string, string, readonly string[]])[] = [
    ['etcd', `registry.k8s.io/etcd:${ETCD}`, [`--advertise-client-urls=https://${ip}:2379`]],
    [
      'kube-apiserver',
      `registry.k8s.io/kube-apiserver:${VERSION}`,
      [`--advertise-address=${ip}`, `--secure-port=${API_PORT}`],
    ],
    ['kube-controller-manager', `registry.k8s.io/kube-controller-manager:${VERSION}`, ['--leader-elect=true']],
    ['kube-scheduler', `registry.k8s.io/kube-scheduler:${VERSION}`, ['--leader-elect=true']],
  ]
  return parts.map(
    ([component, image, flags]): KubeObject => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: `${component}-${name}`,
        namespace: 'kube-system',
        labels: { component, tier: 'control-plane' },
        annotations: { 'kubernetes.io/config.source': 'file' },
        ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name, uid: node.metadata.uid as string, controller: true }],
      },
      spec: {
        containers: [container(component, image, [component, ...flags])],
        hostNetwork: true,
        nodeName: name,
        priorityClassName: 'system-node-critical',
        tolerations: [{ operator: 'Exists', effect: 'NoExecute' }],
      } satisfies Partial<Pod['spec']>,
    }),
  )
}

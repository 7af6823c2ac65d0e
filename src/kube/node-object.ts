/** A node as the API has it. */
import { formatIpv4, formatMac } from '../wire/address.ts'
import type { CniPeer, FlannelBackend } from './cni/plugin.ts'
import type { Condition, Node } from './objects.ts'
import { CONTROL_PLANE_TAINT, VERSION } from './system-objects.ts'

/** flannel's only network. */
export const VNI = 1

export interface NodeFields {
  readonly name: string
  readonly podCIDR: string
  readonly controlPlane: boolean
  /** Keep workloads away. */
  readonly tainted: boolean
  readonly labels?: Readonly<Record<string, string>> | undefined
  readonly lease: Record<string, string>
}

/** The lease, as flanneld writes it on its Node object. */
export function leaseOf({ vtepMac, publicIp }: CniPeer, backend: FlannelBackend): Record<string, string> {
  const data = vtepMac === null ? 'null' : `{"VNI":${VNI},"VtepMAC":"${formatMac(vtepMac)}"}`
  return {
    'flannel.alpha.coreos.com/backend-data': data,
    'flannel.alpha.coreos.com/backend-type': backend,
    'flannel.alpha.coreos.com/kube-subnet-manager': 'true',
    'flannel.alpha.coreos.com/public-ip': formatIpv4(publicIp),
  }
}

export function nodeObject({ name, podCIDR, controlPlane, tainted, labels, lease }: NodeFields): Node {
  const role = controlPlane
    ? { [CONTROL_PLANE_TAINT]: '', 'node.kubernetes.io/exclude-from-external-load-balancers': '' }
    : {}
  const taints = tainted ? { taints: [{ key: CONTROL_PLANE_TAINT, effect: 'NoSchedule' as const }] } : {}
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: {
        'beta.kubernetes.io/arch': 'amd64',
        'beta.kubernetes.io/os': 'linux',
        'kubernetes.io/arch': 'amd64',
        'kubernetes.io/hostname': name,
        'kubernetes.io/os': 'linux',
        ...role,
        ...labels,
      },
      annotations: {
        ...lease,
        'kubeadm.alpha.kubernetes.io/cri-socket': 'unix:///var/run/containerd/containerd.sock',
        'node.alpha.kubernetes.io/ttl': '0',
        'volumes.kubernetes.io/controller-managed-attach-detach': 'true',
      },
    },
    spec: { podCIDR, podCIDRs: [podCIDR], ...taints },
    status: {},
  }
}

/** What a kubelet's scheduler may put there (--max-pods). */
export const MAX_PODS = 110

/** `id`: 32 hexadecimal digits of the machine's own. */
export function nodeStatus(name: string, ip: string, now: string, id: string): Node['status'] {
  const capacity = {
    cpu: '2',
    'ephemeral-storage': '20470Mi',
    'hugepages-2Mi': '0',
    memory: '4014836Ki',
    pods: String(MAX_PODS),
  }
  return {
    addresses: [
      { type: 'InternalIP', address: ip },
      { type: 'Hostname', address: name },
    ],
    capacity,
    allocatable: { ...capacity, memory: '3912436Ki' },
    conditions: CONDITIONS.map((condition) => ({ ...condition, lastHeartbeatTime: now, lastTransitionTime: now })),
    daemonEndpoints: { kubeletEndpoint: { Port: 10250 } },
    nodeInfo: {
      architecture: 'amd64',
      bootID: id,
      containerRuntimeVersion: 'containerd://1.7.27',
      kernelVersion: '6.1.0-35-amd64',
      kubeProxyVersion: VERSION,
      kubeletVersion: VERSION,
      machineID: id,
      operatingSystem: 'linux',
      osImage: 'Debian GNU/Linux 12 (bookworm)',
      systemUUID: id,
    },
  }
}

/** As the kubelet reports a node that is well. */
export const CONDITIONS: readonly Condition[] = [
  { type: 'NetworkUnavailable', status: 'False', reason: 'FlannelIsUp', message: 'Flannel is running on this node' },
  {
    type: 'MemoryPressure',
    status: 'False',
    reason: 'KubeletHasSufficientMemory',
    message: 'kubelet has sufficient memory available',
  },
  {
    type: 'DiskPressure',
    status: 'False',
    reason: 'KubeletHasNoDiskPressure',
    message: 'kubelet has no disk pressure',
  },
  {
    type: 'PIDPressure',
    status: 'False',
    reason: 'KubeletHasSufficientPID',
    message: 'kubelet has sufficient PID available',
  },
  { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' },
]

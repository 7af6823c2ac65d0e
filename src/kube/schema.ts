/**
 * Which fields the kinds have (Kubernetes 1.32), so that strict decoding can refuse the others as the API server
 * does. Fields marked `unmodelled` are accepted and change nothing; the store says so.
 */
import { list, map, type Shape, type Struct, struct, unmodelled } from './schema-shape.ts'
import { volume, volumeMount } from './schema-volumes.ts'

const text = map('string')

const metadata = struct('ObjectMeta', {
  name: 'string',
  generateName: 'string',
  namespace: 'string',
  selfLink: 'string',
  uid: 'string',
  resourceVersion: 'string',
  generation: 'int64',
  creationTimestamp: 'time',
  deletionTimestamp: 'time',
  deletionGracePeriodSeconds: 'int64',
  labels: text,
  annotations: text,
  ownerReferences: list(
    struct('OwnerReference', {
      apiVersion: 'string',
      kind: 'string',
      name: 'string',
      uid: 'string',
      controller: 'bool',
      blockOwnerDeletion: 'bool',
    }),
  ),
  finalizers: list('string'),
  managedFields: 'any',
})

const expression = list(
  struct('LabelSelectorRequirement', { key: 'string', operator: 'string', values: list('string') }),
)
const labelSelector = struct('LabelSelector', { matchLabels: text, matchExpressions: expression })

function keyed(go: string, more: Readonly<Record<string, Shape>>): Struct {
  return struct(go, { name: 'string', optional: 'bool', ...more })
}

const env = struct('EnvVar', {
  name: 'string',
  value: 'string',
  valueFrom: struct('EnvVarSource', {
    fieldRef: struct('ObjectFieldSelector', { apiVersion: 'string', fieldPath: 'string' }),
    configMapKeyRef: keyed('ConfigMapKeySelector', { key: 'string' }),
    secretKeyRef: unmodelled(keyed('SecretKeySelector', { key: 'string' })),
    resourceFieldRef: unmodelled(),
  }),
})

const httpGetAction = struct('HTTPGetAction', {
  path: 'string',
  port: 'intOrString',
  host: 'string',
  scheme: 'string',
  httpHeaders: list(struct('HTTPHeader', { name: 'string', value: 'string' })),
})
const execAction = struct('ExecAction', { command: list('string') })

const probe = struct('Probe', {
  httpGet: httpGetAction,
  tcpSocket: struct('TCPSocketAction', { port: 'intOrString', host: 'string' }),
  exec: execAction,
  // Refused in words by validation: a probe that asks nothing would lie.
  grpc: 'any',
  initialDelaySeconds: 'int32',
  periodSeconds: 'int32',
  timeoutSeconds: 'int32',
  successThreshold: 'int32',
  failureThreshold: 'int32',
  terminationGracePeriodSeconds: 'int64',
})

const container = struct('Container', {
  name: 'string',
  image: 'string',
  imagePullPolicy: 'string',
  command: list('string'),
  args: list('string'),
  workingDir: 'string',
  ports: list(
    struct('ContainerPort', {
      name: 'string',
      containerPort: 'int32',
      protocol: 'string',
      hostPort: 'int32',
      hostIP: 'string',
    }),
  ),
  env: list(env),
  envFrom: list(
    struct('EnvFromSource', {
      prefix: 'string',
      configMapRef: keyed('ConfigMapEnvSource', {}),
      secretRef: unmodelled(keyed('SecretEnvSource', {})),
    }),
  ),
  resources: struct('ResourceRequirements', {
    limits: map('quantity'),
    requests: map('quantity'),
    claims: unmodelled(),
  }),
  resizePolicy: 'any',
  restartPolicy: unmodelled('string'),
  readinessProbe: probe,
  livenessProbe: probe,
  startupProbe: probe,
  lifecycle: struct('Lifecycle', {
    postStart: unmodelled(),
    preStop: struct('LifecycleHandler', {
      exec: execAction,
      httpGet: httpGetAction,
      sleep: struct('SleepAction', { seconds: 'int64' }),
      tcpSocket: unmodelled(),
    }),
    stopSignal: unmodelled(),
  }),
  securityContext: unmodelled(),
  stdin: 'bool',
  stdinOnce: 'bool',
  tty: 'bool',
  terminationMessagePath: 'string',
  terminationMessagePolicy: 'string',
  volumeDevices: unmodelled(),
  volumeMounts: list(volumeMount),
})

const nodeExpressions = list(
  struct('NodeSelectorRequirement', { key: 'string', operator: 'string', values: list('string') }),
)

const podSpec = struct('PodSpec', {
  containers: list(container),
  initContainers: list(container),
  ephemeralContainers: unmodelled(),
  nodeName: 'string',
  nodeSelector: text,
  affinity: struct('Affinity', {
    nodeAffinity: struct('NodeAffinity', {
      requiredDuringSchedulingIgnoredDuringExecution: struct('NodeSelector', {
        nodeSelectorTerms: list(
          struct('NodeSelectorTerm', { matchExpressions: nodeExpressions, matchFields: nodeExpressions }),
        ),
      }),
      preferredDuringSchedulingIgnoredDuringExecution: unmodelled(),
    }),
    podAffinity: unmodelled(),
    podAntiAffinity: unmodelled(),
  }),
  tolerations: list(
    struct('Toleration', {
      key: 'string',
      operator: 'string',
      value: 'string',
      effect: 'string',
      tolerationSeconds: 'int64',
    }),
  ),
  restartPolicy: 'string',
  terminationGracePeriodSeconds: 'int64',
  activeDeadlineSeconds: unmodelled('int64'),
  dnsPolicy: 'string',
  dnsConfig: struct('PodDNSConfig', {
    nameservers: list('string'),
    searches: list('string'),
    options: list(struct('PodDNSConfigOption', { name: 'string', value: 'string' })),
  }),
  hostNetwork: 'bool',
  hostPID: unmodelled('bool'),
  hostIPC: unmodelled('bool'),
  hostUsers: unmodelled('bool'),
  hostname: 'string',
  subdomain: 'string',
  setHostnameAsFQDN: unmodelled('bool'),
  shareProcessNamespace: unmodelled('bool'),
  hostAliases: list(struct('HostAlias', { ip: 'string', hostnames: list('string') })),
  enableServiceLinks: 'bool',
  serviceAccountName: 'string',
  serviceAccount: 'string',
  automountServiceAccountToken: 'bool',
  schedulerName: 'string',
  priority: 'int32',
  priorityClassName: 'string',
  preemptionPolicy: 'string',
  runtimeClassName: unmodelled('string'),
  securityContext: unmodelled(),
  imagePullSecrets: unmodelled(),
  volumes: list(volume),
  topologySpreadConstraints: unmodelled(),
  readinessGates: list(struct('PodReadinessGate', { conditionType: 'string' })),
  overhead: unmodelled(),
  os: unmodelled(),
  resources: unmodelled(),
  resourceClaims: unmodelled(),
  schedulingGates: unmodelled(),
})

const template = struct('PodTemplateSpec', { metadata, spec: podSpec })

const servicePort = struct('ServicePort', {
  name: 'string',
  protocol: 'string',
  port: 'int32',
  targetPort: 'intOrString',
  nodePort: 'int32',
  appProtocol: 'string',
})

const serviceSpec = struct('ServiceSpec', {
  type: 'string',
  selector: text,
  ports: list(servicePort),
  clusterIP: 'string',
  clusterIPs: list('string'),
  externalName: 'string',
  externalIPs: list('string'),
  externalTrafficPolicy: 'string',
  internalTrafficPolicy: 'string',
  healthCheckNodePort: 'int32',
  allocateLoadBalancerNodePorts: 'bool',
  loadBalancerIP: 'string',
  loadBalancerClass: 'string',
  loadBalancerSourceRanges: list('string'),
  ipFamilies: list('string'),
  ipFamilyPolicy: 'string',
  publishNotReadyAddresses: 'bool',
  sessionAffinity: 'string',
  sessionAffinityConfig: struct('SessionAffinityConfig', {
    clientIP: struct('ClientIPConfig', { timeoutSeconds: 'int32' }),
  }),
  trafficDistribution: 'string',
})

const reference = struct('ObjectReference', {
  kind: 'string',
  namespace: 'string',
  name: 'string',
  uid: 'string',
  apiVersion: 'string',
  resourceVersion: 'string',
  fieldPath: 'string',
})
const address = list(
  struct('EndpointAddress', { ip: 'string', hostname: 'string', nodeName: 'string', targetRef: reference }),
)
const port = { name: 'string', port: 'int32', protocol: 'string', appProtocol: 'string' } as const

const policyPeers = list(
  struct('NetworkPolicyPeer', {
    podSelector: labelSelector,
    namespaceSelector: labelSelector,
    ipBlock: struct('IPBlock', { cidr: 'string', except: list('string') }),
  }),
)
const policyPorts = list(struct('NetworkPolicyPort', { protocol: 'string', port: 'intOrString', endPort: 'int32' }))

function kind(go: string, fields: Readonly<Record<string, Shape>>): Struct {
  return struct(go, { apiVersion: 'string', kind: 'string', metadata, ...fields })
}

/** By kind. `status` is the controllers' own: not checked. */
export const SCHEMAS: ReadonlyMap<string, Struct> = new Map(
  [
    kind('Namespace', { spec: struct('NamespaceSpec', { finalizers: list('string') }), status: 'any' }),
    kind('Node', {
      spec: struct('NodeSpec', {
        podCIDR: 'string',
        podCIDRs: list('string'),
        providerID: 'string',
        unschedulable: 'bool',
        taints: list(struct('Taint', { key: 'string', value: 'string', effect: 'string', timeAdded: 'time' })),
        configSource: 'any',
        externalID: 'string',
      }),
      status: 'any',
    }),
    kind('Pod', { spec: podSpec, status: 'any' }),
    kind('Service', { spec: serviceSpec, status: 'any' }),
    kind('Endpoints', {
      subsets: list(
        struct('EndpointSubset', {
          addresses: address,
          notReadyAddresses: address,
          ports: list(struct('EndpointPort', port)),
        }),
      ),
    }),
    kind('EndpointSlice', {
      addressType: 'string',
      endpoints: list(
        struct('Endpoint', {
          addresses: list('string'),
          conditions: struct('EndpointConditions', { ready: 'bool', serving: 'bool', terminating: 'bool' }),
          hostname: 'string',
          nodeName: 'string',
          zone: 'string',
          hints: struct('EndpointHints', {
            forZones: list(struct('ForZone', { name: 'string' })),
            forNodes: list(struct('ForNode', { name: 'string' })),
          }),
          targetRef: reference,
          deprecatedTopology: 'any',
        }),
      ),
      ports: list(struct('EndpointPort', port)),
    }),
    kind('NetworkPolicy', {
      spec: struct('NetworkPolicySpec', {
        podSelector: labelSelector,
        policyTypes: list('string'),
        ingress: list(struct('NetworkPolicyIngressRule', { from: policyPeers, ports: policyPorts })),
        egress: list(struct('NetworkPolicyEgressRule', { to: policyPeers, ports: policyPorts })),
      }),
      status: 'any',
    }),
    kind('ConfigMap', { data: text, binaryData: text, immutable: 'bool' }),
    kind('ServiceAccount', { secrets: 'any', imagePullSecrets: 'any', automountServiceAccountToken: 'bool' }),
    kind('Event', {
      involvedObject: reference,
      reason: 'string',
      message: 'string',
      source: struct('EventSource', { component: 'string', host: 'string' }),
      firstTimestamp: 'time',
      lastTimestamp: 'time',
      count: 'int32',
      type: 'string',
      eventTime: 'any',
      series: 'any',
      action: 'string',
      related: 'any',
      reportingComponent: 'string',
      reportingInstance: 'string',
    }),
    kind('Deployment', {
      spec: struct('DeploymentSpec', {
        replicas: 'int32',
        selector: labelSelector,
        template,
        strategy: struct('DeploymentStrategy', {
          type: 'string',
          rollingUpdate: struct('RollingUpdateDeployment', { maxSurge: 'intOrString', maxUnavailable: 'intOrString' }),
        }),
        minReadySeconds: 'int32',
        revisionHistoryLimit: 'int32',
        progressDeadlineSeconds: 'int32',
        paused: 'bool',
      }),
      status: 'any',
    }),
    kind('ReplicaSet', {
      spec: struct('ReplicaSetSpec', {
        replicas: 'int32',
        selector: labelSelector,
        template,
        minReadySeconds: 'int32',
      }),
      status: 'any',
    }),
    kind('StatefulSet', {
      spec: struct('StatefulSetSpec', {
        replicas: 'int32',
        selector: labelSelector,
        serviceName: 'string',
        template,
        podManagementPolicy: 'string',
        updateStrategy: struct('StatefulSetUpdateStrategy', {
          type: 'string',
          rollingUpdate: struct('RollingUpdateStatefulSetStrategy', {
            partition: 'int32',
            maxUnavailable: unmodelled('intOrString'),
          }),
        }),
        ordinals: struct('StatefulSetOrdinals', { start: 'int32' }),
        persistentVolumeClaimRetentionPolicy: 'any',
        volumeClaimTemplates: unmodelled(),
        minReadySeconds: unmodelled('int32'),
        revisionHistoryLimit: 'int32',
      }),
      status: 'any',
    }),
    kind('DaemonSet', {
      spec: struct('DaemonSetSpec', {
        selector: labelSelector,
        template,
        updateStrategy: struct('DaemonSetUpdateStrategy', {
          type: 'string',
          rollingUpdate: struct('RollingUpdateDaemonSet', { maxUnavailable: 'intOrString', maxSurge: unmodelled() }),
        }),
        minReadySeconds: 'int32',
        revisionHistoryLimit: 'int32',
      }),
      status: 'any',
    }),
  ].map((shape) => [shape.go, shape]),
)

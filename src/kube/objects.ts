/**
 * The API kinds in use, as plain JSON: what kubectl prints with `-o json`. Only fields that podwire reads or writes
 * are typed; manifests may hold more (schema.ts knows which fields exist at all).
 *
 * Objects that come out of the Store are frozen: copy them (`structuredClone`) before changing anything.
 */

import type { Condition, KubeObject, LabelExpression, LabelSelector, Labels } from './objects-meta.ts'
import type { TargetRef } from './objects-service.ts'

export type * from './objects-meta.ts'
export type * from './objects-policy.ts'
export type * from './objects-service.ts'

// ── pods ─────────────────────────────────────────────────────────────

export interface Pod extends KubeObject {
  kind: 'Pod'
  spec: PodSpec
  status: PodStatus
}

export interface PodSpec {
  containers: ContainerSpec[]
  initContainers?: ContainerSpec[]
  nodeName?: string
  nodeSelector?: Labels
  affinity?: { nodeAffinity?: NodeAffinity; [key: string]: unknown }
  tolerations?: Toleration[]
  restartPolicy?: 'Always' | 'OnFailure' | 'Never'
  terminationGracePeriodSeconds?: number
  dnsPolicy?: 'ClusterFirst' | 'ClusterFirstWithHostNet' | 'Default' | 'None'
  dnsConfig?: { nameservers?: string[]; searches?: string[]; options?: { name: string; value?: string }[] }
  hostNetwork?: boolean
  readinessGates?: { conditionType: string }[]
  hostname?: string
  subdomain?: string
  hostAliases?: { ip: string; hostnames?: string[] }[]
  volumes?: { name: string; configMap?: ConfigMapVolume; [key: string]: unknown }[]
  enableServiceLinks?: boolean
  serviceAccountName?: string
  [key: string]: unknown
}

export interface ContainerSpec {
  name: string
  image: string
  imagePullPolicy?: 'Always' | 'IfNotPresent' | 'Never'
  command?: string[]
  args?: string[]
  workingDir?: string
  env?: EnvVar[]
  envFrom?: { prefix?: string; configMapRef?: { name: string; optional?: boolean }; [key: string]: unknown }[]
  ports?: ContainerPort[]
  volumeMounts?: { name: string; mountPath: string; subPath?: string; readOnly?: boolean }[]
  readinessProbe?: Probe
  livenessProbe?: Probe
  startupProbe?: Probe
  lifecycle?: { preStop?: Hook }
  stdin?: boolean
  stdinOnce?: boolean
  tty?: boolean
  [key: string]: unknown
}

export interface ConfigMapVolume {
  name: string
  items?: { key: string; path: string }[]
  optional?: boolean
}

export interface ContainerPort {
  name?: string
  containerPort: number
  protocol?: string
  hostPort?: number
  hostIP?: string
}

export interface EnvVar {
  name: string
  value?: string
  valueFrom?: {
    fieldRef?: { fieldPath: string }
    configMapKeyRef?: { name: string; key: string; optional?: boolean }
    [key: string]: unknown
  }
}

export interface Probe {
  httpGet?: {
    path?: string
    port: number | string
    host?: string
    scheme?: string
    httpHeaders?: { name: string; value: string }[]
  }
  tcpSocket?: { port: number | string; host?: string }
  exec?: { command?: string[] }
  initialDelaySeconds?: number
  periodSeconds?: number
  timeoutSeconds?: number
  successThreshold?: number
  failureThreshold?: number
  terminationGracePeriodSeconds?: number
}

/** What is done before a container gets SIGTERM. */
export interface Hook extends Pick<Probe, 'exec' | 'httpGet'> {
  sleep?: { seconds: number }
}

export interface Toleration {
  key?: string
  operator?: 'Exists' | 'Equal'
  value?: string
  effect?: string
  tolerationSeconds?: number
}

export interface NodeAffinity {
  requiredDuringSchedulingIgnoredDuringExecution?: {
    nodeSelectorTerms: { matchExpressions?: LabelExpression[]; matchFields?: LabelExpression[] }[]
  }
  [key: string]: unknown
}

export interface PodStatus {
  phase?: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown'
  conditions?: Condition[]
  reason?: string
  message?: string
  hostIP?: string
  hostIPs?: { ip: string }[]
  podIP?: string
  podIPs?: { ip: string }[]
  startTime?: string
  initContainerStatuses?: ContainerStatus[]
  containerStatuses?: ContainerStatus[]
  qosClass?: string
}

export interface ContainerStatus {
  name: string
  state: ContainerState
  lastState: ContainerState
  ready: boolean
  restartCount: number
  image: string
  imageID: string
  containerID?: string
  started: boolean
}

export interface ContainerState {
  waiting?: { reason: string; message?: string }
  running?: { startedAt: string }
  terminated?: TerminatedState
}

export interface TerminatedState {
  exitCode: number
  reason: string
  message?: string
  startedAt: string | null
  finishedAt: string | null
  containerID?: string
}

// ── workloads ────────────────────────────────────────────────────────

export interface PodTemplate {
  metadata?: { labels?: Labels; annotations?: Record<string, string>; [key: string]: unknown }
  spec: PodSpec
}

export interface Deployment extends KubeObject {
  kind: 'Deployment'
  spec: {
    replicas: number
    selector: LabelSelector
    template: PodTemplate
    strategy: {
      type: 'RollingUpdate' | 'Recreate'
      rollingUpdate?: { maxSurge: number | string; maxUnavailable: number | string }
    }
    minReadySeconds?: number
    revisionHistoryLimit: number
    progressDeadlineSeconds: number
    paused?: boolean
  }
  status: {
    observedGeneration?: number
    replicas?: number
    updatedReplicas?: number
    readyReplicas?: number
    availableReplicas?: number
    unavailableReplicas?: number
    conditions?: Condition[]
  }
}

export interface ReplicaSet extends KubeObject {
  kind: 'ReplicaSet'
  spec: { replicas: number; selector: LabelSelector; template: PodTemplate; minReadySeconds?: number }
  status: {
    observedGeneration?: number
    replicas: number
    fullyLabeledReplicas?: number
    readyReplicas?: number
    availableReplicas?: number
  }
}

export interface DaemonSet extends KubeObject {
  kind: 'DaemonSet'
  spec: {
    selector: LabelSelector
    template: PodTemplate
    updateStrategy: { type: 'RollingUpdate' | 'OnDelete'; rollingUpdate?: { maxUnavailable: number | string } }
    minReadySeconds?: number
    revisionHistoryLimit: number
  }
  status: {
    observedGeneration?: number
    currentNumberScheduled: number
    desiredNumberScheduled: number
    numberMisscheduled: number
    numberReady: number
    updatedNumberScheduled?: number
    numberAvailable?: number
    numberUnavailable?: number
  }
}

// ── the rest ─────────────────────────────────────────────────────────

export interface Taint {
  key: string
  value?: string
  effect: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute'
  timeAdded?: string
}

export interface Node extends KubeObject {
  kind: 'Node'
  spec: { podCIDR?: string; podCIDRs?: string[]; taints?: Taint[]; unschedulable?: boolean }
  status: {
    addresses?: { type: string; address: string }[]
    capacity?: Record<string, string>
    allocatable?: Record<string, string>
    conditions?: Condition[]
    nodeInfo?: Record<string, string>
    daemonEndpoints?: { kubeletEndpoint: { Port: number } }
    images?: { names: string[]; sizeBytes: number }[]
  }
}

export interface Namespace extends KubeObject {
  kind: 'Namespace'
  spec: { finalizers?: string[] }
  status: { phase: 'Active' | 'Terminating' }
}

export interface ConfigMap extends KubeObject {
  kind: 'ConfigMap'
  data?: Record<string, string>
  binaryData?: Record<string, string>
}

export interface KubeEvent extends KubeObject {
  kind: 'Event'
  involvedObject: TargetRef
  reason: string
  message: string
  source: { component?: string; host?: string }
  firstTimestamp: string
  lastTimestamp: string
  count: number
  type: 'Normal' | 'Warning'
}

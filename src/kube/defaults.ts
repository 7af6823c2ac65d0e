/** What the API server fills in when a manifest leaves it out. Each function changes the object it is given. */
import { isMap, type JsonMap } from './json.ts'
import type { KubeObject } from './objects.ts'
import { isExternallyAccessible } from './validation-service.ts'

export function setDefaults(object: KubeObject): void {
  defaulters[object.kind]?.(object as unknown as JsonMap)
}

const defaulters: Readonly<Record<string, (object: JsonMap) => void>> = {
  Namespace: (object) => {
    fill(object, { spec: {}, status: {} })
    fill(object.spec, { finalizers: ['kubernetes'] })
    fill(object.status, { phase: 'Active' })
    const metadata = object.metadata as JsonMap
    fill(metadata, { labels: {} })
    fill(metadata.labels, { 'kubernetes.io/metadata.name': metadata.name })
  },
  Node: (object) => fill(object, { spec: {}, status: {} }),
  Pod: (object) => {
    podSpec(object.spec)
    tolerateTroubledNodes(object.spec)
    fill(object, { status: {} })
    fill(object.status, { phase: 'Pending', qosClass: qualityOfService(object.spec) })
  },
  Deployment: (object) => {
    workload(object)
    fill(object.spec, { replicas: 1, strategy: {}, revisionHistoryLimit: 10, progressDeadlineSeconds: 600 })
    const strategy = (object.spec as JsonMap).strategy
    fill(strategy, { type: 'RollingUpdate' })
    if (isMap(strategy) && strategy.type === 'RollingUpdate') {
      fill(strategy, { rollingUpdate: {} })
      fill(strategy.rollingUpdate, { maxSurge: '25%', maxUnavailable: '25%' })
    }
  },
  ReplicaSet: (object) => {
    workload(object)
    fill(object.spec, { replicas: 1 })
    fill(object.status, { replicas: 0 })
  },
  DaemonSet: (object) => {
    workload(object)
    fill(object.spec, { updateStrategy: {}, revisionHistoryLimit: 10 })
    const strategy = (object.spec as JsonMap).updateStrategy
    fill(strategy, { type: 'RollingUpdate' })
    if (isMap(strategy) && strategy.type === 'RollingUpdate') {
      fill(strategy, { rollingUpdate: {} })
      fill(strategy.rollingUpdate, { maxUnavailable: 1, maxSurge: 0 })
    }
    fill(object.status, { currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0 })
  },
  StatefulSet: (object) => {
    workload(object)
    const keep = { whenDeleted: 'Retain', whenScaled: 'Retain' }
    fill(object.spec, { replicas: 1, serviceName: '', podManagementPolicy: 'OrderedReady', updateStrategy: {} })
    fill(object.spec, { revisionHistoryLimit: 10, persistentVolumeClaimRetentionPolicy: keep })
    const strategy = (object.spec as JsonMap).updateStrategy
    fill(strategy, { type: 'RollingUpdate' })
    if (isMap(strategy) && strategy.type === 'RollingUpdate') {
      fill(strategy, { rollingUpdate: {} })
      fill(strategy.rollingUpdate, { partition: 0 })
    }
    fill(object.status, { replicas: 0, availableReplicas: 0 })
  },
  Service: service,
  Endpoints: (object) => {
    for (const subset of maps(object.subsets)) for (const port of maps(subset.ports)) fill(port, { protocol: 'TCP' })
  },
  EndpointSlice: (object) => {
    fill(object, { endpoints: [] })
    for (const port of maps(object.ports)) fill(port, { name: '', protocol: 'TCP' })
  },
  NetworkPolicy: (object) => {
    fill(object, { spec: {} })
    const spec = object.spec as JsonMap
    fill(spec, { podSelector: {} })
    for (const rule of [...maps(spec.ingress), ...maps(spec.egress)]) {
      for (const port of maps(rule.ports)) fill(port, { protocol: 'TCP' })
    }
    const types = maps(spec.egress).length === 0 ? ['Ingress'] : ['Ingress', 'Egress']
    if (!Array.isArray(spec.policyTypes) || spec.policyTypes.length === 0) spec.policyTypes = types
  },
}

/** Sets what is undefined. */
function fill(target: unknown, values: JsonMap): void {
  if (!isMap(target)) return
  for (const [key, value] of Object.entries(values)) target[key] ??= value
}

function maps(value: unknown): JsonMap[] {
  return Array.isArray(value) ? value.filter(isMap) : []
}

function workload(object: JsonMap): void {
  fill(object, { status: {} })
  const spec = object.spec
  if (!isMap(spec) || !isMap(spec.template)) return
  // apps/v1 has no default selector; pods of a template always restart.
  podSpec(spec.template.spec)
  fill(spec.template, { metadata: {} })
}

function podSpec(spec: unknown): void {
  if (!isMap(spec)) return
  fill(spec, {
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    schedulerName: 'default-scheduler',
    securityContext: {},
  })
  for (const container of [...maps(spec.initContainers), ...maps(spec.containers)]) {
    fill(container, {
      imagePullPolicy: typeof container.image === 'string' ? pullPolicy(container.image) : undefined,
      resources: {},
      terminationMessagePath: '/dev/termination-log',
      terminationMessagePolicy: 'File',
    })
    if (container.imagePullPolicy === undefined) delete container.imagePullPolicy
    for (const port of maps(container.ports)) {
      fill(port, { protocol: 'TCP' })
      if (spec.hostNetwork === true) fill(port, { hostPort: port.containerPort })
    }
    for (const variable of maps(container.env)) {
      if (isMap(variable.valueFrom)) fill(variable.valueFrom.fieldRef, { apiVersion: 'v1' })
    }
    for (const name of ['readinessProbe', 'livenessProbe', 'startupProbe']) {
      fill(container[name], { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 })
      if (isMap(container[name])) fill(container[name].httpGet, { path: '/', scheme: 'HTTP' })
    }
  }
}

/** Always for `:latest` and for no tag at all. */
function pullPolicy(image: string): string {
  if (image.includes('@')) return 'IfNotPresent'
  const name = image.slice(image.lastIndexOf('/') + 1)
  return !name.includes(':') || name.endsWith(':latest') ? 'Always' : 'IfNotPresent'
}

/** The admission plug-ins ServiceAccount and DefaultTolerationSeconds. */
function tolerateTroubledNodes(spec: unknown): void {
  if (!isMap(spec)) return
  fill(spec, {
    serviceAccountName: 'default',
    enableServiceLinks: true,
    preemptionPolicy: 'PreemptLowerPriority',
    priority: 0,
    tolerations: [],
  })
  fill(spec, { serviceAccount: spec.serviceAccountName })
  const tolerations = spec.tolerations as JsonMap[]
  for (const key of ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']) {
    const covered = (t: JsonMap) =>
      (t.key === key || t.key === undefined) && (t.effect === 'NoExecute' || t.effect === undefined)
    if (!tolerations.some(covered))
      tolerations.push({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 })
  }
}

function qualityOfService(spec: unknown): string {
  const containers = isMap(spec) ? [...maps(spec.containers), ...maps(spec.initContainers)] : []
  const resources = containers.map((container) => (isMap(container.resources) ? container.resources : {}))
  const has = (part: unknown, name: string) => isMap(part) && part[name] !== undefined
  const any = resources.some((r) => ['cpu', 'memory'].some((name) => has(r.requests, name) || has(r.limits, name)))
  if (!any) return 'BestEffort'
  const full = resources.every((r) =>
    ['cpu', 'memory'].every(
      (name) =>
        has(r.limits, name) &&
        (!has(r.requests, name) || (r.requests as JsonMap)[name] === (r.limits as JsonMap)[name]),
    ),
  )
  return full ? 'Guaranteed' : 'Burstable'
}

function service(object: JsonMap): void {
  fill(object, { spec: {}, status: {} })
  fill(object.status, { loadBalancer: {} })
  const spec = object.spec as JsonMap
  fill(spec, { type: 'ClusterIP', sessionAffinity: 'None' })
  for (const port of maps(spec.ports)) {
    fill(port, { protocol: 'TCP', targetPort: port.port })
    if (port.targetPort === 0 || port.targetPort === '') port.targetPort = port.port
  }
  if (spec.sessionAffinity === 'ClientIP') {
    fill(spec, { sessionAffinityConfig: {} })
    fill(spec.sessionAffinityConfig, { clientIP: {} })
    fill((spec.sessionAffinityConfig as JsonMap).clientIP, { timeoutSeconds: 10800 })
  } else delete spec.sessionAffinityConfig
  if (spec.type === 'ExternalName') return
  // Whoever writes the endpoints of a headless Service by hand may write both families'.
  const both = spec.clusterIP === 'None' && !isMap(spec.selector)
  fill(spec, both ? { ipFamilies: ['IPv4', 'IPv6'], ipFamilyPolicy: 'RequireDualStack' } : {})
  fill(spec, { ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack', internalTrafficPolicy: 'Cluster' })
  if (isExternallyAccessible(spec)) fill(spec, { externalTrafficPolicy: 'Cluster' })
  if (spec.type === 'LoadBalancer') fill(spec, { allocateLoadBalancerNodePorts: true })
}

/** Validation of objects as the API server does it: what may be created, and what may change. */
import { ApiError } from './api-error.ts'
import { Causes, goSelector, goText } from './causes.ts'
import { clone, equal, isMap, type JsonMap } from './json.ts'
import { selects } from './label-selector.ts'
import { checkLabel, checkLabel1035, checkLabelKey, checkLabelValue, checkPort, checkSubdomain } from './names.ts'
import type { KubeObject, LabelSelector } from './objects.ts'
import { validatePodSpec } from './validation-pod.ts'
import { networkPolicy } from './validation-policy.ts'
import { endpointAddress, service, serviceChange } from './validation-service.ts'

/** @throws ApiError Invalid with everything that is wrong; `old` is what an update replaces. */
export function validate(object: KubeObject, old: KubeObject | null): void {
  const causes = new Causes()
  validateMetadata(object, causes)
  validators[object.kind]?.(object as unknown as JsonMap, causes)
  if (old !== null) changes[object.kind]?.(object as unknown as JsonMap, old as unknown as JsonMap, causes)
  if (causes.all.length > 0) throw ApiError.invalid(object.kind, object.metadata.name, causes.all)
}

function validateMetadata(object: KubeObject, causes: Causes): void {
  const { name, labels, annotations } = object.metadata
  const kind = object.kind
  const check = kind === 'Namespace' ? checkLabel : kind === 'Service' ? checkLabel1035 : checkSubdomain
  // Headless endpoints may be named after things that are no Services; events by time.
  causes.check('metadata.name', name, check)
  validateLabels(labels, 'metadata.labels', causes)
  for (const key of Object.keys(annotations ?? {})) {
    const why = checkLabelKey(key.toLowerCase())
    if (why !== null) causes.invalid('metadata.annotations', key, why)
  }
}

function validateLabels(labels: unknown, at: string, causes: Causes): void {
  for (const [key, value] of Object.entries(isMap(labels) ? labels : {})) {
    const badKey = checkLabelKey(key)
    if (badKey !== null) causes.invalid(at, key, badKey)
    const badValue = checkLabelValue(String(value))
    if (badValue !== null) causes.invalid(at, value, badValue)
  }
}

type Validator = (object: JsonMap, causes: Causes) => void
type Change = (object: JsonMap, old: JsonMap, causes: Causes) => void

function items(value: unknown): JsonMap[] {
  return Array.isArray(value) ? value.filter(isMap) : []
}

function workload(object: JsonMap, causes: Causes): void {
  const spec = object.spec
  if (!isMap(spec)) return causes.required('spec')
  const { selector, template } = spec
  if (!isMap(selector)) causes.required('spec.selector')
  else if (Object.keys(selector).length === 0) {
    causes.invalid('spec.selector', 0, 'empty selector is invalid for deployment')
  }
  if (!isMap(template)) return causes.required('spec.template')
  const labels = isMap(template.metadata) ? template.metadata.labels : undefined
  validateLabels(labels, 'spec.template.metadata.labels', causes)
  if (isMap(selector) && !selects(selector as LabelSelector, labels as Record<string, string> | undefined)) {
    const shown = labels === undefined ? 'map[string]string(nil)' : goText(labels)
    causes.add(
      'spec.template.metadata.labels',
      `Invalid value: ${shown}: \`selector\` does not match template \`labels\``,
    )
  }
  if (typeof spec.replicas === 'number' && spec.replicas < 0) {
    causes.invalid('spec.replicas', spec.replicas, 'must be greater than or equal to 0')
  }
  validatePodSpec(template.spec, 'spec.template.spec', causes, true)
}

function deployment(object: JsonMap, causes: Causes): void {
  workload(object, causes)
  if (!isMap(object.spec) || !isMap(object.spec.strategy)) return
  const { type, rollingUpdate } = object.spec.strategy
  causes.oneOf('spec.strategy.type', type, ['Recreate', 'RollingUpdate'])
  if (type === 'Recreate' && rollingUpdate !== undefined) {
    causes.add('spec.strategy.rollingUpdate', "Forbidden: may not be specified when strategy `type` is 'Recreate'")
  }
  if (isMap(rollingUpdate) && Number.parseInt(String(rollingUpdate.maxSurge), 10) === 0) {
    if (Number.parseInt(String(rollingUpdate.maxUnavailable), 10) === 0) {
      causes.invalid(
        'spec.strategy.rollingUpdate.maxUnavailable',
        rollingUpdate.maxUnavailable,
        'may not be 0 when `maxSurge` is 0',
      )
    }
  }
}

function endpoints(object: JsonMap, causes: Causes): void {
  items(object.subsets).forEach((subset, i) => {
    const at = `subsets[${i}]`
    const ready = items(subset.addresses)
    const waiting = items(subset.notReadyAddresses)
    if (ready.length + waiting.length === 0) causes.required(at, 'must specify `addresses` or `notReadyAddresses`')
    ready.forEach((a, n) => endpointAddress(a.ip, `${at}.addresses[${n}].ip`, causes))
    waiting.forEach((a, n) => endpointAddress(a.ip, `${at}.notReadyAddresses[${n}].ip`, causes))
    items(subset.ports).forEach((port, n) => causes.port(`${at}.ports[${n}].port`, port.port, checkPort))
  })
}

function slice(object: JsonMap, causes: Causes): void {
  if (object.addressType === undefined) causes.required('addressType')
  causes.oneOf('addressType', object.addressType, ['FQDN', 'IPv4', 'IPv6'])
  if (object.addressType !== 'IPv4') return
  items(object.endpoints).forEach((endpoint, i) => {
    const addresses = Array.isArray(endpoint.addresses) ? endpoint.addresses : []
    if (addresses.length === 0) causes.required(`endpoints[${i}].addresses`, 'must contain at least 1 address')
    addresses.forEach((address, n) => endpointAddress(address, `endpoints[${i}].addresses[${n}]`, causes))
  })
}

const validators: Readonly<Record<string, Validator>> = {
  Pod: (object, causes) => validatePodSpec(object.spec, 'spec', causes, false),
  Deployment: deployment,
  ReplicaSet: workload,
  DaemonSet: workload,
  StatefulSet: (object, causes) => {
    workload(object, causes)
    if (!isMap(object.spec)) return
    causes.oneOf('spec.podManagementPolicy', object.spec.podManagementPolicy, ['OrderedReady', 'Parallel'])
    if (isMap(object.spec.updateStrategy))
      causes.oneOf('spec.updateStrategy.type', object.spec.updateStrategy.type, ['OnDelete', 'RollingUpdate'])
  },
  Service: (object, causes) => {
    validateLabels((object.spec as JsonMap).selector, 'spec.selector', causes)
    service(object, causes)
  },
  Endpoints: endpoints,
  EndpointSlice: slice,
  NetworkPolicy: networkPolicy,
}

// ── what an update may not touch ─────────────────────────────────────

const POD_MAY_CHANGE =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)'

/** The parts of a pod's spec that are for ever. `nodeName` is set once, by a binding. */
function fixedPart(object: JsonMap, old: JsonMap): unknown {
  const spec = clone(isMap(object.spec) ? object.spec : {})
  delete spec.activeDeadlineSeconds
  delete spec.tolerations
  if (!isMap(old.spec) || old.spec.nodeName === undefined) delete spec.nodeName
  for (const container of [...items(spec.containers), ...items(spec.initContainers)]) delete container.image
  return spec
}

function selectorIsFixed(object: JsonMap, old: JsonMap, causes: Causes): void {
  const [now, before] = [object.spec as JsonMap, old.spec as JsonMap]
  if (equal(now.selector, before.selector)) return
  causes.add('spec.selector', `Invalid value: ${goSelector(now.selector)}: field is immutable`)
}

const changes: Readonly<Record<string, Change>> = {
  Pod: (object, old, causes) => {
    if (!equal(fixedPart(object, old), fixedPart(old, old))) causes.add('spec', `Forbidden: ${POD_MAY_CHANGE}`)
  },
  Deployment: selectorIsFixed,
  ReplicaSet: selectorIsFixed,
  DaemonSet: selectorIsFixed,
  StatefulSet: (object, old, causes) => {
    const fixed = (from: JsonMap) => {
      const { replicas, ordinals, template, updateStrategy, revisionHistoryLimit, ...rest } = from.spec as JsonMap
      const { persistentVolumeClaimRetentionPolicy, minReadySeconds, ...fixed } = rest
      return fixed
    }
    if (equal(fixed(object), fixed(old))) return
    causes.add(
      'spec',
      "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
    )
  },
  Service: serviceChange,
  ConfigMap: (object, old, causes) => {
    if (old.immutable === true && !equal(object.data, old.data)) {
      causes.add('data', 'Forbidden: field is immutable when `immutable` is set')
    }
  },
  EndpointSlice: (object, old, causes) => {
    if (object.addressType !== old.addressType) {
      causes.invalid('addressType', object.addressType, 'field is immutable')
    }
  },
}

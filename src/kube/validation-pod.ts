/** Validation of pod specs: pods themselves and the templates of workloads. */
import { tryParseIpv4 } from '../wire/address.ts'
import { ApiError } from './api-error.ts'
import type { Causes } from './causes.ts'
import { isMap, type JsonMap } from './json.ts'
import { checkLabel, checkPort, checkPortName, checkSubdomain } from './names.ts'

const RESTART_POLICIES = ['Always', 'OnFailure', 'Never']
const PULL_POLICIES = ['Always', 'IfNotPresent', 'Never']
const PROTOCOLS = ['SCTP', 'TCP', 'UDP']
const DNS_POLICIES = ['ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None']

function items(value: unknown): JsonMap[] {
  return Array.isArray(value) ? value.filter(isMap) : []
}

/** `template`: the pods of a workload, which must restart. */
export function validatePodSpec(spec: unknown, at: string, causes: Causes, template: boolean): void {
  if (!isMap(spec)) return causes.required(at)
  const containers = items(spec.containers)
  const names = new Set<string>()
  const host = spec.hostNetwork === true
  if (containers.length === 0) causes.required(`${at}.containers`)
  items(spec.initContainers).forEach((c, i) => validateContainer(c, `${at}.initContainers[${i}]`, causes, names, host))
  containers.forEach((c, i) => validateContainer(c, `${at}.containers[${i}]`, causes, names, host))
  const restart = template ? ['Always'] : RESTART_POLICIES
  causes.oneOf(`${at}.restartPolicy`, spec.restartPolicy, restart)
  causes.oneOf(`${at}.dnsPolicy`, spec.dnsPolicy, DNS_POLICIES)
  if (
    spec.dnsPolicy === 'None' &&
    !(isMap(spec.dnsConfig) && items(spec.dnsConfig).length >= 0 && Array.isArray(spec.dnsConfig.nameservers))
  ) {
    causes.add(
      `${at}.dnsConfig.nameservers`,
      'Required value: must provide at least one DNS nameserver when `dnsPolicy` is None',
    )
  }
  const grace = spec.terminationGracePeriodSeconds
  if (typeof grace === 'number' && grace < 0)
    causes.invalid(`${at}.terminationGracePeriodSeconds`, grace, 'must be greater than or equal to 0')
  if (typeof spec.hostname === 'string') causes.check(`${at}.hostname`, spec.hostname, checkLabel)
  if (typeof spec.subdomain === 'string') causes.check(`${at}.subdomain`, spec.subdomain, checkLabel)
  if (typeof spec.nodeName === 'string') causes.check(`${at}.nodeName`, spec.nodeName, checkSubdomain)
  items(spec.hostAliases).forEach((alias, i) => {
    if (typeof alias.ip !== 'string' || tryParseIpv4(alias.ip) === null) {
      causes.invalid(
        `${at}.hostAliases[${i}].ip`,
        alias.ip,
        'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      )
    }
  })
  items(spec.tolerations).forEach((toleration, i) => {
    const path = `${at}.tolerations[${i}]`
    causes.oneOf(`${path}.operator`, toleration.operator, ['Equal', 'Exists'])
    causes.oneOf(`${path}.effect`, toleration.effect, ['NoSchedule', 'PreferNoSchedule', 'NoExecute'])
    if (toleration.operator === 'Exists' && toleration.value) {
      causes.invalid(`${path}.operator`, toleration, "value must be empty when `operator` is 'Exists'")
    }
  })
}

function validateContainer(
  container: JsonMap,
  at: string,
  causes: Causes,
  names: Set<string>,
  hostNetwork: boolean,
): void {
  const name = container.name
  if (typeof name !== 'string' || name === '') causes.required(`${at}.name`)
  else {
    causes.check(`${at}.name`, name, checkLabel)
    if (names.has(name)) causes.add(`${at}.name`, `Duplicate value: ${JSON.stringify(name)}`)
    names.add(name)
  }
  if (typeof container.image !== 'string' || container.image === '') causes.required(`${at}.image`)
  else if (container.image.trim() !== container.image) {
    causes.invalid(`${at}.image`, container.image, 'must not have leading or trailing whitespace')
  }
  causes.oneOf(`${at}.imagePullPolicy`, container.imagePullPolicy, PULL_POLICIES)
  const portNames = new Set<string>()
  const hostPorts = new Set<string>()
  items(container.ports).forEach((port, i) => {
    const path = `${at}.ports[${i}]`
    if (port.containerPort === undefined) causes.required(`${path}.containerPort`)
    else causes.port(`${path}.containerPort`, port.containerPort, checkPort)
    causes.oneOf(`${path}.protocol`, port.protocol, PROTOCOLS)
    if (port.hostPort) {
      causes.port(`${path}.hostPort`, port.hostPort, checkPort)
      if (hostNetwork && port.hostPort !== port.containerPort) {
        causes.invalid(`${path}.containerPort`, port.containerPort, 'must match `hostPort` when `hostNetwork` is true')
      }
      const key = `${port.protocol}/${port.hostIP ?? ''}/${port.hostPort}`
      if (hostPorts.has(key)) causes.add(`${path}.hostPort`, `Duplicate value: ${JSON.stringify(key)}`)
      hostPorts.add(key)
    }
    if (typeof port.name !== 'string' || port.name === '') return
    causes.check(`${path}.name`, port.name, checkPortName)
    if (portNames.has(port.name)) causes.add(`${path}.name`, `Duplicate value: ${JSON.stringify(port.name)}`)
    portNames.add(port.name)
  })
  items(container.env).forEach((variable, i) => {
    if (typeof variable.name !== 'string' || variable.name === '') causes.required(`${at}.env[${i}].name`)
    if (variable.value && variable.valueFrom) {
      causes.invalid(`${at}.env[${i}].valueFrom`, '', 'may not be specified when `value` is not empty')
    }
  })
  for (const name of ['readinessProbe', 'livenessProbe', 'startupProbe']) {
    const probe = container[name]
    if (!isMap(probe)) continue
    if (probe.grpc !== undefined) refuse(`${at}.${name}.grpc`)
    if (isMap(probe.httpGet) && probe.httpGet.scheme === 'HTTPS') refuse(`${at}.${name}.httpGet.scheme HTTPS`)
    const handlers = ['httpGet', 'tcpSocket', 'exec', 'grpc'].filter((handler) => probe[handler] !== undefined)
    if (handlers.length === 0) causes.add(`${at}.${name}`, 'Required value: must specify a handler type')
    if (handlers.length > 1)
      causes.add(`${at}.${name}.${handlers[1]}`, 'Forbidden: may not specify more than 1 handler type')
    if (name !== 'readinessProbe' && typeof probe.successThreshold === 'number' && probe.successThreshold !== 1) {
      causes.invalid(`${at}.${name}.successThreshold`, probe.successThreshold, 'must be 1')
    }
  }
}

/** What a real API server takes, and podwire's kubelet cannot do: said here, where somebody reads it. */
function refuse(what: string): never {
  throw new ApiError('NotModelled', `podwire: ${what} is not modelled; httpGet by HTTP, tcpSocket and exec are`)
}

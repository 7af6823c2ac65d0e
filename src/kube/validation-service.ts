/** Validation of Services (pkg/apis/core/validation: ValidateService), and of addresses in what stands behind them. */
import { tryParseCidr, tryParseIpv4 } from '../wire/address.ts'
import { type Causes, goText } from './causes.ts'
import { sloppyIp } from './ipam.ts'
import { equal, isMap, type JsonMap } from './json.ts'
import { checkLabel, checkLabelKey, checkPort, checkPortName, checkSubdomain } from './names.ts'

function items(value: unknown): JsonMap[] {
  return Array.isArray(value) ? value.filter(isMap) : []
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}

const TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort']

export function service(object: JsonMap, causes: Causes): void {
  const spec = object.spec as JsonMap
  const ports = items(spec.ports)
  causes.oneOf('spec.type', spec.type, TYPES)
  causes.oneOf('spec.sessionAffinity', spec.sessionAffinity, ['ClientIP', 'None'])
  causes.oneOf('spec.externalTrafficPolicy', spec.externalTrafficPolicy, ['Cluster', 'Local'])
  causes.oneOf('spec.internalTrafficPolicy', spec.internalTrafficPolicy, ['Cluster', 'Local'])
  if (spec.type === 'ExternalName') {
    if (typeof spec.externalName !== 'string' || spec.externalName === '') causes.required('spec.externalName')
    else causes.check('spec.externalName', spec.externalName.replace(/\.$/, ''), checkSubdomain)
    if (spec.clusterIP && spec.clusterIP !== 'None') {
      causes.add(
        'spec.clusterIPs[0]',
        `Invalid value: ${goText([spec.clusterIP])}: may not be set for ExternalName services`,
      )
    }
  } else if (ports.length === 0 && spec.clusterIP !== 'None') causes.required('spec.ports')
  if (spec.clusterIP === 'None' && (spec.type === 'NodePort' || spec.type === 'LoadBalancer')) {
    causes.add('spec.clusterIPs[0]', `Invalid value: "None": may not be set to 'None' for ${spec.type} services`)
  }
  if (
    typeof spec.clusterIP === 'string' &&
    spec.clusterIP !== '' &&
    spec.clusterIP !== 'None' &&
    tryParseIpv4(sloppyIp(spec.clusterIP)) === null
  ) {
    causes.invalid(
      'spec.clusterIPs[0]',
      spec.clusterIP,
      'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    )
  }
  texts(spec.externalIPs).forEach((ip, i) => endpointAddress(ip, `spec.externalIPs[${i}]`, causes))
  if (spec.externalTrafficPolicy !== undefined && !isExternallyAccessible(spec)) {
    causes.invalid(
      'spec.externalTrafficPolicy',
      spec.externalTrafficPolicy,
      'may only be set for externally-accessible services',
    )
  }
  validateServicePorts(ports, spec.type, causes)
  validateLoadBalancer(spec, causes)
  validateAffinity(spec, causes)
}

/** LoadBalancer, NodePort, or externalIPs. */
export function isExternallyAccessible(spec: JsonMap): boolean {
  if (spec.type === 'NodePort' || spec.type === 'LoadBalancer') return true
  return spec.type === 'ClusterIP' && texts(spec.externalIPs).length > 0
}

/** Load balancers with externalTrafficPolicy Local ask nodes at a port of their own. */
export function needsHealthCheck(spec: JsonMap): boolean {
  return spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local'
}

const ONLY_BALANCED = "may only be used when `type` is 'LoadBalancer'"

function validateLoadBalancer(spec: JsonMap, causes: Causes): void {
  const balanced = spec.type === 'LoadBalancer'
  if (spec.healthCheckNodePort && !needsHealthCheck(spec)) {
    const why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
    causes.invalid('spec.healthCheckNodePort', spec.healthCheckNodePort, why)
  }
  if (spec.allocateLoadBalancerNodePorts !== undefined && !balanced) {
    causes.add('spec.allocateLoadBalancerNodePorts', `Forbidden: ${ONLY_BALANCED}`)
  }
  if (typeof spec.loadBalancerClass === 'string') {
    if (!balanced) causes.add('spec.loadBalancerClass', `Forbidden: ${ONLY_BALANCED}`)
    else causes.check('spec.loadBalancerClass', spec.loadBalancerClass, checkLabelKey)
  }
  const ranges = texts(spec.loadBalancerSourceRanges)
  if (ranges.length > 0 && !balanced) causes.add('spec.LoadBalancerSourceRanges', `Forbidden: ${ONLY_BALANCED}`)
  else {
    ranges.forEach((range, i) => {
      if (range.includes('/') && tryParseCidr(range.trim()) !== null) return
      const why = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'
      causes.invalid(`spec.LoadBalancerSourceRanges[${i}]`, range, why)
    })
  }
  causes.oneOf('spec.trafficDistribution', spec.trafficDistribution, DISTRIBUTIONS)
}

const DISTRIBUTIONS = ['PreferClose', 'PreferSameNode', 'PreferSameZone']
/** A day, in seconds. */
const AFFINITY_MOST = 86_400

function validateAffinity(spec: JsonMap, causes: Causes): void {
  const config = spec.sessionAffinityConfig
  if (spec.sessionAffinity !== 'ClientIP' || !isMap(config) || !isMap(config.clientIP)) return
  const seconds = config.clientIP.timeoutSeconds
  if (typeof seconds === 'number' && (seconds <= 0 || seconds > AFFINITY_MOST)) {
    const why = `must be greater than 0 and less than ${AFFINITY_MOST}`
    causes.invalid('spec.sessionAffinityConfig.clientIP.timeoutSeconds', seconds, why)
  }
}

/** What an update of a Service may not touch. */
export function serviceChange(object: JsonMap, old: JsonMap, causes: Causes): void {
  const [now, before] = [object.spec as JsonMap, old.spec as JsonMap]
  if (before.type === 'LoadBalancer' && now.type === 'LoadBalancer') {
    const [is, was] = [now.loadBalancerClass, before.loadBalancerClass]
    if (is !== was) causes.invalid('spec.loadBalancerClass', is ?? null, 'may not change once set')
  }
  if (now.type === 'ExternalName' || before.type === 'ExternalName') return
  if (before.clusterIP === undefined || equal(now.clusterIP, before.clusterIP)) return
  causes.add('spec.clusterIPs[0]', `Invalid value: ${goText([now.clusterIP])}: may not change once set`)
}

function validateServicePorts(ports: readonly JsonMap[], type: unknown, causes: Causes): void {
  const names = new Set<unknown>()
  const numbers = new Set<string>()
  const nodePorts = new Set<string>()
  ports.forEach((port, i) => {
    const at = `spec.ports[${i}]`
    const name = port.name ?? ''
    if (name === '' && ports.length > 1) causes.required(`${at}.name`)
    else if (typeof name === 'string' && name !== '') {
      causes.check(`${at}.name`, name, checkLabel)
      if (names.has(name)) causes.add(`${at}.name`, `Duplicate value: ${JSON.stringify(name)}`)
    }
    names.add(name)
    if (port.port === undefined) causes.required(`${at}.port`)
    else causes.port(`${at}.port`, port.port, checkPort)
    causes.oneOf(`${at}.protocol`, port.protocol, ['SCTP', 'TCP', 'UDP'])
    if (typeof port.targetPort === 'string') causes.check(`${at}.targetPort`, port.targetPort, checkPortName)
    else if (port.targetPort !== undefined) causes.port(`${at}.targetPort`, port.targetPort, checkPort)
    if (port.nodePort && (type === 'ClusterIP' || type === 'ExternalName')) {
      causes.add(`${at}.nodePort`, "Forbidden: may not be used when `type` is 'ClusterIP'")
    }
    if (port.nodePort) {
      const node = `${port.nodePort}/${port.protocol}`
      if (nodePorts.has(node)) causes.add(`${at}.nodePort`, `Duplicate value: ${port.nodePort}`)
      nodePorts.add(node)
    }
    const key = `${port.port}/${port.protocol}`
    if (numbers.has(key)) causes.add(at, `Duplicate value: {"protocol":"${port.protocol}","port":${port.port}}`)
    numbers.add(key)
  })
}

/** What Endpoints, slices and externalIPs may not name. */
export function endpointAddress(address: unknown, at: string, causes: Causes): void {
  const parsed = typeof address === 'string' ? tryParseIpv4(sloppyIp(address)) : null
  if (parsed === null) {
    causes.invalid(at, address ?? '', 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)')
  } else if (parsed >>> 24 === 127)
    causes.invalid(at, address, 'may not be in the loopback range (127.0.0.0/8, ::1/128)')
  else if (parsed === 0) causes.invalid(at, address, 'may not be unspecified (0.0.0.0 or ::)')
  else if (parsed >>> 28 === 14) {
    causes.invalid(at, address, 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)')
  }
}

/** Validation of NetworkPolicies (pkg/apis/networking/validation: ValidateNetworkPolicySpec). */
import { contains, tryParseCidr } from '../wire/address.ts'
import type { Causes } from './causes.ts'
import { isMap, type JsonMap } from './json.ts'
import { checkLabelKey, checkLabelValue, checkPort, checkPortName } from './names.ts'

const TYPES = ['Ingress', 'Egress']
const NO_CIDR = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'

function items(value: unknown): JsonMap[] {
  return Array.isArray(value) ? value.filter(isMap) : []
}

export function networkPolicy(object: JsonMap, causes: Causes): void {
  const spec = isMap(object.spec) ? object.spec : {}
  selector(spec.podSelector, 'spec.podSelector', causes)
  items(spec.ingress).forEach((rule, i) => {
    ports(rule.ports, `spec.ingress[${i}].ports`, causes)
    peers(rule.from, `spec.ingress[${i}].from`, causes)
  })
  items(spec.egress).forEach((rule, i) => {
    ports(rule.ports, `spec.egress[${i}].ports`, causes)
    peers(rule.to, `spec.egress[${i}].to`, causes)
  })
  const types = Array.isArray(spec.policyTypes) ? spec.policyTypes : []
  if (types.length > TYPES.length) {
    return causes.invalid('spec.policyTypes', types, 'may not specify more than two policyTypes')
  }
  types.forEach((type, i) => causes.oneOf(`spec.policyTypes[${i}]`, type, TYPES))
}

function ports(given: unknown, at: string, causes: Causes): void {
  items(given).forEach(({ protocol, port, endPort }, i) => {
    const place = `${at}[${i}]`
    causes.oneOf(`${place}.protocol`, protocol, ['SCTP', 'TCP', 'UDP'])
    if (port === undefined || port === null) {
      if (endPort != null)
        causes.invalid(`${place}.endPort`, endPort, 'may not be specified when `port` is not specified')
    } else if (typeof port === 'string') {
      if (endPort != null)
        causes.invalid(`${place}.endPort`, endPort, 'may not be specified when `port` is non-numeric')
      causes.check(`${place}.port`, port, checkPortName)
    } else {
      causes.port(`${place}.port`, port, checkPort)
      if (endPort == null) return
      if (Number(endPort) < Number(port)) {
        causes.invalid(`${place}.endPort`, port, 'must be greater than or equal to `port`')
      }
      causes.port(`${place}.endPort`, endPort, checkPort)
    }
  })
}

function peers(given: unknown, at: string, causes: Causes): void {
  items(given).forEach((peer, i) => {
    const place = `${at}[${i}]`
    const { podSelector, namespaceSelector, ipBlock } = peer
    const selectors = [podSelector, namespaceSelector].filter((part) => part != null).length
    if (podSelector != null) selector(podSelector, `${place}.podSelector`, causes)
    if (namespaceSelector != null) selector(namespaceSelector, `${place}.namespaceSelector`, causes)
    if (isMap(ipBlock)) block(ipBlock, `${place}.ipBlock`, causes)
    else if (selectors === 0) causes.required(place, 'must specify a peer')
    if (isMap(ipBlock) && selectors > 0) {
      causes.add(place, 'Forbidden: may not specify both ipBlock and another peer')
    }
  })
}

function block({ cidr, except }: JsonMap, at: string, causes: Causes): void {
  if (typeof cidr !== 'string' || cidr === '') return causes.required(`${at}.cidr`)
  const whole = network(cidr)
  if (whole === null) return causes.invalid(`${at}.cidr`, cidr, NO_CIDR)
  for (const [i, text] of (Array.isArray(except) ? except : []).entries()) {
    const hole = network(String(text))
    if (hole === null) causes.invalid(`${at}.except[${i}]`, text, NO_CIDR)
    else if (hole.prefix <= whole.prefix || !contains(whole, hole.network)) {
      causes.invalid(`${at}.except[${i}]`, text, 'must be a strict subset of `cidr`')
    }
  }
}

function network(text: string): ReturnType<typeof tryParseCidr> {
  return text.includes('/') ? tryParseCidr(text) : null
}

/** metav1's ValidateLabelSelector. */
function selector(given: unknown, at: string, causes: Causes): void {
  if (!isMap(given)) return
  for (const [key, value] of Object.entries(isMap(given.matchLabels) ? given.matchLabels : {})) {
    causes.check(`${at}.matchLabels`, key, checkLabelKey)
    causes.check(`${at}.matchLabels`, String(value), checkLabelValue)
  }
  items(given.matchExpressions).forEach(({ key, operator, values }, i) => {
    const place = `${at}.matchExpressions[${i}]`
    const count = Array.isArray(values) ? values.length : 0
    if (operator === 'In' || operator === 'NotIn') {
      if (count === 0) causes.required(`${place}.values`, "must be specified when `operator` is 'In' or 'NotIn'")
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      const why = "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
      if (count > 0) causes.add(`${place}.values`, why)
    } else causes.invalid(`${place}.operator`, operator ?? '', 'not a valid selector operator')
    causes.check(`${place}.key`, String(key ?? ''), checkLabelKey)
  })
}

/** One rule as `ip rule` prints it. */
import { type Cidr, formatIpv4 } from '../wire/address.ts'
import { protocolText, tableText } from './route-names.ts'
import type { PortRange, Rule } from './rules.ts'

/** Of /etc/protocols, what rules are likely to name. */
const ipProtocols = new Map<number, string>([
  [1, 'icmp'],
  [2, 'igmp'],
  [4, 'ipencap'],
  [6, 'tcp'],
  [17, 'udp'],
  [41, 'ipv6'],
  [47, 'gre'],
  [50, 'esp'],
  [51, 'ah'],
  [58, 'ipv6-icmp'],
  [89, 'ospf'],
  [112, 'vrrp'],
  [132, 'sctp'],
])

export function ipProtocolText(protocol: number): string {
  return ipProtocols.get(protocol) ?? `ipproto-${protocol}`
}

/** Null for a word that is neither a name nor a number. */
export function ipProtocolOf(text: string): number | null {
  for (const [number, name] of ipProtocols) if (name === text) return number
  return /^[0-9]+$/.test(text) && Number(text) < 256 ? Number(text) : null
}

function cidrText({ network, prefix }: Cidr): string {
  return prefix === 32 ? formatIpv4(network) : `${formatIpv4(network)}/${prefix}`
}

function rangeText({ first, last }: PortRange): string {
  return first === last ? String(first) : `${first}-${last}`
}

export function hex(value: number): string {
  return `0x${(value >>> 0).toString(16)}`
}

/** What a rule's text says of its namespace: whether the devices and rules are there that it names. */
export interface RuleHost {
  readonly devices: { has(name: string): boolean }
  readonly fib: { readonly rules: { resolves(target: number): boolean } }
}

/** RTPROT_KERNEL. */
export const RTPROT_KERNEL = 2

export function originText(origin: number): string {
  return origin === 0 ? 'unspec' : protocolText(origin)
}

export function ruleText(each: Rule, host: RuleHost, details = false): string {
  const parts: string[] = []
  if (each.not) parts.push('not')
  parts.push(`from ${each.from === null ? 'all' : cidrText(each.from)}`)
  if (each.to !== null) parts.push(`to ${cidrText(each.to)}`)
  if (each.tos !== 0) parts.push(`tos ${hex(each.tos)}`)
  if (each.mark !== 0 || each.markMask !== 0) {
    parts.push(`fwmark ${hex(each.mark)}${each.markMask === -1 ? '' : `/${hex(each.markMask)}`}`)
  }
  if (each.input !== null) parts.push(`iif ${each.input}`, ...detached(host, each.input))
  if (each.output !== null) parts.push(`oif ${each.output}`, ...detached(host, each.output))
  if (each.protocol !== 0) parts.push(`ipproto ${ipProtocolText(each.protocol)}`)
  if (each.sourcePorts !== null) parts.push(`sport ${rangeText(each.sourcePorts)}`)
  if (each.destinationPorts !== null) parts.push(`dport ${rangeText(each.destinationPorts)}`)
  if (each.action === 'lookup') {
    parts.push(`lookup ${tableText(each.table)}`)
    if (each.suppressPrefix >= 0) parts.push(`suppress_prefixlength ${each.suppressPrefix}`)
  } else if (each.action === 'goto') {
    parts.push(`goto ${each.target}${host.fib.rules.resolves(each.target) ? '' : ' [unresolved]'}`)
  } else parts.push(each.action)
  if (details || (each.origin !== 0 && each.origin !== RTPROT_KERNEL)) parts.push(`proto ${originText(each.origin)}`)
  return `${each.priority}:\t${parts.join(' ')}`
}

function detached(host: RuleHost, device: string): string[] {
  return host.devices.has(device) ? [] : ['[detached]']
}

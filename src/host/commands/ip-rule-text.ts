/** One rule as `ip rule` prints it. */
import type { Netns } from '../../net/netns.ts'
import type { PortRange, Rule } from '../../net/rules.ts'
import { type Cidr, formatIpv4 } from '../../wire/address.ts'
import type { Json } from './ip-json.ts'
import { protocolText, tableText } from './ip-route-text.ts'

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

function ipProtocolText(protocol: number): string {
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

function hex(value: number): string {
  return `0x${(value >>> 0).toString(16)}`
}

/** RTPROT_KERNEL. */
const KERNEL = 2

function originText(origin: number): string {
  return origin === 0 ? 'unspec' : protocolText(origin)
}

export function ruleText(each: Rule, netns: Netns, details: boolean): string {
  const parts: string[] = []
  if (each.not) parts.push('not')
  parts.push(`from ${each.from === null ? 'all' : cidrText(each.from)}`)
  if (each.to !== null) parts.push(`to ${cidrText(each.to)}`)
  if (each.tos !== 0) parts.push(`tos ${hex(each.tos)}`)
  if (each.mark !== 0 || each.markMask !== 0) {
    parts.push(`fwmark ${hex(each.mark)}${each.markMask === -1 ? '' : `/${hex(each.markMask)}`}`)
  }
  if (each.input !== null) parts.push(`iif ${each.input}`, ...detached(netns, each.input))
  if (each.output !== null) parts.push(`oif ${each.output}`, ...detached(netns, each.output))
  if (each.protocol !== 0) parts.push(`ipproto ${ipProtocolText(each.protocol)}`)
  if (each.sourcePorts !== null) parts.push(`sport ${rangeText(each.sourcePorts)}`)
  if (each.destinationPorts !== null) parts.push(`dport ${rangeText(each.destinationPorts)}`)
  if (each.action === 'lookup') {
    parts.push(`lookup ${tableText(each.table)}`)
    if (each.suppressPrefix >= 0) parts.push(`suppress_prefixlength ${each.suppressPrefix}`)
  } else if (each.action === 'goto') {
    parts.push(`goto ${each.target}${netns.fib.rules.resolves(each.target) ? '' : ' [unresolved]'}`)
  } else parts.push(each.action)
  if (details || (each.origin !== 0 && each.origin !== KERNEL)) parts.push(`proto ${originText(each.origin)}`)
  return `${each.priority}:\t${parts.join(' ')}`
}

function detached(netns: Netns, device: string): string[] {
  return netns.devices.has(device) ? [] : ['[detached]']
}

export function ruleJson(each: Rule, netns: Netns, details: boolean): Json {
  const { from, to, input, output, action } = each
  const origin = details || (each.origin !== 0 && each.origin !== KERNEL)
  return {
    priority: each.priority,
    not: each.not ? null : undefined,
    src: from === null ? 'all' : formatIpv4(from.network),
    srclen: from === null || from.prefix === 32 ? undefined : from.prefix,
    dst: to === null ? undefined : formatIpv4(to.network),
    dstlen: to === null || to.prefix === 32 ? undefined : to.prefix,
    tos: each.tos === 0 ? undefined : hex(each.tos),
    fwmark: each.mark === 0 && each.markMask === 0 ? undefined : hex(each.mark),
    fwmask: each.markMask === 0 || each.markMask === -1 ? undefined : hex(each.markMask),
    iif: input ?? undefined,
    iif_detached: input !== null && !netns.devices.has(input) ? null : undefined,
    oif: output ?? undefined,
    oif_detached: output !== null && !netns.devices.has(output) ? null : undefined,
    ipproto: each.protocol === 0 ? undefined : ipProtocolText(each.protocol),
    ...portsJson('sport', each.sourcePorts),
    ...portsJson('dport', each.destinationPorts),
    table: action === 'lookup' ? tableText(each.table) : undefined,
    suppress_prefixlen: each.suppressPrefix < 0 ? undefined : each.suppressPrefix,
    goto: action === 'goto' ? each.target : undefined,
    unresolved: action === 'goto' && !netns.fib.rules.resolves(each.target) ? null : undefined,
    nop: action === 'nop' ? null : undefined,
    action: action === 'blackhole' || action === 'unreachable' || action === 'prohibit' ? action : undefined,
    protocol: origin ? originText(each.origin) : undefined,
  }
}

function portsJson(name: string, range: PortRange | null): Record<string, Json> {
  if (range === null) return {}
  return range.first === range.last
    ? { [name]: range.first }
    : { [`${name}_start`]: range.first, [`${name}_end`]: range.last }
}

/** One rule as `ip -j rule` prints it; as text it is net/rule-text.ts's. */
import type { Netns } from '../../net/netns.ts'
import { tableText } from '../../net/route-names.ts'
import { hex, ipProtocolText, originText, RTPROT_KERNEL } from '../../net/rule-text.ts'
import type { PortRange, Rule } from '../../net/rules.ts'
import { formatIpv4 } from '../../wire/address.ts'
import type { Json } from './ip-json.ts'

export function ruleJson(each: Rule, netns: Netns, details: boolean): Json {
  const { from, to, input, output, action } = each
  const origin = details || (each.origin !== 0 && each.origin !== RTPROT_KERNEL)
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

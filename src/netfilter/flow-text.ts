/** Flows in text: the lines of `conntrack -L` and of /proc/net/nf_conntrack. */
import { type Nanos, SECOND } from '../sim/scheduler.ts'
import { formatIpv4 } from '../wire/address.ts'
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipv4.ts'
import type { Flow, Tuple } from './flow.ts'
import { Status } from './status.ts'
import { tcpStateNames } from './tcp-track.ts'

/** What conntrack calls a protocol; those without a tracker of their own are `unknown`. */
export function flowProtocolName(protocol: number): string {
  switch (protocol) {
    case IPPROTO_ICMP:
      return 'icmp'
    case IPPROTO_TCP:
      return 'tcp'
    case IPPROTO_UDP:
      return 'udp'
    default:
      return 'unknown'
  }
}

function tupleText(tuple: Tuple): string {
  const addresses = `src=${formatIpv4(tuple.source)} dst=${formatIpv4(tuple.destination)}`
  if (tuple.protocol === IPPROTO_TCP || tuple.protocol === IPPROTO_UDP) {
    return `${addresses} sport=${tuple.sourcePort} dport=${tuple.destinationPort}`
  }
  if (tuple.protocol !== IPPROTO_ICMP) return addresses
  return `${addresses} type=${tuple.destinationPort >> 8} code=${tuple.destinationPort & 255} id=${tuple.sourcePort}`
}

/** The part that both layouts share, up to the mark. */
function body(flow: Flow, counters: boolean): string {
  const parts = [tupleText(flow.original)]
  if (counters) parts.push(`packets=${flow.originalPackets} bytes=${flow.originalBytes}`)
  if (!flow.has(Status.SEEN_REPLY)) parts.push('[UNREPLIED]')
  parts.push(tupleText(flow.reply))
  if (counters) parts.push(`packets=${flow.replyPackets} bytes=${flow.replyBytes}`)
  if (flow.has(Status.ASSURED)) parts.push('[ASSURED]')
  parts.push(`mark=${flow.mark >>> 0}`)
  return parts.join(' ')
}

function head(flow: Flow, now: Nanos | null): string {
  let text = `${flowProtocolName(flow.protocol).padEnd(8)} ${flow.protocol} `
  if (now !== null) text += `${Math.max(0, Math.floor((flow.due - now) / SECOND))} `
  if (flow.tcp !== null) text += `${tcpStateNames[flow.tcp.state]} `
  return text
}

/** One line of `conntrack -L`. `counters`: with packets and bytes (nf_conntrack_acct). */
export function formatFlow(flow: Flow, now: Nanos, counters = false): string {
  return `${head(flow, now)}${body(flow, counters)} use=1`
}

/** One line of /proc/net/nf_conntrack. */
export function formatProc(flow: Flow, now: Nanos, counters = false): string {
  return `ipv4     2 ${head(flow, now)}${body(flow, counters)} zone=0 use=2`
}

/**
 * One line of `conntrack -E`, without a time stamp: the time-out stands on NEW and UPDATE only, as it prints them.
 * `family`: what stands in front of the protocol with -o extended.
 */
export function formatEvent(event: 'NEW' | 'UPDATE' | 'DESTROY', flow: Flow, now: Nanos, family = ''): string {
  const label = `[${event}]`.padStart(9)
  if (event === 'DESTROY') return `${label} ${family}${head(flow, null)}${body(flow, false).replace(/ mark=0$/, '')}`
  return `${label} ${family}${head(flow, now)}${body(flow, false).replace(/ mark=0$/, '')}`
}

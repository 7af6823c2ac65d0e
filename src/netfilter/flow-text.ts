/** Flows in text: the lines of `conntrack -L` and of /proc/net/nf_conntrack. */
import { type Nanos, SECOND } from '../sim/scheduler.ts'
import { formatIpv4 } from '../wire/address.ts'
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipv4.ts'
import type { Flow, Tuple } from './flow.ts'
import type { FlowEvent } from './flow-table.ts'
import { Status } from './status.ts'
import { tcpStateNames } from './tcp-track.ts'

/** What a line shows besides; what is left out is not shown. */
export interface FlowStyle {
  /** -o extended: the family in front. */
  readonly extended?: boolean
  /** -o id */
  readonly id?: boolean
  /** -o ktimestamp: how a moment of virtual time reads on the calendar. */
  readonly date?: (moment: Nanos) => string
  /** The entry's references; none in events. */
  readonly use?: number
}

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

/** Seconds until it ends. */
export function secondsLeft(flow: Flow, now: Nanos): number {
  return Math.max(0, Math.floor((flow.due - now) / SECOND))
}

/** Seconds since it began (or until it ended); null without a time stamp. */
export function secondsLived(flow: Flow, now: Nanos): number | null {
  return flow.start < 0 ? null : Math.floor(((flow.stop < 0 ? now : flow.stop) - flow.start) / SECOND)
}

function tupleText(tuple: Tuple): string {
  const addresses = `src=${formatIpv4(tuple.source)} dst=${formatIpv4(tuple.destination)}`
  if (tuple.protocol === IPPROTO_TCP || tuple.protocol === IPPROTO_UDP) {
    return `${addresses} sport=${tuple.sourcePort} dport=${tuple.destinationPort}`
  }
  if (tuple.protocol !== IPPROTO_ICMP) return addresses
  return `${addresses} type=${tuple.destinationPort >> 8} code=${tuple.destinationPort & 255} id=${tuple.sourcePort}`
}

/** The part that all layouts share, up to the mark. */
function body(flow: Flow, counters: boolean): string[] {
  const parts = [tupleText(flow.original)]
  if (counters) parts.push(`packets=${flow.originalPackets} bytes=${flow.originalBytes}`)
  if (!flow.has(Status.SEEN_REPLY)) parts.push('[UNREPLIED]')
  parts.push(tupleText(flow.reply))
  if (counters) parts.push(`packets=${flow.replyPackets} bytes=${flow.replyBytes}`)
  if (flow.has(Status.ASSURED)) parts.push('[ASSURED]')
  return parts
}

function head(flow: Flow, left: number | null): string {
  const time = left === null ? '' : `${left} `
  return `${flowProtocolName(flow.protocol).padEnd(8)} ${flow.protocol} ${time}${stateText(flow)}`
}

function stateText({ tcp }: Flow): string {
  return tcp === null ? '' : `${tcpStateNames[tcp.state]} `
}

/** Of a line of `conntrack -L` the stretch that time alone does not change: from the state to the mark. */
export function formatSteady(flow: Flow): string {
  return `${stateText(flow)}${body(flow, flow.accounted).join(' ')} mark=${flow.mark >>> 0}`
}

function lived(flow: Flow, now: Nanos): string[] {
  const seconds = secondsLived(flow, now)
  return seconds === null ? [] : [`delta-time=${seconds}`]
}

function tail(flow: Flow, { date, use, id }: FlowStyle, dated = true): string[] {
  const parts: string[] = []
  if (dated && date !== undefined && flow.start >= 0) {
    parts.push(`[start=${date(flow.start)}]`)
    if (flow.stop >= 0) parts.push(`[stop=${date(flow.stop)}]`)
  }
  if (use !== undefined) parts.push(`use=${use}`)
  if (id === true) parts.push(`id=${flow.id}`)
  return parts
}

const FAMILY = 'ipv4     2 '

/** One line of `conntrack -L`. */
export function formatFlow(flow: Flow, now: Nanos, style: FlowStyle = { use: 1 }): string {
  const parts = [...body(flow, flow.accounted), `mark=${flow.mark >>> 0}`, ...lived(flow, now), ...tail(flow, style)]
  return `${style.extended === true ? FAMILY : ''}${head(flow, secondsLeft(flow, now))}${parts.join(' ')}`
}

/** One line of /proc/net/nf_conntrack. */
export function formatProc(flow: Flow, now: Nanos): string {
  const parts = [...body(flow, flow.accounted), `mark=${flow.mark >>> 0}`, 'zone=0', ...lived(flow, now), 'use=2']
  return `${FAMILY}${head(flow, secondsLeft(flow, now))}${parts.join(' ')}`
}

/**
 * One line of `conntrack -E`, without a time stamp in front. A flow whose time is over shows none; the mark stands
 * there when it is not 0 or a program (`marked`) set it; counters and life are told at the end only.
 */
export function formatEvent(event: FlowEvent, flow: Flow, now: Nanos, style: FlowStyle = {}, marked = false): string {
  const label = `[${event}]`.padStart(9)
  const ended = event === 'DESTROY'
  const left = secondsLeft(flow, now)
  const parts = body(flow, ended && flow.accounted)
  if (flow.mark !== 0 || marked) parts.push(`mark=${flow.mark >>> 0}`)
  if (ended) parts.push(...lived(flow, now))
  parts.push(...tail(flow, style, ended))
  const front = style.extended === true ? FAMILY : ''
  return `${label} ${front}${head(flow, ended && left === 0 ? null : left)}${parts.join(' ')}`
}

const letters: Readonly<Record<FlowEvent, string>> = { NEW: 'A', UPDATE: 'U', DESTROY: 'D' }

/** `-o save`: the options of conntrack that would make the flow. */
export function formatSave(event: FlowEvent, flow: Flow, now: Nanos): string {
  const { original, reply, protocol } = flow
  const status = [flow.has(Status.SEEN_REPLY) ? 'SEEN_REPLY' : '', flow.has(Status.ASSURED) ? 'ASSURED' : '']
  const words = status.filter((word) => word !== '')
  const parts = [`-${letters[event]} -t ${secondsLeft(flow, now)} -u ${words.length === 0 ? 'UNSET' : words.join(',')}`]
  parts.push(`-s ${formatIpv4(original.source)} -d ${formatIpv4(original.destination)}`)
  parts.push(`${flow.has(Status.DST_NAT) ? '-g' : '-r'} ${formatIpv4(reply.source)}`)
  parts.push(`${flow.has(Status.SRC_NAT) ? '-n' : '-q'} ${formatIpv4(reply.destination)}`)
  const name = flowProtocolName(protocol)
  parts.push(`-p ${name === 'unknown' ? protocol : name}`)
  if (protocol === IPPROTO_TCP || protocol === IPPROTO_UDP) {
    parts.push(`--sport ${original.sourcePort} --dport ${original.destinationPort}`)
    parts.push(`--reply-port-src ${reply.sourcePort} --reply-port-dst ${reply.destinationPort}`)
  } else if (protocol === IPPROTO_ICMP) {
    const { destinationPort, sourcePort } = original
    parts.push(`--icmp-type ${destinationPort >> 8} --icmp-code ${destinationPort & 255} --icmp-id ${sourcePort}`)
  }
  if (flow.tcp !== null) parts.push(`--state ${tcpStateNames[flow.tcp.state]}`)
  return parts.join(' ')
}

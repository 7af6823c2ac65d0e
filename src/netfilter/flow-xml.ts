/** Flows as `conntrack -o xml` prints them: one element a line. */
import type { Nanos } from '../sim/scheduler.ts'
import { formatIpv4 } from '../wire/address.ts'
import { IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipv4.ts'
import type { Flow, Tuple } from './flow.ts'
import type { FlowEvent } from './flow-table.ts'
import { flowProtocolName, secondsLeft, secondsLived } from './flow-text.ts'
import { Status } from './status.ts'
import { tcpStateNames } from './tcp-track.ts'

export const XML_HEADER = '<?xml version="1.0" encoding="utf-8"?>\n<conntrack>\n'
export const XML_FOOTER = '</conntrack>\n'

/** What an element shows besides. */
export interface XmlStyle {
  /** Null in lists. */
  readonly event?: FlowEvent
  readonly use?: number
  /** Show the mark even when it is 0. */
  readonly mark: boolean
  /** -o ktimestamp: a moment of virtual time in nanoseconds since 1970. */
  readonly epoch?: (moment: Nanos) => bigint
  /** -o timestamp: when the event was read, by the names of its elements. */
  readonly when?: Readonly<Record<string, number>>
}

function element(name: string, content: string | number | bigint): string {
  return `<${name}>${content}</${name}>`
}

function direction(name: string, tuple: Tuple, counters: string): string {
  const ported = tuple.protocol === IPPROTO_TCP || tuple.protocol === IPPROTO_UDP
  const addresses = element('src', formatIpv4(tuple.source)) + element('dst', formatIpv4(tuple.destination))
  const ports = ported ? element('sport', tuple.sourcePort) + element('dport', tuple.destinationPort) : ''
  const protocol = `protonum="${tuple.protocol}" protoname="${flowProtocolName(tuple.protocol)}"`
  return (
    `<meta direction="${name}"><layer3 protonum="2" protoname="ipv4">${addresses}</layer3>` +
    `<layer4 ${protocol}>${ports}</layer4>${counters}</meta>`
  )
}

function counters(packets: number, bytes: number): string {
  return element('counters', element('packets', packets) + element('bytes', bytes))
}

export function formatXml(flow: Flow, now: Nanos, style: XmlStyle): string {
  const { event } = style
  const counted = flow.accounted && (event === undefined || event === 'DESTROY')
  const there = counted ? counters(flow.originalPackets, flow.originalBytes) : ''
  const back = counted ? counters(flow.replyPackets, flow.replyBytes) : ''
  return (
    `<flow${event === undefined ? '' : ` type="${event.toLowerCase()}"`}>` +
    direction('original', flow.original, there) +
    direction('reply', flow.reply, back) +
    `<meta direction="independent">${independent(flow, now, style)}</meta>${whenText(style)}</flow>`
  )
}

function independent(flow: Flow, now: Nanos, { event, mark, use, epoch }: XmlStyle): string {
  const left = secondsLeft(flow, now)
  let text = flow.tcp === null ? '' : element('state', tcpStateNames[flow.tcp.state])
  if (event !== 'DESTROY' || left > 0) text += element('timeout', left)
  if (mark || flow.mark !== 0) text += element('mark', flow.mark >>> 0)
  if (use !== undefined) text += element('use', use)
  text += element('id', flow.id)
  if (flow.has(Status.ASSURED)) text += '<assured/>'
  if (!flow.has(Status.SEEN_REPLY)) text += '<unreplied/>'
  const lived = event === 'NEW' || event === 'UPDATE' ? null : secondsLived(flow, now)
  if (lived === null) return text
  if (epoch !== undefined) {
    const stop = flow.stop < 0 ? '' : element('stop', epoch(flow.stop))
    text += element('timestamp', element('start', epoch(flow.start)) + stop)
  }
  return text + element('deltatime', lived)
}

function whenText({ when }: XmlStyle): string {
  if (when === undefined) return ''
  const parts = Object.entries(when).map(([name, value]) => element(name, value))
  return element('when', parts.join(''))
}

/** What programs do to flows one by one (nf_conntrack_netlink.c): make them, look them up, change them. */
import type { Nanos } from '../sim/scheduler.ts'
import type { Ipv4 } from '../wire/address.ts'
import { IPPROTO_TCP } from '../wire/ipv4.ts'
import type { Conntrack } from './conntrack.ts'
import type { Flow } from './flow.ts'
import { Nat, NatRange } from './nat.ts'
import { Manip } from './nat-rewrite.ts'
import { Status } from './status.ts'
import { TcpTrack } from './tcp-track.ts'
import { inverseIcmpType, turnedDestinationPort, turnedSourcePort } from './tuple.ts'

/** A tuple as it is asked for; for ICMP as in tuple.ts. */
export interface TupleSpec {
  readonly protocol: number
  readonly source: Ipv4
  readonly destination: Ipv4
  readonly sourcePort: number
  readonly destinationPort: number
}

/** The new place of one half; port 0: it stays. */
export interface NatSpec {
  readonly address: Ipv4
  readonly port: number
}

export interface FlowSpec {
  readonly original: TupleSpec
  /** Null: the original turned round. */
  readonly reply: TupleSpec | null
  readonly timeout: Nanos
  /** Bits of `Status`. */
  readonly status: number
  readonly mark: number
  /** By number, of a TCP flow. */
  readonly state: number
  readonly source: NatSpec | null
  readonly destination: NatSpec | null
}

/** What of a flow is to be changed; what is left out stays. */
export interface FlowChange {
  readonly timeout?: Nanos
  /** Bits to be set. */
  readonly status: number
  readonly mark?: { readonly value: number; readonly mask: number }
  readonly state?: number
}

/** Null when a flow has one of the tuples already. `port`: of the program that makes it. */
export function createFlow(conntrack: Conntrack, spec: FlowSpec, now: Nanos, port: number): Flow | null {
  const { flows } = conntrack
  const flow = conntrack.create()
  const { protocol, source, destination, sourcePort, destinationPort } = spec.original
  flow.original.set(protocol, source, destination, sourcePort, destinationPort)
  if (spec.reply === null) {
    const back = turnedSourcePort(protocol, sourcePort, destinationPort)
    flow.reply.set(protocol, destination, source, back, turnedDestinationPort(protocol, sourcePort, destinationPort))
  } else {
    const { reply } = spec
    flow.reply.set(protocol, reply.source, reply.destination, reply.sourcePort, reply.destinationPort)
  }
  const nat = new Nat(flows, flows.random)
  if (spec.source !== null) nat.bind(flow, Manip.SOURCE, rangeOf(spec.source))
  if (spec.destination !== null) nat.bind(flow, Manip.DESTINATION, rangeOf(spec.destination))
  const { original, reply } = flow
  const taken =
    flows.taken(protocol, source, destination, sourcePort, destinationPort, flow) ||
    flows.taken(protocol, reply.source, reply.destination, reply.sourcePort, reply.destinationPort, flow)
  if (taken || original.protocol !== reply.protocol) return null
  if (protocol === IPPROTO_TCP) {
    flow.tcp = new TcpTrack()
    flow.tcp.adopt(spec.state)
  }
  flow.status |= spec.status | Status.CONFIRMED
  flow.mark = spec.mark
  flow.due = now + spec.timeout
  if (flow.start >= 0) flow.start = now
  conntrack.inserted++
  flows.port = port
  flows.insert(flow)
  flows.port = 0
  return flow
}

function rangeOf({ address, port }: NatSpec): NatRange {
  const range = new NatRange()
  range.hasAddress = true
  range.lowAddress = address
  range.highAddress = address
  range.hasPort = port !== 0
  range.lowPort = port
  range.highPort = port
  return range
}

/** The flow with this tuple, in either direction. */
export function findFlow({ flows }: Conntrack, tuple: TupleSpec): Flow | null {
  const { protocol, source, destination, sourcePort, destinationPort } = tuple
  return flows.find(protocol, source, destination, sourcePort, destinationPort)?.flow ?? null
}

/** False when the change leaves the flow as it is. */
export function changeFlow(conntrack: Conntrack, flow: Flow, change: FlowChange, now: Nanos, port: number): boolean {
  const mark = change.mark === undefined ? flow.mark : (flow.mark & ~change.mark.mask) | change.mark.value
  const status = flow.status | change.status
  const state = flow.tcp === null ? 0 : (change.state ?? flow.tcp.state)
  const same = mark === flow.mark && status === flow.status && (flow.tcp === null || state === flow.tcp.state)
  if (same && change.timeout === undefined) return false
  flow.mark = mark | 0
  flow.status = status
  if (flow.tcp !== null && change.state !== undefined) flow.tcp.adopt(state)
  if (change.timeout !== undefined) flow.due = now + change.timeout
  conntrack.flows.hasten(flow)
  conntrack.flows.port = port
  conntrack.flows.announce('UPDATE', flow)
  conntrack.flows.port = 0
  return true
}

/** `conntrack -L -z`: reads and clears. */
export function clearCounters(flow: Flow): void {
  flow.originalPackets = 0
  flow.originalBytes = 0
  flow.replyPackets = 0
  flow.replyBytes = 0
}

/** May an ICMP message of this type begin a flow that somebody makes by hand? */
export function icmpKnown(type: number): boolean {
  return inverseIcmpType(type) >= 0
}

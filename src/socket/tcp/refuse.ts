/** Answers without a connection (net/ipv4/tcp_ipv4.c). */
import { journal } from '../../link/flow-cache.ts'
import type { Netns } from '../../net/netns.ts'
import type { Ipv4 } from '../../wire/address.ts'
import * as ipv4 from '../../wire/ipv4.ts'
import * as tcp from '../../wire/tcp.ts'
import { resets } from './listener-decisions.ts'
import type { Segment } from './segment.ts'

/** Answers a segment that belongs to no connection (tcp_v4_send_reset). */
export function refuse(netns: Netns, segment: Segment): void {
  if (segment.has(tcp.RST)) return
  const acknowledged = segment.has(tcp.ACK)
  const sequence = acknowledged ? segment.acknowledgment : 0
  const ack = acknowledged ? 0 : segment.end
  bare(netns, segment, sequence, ack, acknowledged ? tcp.RST : tcp.RST | tcp.ACK)
}

/** A segment without options, from no socket: identification 0. */
function bare(netns: Netns, segment: Segment, sequence: number, ack: number, flags: number): void {
  const frame = netns.world.frames.take(tcp.HEADER)
  const from: Ipv4 = segment.destination
  const to: Ipv4 = segment.source
  const { sourcePort, destinationPort } = segment
  frame.end = frame.start + tcp.HEADER
  netns.counters.tcpOutSegs++
  if ((flags & tcp.RST) !== 0) netns.counters.tcpOutRsts++
  const { bytes, start } = frame
  tcp.write(bytes, start, frame.end, tcp.HEADER, from, to, destinationPort, sourcePort, sequence, ack, flags, 0)
  if (journal.open) netns.world.frames.tell(frame, netns.name, resets(segment))
  netns.send(frame, from, to, ipv4.IPPROTO_TCP, netns.defaultTtl, 0, 0, ipv4.DF)
}

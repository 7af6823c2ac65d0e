/** The REJECT target's answers (nf_reject_ipv4.c): an ICMP unreachable, or a RST. */
import { journal } from '../link/flow-cache.ts'
import type { Frame } from '../link/frame.ts'
import { Hook, type RejectWith } from '../netfilter/netfilter.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as tcp from '../wire/tcp.ts'
import { IpVerdict } from './ip-decisions.ts'
import type { Namespace } from './namespace.ts'

const codes: Readonly<Record<Exclude<RejectWith, 'tcp-reset'>, number>> = {
  'icmp-net-unreachable': icmp.NET_UNREACHABLE,
  'icmp-host-unreachable': icmp.HOST_UNREACHABLE,
  'icmp-proto-unreachable': icmp.PROTOCOL_UNREACHABLE,
  'icmp-port-unreachable': icmp.PORT_UNREACHABLE,
  'icmp-net-prohibited': 9,
  'icmp-host-prohibited': icmp.HOST_PROHIBITED,
  'icmp-admin-prohibited': icmp.COMMUNICATION_PROHIBITED,
}

/** The frame is lent: netfilter drops it afterwards. */
export function reject(netns: Namespace, frame: Frame, hook: Hook, how: RejectWith): void {
  if (how === 'tcp-reset') {
    if (hook !== Hook.PREROUTING) reset(netns, frame)
  } else {
    netns.icmp.error(frame, icmp.DESTINATION_UNREACHABLE, codes[how], 0)
  }
}

function reset(netns: Namespace, frame: Frame): void {
  const { bytes, network, transport } = frame
  const end = network + ipv4.totalLength(bytes, network)
  if (ipv4.protocol(bytes, network) !== ipv4.IPPROTO_TCP || !tcp.valid(bytes, transport, end)) return
  const flags = tcp.flags(bytes, transport)
  if ((flags & tcp.RST) !== 0) return
  const from = ipv4.destination(bytes, network)
  const to = ipv4.source(bytes, network)
  const answer = netns.world.frames.take()
  answer.end = answer.start + tcp.HEADER
  const carried = end - transport - tcp.headerLength(bytes, transport)
  const length = carried + ((flags & tcp.SYN) !== 0 ? 1 : 0) + ((flags & tcp.FIN) !== 0 ? 1 : 0)
  const acked = (flags & tcp.ACK) !== 0
  const seq = acked ? tcp.acknowledgment(bytes, transport) : 0
  const ack = acked ? 0 : (tcp.sequence(bytes, transport) + length) | 0
  const fromPort = tcp.destinationPort(bytes, transport)
  const toPort = tcp.sourcePort(bytes, transport)
  const flagBits = acked ? tcp.RST : tcp.RST | tcp.ACK
  tcp.write(answer.bytes, answer.start, answer.end, tcp.HEADER, from, to, fromPort, toPort, seq, ack, flagBits, 0)
  // The answer belongs to the connection that it ends: its NAT is undone on the way back.
  if (frame.tracked !== null) netns.netfilter.conntrack.attach(answer, frame)
  if (journal.open) {
    const { frames } = netns.world
    const packet = frames.identify(frame)
    frames.tell(answer, netns.name, new IpVerdict(`answers packet ${packet}: a RST, as a rule wants it`, packet))
  }
  netns.send(answer, from, to, ipv4.IPPROTO_TCP, netns.defaultTtl, 0, 0, ipv4.DF)
}

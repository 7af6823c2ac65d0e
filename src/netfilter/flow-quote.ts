/** The flow that an ICMP error is about: it quotes the beginning of the packet that it answers (nf_conntrack_inet_error). */
import { u16 } from '../wire/bytes.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipv4.ts'
import type { Tuple } from './flow.ts'
import type { FlowTable } from './flow-table.ts'
import type { Packet } from './packet.ts'
import { inverseIcmpType, turnedDestinationPort, turnedSourcePort } from './tuple.ts'

/** The direction that would answer the quoted packet; null when the error is about no known flow. */
export function answerTo(flows: FlowTable, { bytes, transport, end, destination }: Packet): Tuple | null {
  const inner = transport + icmp.HEADER
  if (end - inner < ipv4.HEADER + 8 || bytes[inner] >> 4 !== 4) return null
  const at = inner + ipv4.headerLength(bytes, inner)
  if (end - at < 8 || ipv4.fragmentOffset(bytes, inner) !== 0) return null
  const protocol = ipv4.protocol(bytes, inner)
  let sourcePort = 0
  let destinationPort = 0
  if (protocol === IPPROTO_TCP || protocol === IPPROTO_UDP) {
    sourcePort = u16(bytes, at)
    destinationPort = u16(bytes, at + 2)
  } else if (protocol === IPPROTO_ICMP) {
    if (inverseIcmpType(bytes[at]) < 0) return null
    sourcePort = icmp.identifier(bytes, at)
    destinationPort = u16(bytes, at)
  }
  const answer = flows.find(
    protocol,
    ipv4.destination(bytes, inner),
    ipv4.source(bytes, inner),
    turnedSourcePort(protocol, sourcePort, destinationPort),
    turnedDestinationPort(protocol, sourcePort, destinationPort),
  )
  // The error must go to whoever sent the quoted packet.
  return answer === null || answer.destination !== destination ? null : answer
}

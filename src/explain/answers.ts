/**
 * Which packet answers which. Both pass the same interface, one with the addresses of the other turned round, on either side
 * of a NAT; who belongs to whom is each protocol's own matter.
 */
import * as icmp from '../wire/icmp.ts'
import * as tcp from '../wire/tcp.ts'
import { type Headers, headersOf, type IpHeader, innermost } from './headers.ts'
import type { Recording, SeenFrame } from './recording.ts'

export interface Partners {
  /** The first frame of the packet that answers this one; null: none does. */
  readonly answer: SeenFrame | null
  /** The first frame of the packet that this one answers; null: none. */
  readonly question: SeenFrame | null
}

interface Hop {
  readonly row: number
  readonly headers: Headers
}

/** `stops`: the frames of the packet in question, in order. */
export function partnersOf(recording: Recording, stops: readonly SeenFrame[]): Partners {
  const mine = new Map<number, Hop>()
  for (const frame of stops) {
    const headers = headersOf(frame.bytes)
    // The first time that it was there: behind it the packet may come again, with other addresses.
    if (headers === null || mine.has(frame.interface)) continue
    mine.set(frame.interface, { row: frame.number - 1, headers: innermost(headers) })
  }
  let answer: SeenFrame | null = null
  let question: SeenFrame | null = null
  const packetId = stops[0]?.packetId
  for (const frame of recording.frames) {
    const hop = mine.get(frame.interface)
    if (hop === undefined || frame.packetId === packetId) continue
    const later = frame.number - 1 > hop.row
    if (later && answer !== null) continue
    const outer = headersOf(frame.bytes)
    if (outer === null) continue
    const headers = innermost(outer)
    if (later && answers(headers, hop.headers)) answer = frame
    // The latest before: an earlier one was answered before.
    if (!later && answers(hop.headers, headers)) question = frame
  }
  return { answer: firstOf(recording, answer), question: firstOf(recording, question) }
}

function firstOf(recording: Recording, frame: SeenFrame | null): SeenFrame | null {
  if (frame === null || frame.packetId === null) return frame
  return recording.frames.find((other) => other.packetId === frame.packetId) ?? frame
}

/** Is the later packet the answer to the earlier one, where both were seen? */
export function answers(later: Headers, earlier: Headers): boolean {
  if (later.arp !== null && earlier.arp !== null) {
    const isReply = !later.arp.request && earlier.arp.request
    return isReply && later.arp.sender === earlier.arp.target && later.arp.target === earlier.arp.sender
  }
  if (later.ip === null || earlier.ip === null) return false
  if (later.ip.icmp?.quoted) return quotes(later.ip.icmp.quoted, earlier.ip)
  if (later.ip.source !== earlier.ip.destination || later.ip.destination !== earlier.ip.source) return false
  if (later.ip.sourcePort !== earlier.ip.destinationPort) return false
  if (later.ip.destinationPort !== earlier.ip.sourcePort || later.ip.protocol !== earlier.ip.protocol) return false
  if (later.ip.tcp !== null && earlier.ip.tcp !== null) return answersSegment(later.ip, earlier.ip)
  if (later.ip.icmp !== null && earlier.ip.icmp !== null) return answersEcho(later.ip, earlier.ip)
  return later.ip.dnsId === earlier.ip.dnsId && later.ip.sourcePort !== null
}

function answersSegment(later: IpHeader, earlier: IpHeader): boolean {
  const [reply, segment] = [later.tcp, earlier.tcp]
  if (reply === null || segment === null) return false
  if ((reply.flags & tcp.ACK) === 0) return (reply.flags & tcp.RST) !== 0 && reply.sequence === segment.acknowledgment
  return segment.space > 0 && reply.acknowledgment === (segment.sequence + segment.space) >>> 0
}

function answersEcho(later: IpHeader, earlier: IpHeader): boolean {
  const [reply, request] = [later.icmp, earlier.icmp]
  if (reply === null || request === null) return false
  const kinds = reply.type === icmp.ECHO_REPLY && request.type === icmp.ECHO_REQUEST
  return kinds && reply.identifier === request.identifier && reply.sequence === request.sequence
}

/** An error names its packet by the header that it quotes. */
function quotes(quoted: IpHeader, packet: IpHeader): boolean {
  return (
    quoted.source === packet.source &&
    quoted.destination === packet.destination &&
    quoted.protocol === packet.protocol &&
    quoted.identification === packet.identification &&
    quoted.sourcePort === packet.sourcePort &&
    quoted.destinationPort === packet.destinationPort
  )
}

/**
 * The conversations of a capture file: who speaks with whom over TCP or UDP, numbered as they begin. A packet that several
 * interfaces saw counts once: by its id where the file has ids, and otherwise at the interface that saw the conversation first.
 */
import { type Headers, innermost } from '../wire/headers.ts'
import * as tcp from '../wire/tcp.ts'
import type { FilePacket } from './capture-file.ts'

export type ConversationProtocol = 'tcp' | 'udp'

export interface Endpoint {
  readonly address: string
  readonly port: number
}

/** Whose packet it is: of the first to speak, 0, or of the other, 1. */
export type Speaker = 0 | 1

export class Conversation {
  readonly protocol: ConversationProtocol
  /** From 0 on, in its protocol. */
  readonly number: number
  /** Who spoke first, and to whom. */
  readonly endpoints: readonly [Endpoint, Endpoint]
  /** By speaker. */
  readonly frames: [number, number] = [0, 0]
  /** Of whole frames on the wire. */
  readonly bytes: [number, number] = [0, 0]
  /** Seconds since 1970, with a fraction. */
  readonly begin: number
  end: number
  /** Where it was seen first. */
  readonly interface: number
  /** The sequence number of a SYN: another one begins another conversation. */
  readonly opening: number | null
  readonly #ids = new Set<number>()

  constructor(number: number, packet: FilePacket, headers: Headers, opening: number | null) {
    this.protocol = headers.ip?.protocol === TCP ? 'tcp' : 'udp'
    this.number = number
    this.endpoints = endpointsOf(headers)
    this.begin = secondsOf(packet)
    this.end = this.begin
    this.interface = packet.interface
    this.opening = opening
  }

  /** False for a packet that was counted where another interface saw it. */
  count(packet: FilePacket, speaker: Speaker): boolean {
    if (packet.packetId === null) {
      if (packet.interface !== this.interface) return false
    } else {
      if (this.#ids.has(packet.packetId)) return false
      this.#ids.add(packet.packetId)
    }
    this.frames[speaker]++
    this.bytes[speaker] += packet.originalLength
    this.end = Math.max(this.end, secondsOf(packet))
    return true
  }
}

/** A packet, and whose word it is in which conversation. */
export interface Said {
  readonly conversation: Conversation
  readonly speaker: Speaker
  /** Of the packet that tunnels carry, where there are any. */
  readonly headers: Headers
}

const TCP = 6
const UDP = 17

export class Conversations {
  readonly tcp: Conversation[] = []
  readonly udp: Conversation[] = []
  readonly #last = new Map<string, Conversation>()

  /** Null for what belongs to none, and for what was counted already. */
  take(packet: FilePacket, outer: Headers): Said | null {
    const headers = innermost(outer)
    const { ip, sourcePort, destinationPort } = headers
    if (ip === null || sourcePort === null || destinationPort === null) return null
    if (ip.protocol !== TCP && ip.protocol !== UDP) return null
    const one = `${ip.source} ${sourcePort}`
    const other = `${ip.destination} ${destinationPort}`
    const key = one < other ? `${ip.protocol} ${one} ${other}` : `${ip.protocol} ${other} ${one}`
    let conversation = this.#last.get(key)
    const opening = openingOf(headers)
    if (conversation === undefined || isAnother(conversation, opening, ip.source, sourcePort)) {
      const list = ip.protocol === TCP ? this.tcp : this.udp
      conversation = new Conversation(list.length, packet, headers, opening)
      list.push(conversation)
      this.#last.set(key, conversation)
    }
    const [first] = conversation.endpoints
    const speaker = first.address === ip.source && first.port === sourcePort ? 0 : 1
    return conversation.count(packet, speaker) ? { conversation, speaker, headers } : null
  }
}

/** The sequence number of a SYN that is no answer to one. */
function openingOf({ tcp: fields }: Headers): number | null {
  return fields !== null && (fields.flags & (tcp.SYN | tcp.ACK)) === tcp.SYN ? fields.sequence : null
}

/** A SYN with another number between the same endpoints: the ports are used again. */
function isAnother(conversation: Conversation, opening: number | null, source: string, port: number): boolean {
  if (opening === null || opening === conversation.opening) return false
  // The other side may open too, at the same time.
  const [first] = conversation.endpoints
  return conversation.opening !== null ? first.address === source && first.port === port : conversation.frames[0] > 0
}

function endpointsOf({ ip, sourcePort, destinationPort }: Headers): [Endpoint, Endpoint] {
  return [
    { address: ip?.source ?? '', port: sourcePort ?? 0 },
    { address: ip?.destination ?? '', port: destinationPort ?? 0 },
  ]
}

function secondsOf({ seconds, nanos }: FilePacket): number {
  return seconds + nanos / 1e9
}

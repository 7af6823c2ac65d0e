/**
 * The receiving half of ping and traceroute: ICMP messages of a raw socket, decoded, in a queue that a program can
 * wait for.
 */
import type { Nanos } from '../../sim/scheduler.ts'
import type { IcmpMessage, IcmpSocket } from '../../socket/icmp.ts'
import type { Ipv4 } from '../../wire/address.ts'
import * as icmp from '../../wire/icmp.ts'
import * as ipv4 from '../../wire/ipv4.ts'
import type { Process } from '../process.ts'

export interface EchoReply {
  readonly kind: 'reply'
  readonly from: Ipv4
  readonly identifier: number
  readonly sequence: number
  readonly ttl: number
  /** Of the ICMP message, header included. */
  readonly length: number
  readonly payload: Uint8Array
  /** Those of the IP header. */
  readonly options: Uint8Array
  readonly at: Nanos
}

/** An ICMP error, and what it quotes. */
export interface IcmpFailure {
  readonly kind: 'error'
  readonly from: Ipv4
  readonly type: number
  readonly code: number
  /** Next-hop MTU of fragmentation needed. */
  readonly mtu: number
  /** The better one, of a redirect. */
  readonly gateway: Ipv4
  readonly protocol: number
  readonly destination: Ipv4
  /** The quoted packet's first transport bytes: ports, or an echo's type, identifier and sequence. */
  readonly quote: Uint8Array
  readonly ttl: number
  readonly at: Nanos
}

export type IcmpEvent = EchoReply | IcmpFailure

export class IcmpInbox {
  readonly socket: IcmpSocket
  readonly #self: Process
  readonly #queue: IcmpEvent[] = []
  readonly #wanted: (event: IcmpEvent) => boolean
  #wake: (() => void) | null = null

  /** Only wanted events are kept: a raw socket hears everything. */
  constructor(self: Process, wanted: (event: IcmpEvent) => boolean) {
    this.#self = self
    this.#wanted = wanted
    this.socket = self.icmp()
    this.socket.onMessage = (message) => {
      const event = decode(message, self.now())
      if (event === null || !this.#wanted(event)) return
      this.#queue.push(event)
      this.#wake?.()
    }
  }

  take(): IcmpEvent | null {
    return this.#queue.shift() ?? null
  }

  /** Until something is there, `poke` is called, or the time is over. */
  async wait(timeout: Nanos): Promise<void> {
    if (this.#queue.length > 0) return
    await this.#self.wait<true>((settle) => {
      this.#wake = () => settle(true)
    }, timeout)
    this.#wake = null
  }

  /** A signal: ends `wait`. */
  poke(): void {
    this.#wake?.()
  }
}

function decode(message: IcmpMessage, now: Nanos): IcmpEvent | null {
  const { bytes, at, end, source, ttl } = message
  if (!icmp.valid(bytes, at, end)) return null
  const type = icmp.type(bytes, at)
  if (type === icmp.ECHO_REPLY) {
    return {
      kind: 'reply',
      from: source,
      identifier: icmp.identifier(bytes, at),
      sequence: icmp.sequence(bytes, at),
      ttl,
      length: end - at,
      payload: bytes.slice(at + icmp.HEADER, end),
      options: bytes.slice(message.network + ipv4.HEADER, at),
      at: now,
    }
  }
  const quoted = at + icmp.HEADER
  if (!icmp.isError(type) || end - quoted < ipv4.HEADER + 8) return null
  const transport = quoted + ipv4.headerLength(bytes, quoted)
  if (end - transport < 8) return null
  return {
    kind: 'error',
    from: source,
    type,
    code: icmp.code(bytes, at),
    mtu: icmp.nextHopMtu(bytes, at),
    gateway: icmp.gateway(bytes, at),
    protocol: ipv4.protocol(bytes, quoted),
    destination: ipv4.destination(bytes, quoted),
    quote: bytes.slice(transport, transport + 8),
    ttl,
    at: now,
  }
}

/** Does this error quote an echo request of ours? */
export function quotesEcho(event: IcmpFailure, identifier: number, destination: Ipv4): boolean {
  return (
    event.protocol === ipv4.IPPROTO_ICMP &&
    event.destination === destination &&
    icmp.type(event.quote, 0) === icmp.ECHO_REQUEST &&
    icmp.identifier(event.quote, 0) === identifier
  )
}

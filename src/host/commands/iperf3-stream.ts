/** The data connections of a test: what each has carried, and how it carries more. */
import { MICROSECOND, type Nanos } from '../../sim/scheduler.ts'
import type { UdpSocket } from '../../socket/udp.ts'
import type { Ipv4 } from '../../wire/address.ts'
import { i32, put32 } from '../../wire/bytes.ts'
import type { TcpStream } from '../streams.ts'

/** Seconds, microseconds and a number: what a datagram says of itself. */
export const DATAGRAM_HEADER = 12

export interface DataStream {
  readonly bytes: number
  readonly retransmits: number
  /** Bytes; null where there is no window. */
  readonly window: number | null
  readonly datagrams: number
  readonly lost: number
  readonly jitter: Nanos
  /** `10.0.0.1 port 40000`, `10.0.0.2 port 5201` */
  readonly local: readonly [Ipv4, number]
  readonly remote: readonly [Ipv4, number]
  /** Sends at most one block, or receives what is there; how many bytes that were. */
  move(now: Nanos): number
  /** Looks at the kernel's counters for the line that comes. */
  look(): void
  /** Calls back once when `move` may do more. */
  wake(action: (() => void) | null): void
  /** TCP's end of the peer. */
  readonly ended: boolean
  close(): void
}

export class TcpData implements DataStream {
  bytes = 0
  retransmits = 0
  window: number | null = 0
  readonly datagrams = 0
  readonly lost = 0
  readonly jitter = 0
  readonly #stream: TcpStream
  readonly #sends: boolean
  readonly #block: Uint8Array
  /** Bytes of the block that are written. */
  #at = 0

  constructor(stream: TcpStream, sends: boolean, block: number) {
    this.#stream = stream
    this.#sends = sends
    this.#block = new Uint8Array(block)
  }

  get local(): readonly [Ipv4, number] {
    return [this.#stream.socket.localAddress, this.#stream.socket.localPort]
  }

  get remote(): readonly [Ipv4, number] {
    return [this.#stream.socket.remoteAddress, this.#stream.socket.remotePort]
  }

  get ended(): boolean {
    return this.#stream.socket.ended || this.#stream.socket.state === 'CLOSED'
  }

  get congestion(): string {
    return this.#stream.socket.info()?.congestionControl ?? ''
  }

  /** A block counts when all of it is written, as a blocking write(2) returns. */
  move(): number {
    const { socket } = this.#stream
    if (!this.#sends) {
      const moved = socket.read(this.#block)
      this.bytes += moved
      return moved
    }
    const moved = socket.write(this.#block, this.#at, this.#block.length - this.#at)
    this.#at = (this.#at + moved) % this.#block.length
    if (this.#at === 0 && moved > 0) this.bytes += this.#block.length
    return moved
  }

  look(): void {
    const info = this.#stream.socket.info()
    if (!this.#sends || info === null) return
    this.retransmits = info.resent
    this.window = info.cwnd * info.mss
  }

  wake(action: (() => void) | null): void {
    this.#stream.socket.onReadable = action
    this.#stream.socket.onWritable = action
  }

  close(): void {
    this.#stream.close()
  }
}

/** Who sends a stream's datagrams to its peer. */
type Transmit = (payload: Uint8Array) => void

export class UdpData implements DataStream {
  bytes = 0
  readonly retransmits = 0
  readonly window = null
  datagrams = 0
  lost = 0
  jitter: Nanos = 0
  readonly ended = false
  readonly local: readonly [Ipv4, number]
  readonly remote: readonly [Ipv4, number]
  readonly #block: Uint8Array
  readonly #transmit: Transmit | null
  readonly #socket: UdpSocket | null
  /** The last transit time; null before the first datagram. */
  #transit: Nanos | null = null

  /** @param transmit null for a stream that receives; @param socket what is closed with the stream */
  constructor(
    local: readonly [Ipv4, number],
    remote: readonly [Ipv4, number],
    block: number,
    transmit: Transmit | null,
    socket: UdpSocket | null,
  ) {
    this.local = local
    this.remote = remote
    this.#block = new Uint8Array(block)
    this.#transmit = transmit
    this.#socket = socket
  }

  /** A receiver's datagrams come by themselves (`receive`). */
  move(now: Nanos): number {
    if (this.#transmit === null) return 0
    this.datagrams++
    const micros = Math.floor(now / MICROSECOND)
    put32(this.#block, 0, Math.floor(micros / 1e6))
    put32(this.#block, 4, micros % 1e6)
    put32(this.#block, 8, this.datagrams)
    this.#transmit(this.#block)
    this.bytes += this.#block.length
    return this.#block.length
  }

  /** iperf_udp_recv: what is missing in front of it is lost until it comes after all; jitter after RFC 1889, A.8. */
  receive(payload: Uint8Array, now: Nanos): void {
    if (payload.length < DATAGRAM_HEADER) return
    this.bytes += payload.length
    const number = i32(payload, 8) >>> 0
    if (number > this.datagrams) {
      this.lost += number - 1 - this.datagrams
      this.datagrams = number
    } else if (this.lost > 0) this.lost--
    const sent = ((i32(payload, 0) >>> 0) * 1e6 + (i32(payload, 4) >>> 0)) * MICROSECOND
    const transit = now - sent
    if (this.#transit !== null) this.jitter += (Math.abs(transit - this.#transit) - this.jitter) / 16
    this.#transit = transit
  }

  look(): void {}

  wake(): void {}

  close(): void {
    this.#socket?.close()
  }
}

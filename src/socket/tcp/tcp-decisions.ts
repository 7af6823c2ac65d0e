/** What TCP did with a segment, and why it sent one, for whoever traces (see link/decision.ts). */
import { Decision, type DecisionKind } from '../../link/decision.ts'
import { HZ } from '../../sim/jiffies.ts'
import * as tcp from '../../wire/tcp.ts'
import { ofProgram } from '../programs.ts'
import { byteCount, Ends } from '../socket-decisions.ts'
import type { Connection } from './connection.ts'
import { Because, occasion } from './occasion.ts'
import type { Segment } from './segment.ts'
import { stateNames, type TcpState } from './state.ts'

export function endsOf({ localAddress, localPort, remoteAddress, remotePort }: Connection): Ends {
  return new Ends('tcp', localAddress, localPort, remoteAddress, remotePort)
}

abstract class ConnectionDecision extends Decision {
  readonly kind: DecisionKind = 'socket'
  readonly #ends: Ends
  /** ` of nginx (pid 7)` */
  protected readonly program: string
  /** Does ss show the connection? */
  protected shown = true

  constructor(connection: Connection) {
    super()
    this.#ends = endsOf(connection)
    this.program = ofProgram(connection.netns, connection)
  }

  override entry(): string | null {
    return this.shown ? this.#ends.entry : null
  }

  override command(): string | null {
    return this.shown ? this.#ends.command : null
  }
}

/** A segment came to its connection. */
export class TcpTaken extends ConnectionDecision {
  readonly #flags: number
  readonly #length: number
  /** Where its data stand from what was expected: negative is old. */
  readonly #ahead: number
  readonly #state: TcpState
  #stateAfter: TcpState
  #next: number
  #una: number
  /** Is our FIN acknowledged? Behind it: was it by this segment? */
  #finished: boolean
  /** The listener has no room for one more connection. */
  #unfetched = false
  readonly #memory: number
  readonly #outOfOrder: number
  #useful = true
  #kept = false

  /** Before it is dealt with. */
  constructor(connection: Connection, segment: Segment) {
    super(connection)
    const { receive, send } = connection
    this.#flags = segment.flags
    this.#length = segment.dataLength
    this.#ahead = (segment.sequence - receive.next) | 0
    this.#state = connection.state
    this.#stateAfter = connection.state
    this.#next = receive.next
    this.#una = send.una
    this.#finished = send.finished
    this.#memory = receive.memory
    this.#outOfOrder = connection.outOfOrder
  }

  /** Behind it. */
  settle({ state, receive, send, outOfOrder, acceptor }: Connection, useful: boolean): this {
    this.#useful = useful
    this.#stateAfter = state
    this.shown = state !== 'CLOSED'
    this.#next = (receive.next - this.#next) | 0
    this.#una = (send.una - this.#una) | 0
    this.#finished = send.finished && !this.#finished
    this.#unfetched = state === 'SYN-RECEIVED' && acceptor?.full === true
    this.#kept = outOfOrder !== this.#outOfOrder && receive.memory > this.#memory
    return this
  }

  override sentence(): string {
    const parts = [...this.#data(), ...this.#acknowledged()]
    if (parts.length === 0) parts.push(this.#bare())
    const before = stateNames[this.#state]
    const after = stateNames[this.#stateAfter]
    const change = this.#state === this.#stateAfter ? '' : `, ${before} becomes ${this.shown ? after : 'closed'}`
    return `TCP socket${this.program} in ${before} ${this.#useful ? 'takes' : 'has no use for'} ${parts.join(', ')}${change}`
  }

  #has(flag: number): boolean {
    return (this.#flags & flag) !== 0
  }

  #data(): string[] {
    const parts: string[] = []
    if (this.#has(tcp.RST)) return ['a RST']
    if (this.#has(tcp.SYN)) return [this.#has(tcp.ACK) ? 'a SYN-ACK' : 'a SYN']
    const fin = this.#has(tcp.FIN)
    const length = this.#length
    if (length > 0) parts.push(this.#bytes(length, fin))
    if (fin) parts.push(this.#ahead + length < 0 ? 'a FIN that was here before' : "a FIN: the peer's last word")
    return parts
  }

  #bytes(length: number, fin: boolean): string {
    const fresh = this.#next - (fin && this.#next > length ? 1 : 0)
    const bytes = byteCount(length)
    if (this.#ahead + length <= 0) return `${bytes} that were here before: a duplicate`
    if (this.#ahead > 0) {
      const gap = `${byteCount(this.#ahead)} beyond what is expected`
      return `${bytes} out of order, ${gap}: ${this.#kept ? 'queued' : 'not kept'}`
    }
    if (fresh <= 0) return `${bytes}, for which there is no room: dropped`
    const new_ = length + this.#ahead
    const closed = fresh > new_ ? `, which close the gap before ${byteCount(fresh - new_)}` : ''
    return `${this.#ahead < 0 ? `${byteCount(new_)} new of ${bytes}` : `${bytes} in order`}${closed}`
  }

  #acknowledged(): string[] {
    if (!this.#has(tcp.ACK) || this.#has(tcp.SYN) || this.#has(tcp.RST)) return []
    if (this.#una <= 0) return []
    // The SYN took a number, and so does the FIN.
    if (this.#state === 'SYN-RECEIVED') return ["the handshake's last ACK"]
    const bytes = this.#una - (this.#finished ? 1 : 0)
    const parts = bytes > 0 ? [`the ACK of ${byteCount(bytes)}`] : []
    return this.#finished ? [...parts, 'the ACK of our FIN'] : parts
  }

  #bare(): string {
    if (this.#unfetched) return "the handshake's last ACK: the listener's backlog is full"
    if (this.#ahead < 0) return 'an ACK that was sent before what came since'
    return 'an ACK of nothing new'
  }
}

/** A segment leaves. */
export class TcpSent extends ConnectionDecision {
  readonly #state: TcpState
  readonly #flags: number
  readonly #length: number
  readonly #fresh: boolean
  readonly #because: Because
  readonly #timeouts: number
  /** In milliseconds. */
  readonly #timeout: number
  readonly #recovering: boolean
  readonly #first: boolean
  readonly #out: number
  readonly #window: number

  constructor(connection: Connection, flags: number, length: number, fresh: boolean) {
    super(connection)
    const { state, timeouts, congestion, send } = connection
    this.#state = state
    this.#flags = flags
    this.#length = length
    this.#fresh = fresh
    this.#because = occasion.because
    this.#timeouts = timeouts
    this.#timeout = (connection.timeout * 1000) / HZ
    this.#recovering = congestion.state === 'Recovery'
    this.#first = connection.dataIn === 0 && connection.bytesSent === 0
    this.#out = send.sent.inFlight
    this.#window = congestion.window
    this.shown = (flags & tcp.RST) === 0 && occasion.because !== Because.COOKIE && state !== 'CLOSED'
  }

  override sentence(): string {
    return `TCP socket${this.program} in ${stateNames[this.#state]} sends ${this.#what()}${this.#why()}`
  }

  #has(flag: number): boolean {
    return (this.#flags & flag) !== 0
  }

  #what(): string {
    if (this.#has(tcp.RST)) return 'a RST: it gives the connection up'
    if (this.#has(tcp.SYN)) return this.#has(tcp.ACK) ? 'a SYN-ACK' : 'a SYN'
    const parts: string[] = []
    if (this.#length > 0) parts.push(byteCount(this.#length))
    if (this.#has(tcp.FIN)) parts.push('a FIN')
    return parts.length === 0 ? 'an ACK' : parts.join(' and ')
  }

  #why(): string {
    switch (this.#because) {
      case Because.TIMEOUT:
        return ` again: retransmission ${this.#timeouts}, nothing came for ${this.#timeout} ms`
      case Because.TAIL_PROBE:
        return this.#fresh ? ', a tail loss probe' : ' again, a tail loss probe'
      case Because.WINDOW_PROBE:
        return ": a probe of the peer's window, which is shut"
      case Because.KEEPALIVE:
        return ': a keepalive probe'
      case Because.DELAYED:
        return ' that was delayed'
      case Because.COMPRESSED:
        return ' for several segments behind a gap'
      case Because.CHALLENGE:
        return ': a challenge, since an honest peer will answer it'
      case Because.OUTSIDE:
        return ' since what came is outside the window'
      case Because.READING:
        return ': the program has read, and the window is wider'
      case Because.COOKIE:
        return ' with a SYN cookie, and remembers nothing'
      case Because.SYN_AGAIN:
        return " again, for the peer's SYN came again"
      default:
        return this.#usual()
    }
  }

  #usual(): string {
    if (this.#has(tcp.RST)) return ''
    if (this.#has(tcp.SYN)) return this.#has(tcp.ACK) ? ', which answers the SYN' : ': connect()'
    if (this.#length === 0 && !this.#has(tcp.FIN)) return this.#acknowledges()
    if (!this.#fresh) return this.#recovering ? ' again: fast retransmission, for later ones arrived' : ' again'
    const out = `${this.#out} of ${this.#window} segments in flight`
    return this.#length === 0 ? ': close()' : ` of data, ${out}`
  }

  #acknowledges(): string {
    return this.#state === 'ESTABLISHED' && this.#first ? ' that ends the handshake' : ' of what came'
  }
}

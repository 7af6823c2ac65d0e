/** A test as one side runs it: its streams carry until it is over, and each interval has its lines. */
import { MICROSECOND, MILLISECOND, type Nanos, SECOND } from '../../sim/scheduler.ts'
import type { Process } from '../process.ts'
import { SocketError, type TcpStream } from '../streams.ts'
import type { DataStream } from './iperf3-stream.ts'
import {
  type Figures,
  intervalHeading,
  intervalLine,
  type Kind,
  RULE,
  summaryHeading,
  summaryLine,
} from './iperf3-text.ts'

export interface Plan {
  readonly kind: Kind
  readonly sends: boolean
  /** Bits per second of each stream; 0: as much as it takes. */
  readonly rate: number
  /** Enough, when not zero: then `duration` does not count. Bytes and blocks of all streams together. */
  readonly bytes: number
  readonly blocks: number
  /** How long the client lets it run; Infinity for a server, which is told. */
  readonly duration: Nanos
  /** Between two lines; 0 for none but the last. */
  readonly interval: Nanos
}

/** What a side has seen of one stream, for its peer. */
export interface Result {
  readonly bytes: number
  readonly retransmits: number
  readonly datagrams: number
  readonly lost: number
  readonly jitter: Nanos
  readonly elapsed: Nanos
}

/** A program's time around a system call, and what copying costs: 10 Gbit/s, about what veth carries on a real machine. */
const CALL: Nanos = 30 * MICROSECOND
const BYTE: Nanos = 0.8
/** How often a stream with a rate is looked at (pacing_timer). */
const TICK: Nanos = MILLISECOND
/** The kernel's word comes with the wait; without any, somebody looks this often. */
const PATIENCE: Nanos = 10 * SECOND

/** A stream, its file descriptor, and what its last line said. */
interface Lane {
  readonly id: string
  readonly data: DataStream
  bytes: number
  retransmits: number
  datagrams: number
  lost: number
}

export class Flow {
  elapsed: Nanos = 0
  blocks = 0
  readonly #self: Process
  readonly #plan: Plan
  readonly #lanes: readonly Lane[]
  readonly #control: TcpStream
  readonly #began: Nanos
  #from: Nanos = 0
  #reports = 0

  constructor(self: Process, plan: Plan, streams: readonly DataStream[], ids: readonly number[], control: TcpStream) {
    this.#self = self
    this.#plan = plan
    this.#lanes = streams.map((data, i) => ({
      id: String(ids[i]),
      data,
      bytes: 0,
      retransmits: 0,
      datagrams: 0,
      lost: 0,
    }))
    this.#control = control
    this.#began = self.now()
  }

  get results(): readonly Result[] {
    const { elapsed } = this
    return this.#lanes.map(({ data }) => {
      const { bytes, retransmits, datagrams, lost, jitter } = data
      return { bytes, retransmits, datagrams, lost, jitter, elapsed }
    })
  }

  /** A client's ends by its own measure, a server's (`told`) when the client has said so. */
  async run(told: boolean): Promise<void> {
    const { interval, sends } = this.#plan
    for (;;) {
      const now = this.#self.now() - this.#began
      if (interval > 0 && now >= this.#from + interval) this.#report(this.#from + interval)
      const over = told ? this.#said() : this.#over(now)
      // What came before the word that ends the test is read first.
      if (over && (!told || sends)) break
      const moved = this.#move(now)
      if (over && moved === 0) break
      // Without a program's time around its calls, no other would ever run.
      if (moved > 0) await this.#self.sleep(CALL + moved * BYTE)
      else await this.#event(now, told)
    }
    this.elapsed = this.#self.now() - this.#began
    for (const { data } of this.#lanes) data.look()
  }

  /** The last lines; a server prints its own side only. */
  summary(peers: readonly Result[], both: boolean): void {
    const { kind, sends } = this.#plan
    this.#report(this.elapsed)
    const own = this.results
    const [senders, receivers] = sends ? [own, peers] : [peers, own]
    this.#self.out(RULE + summaryHeading(kind, both || sends))
    for (const [i, { id }] of this.#lanes.entries()) {
      const [sender, receiver] = [senders[i] ?? NOTHING, receivers[i] ?? NOTHING]
      if (both || sends) this.#self.out(summaryLine(id, kind, 'sender', sent(sender)))
      if (both || !sends) this.#self.out(summaryLine(id, kind, 'receiver', whole(receiver)))
    }
    if (this.#lanes.length < 2) return
    if (both || sends) this.#self.out(summaryLine('SUM', kind, 'sender', sum(senders.map(sent))))
    if (both || !sends) this.#self.out(summaryLine('SUM', kind, 'receiver', sum(receivers.map(whole))))
  }

  /** Each stream moves what it may. */
  #move(now: Nanos): number {
    const { sends, rate } = this.#plan
    let moved = 0
    for (const { data } of this.#lanes) {
      if (sends && (this.#enough || (rate > 0 && now > 0 && (data.bytes * 8 * SECOND) / now >= rate))) continue
      const before = data.bytes
      moved += data.move(this.#self.now())
      if (sends && data.bytes > before) this.blocks++
    }
    return moved
  }

  get #enough(): boolean {
    const { bytes, blocks } = this.#plan
    if (blocks > 0) return this.blocks >= blocks
    return bytes > 0 && this.#lanes.reduce((all, { data }) => all + data.bytes, 0) >= bytes
  }

  #over(now: Nanos): boolean {
    const { bytes, blocks, duration } = this.#plan
    if (this.#lanes.some(({ data }) => data.ended)) return true
    return bytes > 0 || blocks > 0 ? this.#enough : now >= duration
  }

  /** The lines of the interval that ends now. */
  #report(to: Nanos): void {
    const { kind, sends, interval } = this.#plan
    const moved = this.#lanes.some(({ data, bytes }) => data.bytes > bytes)
    // A rest too short to mean anything is left out, unless it has carried something.
    if (!moved && to - this.#from < interval / 10) return
    if (this.#reports++ === 0) this.#self.out(intervalHeading(kind, sends))
    else if (this.#lanes.length > 1) this.#self.out(RULE)
    const all = this.#lanes.map((lane) => this.#since(lane, to))
    for (const [i, { id }] of this.#lanes.entries()) this.#self.out(intervalLine(id, kind, sends, all[i]))
    if (all.length > 1) this.#self.out(intervalLine('SUM', kind, sends, sum(all)))
    this.#from = to
  }

  /** What the lane has done since its last line. */
  #since(lane: Lane, to: Nanos): Figures {
    const { data } = lane
    data.look()
    const figures = {
      from: this.#from,
      to,
      bytes: data.bytes - lane.bytes,
      retransmits: data.retransmits - lane.retransmits,
      window: data.window,
      datagrams: data.datagrams - lane.datagrams,
      lost: data.lost - lane.lost,
      jitter: data.jitter,
    }
    lane.bytes = data.bytes
    lane.retransmits = data.retransmits
    lane.datagrams = data.datagrams
    lane.lost = data.lost
    return figures
  }

  #said(): boolean {
    if (this.#control.socket.ended || this.#control.socket.state === 'CLOSED') throw new SocketError('ECONNRESET')
    return this.#control.socket.readable > 0
  }

  /** Until a stream or the control connection has something, or the clock. */
  async #event(now: Nanos, told: boolean): Promise<void> {
    const { interval, duration, sends, rate } = this.#plan
    const { socket } = this.#control
    const line = interval > 0 ? this.#from + interval : Number.POSITIVE_INFINITY
    const tick = sends && rate > 0 ? now + TICK - (now % TICK) : Number.POSITIVE_INFINITY
    const until = Math.min(line, tick, told ? Number.POSITIVE_INFINITY : duration, now + PATIENCE)
    const before = socket.onReadable
    await this.#self.wait<true>(
      (settle) => {
        const wake = () => settle(true)
        for (const { data } of this.#lanes) data.wake(wake)
        socket.onReadable = wake
      },
      Math.max(until - now, 1),
    )
    for (const { data } of this.#lanes) data.wake(null)
    socket.onReadable = before
  }
}

const NOTHING: Result = { bytes: 0, retransmits: 0, datagrams: 0, lost: 0, jitter: 0, elapsed: 0 }

function whole(result: Result): Figures {
  return { ...result, from: 0, to: result.elapsed, window: null }
}

/** A sender knows of no loss. */
function sent(result: Result): Figures {
  return { ...whole(result), lost: 0, jitter: 0 }
}

function sum(all: readonly Figures[]): Figures {
  const total = (of: (figures: Figures) => number) => all.reduce((before, figures) => before + of(figures), 0)
  return {
    from: all[0]?.from ?? 0,
    to: Math.max(...all.map(({ to }) => to)),
    bytes: total(({ bytes }) => bytes),
    retransmits: total(({ retransmits }) => retransmits),
    window: null,
    datagrams: total(({ datagrams }) => datagrams),
    lost: total(({ lost }) => lost),
    jitter: total(({ jitter }) => jitter) / all.length,
  }
}

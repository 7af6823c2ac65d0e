/**
 * One connection: RFC 9293's transmission control block. It holds what its parts (sending, receiving,
 * acknowledging, round trip, congestion) have in common, its three timers, and what its program must be told.
 * What happens to it is written in input, output and timers.
 */

import type { World } from '../../link/world.ts'
import type { Errno } from '../../net/errno.ts'
import type { Netns } from '../../net/netns.ts'
import { HZ, JIFFY, jiffies, wheel } from '../../sim/jiffies.ts'
import { MILLISECOND, type Nanos, Timer } from '../../sim/scheduler.ts'
import { ANY, type Ipv4 } from '../../wire/address.ts'
import { Acknowledging } from './acks.ts'
import { type Acceptor, Alarm, type Alarms, type Owner, Pending, Wake } from './around.ts'
import { Limit } from './chrono.ts'
import { Congestion } from './congestion.ts'
import { controlNamed } from './controls.ts'
import { Ecn } from './ecn.ts'
import { newMoments } from './moments.ts'
import { Pacing } from './pacing.ts'
import { isWhole, mtuOf } from './path.ts'
import { type PathSearch, segmentFor, withinHalfWindow } from './path-search.ts'
import { Rack } from './rack.ts'
import { ReceiveQueue } from './receive.ts'
import { longestDelay, longestTimeout, RoundTrip } from './rtt.ts'
import { SendQueue } from './send.ts'
import type { Settings } from './settings.ts'
import type { TcpState } from './state.ts'
import type { Tuple, TupleTable } from './table.ts'
import { Tally } from './tally.ts'
import type { Tunables } from './tunables.ts'
import { Undo } from './undo.ts'

/** The segment size assumed of a peer that names none (RFC 9293 section 3.7.1). */
const DEFAULT_MSS = 536

/** TCP_TIMEWAIT_LEN, in jiffies: no sysctl changes it. */
const TIME_WAIT = 60 * HZ

export class Connection extends Tally implements Tuple<Connection> {
  readonly netns: Netns
  readonly world: World
  settings: Readonly<Settings>
  readonly tunables: Tunables
  readonly #table: TupleTable<Connection>
  chain: Connection | null = null
  owner: Owner | null = null
  acceptor: Acceptor<Connection> | null = null
  state: TcpState = 'CLOSED'
  localAddress: Ipv4 = ANY
  localPort = 0
  remoteAddress: Ipv4 = ANY
  remotePort = 0
  ttl: number
  tos = 0
  /** Wakes that are due, and why the connection ended. */
  wake = 0
  error: Errno | null = null
  /** The last ICMP error that did not end the connection. */
  softError: Errno | null = null

  readonly moments = newMoments()
  readonly send = new SendQueue(this.moments)
  readonly receive: ReceiveQueue
  readonly acks = new Acknowledging()
  readonly roundTrip = new RoundTrip(this.moments)
  readonly congestion: Congestion
  readonly rack = new Rack(this.moments)
  readonly undo = new Undo()
  readonly ecn = new Ecn()
  /** How many segments late something may be and not be lost (tp->reordering). */
  reordering: number
  /** The time-out may have been none: F-RTO watches (tp->frto). */
  spurious = false
  /** The peer took back what it had reported by SACK, and that is not repaired yet (is_sack_reneg). */
  reneged = false

  noDelay = false
  /** The program will read no more: data that comes is answered with RST. */
  receiveShut = false
  /** A write took less than was offered: tell when there is room. */
  wantsRoom = false

  /** Data bytes of a full segment. */
  mss = DEFAULT_MSS
  peerMss = DEFAULT_MSS
  /** The path's MTU for which segments were sized (icsk_pmtu_cookie). */
  pmtuCookie = 0
  /** Null: the path's MTU is not searched for (icsk_mtup.enabled). */
  search: PathSearch | null = null
  /** What our SYN says, and with the timestamps' length taken off (advmss). */
  advertisedMss = 0
  /** The peer's window scale; ours is `receive.scale`. */
  sendScale = 0
  sack = false
  timestamps = false
  scaling = false
  /** The peer's latest timestamp (TS.Recent), and the offset of our own clock. */
  recentTimestamp = 0
  clockOffset = 0
  #id: number
  /** skb->hash of what we send: names the flow to tunnels. New after each time-out. */
  flow = 0

  /** Time-outs in a row, in the life of the handshake or connection, and the exponent of back-off. */
  timeouts = 0
  allTimeouts = 0
  backoff = 0
  /** Unanswered zero-window probes. */
  probes = 0
  pending: Pending = Pending.RETRANSMISSION
  /** SND.NXT when a tail loss probe left, and whether it was an old segment; no second one before its fate is known. */
  tailProbe = 0
  tailProbed = false
  tailResent = false
  /** When a segment outside the window was last answered, in jiffies. */
  lastRejection = -1_000_000

  readonly #alarms: Alarms<Connection>
  readonly retransmission: Timer
  // The others are made when they are first armed: many a connection never needs them.
  acknowledgment: Timer | null = null
  /** Duplicate acknowledgments that were left out are sent as one. */
  compression: Timer | null = null
  lifetime: Timer | null = null
  /** Null: bursts leave as soon as the windows allow (SK_PACING_NONE). */
  pacing: Pacing | null = null

  constructor(
    netns: Netns,
    table: TupleTable<Connection>,
    alarms: Alarms<Connection>,
    settings: Readonly<Settings>,
    tunables: Tunables,
  ) {
    super()
    this.settings = settings
    this.noDelay = settings.noDelay
    this.netns = netns
    this.tunables = tunables
    this.receive = new ReceiveQueue(tunables, this.moments)
    this.congestion = new Congestion(controlNamed(settings.congestion || tunables.congestionControl))
    this.reordering = tunables.reordering
    this.ttl = netns.defaultTtl
    this.world = netns.world
    this.#table = table
    this.#id = netns.world.random.below(65536)
    this.#alarms = alarms
    this.retransmission = new Timer(new Alarm(this, alarms.retransmit))
    this.rehash()
    if (settings.maxPacingRate >= 0) this.pace()
  }

  /** Bursts are paced from now on (SK_PACING_NEEDED). */
  pace(): void {
    this.pacing ??= new Pacing(new Timer(new Alarm(this, this.#alarms.paced)))
  }

  /** SO_MAX_PACING_RATE. */
  limitRate(rate: number): number {
    const { maxPacingRate } = this.settings
    return maxPacingRate < 0 ? rate : Math.min(rate, maxPacingRate)
  }

  /** Takes its place among the connections of the namespace; addresses and ports are set. */
  enter(state: TcpState): void {
    this.state = state
    this.#table.add(this)
  }

  /** Our timestamp clock: milliseconds (RFC 7323 section 5.4). */
  clock(): number {
    return this.clockAt(this.world.scheduler.now)
  }

  clockAt(time: Nanos): number {
    return (Math.floor(time / MILLISECOND) + this.clockOffset) | 0
  }

  jiffies(): number {
    return jiffies(this.world.scheduler.now)
  }

  /** IP identification: one more for each segment. */
  nextId(): number {
    const id = this.#id
    this.#id = (id + 1) & 0xffff
    return id
  }

  /** A new path through tunnels and ECMP (sk_rethink_txhash). */
  rehash(): void {
    this.flow = this.world.random.below(0x7fffffff) + 1
  }

  /** The program writes: was it what held sending back until now? (tcp_rate_check_app_limited) */
  writing(): void {
    const { send, congestion } = this
    if (this.chrono.limit === Limit.NONE) this.chrono.start(Limit.BUSY, this.jiffies())
    const { sent } = send
    if (send.unsent < this.mss && sent.inFlight < congestion.window && sent.lost <= sent.resent)
      this.appLimited = Math.max(this.delivered + sent.inFlight, 1)
    this.afterIdle()
  }

  /** Everything written is acknowledged. */
  rested(): void {
    this.chrono.rest(this.jiffies())
  }

  /** The retransmission time-out, backed off, in jiffies. */
  get timeout(): number {
    return Math.min(this.roundTrip.timeout * 2 ** this.backoff, longestTimeout(this))
  }

  /** The same, no longer than TCP_USER_TIMEOUT leaves (tcp_clamp_rto_to_user_timeout). */
  get patience(): number {
    const { userTimeout } = this.settings
    if (userTimeout === 0 || this.timeouts === 0) return this.timeout
    const left = userTimeout - ((this.clock() - this.firstResent) | 0)
    return Math.min(this.timeout, Math.max(Math.ceil((left * MILLISECOND) / JIFFY), 1))
  }

  /** Full segments follow the path's MTU, the peer's offer, and half of its largest window (tcp_sync_mss). */
  sizeSegments(): void {
    this.pmtuCookie = mtuOf(this)
    this.whole = isWhole(this)
    const { search } = this
    let mss = withinHalfWindow(this, segmentFor(this, this.pmtuCookie))
    if (search !== null) {
      search.high = Math.min(search.high, this.pmtuCookie)
      mss = Math.min(mss, segmentFor(this, search.low))
    }
    this.mss = mss
  }

  /** The same, when the path's MTU is no longer what it was. */
  followPath(): void {
    if (mtuOf(this) !== this.pmtuCookie) this.sizeSegments()
    this.narrow = !this.netns.exceptions.empty
  }

  /** Runs while something is unacknowledged; after a probe or a doubt, since the oldest left (tcp_rearm_rto). */
  rearm(): void {
    const waited = this.pending === Pending.TAIL || this.pending === Pending.REORDERING
    this.rearmFromNow()
    const { scheduler } = this.world
    const { sent } = this.send
    if (!waited || sent.size === 0) return
    const left = sent.sentAt(0) - scheduler.now + this.timeout * JIFFY
    scheduler.at(this.retransmission, wheel(scheduler.now, Math.max(left, JIFFY)))
  }

  rearmFromNow(): void {
    if (this.send.sent.size > 0) return this.arm(Pending.RETRANSMISSION, this.patience * JIFFY)
    this.pending = Pending.RETRANSMISSION
    this.world.scheduler.cancel(this.retransmission)
  }

  /** The retransmission timer runs for this now (tcp_reset_xmit_timer). */
  arm(pending: Pending, delay: Nanos): void {
    const { scheduler } = this.world
    const { now } = scheduler
    this.pending = pending
    // The time that the latest burst is given does not count (tcp_pacing_delay).
    const paced = this.pacing === null || pending === Pending.REORDERING ? 0 : jiffies(this.pacing.ahead(now)) * JIFFY
    scheduler.at(this.retransmission, wheel(now, delay + paced))
  }

  /** The retransmission timer runs out as soon as it may (TCP_TIMEOUT_MIN). */
  hurry(): void {
    this.arm(this.pending, 2 * JIFFY)
  }

  /** More to send after a silence: slow start (tcp_slow_start_after_idle_check). */
  afterIdle(): void {
    if (!this.tunables.slowStartAfterIdle || this.send.sent.size > 0 || this.congestion.control.steer) return
    const silence = this.jiffies() - this.lastSent
    if (silence > this.timeout) this.congestion.restart(this, silence)
  }

  /** Lets the owed acknowledgment wait (tcp_send_delayed_ack). False: it has waited enough, send it. */
  delayAcknowledgment(): boolean {
    const { scheduler } = this.world
    const { now } = scheduler
    const { acks } = this
    const delay = acks.delay(this.roundTrip.smoothed, longestDelay(this))
    const expires = jiffies(now) + delay
    this.acknowledgment ??= new Timer(new Alarm(this, this.#alarms.acknowledge))
    if (this.acknowledgment.armed) {
      if (acks.expires <= jiffies(now) + (delay >> 2)) return false
      if (acks.expires <= expires) return true
    }
    acks.expires = expires
    scheduler.at(this.acknowledgment, wheel(now, delay * JIFFY))
    return true
  }

  /** Duplicate acknowledgments that are left out wait so long for more of them. */
  compressFor(delay: Nanos): void {
    this.compression ??= new Timer(new Alarm(this, this.#alarms.compressed))
    this.world.scheduler.after(this.compression, delay)
  }

  /** An acknowledgment left: none is owed. */
  acknowledged(): void {
    const { acknowledgment, compression } = this
    if (acknowledgment?.armed) this.world.scheduler.cancel(acknowledgment)
    if (compression?.armed) this.world.scheduler.cancel(compression)
  }

  /** An orphan waits for the peer's FIN (TCP_LINGER2, tcp_fin_timeout). False: it does not. */
  awaitFin(): boolean {
    const { finTimeout } = this.settings
    if (finTimeout < 0) return false
    this.expireIn((finTimeout || this.netns.sysctl.number('net.ipv4.tcp_fin_timeout')) * HZ)
    return true
  }

  /** TIME-WAIT, the wait of an orphan in FIN-WAIT-2 and the peer's silence end by themselves, in so many jiffies. */
  expireIn(jiffies: number): void {
    const { scheduler } = this.world
    this.lifetime ??= new Timer(new Alarm(this, this.#alarms.expire))
    scheduler.at(this.lifetime, wheel(scheduler.now, jiffies * JIFFY))
  }

  /** Both directions are over: what is left is to answer stragglers (RFC 9293 section 3.6.1). Again: from anew. */
  enterTimeWait(): void {
    const { scheduler } = this.world
    if (this.state !== 'TIME-WAIT') {
      if (!this.tunables.mayWait()) return this.end(null)
      this.wake |= Wake.CLOSED
    }
    this.state = 'TIME-WAIT'
    scheduler.cancel(this.retransmission)
    this.acknowledged()
    if (this.pacing !== null) scheduler.cancel(this.pacing.timer)
    this.send.release()
    this.expireIn(TIME_WAIT)
  }

  /** The end: timers stop, the tuple is free. What was received can still be read. */
  end(error: Errno | null): void {
    if (this.state === 'CLOSED') return
    const { scheduler } = this.world
    const { counters } = this.netns
    if (this.state === 'SYN-SENT' || this.state === 'SYN-RECEIVED') counters.tcpAttemptFails++
    else if (error !== null && (this.state === 'ESTABLISHED' || this.state === 'CLOSE-WAIT')) counters.tcpEstabResets++
    // TIME-WAIT was the end as far as the program is concerned.
    if (this.state === 'TIME-WAIT') this.tunables.timeWaits--
    else {
      this.wake |= Wake.CLOSED
      this.error = error
    }
    this.state = 'CLOSED'
    scheduler.cancel(this.retransmission)
    this.acknowledged()
    if (this.pacing !== null) scheduler.cancel(this.pacing.timer)
    if (this.lifetime !== null) scheduler.cancel(this.lifetime)
    this.#table.remove(this)
    this.send.release()
    if (this.acceptor !== null) {
      const acceptor = this.acceptor
      this.acceptor = null
      this.wake = 0
      acceptor.abandoned(this)
    }
  }

  /**
   * Tells the program what happened. It comes last in each event: what the program sends in answer must not
   * overtake the acknowledgment that the kernel sends first.
   */
  tell(): void {
    const wake = this.wake
    if (wake === 0) return
    this.wake = 0
    if ((wake & Wake.ACCEPTED) !== 0 && this.acceptor !== null) {
      const acceptor = this.acceptor
      this.acceptor = null
      acceptor.accepted(this)
    }
    if ((wake & Wake.CONNECTED) !== 0) this.owner?.connected()
    if ((wake & Wake.READABLE) !== 0) this.owner?.arrived()
    if ((wake & Wake.WRITABLE) !== 0) this.owner?.writable()
    if ((wake & Wake.CLOSED) !== 0) this.owner?.closed(this.error)
  }
}

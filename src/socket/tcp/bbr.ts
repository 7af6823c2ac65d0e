/**
 * BBR version 1 (net/ipv4/tcp_bbr.c): the sender models its path by the largest delivery rate and the least round trip
 * seen lately, paces by the one, and keeps a little more out than their product. Losses as such do not slow it down.
 *
 * STARTUP doubles the rate each round trip until it no longer grows; DRAIN empties the queue that this made; PROBE_BW
 * tries a quarter more every eight round trips; PROBE_RTT, each ten seconds, lets the queue run dry to see the path's
 * own round trip.
 *
 * Bandwidths are segments a microsecond times 2^24, gains 256ths, times microseconds or jiffies as Linux has them.
 */
import { HZ } from '../../sim/jiffies.ts'
import { Aggregation } from './bbr-aggregation.ts'
import { PolicerWatch, Verdict } from './bbr-policer.ts'
import { type BbrInfo, bytesPerSecond, UNIT, WHOLE } from './bbr-units.ts'
import { type CongestionControl, type CongestionState, type Flow, INITIAL_WINDOW, UNLIMITED } from './congestion.ts'
import { DELIVERED_AT } from './moments.ts'
import { sample } from './rate.ts'
import { since } from './rtt.ts'
import { WindowedMax } from './windowed-max.ts'

/** 2/ln 2, the least gain that doubles the rate each round trip, and its inverse. */
const HIGH_GAIN = Math.floor((UNIT * 2885) / 1000) + 1
const DRAIN_GAIN = Math.floor((UNIT * 1000) / 2885)
/** Delayed and stretched acknowledgments need twice what the path holds. */
const WINDOW_GAIN = 2 * UNIT
/** PROBE_BW: more, then as much less, then six round trips as it is. */
const CYCLE = [(UNIT * 5) / 4, (UNIT * 3) / 4, UNIT, UNIT, UNIT, UNIT, UNIT, UNIT]
/** A flow may begin anywhere in it but where it sends less. */
const CYCLE_STARTS = 7
/** The bandwidth is the largest of so many round trips, the round trip the least of so many jiffies. */
const BANDWIDTH_ROUNDS = CYCLE.length + 2
const LEAST_LASTS = 10 * HZ
const PROBE_RTT_LASTS = HZ / 5
const LEAST_WINDOW = 4
/** STARTUP ends after so many round trips in which the bandwidth did not grow by a quarter. */
const FULL_ROUNDS = 3
const FULL_GROWTH = (UNIT * 5) / 4
/** Below 1.2 Mbit/s, in bytes a second, segments leave one by one. */
const SLOW = 1_200_000 >> 3
/** What a network's buffer has room for beside the headers. */
const BURST = 65_536 - 1 - 320
const MOST_GOAL = 127

type Mode = 'STARTUP' | 'DRAIN' | 'PROBE_BW' | 'PROBE_RTT'

export class Bbr implements CongestionControl {
  readonly name = 'bbr'
  readonly expand = 3
  #mode: Mode = 'STARTUP'
  #pacingGain = HIGH_GAIN
  #windowGain = HIGH_GAIN
  readonly #bandwidths = new WindowedMax(BANDWIDTH_ROUNDS)
  readonly #policer = new PolicerWatch()
  readonly #aggregation = new Aggregation()
  /** Round trips, counted by deliveries: one is over when what was sent after its beginning has arrived. */
  #rounds = 0
  #roundEnd = 0
  #newRound = false
  /** The least round trip, and when it was measured; UNLIMITED: never. */
  #leastTrip = UNLIMITED
  #leastAt = 0
  /** When PROBE_RTT may end; 0: the queue has not run dry yet; and whether a round trip passed since. */
  #probeEnds = 0
  #probeRound = false
  #tripSeen = false
  #idle = false
  /** STARTUP has filled the path; the bandwidth that is to be exceeded, and how often it was not. */
  #full = false
  #fullBandwidth = 0
  #fullRounds = 0
  #cycle = 0
  readonly #cycleBegan = new Float64Array(1)
  /** The window before recovery or PROBE_RTT; the state at the last acknowledgment; in recovery's first round trip
   * only as much leaves as arrives. */
  #priorWindow = 0
  #priorState: CongestionState = 'Open'
  #conserving = false

  begin(flow: Flow): void {
    flow.congestion.threshold = UNLIMITED
    this.#roundEnd = flow.delivered
    this.#leastTrip = flow.roundTrip.least || UNLIMITED
    this.#leastAt = flow.jiffies()
    this.#firstRate(flow)
    this.#policer.reset(flow)
    this.#aggregation.begin(flow)
    flow.pace()
  }

  /** bbr_main. */
  steer(flow: Flow): void {
    this.#measureBandwidth(flow)
    this.#aggregation.update(flow, this.#bandwidth, this.#newRound)
    if (this.#mode === 'PROBE_BW' && this.#phaseOver(flow)) this.#nextPhase(flow)
    this.#judgeFull()
    this.#judgeDrain(flow)
    this.#measureTrip(flow)
    this.#setGains()
    this.#setRate(flow, this.#pacingGain)
    this.#setWindow(flow)
  }

  avoid(): void {}

  measured(): void {}

  /** A loss leaves no mark but in what the window returns to. */
  threshold(flow: Flow): number {
    this.#saveWindow(flow)
    return flow.congestion.threshold
  }

  timedOut(flow: Flow): void {
    this.#priorState = 'Loss'
    this.#fullBandwidth = 0
    this.#newRound = true
    this.#watch(flow, 1, false)
  }

  /** The losses were none (bbr_undo_cwnd). */
  undo(flow: Flow): number {
    this.#fullBandwidth = 0
    this.#fullRounds = 0
    this.#policer.reset(flow)
    return flow.congestion.window
  }

  /** After a silence there is no queue of ours: no faster than the path (bbr_cwnd_event). */
  resumed(flow: Flow): void {
    if (flow.appLimited === 0) return
    this.#idle = true
    this.#aggregation.restart(flow)
    if (this.#mode === 'PROBE_BW') this.#setRate(flow, UNIT)
    else if (this.#mode === 'PROBE_RTT') this.#endProbe(flow)
  }

  minimumBurst({ congestion }: Flow): number {
    return congestion.pacingRate < SLOW ? 1 : 2
  }

  info({ mss }: Flow): BbrInfo {
    return {
      bandwidth: Math.floor((this.#bandwidth * mss * 1e6) / WHOLE),
      leastTrip: this.#leastTrip,
      pacingGain: this.#pacingGain,
      windowGain: this.#windowGain,
    }
  }

  get #bandwidth(): number {
    return this.#policer.believed ? this.#policer.rate : this.#bandwidths.value
  }

  /** The window over the round trip, or over a millisecond, times the high gain. */
  #firstRate(flow: Flow): void {
    const { roundTrip, congestion } = flow
    let trip = 1000
    if (roundTrip.smoothed > 0) {
      trip = Math.max(roundTrip.smoothed >> 3, 1)
      this.#tripSeen = true
    }
    const bandwidth = Math.floor((congestion.window * WHOLE) / trip)
    congestion.pacingRate = flow.limitRate(bytesPerSecond(bandwidth, flow.mss, HIGH_GAIN))
  }

  /** bbr_set_pacing_rate: as long as the path is not full, only faster. */
  #setRate(flow: Flow, gain: number): void {
    const { roundTrip, congestion, mss } = flow
    const rate = flow.limitRate(bytesPerSecond(this.#bandwidth, mss, gain))
    if (!this.#tripSeen && roundTrip.smoothed > 0) this.#firstRate(flow)
    if (this.#full || rate > congestion.pacingRate) congestion.pacingRate = rate
  }

  #measureBandwidth(flow: Flow): void {
    this.#newRound = false
    if (sample.delivered < 0 || sample.interval <= 0) return
    if (sample.priorDelivered >= this.#roundEnd) {
      this.#roundEnd = flow.delivered
      this.#rounds++
      this.#newRound = true
      this.#conserving = false
    }
    this.#watch(flow, sample.lost, sample.limited)
    const bandwidth = Math.floor((sample.delivered * WHOLE) / sample.interval)
    // A program that sends less than it may says nothing of the path, unless it is faster than all before.
    if (!sample.limited || bandwidth >= this.#bandwidths.value) this.#bandwidths.add(this.#rounds, bandwidth)
  }

  #watch(flow: Flow, losses: number, limited: boolean): void {
    const verdict = this.#policer.observe(flow, losses, limited, this.#newRound, this.#mode === 'PROBE_BW')
    if (verdict === Verdict.POLICED) this.#pacingGain = UNIT
    else if (verdict === Verdict.OVER) this.#probeBandwidth(flow)
  }

  /** bbr_is_next_cycle_phase: more until it is out or lost, less until the queue is gone, each for a round trip. */
  #phaseOver(flow: Flow): boolean {
    const long = since(flow.moments[DELIVERED_AT], this.#cycleBegan[0]) > this.#leastTrip
    if (this.#pacingGain === UNIT) return long
    const out = this.#outAtDeparture(flow, sample.inFlight)
    const bandwidth = this.#bandwidths.value
    if (this.#pacingGain > UNIT)
      return long && (sample.lost > 0 || out >= this.#inFlight(flow, bandwidth, this.#pacingGain))
    return long || out <= this.#inFlight(flow, bandwidth, UNIT)
  }

  #nextPhase(flow: Flow): void {
    this.#cycle = (this.#cycle + 1) % CYCLE.length
    this.#cycleBegan[0] = flow.moments[DELIVERED_AT]
  }

  #probeBandwidth(flow: Flow): void {
    this.#mode = 'PROBE_BW'
    this.#cycle = CYCLE.length - 1 - flow.world.random.below(CYCLE_STARTS)
    this.#nextPhase(flow)
  }

  #judgeFull(): void {
    if (this.#full || !this.#newRound || sample.limited) return
    const bandwidth = this.#bandwidths.value
    if (bandwidth >= Math.floor((this.#fullBandwidth * FULL_GROWTH) / UNIT)) {
      this.#fullBandwidth = bandwidth
      this.#fullRounds = 0
      return
    }
    this.#full = ++this.#fullRounds >= FULL_ROUNDS
  }

  #judgeDrain(flow: Flow): void {
    const bandwidth = this.#bandwidths.value
    if (this.#mode === 'STARTUP' && this.#full) {
      this.#mode = 'DRAIN'
      flow.congestion.threshold = this.#inFlight(flow, bandwidth, UNIT)
    }
    if (this.#mode !== 'DRAIN') return
    const out = this.#outAtDeparture(flow, flow.send.sent.inFlight)
    if (out <= this.#inFlight(flow, bandwidth, UNIT)) this.#probeBandwidth(flow)
  }

  /** bbr_update_min_rtt, and PROBE_RTT when the least round trip is old. */
  #measureTrip(flow: Flow): void {
    const now = flow.jiffies()
    const old = now > this.#leastAt + LEAST_LASTS
    if (sample.trip >= 0 && (sample.trip < this.#leastTrip || (old && !sample.delayed))) {
      this.#leastTrip = sample.trip
      this.#leastAt = now
    }
    if (old && !this.#idle && this.#mode !== 'PROBE_RTT') {
      this.#mode = 'PROBE_RTT'
      this.#saveWindow(flow)
      this.#probeEnds = 0
    }
    if (this.#mode === 'PROBE_RTT') this.#probeTrip(flow, now)
    if (sample.delivered > 0) this.#idle = false
  }

  #probeTrip(flow: Flow, now: number): void {
    const out = flow.send.sent.inFlight
    // What is measured with a queue that is kept empty says nothing of the bandwidth.
    flow.appLimited = Math.max(flow.delivered + out, 1)
    if (this.#probeEnds === 0 && out <= LEAST_WINDOW) {
      this.#probeEnds = now + PROBE_RTT_LASTS
      this.#probeRound = false
      this.#roundEnd = flow.delivered
    } else if (this.#probeEnds !== 0) {
      if (this.#newRound) this.#probeRound = true
      if (this.#probeRound) this.#endProbe(flow)
    }
  }

  /** bbr_check_probe_rtt_done. */
  #endProbe(flow: Flow): void {
    const { congestion } = flow
    if (this.#probeEnds === 0 || flow.jiffies() <= this.#probeEnds) return
    this.#leastAt = flow.jiffies()
    congestion.window = Math.max(congestion.window, this.#priorWindow)
    if (this.#full) this.#probeBandwidth(flow)
    else this.#mode = 'STARTUP'
  }

  #setGains(): void {
    switch (this.#mode) {
      case 'STARTUP':
        this.#pacingGain = HIGH_GAIN
        this.#windowGain = HIGH_GAIN
        break
      case 'DRAIN':
        this.#pacingGain = DRAIN_GAIN
        this.#windowGain = HIGH_GAIN
        break
      case 'PROBE_BW':
        this.#pacingGain = this.#policer.believed ? UNIT : CYCLE[this.#cycle]
        this.#windowGain = WINDOW_GAIN
        break
      case 'PROBE_RTT':
        this.#pacingGain = UNIT
        this.#windowGain = UNIT
    }
  }

  /** bbr_set_cwnd. */
  #setWindow(flow: Flow): void {
    const { congestion } = flow
    if (sample.acked > 0) congestion.window = this.#windowAfter(flow, sample.acked)
    if (this.#mode === 'PROBE_RTT') congestion.window = Math.min(congestion.window, LEAST_WINDOW)
  }

  #windowAfter(flow: Flow, acked: number): number {
    let window = this.#recoverOrRestore(flow, acked)
    if (this.#conserving) return Math.max(window, flow.send.sent.inFlight + acked)
    let target = this.#product(this.#bandwidth, this.#windowGain)
    if (this.#full) target += this.#aggregation.allowance(this.#bandwidth)
    target = this.#quantized(flow, target)
    if (this.#full) window = Math.min(window + acked, target)
    else if (window < target || flow.delivered < INITIAL_WINDOW) window += acked
    return Math.max(window, LEAST_WINDOW)
  }

  /** Recovery begins with what is out, and ends with the window that was before. */
  #recoverOrRestore(flow: Flow, acked: number): number {
    const { congestion, send, delivered } = flow
    const { state } = congestion
    let { window } = congestion
    if (sample.lost > 0) window = Math.max(window - sample.lost, 1)
    if (state === 'Recovery' && this.#priorState !== 'Recovery') {
      this.#conserving = true
      this.#roundEnd = delivered
      window = send.sent.inFlight + acked
    } else if (repairs(this.#priorState) && !repairs(state)) {
      window = Math.max(window, this.#priorWindow)
      this.#conserving = false
    }
    this.#priorState = state
    return window
  }

  #saveWindow({ congestion }: Flow): void {
    const { window } = congestion
    const good = !repairs(this.#priorState) && this.#mode !== 'PROBE_RTT'
    this.#priorWindow = good ? window : Math.max(this.#priorWindow, window)
  }

  /** What a bandwidth times a gain has out, in segments (bbr_bdp). */
  #product(bandwidth: number, gain: number): number {
    if (this.#leastTrip === UNLIMITED) return INITIAL_WINDOW
    return Math.ceil(Math.floor((bandwidth * this.#leastTrip * gain) / UNIT) / WHOLE)
  }

  /** Room for bursts on their way at both ends, an even number (bbr_quantization_budget). */
  #quantized(flow: Flow, segments: number): number {
    const even = (segments + 3 * this.#burstGoal(flow) + 1) & ~1
    return this.#mode === 'PROBE_BW' && this.#cycle === 0 ? even + 2 : even
  }

  #inFlight(flow: Flow, bandwidth: number, gain: number): number {
    return this.#quantized(flow, this.#product(bandwidth, gain))
  }

  #burstGoal(flow: Flow): number {
    const bytes = Math.min(Math.floor(flow.congestion.pacingRate / 1024), BURST)
    return Math.min(Math.max(Math.floor(bytes / flow.mss), this.minimumBurst(flow)), MOST_GOAL)
  }

  /** How much will be out when the next burst leaves (bbr_packets_in_net_at_edt). */
  #outAtDeparture(flow: Flow, out: number): number {
    const { scheduler } = flow.world
    const ahead = Math.floor((flow.pacing?.ahead(scheduler.now) ?? 0) / 1000)
    const delivered = Math.floor((this.#bandwidth * ahead) / WHOLE)
    const then = this.#pacingGain > UNIT ? out + this.#burstGoal(flow) : out
    return Math.max(then - delivered, 0)
  }
}

function repairs(state: CongestionState): boolean {
  return state === 'Recovery' || state === 'Loss'
}

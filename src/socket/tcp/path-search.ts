/**
 * How long segments may be on their path, and the search for it without ICMP (RFC 4821: tcp_mtup_init, tcp_mtu_probe and
 * tcp_mtu_probing of the kernel): a probe is one longer segment, whose loss is no sign of congestion.
 */
import { HZ } from '../../sim/jiffies.ts'
import { HEADER as IP_HEADER } from '../../wire/ipv4.ts'
import * as tcp from '../../wire/tcp.ts'
import { HEADER as TCP_HEADER } from '../../wire/tcp.ts'
import type { Congestion } from './congestion.ts'
import type { ReceiveQueue } from './receive.ts'
import type { SendQueue } from './send.ts'
import type { Tunables } from './tunables.ts'
import { RECORD } from './write-queue.ts'

/** TCP_MSS_DEFAULT: up to here a peer's whole window may be one segment (tcp_bound_to_half_wnd). */
const DEFAULT_MSS = 536
/** The least packet that every path takes (RFC 791). */
const LEAST_PACKET = 68
/** `nop, nop, TS`: what every segment but the SYN carries when timestamps were agreed. */
export const TIMESTAMPS_LENGTH = 12
/** Of IP and TCP, without options. */
export const HEADERS = IP_HEADER + TCP_HEADER
/** A smaller congestion window has no room for a probe and for what tells its loss from congestion. */
const LEAST_WINDOW = 11

/** What PathSearch.next answers besides the length of a probe. */
export const NO_PROBE = 0
export const WAIT = -1

/** What the length of segments depends on. */
interface Sized {
  readonly tunables: Tunables
  readonly send: SendQueue
  readonly timestamps: boolean
  readonly peerMss: number
}

interface Prober extends Sized {
  readonly receive: ReceiveQueue
  readonly congestion: Congestion
  readonly mss: number
  readonly reordering: number
  readonly pmtuCookie: number
  jiffies(): number
  sizeSegments(): void
}

function optionsOf({ timestamps }: Sized): number {
  return timestamps ? TIMESTAMPS_LENGTH : 0
}

/** Data bytes of a segment that fills a packet of `mtu` bytes (tcp_mtu_to_mss). */
export function segmentFor(sized: Sized, mtu: number): number {
  const { peerMss, tunables } = sized
  return Math.max(Math.min(mtu - HEADERS, peerMss), tunables.leastSegment) - optionsOf(sized)
}

/** The packet that a segment of `mss` data bytes makes (tcp_mss_to_mtu). */
function packetFor(sized: Sized, mss: number): number {
  return mss + optionsOf(sized) + HEADERS
}

/** No more than half of the largest window that the peer ever had (tcp_bound_to_half_wnd). */
export function withinHalfWindow(sized: Sized, mss: number): number {
  const largest = sized.send.largestWindow
  const most = largest > DEFAULT_MSS ? largest >> 1 : largest
  return most > 0 && mss > most ? Math.max(most, LEAST_PACKET - TCP_HEADER - optionsOf(sized)) : mss
}

export class PathSearch {
  /** Packets of `low` bytes get through, longer ones than `high` do not. */
  low: number
  high: number
  /** The packet that is out as a probe; 0: none is. Its sequence numbers. */
  probe = 0
  #begin = 0
  #end = 0
  /** When the search began, in jiffies. */
  #since: number

  /** tcp_mtup_init. */
  constructor(sized: Sized, now: number) {
    this.low = packetFor(sized, sized.tunables.baseSegment)
    this.high = sized.peerMss + HEADERS
    this.#since = now
  }

  /** Data bytes of a probe that may be sent now; NO_PROBE; WAIT: it is due, and nothing else is sent before it. */
  next(flow: Prober): number {
    const { send, congestion, receive, tunables } = flow
    const { inFlight } = send.sent
    if (this.probe !== 0 || congestion.state !== 'Open' || congestion.window < LEAST_WINDOW) return NO_PROBE
    // With SACK blocks beside it a packet would be longer than what is probed.
    if (receive.pieces > 0 || receive.duplicateBegin !== receive.duplicateEnd) return NO_PROBE
    const length = segmentFor(flow, (this.low + this.high) >> 1)
    if (length > segmentFor(flow, this.high) || this.high - this.low < tunables.probeThreshold) {
      this.#beginAgain(flow)
      return NO_PROBE
    }
    // Enough must follow for duplicate acknowledgments to tell of its loss.
    const needed = length + (flow.reordering + 1) * flow.mss
    if (send.unsent < needed || send.window < needed) return NO_PROBE
    if (send.room < needed) return WAIT
    if (inFlight + 2 > congestion.window) return inFlight === 0 ? NO_PROBE : WAIT
    const records = send.queue.marksTo((send.next + length - 1) | 0) & RECORD
    return records !== 0 ? NO_PROBE : length
  }

  /** The probe left, in the place of two segments. */
  sent(flow: Prober, begin: number): void {
    const { send, congestion } = flow
    this.#begin = begin
    this.#end = send.next
    this.probe = packetFor(flow, (send.next - begin) | 0)
    congestion.window--
  }

  /** SND.UNA moved: did the probe arrive? (tcp_mtup_probe_success) True: segments are longer now. */
  acknowledged(flow: Prober): boolean {
    const { congestion, send } = flow
    if (this.probe === 0 || tcp.after(this.#end, send.una)) return false
    congestion.rescale(packetFor(flow, flow.mss) / this.probe, flow.jiffies())
    this.low = this.probe
    this.probe = 0
    flow.sizeSegments()
    return true
  }

  /** Something was lost: was it the probe, and no sign of congestion? (tcp_mtup_probe_failed) */
  failed({ send, congestion }: Prober): boolean {
    const early = congestion.state === 'Open' || congestion.state === 'Disorder'
    if (this.probe === 0 || !early || send.una !== this.#begin) return false
    this.high = this.probe - 1
    this.probe = 0
    congestion.window++
    return true
  }

  /** After tcp_probe_interval seconds the path may be another (tcp_mtu_check_reprobe). */
  #beginAgain(flow: Prober): void {
    const now = flow.jiffies()
    if (now - this.#since < flow.tunables.probeInterval * HZ) return
    this.probe = 0
    this.high = flow.peerMss + HEADERS
    this.low = packetFor(flow, flow.mss)
    this.#since = now
  }

  /** Long segments vanish and nobody tells: half of what was thought to get through (tcp_mtu_probing). */
  halve(flow: Prober): void {
    const { baseSegment, probeFloor, leastSegment } = flow.tunables
    const half = Math.min(baseSegment, segmentFor(flow, this.low) >> 1)
    this.low = packetFor(flow, Math.max(half, probeFloor, leastSegment))
  }
}

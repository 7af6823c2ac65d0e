/** How much makes one buffer, and how much of it leaves at once (TSO's part of net/ipv4/tcp_output.c). */
import { MICROSECOND, MILLISECOND } from '../../sim/scheduler.ts'
import type { Connection } from './connection.ts'
import { waits } from './nagle.ts'
import { sackLength } from './options.ts'
import { RECORD } from './write-queue.ts'

/** GSO's limit in bytes, less the headers that a buffer has room for (sk_gso_max_size). */
const LARGEST = 65_536 - 257
const DEFAULT_MSS = 536
/** Segments that are waited for when the window is not divided (tcp_max_tso_deferred_mss). */
const DEFERRED = 3

/** Data bytes of a full segment beside the SACK blocks that it carries now (tcp_current_mss). */
export function currentMss(connection: Connection): number {
  return connection.mss - sackLength(connection)
}

/** How many bytes a buffer takes: whole segments, and no more than half of the peer's window (tcp_xmit_size_goal). */
export function sizeGoal(connection: Connection): number {
  const { send } = connection
  const mss = currentMss(connection)
  const largest = send.largestWindow
  const half = largest > DEFAULT_MSS ? largest >> 1 : largest
  const bytes = half > 0 ? Math.min(half, LARGEST) : LARGEST
  return Math.max(Math.floor(bytes / mss), 1) * mss
}

/**
 * How many segments leave as one at most: a millisecond's worth at the rate at which the window would be paced, to which
 * a short path adds (tcp_tso_autosize).
 */
export function largestBurst(connection: Connection, mss: number): number {
  const { congestion, roundTrip, tunables } = connection
  const far = roundTrip.least >> tunables.tsoRttLog
  const nearby = far < 32 ? LARGEST >> far : 0
  const bytes = Math.min(Math.floor(congestion.pacingRate / 1024) + nearby, LARGEST)
  const least = congestion.control.minimumBurst?.(connection) ?? tunables.minimumTsoSegments
  return Math.max(least, Math.floor(bytes / mss))
}

/** How many segments the congestion window lets out: at most half of it at once (tcp_cwnd_test). */
export function quotaOf({ congestion, send }: Connection): number {
  const { window } = congestion
  const left = window - send.sent.inFlight
  return left <= 0 ? 0 : Math.min(Math.max(window >> 1, 1), left)
}

/** Bytes of a buffer of `length` that leave, when `quota` segments may (tcp_mss_split_point). */
export function splitPoint(
  connection: Connection,
  length: number,
  quota: number,
  mss: number,
  atOnce: boolean,
): number {
  const { send } = connection
  const { room } = send
  const most = quota * mss
  if (most <= room && send.queue.size > 1) return Math.min(most, length)
  const needed = Math.min(length, room)
  if (most <= needed) return most
  const partial = needed % mss
  return partial > 0 && !atOnce && waits(connection) ? needed - partial : needed
}

export const Defer = { NO: 0, APPLICATION: 1, CONGESTION: 2, WINDOW: 3 } as const
export type Defer = (typeof Defer)[keyof typeof Defer]

/**
 * Is it better to wait for the next acknowledgment, which will let a larger burst out? (tcp_tso_should_defer) `most`:
 * segments that leave as one at most.
 */
export function defers(connection: Connection, length: number, most: number, mss: number): Defer {
  const { congestion, send, tunables, world, roundTrip, pacing } = connection
  const { sent, queue } = send
  if (congestion.state === 'Recovery' || congestion.state === 'Loss') return Defer.NO
  const { now } = world.scheduler
  const last = pacing === null ? sent.lastAt : pacing.departure
  if (sent.paused || now - last > MILLISECOND) return Defer.NO
  const sendable = send.room
  const congestible = (congestion.window - sent.inFlight) * mss
  const limit = Math.min(sendable, congestible)
  if (limit >= most * mss) return Defer.NO
  if (queue.size > 1 && limit >= length) return Defer.NO
  const divisor = tunables.tsoWindowDivisor
  if (divisor > 0) {
    if (limit >= Math.floor(Math.min(send.window, congestion.window * mss) / divisor)) return Defer.NO
  } else if (limit > DEFERRED * mss) return Defer.NO
  if (sent.size === 0) return Defer.NO
  // An acknowledgment that is not due within a millisecond is not waited for. `smoothed` is eighths of microseconds.
  const trip = (roundTrip.smoothed >> 3) * MICROSECOND
  if (sent.sentAt(0) + trip - now > Math.min(trip / 2, MILLISECOND)) return Defer.NO
  if (congestible < sendable) {
    if (congestible <= length) return Defer.CONGESTION
  } else if (sendable <= length) return Defer.WINDOW
  const ends = send.finQueued && queue.size <= 1
  return ends || (queue.headMarks & RECORD) !== 0 ? Defer.NO : Defer.APPLICATION
}

/** SO_SNDBUF grows with the congestion window (tcp_sndbuf_expand). */
export function expandBuffer({ send, congestion, reordering, mss, peerMss, tunables }: Connection): void {
  const { expand } = congestion.control
  send.grow(expand, Math.max(congestion.window, reordering + 1), Math.max(mss, peerMss), tunables.sendMemory[2])
}

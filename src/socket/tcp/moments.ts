/**
 * The moments that a connection remembers, all in one array: a time is a double, which a field of an object would box,
 * and an array for each costs more than all of them together.
 */
import type { Nanos } from '../../sim/scheduler.ts'

/** Places: when the least round trip was seen; RACK's latest segment, its round trip and when it left; */
export const LEAST_AT = 0
export const RACK_TRIP = 1
export const RACK_SENT = 2
/** since when bytes are counted for the receive buffer, and for the receiver's round trip. */
export const SPACE_AT = 3
export const TRIP_AT = 4
/** when the last segment was sent; when the latest left of those that have arrived, and when that was known (tp->first_tx_mstamp, delivered_mstamp). */
export const LAST_SENT = 5
export const FIRST_SENT = 6
export const DELIVERED_AT = 7

/** As a new connection has them: nothing has arrived yet. */
export function newMoments(): Float64Array {
  const none: Nanos = -1
  const moments = new Float64Array(8)
  moments[RACK_TRIP] = none
  moments[LAST_SENT] = none
  return moments
}

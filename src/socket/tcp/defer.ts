/** TCP_DEFER_ACCEPT in seconds and in retransmissions of the SYN-ACK (secs_to_retrans, retrans_to_secs). */

/** TCP_TIMEOUT_INIT and TCP_RTO_MAX, in seconds. */
const FIRST = 1
const LONGEST = 120
const MOST = 255

/** After so many retransmissions as many seconds are over. */
export function retransmissionsIn(seconds: number): number {
  if (seconds <= 0) return 0
  let count = 1
  for (let step = FIRST, period = FIRST; seconds > period && count < MOST; count++) {
    step = Math.min(step * 2, LONGEST)
    period += step
  }
  return count
}

/** How long so many retransmissions take. */
export function secondsOf(retransmissions: number): number {
  if (retransmissions <= 0) return 0
  let period = FIRST
  for (let i = 1, step = FIRST; i < retransmissions; i++) {
    step = Math.min(step * 2, LONGEST)
    period += step
  }
  return period
}

/** Why conntrack did not like a segment: what nf_conntrack_log_invalid writes. Kept in numbers, put in words if asked. */

export const Why = {
  NONE: 0,
  FLAGS: 1,
  INVALID: 2,
  IGNORED: 3,
  RESET: 4,
  SEQ_OVER: 5,
  ACK_OVER: 6,
  SEQ_UNDER: 7,
  ACK_UNDER: 8,
  NEW: 9,
} as const

/** The last fault; whoever reads it sets `why` back. */
export const fault = {
  why: Why.NONE as number,
  /** The limit that was not kept. */
  bound: 0,
  /** Of the segment: its row in the table of states, its direction, and the state it met. */
  kind: 0,
  reply: false,
  state: 0,
}

export function blame(why: number, bound = 0): void {
  fault.why = why
  fault.bound = bound >>> 0
}

/** `stateName`: of the state that the segment met. */
export function faultText(stateName: string): string {
  const { why, bound, kind, reply } = fault
  switch (why) {
    case Why.FLAGS:
      return 'invalid tcp flag combination'
    case Why.INVALID:
    case Why.IGNORED:
      return `packet (index ${kind}) in dir ${reply ? 1 : 0} ${why === Why.INVALID ? 'invalid' : 'ignored'}, state ${stateName}`
    case Why.RESET:
      return 'invalid rst'
    case Why.SEQ_OVER:
      return `SEQ is over upper bound ${bound} (over the window of the receiver)`
    case Why.ACK_OVER:
      return `ACK is over upper bound ${bound} (ACKed data not seen yet)`
    case Why.SEQ_UNDER:
      return `SEQ is under lower bound ${bound} (already ACKed data retransmitted)`
    case Why.ACK_UNDER:
      return `ignored ACK under lower bound ${bound} (possible overly delayed)`
    default:
      return 'invalid new'
  }
}

/** Why a segment leaves, as far as neither the segment nor its connection tells it. Whoever sends for such a reason says so meanwhile. */

export const Because = {
  NONE: 0,
  TIMEOUT: 1,
  TAIL_PROBE: 2,
  WINDOW_PROBE: 3,
  KEEPALIVE: 4,
  DELAYED: 5,
  COMPRESSED: 6,
  CHALLENGE: 7,
  OUTSIDE: 8,
  READING: 9,
  COOKIE: 10,
  SYN_AGAIN: 11,
} as const
export type Because = (typeof Because)[keyof typeof Because]

export const occasion = { because: Because.NONE as Because }

/** Conntrack's small numbers: what a packet is to its flow, and what is known of a flow. */

/** What a packet is to its flow (enum ip_conntrack_info); kept in `frame.trackedInfo`. */
export const CtInfo = {
  ESTABLISHED: 0,
  RELATED: 1,
  NEW: 2,
  ESTABLISHED_REPLY: 3,
  RELATED_REPLY: 4,
  UNTRACKED: 7,
} as const
export type CtInfo = (typeof CtInfo)[keyof typeof CtInfo]

/** Bits of `Flow.status` (enum ip_conntrack_status). */
export const Status = {
  /** Foretold by a helper; podwire has no helpers, so no flow has it. */
  EXPECTED: 1 << 0,
  SEEN_REPLY: 1 << 1,
  ASSURED: 1 << 2,
  CONFIRMED: 1 << 3,
  SRC_NAT: 1 << 4,
  DST_NAT: 1 << 5,
  SRC_NAT_DONE: 1 << 7,
  DST_NAT_DONE: 1 << 8,
  DYING: 1 << 9,
  FIXED_TIMEOUT: 1 << 10,
  /** Only its reply tuple is in the table: the original one was taken by another packet of the same socket. */
  NAT_CLASH: 1 << 16,
} as const

/** ESTABLISHED_REPLY or RELATED_REPLY. */
export function isReply(info: number): boolean {
  return info === CtInfo.ESTABLISHED_REPLY || info === CtInfo.RELATED_REPLY
}

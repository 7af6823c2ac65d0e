/** What is set on a bridge's port beside its flags: the states of 802.1D, and settings that wait for a use. */
/** BR_STATE_* (802.1D), by number. */
export const PortState = { disabled: 0, listening: 1, learning: 2, forwarding: 3, blocking: 4 } as const
export type PortState = (typeof PortState)[keyof typeof PortState]
/** A port's settings that do nothing while there is no spanning tree, multicast querier or VLAN tunnel: kept, and shown. */
export class PortNotes {
  /** BPDU guard, root block: spanning tree. */
  guard = false
  rootBlock = false
  /** Group memberships: a bridge without a querier floods. */
  fastLeave = false
  mcastRouter = 1
  mcastToUnicast = false
  /** Tunnel metadata by VLAN. */
  vlanTunnel = false
  priority = 32
  /** Null: by the speed of the link. */
  cost: number | null = null
}

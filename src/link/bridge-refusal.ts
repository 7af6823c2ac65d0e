/** Why a bridge's port does not take a frame for a station behind it (should_deliver). */
import { PortState } from './bridge-state.ts'
import { DropReason } from './drop-reason.ts'

interface Port {
  readonly hairpin: boolean
  readonly state: number
  readonly device: { readonly up: boolean }
  readonly vlans: { has(vlan: number): boolean }
}

/** `from` null: the host sends it. `vlan` 0: VLANs are not told apart. */
export function refusal(from: Port | null, to: Port, vlan: number): DropReason {
  if (to === from && !to.hairpin) return DropReason.SamePort
  if (to.state !== PortState.forwarding || !to.device.up) return DropReason.PortDown
  return vlan !== 0 && !to.vlans.has(vlan) ? DropReason.Vlan : DropReason.Isolated
}

/**
 * The VLANs of one bridge port, or of the bridge's own host (net/bridge/br_vlan.c): which it is a member of, which
 * leave it without their tag, and which one untagged frames belong to (pvid).
 */
import * as ethernet from '../wire/ethernet.ts'
import type { Frame } from './frame.ts'

export const VLAN_MAX = 4094

export class VlanGroup {
  /** The VLAN of frames without a tag, or with VLAN 0 in it; 0: they are not let in. */
  pvid = 0
  /** By number: does it leave untagged? */
  readonly #members = new Map<number, boolean>()

  add(vlan: number, untagged: boolean, pvid: boolean): void {
    this.#members.set(vlan, untagged)
    if (pvid) this.pvid = vlan
    else if (this.pvid === vlan) this.pvid = 0
  }

  /** False when it was no member. */
  remove(vlan: number): boolean {
    if (this.pvid === vlan) this.pvid = 0
    return this.#members.delete(vlan)
  }

  /** The pvid, if it is this one, becomes another (0: none), untagged like it (br_vlan_set_default_pvid). */
  movePvid(before: number, after: number): void {
    if (this.pvid !== before) return
    if (before !== 0) this.remove(before)
    if (after !== 0) this.add(after, true, true)
  }

  has(vlan: number): boolean {
    return this.#members.has(vlan)
  }

  untagged(vlan: number): boolean {
    return this.#members.get(vlan) === true
  }

  /** In the order of their numbers. */
  list(): number[] {
    return [...this.#members.keys()].sort((a, b) => a - b)
  }

  /** br_allowed_ingress: the VLAN of a frame that comes in here; -1: it may not. */
  ingress(frame: Frame): number {
    const { bytes, start } = frame
    const tagged = ethernet.isTagged(bytes, start) ? ethernet.vlanId(bytes, start) : 0
    const vlan = tagged === 0 ? this.pvid : tagged
    return vlan !== 0 && this.#members.has(vlan) ? vlan : -1
  }

  /** br_handle_vlan: the frame leaves here with its tag or without. */
  egress(frame: Frame, vlan: number): void {
    const tagged = ethernet.isTagged(frame.bytes, frame.start)
    if (this.#members.get(vlan) === true) {
      if (tagged) frame.start = ethernet.removeTag(frame.bytes, frame.start)
    } else if (tagged) ethernet.setVlan(frame.bytes, frame.start, vlan)
    else frame.start = ethernet.insertTag(frame.bytes, frame.start, vlan)
  }
}

/**
 * Ethernet II (IEEE 802.3):
 *
 *    0        6        12   14
 *   ┌────────┬────────┬────┬─────────┐
 *   │ dst    │ src    │type│ payload │
 *   └────────┴────────┴────┴─────────┘
 *
 * With an 802.1Q tag, four bytes between source and type: 0x8100, and a TCI of priority (3 bits), DEI (1) and VLAN (12).
 */
import { copyMac, type Mac } from './address.ts'
import { put16, u16 } from './bytes.ts'

export const HEADER = 14
export const DESTINATION = 0
export const SOURCE = 6
const TYPE = 12

/** IEEE 802 numbers, as Linux names them in if_ether.h without the prefix. */
export const ETH_P_IP = 0x0800
export const ETH_P_ARP = 0x0806
export const ETH_P_8021Q = 0x8100
export const ETH_P_IPV6 = 0x86dd
/** Below this the field is a length (802.3), and LLC follows. */
export const ETH_P_802_3_MIN = 0x600

export function valid(at: number, end: number): boolean {
  return end - at >= HEADER
}

export function type(bytes: Uint8Array, at: number): number {
  return u16(bytes, at + TYPE)
}

/** As `type`, of a DataView. */
export function typeIn(view: DataView, at: number): number {
  return view.getUint16(at + TYPE)
}

/** The group bit: multicast, and broadcast too. */
export function isGroup(bytes: Uint8Array, at: number): boolean {
  return (bytes[at] & 1) !== 0
}

export function isBroadcast(bytes: Uint8Array, at: number): boolean {
  return (bytes[at] & bytes[at + 1] & bytes[at + 2] & bytes[at + 3] & bytes[at + 4] & bytes[at + 5]) === 0xff
}

export function write(bytes: Uint8Array, at: number, destination: Mac, source: Mac, etherType: number): void {
  copyMac(bytes, at + DESTINATION, destination, 0)
  copyMac(bytes, at + SOURCE, source, 0)
  put16(bytes, at + TYPE, etherType)
}

/** The length of an 802.1Q tag. */
export const TAG = 4

/** Is there an 802.1Q tag? */
export function isTagged(bytes: Uint8Array, at: number): boolean {
  return u16(bytes, at + TYPE) === ETH_P_8021Q
}

/** Does this EtherType announce a tag of 802.1Q, of 802.1ad, or of what came before that? */
export function isTag(type: number): boolean {
  return type === ETH_P_8021Q || type === 0x88a8 || type === 0x9100
}

/** The VLAN in the tag of a tagged frame; 0 has a priority only. */
export function vlanId(bytes: Uint8Array, at: number): number {
  return u16(bytes, at + TYPE + 2) & 0x0fff
}

/** Another VLAN in the tag, under the same priority. */
export function setVlan(bytes: Uint8Array, at: number, vlan: number): void {
  put16(bytes, at + TYPE + 2, (u16(bytes, at + TYPE + 2) & 0xf000) | vlan)
}

/** Puts a tag in, into the room in front; returns where the frame begins now. */
export function insertTag(bytes: Uint8Array, at: number, tci: number): number {
  bytes.copyWithin(at - TAG, at, at + TYPE)
  put16(bytes, at - TAG + TYPE, ETH_P_8021Q)
  put16(bytes, at - TAG + TYPE + 2, tci)
  return at - TAG
}

/** Takes the tag out; returns where the frame begins now. */
export function removeTag(bytes: Uint8Array, at: number): number {
  bytes.copyWithin(at + TAG, at, at + TYPE)
  return at + TAG
}

/** No station: zeros, or a group (!is_valid_ether_addr). */
export function isNobody(bytes: Uint8Array, at: number): boolean {
  if ((bytes[at] & 1) !== 0) return true
  return u16(bytes, at) === 0 && u16(bytes, at + 2) === 0 && u16(bytes, at + 4) === 0
}

/** As `isNobody`, of a DataView. */
export function isNobodyIn(view: DataView, at: number): boolean {
  const high = view.getUint16(at)
  return (high & 0x100) !== 0 || (high === 0 && view.getInt32(at + 2) === 0)
}

/** 01:80:c2:00:00:0X: for the next bridge only (IEEE 802.1Q 8.6.3). */
export function isLinkLocal(bytes: Uint8Array, at: number): boolean {
  return u16(bytes, at) === 0x0180 && u16(bytes, at + 2) === 0xc200 && (u16(bytes, at + 4) & 0xfff0) === 0
}

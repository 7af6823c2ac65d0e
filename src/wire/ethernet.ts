/**
 * Ethernet II (IEEE 802.3):
 *
 *    0        6        12   14
 *   ┌────────┬────────┬────┬─────────┐
 *   │ dst    │ src    │type│ payload │
 *   └────────┴────────┴────┴─────────┘
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

export function valid(at: number, end: number): boolean {
  return end - at >= HEADER
}

export function type(bytes: Uint8Array, at: number): number {
  return u16(bytes, at + TYPE)
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

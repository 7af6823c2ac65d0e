/**
 * VXLAN (RFC 7348 section 5), eight bytes between the outer UDP header and the inner Ethernet frame:
 *
 *    0       1              4            7  8
 *   ┌───────┬──────────────┬────────────┬──┐
 *   │ 0x08  │   reserved   │    VNI     │ 0│
 *   └───────┴──────────────┴────────────┴──┘
 */
import { i32, put32 } from './bytes.ts'

export const HEADER = 8
/** IANA's port; Flannel keeps Linux's older 8472. */
export const PORT_IANA = 4789
export const PORT_LINUX = 8472
/** What encapsulation adds to a frame: Ethernet, IPv4, UDP and VXLAN headers. */
export const OVERHEAD = 50

/** The I flag says that the VNI is valid; all other bits must be zero for Linux to take the frame. */
export function valid(bytes: Uint8Array, at: number, end: number): boolean {
  return end - at >= HEADER && bytes[at] === 0x08 && (i32(bytes, at) & 0xffffff) === 0 && bytes[at + 7] === 0
}

/** VXLAN network identifier, 24 bits. */
export function vni(bytes: Uint8Array, at: number): number {
  return i32(bytes, at + 4) >>> 8
}

export function write(bytes: Uint8Array, at: number, networkIdentifier: number): void {
  put32(bytes, at, 0x08000000)
  put32(bytes, at + 4, networkIdentifier << 8)
}

/** The one's-complement sum of the header's words, unfolded. */
export function sum(networkIdentifier: number): number {
  return 0x0800 + (networkIdentifier >>> 8) + ((networkIdentifier & 0xff) << 8)
}

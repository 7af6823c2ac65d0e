/**
 * ARP for IPv4 over Ethernet (RFC 826), 28 bytes:
 *
 *    0   2   4 5 6   8            14       18           24       28
 *   ┌───┬───┬─┬─┬───┬────────────┬────────┬────────────┬────────┐
 *   │ 1 │800│6│4│op │ sender MAC │ sender │ target MAC │ target │
 *   └───┴───┴─┴─┴───┴────────────┴────────┴────────────┴────────┘
 */
import { copyMac, type Ipv4, type Mac } from './address.ts'
import { i32, put16, put32, u16 } from './bytes.ts'

export const LENGTH = 28
export const REQUEST = 1
export const REPLY = 2
export const SENDER_MAC = 8
export const TARGET_MAC = 18
const OPERATION = 6
const SENDER = 14
const TARGET = 24

export function valid(bytes: Uint8Array, at: number, end: number): boolean {
  return end - at >= LENGTH && u16(bytes, at) === 1 && u16(bytes, at + 2) === 0x0800 && u16(bytes, at + 4) === 0x0604
}

export function operation(bytes: Uint8Array, at: number): number {
  return u16(bytes, at + OPERATION)
}

export function sender(bytes: Uint8Array, at: number): Ipv4 {
  return i32(bytes, at + SENDER) as Ipv4
}

export function target(bytes: Uint8Array, at: number): Ipv4 {
  return i32(bytes, at + TARGET) as Ipv4
}

export function write(
  bytes: Uint8Array,
  at: number,
  op: number,
  senderMac: Mac,
  senderAddress: Ipv4,
  targetMac: Mac,
  targetAddress: Ipv4,
): void {
  put16(bytes, at, 1)
  put16(bytes, at + 2, 0x0800)
  put16(bytes, at + 4, 0x0604)
  put16(bytes, at + OPERATION, op)
  copyMac(bytes, at + SENDER_MAC, senderMac, 0)
  put32(bytes, at + SENDER, senderAddress)
  copyMac(bytes, at + TARGET_MAC, targetMac, 0)
  put32(bytes, at + TARGET, targetAddress)
}

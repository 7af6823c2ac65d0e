/**
 * What is captured on `any`: packets behind a header that says on which device, and which way (LINKTYPE_LINUX_SLL2):
 *
 *    0          2          4         8       10     11     12         20
 *   ┌──────────┬──────────┬─────────┬───────┬──────┬──────┬──────────┐
 *   │ EtherType│ reserved │ ifindex │ ARPHRD│ kind │ size │ source   │ the frame's payload
 *   └──────────┴──────────┴─────────┴───────┴──────┴──────┴──────────┘
 */
import type { Direction, NetDevice } from '../../link/device.ts'
import { sameMac } from '../../wire/address.ts'
import { i32, put16, put32, u16 } from '../../wire/bytes.ts'
import * as ethernet from '../../wire/ethernet.ts'

export const LINUX_SLL2 = 276
export const COOKED_HEADER = 20

const ARPHRD_ETHER = 1
const ARPHRD_LOOPBACK = 772
/** PACKET_HOST, PACKET_BROADCAST, PACKET_MULTICAST, PACKET_OTHERHOST, PACKET_OUTGOING, as tcpdump shows them. */
const kinds = ['In', 'B', 'M', 'P', 'Out']

function kindOf(device: NetDevice, direction: Direction, bytes: Uint8Array, at: number): number {
  if (direction === 'out') return 4
  if (ethernet.isBroadcast(bytes, at)) return 1
  if (ethernet.isGroup(bytes, at)) return 2
  return sameMac(bytes, at, device.mac, 0) ? 0 : 3
}

/** The frame as the cooked capture holds it. */
export function cook(device: NetDevice, direction: Direction, bytes: Uint8Array, at: number, end: number): Uint8Array {
  const cooked = new Uint8Array(COOKED_HEADER + end - at - ethernet.HEADER)
  put16(cooked, 0, ethernet.type(bytes, at))
  put32(cooked, 4, device.index)
  put16(cooked, 8, device.kind === 'loopback' ? ARPHRD_LOOPBACK : ARPHRD_ETHER)
  cooked[10] = kindOf(device, direction, bytes, at)
  cooked[11] = 6
  for (let i = 0; i < 6; i++) cooked[12 + i] = bytes[at + ethernet.SOURCE + i]
  cooked.set(bytes.subarray(at + ethernet.HEADER, end), COOKED_HEADER)
  return cooked
}

/** `eth0  In  `; the device's number when this host has no such device. */
export function placeText(cooked: Uint8Array, devices: Iterable<NetDevice>): string {
  const index = i32(cooked, 4)
  let name = String(index)
  for (const device of devices) if (device.index === index) name = device.name
  return `${name.padEnd(5)} ${(kinds[cooked[10]] ?? '?').padEnd(3)} `
}

export function cookedType(cooked: Uint8Array): number {
  return u16(cooked, 0)
}

/** An Ethernet frame with this payload, for filters: only its destination is not known. */
export function uncooked(cooked: Uint8Array): Uint8Array {
  const frame = new Uint8Array(ethernet.HEADER + cooked.length - COOKED_HEADER)
  for (let i = 0; i < 6; i++) frame[ethernet.SOURCE + i] = cooked[12 + i]
  put16(frame, 12, cookedType(cooked))
  frame.set(cooked.subarray(COOKED_HEADER), ethernet.HEADER)
  return frame
}

/** Outgoing, for the filter words `inbound` and `outbound`. */
export function isOutgoing(cooked: Uint8Array): boolean {
  return cooked[10] === 4
}

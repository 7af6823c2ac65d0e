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
import { put16, put32 } from '../../wire/bytes.ts'
import * as ethernet from '../../wire/ethernet.ts'

const COOKED_HEADER = 20

const ARPHRD_ETHER = 1
const ARPHRD_LOOPBACK = 772

/** PACKET_HOST, PACKET_BROADCAST, PACKET_MULTICAST, PACKET_OTHERHOST, PACKET_OUTGOING. */
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

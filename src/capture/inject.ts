/** Frames of a capture file put into a device of the world, as tcpreplay puts them into one of a machine. */
import type { Direction, NetDevice } from '../link/device.ts'
import * as ethernet from '../wire/ethernet.ts'

/** Why a frame of a file was not sent. */
export const refusals = {
  long: 'longer than the MTU allows',
  short: 'shorter than an Ethernet header',
} as const
export type Refusal = keyof typeof refusals

/**
 * Sends a copy of these bytes: `out` as if a program had written them to a packet socket, `in` as if they came in from outside.
 * Null when they went.
 */
export function inject(device: NetDevice, bytes: Uint8Array, at: number, end: number, way: Direction): Refusal | null {
  const length = end - at
  if (length < ethernet.HEADER) return 'short'
  const tag = ethernet.isTagged(bytes, at) ? ethernet.TAG : 0
  if (length > device.mtu + ethernet.HEADER + tag) return 'long'
  const frame = device.world.frames.take(length)
  frame.end = frame.start + length
  for (let i = 0; i < length; i++) frame.bytes[frame.start + i] = bytes[at + i]
  if (way === 'out') device.send(frame)
  else device.receive(frame)
  return null
}

/** `tcpdump -i any`: packets behind a header that says on which device, and which way (see capture/cooked.ts). */
import { flagsOf } from '../../capture/capture.ts'
import { COOKED_HEADER, writeCookedHeader } from '../../capture/cooked.ts'
import type { Direction, NetDevice } from '../../link/device.ts'
import * as ethernet from '../../wire/ethernet.ts'

/** The frame as the cooked capture holds it. */
export function cook(device: NetDevice, direction: Direction, bytes: Uint8Array, at: number, end: number): Uint8Array {
  const cooked = new Uint8Array(COOKED_HEADER + end - at - ethernet.HEADER)
  writeCookedHeader(cooked, device, flagsOf(device, direction === 'in', bytes, at), bytes, at)
  cooked.set(bytes.subarray(at + ethernet.HEADER, end), COOKED_HEADER)
  return cooked
}

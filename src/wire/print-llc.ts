/** IEEE 802.3 frames with an LLC header, of which bridges send the spanning tree's (802.1D-1998 9.3). */
import { hex, type PacketText } from './print-text.ts'

const STP = 0x42
const UNNUMBERED_INFORMATION = 3

/** `frame`: where the Ethernet header is, -1 where there is none. */
export function printLlc(out: PacketText, frame: number, at: number, length: number): void {
  out.protocol = 'llc'
  out.end = Math.min(out.end, at + length)
  if (length < 3 || !out.has(at, 3)) {
    out.truncated()
    return
  }
  if (out.u8(at) !== STP || out.u8(at + 1) !== STP || out.u8(at + 2) !== UNNUMBERED_INFORMATION) {
    if (!out.link && frame >= 0) out.text += `${out.mac(frame + 6)} > ${out.mac(frame)} `
    out.text += `podwire: LLC other than STP is not modelled, length ${length}`
    return
  }
  if (out.link) out.text += `LLC, dsap STP (0x42) Individual, ssap STP (0x42) Command, ctrl 0x03: `
  printStp(out, at + 3, length - 3)
}

const flagNames: readonly (readonly [number, string])[] = [
  [1, 'Topology change'],
  [2, 'Proposal'],
  [16, 'Learn'],
  [32, 'Forward'],
  [64, 'Agreement'],
  [128, 'Topology change ACK'],
]

function printStp(out: PacketText, at: number, length: number): void {
  out.protocol = 'stp'
  const version = out.u8(at + 2)
  const kind = out.u8(at + 3)
  out.text += `STP 802.1${version === 0 ? 'd' : version === 2 ? 'w' : 's'}, `
  if (kind === 0x80) {
    out.text += `Topology Change`
    return
  }
  out.text += kind === 2 ? 'Rapid STP' : 'Config'
  const flags = out.u8(at + 4)
  const names = flagNames.filter(([bit]) => flags & bit).map(([, name]) => name)
  const bridge = (place: number) => `${hex(out.u16(place), 4)}.${out.mac(place + 2)}`
  out.text += `, Flags [${names.length === 0 ? 'none' : names.join(', ')}]`
  out.text += `, bridge-id ${bridge(at + 17)}.${hex(out.u16(at + 25), 4)}, length ${length}`
  if (out.verbose === 0) return
  const seconds = (place: number) => `${(out.u16(place) / 256).toFixed(2)}s`
  out.text += `\n\tmessage-age ${seconds(at + 27)}, max-age ${seconds(at + 29)}`
  out.text += `, hello-time ${seconds(at + 31)}, forwarding-delay ${seconds(at + 33)}`
  out.text += `\n\troot-id ${bridge(at + 5)}, root-pathcost ${out.u32(at + 13)}`
}

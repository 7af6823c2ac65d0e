/** Multicast listener discovery, version 1 (RFC 2710) and 2 (RFC 3810), as tcpdump prints it. */
import type { PacketText } from './print-text.ts'

/** A query of version 2 is at least so long. */
export const MLD2_QUERY = 28
const recordTypes = ['', 'is_in', 'is_ex', 'to_in', 'to_ex', 'allow', 'block']

export function printMld(out: PacketText, at: number): void {
  out.text += `max resp delay: ${out.u16(at + 4)} addr: ${out.ipv6(at + 8)}`
}

export function printMldQuery(out: PacketText, at: number): void {
  const verbose = out.verbose > 0
  const code = out.u16(at + 4)
  // From 0x8000 on the code is a floating point number (RFC 3810 section 5.1.3); so is the interval's, from 0x80 on.
  const delay = code < 0x8000 ? code : ((code & 0xfff) | 0x1000) << (((code >> 12) & 7) + 3)
  out.text += ' v2'
  if (verbose) out.text += ` [max resp delay=${delay}]`
  out.text += ` [gaddr ${out.ipv6(at + 8)}`
  if (verbose) {
    const flags = out.u8(at + 24)
    const interval = out.u8(at + 25)
    if (flags & 8) out.text += ' sflag'
    if (flags & 7) out.text += ` robustness=${flags & 7}`
    out.text += ` qqi=${interval < 128 ? interval : ((interval & 15) | 16) << (((interval >> 4) & 7) + 3)}`
  }
  const count = out.u16(at + 26)
  if (count > 0) printSources(out, at + 28, count)
  out.text += ']'
}

function printSources(out: PacketText, at: number, count: number): void {
  if (out.verbose > 1) {
    out.text += ' {'
    for (let i = 0; i < count; i++) out.text += ` ${out.ipv6(at + i * 16)}`
    out.text += ' }'
  } else out.text += `, ${count} source(s)`
}

export function printMldReport(out: PacketText, at: number): void {
  const groups = out.u16(at + 6)
  out.text += `, ${groups} group record(s)`
  if (out.verbose === 0) return
  let group = at + 8
  for (let i = 0; i < groups; i++) {
    const type = out.u8(group)
    const count = out.u16(group + 2)
    out.text += ` [gaddr ${out.ipv6(group + 4)} ${recordTypes[type] || ` [v2-report-#${type}]`}`
    printSources(out, group + 20, count)
    out.text += ']'
    group += 20 + count * 16
  }
}

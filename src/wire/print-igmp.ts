/** IGMP (RFC 1112, 2236, 3376) as tcpdump prints it. */
import { ANY } from './address.ts'
import type { PacketText } from './print-text.ts'

const recordTypes = ['', 'is_in', 'is_ex', 'to_in', 'to_ex', 'allow', 'block']

export function printIgmp(out: PacketText, at: number, length: number): void {
  out.protocol = 'igmp'
  if (out.quick) {
    out.text += 'igmp'
    return
  }
  const strange = length === 8 ? '' : ` [len ${length}]`
  const type = out.u8(at)
  switch (type) {
    case 0x11:
      out.text += 'igmp query'
      if (length >= 12) printQuery3(out, at, length)
      else printQuery2(out, at, strange)
      break
    case 0x12:
      out.text += `igmp v1 report ${out.address(at + 4)}${strange}`
      break
    case 0x16:
      out.text += `igmp v2 report ${out.address(at + 4)}${strange}`
      break
    case 0x17:
      out.text += `igmp leave ${out.address(at + 4)}`
      break
    case 0x22:
      out.text += 'igmp v3 report'
      printReport3(out, at, length)
      break
    default:
      out.text += `igmp-${type}`
  }
  if (out.verbose > 0 && out.has(at, length) && out.sum(at, length) !== 0xffff)
    out.text += ` bad igmp cksum ${out.u16(at + 2).toString(16)}!`
}

function printQuery2(out: PacketText, at: number, strange: string): void {
  const time = out.u8(at + 1)
  out.text += time === 0 ? ' v1' : ' v2'
  if (time !== 0 && time !== 100) out.text += ` [max resp time ${time}]`
  if (out.u32(at + 4) !== ANY) out.text += ` [gaddr ${out.address(at + 4)}]`
  out.text += strange
}

function printQuery3(out: PacketText, at: number, length: number): void {
  out.text += ' v3'
  if (length & 3) {
    out.text += ` [invalid len ${length}]`
    return
  }
  const code = out.u8(at + 1)
  // From 128 on the code is a floating point number (RFC 3376 section 4.1.1); the unit is a tenth of a second.
  const time = code < 128 ? code : ((code & 15) | 16) << (((code >> 4) & 7) + 3)
  if (code !== 100) {
    let text = `${(time / 10).toFixed(1)}s`
    if (time >= 600) text = `${Math.floor(time / 600)}m${time % 600 ? `${((time % 600) / 10).toFixed(1)}s` : ''}`
    out.text += ` [max resp time ${text}]`
  }
  if (out.u32(at + 4) === ANY) return
  out.text += ` [gaddr ${out.address(at + 4)}`
  const count = out.u16(at + 10)
  if (count > 0) printSources(out, at + 12, count, length - 12)
  out.text += ']'
}

function printSources(out: PacketText, at: number, count: number, room: number): void {
  if (count * 4 > room) out.text += ` [invalid number of sources ${count}]`
  else if (out.verbose > 1) {
    out.text += ' {'
    for (let i = 0; i < count; i++) out.text += ` ${out.address(at + i * 4)}`
    out.text += ' }'
  } else out.text += `, ${count} source(s)`
}

function printReport3(out: PacketText, at: number, length: number): void {
  if (length < 16 || length & 3) {
    out.text += ` [invalid len ${length}]`
    return
  }
  const groups = out.u16(at + 6)
  out.text += `, ${groups} group record(s)`
  if (out.verbose === 0) return
  let group = 8
  for (let i = 0; i < groups; i++) {
    if (length < group + 8) {
      out.text += ' [invalid number of groups]'
      return
    }
    const type = out.u8(at + group)
    const count = out.u16(at + group + 2)
    out.text += ` [gaddr ${out.address(at + group + 4)} ${recordTypes[type] || `[v3-report-#${type}]`}`
    printSources(out, at + group + 8, count, length - group - 8)
    if (length < group + 8 + count * 4) return
    out.text += ']'
    group += 8 + count * 4
  }
}

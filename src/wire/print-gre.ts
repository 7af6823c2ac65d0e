/** GRE (RFC 2784, RFC 2890, and PPTP's version of it, RFC 2637) as tcpdump prints it. */
import { typeNames } from './print-names.ts'
import { hex, type PacketText } from './print-text.ts'

const CHECKSUM = 0x8000
const ROUTING = 0x4000
const KEY = 0x2000
const SEQUENCE = 0x1000
const ACKNOWLEDGMENT = 0x0080
/** A frame inside (RFC 1701's transparent Ethernet bridging). */
const ETH_P_TEB = 0x6558

const flagNames: readonly (readonly [number, string])[] = [
  [CHECKSUM, 'checksum present'],
  [ROUTING, 'routing present'],
  [KEY, 'key present'],
  [SEQUENCE, 'sequence# present'],
  [0x0800, 'source routing present'],
  [ACKNOWLEDGMENT, 'ack present'],
]

export function printGre(out: PacketText, at: number, length: number): void {
  out.protocol = 'gre'
  const flags = out.u16(at)
  const version = flags & 7
  out.text += `GREv${version}`
  if (version > 1) {
    out.text += ' unknown-version'
    return
  }
  if (out.verbose > 0) {
    const names = flagNames.filter(([bit]) => flags & bit).map(([, name]) => name)
    out.text += `, Flags [${names.join(', ') || 'none'}]`
  }
  const type = out.u16(at + 2)
  if (version === 1) printPptp(out, at, length, flags, type)
  else printFields(out, at, length, flags, type)
}

function printFields(out: PacketText, at: number, length: number, flags: number, type: number): void {
  let next = at + 4
  if (flags & (CHECKSUM | ROUTING)) {
    const sum = out.u16(next)
    if (out.verbose > 0 && flags & CHECKSUM) out.text += `, sum 0x${sum.toString(16)}`
    out.text += `, off 0x${out.u16(next + 2).toString(16)}`
    next += 4
  }
  if (flags & KEY) {
    out.text += `, key=0x${out.u32(next).toString(16)}`
    next += 4
  }
  if (flags & SEQUENCE) {
    out.text += `, seq ${out.u32(next)}`
    next += 4
  }
  if (flags & ROUTING) {
    out.text += ', podwire: source routes in GRE are not modelled'
    return
  }
  out.text += `${protocolText(out, type)}, length ${length}${out.verbose > 0 ? '\n\t' : ': '}`
  const left = length - (next - at)
  if (type === ETH_P_TEB) out.printFrame(out, next, left)
  else if (!out.printPayload(out, type, next, left)) out.text += `gre-proto-0x${type.toString(16)}`
}

function printPptp(out: PacketText, at: number, length: number, flags: number, type: number): void {
  let next = at + 4
  if (flags & KEY) {
    out.text += `, call ${out.u32(next) & 0xffff}`
    next += 4
  }
  if (flags & SEQUENCE) {
    out.text += `, seq ${out.u32(next)}`
    next += 4
  }
  if (flags & ACKNOWLEDGMENT) {
    out.text += `, ack ${out.u32(next)}`
    next += 4
  }
  if ((flags & SEQUENCE) === 0) {
    out.text += `, no-payload${protocolText(out, type)}, length ${length}`
    return
  }
  out.text += `${protocolText(out, type)}, length ${length}${out.verbose > 0 ? '\n\t' : ': '}podwire: PPP is not modelled`
}

/** For -e. */
function protocolText(out: PacketText, type: number): string {
  return out.link ? `, proto ${typeNames.get(type) ?? 'unknown'} (0x${hex(type, 4)})` : ''
}

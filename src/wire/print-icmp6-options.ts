/** The options of neighbour discovery (RFC 4861 section 4.6, RFC 8106, RFC 4191) as tcpdump -v prints them. */
import { formatIpv6, hex, hexRow, type PacketText, visible } from './print-text.ts'

const SOURCE_MAC = 1
const TARGET_MAC = 2
const PREFIX = 3
const REDIRECTED = 4
const MTU = 5
const INTERVAL = 7
const HOME_AGENT = 8
const ROUTE = 24
const RESOLVERS = 25
const SEARCH = 31

const names = new Map([
  [SOURCE_MAC, 'source link-address'],
  [TARGET_MAC, 'destination link-address'],
  [PREFIX, 'prefix info'],
  [REDIRECTED, 'redirected header'],
  [MTU, 'mtu'],
  [INTERVAL, 'advertisement interval'],
  [HOME_AGENT, 'homeagent information'],
  [ROUTE, 'route info'],
  [RESOLVERS, 'rdnss'],
  [SEARCH, 'dnssl'],
])
const preferences = ['medium', 'high', 'reserved', 'low']

export function printNdOptions(out: PacketText, at: number, end: number): void {
  for (let option = at; option < end; ) {
    const kind = out.u8(option)
    const units = out.u8(option + 1)
    const size = units * 8
    out.text += `\n\t  ${names.get(kind) ?? 'unknown'} option (${kind}), length ${size} (${units}): `
    if (units === 0 || option + size > end) return
    out.need(option, size)
    printOption(out, kind, option, size, at)
    if (out.verbose > 1) dumpBytes(out, '\n\t    ', option + 2, option + size)
    option += size
  }
}

function printOption(out: PacketText, kind: number, at: number, size: number, first: number): void {
  switch (kind) {
    case SOURCE_MAC:
    case TARGET_MAC:
      out.text += out.mac(at + 2)
      break
    case PREFIX: {
      const flags = ['onlink', 'auto', 'router'].filter((_, i) => out.u8(at + 3) & (128 >> i))
      out.text += `${out.ipv6(at + 16)}/${out.u8(at + 2)}, Flags [${flags.join(', ') || 'none'}]`
      out.text += `, valid time ${lifetime(out.u32(at + 4))}, pref. time ${lifetime(out.u32(at + 8))}`
      break
    }
    case REDIRECTED:
      // tcpdump shows so many bytes, but from where the options begin.
      dumpBytes(out, '\n\t    ', first, Math.min(first + size, out.end))
      break
    case MTU:
      out.text += ` ${out.u32(at + 4)}`
      break
    case INTERVAL:
      out.text += ` ${out.u32(at + 4)}ms`
      break
    case HOME_AGENT:
      out.text += ` preference ${out.u16(at + 4)}, lifetime ${out.u16(at + 6)}`
      break
    case ROUTE: {
      const prefix = new Uint8Array(16)
      for (let i = 0; i < Math.min(size - 8, 16); i++) prefix[i] = out.u8(at + 8 + i)
      const preference = preferences[(out.u8(at + 3) >> 3) & 3]
      out.text += ` ${formatIpv6(prefix, 0)}/${out.u8(at + 2)}, pref=${preference}, lifetime=${lifetime(out.u32(at + 4))}`
      break
    }
    case RESOLVERS:
      out.text += ` lifetime ${out.u32(at + 4)}s,`
      for (let i = at + 8; i + 16 <= at + size; i += 16) out.text += ` addr: ${out.ipv6(i)}`
      break
    case SEARCH:
      out.text += ` lifetime ${out.u32(at + 4)}s, domain(s):${domainsText(out, at + 8, at + size)}`
      break
    default:
      if (out.verbose <= 1) dumpBytes(out, '\n\t  ', at + 2, at + size)
  }
}

function lifetime(seconds: number): string {
  return seconds === 0xffffffff ? 'infinity' : `${seconds}s`
}

function domainsText(out: PacketText, at: number, end: number): string {
  let text = ''
  for (let label = at; label < end && out.u8(label) !== 0; label++) {
    text += ' '
    for (let length = out.u8(label); length > 0 && label + 1 + length <= end; length = out.u8(label)) {
      text += `${visible(out.bytes, label + 1, label + 1 + length)}.`
      label += 1 + length
      if (label >= end) return text
    }
  }
  return text
}

/** In hexadecimal, without the letters. */
export function dumpBytes(out: PacketText, prefix: string, at: number, end: number): void {
  for (let row = at; row < Math.min(end, out.end); row += 16) {
    const digits = hexRow(out.bytes, row, Math.min(row + 16, end, out.end))
    out.text += `${prefix}0x${hex(row - at, 4)}:  ${digits.slice(0, 39).trimEnd()}`
  }
}

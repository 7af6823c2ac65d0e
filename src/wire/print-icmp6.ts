/** ICMPv6 (RFC 4443), neighbour discovery (RFC 4861) and MLDv2 (RFC 3810) as tcpdump prints them. */
import { finish } from './checksum.ts'
import { type Around, hex, hexRow, type PacketText } from './print-text.ts'

const unreachable = [
  'unreachable route @',
  ' unreachable prohibited @',
  'beyond scope @',
  'unreachable address @',
  '',
  'unreachable ingress policy failure @',
  'unreachable reject route @',
]
const optionNames = ['', 'source link-address', 'destination link-address', 'prefix info', 'redirected header', 'mtu']
const recordTypes = ['', 'is_in', 'is_ex', 'to_in', 'to_ex', 'allow', 'block']

export function printIcmp6(out: PacketText, at: number, length: number, around: Around): void {
  out.protocol = 'icmp6'
  if (out.verbose > 0 && !out.unchecked && out.has(at, length)) {
    const written = out.u16(at + 2)
    const sum = out.sum(at, length, around.pseudo(length))
    const right = hex(finish(sum + (~written & 0xffff)), 4)
    out.text += sum === 0xffff ? '[icmp6 sum ok] ' : `[bad icmp6 cksum 0x${hex(written, 4)} -> 0x${right}!] `
  }
  out.text += 'ICMP6, '
  const verbose = out.verbose > 0
  const type = out.u8(at)
  const size = `, length ${length}`
  switch (type) {
    case 1:
      out.text += `destination unreachable, ${unreachableText(out, at)}`
      break
    case 2:
      out.text += `packet too big, mtu ${out.u32(at + 4)}`
      break
    case 3:
      out.text +=
        out.u8(at + 1) === 0 ? `time exceeded in-transit for ${out.ipv6(at + 32)}` : 'ip6 reassembly time exceeded'
      break
    case 128:
    case 129:
      out.text += `echo ${type === 128 ? 'request' : 'reply'}, id ${out.u16(at + 4)}, seq ${out.u16(at + 6)}`
      break
    case 133:
      out.text += 'router solicitation'
      if (verbose) {
        out.text += size
        printOptions(out, at + 8, at + length)
      }
      break
    case 134:
      out.text += 'router advertisement'
      if (verbose) {
        out.text += `${size}${advertisement(out, at)}`
        printOptions(out, at + 16, at + length)
      }
      break
    case 135:
      out.text += `neighbor solicitation${verbose ? size : ''}, who has ${out.ipv6(at + 8)}`
      if (verbose) printOptions(out, at + 24, at + length)
      break
    case 136:
      out.text += `neighbor advertisement${verbose ? size : ''}, tgt is ${out.ipv6(at + 8)}`
      if (verbose) {
        out.text += `, Flags ${bits(out.u8(at + 4), ['router', 'solicited', 'override'])}`
        printOptions(out, at + 24, at + length)
      }
      break
    case 143:
      out.text += 'multicast listener report v2'
      printReport(out, at)
      break
    default:
      out.text += `type-#${type}`
  }
  if (!verbose) out.text += size
}

function unreachableText(out: PacketText, at: number): string {
  const code = out.u8(at + 1)
  const about = out.ipv6(at + 32)
  if (code !== 4) return unreachable[code]?.replace('@', about) ?? `unreachable code-#${code} (${code})`
  const next = out.u8(at + 14)
  const port = out.u16(at + 50)
  const protocol = next === 6 ? 'tcp ' : next === 17 ? 'udp ' : `protocol ${next} `
  return `unreachable port, ${about} ${protocol}port ${port}`
}

/** Names for the bits from the highest down. */
function bits(value: number, names: readonly string[]): string {
  return `[${names.filter((_, i) => value & (128 >> i)).join(', ') || 'none'}]`
}

function advertisement(out: PacketText, at: number): string {
  const flags = out.u8(at + 5)
  const preference = ['medium', 'high', 'reserved', 'low'][(flags >> 3) & 3]
  return (
    `\n\thop limit ${out.u8(at + 4)}, Flags ${bits(flags, ['managed', 'other stateful', 'home agent'])}` +
    `, pref ${preference}, router lifetime ${out.u16(at + 6)}s` +
    `, reachable time ${out.u32(at + 8)}ms, retrans timer ${out.u32(at + 12)}ms`
  )
}

function printOptions(out: PacketText, at: number, end: number): void {
  for (let option = at; option < end; ) {
    const kind = out.u8(option)
    const units = out.u8(option + 1)
    const size = units * 8
    out.text += `\n\t  ${optionNames[kind] || 'unknown'} option (${kind}), length ${size} (${units}): `
    if (units === 0 || option + size > end) return
    out.need(option, size)
    if (kind === 1 || kind === 2) out.text += out.mac(option + 2)
    else if (kind === 5) out.text += ` ${out.u32(option + 4)}`
    if (out.verbose > 1) {
      for (let row = option + 2; row < option + size; row += 16) {
        const text = hexRow(out.bytes, row, Math.min(row + 16, option + size))
          .slice(0, 39)
          .trimEnd()
        out.text += `\n\t    0x${hex(row - option - 2, 4)}:  ${text}`
      }
    }
    option += size
  }
}

function printReport(out: PacketText, at: number): void {
  const groups = out.u16(at + 6)
  out.text += `, ${groups} group record(s)`
  if (out.verbose === 0) return
  let group = at + 8
  for (let i = 0; i < groups; i++) {
    const type = out.u8(group)
    const count = out.u16(group + 2)
    out.text += ` [gaddr ${out.ipv6(group + 4)} ${recordTypes[type] || `[v2-report-#${type}]`}`
    if (out.verbose > 1) {
      out.text += ' {'
      for (let j = 0; j < count; j++) out.text += ` ${out.ipv6(group + 20 + j * 16)}`
      out.text += ' }'
    } else out.text += `, ${count} source(s)`
    out.text += ']'
    group += 20 + count * 16
  }
}

/** ICMPv6 (RFC 4443), neighbour discovery (RFC 4861) and MLDv2 (RFC 3810) as tcpdump prints them. */
import { finish } from './checksum.ts'
import { dumpBytes, printNdOptions } from './print-icmp6-options.ts'
import { MLD2_QUERY, printMld, printMldQuery, printMldReport } from './print-mld.ts'
import { type Around, Cut, hex, type PacketText } from './print-text.ts'

/** Of quoted packets whose ports are shown. */
const protocols = new Map([
  [6, 'tcp'],
  [17, 'udp'],
])
const problems = ['erroneous', 'next header', 'option', 'incomplete header chain']

export function printIcmp6(out: PacketText, at: number, length: number, around: Around): void {
  out.protocol = 'icmp6'
  if (out.verbose > 0 && !out.unchecked && !around.fragmented && out.has(at, length)) {
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
      out.text += 'destination unreachable, '
      if (!printUnreachable(out, at, length)) return
      break
    case 2:
      out.text += `packet too big, mtu ${out.u32(at + 4)}`
      break
    case 3:
      out.text += timeText(out, at)
      break
    case 4: {
      const code = out.u8(at + 1)
      const what = problems[code] === undefined ? `code-#${code}` : `${problems[code]} - octet ${out.u32(at + 4)}`
      out.text += `parameter problem, ${what}`
      break
    }
    case 128:
    case 129:
      out.text += `echo ${type === 128 ? 'request' : 'reply'}, id ${out.u16(at + 4)}, seq ${out.u16(at + 6)}`
      break
    case 133:
      out.text += 'router solicitation'
      if (verbose) {
        out.text += size
        printNdOptions(out, at + 8, at + length)
      }
      break
    case 134:
      out.text += 'router advertisement'
      if (verbose) {
        out.text += `${size}${advertisement(out, at)}`
        printNdOptions(out, at + 16, at + length)
      }
      break
    case 135:
      out.text += `neighbor solicitation${verbose ? size : ''}, who has ${out.ipv6(at + 8)}`
      if (verbose) printNdOptions(out, at + 24, at + length)
      break
    case 136:
      out.text += `neighbor advertisement${verbose ? size : ''}, tgt is ${out.ipv6(at + 8)}`
      if (verbose) {
        out.text += `, Flags ${bits(out.u8(at + 4), ['router', 'solicited', 'override'])}`
        printNdOptions(out, at + 24, at + length)
      }
      break
    case 130:
      out.text += 'multicast listener query'
      if (length >= MLD2_QUERY) printMldQuery(out, at)
      else printMld(out, at)
      break
    case 131:
    case 132:
      out.text += `multicast listener ${type === 131 ? 'report' : 'done'}`
      printMld(out, at)
      break
    case 137:
      out.text += `redirect${verbose ? size : ''}, ${out.ipv6(at + 24)} to ${out.ipv6(at + 8)}`
      if (verbose) printNdOptions(out, at + 40, at + length)
      break
    case 143:
      out.text += 'multicast listener report v2'
      printMldReport(out, at)
      break
    case 200:
    case 201:
      out.text += `mtrace ${type === 200 ? 'response' : 'message'}${size}`
      if (out.verbose <= 1) dumpBytes(out, '\n\t', at, at + length)
      return
    default:
      out.text += `type-#${type}`
  }
  if (!verbose) out.text += size
}

/** False when nothing more is said. */
function printUnreachable(out: PacketText, at: number, length: number): boolean {
  const code = out.u8(at + 1)
  switch (code) {
    case 0:
      out.text += `unreachable route ${out.ipv6(at + 32)}`
      return true
    case 1:
      out.text += ` unreachable prohibited ${out.ipv6(at + 32)}`
      return true
    case 2:
      out.text += `beyond scope ${out.ipv6(at + 32)}, source address ${out.ipv6(at + 16)}`
      return true
    case 3:
      out.text += `unreachable address ${out.ipv6(at + 32)}`
      return true
    case 4: {
      out.text += 'unreachable port'
      const protocol = protocols.get(out.u8(at + 14))
      if (protocol === undefined) throw new Cut()
      out.text += `, ${out.ipv6(at + 32)} ${protocol} port ${out.u16(at + 50)}`
      return true
    }
    default:
      out.text += `unknown unreach code (${code})`
      if (out.verbose <= 1) dumpBytes(out, '\n\t', at, at + length)
      return false
  }
}

function timeText(out: PacketText, at: number): string {
  const code = out.u8(at + 1)
  if (code === 0) return `time exceeded in-transit for ${out.ipv6(at + 32)}`
  return code === 1 ? 'time exceeded in-transit (reassembly)' : `time exceeded in-transit, unknown code (${code})`
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

/** IPv4's options (RFC 791 3.1, RFC 2113) as tcpdump -v prints them. */
import type { PacketText } from './print-text.ts'

const END = 0
const NOP = 1
const RECORD_ROUTE = 7
const TIMESTAMP = 68
const LOOSE = 131
const STRICT = 137
const ROUTER_ALERT = 148
const names = new Map<number, string>([
  [END, 'EOL'],
  [NOP, 'NOP'],
  [RECORD_ROUTE, 'RR'],
  [TIMESTAMP, 'timestamp'],
  [130, 'security'],
  [LOOSE, 'LSRR'],
  [STRICT, 'SSRR'],
  [ROUTER_ALERT, 'RA'],
])

export function ipOptionsText(out: PacketText, at: number, length: number): string {
  let text = ''
  for (let option = at, end = at + length; option < end; ) {
    if (option > at) text += ','
    const kind = out.u8(option)
    const name = names.get(kind) ?? `unknown ${kind}`
    text += name
    if (kind === END) return text
    if (kind === NOP) {
      option++
      continue
    }
    const size = option + 1 < end ? out.u8(option + 1) : 0
    if (size < 2 || option + size > end) return `${text} [bad length ${size}]`
    text += dataText(out, option, size, kind)
    option += size
  }
  return text
}

function dataText(out: PacketText, at: number, size: number, kind: number): string {
  switch (kind) {
    case RECORD_ROUTE:
    case LOOSE:
    case STRICT:
      return routeText(out, at, size)
    case TIMESTAMP:
      return timestampText(out, at, size)
    case ROUTER_ALERT:
      if (size !== 4) return ` [bad length ${size}]`
      return out.u16(at + 2) === 0 ? '' : ` value ${out.u16(at + 2)}`
    default:
      return ''
  }
}

/** The pointer tells how many of the addresses are filled in: a comma stands behind each of them. */
function routeText(out: PacketText, at: number, size: number): string {
  if (size < 3) return ` [bad length ${size}]`
  let text = ''
  if ((size + 1) % 4 !== 0) text += ` [bad length ${size}]`
  const pointer = out.u8(at + 2) - 1
  if (pointer < 3 || (pointer + 1) % 4 !== 0) text += ` [bad ptr ${out.u8(at + 2)}]`
  for (let place = 3; place + 4 <= size; place += 4) {
    text += ` ${out.address(at + place)}`
    if (pointer > place) text += ','
  }
  return text
}

function timestampText(out: PacketText, at: number, size: number): string {
  if (size < 4) return `[bad length ${size}]`
  const flags = out.u8(at + 3) & 15
  let step = 4
  let text = ' TS{'
  if (flags === 0) text += 'TSONLY'
  else if (flags === 1 || flags === 3) {
    text += flags === 1 ? 'TS+ADDR' : 'PRESPEC'
    step = 8
  } else return `${text}[bad ts type ${flags}]`
  let ending = ' ^ '
  for (let place = 4; place + step <= size; place += step) {
    let where = ''
    if (out.u8(at + 2) === place + 1) {
      where = ' ^ '
      ending = ''
    } else where = ' '
    const time = out.u32(at + place + step - 4)
    text += `${where}${time}@${step === 8 ? out.address(at + place) : ''}`
  }
  text += ending
  const overflow = out.u8(at + 3) >> 4
  return `${text}${overflow > 0 ? ` [${overflow} hops not recorded]} ` : '}'}`
}

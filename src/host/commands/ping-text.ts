/** What ping says about ICMP errors and round-trip times (iputils 20221126). */
import { formatIpv4, type Ipv4 } from '../../wire/address.ts'
import { i32 } from '../../wire/bytes.ts'
import * as icmp from '../../wire/icmp.ts'

const unreachable: readonly string[] = [
  'Destination Net Unreachable',
  'Destination Host Unreachable',
  'Destination Protocol Unreachable',
  'Destination Port Unreachable',
  'Frag needed and DF set',
  'Source Route Failed',
  'Destination Net Unknown',
  'Destination Host Unknown',
  'Source Host Isolated',
  'Destination Net Prohibited',
  'Destination Host Prohibited',
  'Destination Net Unreachable for Type of Service',
  'Destination Host Unreachable for Type of Service',
  'Packet filtered',
  'Precedence Violation',
  'Precedence Cutoff',
]

const redirects = ['Redirect Network', 'Redirect Host', 'Redirect Type of Service and Network']

/** `Destination Host Unreachable`. */
export function icmpText(type: number, code: number, mtu: number): string {
  switch (type) {
    case icmp.DESTINATION_UNREACHABLE:
      if (code === icmp.FRAGMENTATION_NEEDED) return `Frag needed and DF set (mtu = ${mtu})`
      return unreachable[code] ?? `Dest Unreachable, Bad Code: ${code}`
    case icmp.TIME_EXCEEDED:
      return ['Time to live exceeded', 'Frag reassembly time exceeded'][code] ?? `Time exceeded, Bad Code: ${code}`
    case icmp.REDIRECT:
      return redirects[code] ?? `Redirect, Bad Code: ${code}`
    case icmp.PARAMETER_PROBLEM:
      return 'Parameter problem'
    default:
      return `Bad ICMP type: ${type}`
  }
}

/** Microseconds as ping's `time=` has them: four digits or so. */
export function tripText(microseconds: number): string {
  const us = Math.round(microseconds)
  if (us >= 100_000 - 50) return String(Math.floor((us + 500) / 1000))
  if (us >= 10_000 - 5) return (Math.floor((us + 50) / 100) / 10).toFixed(1)
  if (us >= 1000) return (Math.floor((us + 5) / 10) / 100).toFixed(2)
  return milliseconds(us)
}

/** Microseconds as milliseconds with three decimals. */
export function milliseconds(microseconds: number): string {
  return (Math.floor(microseconds) / 1000).toFixed(3)
}

/** printf's %g with six significant digits, for a percentage. */
export function percent(lost: number, sent: number): string {
  return String(Number(((lost * 100) / sent).toPrecision(6)))
}

const NOOP = 1
const RECORD_ROUTE = 7
const TIMESTAMP = 0x44
/** Of a timestamp: it counts from something else than midnight. */
const NOT_STANDARD = 0x8000_0000

/** pr_options: what an answer's IP header has recorded. A route like the last one is only called so. */
export class OptionsText {
  readonly #name: (address: Ipv4) => Promise<string>
  #lastRoute = ''

  constructor(name: (address: Ipv4) => Promise<string>) {
    this.#name = name
  }

  async of(options: Uint8Array): Promise<string> {
    let text = ''
    for (let at = 0; at < options.length && options[at] !== 0; ) {
      if (options[at] === NOOP) at++
      else {
        const length = options[at + 1]
        if (length < 2) break
        const option = options.subarray(at, at + length)
        if (options[at] === RECORD_ROUTE) text += await this.#route(option)
        else if (options[at] === TIMESTAMP) text += await this.#times(option)
        else text += `\nunknown option ${options[at].toString(16)}`
        at += length
      }
    }
    return text
  }

  async #route(option: Uint8Array): Promise<string> {
    const used = Math.min(option[2], option.length) - 4
    if (used <= 0) return ''
    const route = option.slice(3, 3 + used).join('.')
    if (route === this.#lastRoute) return '\t(same route)'
    this.#lastRoute = route
    let text = '\nRR: '
    for (let at = 3; at < 3 + used; at += 4) text += `\t${await this.#address(option, at)}\n`
    return text
  }

  /** The first time as it is, those after it by the difference. */
  async #times(option: Uint8Array): Promise<string> {
    let left = Math.min(option[2], option.length) - 5
    if (left <= 0) return ''
    const withAddress = (option[3] & 15) !== 0
    let text = '\nTS: '
    let standard = 0
    let other = 0
    for (let at = 4; left > 0; at += 4, left -= 4) {
      if (withAddress) {
        text += `\t${await this.#address(option, at)}`
        at += 4
        left -= 4
        if (left <= 0) break
      }
      const time = i32(option, at) >>> 0
      if (time >= NOT_STANDARD) {
        const rest = time - NOT_STANDARD
        text += other === 0 ? `\t${rest} absolute not-standard` : `\t${rest - other} not-standard`
        other = rest
      } else {
        text += standard === 0 ? `\t${time} absolute` : `\t${time - standard}`
        standard = time
      }
      text += '\n'
    }
    const unrecorded = option[3] >> 4
    return unrecorded > 0 ? `${text}Unrecorded hops: ${unrecorded}\n` : text
  }

  async #address(option: Uint8Array, at: number): Promise<string> {
    const address = i32(option, at) as Ipv4
    return address === 0 ? formatIpv4(address) : await this.#name(address)
  }
}

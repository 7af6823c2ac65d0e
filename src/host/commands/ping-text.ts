/** What ping says about ICMP errors and round-trip times (iputils 20221126). */
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

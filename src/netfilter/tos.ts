/** The words for the TOS byte: the old service names, and DSCP classes (RFC 2474, RFC 2597, RFC 3246). */
import { badValue, NetfilterError } from './error.ts'

const services: readonly (readonly [name: string, value: number])[] = [
  ['Minimize-Delay', 0x10],
  ['Maximize-Throughput', 0x08],
  ['Maximize-Reliability', 0x04],
  ['Minimize-Cost', 0x02],
  ['Normal-Service', 0x00],
]
/** A named service leaves the precedence bits alone. */
const SERVICE_MASK = 0x3f

/** A name, a value, or a value and its mask. */
export function parseTos(text: string, option: string, extension: string): [value: number, mask: number] {
  const named = services.find(([name]) => name.toLowerCase() === text.toLowerCase())
  if (named !== undefined) return [named[1], SERVICE_MASK]
  const numbers = text.split('/').map((part) => (/^(0x[0-9a-f]+|[0-9]+)$/i.test(part) ? Number(part) : 256))
  if (numbers.length > 2 || numbers.some((number) => number > 255)) throw badValue(extension, option, 0, 255)
  return [numbers[0], numbers[1] ?? 0xff]
}

/** The service's name, or null. */
export function formatTos(value: number, mask: number): string | null {
  if (mask !== SERVICE_MASK) return null
  return services.find(([, service]) => service === value)?.[0] ?? null
}

/** CS0 to CS7, AF11 to AF43, BE and EF. */
export function dscpClass(text: string): number {
  const word = text.toUpperCase()
  if (word === 'BE') return 0
  if (word === 'EF') return 0x2e
  const selector = /^CS([0-7])$/.exec(word)
  if (selector !== null) return Number(selector[1]) * 8
  const assured = /^AF([1-4])([1-3])$/.exec(word)
  if (assured !== null) return Number(assured[1]) * 8 + Number(assured[2]) * 2
  throw new NetfilterError(`Invalid DSCP value \`${text}'`)
}

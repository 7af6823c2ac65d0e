/** Sets, their elements and what is counted, as `nft list` prints them. */

import type { NftElement, NftSet, Part } from './nft-set.ts'
import type { NftLimit, NftPlainCounter } from './nft-state.ts'
import { formatTime, IFNAME, valueOfWords } from './nft-type.ts'
import { formatInterval, formatOne, formatVerdict, type PrintOptions } from './nft-value-text.ts'

const MILLISECOND = 1e6
/** Elements of a named set that does not fit a line stand below each other. */
const INDENT = '\n\t\t\t     '

export function formatCounter(counter: NftPlainCounter, options: PrintOptions): string {
  return options.stateless ? 'counter' : `counter packets ${counter.packets} bytes ${counter.bytes}`
}

/** As the largest unit that divides it. */
export function formatBytes(bytes: number): string {
  if (bytes !== 0 && bytes % (1024 * 1024) === 0) return `${bytes / (1024 * 1024)} mbytes`
  if (bytes !== 0 && bytes % 1024 === 0) return `${bytes / 1024} kbytes`
  return `${bytes} bytes`
}

const UNITS: Readonly<Record<number, string>> = {
  1e9: 'second',
  60e9: 'minute',
  3600e9: 'hour',
  86400e9: 'day',
  604800e9: 'week',
}

/** `rate over 10/second burst 20 packets`; the usual burst is not printed. */
export function formatRate({ rate, unit, burst, inBytes, over }: NftLimit): string {
  const amount = inBytes ? formatBytes(rate) : String(rate)
  let text = `rate ${over ? 'over ' : ''}${amount}/${UNITS[unit]}`
  if (inBytes && burst > 0) text += ` burst ${formatBytes(burst)}`
  if (!inBytes && burst !== 5) text += ` burst ${burst} packets`
  return text
}

/** In the order in which nft lists them, by their keys. */
export function formatElements(set: NftSet, options: PrintOptions): string[] {
  set.expire(options.now)
  const all = set.elements()
  if (!set.flags.interval || set.key.length === 1) {
    const keyed = all.map((element) => ({ element, order: sortKey(set, element) }))
    keyed.sort((a, b) => (a.order < b.order ? -1 : a.order > b.order ? 1 : 0))
    return keyed.map(({ element }) => formatElement(set, element, options))
  }
  return all.map((element) => formatElement(set, element, options))
}

/** A single value sorts as the number it is; names, and values side by side, as their bytes from the last one on. */
function sortKey(set: NftSet, element: NftElement): bigint {
  const [first] = set.key
  if (set.key.length === 1 && first.type !== IFNAME) {
    const value = valueOfWords(element.low, 0, first.bits)
    // Joined flags are no number to nft, and stand in front.
    return first.type.flags && (value & (value - 1n)) !== 0n ? 0n : value
  }
  let key = 0n
  for (const part of [...set.key].reverse()) {
    const bytes = Math.ceil(part.bits / 8)
    const value = valueOfWords(element.low, part.at, part.bits)
    const reversed = part.type.order === 'host' ? value : turned(value, bytes)
    key = (key << BigInt(32 * part.words)) | reversed
  }
  return key
}

/** The value with its bytes in the other order. */
function turned(value: bigint, bytes: number): bigint {
  let result = 0n
  for (let i = 0; i < bytes; i++) result = (result << 8n) | ((value >> BigInt(8 * i)) & 0xffn)
  return result
}

export function formatElement(set: NftSet, element: NftElement, options: PrintOptions): string {
  let text = set.key.map((part) => formatPart(part, element.low, element.high, options)).join(' . ')
  if (element.counter !== null) text += ` ${formatCounter(element.counter, options)}`
  if (element.limit !== null) text += ` limit ${formatRate(element.limit)}`
  if (element.timeout !== 0 && element.timeout !== set.timeout)
    text += ` timeout ${formatTime(milliseconds(element.timeout))}`
  if (element.timeout !== 0 && !options.stateless) {
    text += ` expires ${formatTime(milliseconds(Math.max(0, element.due - options.now)))}`
  }
  if (element.comment !== '') text += ` comment "${element.comment}"`
  if (element.verdict >= 0) return `${text} : ${formatVerdict(element.verdict as never, element.chain)}`
  if (element.data === null || set.data === null) return text
  const { data } = element
  return `${text} : ${set.data.map((part) => formatPart(part, data, data, options)).join(' . ')}`
}

function milliseconds(nanoseconds: number): bigint {
  return BigInt(Math.floor(nanoseconds / MILLISECOND))
}

function formatPart({ type, at, bits }: Part, low: Int32Array, high: Int32Array, options: PrintOptions): string {
  const lowest = valueOfWords(low, at, bits)
  if (low === high) return formatOne(type, lowest, options)
  return formatInterval(type, lowest, valueOfWords(high, at, bits), options)
}

/** The lines of a set between its braces, indented by two tabs. */
export function setLines(set: NftSet, options: PrintOptions): string[] {
  const lines: string[] = []
  const types = (parts: readonly Part[]) => parts.map((part) => part.type.name).join(' . ')
  const data = set.verdicts ? ' : verdict' : set.data === null ? '' : ` : ${types(set.data)}`
  lines.push(set.typeofText === '' ? `type ${types(set.key)}${data}` : `typeof ${set.typeofText}`)
  if (set.memory) lines.push('policy memory')
  if (set.size > 0) lines.push(`size ${set.size}`)
  const { constant, interval, dynamic, timeout } = set.flags
  const flags = [
    ...(constant ? ['constant'] : []),
    ...(interval ? ['interval'] : []),
    ...(dynamic ? ['dynamic'] : []),
    ...(timeout ? ['timeout'] : []),
  ]
  // A timeout says by itself that there is one.
  if (flags.length > 0 && !(flags.length === 1 && timeout && set.timeout > 0)) lines.push(`flags ${flags.join(',')}`)
  if (set.counts) lines.push('counter')
  if (set.autoMerge) lines.push('auto-merge')
  if (set.timeout > 0) lines.push(`timeout ${formatTime(milliseconds(set.timeout))}`)
  if (set.gcInterval > 0) lines.push(`gc-interval ${formatTime(milliseconds(set.gcInterval))}`)
  if (set.comment !== '') lines.push(`comment "${set.comment}"`)
  if (!options.terse && set.count > 0) {
    const elements = formatElements(set, options)
    if (elements.length > 0) lines.push(`elements = { ${broken(elements, set.key)} }`)
  }
  return lines
}

function broken(elements: readonly string[], key: readonly Part[]): string {
  const perLine = key.length === 1 ? key[0].type.perLine : 1
  let text = ''
  elements.forEach((element, i) => {
    if (i > 0) text += i % perLine === 0 ? `,${INDENT}` : ', '
    text += element
  })
  return text
}

/** The words of a rule: splitting a line as iptables-restore does, taking options one by one, quoting them again. */
import { type Ipv4, ipv4, mask, tryParseIpv4 } from '../wire/address.ts'
import { badValue, NetfilterError } from './error.ts'
import { servicePort } from './services.ts'

/** Splits at white space; double quotes hold words together, a backslash inside them takes the next sign as it is. */
export function splitWords(line: string): string[] {
  const words: string[] = []
  let word: string | null = null
  let quoted = false
  for (let i = 0; i < line.length; i++) {
    const sign = line[i]
    if (quoted && sign === '\\' && i + 1 < line.length) word = (word ?? '') + line[++i]
    else if (sign === '"') {
      quoted = !quoted
      word ??= ''
    } else if (!quoted && (sign === ' ' || sign === '\t')) {
      if (word !== null) words.push(word)
      word = null
    } else word = (word ?? '') + sign
  }
  if (word !== null) words.push(word)
  return words
}

/** In double quotes unless it is made of letters, digits, `_` and `-` (xtables_save_string). */
export function quote(text: string): string {
  return /^[-_0-9A-Za-z]+$/.test(text) ? text : `"${text.replace(/["\\']/g, '\\$&')}"`
}

/** A cursor over words. */
export class Words {
  readonly #words: readonly string[]
  #at = 0

  constructor(words: readonly string[]) {
    this.#words = words
  }

  get left(): boolean {
    return this.#at < this.#words.length
  }

  peek(): string {
    return this.#words[this.#at] ?? ''
  }

  next(): string {
    return this.#words[this.#at++] ?? ''
  }

  /** The value of an option. */
  value(option: string): string {
    if (!this.left) throw new NetfilterError(`option "${option}" requires an argument`)
    return this.next()
  }
}

/** For options that cannot be inverted. */
export function refuseNot(not: boolean, option: string, extension = ''): void {
  const before = extension === '' ? '' : `${extension}: `
  if (not) throw new NetfilterError(`${before}option "${option}" cannot be inverted.${before === '' ? '' : '\n'}`)
}

/** Decimal or 0x hexadecimal, from `low` to `high`. */
export function parseNumber(text: string, option: string, low = 0, high = 0xffffffff, extension = ''): number {
  const value = /^(0x[0-9a-f]+|[0-9]+)$/i.test(text) ? Number(text) : Number.NaN
  if (!(value >= low && value <= high)) throw badValue(extension, option, low, high)
  return value
}

/** A number and the mask behind its slash; all ones when there is none. Both as signed 32-bit integers. */
export function parseMasked(text: string, option: string): [value: number, mask: number] {
  const slash = text.indexOf('/')
  if (slash < 0) return [parseNumber(text, option) | 0, -1]
  return [parseNumber(text.slice(0, slash), option) | 0, parseNumber(text.slice(slash + 1), option) | 0]
}

/** 0x and as many digits as needed, at least two. */
export function hexByte(value: number): string {
  return `0x${value.toString(16).padStart(2, '0')}`
}

export function hex(value: number): string {
  return `0x${(value >>> 0).toString(16)}`
}

/** `0x4000/0x4000`; without the mask when it is all ones. */
export function formatMasked(value: number, bits: number): string {
  return bits === -1 ? hex(value) : `${hex(value)}/${hex(bits)}`
}

/** A port by number or by a well-known name. */
export function parsePort(text: string): number {
  const port = servicePort(text) ?? (/^(0x[0-9a-f]+|[0-9]+)$/i.test(text) ? Number(text) : -1)
  if (port < 0 || port > 65_535) throw new NetfilterError(`invalid port/service \`${text}' specified`)
  return port
}

/** `80`, `1000:2000`, `:1023` or `1024:`. */
export function parsePorts(text: string): [low: number, high: number] {
  const cut = text.indexOf(':')
  if (cut < 0) {
    const port = parsePort(text)
    return [port, port]
  }
  const low = cut === 0 ? 0 : parsePort(text.slice(0, cut))
  const high = cut === text.length - 1 ? 65_535 : parsePort(text.slice(cut + 1))
  if (low > high) throw new NetfilterError('invalid portrange (min > max)')
  return [low, high]
}

export function formatPorts(low: number, high: number, separator = ':'): string {
  return low === high ? String(low) : `${low}${separator}${high}`
}

/** `10.1.0.0/16` or `10.1.0.0/255.255.0.0`: the network (host bits cleared) and its mask. */
export function parseNetwork(text: string): [network: Ipv4, mask: Ipv4] {
  const slash = text.indexOf('/')
  const head = slash < 0 ? text : text.slice(0, slash)
  // `10/8` and `0/0`: octets that are missing at the end are zero.
  const octets = head.split('.')
  const full =
    slash >= 0 && octets.length < 4 && /^[0-9.]+$/.test(head) ? [...octets, '0', '0', '0'].slice(0, 4) : octets
  const address = tryParseIpv4(full.join('.'))
  if (address === null) throw new NetfilterError(`host/network \`${head}' not found`)
  const behind = slash < 0 ? '32' : text.slice(slash + 1)
  const bits = /^([0-9]|[12][0-9]|3[0-2])$/.test(behind) ? mask(Number(behind)) : tryParseIpv4(behind)
  if (bits === null) throw new NetfilterError(`invalid mask \`${behind}' specified`)
  return [ipv4(address & bits), bits]
}

/** The prefix length of a mask, or null when its ones are not all in front. */
export function prefixOf(bits: Ipv4): number | null {
  const length = bits === 0 ? 0 : Math.clz32(~bits)
  return mask(length) === bits ? length : null
}

const protocols: Readonly<Record<string, number>> = {
  icmp: 1,
  igmp: 2,
  ipencap: 4,
  tcp: 6,
  udp: 17,
  ipv6: 41,
  gre: 47,
  esp: 50,
  ah: 51,
  ospf: 89,
  sctp: 132,
  udplite: 136,
}

/** 0 for `all`. */
export function parseProtocol(text: string): number {
  const name = text.toLowerCase()
  if (name === 'all') return 0
  if (name === 'ipip') return 4
  if (protocols[name] !== undefined) return protocols[name]
  if (!/^[0-9]+$/.test(name) || Number(name) > 255) throw new NetfilterError(`unknown protocol "${text}" specified`)
  return Number(name)
}

/** The name, or the number when it has none. */
export function protocolName(protocol: number): string {
  for (const [name, number] of Object.entries(protocols)) if (number === protocol) return name
  return protocol === 0 ? 'all' : String(protocol)
}

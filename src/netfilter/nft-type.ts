/**
 * The data types of nftables (datatype.c of nft 1.0.6): how many bits a value has, how it is written, how it is read.
 * Values are bigints in their own order while a rule is read and printed; the kernel's side sees words of 32 bits.
 */
import { formatIpv4, type Ipv4, tryParseIpv4 } from '../wire/address.ts'
import { ADDRESS_TYPES, DSCP, ICMP_CODES, ICMP_TYPES, PROTOCOLS, type Symbols } from './nft-symbols.ts'
import { servicePort } from './services.ts'

export interface Datatype {
  /** As behind `type`. */
  readonly name: string
  /** As error messages call it. */
  readonly described: string
  readonly bits: number
  /** In which order the kernel keeps its bytes. */
  readonly order: 'big' | 'host' | 'string'
  /** Values are bits that may be joined by commas. */
  readonly flags: boolean
  readonly symbols: Symbols
  /** Numbers are printed as 0x and so many digits; 0: in decimal; -1: 0x without padding. */
  readonly hexDigits: number
  /** How many elements of a named set stand on one line. */
  readonly perLine: number
  /** What is said of a word that is no such value. */
  readonly complaint: string
}

function type(name: string, described: string, bits: number, more: Partial<Datatype> = {}): Datatype {
  return {
    name,
    described,
    bits,
    order: 'big',
    flags: false,
    symbols: [],
    hexDigits: 0,
    perLine: 1,
    complaint: `Could not parse ${described}`,
    ...more,
  }
}

export const IPV4 = type('ipv4_addr', 'IPv4 address', 32, {
  perLine: 2,
  complaint: 'Could not resolve hostname: Name or service not known',
})
export const PORT = type('inet_service', 'internet network service', 16, {
  perLine: 5,
  complaint: 'Could not resolve service: Servname not supported for ai_socktype',
})
export const PROTOCOL = type('inet_proto', 'Internet protocol', 8, {
  symbols: PROTOCOLS,
  perLine: 5,
  complaint: 'Could not resolve protocol name',
})
export const ETHER = type('ether_addr', 'Ethernet address', 48)
export const MARK = type('mark', 'packet mark', 32, { order: 'host', hexDigits: 8, perLine: 5 })
export const IFNAME = type('ifname', 'network interface name', 128, { order: 'string' })
export const IFINDEX = type('iface_index', 'network interface index', 32, {
  order: 'host',
  complaint: 'Interface does not exist',
})
export const CT_STATE = type('ct_state', 'conntrack state', 32, {
  order: 'host',
  flags: true,
  perLine: 2,
  symbols: [
    ['invalid', 1],
    ['established', 2],
    ['related', 4],
    ['new', 8],
    ['untracked', 64],
  ],
})
export const CT_STATUS = type('ct_status', 'conntrack status', 32, {
  order: 'host',
  flags: true,
  symbols: [
    ['expected', 1],
    ['seen-reply', 2],
    ['assured', 4],
    ['confirmed', 8],
    ['snat', 16],
    ['dnat', 32],
    ['dying', 512],
  ],
})
export const CT_DIR = type('ct_dir', 'conntrack direction', 8, {
  order: 'host',
  symbols: [
    ['original', 0],
    ['reply', 1],
  ],
})
export const ICMP_TYPE = type('icmp_type', 'ICMP type', 8, { symbols: ICMP_TYPES, perLine: 1 })
export const ICMP_CODE = type('icmp_code', 'icmp code', 8, { symbols: ICMP_CODES })
export const TCP_FLAG = type('tcp_flag', 'TCP flag', 8, {
  flags: true,
  perLine: 5,
  symbols: [
    ['fin', 1],
    ['syn', 2],
    ['rst', 4],
    ['psh', 8],
    ['ack', 16],
    ['urg', 32],
    ['ecn', 64],
    ['cwr', 128],
  ],
})
export const ETHER_TYPE = type('ether_type', 'Ethernet protocol', 16, {
  hexDigits: 4,
  symbols: [
    ['ip', 0x0800],
    ['arp', 0x0806],
    ['ip6', 0x86dd],
    ['8021q', 0x8100],
    ['8021ad', 0x88a8],
    ['vlan', 0x8100],
  ],
})
export const NF_PROTO = type('nf_proto', 'netfilter protocol', 8, {
  order: 'host',
  perLine: 5,
  symbols: [
    ['ipv4', 2],
    ['ipv6', 10],
  ],
})
export const PKT_TYPE = type('pkt_type', 'packet type', 8, {
  order: 'host',
  perLine: 2,
  symbols: [
    ['host', 0],
    ['unicast', 0],
    ['broadcast', 1],
    ['multicast', 2],
    ['other', 3],
  ],
})
export const ARPHRD = type('iface_type', 'network interface type', 16, {
  order: 'host',
  symbols: [
    ['ether', 1],
    ['ppp', 512],
    ['ipip', 768],
    ['loopback', 772],
    ['sit', 776],
    ['ipgre', 778],
  ],
})
export const DSCP_TYPE = type('dscp', 'Differentiated Services Code Point', 6, { symbols: DSCP, hexDigits: 2 })
export const ECN = type('ecn', 'Explicit Congestion Notification', 2, {
  symbols: [
    ['not-ect', 0],
    ['ect1', 1],
    ['ect0', 2],
    ['ce', 3],
  ],
})
export const FIB_TYPE = type('fib_addrtype', 'fib address type', 32, { order: 'host', symbols: ADDRESS_TYPES })
export const BOOLEAN = type('boolean', 'boolean type', 1, {
  order: 'host',
  symbols: [
    ['exists', 1],
    ['missing', 0],
  ],
})
/** Milliseconds. */
export const TIME = type('time', 'relative time', 64, { order: 'host' })
export const VERDICT = type('verdict', 'netfilter verdict', 32, { order: 'host' })

/** A number of some field. */
export function integer(bits: number, order: 'big' | 'host' = 'big', hexDigits = 0): Datatype {
  return type('integer', 'integer', bits, { perLine: 5, order, hexDigits })
}

/** Types that `type` may name. */
const NAMED: readonly Datatype[] = [
  ...[IPV4, PORT, PROTOCOL, ETHER, MARK, IFNAME, IFINDEX, CT_STATE, CT_STATUS, CT_DIR, ICMP_TYPE, ICMP_CODE],
  ...[TCP_FLAG, ETHER_TYPE, NF_PROTO, PKT_TYPE, ARPHRD, DSCP_TYPE, ECN, FIB_TYPE, TIME, VERDICT],
]

export function typeNamed(name: string): Datatype | null {
  return NAMED.find((each) => each.name === name) ?? null
}

/** What one word means as a value of the type; null: nothing. Interface indices are the caller's business. */
export function parseWord(datatype: Datatype, word: string): bigint | null {
  switch (datatype) {
    case IPV4: {
      const address = tryParseIpv4(word === 'localhost' ? '127.0.0.1' : word)
      return address === null ? null : BigInt(address >>> 0)
    }
    case ETHER:
      return /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(word) ? BigInt(`0x${word.replaceAll(':', '')}`) : null
    case IFNAME:
      return word.length < 16 ? stringValue(word) : null
    case TIME:
      return parseTime(word)
  }
  if (/^(0x[0-9a-f]+|[0-9]+)$/i.test(word)) return BigInt(word)
  if (datatype === PORT) {
    const port = servicePort(word)
    return port === null ? null : BigInt(port)
  }
  const symbol = datatype.symbols.find(([name]) => name === word)
  return symbol === undefined ? null : BigInt(symbol[1])
}

/** A name as its 16 bytes, the first in front. */
function stringValue(word: string): bigint {
  let value = 0n
  for (let i = 0; i < 16; i++) value = (value << 8n) | BigInt(word.charCodeAt(i) & 0xff || 0)
  return value
}

function stringOf(value: bigint): string {
  let text = ''
  for (let shift = 120n; shift >= 0n; shift -= 8n) {
    const byte = Number((value >> shift) & 0xffn)
    if (byte === 0) break
    text += String.fromCharCode(byte)
  }
  return text
}

const UNITS: readonly (readonly [unit: string, milliseconds: number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
]

/** `1d2h3m4s5ms`, or seconds. */
export function parseTime(word: string): bigint | null {
  if (/^[0-9]+$/.test(word)) return BigInt(word) * 1000n
  const parts = /^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?$/.exec(word)
  if (parts === null || word === '') return null
  return parts.slice(1).reduce((sum, part, i) => sum + BigInt(part ?? 0) * BigInt(UNITS[i]?.[1] ?? 1), 0n)
}

export function formatTime(milliseconds: bigint): string {
  let left = Number(milliseconds)
  let text = ''
  for (const [unit, length] of UNITS) {
    const count = Math.floor(left / length)
    if (count > 0) text += `${count}${unit}`
    left -= count * length
  }
  if (left > 0) text += `${left}ms`
  return text === '' ? '0s' : text
}

/** One value, as `nft list` prints it; flags joined as in a set: ` | `. */
export function formatValue(datatype: Datatype, value: bigint, joint = ' | '): string {
  switch (datatype) {
    case IPV4:
      return formatIpv4((Number(value) | 0) as Ipv4)
    case ETHER:
      return value
        .toString(16)
        .padStart(12, '0')
        .replace(/..(?!$)/g, '$&:')
    case IFNAME:
      return `"${stringOf(value)}"`
    case TIME:
      return formatTime(value)
  }
  const number = Number(value)
  if (datatype.flags) {
    const names = datatype.symbols.filter(([, bit]) => (number & bit) !== 0)
    const rest = names.reduce((left, [, bit]) => left & ~bit, number)
    if (names.length > 0 && rest === 0) return names.map(([name]) => name).join(joint)
    return `0x${number.toString(16)}`
  }
  const symbol = datatype.symbols.find(([, each]) => each === number)
  if (symbol !== undefined) return symbol[0]
  if (datatype.hexDigits === 0) return String(value)
  return `0x${value.toString(16).padStart(Math.max(datatype.hexDigits, 0), '0')}`
}

/** The value as the words of a register, the first byte in front; at most four bytes are one number. */
export function wordsOf(value: bigint, bits: number): number[] {
  const bytes = Math.ceil(bits / 8)
  const words: number[] = []
  for (let at = 0; at < bytes; at += 4) {
    const length = Math.min(4, bytes - at)
    words.push(Number(BigInt.asIntN(32, (value >> BigInt(8 * (bytes - at - length))) & (256n ** BigInt(length) - 1n))))
  }
  return words
}

/** How many words a value of so many bits takes. */
export function wordCount(bits: number): number {
  return Math.ceil(bits / 32)
}

/** The value that stands in the words from `at` on. */
export function valueOfWords(words: Int32Array, at: number, bits: number): bigint {
  const bytes = Math.ceil(bits / 8)
  let value = 0n
  for (let i = 0; i < wordCount(bits); i++) {
    const length = Math.min(4, bytes - 4 * i)
    value = (value << BigInt(8 * length)) | BigInt.asUintN(8 * length, BigInt(words[at + i]))
  }
  return value
}

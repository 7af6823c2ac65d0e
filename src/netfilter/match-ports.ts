/** Matches on the transport header: tcp, udp, multiport, icmp. A fragment that is not the first matches none. */

import { u16 } from '../wire/bytes.ts'
import * as tcp from '../wire/tcp.ts'
import { NetfilterError } from './error.ts'
import { bang, Match } from './match.ts'
import type { Packet } from './packet.ts'
import { formatPorts, parseNumber, parsePorts, type Words } from './words.ts'

const PORT_OPTIONS: Readonly<Record<string, 'source' | 'destination'>> = {
  '--sport': 'source',
  '--source-port': 'source',
  '--dport': 'destination',
  '--destination-port': 'destination',
}

/** A range of ports, possibly everything but it. */
class Range {
  low = 0
  high = 65_535
  not = false

  get whole(): boolean {
    return this.low === 0 && this.high === 65_535 && !this.not
  }

  set(text: string, option: string, not: boolean): void {
    const [low, high] = parsePorts(text, option)
    this.low = low
    this.high = high
    this.not = not
  }

  has(port: number): boolean {
    return (port >= this.low && port <= this.high) !== this.not
  }

  save(option: string): string {
    return this.whole ? '' : ` ${bang(this.not)}${option} ${formatPorts(this.low, this.high)}`
  }

  list(word: string): string {
    if (this.whole) return ''
    const plural = this.low === this.high ? '' : 's'
    return ` ${word}${plural}:${this.not ? '!' : ''}${formatPorts(this.low, this.high)}`
  }
}

/** `-m udp` and, with flags, `-m tcp`. */
export class PortMatch extends Match {
  readonly name: 'tcp' | 'udp'
  readonly protocol: number
  #source = new Range()
  #destination = new Range()

  constructor(name: 'tcp' | 'udp', protocol: number) {
    super()
    this.name = name
    this.protocol = protocol
  }

  override option(name: string, words: Words, not: boolean): boolean {
    const side = PORT_OPTIONS[name]
    if (side === undefined) return false
    const range = side === 'source' ? this.#source : this.#destination
    range.set(words.value(name), name, not)
    return true
  }

  override test(packet: Packet): boolean {
    if (!packet.carries(8)) return false
    return (
      this.#destination.has(u16(packet.bytes, packet.transport + 2)) &&
      this.#source.has(u16(packet.bytes, packet.transport))
    )
  }

  override save(): string {
    return (this.#source.save('--sport') + this.#destination.save('--dport')).trimStart()
  }

  override list(): string {
    return this.name + this.#source.list('spt') + this.#destination.list('dpt')
  }
}

/** In the order of their bits: as iptables prints them. */
const flagNames = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG'] as const
const SYN_MASK = tcp.FIN | tcp.SYN | tcp.RST | tcp.ACK

function parseFlags(text: string): number {
  if (text === 'ALL') return 0x3f
  if (text === 'NONE') return 0
  let bits = 0
  for (const word of text.split(',')) {
    const bit = (flagNames as readonly string[]).indexOf(word)
    if (bit < 0) throw new NetfilterError(`unknown TCP flag "${word}"`)
    bits |= 1 << bit
  }
  return bits
}

function formatFlags(bits: number): string {
  return bits === 0 ? 'NONE' : flagNames.filter((_, i) => (bits & (1 << i)) !== 0).join(',')
}

/** `-m tcp`: ports as for UDP, and flags. */
export class TcpMatch extends PortMatch {
  #mask = 0
  #flags = 0
  #not = false

  constructor() {
    super('tcp', 6)
  }

  override option(name: string, words: Words, not: boolean): boolean {
    if (name === '--tcp-flags') {
      this.#mask = parseFlags(words.value(name))
      this.#flags = parseFlags(words.value(name))
    } else if (name === '--syn') {
      this.#mask = SYN_MASK
      this.#flags = tcp.SYN
    } else if (name === '--tcp-option') {
      throw new NetfilterError('podwire: match tcp --tcp-option is not modelled')
    } else return super.option(name, words, not)
    this.#not = not
    return true
  }

  override test(packet: Packet): boolean {
    if (!super.test(packet)) return false
    if (this.#mask === 0) return true
    if (!packet.carries(tcp.HEADER)) return false
    return ((tcp.flags(packet.bytes, packet.transport) & this.#mask) === this.#flags) !== this.#not
  }

  override save(): string {
    const flags =
      this.#mask === 0 ? '' : `${bang(this.#not)}--tcp-flags ${formatFlags(this.#mask)} ${formatFlags(this.#flags)}`
    return `${super.save()} ${flags}`.trim()
  }

  override list(): string {
    if (this.#mask === 0) return super.list()
    return `${super.list()} flags:${this.#not ? '!' : ''}0x${this.#mask.toString(16).padStart(2, '0')}/0x${this.#flags.toString(16).padStart(2, '0')}`
  }
}

const MULTIPORT_OPTIONS: Readonly<Record<string, string>> = {
  '--sports': '--sports',
  '--source-ports': '--sports',
  '--dports': '--dports',
  '--destination-ports': '--dports',
  '--ports': '--ports',
}

/** `-m multiport --dports 80,443,8000:8100` */
export class MultiportMatch extends Match {
  readonly name = 'multiport'
  #option = ''
  #not = false
  #ranges: (readonly [low: number, high: number])[] = []

  override option(name: string, words: Words, not: boolean): boolean {
    const option = MULTIPORT_OPTIONS[name]
    if (option === undefined) return false
    this.#option = option
    this.#not = not
    this.#ranges = words
      .value(name)
      .split(',')
      .map((text) => parsePorts(text, name))
    const slots = this.#ranges.reduce((sum, [low, high]) => sum + (low === high ? 1 : 2), 0)
    if (slots > 15) throw new NetfilterError('multiport: too many ports specified')
    return true
  }

  override check(): void {
    if (this.#option === '') throw new NetfilterError('multiport: no ports specified')
  }

  override test(packet: Packet): boolean {
    if (!packet.carries(4)) return false
    const source = u16(packet.bytes, packet.transport)
    const destination = u16(packet.bytes, packet.transport + 2)
    const found =
      (this.#option !== '--dports' && this.#has(source)) || (this.#option !== '--sports' && this.#has(destination))
    return found !== this.#not
  }

  #has(port: number): boolean {
    for (let i = 0; i < this.#ranges.length; i++) {
      const range = this.#ranges[i]
      if (port >= range[0] && port <= range[1]) return true
    }
    return false
  }

  override save(): string {
    return `${bang(this.#not)}${this.#option} ${this.#text()}`
  }

  override list(): string {
    return `multiport ${this.#option.slice(2)} ${this.#not ? '!' : ''}${this.#text()}`
  }

  #text(): string {
    return this.#ranges.map(([low, high]) => formatPorts(low, high)).join(',')
  }
}

/** Names that iptables takes for ICMP types; -1: any code. */
const icmpNames: Readonly<Record<string, readonly [type: number, code: number]>> = {
  any: [255, -1],
  'echo-reply': [0, -1],
  pong: [0, -1],
  'destination-unreachable': [3, -1],
  'network-unreachable': [3, 0],
  'host-unreachable': [3, 1],
  'protocol-unreachable': [3, 2],
  'port-unreachable': [3, 3],
  'fragmentation-needed': [3, 4],
  'source-quench': [4, -1],
  redirect: [5, -1],
  'echo-request': [8, -1],
  ping: [8, -1],
  'time-exceeded': [11, -1],
  'ttl-exceeded': [11, -1],
  'ttl-zero-during-transit': [11, 0],
  'parameter-problem': [12, -1],
}

/** `-m icmp --icmp-type 3/4` */
export class IcmpMatch extends Match {
  readonly name = 'icmp'
  #type = 255
  #code = -1
  #not = false

  override option(name: string, words: Words, not: boolean): boolean {
    if (name !== '--icmp-type') return false
    const text = words.value(name)
    const named = icmpNames[text]
    const slash = text.indexOf('/')
    this.#type = named?.[0] ?? parseNumber(slash < 0 ? text : text.slice(0, slash), name, 0, 255)
    this.#code = named?.[1] ?? (slash < 0 ? -1 : parseNumber(text.slice(slash + 1), name, 0, 255))
    this.#not = not
    return true
  }

  override test(packet: Packet): boolean {
    if (!packet.carries(4)) return false
    const { bytes, transport } = packet
    const found =
      this.#type === 255 || (bytes[transport] === this.#type && (this.#code < 0 || bytes[transport + 1] === this.#code))
    return found !== this.#not
  }

  override save(): string {
    if (this.#type === 255) return '--icmp-type any'
    return `${bang(this.#not)}--icmp-type ${this.#type}${this.#code < 0 ? '' : `/${this.#code}`}`
  }

  override list(): string {
    if (this.#type === 255) return 'icmptype 255'
    return `icmptype ${this.#not ? '!' : ''}${this.#type}${this.#code < 0 ? '' : ` code ${this.#code}`}`
  }
}

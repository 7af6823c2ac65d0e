/** Matches on the transport header: tcp, udp, multiport, icmp. A fragment that is not the first matches none. */

import { u16 } from '../wire/bytes.ts'
import * as tcp from '../wire/tcp.ts'
import { NetfilterError } from './error.ts'
import { bang, Match } from './match.ts'
import type { Packet } from './packet.ts'
import { serviceName } from './services.ts'
import { findOption } from './tcp-options.ts'
import { formatPorts, parseNumber, parsePort, parsePorts, type Words } from './words.ts'

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

  set(text: string, not: boolean): void {
    const [low, high] = parsePorts(text)
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

  list(word: string, numeric: boolean, protocol: 'tcp' | 'udp'): string {
    if (this.whole) return ''
    const plural = this.low === this.high ? '' : 's'
    const low = numeric ? String(this.low) : serviceName(this.low, protocol)
    const high = numeric ? String(this.high) : serviceName(this.high, protocol)
    return ` ${word}${plural}:${this.not ? '!' : ''}${this.low === this.high ? low : `${low}:${high}`}`
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

  override get steady(): boolean {
    return true
  }

  override get shareable(): boolean {
    return true
  }

  override option(name: string, words: Words, not: boolean): boolean {
    const side = PORT_OPTIONS[name]
    if (side === undefined) return false
    const range = side === 'source' ? this.#source : this.#destination
    range.set(words.value(name), not)
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

  override list(numeric: boolean, _protocol: number): string {
    return this.name + this.#source.list('spt', numeric, this.name) + this.#destination.list('dpt', numeric, this.name)
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
    if (bit < 0) throw new NetfilterError(`Unknown TCP flag \`${word}'`)
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
  /** The kind of a TCP option that the header must hold; 0: none is asked for. */
  #option = 0
  #optionNot = false

  constructor() {
    super('tcp', 6)
  }

  /** Without flags: they differ from segment to segment. */
  override get steady(): boolean {
    return this.#mask === 0 && this.#option === 0
  }

  override option(name: string, words: Words, not: boolean): boolean {
    if (name === '--tcp-flags') {
      this.#mask = parseFlags(words.value(name))
      this.#flags = parseFlags(words.value(name))
    } else if (name === '--syn') {
      this.#mask = SYN_MASK
      this.#flags = tcp.SYN
    } else if (name === '--tcp-option') {
      this.#option = parseNumber(words.value(name), name, 1, 255, 'tcp')
      this.#optionNot = not
      return true
    } else return super.option(name, words, not)
    this.#not = not
    return true
  }

  override test(packet: Packet): boolean {
    if (!super.test(packet)) return false
    if (this.#mask === 0 && this.#option === 0) return true
    if (!packet.carries(tcp.HEADER)) return false
    if (((tcp.flags(packet.bytes, packet.transport) & this.#mask) === this.#flags) === this.#not && this.#mask !== 0) {
      return false
    }
    return (
      this.#option === 0 || findOption(packet.bytes, packet.transport, packet.end, this.#option) > 0 !== this.#optionNot
    )
  }

  override save(): string {
    const flags =
      this.#mask === 0 ? '' : ` ${bang(this.#not)}--tcp-flags ${formatFlags(this.#mask)} ${formatFlags(this.#flags)}`
    const option = this.#option === 0 ? '' : ` ${bang(this.#optionNot)}--tcp-option ${this.#option}`
    return `${super.save()}${option}${flags}`.trim()
  }

  override list(numeric: boolean, protocol: number): string {
    let text = super.list(numeric, protocol)
    if (this.#option !== 0) text += ` option=${bang(this.#optionNot).trim()}${this.#option}`
    if (this.#mask === 0) return text
    const spell = numeric ? (bits: number) => `0x${bits.toString(16).toUpperCase().padStart(2, '0')}` : formatFlags
    return `${text} flags:${this.#not ? '!' : ''}${spell(this.#mask)}/${spell(this.#flags)}`
  }
}

const MULTIPORT_OPTIONS: Readonly<Record<string, string>> = {
  '--sports': '--sports',
  '--source-ports': '--sports',
  '--dports': '--dports',
  '--destination-ports': '--dports',
  '--ports': '--ports',
}

function parseMultiport(text: string): [low: number, high: number] {
  const ends = text.split(':')
  const low = parsePort(ends[0])
  const high = ends.length > 1 ? parsePort(ends[1]) : low
  if (low > high || (low === high && ends.length > 1)) throw new NetfilterError('invalid portrange specified')
  return [low, high]
}

/** `-m multiport --dports 80,443,8000:8100` */
export class MultiportMatch extends Match {
  readonly name = 'multiport'
  #option = ''
  #not = false
  #ranges: (readonly [low: number, high: number])[] = []

  override get steady(): boolean {
    return true
  }

  override option(name: string, words: Words, not: boolean): boolean {
    const option = MULTIPORT_OPTIONS[name]
    if (option === undefined) return false
    this.#option = option
    this.#not = not
    this.#ranges = words.value(name).split(',').map(parseMultiport)
    const slots = this.#ranges.reduce((sum, [low, high]) => sum + (low === high ? 1 : 2), 0)
    if (slots > 15) throw new NetfilterError('too many ports specified')
    return true
  }

  override check(protocol: number): void {
    if (protocol === 0) {
      throw new NetfilterError("multiport needs `-p tcp', `-p udp', `-p udplite', `-p sctp' or `-p dccp'")
    }
    if (![6, 17, 33, 132, 136].includes(protocol)) {
      throw new NetfilterError('multiport only works with TCP, UDP, UDPLITE, SCTP and DCCP')
    }
    if (this.#option === '') throw new NetfilterError('multiport expection an option')
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

  override list(numeric: boolean, protocol: number): string {
    const name = protocol === 17 ? 'udp' : 'tcp'
    const spell = (port: number) => (numeric ? String(port) : serviceName(port, name))
    const ports = this.#ranges.map(([low, high]) => (low === high ? spell(low) : `${spell(low)}:${spell(high)}`))
    return `multiport ${this.#option.slice(2)} ${this.#not ? ' !' : ''}${ports.join(',')}`
  }

  #text(): string {
    return this.#ranges.map(([low, high]) => formatPorts(low, high)).join(',')
  }
}

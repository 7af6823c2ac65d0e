/** Matches on fields of the IP and TCP headers: length, ttl, tos, dscp, iprange, tcpmss. */
import { formatIpv4, type Ipv4, tryParseIpv4 } from '../wire/address.ts'
import { u16 } from '../wire/bytes.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as tcp from '../wire/tcp.ts'
import { badValue, missingOption, NetfilterError } from './error.ts'
import { bang, Match } from './match.ts'
import type { Packet } from './packet.ts'
import { findOption } from './tcp-options.ts'
import { dscpClass, formatTos, parseTos } from './tos.ts'
import { formatPorts, hexByte, parseNumber, refuseNot, type Words } from './words.ts'

function parseRange(text: string, option: string, extension: string): [low: number, high: number] {
  const parts = text.split(':')
  const fits = (part: string) => part === '' || (/^(0x[0-9a-f]+|[0-9]+)$/i.test(part) && Number(part) <= 65_535)
  if (text === '' || parts.length > 2 || !parts.every(fits)) throw badValue(extension, option, 0, 65_535, text)
  const low = Number(parts[0])
  if (parts.length === 1) return [low, low]
  return [low, parts[1] === '' ? 65_535 : Number(parts[1])]
}

/** `-m length --length 100:200`: the IP total length. */
export class LengthMatch extends Match {
  readonly name = 'length'
  #low = -1
  #high = -1
  #not = false

  override option(name: string, words: Words, not: boolean): boolean {
    if (name !== '--length') return false
    ;[this.#low, this.#high] = parseRange(words.value(name), name, 'length')
    this.#not = not
    return true
  }

  override check(): void {
    if (this.#low < 0) throw missingOption('length', '--length')
  }

  override test(packet: Packet): boolean {
    return (packet.length >= this.#low && packet.length <= this.#high) !== this.#not
  }

  override save(): string {
    return `${bang(this.#not)}--length ${formatPorts(this.#low, this.#high)}`
  }

  override list(): string {
    return `length ${this.#not ? '!' : ''}${formatPorts(this.#low, this.#high)}`
  }
}

/** `-m ttl --ttl-eq 64` */
export class TtlMatch extends Match {
  readonly name = 'ttl'
  #mode: 'eq' | 'lt' | 'gt' | null = null
  #value = 0
  #not = false

  override option(name: string, words: Words, not: boolean): boolean {
    const mode = { '--ttl-eq': 'eq', '--ttl': 'eq', '--ttl-lt': 'lt', '--ttl-gt': 'gt' }[name]
    if (mode === undefined) return false
    this.#mode = mode as 'eq' | 'lt' | 'gt'
    if (this.#mode !== 'eq') refuseNot(not, name, 'ttl')
    this.#value = parseNumber(words.value(name), name === '--ttl' ? '--ttl-eq' : name, 0, 255, 'ttl')
    this.#not = not
    return true
  }

  override check(): void {
    if (this.#mode === null) {
      throw new NetfilterError("TTL match: You must specify one of `--ttl-eq', `--ttl-lt', `--ttl-gt")
    }
  }

  override test(packet: Packet): boolean {
    const ttl = ipv4.ttl(packet.bytes, packet.network)
    if (this.#mode === 'lt') return ttl < this.#value
    return this.#mode === 'gt' ? ttl > this.#value : (ttl === this.#value) !== this.#not
  }

  override save(): string {
    return `${bang(this.#not)}--ttl-${this.#mode} ${this.#value}`
  }

  override list(): string {
    const sign = { eq: this.#not ? '!=' : '==', lt: '<', gt: '>' }[this.#mode ?? 'eq']
    return `TTL match TTL ${sign} ${this.#value}`
  }
}

/** `-m tos --tos 0x10/0x3f` */
export class TosMatch extends Match {
  readonly name = 'tos'
  #value = 0
  #mask = 0
  #not = false
  #given = false

  override option(name: string, words: Words, not: boolean): boolean {
    if (name !== '--tos') return false
    ;[this.#value, this.#mask] = parseTos(words.value(name), name, 'tos')
    this.#not = not
    this.#given = true
    return true
  }

  override check(): void {
    if (!this.#given) throw missingOption('tos', '--tos')
  }

  override test(packet: Packet): boolean {
    return ((ipv4.tos(packet.bytes, packet.network) & this.#mask) === this.#value) !== this.#not
  }

  override save(): string {
    return `${bang(this.#not)}--tos ${hexByte(this.#value)}/${hexByte(this.#mask)}`
  }

  override list(numeric: boolean): string {
    const name = numeric ? null : formatTos(this.#value, this.#mask)
    const not = this.#not ? '!' : ''
    return name === null ? `tos match${not}${hexByte(this.#value)}/${hexByte(this.#mask)}` : `tos match${not} ${name}`
  }
}

/** `-m dscp --dscp 0x2e`: the upper six bits of TOS. */
export class DscpMatch extends Match {
  readonly name = 'dscp'
  #value = -1
  #not = false

  override option(name: string, words: Words, not: boolean): boolean {
    if (name === '--dscp') this.#value = parseNumber(words.value(name), name, 0, 63, 'dscp')
    else if (name === '--dscp-class') this.#value = dscpClass(words.value(name))
    else return false
    this.#not = not
    return true
  }

  override check(): void {
    if (this.#value < 0) throw new NetfilterError('DSCP match: Parameter --dscp is required')
  }

  override test(packet: Packet): boolean {
    return (ipv4.tos(packet.bytes, packet.network) >> 2 === this.#value) !== this.#not
  }

  override save(): string {
    return `${bang(this.#not)}--dscp ${hexByte(this.#value)}`
  }

  override list(): string {
    return `DSCP match ${this.#not ? '!' : ''}${hexByte(this.#value)}`
  }
}

/** One side of iprange. */
class AddressRange {
  low = 0 as Ipv4
  high = 0 as Ipv4
  given = false
  not = false

  set(text: string, not: boolean): void {
    const ends = text.split('-').map(tryParseIpv4)
    const [low, high = low] = ends
    if (ends.length > 2 || low === null || high === null) {
      throw new NetfilterError(`iprange match: Bad IP address \`${text}'\n`)
    }
    this.low = low
    this.high = high
    this.given = true
    this.not = not
  }

  has(address: Ipv4): boolean {
    const inside = address >>> 0 >= this.low >>> 0 && address >>> 0 <= this.high >>> 0
    return !this.given || inside !== this.not
  }

  get text(): string {
    return `${formatIpv4(this.low)}-${formatIpv4(this.high)}`
  }
}

/** `-m iprange --src-range a-b --dst-range c-d` */
export class IprangeMatch extends Match {
  readonly name = 'iprange'
  #source = new AddressRange()
  #destination = new AddressRange()

  override option(name: string, words: Words, not: boolean): boolean {
    if (name === '--src-range') this.#source.set(words.value(name), not)
    else if (name === '--dst-range') this.#destination.set(words.value(name), not)
    else return false
    return true
  }

  override check(): void {
    if (this.#source.given || this.#destination.given) return
    throw new NetfilterError("iprange match: You must specify `--src-range' or `--dst-range'")
  }

  override test(packet: Packet): boolean {
    return this.#source.has(packet.source) && this.#destination.has(packet.destination)
  }

  override save(): string {
    const parts: string[] = []
    if (this.#source.given) parts.push(`${bang(this.#source.not)}--src-range ${this.#source.text}`)
    if (this.#destination.given) parts.push(`${bang(this.#destination.not)}--dst-range ${this.#destination.text}`)
    return parts.join(' ')
  }

  override list(): string {
    const parts: string[] = []
    if (this.#source.given) parts.push(`source IP range ${bang(this.#source.not)}${this.#source.text}`)
    if (this.#destination.given) {
      parts.push(`destination IP range ${bang(this.#destination.not)}${this.#destination.text}`)
    }
    return parts.join(' ')
  }
}

/** `-m tcpmss --mss 1400:1500`: the MSS option of a SYN. */
export class TcpmssMatch extends Match {
  readonly name = 'tcpmss'
  #low = -1
  #high = -1
  #not = false

  override option(name: string, words: Words, not: boolean): boolean {
    if (name !== '--mss') return false
    ;[this.#low, this.#high] = parseRange(words.value(name), name, 'tcpmss')
    this.#not = not
    return true
  }

  override check(protocol: number): void {
    if (this.#low < 0) throw missingOption('tcpmss', '--mss')
    if (protocol !== 6) throw new NetfilterError("TCPMSS match requires '-p tcp'")
  }

  override test(packet: Packet): boolean {
    if (!packet.carries(tcp.HEADER)) return false
    const at = findOption(packet.bytes, packet.transport, packet.end, tcp.OPTION_MSS)
    if (at === 0 || packet.bytes[at + 1] !== 4) return this.#not
    const mss = u16(packet.bytes, at + 2)
    return (mss >= this.#low && mss <= this.#high) !== this.#not
  }

  override save(): string {
    return `${bang(this.#not)}--mss ${formatPorts(this.#low, this.#high)}`
  }

  override list(): string {
    return `tcpmss match ${this.#not ? '!' : ''}${formatPorts(this.#low, this.#high)}`
  }
}

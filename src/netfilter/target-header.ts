/** Targets that change header fields: TTL, TOS, DSCP, TCPMSS. Each patches the checksums that cover them. */
import { put16, u16 } from '../wire/bytes.ts'
import { replace16 } from '../wire/checksum.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as tcp from '../wire/tcp.ts'
import { NetfilterError, RuleRefused } from './error.ts'
import { Hook, type TableName, Verdict } from './hook.ts'
import type { Packet } from './packet.ts'
import { Target } from './target.ts'
import { findOption } from './tcp-options.ts'
import { dscpClass, formatTos, parseTos } from './tos.ts'
import { hexByte, parseNumber, refuseNot, type Words } from './words.ts'

/** The 16-bit word of the IP header that holds the octet is patched as a whole (RFC 1624). */
function patchWord(bytes: Uint8Array, network: number, offset: number, value: number): void {
  const old = u16(bytes, network + offset)
  if (old === value) return
  put16(bytes, network + offset, value)
  replace16(bytes, network + ipv4.CHECKSUM, old, value)
}

/** `-j TTL --ttl-set 64` */
export class TtlTarget extends Target {
  readonly name = 'TTL'
  override readonly tables: readonly TableName[] = ['mangle']
  #mode: 'set' | 'inc' | 'dec' | null = null
  #value = 0

  override option(name: string, words: Words, not: boolean): boolean {
    const mode = /^--ttl-(set|inc|dec)$/.exec(name)
    if (mode === null) return false
    refuseNot(not, name, 'TTL')
    this.#mode = mode[1] as 'set' | 'inc' | 'dec'
    this.#value = parseNumber(words.value(name), name, this.#mode === 'set' ? 0 : 1, 255, 'TTL')
    return true
  }

  override check(): void {
    if (this.#mode === null) throw new NetfilterError('TTL: You must specify an action')
  }

  override apply(packet: Packet): Verdict {
    const { bytes, network } = packet
    const old = ipv4.ttl(bytes, network)
    let ttl = this.#value
    if (this.#mode === 'inc') ttl = Math.min(255, old + this.#value)
    else if (this.#mode === 'dec') ttl = Math.max(0, old - this.#value)
    patchWord(bytes, network, 8, (ttl << 8) | bytes[network + 9])
    return Verdict.CONTINUE
  }

  override save(): string {
    return `--ttl-${this.#mode} ${this.#value}`
  }

  override list(): string {
    const words = { set: 'set to', inc: 'increment by', dec: 'decrement by' }
    return `TTL ${words[this.#mode ?? 'set']} ${this.#value}`
  }
}

/** `-j TOS --set-tos 0x10/0x3f`: (tos & ~mask) ^ value. */
export class TosTarget extends Target {
  readonly name = 'TOS'
  override readonly tables: readonly TableName[] = ['mangle']
  #value = 0
  #mask = 0
  #given = false

  override option(name: string, words: Words, not: boolean): boolean {
    if (name === '--set-tos') {
      ;[this.#value, this.#mask] = parseTos(words.value(name), name, 'TOS')
    } else if (name === '--and-tos') {
      this.#mask = ~parseNumber(words.value(name), name, 0, 255, 'TOS') & 0xff
      this.#value = 0
    } else if (name === '--or-tos') {
      this.#value = parseNumber(words.value(name), name, 0, 255, 'TOS')
      this.#mask = this.#value
    } else if (name === '--xor-tos') {
      this.#value = parseNumber(words.value(name), name, 0, 255, 'TOS')
      this.#mask = 0
    } else return false
    refuseNot(not, name, 'TOS')
    this.#given = true
    return true
  }

  override check(): void {
    if (!this.#given) throw new NetfilterError('TOS: An action is required')
  }

  override apply(packet: Packet): Verdict {
    const { bytes, network } = packet
    const tos = ((ipv4.tos(bytes, network) & ~this.#mask) ^ this.#value) & 0xff
    patchWord(bytes, network, 0, (bytes[network] << 8) | tos)
    return Verdict.CONTINUE
  }

  override save(): string {
    return `--set-tos ${hexByte(this.#value)}/${hexByte(this.#mask)}`
  }

  override list(numeric: boolean): string {
    if (numeric) return `TOS set ${hexByte(this.#value)}/${hexByte(this.#mask)}`
    const name = formatTos(this.#value, this.#mask)
    // iptables prints it exactly so.
    if (name !== null) return ` TOS set${name}`
    if (this.#value === 0) return `TOS and ${hexByte(~this.#mask & 0xff)}`
    if (this.#value === this.#mask) return `TOS or ${hexByte(this.#value)}`
    if (this.#mask === 0) return `TOS xor ${hexByte(this.#value)}`
    return `TOS set ${hexByte(this.#value)}/${hexByte(this.#mask)}`
  }
}

/** `-j DSCP --set-dscp 0x2e` */
export class DscpTarget extends Target {
  readonly name = 'DSCP'
  override readonly tables: readonly TableName[] = ['mangle']
  #value = -1

  override option(name: string, words: Words, not: boolean): boolean {
    if (name === '--set-dscp') this.#value = parseNumber(words.value(name), name, 0, 63, 'DSCP')
    else if (name === '--set-dscp-class') this.#value = dscpClass(words.value(name))
    else return false
    refuseNot(not, name, 'DSCP')
    return true
  }

  override check(): void {
    if (this.#value < 0) throw new NetfilterError('DSCP target: Parameter --set-dscp is required')
  }

  override apply(packet: Packet): Verdict {
    const { bytes, network } = packet
    patchWord(bytes, network, 0, (bytes[network] << 8) | (ipv4.tos(bytes, network) & 3) | (this.#value << 2))
    return Verdict.CONTINUE
  }

  override save(): string {
    return `--set-dscp ${hexByte(this.#value)}`
  }

  override list(): string {
    return `DSCP set ${hexByte(this.#value)}`
  }
}

const CLAMP = -1

/** `-j TCPMSS --set-mss 1300`, `--clamp-mss-to-pmtu`: lowers the MSS that a SYN offers (xt_TCPMSS.c). */
export class TcpmssTarget extends Target {
  readonly name = 'TCPMSS'
  /** `CLAMP`, or the value; 0 while not given. */
  #mss = 0

  override option(name: string, words: Words, not: boolean): boolean {
    if (name === '--clamp-mss-to-pmtu') this.#mss = CLAMP
    else if (name === '--set-mss') this.#mss = parseNumber(words.value(name), name, 0, 65_495, 'TCPMSS')
    else return false
    refuseNot(not, name, 'TCPMSS')
    return true
  }

  override check(protocol: number): void {
    if (this.#mss === 0) throw new NetfilterError('TCPMSS target: At least one parameter is required')
    if (protocol !== 6) throw new RuleRefused('x_tables: ip_tables: TCPMSS target: only valid for protocol 6')
  }

  override allow(_table: TableName, hook: Hook | null): void {
    if (this.#mss !== CLAMP || (hook !== Hook.PREROUTING && hook !== Hook.INPUT)) return
    throw new RuleRefused('xt_TCPMSS: path-MTU clamping only supported in FORWARD, OUTPUT and POSTROUTING hooks')
  }

  override apply(packet: Packet): Verdict {
    const { bytes, transport, end } = packet
    if (packet.fragment) return Verdict.CONTINUE
    if (!tcp.valid(bytes, transport, end)) return Verdict.DROP
    // Only segments without data are changed: nobody else offers an MSS.
    if ((tcp.flags(bytes, transport) & tcp.SYN) === 0 || end - transport !== tcp.headerLength(bytes, transport)) {
      return Verdict.CONTINUE
    }
    const mss = this.#mss === CLAMP ? packet.pathMtu() - ipv4.HEADER - tcp.HEADER : this.#mss
    const at = findOption(bytes, transport, end, tcp.OPTION_MSS)
    if (at === 0 || bytes[at + 1] !== 4) return Verdict.CONTINUE
    const old = u16(bytes, at + 2)
    // Neither way of asking ever raises it.
    if (mss <= 0 || old <= mss) return Verdict.CONTINUE
    put16(bytes, at + 2, mss)
    const sum = transport + tcp.CHECKSUM
    if (((at + 2 - transport) & 1) === 0) replace16(bytes, sum, old, mss)
    else replace16(bytes, sum, swap(old), swap(mss))
    return Verdict.CONTINUE
  }

  override save(): string {
    return this.#mss === CLAMP ? '--clamp-mss-to-pmtu' : `--set-mss ${this.#mss}`
  }

  override list(): string {
    return this.#mss === CLAMP ? 'TCPMSS clamp to PMTU' : `TCPMSS set ${this.#mss}`
  }
}

/** An option at an odd place: its bytes stand the other way round in the checksum's words. */
function swap(word: number): number {
  return ((word & 0xff) << 8) | (word >> 8)
}

/** Targets that change TCP headers and checksums: ECN, TCPOPTSTRIP, CHECKSUM. */
import { put16, u16 } from '../wire/bytes.ts'
import { replace16 } from '../wire/checksum.ts'
import { IPPROTO_TCP } from '../wire/ipv4.ts'
import * as tcp from '../wire/tcp.ts'
import { missingOption, NetfilterError, RuleRefused } from './error.ts'
import { type Hook, type TableName, Verdict } from './hook.ts'
import type { Packet } from './packet.ts'
import { Target } from './target.ts'
import { refuseNot, type Words } from './words.ts'

/** Changes 16 bits at an even distance from the header, and the checksum with them. */
function patch(bytes: Uint8Array, transport: number, at: number, value: number): void {
  const old = u16(bytes, at)
  if (old === value) return
  put16(bytes, at, value)
  replace16(bytes, transport + tcp.CHECKSUM, old, value)
}

abstract class SegmentTarget extends Target {
  override readonly tables: readonly TableName[] = ['mangle']
  #protocol = 0

  override check(protocol: number): void {
    this.#protocol = protocol
  }

  protected needsTcp(): void {
    if (this.#protocol !== IPPROTO_TCP) {
      throw new RuleRefused(`x_tables: ip_tables: ${this.name} target: only valid for protocol 6`)
    }
  }
}

/** `-j ECN --ecn-tcp-remove`: a SYN no longer offers ECN. */
export class EcnTarget extends SegmentTarget {
  readonly name = 'ECN'
  #remove = false

  override option(name: string, _words: Words, not: boolean): boolean {
    if (/^--ecn-tcp-(cwr|ece)$|^--ecn-ip-ect$/.test(name)) {
      throw new NetfilterError(`podwire: target ECN ${name} is not modelled`)
    }
    if (name !== '--ecn-tcp-remove') return false
    refuseNot(not, name, 'ECN')
    this.#remove = true
    return true
  }

  override check(protocol: number): void {
    if (!this.#remove) throw new NetfilterError('ECN target: An operation is required')
    super.check(protocol)
  }

  override allow(table: TableName, hook: Hook | null): void {
    super.allow(table, hook)
    this.needsTcp()
  }

  override apply(packet: Packet): Verdict {
    const { bytes, transport } = packet
    if (!packet.carries(tcp.HEADER)) return Verdict.CONTINUE
    patch(bytes, transport, transport + 12, u16(bytes, transport + 12) & ~(tcp.ECE | tcp.CWR))
    return Verdict.CONTINUE
  }

  override save(): string {
    return '--ecn-tcp-remove'
  }

  override list(): string {
    return 'ECN TCP remove'
  }
}

const optionNames: Readonly<Record<string, number>> = {
  wscale: 3,
  mss: 2,
  'sack-permitted': 4,
  sack: 5,
  timestamp: 8,
  md5: 19,
}

/** `-j TCPOPTSTRIP --strip-options timestamp`: options become NOPs. */
export class TcpoptstripTarget extends SegmentTarget {
  readonly name = 'TCPOPTSTRIP'
  #kinds: number[] = []

  override option(name: string, words: Words, not: boolean): boolean {
    if (name !== '--strip-options') return false
    refuseNot(not, name, 'TCPOPTSTRIP')
    for (const word of words.value(name).split(',')) {
      const kind = optionNames[word] ?? (/^[0-9]+$/.test(word) ? Number(word) : -1)
      if (kind < 0 || kind > 255) throw new NetfilterError(`Bad TCP option value "${word}"`)
      if (!this.#kinds.includes(kind)) this.#kinds.push(kind)
    }
    this.#kinds.sort((a, b) => a - b)
    return true
  }

  override allow(table: TableName, hook: Hook | null): void {
    super.allow(table, hook)
    this.needsTcp()
  }

  override apply(packet: Packet): Verdict {
    const { bytes, transport, end } = packet
    if (!packet.carries(tcp.HEADER)) return Verdict.CONTINUE
    const stop = transport + tcp.headerLength(bytes, transport)
    if (stop > end) return Verdict.CONTINUE
    let at = transport + tcp.HEADER
    while (at < stop) {
      const kind = bytes[at]
      const size = kind <= tcp.OPTION_NOP ? 1 : bytes[at + 1]
      if (kind === tcp.OPTION_END || size === 0 || at + size > stop) return Verdict.CONTINUE
      if (kind > tcp.OPTION_NOP && this.#kinds.includes(kind)) {
        for (let i = at; i < at + size; i++) putByte(bytes, transport, i, tcp.OPTION_NOP)
      }
      at += size
    }
    return Verdict.CONTINUE
  }

  override save(): string {
    return this.#kinds.length === 0 ? '' : `--strip-options ${this.#kinds.join(',')}`
  }

  override list(numeric: boolean): string {
    if (this.#kinds.length === 0) return ''
    const named = (kind: number) => Object.keys(optionNames).find((name) => optionNames[name] === kind) ?? String(kind)
    return `TCPOPTSTRIP options ${this.#kinds.map((kind) => (numeric ? String(kind) : named(kind))).join(',')}`
  }
}

/** The 16-bit word that the octet is part of is patched as a whole. */
function putByte(bytes: Uint8Array, transport: number, at: number, value: number): void {
  const word = (at - transport) % 2 === 0 ? at : at - 1
  const old = u16(bytes, word)
  patch(bytes, transport, word, word === at ? (value << 8) | (old & 0xff) : (old & 0xff00) | value)
}

/** `-j CHECKSUM --checksum-fill`: nothing to do, since checksums are always complete here. */
export class ChecksumTarget extends SegmentTarget {
  readonly name = 'CHECKSUM'
  #fill = false

  override option(name: string, _words: Words, not: boolean): boolean {
    if (name !== '--checksum-fill') return false
    refuseNot(not, name, 'CHECKSUM')
    this.#fill = true
    return true
  }

  override check(protocol: number): void {
    if (!this.#fill) throw missingOption('CHECKSUM', '--checksum-fill')
    super.check(protocol)
  }

  override apply(): Verdict {
    return Verdict.CONTINUE
  }

  override save(): string {
    return '--checksum-fill'
  }

  override list(): string {
    return 'CHECKSUM fill'
  }
}

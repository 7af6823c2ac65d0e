/** Matches on amounts: connbytes (of a flow), quota (of a rule), and cpu, of which podwire's machines have one. */
import { badValue, missingOption, NetfilterError } from './error.ts'
import { bang, Match } from './match.ts'
import type { Packet } from './packet.ts'
import { formatPorts, parseNumber, type Words } from './words.ts'

const MOST = '18446744073709551615'

/** `-m connbytes --connbytes 1000:2000 --connbytes-dir both --connbytes-mode bytes`; it turns nf_conntrack_acct on. */
export class ConnbytesMatch extends Match {
  readonly name = 'connbytes'
  #low = -1
  #high = -1
  #direction = ''
  #mode = ''
  #not = false

  override get tracks(): boolean {
    return true
  }

  override option(name: string, words: Words, not: boolean): boolean {
    if (name === '--connbytes') {
      const text = words.value(name)
      const parts = /^([0-9]*)(:([0-9]*))?$/.exec(text)
      if (parts === null || text === '') throw badValue('connbytes', name, 0, MOST, text)
      this.#low = Number(parts[1])
      this.#high = parts[3] === undefined || parts[3] === '' ? Number.POSITIVE_INFINITY : Number(parts[3])
      this.#not = not
      if (this.#high < this.#low) throw new NetfilterError(`${this.#low} should be less than ${this.#high}`)
    } else if (name === '--connbytes-dir') {
      this.#direction = words.value(name)
      if (!['original', 'reply', 'both'].includes(this.#direction)) {
        throw new NetfilterError(`Unknown --connbytes-dir \`${this.#direction}'`)
      }
    } else if (name === '--connbytes-mode') {
      this.#mode = words.value(name)
      if (!['packets', 'bytes', 'avgpkt'].includes(this.#mode)) {
        throw new NetfilterError(`Unknown --connbytes-mode \`${this.#mode}'`)
      }
    } else return false
    return true
  }

  override check(): void {
    if (this.#low < 0) throw missingOption('connbytes', '--connbytes')
    if (this.#direction === '') throw missingOption('connbytes', '--connbytes-dir')
    if (this.#mode === '') throw missingOption('connbytes', '--connbytes-mode')
  }

  override test({ flow }: Packet): boolean {
    if (flow === null) return false
    const there = this.#direction !== 'reply'
    const back = this.#direction !== 'original'
    const packets = (there ? flow.originalPackets : 0) + (back ? flow.replyPackets : 0)
    const bytes = (there ? flow.originalBytes : 0) + (back ? flow.replyBytes : 0)
    let amount = bytes
    if (this.#mode === 'packets') amount = packets
    else if (this.#mode === 'avgpkt') amount = packets === 0 ? 0 : Math.floor(bytes / packets)
    return (amount >= this.#low && amount <= this.#high) !== this.#not
  }

  get #range(): string {
    return this.#high === Number.POSITIVE_INFINITY ? String(this.#low) : formatPorts(this.#low, this.#high)
  }

  override save(): string {
    const rest = `--connbytes-mode ${this.#mode} --connbytes-dir ${this.#direction}`
    return `${bang(this.#not)}--connbytes ${this.#range} ${rest}`
  }

  override list(): string {
    const rest = `connbytes mode ${this.#mode} connbytes direction ${this.#direction}`
    return `${bang(this.#not)}connbytes ${this.#range} ${rest}`
  }
}

/** `-m quota --quota 5000`: bytes until the rule no longer matches. */
export class QuotaMatch extends Match {
  readonly name = 'quota'
  #quota = -1
  #left = 0
  #not = false

  override option(name: string, words: Words, not: boolean): boolean {
    if (name !== '--quota') return false
    const text = words.value(name)
    if (!/^(0x[0-9a-f]+|[0-9]+)$/i.test(text)) throw badValue('quota', name, 0, MOST)
    this.#quota = Number(text)
    this.#left = this.#quota
    this.#not = not
    return true
  }

  override check(): void {
    if (this.#quota < 0) throw missingOption('quota', '--quota')
  }

  override test({ length }: Packet): boolean {
    if (this.#left >= length) {
      this.#left -= length
      return !this.#not
    }
    // What is left does not count for a smaller packet either.
    this.#left = 0
    return this.#not
  }

  override save(): string {
    return `${bang(this.#not)}--quota ${this.#quota}`
  }

  override list(): string {
    return `quota: ${this.#quota} bytes`
  }
}

/** `-m cpu --cpu 0` */
export class CpuMatch extends Match {
  readonly name = 'cpu'
  #cpu = -1
  #not = false

  override option(name: string, words: Words, not: boolean): boolean {
    if (name !== '--cpu') return false
    this.#cpu = parseNumber(words.value(name), name, 0, 0xffffffff, 'cpu')
    this.#not = not
    return true
  }

  override check(): void {
    if (this.#cpu < 0) throw missingOption('cpu', '--cpu')
  }

  override test(): boolean {
    return (this.#cpu === 0) !== this.#not
  }

  override save(): string {
    return `${bang(this.#not)}--cpu ${this.#cpu}`
  }

  override list(): string {
    return `cpu ${bang(this.#not)}${this.#cpu}`
  }
}

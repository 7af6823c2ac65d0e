/** `-m string --string TEXT --algo bm`: bytes anywhere in the packet (xt_string). */
import { encodeUtf8 } from '../wire/utf8.ts'
import { missingOption, NetfilterError, RuleRefused } from './error.ts'
import { bang, Match } from './match.ts'
import type { Packet } from './packet.ts'
import { parseNumber, refuseNot, type Words } from './words.ts'

const LONGEST = 128

export class StringMatch extends Match {
  readonly name = 'string'
  #bytes: Uint8Array | null = null
  #hex = false
  #algorithm = ''
  #from = 0
  #to = 65_535
  #ignoreCase = false
  #not = false

  override option(name: string, words: Words, not: boolean): boolean {
    if (name === '--string' || name === '--hex-string') {
      const other = name === '--string' ? '--hex-string' : '--string'
      if (this.#bytes !== null) {
        throw new NetfilterError(`string: option "${other}" cannot be used together with "${name}".\n`)
      }
      const text = words.value(name)
      this.#bytes = name === '--string' ? encodeUtf8(text) : parseHex(text)
      // What ends in a backslash could not be read again.
      this.#hex = this.#bytes.some((byte) => byte < 32 || byte > 126) || this.#bytes.at(-1) === 0x5c
      this.#not = not
      if (this.#bytes.length > LONGEST) throw new NetfilterError(`STRING too long "${text}"`)
      return true
    }
    if (name === '--algo') this.#algorithm = words.value(name)
    else if (name === '--from') this.#from = parseNumber(words.value(name), name, 0, 65_535, 'string')
    else if (name === '--to') this.#to = parseNumber(words.value(name), name, 0, 65_535, 'string')
    else if (name === '--icase') this.#ignoreCase = true
    else return false
    refuseNot(not, name, 'string')
    return true
  }

  override check(): void {
    if (this.#algorithm === '') throw missingOption('string', '--algo')
    if (this.#bytes === null) throw new NetfilterError("STRING match: You must specify `--string' or `--hex-string'")
  }

  override allow(): void {
    if (this.#algorithm !== 'bm' && this.#algorithm !== 'kmp') throw new RuleRefused('', 'No such file or directory')
    if (this.#from > this.#to) throw new RuleRefused()
  }

  /** skb_find_text: the match begins between the two offsets, counted from the IP header. */
  override test(packet: Packet): boolean {
    const wanted = this.#bytes
    if (wanted === null) return false
    const { bytes, network, end } = packet
    const last = Math.min(end - wanted.length, network + this.#to)
    for (let at = network + this.#from; at <= last; at++) if (this.#stands(wanted, bytes, at)) return !this.#not
    return this.#not
  }

  #stands(wanted: Uint8Array, bytes: Uint8Array, at: number): boolean {
    for (let i = 0; i < wanted.length; i++) {
      if (wanted[i] === bytes[at + i]) continue
      if (!this.#ignoreCase || upper(wanted[i]) !== upper(bytes[at + i])) return false
    }
    return true
  }

  get #text(): string {
    const all = [...(this.#bytes ?? [])]
    if (this.#hex) return `"|${all.map((byte) => byte.toString(16).padStart(2, '0')).join('')}|"`
    return `"${String.fromCharCode(...all).replaceAll('"', '\\"')}"`
  }

  override save(): string {
    let text = `${bang(this.#not)}--${this.#hex ? 'hex-' : ''}string ${this.#text} --algo ${this.#algorithm}`
    if (this.#from !== 0) text += ` --from ${this.#from}`
    if (this.#to !== 65_535) text += ` --to ${this.#to}`
    return this.#ignoreCase ? `${text} --icase` : text
  }

  override list(): string {
    let text = `STRING match ${this.#not ? '!' : ''} ${this.#text} ALGO name ${this.#algorithm}`
    if (this.#from !== 0) text += ` FROM ${this.#from}`
    if (this.#to !== 65_535) text += ` TO ${this.#to}`
    return this.#ignoreCase ? `${text} ICASE` : text
  }
}

function upper(byte: number): number {
  return byte >= 0x61 && byte <= 0x7a ? byte - 0x20 : byte
}

/** Text in which `|0d 0a|` stands for bytes. */
function parseHex(text: string): Uint8Array {
  const found: number[] = []
  let inside = false
  const signs = [...text]
  for (let i = 0; i < signs.length; i++) {
    const sign = signs[i]
    if (sign === '|') inside = !inside
    else if (!inside) found.push(...encodeUtf8(sign))
    else if (sign !== ' ') {
      const pair = signs.slice(i, i + 2)
      if (pair.length < 2 || pair[1] === '|') throw new NetfilterError('Odd number of hex digits')
      const wrong = pair.find((digit) => !/[0-9a-f]/i.test(digit))
      if (wrong !== undefined) throw new NetfilterError(`Invalid hex char '${wrong}'`)
      found.push(Number.parseInt(pair.join(''), 16))
      i++
    }
  }
  return Uint8Array.from(found)
}

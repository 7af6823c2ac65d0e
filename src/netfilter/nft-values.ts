/** Constants of nft's language: single values, ranges, prefixes, flags, and several side by side. */

import type { Expression } from './nft-ast.ts'
import type { Token } from './nft-lexer.ts'
import { NftReader } from './nft-reader.ts'
import { type Datatype, ETHER, IFINDEX, IFNAME, IPV4, PORT, PROTOCOL, parseWord, TIME } from './nft-type.ts'

export type Constant = Extract<Expression, { k: 'value' | 'range' }>

const JOINTS: Readonly<Record<string, string>> = {
  '|': '|',
  or: '|',
  '&': '&',
  and: '&',
  '^': '^',
  xor: '^',
  '<<': '<<',
}

export class NftValues extends NftReader {
  /** The index of a device by its name. */
  deviceIndex: (name: string) => number | null = () => null

  /** One value, or a range of them. */
  constant(type: Datatype): Constant {
    const { start } = this.peek()
    if (type === IFNAME) {
      const pattern = this.#wildcard(type)
      if (pattern !== null) return pattern
    }
    const low = this.#joined(type)
    if (this.is('/')) {
      this.next()
      return this.#prefix(type, low, this.number(), start)
    }
    if (!this.is('-') || type === IFNAME) return { k: 'value', type, value: low }
    this.next()
    const high = this.#joined(type)
    if (high <= low) throw this.fail('Range has zero or negative size', start, this.last.end)
    return { k: 'range', type, low, high }
  }

  /** `80 . 10.0.0.1`: one value for each type. */
  constants(types: readonly Datatype[]): Constant[] {
    return types.map((type, i) => {
      if (i > 0) this.expect('.')
      return this.constant(type)
    })
  }

  /** `established,related`, or one value. */
  flags(type: Datatype): { value: Constant; listed: boolean } {
    const first = this.constant(type)
    if (!this.is(',') || first.k !== 'value') return { value: first, listed: false }
    let { value } = first
    while (this.take(',')) value |= this.#joined(type)
    return { value: { k: 'value', type, value }, listed: true }
  }

  single(type: Datatype): bigint {
    return this.#joined(type)
  }

  milliseconds(): bigint {
    return this.atom(TIME)
  }

  #joined(type: Datatype): bigint {
    let value = this.atom(type)
    for (;;) {
      const joint = this.peek().kind === 'sign' || this.peek().kind === 'word' ? JOINTS[this.peek().text] : undefined
      if (joint === undefined) return value
      this.next()
      const right = this.atom(type)
      if (joint === '|') value |= right
      else if (joint === '&') value &= right
      else if (joint === '^') value ^= right
      else value <<= right
    }
  }

  atom(type: Datatype): bigint {
    if (this.take('(')) {
      const value = this.#joined(type)
      this.expect(')')
      return value
    }
    const token = this.peek()
    if (token.kind === 'sign' || token.kind === 'newline' || token.kind === 'end') throw this.unexpected()
    this.next()
    const value = this.#valueOf(type, token)
    const most = (1n << BigInt(type.bits)) - 1n
    if (value <= most) return value
    if (type === PORT) throw this.fail('Service out of range', token.start, token.end)
    if (type === PROTOCOL) throw this.fail('Protocol out of range', token.start, token.end)
    throw this.fail(`Value ${value} exceeds valid range 0-${most}`, token.start, token.end)
  }

  #valueOf(type: Datatype, token: Token): bigint {
    const { text } = token
    if (type === IFINDEX && token.kind !== 'number') {
      const index = this.deviceIndex(text)
      if (index !== null) return BigInt(index)
    }
    if (type === IFNAME && text.length > 15) {
      throw this.fail('String exceeds maximum length of 15', token.start, token.end)
    }
    if (token.kind === 'number' && (type === IPV4 || type === ETHER)) {
      // inet_aton: a number is an address too.
      if (type === IPV4) return BigInt(text)
    }
    const value = parseWord(type, text)
    if (value !== null) return value
    throw this.fail(type.complaint, token.start, token.end)
  }

  #prefix(type: Datatype, value: bigint, length: number, start: number): Constant {
    const { bits } = type
    if (length > bits) {
      const sentence = `Prefix length ${length} is invalid for type of ${bits} bits width`
      throw this.fail(sentence, start, this.last.end)
    }
    const host = (1n << BigInt(bits - length)) - 1n
    const low = value & ~host
    if (host === 0n) return { k: 'value', type, value: low }
    return { k: 'range', type, low, high: low | host }
  }

  /** `eth*`: every name that begins so. */
  #wildcard(type: Datatype): Constant | null {
    const token = this.peek()
    const { text } = token
    if ((token.kind !== 'word' && token.kind !== 'quoted') || !text.endsWith('*') || text.endsWith('\\*')) return null
    this.next()
    const stem = text.slice(0, -1)
    const low = parseWord(type, stem) ?? 0n
    const rest = (1n << BigInt(8 * (16 - stem.length))) - 1n
    return { k: 'range', type, low, high: low | rest }
  }
}

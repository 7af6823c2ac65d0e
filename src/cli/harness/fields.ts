/** The fields of one request, each checked when it is read. */
import { type Ipv4, tryParseIpv4 } from '../../wire/address.ts'

/** The request cannot be done, and changed nothing: `done` says why. */
export class Unsupported extends Error {}

export class Fields {
  readonly #all: Readonly<Record<string, unknown>>

  constructor(all: Readonly<Record<string, unknown>>) {
    this.#all = all
  }

  has(name: string): boolean {
    return this.#all[name] !== undefined
  }

  raw(name: string): unknown {
    return this.#all[name]
  }

  integer(name: string, least = -0x80000000, most = 0xffffffff): number {
    const value = this.#all[name]
    if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
      throw new Unsupported(`${name} is a whole number from ${least} to ${most}, not ${JSON.stringify(value)}`)
    }
    return value
  }

  integerOr(name: string, otherwise: number, least?: number, most?: number): number {
    return this.has(name) ? this.integer(name, least, most) : otherwise
  }

  /** Absent is false; 0 and 1 are taken as well. */
  flag(name: string): boolean {
    const value = this.#all[name] ?? false
    if (typeof value === 'boolean') return value
    if (value === 0 || value === 1) return value === 1
    throw new Unsupported(`${name} is true or false, not ${JSON.stringify(value)}`)
  }

  text(name: string): string {
    const value = this.#all[name]
    if (typeof value !== 'string') throw new Unsupported(`${name} is a string, not ${JSON.stringify(value)}`)
    return value
  }

  address(name: string): Ipv4 {
    const address = tryParseIpv4(this.text(name))
    if (address === null) throw new Unsupported(`${name} is an IPv4 address, not ${JSON.stringify(this.#all[name])}`)
    return address
  }

  /** Hexadecimal digits, two a byte. */
  bytes(name: string): Uint8Array {
    const text = this.text(name)
    if (text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text)) {
      throw new Unsupported(`${name} is a row of bytes, each two hexadecimal digits`)
    }
    return Uint8Array.from(Buffer.from(text, 'hex'))
  }

  /** Absent is none. */
  list(name: string): readonly unknown[] {
    const value = this.#all[name] ?? []
    if (!Array.isArray(value)) throw new Unsupported(`${name} is a list, not ${JSON.stringify(value)}`)
    return value
  }

  /** Names that `known` gives numbers to, as the sum of their bits. One name, or names with | between, will do. */
  bits(name: string, known: Readonly<Record<string, number>>): number {
    const value = this.#all[name]
    const names = typeof value === 'string' ? value.split('|').filter((each) => each !== '') : this.list(name)
    let bits = 0
    for (const each of names) {
      const bit = typeof each === 'string' && Object.hasOwn(known, each.trim()) ? known[each.trim()] : undefined
      if (bit === undefined) throw new Unsupported(`${name}: ${JSON.stringify(each)} is not modelled`)
      bits |= bit
    }
    return bits
  }
}

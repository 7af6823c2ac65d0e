/**
 * The words of iproute2's command lines: read from left to right, keywords and verbs may be cut short. What is
 * wrong with them ends the command with a sentence and an exit code, as in ip(8) itself.
 */

import type { AddressScope } from '../../net/device-address.ts'
import {
  type InterfaceAddress,
  type Ipv4,
  type Mac,
  tryParseInterfaceAddress,
  tryParseIpv4,
} from '../../wire/address.ts'
import type { Process, Program } from '../process.ts'

/** Ends a command: what it writes to standard error, and its exit code. */
export class ToolError extends Error {
  readonly status: number

  constructor(message: string, status: number) {
    super(message)
    this.name = 'ToolError'
    this.status = status
  }
}

/** What a command of iproute2 says about things that podwire has no model of. */
export function notModelled(what: string): ToolError {
  return new ToolError(`podwire: ${what} is not modelled`, 2)
}

/** The kernel's refusal. */
export function refused(reason: string, status = 2): ToolError {
  return new ToolError(`RTNETLINK answers: ${reason}`, status)
}

/** A program that may throw ToolError. */
export function tool(program: Program): Program {
  return async (self) => {
    try {
      return await program(self)
    } catch (error) {
      if (!(error instanceof ToolError)) throw error
      if (error.message !== '') self.err(`${error.message}\n`)
      return error.status
    }
  }
}

export class Words {
  readonly #words: readonly string[]
  #at = 0

  constructor(words: readonly string[]) {
    this.#words = words
  }

  get done(): boolean {
    return this.#at >= this.#words.length
  }

  /** The next word, which stays; empty at the end. */
  get peek(): string {
    return this.#words[this.#at] ?? ''
  }

  /** The next word; the line must go on. */
  take(): string {
    if (this.done) throw new ToolError('Command line is not complete. Try option "help"', 255)
    return this.#words[this.#at++]
  }

  /** The word that was taken last is the next one again. */
  back(): void {
    this.#at--
  }

  /** Takes the next word when it is exactly one of these. */
  accept(...words: string[]): boolean {
    if (this.done || !words.includes(this.peek)) return false
    this.#at++
    return true
  }

  /** All that is left. */
  rest(): string[] {
    const rest = this.#words.slice(this.#at)
    this.#at = this.#words.length
    return rest
  }
}

/** iproute2's matches(): the first of the full words that the given one is the beginning of. */
export function abbreviation(word: string, ...full: string[]): string | null {
  if (word === '') return null
  return full.find((each) => each.startsWith(word)) ?? null
}

export function takeAddress(words: Words): Ipv4 {
  const text = words.take()
  const address = tryParseIpv4(text)
  if (address !== null) return address
  if (text.includes(':')) throw notModelled('ip with IPv6 addresses')
  throw new ToolError(`Error: any valid address is expected rather than "${text}".`, 1)
}

/** `10.1.0.0/16` or an address; `default`, `any` and `all` are 0/0. */
export function takePrefix(words: Words): InterfaceAddress & { readonly bare: boolean } {
  const text = words.take()
  if (text === 'default' || text === 'any' || text === 'all') return { address: 0 as Ipv4, prefix: 0, bare: false }
  // iproute2 reads "10" as 10.0.0.0 and "10.1/16" as 10.1.0.0/16.
  const [head, length] = text.split('/')
  const octets = head.split('.')
  const full = octets.length < 4 && /^[0-9.]+$/.test(head) ? [...octets, '0', '0', '0'].slice(0, 4).join('.') : head
  const found = tryParseInterfaceAddress(length === undefined ? full : `${full}/${length}`)
  if (found !== null) return { ...found, bare: length === undefined }
  if (text.includes(':')) throw notModelled('ip with IPv6 addresses')
  throw new ToolError(`Error: any valid prefix is expected rather than "${text}".`, 1)
}

/** rt_scopes: a name or a number; -1 for `all`. */
export function takeScope(words: Words): AddressScope {
  const text = words.take()
  if (text === 'all') return -1
  if (text === 'global' || text === 'link' || text === 'host') return text
  if (text === 'nowhere') return 255
  if (text === 'site') return 200
  const number = /^[0-9]+$/.test(text) ? Number(text) : -1
  if (number < 0 || number > 255) throw new ToolError(`Error: argument "${text}" is wrong: invalid scope value.`, 255)
  if (number === 0) return 'global'
  if (number === 253) return 'link'
  return number === 254 ? 'host' : number
}

/** A whole number, or the sentence that this argument is wrong. */
export function takeNumber(words: Words, name: string): number {
  const text = words.take()
  if (!/^(0x[0-9a-f]+|[0-9]+)$/i.test(text)) {
    throw new ToolError(`Error: argument "${text}" is wrong: Invalid "${name}" value\n`, 255)
  }
  return Number(text)
}

export function takeMac(words: Words): Mac {
  const text = words.take()
  const octets = text.split(':')
  if (!octets.every((octet) => /^[0-9a-f]{1,2}$/i.test(octet))) throw new ToolError(`"${text}" is invalid lladdr.`, 1)
  if (octets.length !== 6) {
    throw new ToolError(`Invalid address length ${octets.length} - must be 6 bytes`, 1)
  }
  return Uint8Array.from(octets, (octet) => Number.parseInt(octet, 16))
}

/** The exit code of printing something: always well. */
export function printed(self: Process, text: string): number {
  self.out(text)
  return 0
}

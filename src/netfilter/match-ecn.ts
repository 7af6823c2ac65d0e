/** `-m ecn`: explicit congestion notification in the IP and the TCP header (RFC 3168). */

import * as ipv4 from '../wire/ipv4.ts'
import { IPPROTO_TCP } from '../wire/ipv4.ts'
import * as tcp from '../wire/tcp.ts'
import { NetfilterError, RuleRefused } from './error.ts'
import { bang, Match } from './match.ts'
import type { Packet } from './packet.ts'
import { parseNumber, type Words } from './words.ts'

/** Whether something is asked for, and whether it must not be. */
interface Wish {
  readonly not: boolean
}

export class EcnMatch extends Match {
  readonly name = 'ecn'
  #ece: Wish | null = null
  #cwr: Wish | null = null
  #ect: (Wish & { readonly value: number }) | null = null
  #protocol = 0

  override option(name: string, words: Words, not: boolean): boolean {
    if (name === '--ecn-tcp-ece') this.#ece = { not }
    else if (name === '--ecn-tcp-cwr') this.#cwr = { not }
    else if (name === '--ecn-ip-ect') this.#ect = { not, value: parseNumber(words.value(name), name, 0, 3, 'ecn') }
    else return false
    return true
  }

  override check(protocol: number): void {
    if (this.#ece === null && this.#cwr === null && this.#ect === null) {
      throw new NetfilterError('ECN match: some option required')
    }
    this.#protocol = protocol
  }

  override allow(): void {
    if ((this.#ece !== null || this.#cwr !== null) && this.#protocol !== IPPROTO_TCP) {
      throw new RuleRefused('xt_ecn: cannot match TCP bits for non-tcp packets')
    }
  }

  override test(packet: Packet): boolean {
    const { bytes, network, transport } = packet
    if (this.#ect !== null && ((ipv4.tos(bytes, network) & 3) === this.#ect.value) === this.#ect.not) return false
    if (this.#ece === null && this.#cwr === null) return true
    if (!packet.carries(tcp.HEADER)) return false
    const flags = tcp.flags(bytes, transport)
    if (this.#ece !== null && ((flags & tcp.ECE) !== 0) === this.#ece.not) return false
    return this.#cwr === null || ((flags & tcp.CWR) !== 0) !== this.#cwr.not
  }

  override save(): string {
    const parts: string[] = []
    if (this.#ece !== null) parts.push(`${bang(this.#ece.not)}--ecn-tcp-ece`)
    if (this.#cwr !== null) parts.push(`${bang(this.#cwr.not)}--ecn-tcp-cwr`)
    if (this.#ect !== null) parts.push(`${bang(this.#ect.not)}--ecn-ip-ect ${this.#ect.value}`)
    return parts.join(' ')
  }

  override list(): string {
    const sign = (wish: Wish) => (wish.not ? '!' : '')
    const parts = ['ECN match']
    if (this.#ece !== null) parts.push(`${sign(this.#ece)}ECE`)
    if (this.#cwr !== null) parts.push(`${sign(this.#cwr)}CWR`)
    if (this.#ect !== null) parts.push(`${sign(this.#ect)}ECT=${this.#ect.value}`)
    return parts.join(' ')
  }
}

/** `-m rpfilter`: does the way back to the sender begin at the device the packet came by (RFC 3704)? */
import { type Ipv4, isMulticast } from '../wire/address.ts'
import * as ipv4 from '../wire/ipv4.ts'
import { RuleRefused } from './error.ts'
import { Hook, hookNames, type TableName } from './hook.ts'
import { Match } from './match.ts'
import type { Packet } from './packet.ts'
import { refuseNot, type Words } from './words.ts'

const ANY = 0 as Ipv4

export class RpfilterMatch extends Match {
  readonly name = 'rpfilter'
  #loose = false
  #validMark = false
  #acceptLocal = false
  #invert = false

  override option(name: string, _words: Words, not: boolean): boolean {
    if (name === '--loose') this.#loose = true
    else if (name === '--validmark') this.#validMark = true
    else if (name === '--accept-local') this.#acceptLocal = true
    else if (name === '--invert') this.#invert = true
    else return false
    refuseNot(not, name, 'rpfilter')
    return true
  }

  override allow(table: TableName, hook: Hook | null): void {
    if (table !== 'raw' && table !== 'mangle') {
      throw new RuleRefused("xt_rpfilter: only valid in 'raw' or 'mangle' table, not '" + table + "'")
    }
    if (hook === null || hook === Hook.PREROUTING) return
    const used = `used from hooks ${hookNames[hook]}`
    throw new RuleRefused(`x_tables: ip_tables: rpfilter match: ${used}, but only valid from PREROUTING`)
  }

  override test(packet: Packet): boolean {
    const { frame, input, source, destination, host } = packet
    if (input === null) return this.#invert
    // From nowhere to everybody: a DHCP client.
    if (source >>> 24 === 0 && (destination === -1 || isMulticast(destination))) return !this.#invert
    const to = isMulticast(destination) || destination === -1 || destination >>> 24 === 0 ? ANY : destination
    const mark = this.#validMark ? frame.mark : 0
    const tos = ipv4.tos(packet.bytes, packet.network)
    const good = host.answersBy(source, to, input, mark, tos, this.#loose, this.#acceptLocal)
    return good !== this.#invert
  }

  #words(): string[] {
    const words: string[] = []
    if (this.#loose) words.push('loose')
    if (this.#validMark) words.push('validmark')
    if (this.#acceptLocal) words.push('accept-local')
    if (this.#invert) words.push('invert')
    return words
  }

  override save(): string {
    return this.#words()
      .map((word) => `--${word}`)
      .join(' ')
  }

  override list(): string {
    return ['rpfilter', ...this.#words()].join(' ')
  }
}

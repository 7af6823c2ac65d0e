/** Matches on how a packet came: mac (its sender on the link), pkttype (to whom it was sent there). */
import { formatMac, type Mac } from '../wire/address.ts'
import * as ethernet from '../wire/ethernet.ts'
import { missingOption, NetfilterError, RuleRefused } from './error.ts'
import { Hook, hookNames, type TableName } from './hook.ts'
import { bang, Match } from './match.ts'
import type { Packet } from './packet.ts'
import type { Words } from './words.ts'

/** `-m mac --mac-source 00:11:22:33:44:55` */
export class MacMatch extends Match {
  readonly name = 'mac'
  #mac: Mac | null = null
  #not = false

  override option(name: string, words: Words, not: boolean): boolean {
    if (name !== '--mac-source') return false
    const octets = words.value(name).split(':')
    if (octets.length !== 6 || !octets.every((octet) => /^[0-9a-f]{1,2}$/i.test(octet))) {
      throw new NetfilterError('Invalid MAC address specified.')
    }
    this.#mac = Uint8Array.from(octets, (octet) => Number.parseInt(octet, 16))
    this.#not = not
    return true
  }

  override check(): void {
    if (this.#mac === null) throw missingOption('mac', '--mac-source')
  }

  override allow(_table: TableName, hook: Hook | null): void {
    if (hook !== Hook.OUTPUT && hook !== Hook.POSTROUTING) return
    const used = `used from hooks ${hookNames[hook]}`
    throw new RuleRefused(`x_tables: ip_tables: mac match: ${used}, but only valid from PREROUTING/INPUT/FORWARD`)
  }

  override test(packet: Packet): boolean {
    const mac = this.#mac
    const at = packet.network - ethernet.HEADER + 6
    if (mac === null || packet.input === null || at < 0) return false
    for (let i = 0; i < 6; i++) if (packet.bytes[at + i] !== mac[i]) return this.#not
    return !this.#not
  }

  override save(): string {
    return `${bang(this.#not)}--mac-source ${this.#mac === null ? '' : formatMac(this.#mac, 0)}`
  }

  override list(): string {
    return `MAC ${bang(this.#not)}${this.#mac === null ? '' : formatMac(this.#mac, 0)}`
  }
}

const types: readonly string[] = ['unicast', 'broadcast', 'multicast']

/** `-m pkttype --pkt-type broadcast`: by the Ethernet destination. */
export class PkttypeMatch extends Match {
  readonly name = 'pkttype'
  #type = ''
  #not = false

  override option(name: string, words: Words, not: boolean): boolean {
    if (name !== '--pkt-type') return false
    const text = words.value(name)
    const word = { bcast: 'broadcast', mcast: 'multicast', host: 'unicast' }[text] ?? text
    if (!types.includes(word)) throw new NetfilterError(`Bad packet type '${text}'`)
    this.#type = word
    this.#not = not
    return true
  }

  override check(): void {
    if (this.#type === '') throw missingOption('pkttype', '--pkt-type')
  }

  override test(packet: Packet): boolean {
    let type = 'unicast'
    if (packet.input !== null && packet.frame.group) {
      const at = packet.network - ethernet.HEADER

      type = at >= 0 && packet.bytes[at] === 0xff ? 'broadcast' : 'multicast'
    }
    return (type === this.#type) !== this.#not
  }

  override save(): string {
    return `${bang(this.#not)}--pkt-type ${this.#type}`
  }

  override list(): string {
    return `PKTTYPE ${this.#not ? '!=' : '='} ${this.#type}`
  }
}

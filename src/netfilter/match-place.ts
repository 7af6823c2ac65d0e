/** Matches on where a packet is from or going: kinds of address (addrtype), ports of a bridge (physdev). */
import { NetfilterError, RuleRefused } from './error.ts'
import { Hook, type TableName } from './hook.ts'
import { type AddressType, addressTypes } from './host.ts'
import { InterfaceName } from './interface-name.ts'
import { bang, Match } from './match.ts'
import type { Packet } from './packet.ts'
import { refuseNot, type Words } from './words.ts'

function parseTypes(text: string): AddressType[] {
  const words = text.split(',')
  for (const word of words) {
    if (!addressTypes.some((type) => type === word)) throw new NetfilterError(`addrtype: bad type "${word}"`)
  }
  return addressTypes.filter((type) => words.includes(type))
}

/** `-m addrtype --dst-type LOCAL`: what the routing tables say of an address. */
export class AddrtypeMatch extends Match {
  readonly name = 'addrtype'
  #source: AddressType[] = []
  #sourceNot = false
  #destination: AddressType[] = []
  #destinationNot = false
  #limitIn = false
  #limitOut = false

  override get steady(): boolean {
    return true
  }

  override get shareable(): boolean {
    return true
  }

  override option(name: string, words: Words, not: boolean): boolean {
    switch (name) {
      case '--src-type':
        this.#source = parseTypes(words.value(name))
        this.#sourceNot = not
        return true
      case '--dst-type':
        this.#destination = parseTypes(words.value(name))
        this.#destinationNot = not
        return true
      case '--limit-iface-in':
        refuseNot(not, name)
        this.#limitIn = true
        return true
      case '--limit-iface-out':
        refuseNot(not, name)
        this.#limitOut = true
        return true
      default:
        return false
    }
  }

  override check(): void {
    if (this.#source.length === 0 && this.#destination.length === 0) {
      throw new NetfilterError('addrtype: you must specify --src-type or --dst-type')
    }
    if (this.#limitIn && this.#limitOut) {
      throw new NetfilterError('addrtype: --limit-iface-in and --limit-iface-out exclude each other')
    }
  }

  override allow(_table: TableName, hook: Hook | null): void {
    const leaving = hook === Hook.OUTPUT || hook === Hook.POSTROUTING
    const entering = hook === Hook.PREROUTING || hook === Hook.INPUT
    if (this.#limitIn && leaving) {
      throw new RuleRefused('xt_addrtype: input interface limitation not valid in POSTROUTING and OUTPUT')
    }
    if (this.#limitOut && entering) {
      throw new RuleRefused('xt_addrtype: output interface limitation not valid in PREROUTING and INPUT')
    }
  }

  override test(packet: Packet): boolean {
    const device = this.#limitIn ? packet.input : this.#limitOut ? packet.output : null
    if (this.#source.length > 0) {
      const type = packet.host.addressType(packet.source, device)
      if (this.#source.includes(type) === this.#sourceNot) return false
    }
    if (this.#destination.length > 0) {
      const type = packet.host.addressType(packet.destination, device)
      if (this.#destination.includes(type) === this.#destinationNot) return false
    }
    return true
  }

  override save(): string {
    const parts: string[] = []
    if (this.#source.length > 0) parts.push(`${bang(this.#sourceNot)}--src-type ${this.#source.join(',')}`)
    if (this.#destination.length > 0) {
      parts.push(`${bang(this.#destinationNot)}--dst-type ${this.#destination.join(',')}`)
    }
    if (this.#limitIn) parts.push('--limit-iface-in')
    if (this.#limitOut) parts.push('--limit-iface-out')
    return parts.join(' ')
  }

  override list(): string {
    let text = 'ADDRTYPE match'
    if (this.#source.length > 0) text += ` src-type ${this.#sourceNot ? '!' : ''}${this.#source.join(',')}`
    if (this.#destination.length > 0) {
      text += ` dst-type ${this.#destinationNot ? '!' : ''}${this.#destination.join(',')}`
    }
    if (this.#limitIn) text += ' limit-in'
    if (this.#limitOut) text += ' limit-out'
    return text
  }
}

/** `-m physdev`: the bridge ports of a frame that came or goes through a bridge (br_netfilter). */
export class PhysdevMatch extends Match {
  readonly name = 'physdev'
  #input = new InterfaceName()
  #output = new InterfaceName()
  #isIn: boolean | null = null
  #isOut: boolean | null = null
  #isBridged: boolean | null = null

  override get steady(): boolean {
    return true
  }

  override option(name: string, words: Words, not: boolean): boolean {
    switch (name) {
      case '--physdev-in':
        this.#input.set(words.value(name), not)
        return true
      case '--physdev-out':
        this.#output.set(words.value(name), not)
        return true
      case '--physdev-is-in':
        this.#isIn = !not
        return true
      case '--physdev-is-out':
        this.#isOut = !not
        return true
      case '--physdev-is-bridged':
        this.#isBridged = !not
        return true
      default:
        return false
    }
  }

  override check(): void {
    const named = this.#input.given || this.#output.given
    if (!named && this.#isIn === null && this.#isOut === null && this.#isBridged === null) {
      throw new NetfilterError('PHYSDEV: no physdev option specified')
    }
  }

  override test(packet: Packet): boolean {
    const input = packet.frame.bridgeInput
    const output = packet.frame.bridgeOutput
    // Bridged means that it goes from port to port: before FORWARD nobody can know that.
    const bridged = input !== null && output !== null && packet.hook !== Hook.PREROUTING
    return (
      asked(this.#isBridged, bridged) &&
      asked(this.#isIn, input !== null) &&
      asked(this.#isOut, output !== null) &&
      named(this.#input, input) &&
      named(this.#output, output)
    )
  }

  override save(): string {
    return this.#parts('--physdev-').join(' ')
  }

  override list(): string {
    return `PHYSDEV match ${this.#parts('--physdev-').join(' ')}`
  }

  #parts(prefix: string): string[] {
    const parts: string[] = []
    if (this.#input.given) parts.push(`${bang(this.#input.not)}${prefix}in ${this.#input.text}`)
    if (this.#isIn !== null) parts.push(`${bang(!this.#isIn)}${prefix}is-in`)
    if (this.#isOut !== null) parts.push(`${bang(!this.#isOut)}${prefix}is-out`)
    if (this.#output.given) parts.push(`${bang(this.#output.not)}${prefix}out ${this.#output.text}`)
    if (this.#isBridged !== null) parts.push(`${bang(!this.#isBridged)}${prefix}is-bridged`)
    return parts
  }
}

function asked(question: boolean | null, truth: boolean): boolean {
  return question === null || question === truth
}

function named(name: InterfaceName, device: { readonly name: string } | null): boolean {
  return !name.given || name.holds(device)
}

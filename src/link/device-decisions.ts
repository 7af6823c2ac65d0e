/** Which of the devices upon another one takes a frame, for whoever traces (see decision.ts). */
import { formatMac, type Mac } from '../wire/address.ts'
import { Decision } from './decision.ts'

interface Named {
  readonly name: string
}

/** A VLAN's tag says so; the entry is what `ip -d link` says of the device. */
export class VlanTag extends Decision {
  override readonly kind = 'cable'
  readonly #device: string
  readonly #lower: string
  readonly #id: number
  readonly #arrives: boolean

  constructor(device: Named & { readonly lower: Named; readonly id: number }, arrives: boolean) {
    super()
    this.#device = device.name
    this.#lower = device.lower.name
    this.#id = device.id
    this.#arrives = arrives
  }

  override sentence(): string {
    if (this.#arrives) return `tag ${this.#id}: ${this.#device} takes it from ${this.#lower}, without the tag`
    return `${this.#device} sends it by ${this.#lower} with tag ${this.#id}`
  }

  override entry(): string {
    return `vlan protocol 802.1Q id ${this.#id}`
  }

  override command(): string {
    return `ip -d link show dev ${this.#device}`
  }
}

/** A macvlan takes it by its MAC, or gets a copy of what is for many. */
export class ByMac extends Decision {
  override readonly kind = 'cable'
  readonly #device: string
  readonly #lower: string
  readonly #mac: Mac
  readonly #copy: boolean

  constructor(device: Named & { readonly lower: Named; readonly mac: Mac }, copy: boolean) {
    super()
    this.#device = device.name
    this.#lower = device.lower.name
    this.#mac = device.mac
    this.#copy = copy
  }

  override sentence(): string {
    if (this.#copy) return `for many: this copy is for ${this.#device}, upon ${this.#lower}`
    return `the destination is ${this.#device}'s address, upon ${this.#lower}`
  }

  override entry(): string {
    return `link/ether ${formatMac(this.#mac)}`
  }

  override command(): string {
    return `ip link show dev ${this.#device}`
  }
}

/** Where a device's frames end that has no cable. */
export class Ends extends Decision {
  override readonly kind = 'cable'
  readonly #sentence: string

  constructor(sentence: string) {
    super()
    this.#sentence = sentence
  }

  override sentence(): string {
    return this.#sentence
  }
}

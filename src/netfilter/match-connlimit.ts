/** `-m connlimit --connlimit-above 3`: how many connections an address, or a network, has open (xt_connlimit.c). */
import { type Ipv4, mask } from '../wire/address.ts'
import { NetfilterError } from './error.ts'
import type { Flow } from './flow.ts'
import { Match } from './match.ts'
import type { Packet } from './packet.ts'
import { Status } from './status.ts'
import { parseNumber, refuseNot, type Words } from './words.ts'

const TIME_WAIT = 7
const CLOSE = 8

export class ConnlimitMatch extends Match {
  readonly name = 'connlimit'
  #limit = -1
  #upto = false
  #prefix = 32
  #ofDestination = false
  /** The flows counted so far, by network. */
  #counted = new Map<Ipv4, Flow[]>()
  /** How many the last packet's network has. */
  #open = 0

  override get tracks(): boolean {
    return true
  }

  override option(name: string, words: Words, not: boolean): boolean {
    if (name === '--connlimit-above' || name === '--connlimit-upto') {
      this.#limit = parseNumber(words.value(name), name, 0, 0xffffffff, 'connlimit')
      this.#upto = (name === '--connlimit-upto') !== not
      return true
    }
    if (name === '--connlimit-mask') this.#prefix = parseNumber(words.value(name), name, 0, 32, 'connlimit')
    else if (name === '--connlimit-saddr') this.#ofDestination = false
    else if (name === '--connlimit-daddr') this.#ofDestination = true
    else return false
    refuseNot(not, name, 'connlimit')
    return true
  }

  override check(): void {
    if (this.#limit < 0) throw new NetfilterError('You must specify "--connlimit-above" or "--connlimit-upto".')
  }

  override test(packet: Packet): boolean {
    const address = this.#ofDestination ? packet.destination : packet.source
    const network = (address & mask(this.#prefix)) as Ipv4
    const { flow } = packet
    let flows = this.#counted.get(network)
    if (flows === undefined) {
      flows = []
      this.#counted.set(network, flows)
    }
    let known = false
    let kept = 0
    for (let i = 0; i < flows.length; i++) {
      const each = flows[i]
      const state = each.tcp === null ? 0 : each.tcp.state
      const over = (each.status & Status.DYING) !== 0 || state === TIME_WAIT || state === CLOSE
      if (over && each !== flow) continue
      if (each === flow) known = true
      flows[kept++] = each
    }
    flows.length = kept
    if (!known && flow !== null) flows.push(flow)
    this.#open = flows.length
    return flows.length > this.#limit !== this.#upto
  }

  override get fickle(): boolean {
    return true
  }

  override reason(): string {
    return `${this.#open} ${this.#open === 1 ? 'connection' : 'connections'} open, the limit is ${this.#limit}`
  }

  override save(): string {
    const kind = this.#upto ? 'upto' : 'above'
    const side = this.#ofDestination ? 'daddr' : 'saddr'
    return `--connlimit-${kind} ${this.#limit} --connlimit-mask ${this.#prefix} --connlimit-${side}`
  }

  override list(): string {
    return `#conn ${this.#ofDestination ? 'dst' : 'src'}/${this.#prefix} ${this.#upto ? '<=' : '>'} ${this.#limit}`
  }
}

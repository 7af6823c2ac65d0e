/**
 * Which Services of a fleet a node's kube-proxy has rules for. There are thousands, and a node's pods ask for few: the rules
 * of one are written when the first packet to its address comes by, or when somebody looks at the rules.
 */
import type { Ipv4 } from '../wire/address.ts'
import type { Service } from './objects.ts'
import type { Store } from './store.ts'

/** The Services of a fleet: by address and by uid. */
export class StandingServices {
  readonly #byAddress = new Map<Ipv4, string>()
  /** With how many endpoints each has. */
  readonly #endpoints = new Map<string, number>()
  #others: readonly Service[] | null = null
  #unlisten: (() => void) | null = null
  /** How many endpoints they have: kube-proxy writes its rules in short when there are many in all. */
  endpoints = 0

  add(uid: string, address: Ipv4, endpoints: number): void {
    this.#byAddress.set(address, uid)
    this.#endpoints.set(uid, endpoints)
    this.endpoints += endpoints
    this.#others = null
  }

  /** All other Services, which every node has rules for: by namespace, then name. */
  others(store: Store): readonly Service[] {
    if (this.#others === null) {
      this.#unlisten ??= store.listen('Service', () => {
        this.#others = null
      })
      this.#others = store.list<Service>('Service', null, (service) => !this.has(service.metadata.uid as string))
    }
    return this.#others
  }

  at(address: Ipv4): string | null {
    return this.#byAddress.get(address) ?? null
  }

  has(uid: string): boolean {
    return this.#endpoints.has(uid)
  }

  endpointsOf(uid: string): number {
    return this.#endpoints.get(uid) ?? 0
  }
}

/** What one node has of them. */
export class ServiceSelection {
  readonly standing: StandingServices
  readonly #asked = new Set<string>()
  #all = false
  #written = 0

  constructor(standing: StandingServices) {
    this.standing = standing
  }

  /** Endpoints of Services whose rules are not there. */
  get waiting(): number {
    return this.#all ? 0 : this.standing.endpoints - this.#written
  }

  /** Those that the node has rules for, in no order. */
  list(store: Store): Service[] {
    if (this.#all) return store.list<Service>('Service')
    const asked = [...this.#asked].map((uid) => store.find(uid) as Service | null)
    return [...this.standing.others(store), ...asked.filter((service) => service !== null)]
  }

  /** Somebody sends there. True: the rules are another Service's richer now. */
  ask(address: Ipv4): boolean {
    const uid = this.#all ? null : this.standing.at(address)
    if (uid === null || this.#asked.has(uid)) return false
    this.#asked.add(uid)
    this.#written += this.standing.endpointsOf(uid)
    return true
  }

  /** The node is to have all. True: that is news. */
  askAll(): boolean {
    const news = !this.#all
    this.#all = true
    return news
  }
}

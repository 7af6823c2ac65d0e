/**
 * IP sets: addresses, networks and ports that one rule asks for at once (net/netfilter/ipset). A set keeps its
 * elements in hash buckets under two 32-bit keys, so that the question of a packet allocates nothing.
 */
import { type Ipv4, ipv4, mask } from '../wire/address.ts'

export type SetType = 'hash:ip' | 'hash:net' | 'hash:ip,port' | 'hash:net,port' | 'bitmap:port'

/** What `ipset create` fixes. */
export interface SetOptions {
  readonly hashsize: number
  readonly maxelem: number
  /** Prefix length that hash:ip and hash:ip,port cut addresses to; 32: none. */
  readonly netmask: number
  /** Seconds an element lives unless it says otherwise; null: elements do not age. */
  readonly timeout: number | null
  readonly counters: boolean
  readonly comment: boolean
  /** Of bitmap:port. */
  readonly low: number
  readonly high: number
  /** The seed of the hash, printed only. */
  readonly initval: number
}

/** What the kernel says to an element. */
export const Found = { NO: 0, YES: 1, NOMATCH: -1 } as const
export type Found = (typeof Found)[keyof typeof Found]

function mix(address: number, rest: number): number {
  let hash = Math.imul(address ^ (address >>> 15), 0x2c1b3c6d) ^ Math.imul(rest ^ (rest >>> 13), 0x297a2d39)
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39)
  return hash ^ (hash >>> 15)
}

/** Prefix length, protocol and port in 30 bits. */
export function keyOf(prefix: number, protocol: number, port: number): number {
  return (prefix << 24) | (protocol << 16) | port
}

export class SetElement {
  readonly address: Ipv4
  readonly prefix: number
  readonly protocol: number
  readonly port: number
  readonly key: number
  nomatch = false
  /** Nanoseconds; 0: never. */
  expires = 0
  packets = 0
  bytes = 0
  comment = ''
  /** In its hash bucket. */
  next: SetElement | null = null

  constructor(address: Ipv4, prefix: number, protocol: number, port: number) {
    this.address = address
    this.prefix = prefix
    this.protocol = protocol
    this.port = port
    this.key = keyOf(prefix, protocol, port)
  }
}

export class IpSet {
  readonly type: SetType
  readonly options: SetOptions
  /** All elements, oldest first; those whose time is over are still there until somebody looks. */
  readonly elements = new Set<SetElement>()
  /** Are elements networks (and /0 to /32 asked for one after the other)? */
  readonly nets: boolean
  /** How many of `src,dst` the set wants. */
  readonly dimension: number
  #buckets: (SetElement | null)[] = new Array<SetElement | null>(64).fill(null)
  /** How many elements have a prefix of this length. */
  #prefixes = new Int32Array(33)
  /** The element that `test` found last. */
  hit: SetElement | null = null

  constructor(type: SetType, options: SetOptions) {
    this.type = type
    this.options = options
    this.nets = type.startsWith('hash:net')
    this.dimension = type.endsWith(',port') ? 2 : 1
  }

  /** The very element, null when there is none that still lives. */
  find(address: Ipv4, key: number, now: number): SetElement | null {
    const buckets = this.#buckets
    let element = buckets[mix(address, key) & (buckets.length - 1)]
    while (element !== null && (element.address !== address || element.key !== key)) element = element.next
    return element === null || (element.expires !== 0 && element.expires <= now) ? null : element
  }

  /** Is the address (and port) in the set? Networks are tried from the narrowest (mtype_test_cidrs). */
  test(address: Ipv4, protocol: number, port: number, now: number): Found {
    this.hit = null
    if (!this.nets) {
      const bits = this.options.netmask
      const network = bits === 32 ? address : ipv4(address & mask(bits))
      this.hit = this.find(network, keyOf(0, protocol, port), now)
      return this.hit === null ? Found.NO : Found.YES
    }
    for (let prefix = 32; prefix > 0; prefix--) {
      if (this.#prefixes[prefix] === 0) continue
      this.hit = this.find(ipv4(address & mask(prefix)), keyOf(prefix, protocol, port), now)
      if (this.hit !== null) return this.hit.nomatch ? Found.NOMATCH : Found.YES
    }
    return Found.NO
  }

  /** The narrowest prefix there is, /32 in an empty set: what `-j SET` adds to a set of networks. */
  get narrowest(): number {
    for (let prefix = 32; prefix > 0; prefix--) if (this.#prefixes[prefix] !== 0) return prefix
    return 32
  }

  /** False when the set is full. An element with the same key is replaced. */
  add(element: SetElement, now: number): boolean {
    const old = this.#dead(element)
    if (old !== null) this.delete(old)
    if (this.elements.size >= this.options.maxelem) {
      this.expire(now)
      if (this.elements.size >= this.options.maxelem) return false
    }
    if (this.elements.size >= this.#buckets.length) this.#grow()
    this.elements.add(element)
    this.#prefixes[element.prefix]++
    this.#link(element)
    return true
  }

  delete(element: SetElement): void {
    const at = mix(element.address, element.key) & (this.#buckets.length - 1)
    let before: SetElement | null = null
    for (let one = this.#buckets[at]; one !== null; one = one.next) {
      if (one === element) {
        if (before === null) this.#buckets[at] = one.next
        else before.next = one.next
        break
      }
      before = one
    }
    this.elements.delete(element)
    this.#prefixes[element.prefix]--
  }

  flush(): void {
    this.elements.clear()
    this.#buckets.fill(null)
    this.#prefixes.fill(0)
  }

  /** Throws out what is too old. */
  expire(now: number): void {
    if (this.options.timeout === null) return
    for (const element of this.elements) if (element.expires !== 0 && element.expires <= now) this.delete(element)
  }

  /** Bytes as the kernel counts them, each element alone in its bucket of two (mtype_memsize). */
  get memory(): number {
    const { timeout, counters, comment, low, high } = this.options
    let size = this.type === 'hash:ip' ? 4 : this.type === 'bitmap:port' ? 0 : 8
    if ((timeout !== null || counters || comment) && size === 4) size = 8
    size += (timeout === null ? 0 : 8) + (counters ? 16 : 0) + (comment ? 8 : 0)
    let notes = 0
    for (const element of this.elements) if (element.comment !== '') notes += element.comment.length + 17
    if (this.type === 'bitmap:port') return 72 + Math.ceil((high - low + 1) / 64) * 8 + size * (high - low + 1) + notes
    return (this.nets ? 456 : 216) + this.elements.size * (32 + 2 * size) + notes
  }

  #dead(element: SetElement): SetElement | null {
    return this.find(element.address, element.key, Number.NEGATIVE_INFINITY)
  }

  #link(element: SetElement): void {
    const at = mix(element.address, element.key) & (this.#buckets.length - 1)
    element.next = this.#buckets[at]
    this.#buckets[at] = element
  }

  #grow(): void {
    this.#buckets = new Array<SetElement | null>(this.#buckets.length * 2).fill(null)
    for (const element of this.elements) this.#link(element)
  }
}

/** The place of a set under its name. Rules hold the place: `ipset swap` changes what stands there. */
export class SetPlace {
  name: string
  set: IpSet

  constructor(name: string, set: IpSet) {
    this.name = name
    this.set = set
  }
}

/** The sets of one namespace, in the order in which they were made. */
export class IpSets {
  readonly places: SetPlace[] = []
  /** Virtual time in nanoseconds. */
  now: () => number = () => 0
  /** 32 random bits. */
  seed: () => number = () => 0
  /** How many rules name the set. */
  references: (place: SetPlace) => number = () => 0

  find(name: string): SetPlace | null {
    return this.places.find((place) => place.name === name) ?? null
  }
}

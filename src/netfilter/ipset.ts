/**
 * IP sets: addresses, networks and ports that one rule asks for at once (net/netfilter/ipset). A set keeps its
 * elements in hash buckets under two 32-bit keys, so that the question of a packet allocates nothing.
 */
import { type Ipv4, ipv4, mask } from '../wire/address.ts'

export type SetType =
  | 'hash:ip'
  | 'hash:net'
  | 'hash:ip,port'
  | 'hash:net,port'
  | 'hash:ip,port,ip'
  | 'hash:ip,port,net'
  | 'hash:net,iface'
  | 'bitmap:port'
  | 'bitmap:ip'
  | 'bitmap:ip,mac'

/** What `ipset create` fixes. */
export interface SetOptions {
  readonly hashsize: number
  readonly maxelem: number
  /** Prefix length that hash:ip, hash:ip,port and bitmap:ip cut addresses to; 32: none. */
  readonly netmask: number
  /** Seconds an element lives unless it says otherwise; null: elements do not age. */
  readonly timeout: number | null
  readonly counters: boolean
  readonly comment: boolean
  /** Of bitmaps: ports, or addresses as unsigned numbers. */
  readonly low: number
  readonly high: number
  /** The seed of the hash, printed only. */
  readonly initval: number
}

/** An entry of a list of sets. */
export class ListEntry {
  readonly place: SetPlace
  expires = 0
  packets = 0
  bytes = 0
  comment = ''

  constructor(place: SetPlace) {
    this.place = place
  }
}

/** list:set: sets that are asked one after the other. */
export class ListSet {
  readonly type = 'list:set'
  readonly options: SetOptions
  readonly size: number
  entries: ListEntry[] = []

  constructor(options: SetOptions, size: number) {
    this.options = options
    this.size = size
  }

  expire(now: number): void {
    this.entries = this.entries.filter(({ expires }) => expires === 0 || expires > now)
  }

  indexOf(place: SetPlace): number {
    return this.entries.findIndex((entry) => entry.place === place)
  }

  /** Bytes as the kernel counts them. */
  get memory(): number {
    const { timeout, counters, comment } = this.options
    const size = 48 + (timeout === null ? 0 : 8) + (counters ? 16 : 0) + (comment ? 8 : 0)
    let notes = 0
    for (const entry of this.entries) if (entry.comment !== '') notes += entry.comment.length + 17
    return 80 + this.entries.length * size + notes
  }
}

/** What the kernel says to an element. */
export const Found = { NO: 0, YES: 1, NOMATCH: -1 } as const
export type Found = (typeof Found)[keyof typeof Found]

function mix(address: number, rest: number, second: number): number {
  let hash = Math.imul(address ^ (address >>> 15), 0x2c1b3c6d) ^ Math.imul(rest ^ (rest >>> 13), 0x297a2d39)
  hash ^= Math.imul(second ^ (second >>> 14), 0x7feb352d)
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39)
  return hash ^ (hash >>> 15)
}

/** Prefix length, protocol and port in 30 bits. */
export function keyOf(prefix: number, protocol: number, port: number): number {
  return (prefix << 24) | (protocol << 16) | port
}

/** What a set is asked, by a packet or by a person. */
export interface SetQuery {
  readonly address: Ipv4
  readonly protocol: number
  readonly port: number
  /** The second address; of hash:net,iface the number of the device, negative when the set knows none of that name. */
  readonly second: number
  /** A MAC address as two numbers of 24 bits; -1: not asked for. */
  readonly macHigh: number
  readonly macLow: number
}

export class SetElement implements SetQuery {
  readonly address: Ipv4
  readonly prefix: number
  readonly protocol: number
  readonly port: number
  /** The second address, or the device's number (a physical one: plus 2^20). */
  readonly second: number
  /** The second address's prefix length. */
  readonly prefix2: number
  readonly key: number
  /** Of bitmap:ip,mac; -1: the next packet from the address fills it in. */
  macHigh = -1
  macLow = -1
  nomatch = false
  /** Nanoseconds; 0: never. */
  expires = 0
  packets = 0
  bytes = 0
  comment = ''
  /** In its hash bucket. */
  next: SetElement | null = null

  constructor(address: Ipv4, prefix: number, protocol: number, port: number, second = 0, prefix2 = 0) {
    this.address = address
    this.second = second
    this.prefix2 = prefix2
    this.prefix = prefix
    this.protocol = protocol
    this.port = port
    this.key = keyOf(prefix + prefix2, protocol, port)
  }
}

export class IpSet {
  readonly type: SetType
  readonly options: SetOptions
  /** All elements, oldest first; those whose time is over are still there until somebody looks. */
  readonly elements = new Set<SetElement>()
  /** Are elements networks (and /0 to /32 asked for one after the other)? Of hash:ip,port,net the last part is. */
  readonly nets: boolean
  /** Devices by name, of hash:net,iface. */
  readonly devices = new Map<string, number>()
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
    this.nets = type.includes('net')
    this.dimension = type.split(',').length
  }

  /** The very element, null when there is none that still lives. */
  find(address: Ipv4, key: number, second: number, now: number): SetElement | null {
    const buckets = this.#buckets
    let element = buckets[mix(address, key, second) & (buckets.length - 1)]
    while (element !== null && (element.address !== address || element.key !== key || element.second !== second)) {
      element = element.next
    }
    return element === null || (element.expires !== 0 && element.expires <= now) ? null : element
  }

  /** Is the address (and port) in the set? Networks are tried from the narrowest (mtype_test_cidrs). */
  test(query: SetQuery, now: number): Found {
    const { address, protocol, port, second } = query
    this.hit = null
    if (!this.nets) {
      const bits = this.options.netmask
      const network = bits === 32 ? address : ipv4(address & mask(bits))
      this.hit = this.find(network, keyOf(0, protocol, port), second, now)
      if (this.hit === null) return Found.NO
      return this.type === 'bitmap:ip,mac' && !sameMac(this.hit, query) ? Found.NO : Found.YES
    }
    const last = this.type === 'hash:ip,port,net'
    for (let prefix = 32; prefix >= 0; prefix--) {
      if (this.#prefixes[prefix] === 0) continue
      const bits = mask(prefix)
      const key = keyOf(prefix, protocol, port)
      if (last) this.hit = this.find(address, key, second & bits, now)
      else this.hit = this.find(ipv4(address & bits), key, second, now)
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
    this.#prefixes[element.prefix + element.prefix2]++
    this.#link(element)
    return true
  }

  delete(element: SetElement): void {
    const at = mix(element.address, element.key, element.second) & (this.#buckets.length - 1)
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
    this.#prefixes[element.prefix + element.prefix2]--
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
    let size = elementSizes[this.type]
    if (timeout !== null || counters || comment) size = Math.ceil(size / 8) * 8
    size += (timeout === null ? 0 : 8) + (counters ? 16 : 0) + (comment ? 8 : 0)
    let notes = 0
    for (const element of this.elements) if (element.comment !== '') notes += element.comment.length + 17
    if (this.type.startsWith('bitmap')) {
      const places = Math.floor((high - low) / 2 ** (32 - this.options.netmask)) + 1
      return bitmapSizes[this.type] + Math.ceil(places / 64) * 8 + size * places + notes
    }
    return (hashSizes[this.type] ?? 216) + this.elements.size * (32 + 2 * size) + notes
  }

  #dead(element: SetElement): SetElement | null {
    return this.find(element.address, element.key, element.second, Number.NEGATIVE_INFINITY)
  }

  #link(element: SetElement): void {
    const at = mix(element.address, element.key, element.second) & (this.#buckets.length - 1)
    element.next = this.#buckets[at]
    this.#buckets[at] = element
  }

  #grow(): void {
    this.#buckets = new Array<SetElement | null>(this.#buckets.length * 2).fill(null)
    for (const element of this.elements) this.#link(element)
  }
}

/** An element without a MAC fits any; the first packet gives it its own. */
function sameMac(element: SetElement, query: SetQuery): boolean {
  if (query.macHigh < 0 || element.macHigh < 0) return true
  return element.macHigh === query.macHigh && element.macLow === query.macLow
}

/** Bytes of an element without extensions, and of an empty set, as this kernel's structures have them. */
const elementSizes: Readonly<Record<SetType, number>> = {
  'hash:ip': 4,
  'hash:net': 8,
  'hash:ip,port': 8,
  'hash:net,port': 8,
  'hash:ip,port,ip': 12,
  'hash:ip,port,net': 12,
  'hash:net,iface': 28,
  'bitmap:port': 0,
  'bitmap:ip': 0,
  'bitmap:ip,mac': 8,
}
const hashSizes: Readonly<Record<string, number>> = {
  'hash:net': 456,
  'hash:net,port': 456,
  'hash:ip,port,ip': 208,
  'hash:ip,port,net': 464,
  'hash:net,iface': 488,
}
const bitmapSizes: Readonly<Record<string, number>> = { 'bitmap:port': 72, 'bitmap:ip': 88, 'bitmap:ip,mac': 80 }

/** The place of a set under its name. Rules hold the place: `ipset swap` changes what stands there. */
export class SetPlace {
  name: string
  set: IpSet | ListSet

  constructor(name: string, set: IpSet | ListSet) {
    this.name = name
    this.set = set
  }
}

/** The sets of one namespace. A new one takes the first free number, as in the kernel's array. */
export class IpSets {
  readonly #slots: (SetPlace | null)[] = []
  /** Virtual time in nanoseconds. */
  now: () => number = () => 0
  /** 32 random bits. */
  seed: () => number = () => 0
  /** How many rules name the set. */
  references: (place: SetPlace) => number = () => 0

  /** As they are dumped: by number, lists of sets behind all others. */
  get places(): readonly SetPlace[] {
    const all = this.#slots.filter((place) => place !== null)
    return [...all.filter(({ set }) => set instanceof IpSet), ...all.filter(({ set }) => set instanceof ListSet)]
  }

  find(name: string): SetPlace | null {
    return this.#slots.find((place) => place !== null && place.name === name) ?? null
  }

  put(place: SetPlace): void {
    const free = this.#slots.indexOf(null)
    if (free < 0) this.#slots.push(place)
    else this.#slots[free] = place
  }

  drop(place: SetPlace): void {
    const at = this.#slots.indexOf(place)
    if (at >= 0) this.#slots[at] = null
  }

  /** How many rules and lists of sets hold the set. */
  held(place: SetPlace): number {
    let count = this.references(place)
    for (const other of this.#slots) {
      if (other === null || !(other.set instanceof ListSet)) continue
      for (const entry of other.set.entries) if (entry.place === place) count++
    }
    return count
  }
}

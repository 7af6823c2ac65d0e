/**
 * The hash that chooses among a route's next hops (fib_multipath_hash of net/ipv4/route.c), by
 * net.ipv4.fib_multipath_hash_policy: 0 addresses, 1 addresses and ports, 2 the addresses inside of a tunnel, 3 what
 * fib_multipath_hash_fields names. Both directions of a flow have one hash. Its key is
 * net.ipv4.fib_multipath_hash_seed, or drawn once where that is 0.
 */
import type { World } from '../link/world.ts'
import { ANY, type Ipv4 } from '../wire/address.ts'
import { u16 } from '../wire/bytes.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import type { Flow } from './rules.ts'
import { SipHash } from './siphash.ts'
import type { Sysctl } from './sysctl.ts'

const L3 = 0
const L4 = 1
const INNER_L3 = 2

/** FIB_MULTIPATH_HASH_FIELD_*; those of the inner header stand six bits higher. */
const SOURCE = 1
const DESTINATION = 2
const PROTOCOL = 4
const SOURCE_PORT = 16
const DESTINATION_PORT = 32
const OUTER = 63
const INNER_SHIFT = 6

const IPPROTO_IPIP = 4
const IPPROTO_GRE = 47
const ETH_P_TEB = 0x6558

/** A source port that the flow does not have yet (FLOWI_FLAG_ANY_SPORT): another one each time. */
export const ANY_PORT = -1

/** struct flow_keys from `basic` on: 48 bytes, filled anew for each hash. */
const keys = new Int32Array(12)
const sip = new SipHash()

export class MultipathHash {
  /** fib_multipath_use_neigh: hops whose neighbour is known to be silent are passed over. */
  useNeighbours = false
  #policy = L3
  #fields = 7
  #seed = 0
  #drawn = 0
  readonly #world: World
  // What is known of a packet (skb_flow_dissect_flow_keys).
  #source: Ipv4 = ANY
  #destination: Ipv4 = ANY
  #protocol = 0
  #sourcePort = 0
  #destinationPort = 0

  constructor(world: World, sysctl: Sysctl) {
    this.#world = world
    sysctl.watch((name, value) => {
      if (name === 'net.ipv4.fib_multipath_use_neigh') this.useNeighbours = value !== '0'
      if (name === 'net.ipv4.fib_multipath_hash_policy') this.#policy = Number(value)
      if (name === 'net.ipv4.fib_multipath_hash_fields') this.#fields = Number(value)
      if (name === 'net.ipv4.fib_multipath_hash_seed') this.#seed = Number(value)
    })
  }

  /** 31 bits for something of which no packet is there yet. */
  ofFlow(flow: Flow): number {
    this.#source = flow.source
    this.#destination = flow.destination
    this.#protocol = flow.protocol
    this.#sourcePort = flow.sourcePort === ANY_PORT ? this.#world.random.below(65_536) : flow.sourcePort
    this.#destinationPort = flow.destinationPort
    if (this.#policy === L4) return this.#hash(OUTER) >>> 1
    if (this.#policy === L3 || this.#policy === INNER_L3) return this.#hash(SOURCE | DESTINATION) >>> 1
    const fields = this.#fields & OUTER
    return fields === 0 ? 0 : this.#hash(fields) >>> 1
  }

  /**
   * The same for a packet whose IP header is at `at`. `known` is what its sender's socket hashed it to, 0 for nothing
   * (skb->l4_hash): a packet keeps that on its way through namespaces of one machine.
   */
  ofPacket(bytes: Uint8Array, at: number, end: number, known: number): number {
    switch (this.#policy) {
      case L3:
        this.#addresses(bytes, at, end)
        return this.#hash(SOURCE | DESTINATION) >>> 1
      case L4:
        if (known !== 0) return Math.imul(known, 0x9e3779b1) >>> 1
        this.#dissect(bytes, at, end, false)
        return this.#hash(OUTER) >>> 1
      case INNER_L3:
        this.#dissect(bytes, at, end, true)
        return this.#hash(SOURCE | DESTINATION) >>> 1
      default:
        return this.#ofFields(bytes, at, end)
    }
  }

  #ofFields(bytes: Uint8Array, at: number, end: number): number {
    const outer = this.#fields & OUTER
    const inner = this.#fields >> INNER_SHIFT
    let outerHash = 0
    if (outer !== 0) {
      this.#dissect(bytes, at, end, false)
      outerHash = this.#hash(outer)
    }
    const innerHash = inner !== 0 && this.#dissect(bytes, at, end, true) ? this.#hash(inner) : 0
    return jhash(outerHash, innerHash) >>> 1
  }

  /** ip_multipath_l3_keys: an ICMP error goes the way of the packet that it is about. */
  #addresses(bytes: Uint8Array, at: number, end: number): void {
    let keyed = at
    if (ipv4.protocol(bytes, at) === ipv4.IPPROTO_ICMP && ipv4.fragmentOffset(bytes, at) === 0) {
      const message = at + ipv4.headerLength(bytes, at)
      const quoted = message + icmp.HEADER
      if (quoted + ipv4.HEADER <= end && icmp.isError(icmp.type(bytes, message))) keyed = quoted
    }
    this.#source = ipv4.source(bytes, keyed)
    this.#destination = ipv4.destination(bytes, keyed)
  }

  /** Takes the keys of a packet, those of the innermost header if `inside`. True: it was in a tunnel. */
  #dissect(bytes: Uint8Array, at: number, end: number, inside: boolean): boolean {
    this.#source = ipv4.source(bytes, at)
    this.#destination = ipv4.destination(bytes, at)
    this.#protocol = ipv4.protocol(bytes, at)
    this.#sourcePort = 0
    this.#destinationPort = 0
    if (ipv4.isFragment(bytes, at)) return false
    const next = at + ipv4.headerLength(bytes, at)
    if (this.#protocol === ipv4.IPPROTO_TCP || this.#protocol === ipv4.IPPROTO_UDP) {
      if (next + 4 > end) return false
      this.#sourcePort = u16(bytes, next)
      this.#destinationPort = u16(bytes, next + 2)
      return false
    }
    if (!inside) return false
    const inner = this.#protocol === IPPROTO_IPIP ? next : this.#protocol === IPPROTO_GRE ? gre(bytes, next, end) : -1
    if (inner < 0 || inner + ipv4.HEADER > end || bytes[inner] >> 4 !== 4) return false
    this.#dissect(bytes, inner, end, true)
    return true
  }

  /** flow_hash_from_keys_seed over the keys that `fields` names. */
  #hash(fields: number): number {
    const source = (fields & SOURCE) !== 0 ? swab32(this.#source) : 0
    const destination = (fields & DESTINATION) !== 0 ? swab32(this.#destination) : 0
    const sourcePort = (fields & SOURCE_PORT) !== 0 ? swab16(this.#sourcePort) : 0
    const destinationPort = (fields & DESTINATION_PORT) !== 0 ? swab16(this.#destinationPort) : 0
    // __flow_hash_consistentify: the smaller first, of numbers in network order as a little-endian machine reads them.
    const turned = destination >>> 0 < source >>> 0
    keys[0] = (fields & PROTOCOL) !== 0 ? this.#protocol << 16 : 0
    keys[7] = Math.min(sourcePort, destinationPort) | (Math.max(sourcePort, destinationPort) << 16)
    keys[9] = turned ? destination : source
    keys[10] = turned ? source : destination
    const seed = this.#seed !== 0 ? this.#seed : this.#own()
    return sip.hash(keys, seed, seed) || 1
  }

  #own(): number {
    while (this.#drawn === 0) this.#drawn = this.#world.random.int32()
    return this.#drawn
  }
}

/** Where the IP header in a GRE packet begins; -1: there is none. */
function gre(bytes: Uint8Array, at: number, end: number): number {
  if (at + 4 > end || (bytes[at] & 0x4f) !== 0 || (bytes[at + 1] & 7) !== 0) return -1
  const kind = u16(bytes, at + 2)
  // Each of checksum, key and sequence number takes four bytes.
  const flags = bytes[at]
  const inner = at + 4 + ((flags >> 7) & 1) * 4 + ((flags >> 5) & 1) * 4 + ((flags >> 4) & 1) * 4
  if (kind === ethernet.ETH_P_IP) return inner
  if (kind !== ETH_P_TEB || inner + ethernet.HEADER > end) return -1
  return ethernet.type(bytes, inner) === ethernet.ETH_P_IP ? inner + ethernet.HEADER : -1
}

function swab16(value: number): number {
  return ((value & 0xff) << 8) | (value >>> 8)
}

function swab32(value: number): number {
  return (value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)
}

function rotated(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by))
}

/** jhash_2words (Jenkins 2006) with an initial value of 0. */
function jhash(first: number, second: number): number {
  const initial = 0xdeadbeef + 8
  let a = (first + initial) | 0
  let b = (second + initial) | 0
  let c = initial | 0
  c = ((c ^ b) - rotated(b, 14)) | 0
  a = ((a ^ c) - rotated(c, 11)) | 0
  b = ((b ^ a) - rotated(a, 25)) | 0
  c = ((c ^ b) - rotated(b, 16)) | 0
  a = ((a ^ c) - rotated(c, 4)) | 0
  b = ((b ^ a) - rotated(a, 14)) | 0
  return ((c ^ b) - rotated(b, 24)) | 0
}

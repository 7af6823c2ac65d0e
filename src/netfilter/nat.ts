/**
 * NAT (nf_nat_core.c). A rule chooses once per flow and per half; the choice is written into the flow's reply
 * tuple, and from then on every packet is rewritten to what the tuple of the other direction says:
 *
 *   original direction   PREROUTING/OUTPUT: destination (DNAT)    POSTROUTING/INPUT: source (SNAT)
 *   reply direction      PREROUTING/OUTPUT: undoes SNAT           POSTROUTING/INPUT: undoes DNAT
 *
 * so between the two, in FORWARD, both directions show the address behind the Service.
 */
import type { Random } from '../sim/random.ts'
import type { Ipv4 } from '../wire/address.ts'
import { put16 } from '../wire/bytes.ts'
import { checksum } from '../wire/checksum.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipv4.ts'
import type { Flow } from './flow.ts'
import type { FlowTable } from './flow-table.ts'
import { Manip, rewrite } from './nat-rewrite.ts'
import { Status } from './status.ts'
import { turnedDestinationPort, turnedSourcePort } from './tuple.ts'

/** What a NAT target allows: nf_nat_range2. */
export class NatRange {
  /** Unsigned order; the same when one address is meant. */
  lowAddress = 0 as Ipv4
  highAddress = 0 as Ipv4
  lowPort = 0
  highPort = 0
  /** NF_NAT_RANGE_PROTO_OFFSET: the port keeps its distance from this one; 0: it does not. */
  basePort = 0
  hasAddress = false
  hasPort = false
  /** --random or --random-fully: both choose any free port since Linux 5.0. */
  random = false
  /** The same client gets the same address for all destinations. */
  persistent = false
}

/** NF_NAT_MAX_ATTEMPTS. */
const ATTEMPTS = 128

export class Nat {
  #flows: FlowTable
  #random: Random
  #null = new NatRange()
  // The tuple under construction, as packets of the original direction will carry it behind NAT.
  #source = 0 as Ipv4
  #destination = 0 as Ipv4
  #sourcePort = 0
  #destinationPort = 0

  constructor(flows: FlowTable, random: Random) {
    this.#flows = flows
    this.#random = random
    this.#null.hasAddress = true
  }

  /** Binds one half of the flow to a place in the range (nf_nat_setup_info). */
  bind(flow: Flow, manip: Manip, range: NatRange): void {
    if ((flow.status & Status.CONFIRMED) !== 0) return
    const reply = flow.reply
    const protocol = reply.protocol
    this.#source = reply.destination
    this.#destination = reply.source
    this.#sourcePort = turnedSourcePort(protocol, reply.sourcePort, reply.destinationPort)
    this.#destinationPort = turnedDestinationPort(protocol, reply.sourcePort, reply.destinationPort)
    this.#choose(flow, manip, range)
    const back = turnedSourcePort(protocol, this.#sourcePort, this.#destinationPort)
    const there = turnedDestinationPort(protocol, this.#sourcePort, this.#destinationPort)
    if (!reply.equals(protocol, this.#destination, this.#source, back, there)) {
      reply.set(protocol, this.#destination, this.#source, back, there)
      flow.status |= manip === Manip.SOURCE ? Status.SRC_NAT : Status.DST_NAT
    }
    flow.status |= manip === Manip.SOURCE ? Status.SRC_NAT_DONE : Status.DST_NAT_DONE
  }

  /** No rule matched: keep the address, and the port too unless another flow's answers would come back the same. */
  bindNull(flow: Flow, manip: Manip): void {
    const range = this.#null
    range.lowAddress = manip === Manip.SOURCE ? flow.reply.destination : flow.reply.source
    range.highAddress = range.lowAddress
    this.bind(flow, manip, range)
  }

  /** Rewrites a packet of the flow to what the other direction's tuple says. */
  translate(bytes: Uint8Array, network: number, end: number, flow: Flow, reply: boolean, manip: Manip): void {
    if (!concerns(flow, reply, manip)) return
    const other = reply ? flow.original : flow.reply
    const address = manip === Manip.SOURCE ? other.destination : other.source
    let port = other.sourcePort
    if (other.protocol === IPPROTO_TCP || other.protocol === IPPROTO_UDP) {
      port = manip === Manip.SOURCE ? other.destinationPort : other.sourcePort
    } else if (other.protocol !== IPPROTO_ICMP) port = -1
    rewrite(bytes, network, end, manip, address, port)
  }

  /**
   * An ICMP error about a flow: its own address on this half, and the opposite half of the packet it quotes, are
   * made to look like what the receiver knows (nf_nat_icmp_reply_translation). False: drop it.
   */
  translateError(bytes: Uint8Array, network: number, end: number, flow: Flow, reply: boolean, manip: Manip): boolean {
    const at = network + ipv4.headerLength(bytes, network)
    if (bytes[at] === icmp.REDIRECT) {
      const done = Status.SRC_NAT_DONE | Status.DST_NAT_DONE
      if ((flow.status & done) !== done || flow.has(Status.SRC_NAT | Status.DST_NAT)) return false
    }
    if (!concerns(flow, reply, manip)) return true
    const other = reply ? flow.original : flow.reply
    const ported = other.protocol === IPPROTO_TCP || other.protocol === IPPROTO_UDP
    // The quoted packet went the other way: where the error has its source, the quote has its destination.
    const address = manip === Manip.SOURCE ? other.destination : other.source
    let port = ported || other.protocol === IPPROTO_ICMP ? other.sourcePort : -1
    if (ported && manip === Manip.SOURCE) port = other.destinationPort
    const opposite = manip === Manip.SOURCE ? Manip.DESTINATION : Manip.SOURCE
    rewrite(bytes, at + icmp.HEADER, end, opposite, address, port)
    put16(bytes, at + icmp.CHECKSUM, 0)
    put16(bytes, at + icmp.CHECKSUM, checksum(bytes, at, end - at))
    rewrite(bytes, network, end, manip, address, -1)
    return true
  }

  /** get_unique_tuple: leaves the answer in the tuple under construction. */
  #choose(flow: Flow, manip: Manip, range: NatRange): void {
    if (manip === Manip.SOURCE && !range.random && this.#inRange(flow, range) && !this.#used(flow)) return
    if (range.hasAddress) this.#pickAddress(manip, range)
    if (!range.random) {
      if (!range.hasPort) {
        if (!this.#used(flow)) return
      } else if (this.#portInRange(flow, manip, range) && (range.lowPort === range.highPort || !this.#used(flow)))
        return
    }
    this.#pickPort(flow, manip, range)
  }

  #inRange(flow: Flow, range: NatRange): boolean {
    if (range.hasAddress) {
      const source = this.#source >>> 0
      if (source < range.lowAddress >>> 0 || source > range.highAddress >>> 0) return false
    }
    return !range.hasPort || this.#portInRange(flow, Manip.SOURCE, range)
  }

  #portInRange(flow: Flow, manip: Manip, range: NatRange): boolean {
    const protocol = flow.reply.protocol
    if (protocol !== IPPROTO_TCP && protocol !== IPPROTO_UDP && protocol !== IPPROTO_ICMP) return true
    const useSource = manip === Manip.SOURCE || protocol === IPPROTO_ICMP
    const port = useSource ? this.#sourcePort : this.#destinationPort
    return port >= range.lowPort && port <= range.highPort
  }

  /** Of several addresses the one that the client's address hashes to: all of its flows take the same. */
  #pickAddress(manip: Manip, range: NatRange): void {
    const low = range.lowAddress >>> 0
    const size = (range.highAddress >>> 0) - low + 1
    let address = range.lowAddress
    if (size > 1) {
      let hash = Math.imul(this.#source, 0x9e3779b1)
      if (!range.persistent) hash ^= Math.imul(this.#destination, 0x85ebca6b)
      hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35) >>> 0
      address = ((low + Math.floor((hash / 4294967296) * size)) | 0) as Ipv4
    }
    if (manip === Manip.SOURCE) this.#source = address
    else this.#destination = address
  }

  /** nf_nat_l4proto_unique_tuple: a free port, tried in short runs from random places. */
  #pickPort(flow: Flow, manip: Manip, range: NatRange): void {
    const protocol = flow.reply.protocol
    const isIcmp = protocol === IPPROTO_ICMP
    if (!isIcmp && protocol !== IPPROTO_TCP && protocol !== IPPROTO_UDP) return
    const useSource = isIcmp || manip === Manip.SOURCE
    const present = useSource ? this.#sourcePort : this.#destinationPort
    let low = range.lowPort
    let size = range.highPort - range.lowPort + 1
    if (!range.hasPort) {
      if (isIcmp) {
        low = 0
        size = 65_536
      } else if (manip === Manip.DESTINATION) return
      else if (present < 512) {
        low = 1
        size = 511
      } else if (present < 1024) {
        low = 600
        size = 424
      } else {
        low = 1024
        size = 64_512
      }
    }
    if (range.basePort !== 0) {
      const shifted = low + (((present - range.basePort + 65_536) % 65_536) % size)
      if (useSource) this.#sourcePort = shifted
      else this.#destinationPort = shifted
      return
    }
    let offset = range.random || manip === Manip.SOURCE ? this.#random.below(65_536) : 0
    let attempts = size > ATTEMPTS ? ATTEMPTS : size
    for (;;) {
      for (let i = 0; i < attempts; i++, offset++) {
        if (useSource) this.#sourcePort = low + (offset % size)
        else this.#destinationPort = low + (offset % size)
        if (!this.#used(flow)) return
      }
      if (attempts >= size || attempts < 16) return
      attempts >>= 1
      offset = this.#random.below(65_536)
    }
  }

  /** Would the answers to the tuple under construction be taken for another flow's? */
  #used(flow: Flow): boolean {
    const protocol = flow.reply.protocol
    const back = turnedSourcePort(protocol, this.#sourcePort, this.#destinationPort)
    const there = turnedDestinationPort(protocol, this.#sourcePort, this.#destinationPort)
    if (!this.#flows.taken(protocol, this.#destination, this.#source, back, there, flow)) return false
    this.#flows.found++
    return true
  }
}

/** Was this half of the packet changed by NAT? In the reply direction source and destination change places. */
export function concerns(flow: Flow, reply: boolean, manip: Manip): boolean {
  const source = (manip === Manip.SOURCE) !== reply
  return flow.has(source ? Status.SRC_NAT : Status.DST_NAT)
}

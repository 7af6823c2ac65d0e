/**
 * NAT (nf_nat_core.c). A rule chooses once per flow and per half; the choice is written into the flow's reply
 * tuple, and from then on every packet is rewritten to what the tuple of the other direction says:
 *
 *   original direction   PREROUTING/OUTPUT: destination (DNAT)    POSTROUTING/INPUT: source (SNAT)
 *   reply direction      PREROUTING/OUTPUT: undoes SNAT           POSTROUTING/INPUT: undoes DNAT
 *
 * so between the two, in FORWARD, both directions show the address behind the Service.
 */
import { journal } from '../link/flow-cache.ts'
import type { Frame } from '../link/frame.ts'
import type { Random } from '../sim/random.ts'
import type { Ipv4 } from '../wire/address.ts'
import { put16 } from '../wire/bytes.ts'
import { checksum } from '../wire/checksum.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipv4.ts'
import { after } from '../wire/tcp.ts'
import type { Flow } from './flow.ts'
import { Rewritten } from './flow-steps.ts'
import type { FlowTable } from './flow-table.ts'
import { chooseAddress } from './nat-address.ts'
import { type Because, ErrorTranslated, Picked, type Translatable, Translated } from './nat-decisions.ts'
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
  /** How the last `bind` came to its port. */
  #picked: Picked = Picked.NONE
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
    this.#picked = Picked.NONE
    this.#begin(flow)
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

  /** Rewrites a packet of a flow that is translated; what it carries now is read anew. */
  pass(packet: Translatable, flow: Flow, reply: boolean, manip: Manip, because: Because): void {
    const { frame, network, end } = packet
    if (!concerns(flow, reply, manip)) return
    if (journal.open) {
      const told = new Translated(packet, flow, reply, manip, because, this.#picked)
      this.#translate(frame, network, end, flow, reply, manip)
      packet.tell(told.settle(packet))
    } else this.#translate(frame, network, end, flow, reply, manip)
    packet.readAddresses()
  }

  /** The same of an ICMP error about a flow. False: drop it. */
  passError(packet: Translatable, flow: Flow, reply: boolean, manip: Manip): boolean {
    const { frame, network, end } = packet
    const told = journal.open && concerns(flow, reply, manip) ? new ErrorTranslated(packet, flow, manip) : null
    const right = this.#translateError(frame, network, end, flow, reply, manip)
    if (told !== null) packet.tell(told.settle(packet, right))
    packet.readAddresses()
    return right
  }

  /** Rewrites a packet of the flow to what the other direction's tuple says. */
  #translate(frame: Frame, network: number, end: number, flow: Flow, reply: boolean, manip: Manip): void {
    const other = reply ? flow.original : flow.reply
    const address = manip === Manip.SOURCE ? other.destination : other.source
    let port = other.sourcePort
    if (other.protocol === IPPROTO_TCP || other.protocol === IPPROTO_UDP) {
      port = manip === Manip.SOURCE ? other.destinationPort : other.sourcePort
    } else if (other.protocol !== IPPROTO_ICMP) port = -1
    if (journal.open) journal.add(frame, new Rewritten(manip, address, port))
    rewrite(frame.view, network, end, manip, address, port)
  }

  /**
   * An ICMP error about a flow: its own address on this half, and the opposite half of the packet it quotes, are
   * made to look like what the receiver knows (nf_nat_icmp_reply_translation). False: drop it.
   */
  #translateError(frame: Frame, network: number, end: number, flow: Flow, reply: boolean, manip: Manip): boolean {
    const { bytes, view } = frame
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
    rewrite(view, at + icmp.HEADER, end, opposite, address, port)
    put16(bytes, at + icmp.CHECKSUM, 0)
    put16(bytes, at + icmp.CHECKSUM, checksum(bytes, at, end - at))
    rewrite(view, network, end, manip, address, -1)
    return true
  }

  /** get_unique_tuple: leaves the answer in the tuple under construction. */
  #choose(flow: Flow, manip: Manip, range: NatRange): void {
    if (manip === Manip.SOURCE && !range.random) {
      if (this.#inRange(flow, range)) {
        if (!this.#used(flow, ATTEMPTS)) return
      } else if (this.#asBefore(flow, range) && !this.#used(flow, ATTEMPTS)) return
    }
    this.#begin(flow)
    if (range.hasAddress) this.#pickAddress(manip, range)
    if (!range.random) {
      if (!range.hasPort) {
        if (!this.#used(flow, ATTEMPTS)) return
      } else if (range.basePort === 0 && this.#portInRange(flow, manip, range)) {
        if (range.lowPort === range.highPort || !this.#used(flow, ATTEMPTS)) return
      }
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

  #pickAddress(manip: Manip, range: NatRange): void {
    const { lowAddress, highAddress, persistent } = range
    const address = chooseAddress(lowAddress, highAddress, this.#source, this.#destination, persistent)
    if (manip === Manip.SOURCE) this.#source = address
    else this.#destination = address
  }

  /** nf_nat_l4proto_unique_tuple: a free port, tried in short runs from random places. */
  #pickPort(flow: Flow, manip: Manip, range: NatRange): void {
    const protocol = flow.reply.protocol
    const isIcmp = protocol === IPPROTO_ICMP
    if (!isIcmp && protocol !== IPPROTO_TCP && protocol !== IPPROTO_UDP) return
    if (range.random) this.#picked = Picked.RANDOM
    else if (!range.hasPort) this.#picked = Picked.TAKEN
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
    let offset = 0
    if (range.basePort !== 0) offset = (present - range.basePort) & 0xffff
    else if (range.random || manip === Manip.SOURCE) offset = this.#random.below(65_536)
    let attempts = size > ATTEMPTS ? ATTEMPTS : size
    for (;;) {
      for (let i = 0; i < attempts; i++, offset = (offset + 1) & 0xffff) {
        if (useSource) this.#sourcePort = low + (offset % size)
        else this.#destinationPort = low + (offset % size)
        if (!this.#used(flow, attempts - i)) return
      }
      if (attempts >= size || attempts < 16) return
      attempts >>= 1
      offset = this.#random.below(65_536)
    }
  }

  /**
   * Would the answers to the tuple under construction be taken for another flow's? A flow whose first packet was the
   * very same does not count: when both are confirmed, the clash is resolved. In the last attempts a TCP connection
   * in TIME_WAIT must go if the new one begins behind its sequence numbers (nf_nat_used_tuple_harder).
   */
  #used(flow: Flow, attemptsLeft: number): boolean {
    const protocol = flow.reply.protocol
    const back = turnedSourcePort(protocol, this.#sourcePort, this.#destinationPort)
    const there = turnedDestinationPort(protocol, this.#sourcePort, this.#destinationPort)
    const taken = this.#flows.find(protocol, this.#destination, this.#source, back, there)
    if (taken === null || taken.flow === flow || sameTuple(taken.flow, flow)) return false
    if (attemptsLeft <= HARDER && protocol === IPPROTO_TCP && taken.reply && mayGo(taken.flow, flow)) {
      this.#flows.remove(taken.flow)
      return false
    }
    this.#flows.found++
    return true
  }

  /** The tuple as the original direction carries it before this half is bound. */
  #begin({ reply }: Flow): void {
    this.#source = reply.destination
    this.#destination = reply.source
    this.#sourcePort = turnedSourcePort(reply.protocol, reply.sourcePort, reply.destinationPort)
    this.#destinationPort = turnedDestinationPort(reply.protocol, reply.sourcePort, reply.destinationPort)
  }

  /** find_appropriate_src: what the same address and port were mapped to for another destination serves again. */
  #asBefore(flow: Flow, range: NatRange): boolean {
    const { protocol } = flow.reply
    const source = this.#source
    const port = this.#sourcePort
    let other = this.#flows.firstFrom(protocol, source, port)
    while (other !== null) {
      const { original, reply } = other
      if (original.protocol === protocol && original.source === source && original.sourcePort === port) {
        this.#source = reply.destination
        this.#sourcePort = turnedSourcePort(protocol, reply.sourcePort, reply.destinationPort)
        if (this.#inRange(flow, range)) return true
      }
      other = other.nextFromSource
    }
    return false
  }
}

/** NF_NAT_HARDER_THRESH */
const HARDER = 32
/** Conntrack's number of the TCP state. */
const TIME_WAIT = 7

function sameTuple(a: Flow, b: Flow): boolean {
  const { protocol, source, destination, sourcePort, destinationPort } = a.original
  return b.original.equals(protocol, source, destination, sourcePort, destinationPort)
}

function mayGo(old: Flow, fresh: Flow): boolean {
  if (old.tcp === null || fresh.tcp === null || old.tcp.state !== TIME_WAIT) return false
  if ((old.status & (Status.FIXED_TIMEOUT | Status.DYING)) !== 0 || (old.status & Status.SRC_NAT) === 0) return false
  return after(fresh.tcp.clientEnd, old.tcp.clientEnd)
}

/** Was this half of the packet changed by NAT? In the reply direction source and destination change places. */
export function concerns(flow: Flow, reply: boolean, manip: Manip): boolean {
  const source = (manip === Manip.SOURCE) !== reply
  return flow.has(source ? Status.SRC_NAT : Status.DST_NAT)
}

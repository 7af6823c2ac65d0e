/**
 * Fragments (net/ipv4/ip_fragment.c, ip_output.c): split what is too long for a device, and put together what
 * arrives in pieces, for this host or because conntrack must see whole packets.
 */
import { journal } from '../link/flow-cache.ts'
import { DropReason, type Frame } from '../link/frame.ts'
import { LogLevel } from '../link/kernel-log.ts'
import { wheel } from '../sim/jiffies.ts'
import { SECOND, type Task, Timer } from '../sim/scheduler.ts'
import { formatIpv4 } from '../wire/address.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import { Cut, Piece, PieceCame, PutTogether } from './ip-decisions.ts'
import { dropUncopied } from './ip-options.ts'
import type { Namespace } from './namespace.ts'
import { truesize } from './neighbour-entry.ts'

/** What a fragment can be to those before it. */
const DUPLICATE = 1
const OVERLAP = 2

/** No IPv4 packet is longer, in bytes. */
const LONGEST = 65_535
/** inet_peer_threshold: more senders are not remembered. */
const MOST_SENDERS = 65_664
/** What a datagram in pieces weighs besides them (struct ipq), in bytes. */
const QUEUE = 200

/** One datagram in pieces (struct ipq). */
class Assembly implements Task {
  readonly pieces: Frame[] = []
  readonly timer: Timer
  source = 0
  destination = 0
  protocol = 0
  id = 0
  /** Bytes of payload in all; -1 until the last fragment has come. */
  total = -1
  /** Where the furthest fragment ends. */
  length = 0
  /** How many fragments its sender had sent when the latest of these came (inet_peer's rid). */
  rid = 0
  #owner: Reassembler

  constructor(owner: Reassembler) {
    this.#owner = owner
    this.timer = new Timer(this)
  }

  run(): void {
    this.#owner.expire(this)
  }
}

export class Reassembler {
  #netns: Namespace
  #open: Assembly[] = []
  /** What waits weighs so many bytes (frag_mem_limit). */
  memory = 0
  #highThreshold = 0
  #maxDistance = 0
  /** Fragments by sender, while any wait. */
  #senders = new Map<number, number>()

  constructor(netns: Namespace) {
    this.#netns = netns
    netns.sysctl.watch((name) => {
      if (name.startsWith('net.ipv4.ipfrag_')) this.#settle()
    })
    this.#settle()
  }

  /** Datagrams that wait for their rest. */
  get open(): number {
    return this.#open.length
  }

  #settle(): void {
    const { sysctl } = this.#netns
    this.#highThreshold = sysctl.number('net.ipv4.ipfrag_high_thresh')
    this.#maxDistance = sysctl.number('net.ipv4.ipfrag_max_dist')
  }

  /**
   * Takes a fragment; frame.network is its IP header, and what stands before it (an Ethernet header on a bridge)
   * is kept from the first piece. Returns the whole datagram once it is complete, otherwise null.
   */
  add(frame: Frame): Frame | null {
    const { bytes, network: at } = frame
    const netns = this.#netns
    netns.counters.ipReasmReqds++
    if (this.memory > this.#highThreshold || this.#highThreshold === 0) {
      netns.counters.ipReasmFails++
      netns.world.frames.drop(frame, DropReason.FragmentMemory, netns.name)
      return null
    }
    const assembly = this.#find(frame)
    if (this.#tooFar(assembly)) this.#restart(assembly)
    const offset = ipv4.fragmentOffset(bytes, at)
    const header = ipv4.headerLength(bytes, at)
    const more = (ipv4.fragmentField(bytes, at) & ipv4.MF) !== 0
    let size = ipv4.totalLength(bytes, at) - header
    if (more && size % 8 !== 0) {
      // What does not fill its last eight bytes is cut.
      size -= size % 8
      frame.end = at + header + size
      ipv4.setLengthAndFragment(bytes, at, header + size, ipv4.fragmentField(bytes, at))
    }
    const overlap = this.#overlap(assembly, offset, offset + size)
    if (overlap === DUPLICATE) {
      netns.world.frames.drop(frame, DropReason.FragmentDuplicate, netns.name)
      return null
    }
    const end = offset + size
    const known = assembly.total >= 0
    const beyond = more ? known && end > assembly.total : end < assembly.length || (known && end !== assembly.total)
    if (overlap === OVERLAP || beyond || size === 0) {
      // Whoever sends overlapping pieces means no good: the whole datagram is given up (RFC 5722, for IPv4 since 2018).
      if (overlap === OVERLAP) netns.counters.ipReasmOverlaps++
      this.#discard(assembly, frame, overlap === OVERLAP ? DropReason.FragmentOverlap : DropReason.FragmentMismatch)
      return null
    }
    if (!more) assembly.total = end
    assembly.length = Math.max(assembly.length, end)
    this.memory += truesize(ipv4.totalLength(bytes, at))
    const behind = assembly.pieces.findIndex((piece) => ipv4.fragmentOffset(piece.bytes, piece.network) > offset)
    assembly.pieces.splice(behind < 0 ? assembly.pieces.length : behind, 0, frame)
    const complete = this.#complete(assembly)
    if (journal.open) this.#tell(assembly, frame, complete)
    if (!complete) return null
    const first = assembly.pieces[0]
    if (ipv4.headerLength(first.bytes, first.network) + assembly.total <= LONGEST) return this.#join(assembly)
    this.#oversized(first)
    this.#discard(assembly, null, DropReason.FragmentMismatch)
    return null
  }

  #tell({ id, pieces }: Assembly, frame: Frame, complete: boolean): void {
    const { world, name } = this.#netns
    const from = ipv4.fragmentOffset(frame.bytes, frame.network)
    const to = from + ipv4.totalLength(frame.bytes, frame.network) - ipv4.headerLength(frame.bytes, frame.network)
    world.frames.tell(frame, name, new PieceCame(id, from, to, pieces.length, complete))
  }

  /** ip_frag_too_far: its sender has sent so much else since that the identification may be another datagram's. */
  #tooFar(assembly: Assembly): boolean {
    if (this.#maxDistance === 0) return false
    if (this.#senders.size > MOST_SENDERS) this.#senders.clear()
    const sent = (this.#senders.get(assembly.source) ?? 0) + 1
    this.#senders.set(assembly.source, sent)
    const distance = sent - assembly.rid
    assembly.rid = sent
    return assembly.pieces.length > 0 && distance > this.#maxDistance
  }

  /** ip_frag_reinit: what there was is given up, and the fragment at hand begins anew. */
  #restart(assembly: Assembly): void {
    const { world, name, counters, sysctl } = this.#netns
    counters.ipReasmFails++
    for (const piece of assembly.pieces) {
      this.memory -= truesize(ipv4.totalLength(piece.bytes, piece.network))
      world.frames.drop(piece, DropReason.FragmentTooFar, name)
    }
    assembly.pieces.length = 0
    assembly.total = -1
    assembly.length = 0
    const { scheduler } = world
    scheduler.at(assembly.timer, wheel(scheduler.now, sysctl.number('net.ipv4.ipfrag_time') * SECOND))
  }

  /** The parts are there, and no IPv4 packet is as long as the whole (the ping of death). */
  #oversized(first: Frame): void {
    const { kernelLog } = this.#netns
    if (!kernelLog.allows()) return
    kernelLog.print(
      LogLevel.INFO,
      `IPv4: Oversized IP packet from ${formatIpv4(ipv4.source(first.bytes, first.network))}`,
    )
  }

  /** It waits no more; its pieces are the caller's. */
  #forget(assembly: Assembly): void {
    this.#netns.world.scheduler.cancel(assembly.timer)
    this.#open.splice(this.#open.indexOf(assembly), 1)
    this.memory -= QUEUE
    for (const { bytes, network } of assembly.pieces) this.memory -= truesize(ipv4.totalLength(bytes, network))
    if (this.#open.length === 0) this.#senders.clear()
  }

  /** Not all pieces came in time: the first, if it is there, is worth an error (RFC 792). */
  expire(assembly: Assembly): void {
    const { world, name, counters, icmp: messages } = this.#netns
    counters.ipReasmFails++
    counters.ipReasmTimeout++
    this.#forget(assembly)
    const first = assembly.pieces.at(0)
    if (first !== undefined && ipv4.fragmentOffset(first.bytes, first.network) === 0) {
      const ours = this.#netns.isLocal(ipv4.destination(first.bytes, first.network))
      if (ours) messages.error(first, icmp.TIME_EXCEEDED, 1, 0)
    }
    for (const piece of assembly.pieces) world.frames.drop(piece, DropReason.FragmentTimeout, name)
  }

  /** inet_frag_queue_insert: nothing new in it, partly something that is there already, or neither. */
  #overlap(assembly: Assembly, from: number, to: number): number {
    let covered = from
    let touches = false
    for (const { bytes, network } of assembly.pieces) {
      const start = ipv4.fragmentOffset(bytes, network)
      const end = start + ipv4.totalLength(bytes, network) - ipv4.headerLength(bytes, network)
      if (start < to && end > from) touches = true
      if (start <= covered && end > covered) covered = end
    }
    if (!touches) return 0
    return covered >= to ? DUPLICATE : OVERLAP
  }

  #discard(assembly: Assembly, last: Frame | null, reason: DropReason): void {
    const { world, name, counters } = this.#netns
    counters.ipReasmFails++
    this.#forget(assembly)
    for (const piece of assembly.pieces) world.frames.drop(piece, reason, name)
    if (last !== null) world.frames.drop(last, reason, name)
  }

  #find(frame: Frame): Assembly {
    const { bytes, network: at } = frame
    const source = ipv4.source(bytes, at)
    const destination = ipv4.destination(bytes, at)
    const id = ipv4.identification(bytes, at)
    const protocol = ipv4.protocol(bytes, at)
    for (const known of this.#open) {
      const same = known.id === id && known.source === source && known.destination === destination
      if (same && known.protocol === protocol) return known
    }
    const made = new Assembly(this)
    made.source = source
    made.destination = destination
    made.id = id
    made.protocol = protocol
    const { scheduler } = this.#netns.world
    const patience = this.#netns.sysctl.number('net.ipv4.ipfrag_time') * SECOND
    scheduler.at(made.timer, wheel(scheduler.now, patience))
    this.#open.push(made)
    this.memory += QUEUE
    return made
  }

  #complete(assembly: Assembly): boolean {
    let next = 0
    for (const { bytes, network } of assembly.pieces) {
      if (ipv4.fragmentOffset(bytes, network) > next) return false
      const size = ipv4.totalLength(bytes, network) - ipv4.headerLength(bytes, network)
      next = Math.max(next, ipv4.fragmentOffset(bytes, network) + size)
    }
    return assembly.total >= 0 && next >= assembly.total
  }

  #join(assembly: Assembly): Frame {
    const { world, counters } = this.#netns
    const first = assembly.pieces[0]
    const header = ipv4.headerLength(first.bytes, first.network)
    const front = first.network - first.start
    const whole = world.frames.take(front + header + assembly.total)
    whole.network = whole.start + front
    whole.transport = whole.network + header
    whole.end = whole.transport + assembly.total
    whole.bytes.set(first.bytes.subarray(first.start, first.network + header), whole.start)
    for (const piece of assembly.pieces) {
      const { bytes, network } = piece
      const from = network + ipv4.headerLength(bytes, network)
      const to = network + ipv4.totalLength(bytes, network)
      whole.bytes.set(bytes.subarray(from, to), whole.transport + ipv4.fragmentOffset(bytes, network))
      whole.fragmentSize = Math.max(whole.fragmentSize, ipv4.totalLength(bytes, network))
    }
    const dontFragment = ipv4.fragmentField(first.bytes, first.network) & ipv4.DF
    ipv4.setLengthAndFragment(whole.bytes, whole.network, header + assembly.total, dontFragment)
    whole.mark = first.mark
    whole.hash = first.hash
    whole.options = first.options
    whole.inputIndex = first.inputIndex
    whole.bridgeInput = first.bridgeInput
    whole.toHost = first.toHost
    whole.packetId = world.frames.identify(first)
    this.#forget(assembly)
    if (journal.open) {
      const packets = assembly.pieces.map((piece) => world.frames.identify(piece))
      world.frames.tell(whole, this.#netns.name, new PutTogether(packets))
    }
    for (const piece of assembly.pieces) world.frames.consume(piece)
    counters.ipReasmOks++
    return whole
  }
}

/**
 * Splits a datagram into fragments of at most `mtu` bytes and hands each to `emit`; what stands before the IP
 * header is repeated in front of every piece. Takes the frame.
 */
export function fragment(netns: Namespace, frame: Frame, mtu: number, emit: (piece: Frame) => void): void {
  const { world, counters } = netns
  const { bytes, network: at } = frame
  const front = at - frame.start
  const header = ipv4.headerLength(bytes, at)
  const field = ipv4.fragmentField(bytes, at)
  const room = (mtu - header) & ~7
  const end = at + ipv4.totalLength(bytes, at)
  const pieces = Math.ceil((end - at - header) / room)
  if (journal.open) world.frames.tell(frame, netns.name, new Cut(end - at, mtu, pieces))
  const id = world.frames.identify(frame)
  for (let from = at + header; from < end; from += room) {
    const size = Math.min(room, end - from)
    const piece = world.frames.take(front + header + size)
    piece.network = piece.start + front
    piece.transport = piece.network + header
    piece.end = piece.transport + size
    piece.bytes.set(bytes.subarray(frame.start, at + header), piece.start)
    piece.bytes.set(bytes.subarray(from, from + size), piece.transport)
    if (header > ipv4.HEADER && from > at + header) dropUncopied(piece.bytes, piece.network)
    const offset = (field & 0x1fff) + (from - at - header) / 8
    const more = from + size < end || (field & ipv4.MF) !== 0
    const kept = field & ipv4.DF
    ipv4.setLengthAndFragment(piece.bytes, piece.network, header + size, kept | offset | (more ? ipv4.MF : 0))
    piece.mark = frame.mark
    piece.hash = frame.hash
    piece.inputIndex = frame.inputIndex
    piece.packetId = id
    piece.bridgeInput = frame.bridgeInput
    piece.bridgeOutput = frame.bridgeOutput
    counters.ipFragCreates++
    if (journal.open) {
      const number = (from - at - header) / room + 1
      world.frames.tell(piece, netns.name, new Piece(world.frames.identify(frame), number, pieces))
    }
    emit(piece)
  }
  counters.ipFragOks++
  world.frames.consume(frame)
}

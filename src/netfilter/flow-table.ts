/**
 * The hash table of flows (nf_conntrack_core.c): both tuples of each flow hang in buckets, found by integers and
 * without allocation. Ends are kept as numbers in the flows; one timer, armed for the earliest, sweeps them out.
 */
import type { Random } from '../sim/random.ts'
import { type Scheduler, SECOND, Timer } from '../sim/scheduler.ts'
import type { Ipv4 } from '../wire/address.ts'
import { BUCKETS } from './conntrack-settings.ts'
import { Flow, type Tuple } from './flow.ts'
import { Status } from './status.ts'
import { hashOf } from './tuple.ts'

/** What `conntrack -E` prints. */
export type FlowEvent = 'NEW' | 'UPDATE' | 'DESTROY'
/** `port`: the netlink port of the program that caused it, 0 when the kernel itself did. */
export type FlowReader = (event: FlowEvent, flow: Flow, port: number) => void

/** The kernel's buckets are the highest 18 bits of the hash; ours are as many of them as needed. */
const BUCKET_SHIFT = 14
/** NF_CT_EVICTION_RANGE: a full table looks for a victim in so many buckets. */
const EVICTION_RANGE = 8

/** Linux's gc worker is as lazy: an entry past its end is invisible at once, but swept within a second. */
const SWEEP = SECOND

/** A table of 256 buckets is made for the first flow; before that all have the same two empty ones. */
const EMPTY_SHIFT = 31
const FIRST_SHIFT = 24
const NO_TUPLES: (Tuple | null)[] = new Array<Tuple | null>(2).fill(null)
const NO_FLOWS: (Flow | null)[] = new Array<Flow | null>(2).fill(null)

export class FlowTable {
  readonly random: Random
  onEvent: FlowReader | null = null
  /** Confirmed flows, expired ones that are not swept yet included. */
  count = 0
  #scheduler: Scheduler
  #timer: Timer
  /** How often NAT wanted a tuple that another flow had. */
  found = 0
  /** The table was full and nothing could be evicted: from this count on the next sweep takes more. 0: all is well. */
  pressed = 0
  /** The netlink port of the program at work; 0: none is. */
  port = 0
  #shift = EMPTY_SHIFT
  #buckets = NO_TUPLES
  /** Flows that NAT has looked at, by protocol, source and source port: nf_nat_bysource. */
  #sources = NO_FLOWS
  #newest: Flow | null = null
  #oldest: Flow | null = null
  #ids = 0

  constructor(scheduler: Scheduler, random: Random) {
    this.#scheduler = scheduler
    this.random = random
    this.#timer = new Timer({ run: () => this.#sweep() })
  }

  /** A flow that is in no bucket yet. */
  create(): Flow {
    return new Flow(++this.#ids, this)
  }

  /** Null when no living flow has this tuple. */
  find(protocol: number, source: Ipv4, destination: Ipv4, sourcePort: number, destinationPort: number): Tuple | null {
    const hash = hashOf(protocol, source, destination, sourcePort, destinationPort)
    let tuple = this.#buckets[hash >>> this.#shift]
    while (tuple !== null) {
      if (
        tuple.hash === hash &&
        tuple.source === source &&
        tuple.destination === destination &&
        tuple.sourcePort === sourcePort &&
        tuple.destinationPort === destinationPort &&
        tuple.protocol === protocol
      ) {
        if (tuple.flow.due > this.#scheduler.now) return tuple
        this.remove(tuple.flow)
        return null
      }
      tuple = tuple.next
    }
    return null
  }

  /** Is this tuple in the table, by a flow other than `ignored`? */
  taken(
    protocol: number,
    source: Ipv4,
    destination: Ipv4,
    sourcePort: number,
    destinationPort: number,
    ignored: Flow,
  ): boolean {
    const tuple = this.find(protocol, source, destination, sourcePort, destinationPort)
    return tuple !== null && tuple.flow !== ignored
  }

  /** As `find`, for who looks on: what has expired stays where it is. */
  peek(protocol: number, source: Ipv4, destination: Ipv4, sourcePort: number, destinationPort: number): Tuple | null {
    const hash = hashOf(protocol, source, destination, sourcePort, destinationPort)
    let tuple = this.#buckets[hash >>> this.#shift]
    while (tuple !== null) {
      const same = tuple.hash === hash && tuple.equals(protocol, source, destination, sourcePort, destinationPort)
      if (same && tuple.flow.due > this.#scheduler.now) return tuple
      tuple = tuple.next
    }
    return null
  }

  insert(flow: Flow): void {
    if (this.count * 2 >= this.#buckets.length || this.#buckets === NO_TUPLES) this.#grow()
    if ((flow.status & Status.NAT_CLASH) === 0) this.#hang(flow.original)
    this.#hang(flow.reply)
    if ((flow.status & Status.SRC_NAT_DONE) !== 0) this.#hangSource(flow)
    flow.older = this.#newest
    flow.newer = null
    if (this.#newest === null) this.#oldest = flow
    else this.#newest.newer = flow
    this.#newest = flow
    this.count++
    this.hasten(flow)
    this.announce('NEW', flow)
  }

  /** Sees to it that the sweep comes early enough for a flow whose end has moved nearer. */
  hasten(flow: Flow): void {
    if (!this.#timer.armed || flow.due + SWEEP < this.#scheduler.dueOf(this.#timer)) {
      this.#scheduler.at(this.#timer, flow.due)
    }
  }

  /** Takes the flow out of the table; a flow that is not in it is only marked. */
  remove(flow: Flow): void {
    if ((flow.status & Status.DYING) !== 0) return
    flow.status |= Status.DYING
    if ((flow.status & Status.CONFIRMED) === 0) return
    this.#unhang(flow.original)
    this.#unhang(flow.reply)
    if ((flow.status & Status.SRC_NAT_DONE) !== 0) this.#unhangSource(flow)
    if (flow.newer === null) this.#newest = flow.older
    else flow.newer.older = flow.older
    if (flow.older === null) this.#oldest = flow.newer
    else flow.older.newer = flow.newer
    flow.newer = null
    flow.older = null
    this.count--
    if (this.count === 0) this.#scheduler.cancel(this.#timer)
    if (flow.start >= 0) flow.stop = this.#scheduler.now
    this.announce('DESTROY', flow)
  }

  announce(event: FlowEvent, flow: Flow): void {
    if (this.onEvent !== null && flow.announced) this.onEvent(event, flow, this.port)
  }

  /**
   * Makes room for a new tuple with this hash (early_drop): the first of eight buckets, counted from the tuple's own,
   * that holds unassured flows loses all of them. How many that were.
   */
  earlyDrop(hash: number): number {
    const first = hash >>> BUCKET_SHIFT
    for (let i = 0; i < EVICTION_RANGE; i++) {
      const bucket = (first + i) & (BUCKETS - 1)
      let dropped = 0
      for (;;) {
        const flow = this.#victim(bucket)
        if (flow === null) break
        if (flow.due > this.#scheduler.now) dropped++
        this.remove(flow)
      }
      if (dropped > 0) return dropped
    }
    return 0
  }

  /** An unassured or expired flow in one of the kernel's buckets. */
  #victim(bucket: number): Flow | null {
    let tuple = this.#buckets[bucket >>> (this.#shift - BUCKET_SHIFT)]
    while (tuple !== null) {
      const { flow } = tuple
      if (tuple.hash >>> BUCKET_SHIFT === bucket) {
        if ((flow.status & Status.ASSURED) === 0 || flow.due <= this.#scheduler.now) return flow
      }
      tuple = tuple.next
    }
    return null
  }

  /** Living flows, newest first. */
  list(): Flow[] {
    this.#purge()
    const flows: Flow[] = []
    for (let flow = this.#newest; flow !== null; flow = flow.older) flows.push(flow)
    return flows
  }

  /** Removes the entries past their end and returns when the next one ends. */
  #purge(): number {
    const now = this.#scheduler.now
    let earliest = Number.POSITIVE_INFINITY
    let flow = this.#oldest
    while (flow !== null) {
      const newer: Flow | null = flow.newer
      if (flow.due <= now) this.remove(flow)
      else if (flow.due < earliest) earliest = flow.due
      flow = newer
    }
    return earliest
  }

  #sweep(): void {
    let earliest = this.#purge()
    if (this.pressed > 0) {
      this.#relieve()
      earliest = this.#purge()
    }
    if (this.count === 0) return
    const soonest = this.#scheduler.now + SWEEP
    this.#scheduler.at(this.#timer, earliest > soonest ? earliest : soonest)
  }

  /** gc_worker after a packet was refused: down to 95 % of the limit, unassured and closing flows go. */
  #relieve(): void {
    const enough = this.pressed
    this.pressed = 0
    let flow = this.#oldest
    while (flow !== null && this.count >= enough) {
      const newer: Flow | null = flow.newer
      if ((flow.status & Status.ASSURED) === 0 || flow.tcp?.closing === true) this.remove(flow)
      flow = newer
    }
  }

  #hang(tuple: Tuple): void {
    tuple.hash = hashOf(tuple.protocol, tuple.source, tuple.destination, tuple.sourcePort, tuple.destinationPort)
    const bucket = tuple.hash >>> this.#shift
    tuple.next = this.#buckets[bucket]
    this.#buckets[bucket] = tuple
  }

  /** The first flow of the bucket in which flows from this source hang. */
  firstFrom(protocol: number, source: Ipv4, port: number): Flow | null {
    return this.#sources[sourceHash(protocol, source, port) & (this.#sources.length - 1)]
  }

  #hangSource(flow: Flow): void {
    const { protocol, source, sourcePort } = flow.original
    const bucket = sourceHash(protocol, source, sourcePort) & (this.#sources.length - 1)
    flow.nextFromSource = this.#sources[bucket]
    this.#sources[bucket] = flow
  }

  #unhangSource(flow: Flow): void {
    const { protocol, source, sourcePort } = flow.original
    const bucket = sourceHash(protocol, source, sourcePort) & (this.#sources.length - 1)
    let before: Flow | null = null
    let at = this.#sources[bucket]
    while (at !== null && at !== flow) {
      before = at
      at = at.nextFromSource
    }
    if (at === null) return
    if (before === null) this.#sources[bucket] = flow.nextFromSource
    else before.nextFromSource = flow.nextFromSource
    flow.nextFromSource = null
  }

  #unhang(tuple: Tuple): void {
    const bucket = tuple.hash >>> this.#shift
    let before: Tuple | null = null
    let at = this.#buckets[bucket]
    while (at !== null && at !== tuple) {
      before = at
      at = at.next
    }
    if (at === null) return
    if (before === null) this.#buckets[bucket] = tuple.next
    else before.next = tuple.next
    tuple.next = null
  }

  #grow(): void {
    if (this.#shift === BUCKET_SHIFT) return
    this.#shift = this.#shift === EMPTY_SHIFT ? FIRST_SHIFT : this.#shift - 2
    const size = 2 ** (32 - this.#shift)
    this.#buckets = new Array<Tuple | null>(size).fill(null)
    this.#sources = new Array<Flow | null>(size).fill(null)
    for (let flow = this.#oldest; flow !== null; flow = flow.newer) {
      if ((flow.status & Status.SRC_NAT_DONE) !== 0) this.#hangSource(flow)
      if ((flow.status & Status.NAT_CLASH) === 0) this.#hang(flow.original)
      this.#hang(flow.reply)
    }
  }
}

function sourceHash(protocol: number, source: Ipv4, port: number): number {
  const hash = Math.imul(source ^ (source >>> 15), 0x9e3779b1) ^ Math.imul(port + (protocol << 16), 0x85ebca6b)
  return hash ^ (hash >>> 15)
}

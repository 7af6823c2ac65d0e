/**
 * A cable with two ends: `ip link add a type veth peer name b`. A frame that is sent into one end waits its
 * turn in the other end's inbox until it is due, as Linux's veth hands it to the peer's softirq. This is the one
 * place in the forwarding path where frames wait, and what breaks the recursion between two stacks.
 *
 * With a `Netem` it is also the physical link: delay, jitter, loss and rate, each direction on its own; what is rarer
 * than these (duplicates, damage, reordering, correlated chance) an engine of netem does for the cable.
 */
import { MILLISECOND, type Nanos, type Scheduler, type Task, Timer } from '../sim/scheduler.ts'
import type { Mac } from '../wire/address.ts'
import * as ethernet from '../wire/ethernet.ts'
import type { Departing, Impairment, Netem } from './cable.ts'
import { Travels } from './cable-decisions.ts'
import { Transit } from './cable-transit.ts'
import { NetDevice, type Surroundings } from './device.ts'
import { FlowCache, journal } from './flow-cache.ts'
import { DropReason, type Frame } from './frame.ts'
import { laneOf } from './lane.ts'
import { NetemQdisc } from './netem.ts'
import { PLAIN } from './netem-options.ts'
import type { QdiscOutput } from './qdisc.ts'

export type { Departing, Impairment, Netem } from './cable.ts'

/** A cable that takes less is one as every other, of which nothing is told. */
const SLOW: Nanos = MILLISECOND / 10

/** Its length in bytes (VLAN_HLEN). */
const VLAN_TAG = 4

/** Frames that an inbox is first made for. */
const FIRST = 8
/** The inbox of a cable that nothing was ever sent through; an array of objects as all others are (V8's elements kind). */
const NO_FRAMES: (Frame | null)[] = new Array<Frame | null>(1).fill(null)
NO_FRAMES.length = 0
const NO_TIMES = new Float64Array(0)

export class Veth extends NetDevice implements Task {
  override readonly kind = 'veth'
  #peer: Veth | null = null
  /** Where frames go: the peer while the cable is plugged in. */
  #wire: Veth | null = null
  #engine: NetemQdisc | null = null
  #delay: Nanos = 0
  #jitter: Nanos = 0
  #loss = 0
  #rate = 0
  #limit = 1000
  /** Anything besides the delay: most cables have none of it. */
  #impaired = false
  #departing: Departing | null = null
  #transit: Transit | null = null
  #impairment: Impairment | null = null
  // The inbox: frames that the peer sent, with the moment each is due.
  #frames = NO_FRAMES
  #dues = NO_TIMES
  #head = 0
  #size = 0
  /** When the last frame sent into this end's peer leaves the cable. */
  #busy = NO_TIMES
  #timer: Timer = new Timer(this)
  readonly #flows: FlowCache | null

  private constructor(world: Surroundings, name: string, mac: Mac, netem: Netem) {
    super(world, name, mac)
    this.#flows = world.flowCache === true ? new FlowCache(laneOf(world.scheduler)) : null
    this.setNetem(netem)
  }

  /** Both ends of a new cable. `netem` holds for both directions. `bWorld`: where b's end is in another part of the world. */
  static pair(
    world: Surroundings,
    a: string,
    aMac: Mac,
    b: string,
    bMac: Mac,
    netem: Netem = {},
    bWorld = world,
  ): [Veth, Veth] {
    const left = new Veth(world, a, aMac, netem)
    const right = new Veth(bWorld, b, bMac, netem)
    left.#peer = right
    right.#peer = left
    left.#wire = right
    right.#wire = left
    return [left, right]
  }

  /** `tc qdisc change`: for what this end sends from now on. */
  setNetem(netem: Netem): void {
    this.#engine?.reset()
    this.#engine = null
    if (netem.engine !== undefined) {
      this.#engine = new NetemQdisc(this.#farEnd(), this.world, { ...PLAIN, ...netem.engine, ordered: true })
      this.#delay = 0
      this.#impaired = true
      this.onConfigured?.()
      return
    }
    this.#delay = netem.delay ?? 0
    this.#jitter = netem.jitter ?? 0
    this.#loss = netem.loss ?? 0
    this.#rate = netem.rate ?? 0
    this.#limit = netem.limit ?? 1000
    if (this.#rate > 0 && this.#busy === NO_TIMES) this.#busy = new Float64Array(1)
    this.#impaired = this.#jitter > 0 || this.#loss > 0 || this.#rate > 0 || this.#transit !== null
    this.onConfigured?.()
  }

  get impairment(): Impairment | null {
    return this.#impairment
  }

  set impairment(impairment: Impairment | null) {
    this.#impairment = impairment
    this.onConfigured?.()
  }

  /** Each frame comes to the far end, the same time later: the cable has a delay, and nothing else. */
  get plain(): boolean {
    return !this.#impaired && this.#impairment === null && this.#wire !== null
  }

  /** No frame is at the far end before this time has passed; 0 where an engine of netem may let it overtake. */
  get leastDelay(): Nanos {
    return this.#engine === null ? Math.max(0, Math.floor(this.#delay - this.#jitter)) : 0
  }

  /** Told of what this end sends, from now on; the ends are separate. */
  set departing(departing: Departing) {
    this.#departing = departing
  }

  /** At one instant, what is due at this end goes up before all that has no rank (Timer.rank). */
  set rank(rank: number) {
    this.#timer.rank = rank
  }

  /**
   * From now on the two ends have clocks of their own, of which neither is much ahead of the other: what is on the way is counted
   * where it was sent.
   */
  separate(): void {
    const peer = this.#peer
    if (peer === null) return
    this.#transit = new Transit()
    for (let i = 0; i < peer.#size; i++) this.#transit.add(peer.#dues[(peer.#head + i) & (peer.#dues.length - 1)])
    this.#impaired = true
    this.onConfigured?.()
  }

  /** This end's clock was that of another scheduler until now. */
  leaveClock(from: Scheduler): void {
    this.world.scheduler.takeOver(this.#timer, from)
  }

  /** Puts a frame on its way to this end that the far end sent elsewhere, in another thread. Takes the frame. */
  inject(frame: Frame, due: Nanos): void {
    this.#enqueue(frame, due)
  }

  /** Bits per second; 0: as fast as frames come. */
  get rate(): number {
    return this.#rate
  }

  /** The other end; null once the cable is gone. */
  get peer(): Veth | null {
    return this.#peer
  }

  override get carrier(): boolean {
    return this.up && this.#wire !== null && this.#wire.up
  }

  /** Without a plug its queue is the one that eats everything (noop_qdisc): not even a capture sees the frame. */
  override send(frame: Frame): void {
    if (this.#wire !== null) return super.send(frame)
    this.txDropped++
    this.world.frames.drop(frame, this.up ? DropReason.NoCarrier : DropReason.DeviceDown, this.place)
  }

  /** Is the plug in? Both ends say the same. */
  get plugged(): boolean {
    return this.#wire !== null
  }

  /** Pulls the plug, or puts it in again. What is on the way when it is pulled is lost. */
  set plugged(plugged: boolean) {
    const peer = this.#peer
    if (peer === null || plugged === this.plugged) return
    this.#wire = plugged ? peer : null
    peer.#wire = plugged ? this : null
    this.reconfigured()
    peer.reconfigured()
    if (plugged) return
    this.#empty(DropReason.Unplugged)
    peer.#empty(DropReason.Unplugged)
  }

  /** `ip link del`: both ends vanish, with what is on the way. */
  destroy(): void {
    const peer = this.#peer
    if (peer === null) return
    for (const end of [this, peer]) {
      end.#peer = null
      end.#wire = null
      end.qdisc?.reset()
      end.#empty(DropReason.Teardown)
      end.onConfigured?.()
    }
  }

  /** What waits at this end is lost, and what its engine holds. */
  #empty(reason: DropReason): void {
    this.#engine?.reset()
    this.world.scheduler.cancel(this.#timer)
    for (; this.#size > 0; ) this.world.frames.drop(this.#shift(), reason, this.place)
  }

  /** Where the cable's own engine puts what has waited there. */
  #farEnd(): QdiscOutput {
    const { name, mtu, world } = this
    const place = () => this.place
    const leave = (frame: Frame): void => {
      const { scheduler } = world
      if (this.#wire === null) world.frames.drop(frame, DropReason.Unplugged, this.place)
      else this.#wire.#enqueue(frame, scheduler.now)
    }
    return {
      name,
      get place() {
        return place()
      },
      mtu,
      up: true,
      world,
      leave,
    }
  }

  /** Passes end here. */
  protected override noteDeparture(frame: Frame): void {
    journal.finish(frame, this)
  }

  protected override transmit(frame: Frame): void {
    const peer = this.#wire
    if (journal.open && !this.#impaired && this.#delay >= SLOW) this.#tell(frame, this.#delay)
    if (peer === null || !peer.up) {
      this.txDropped++
      return this.world.frames.drop(frame, peer === null ? DropReason.NoCarrier : DropReason.ReceiverDown, this.place)
    }
    // is_skb_forwardable: the far end takes no more than its own MTU, its Ethernet header and a VLAN tag.
    if (frame.end - frame.start > peer.mtu + ethernet.HEADER + VLAN_TAG) {
      this.txDropped++
      peer.rxDropped++
      return this.world.frames.drop(frame, DropReason.FrameTooLong, peer.place)
    }
    let due = this.world.scheduler.now + this.#delay
    if (this.#impaired || this.#impairment !== null) {
      due = this.#impair(frame, due)
      if (due < 0) return
    }
    frame.scrub()
    peer.#enqueue(frame, due)
  }

  /** The frames that are due go up, oldest first. */
  run(): void {
    const now = this.world.scheduler.now
    const flows = this.#flows
    while (this.#size > 0 && this.#dues[this.#head] <= now) {
      if (flows === null) this.receive(this.#shift())
      else flows.take(this.#shift(), this)
    }
    if (this.#size === 0) return
    if (flows !== null) flows.before(this.#dues, this.#head)
    if (!this.#timer.armed) this.world.scheduler.atEntry(this.#timer, this.#dues, this.#head)
  }

  /** As if it had been due. */
  arrive(frame: Frame): void {
    if (this.#flows === null) this.receive(frame)
    else this.#flows.take(frame, this)
  }

  /** The far end, while nothing but the delay is between: no queue, nobody who watches. */
  get far(): Veth | null {
    const far = this.#wire
    const bare = this.plain && this.up && this.tap === null && this.qdisc === null
    return bare && far !== null && far.up ? far : null
  }

  /** ... and no other frame. */
  get clear(): Veth | null {
    const { far } = this
    return far !== null && far.#size === 0 ? far : null
  }

  /** Of what this end sends. */
  get delay(): Nanos {
    return this.#delay
  }

  /** Counts frames that went to the far end otherwise. */
  sent(packets: number, bytes: number): void {
    this.txPackets += packets
    this.txBytes += bytes
  }

  /** Loss, jitter and rate: when the frame is due then; negative when it is lost. */
  #impair(frame: Frame, due: Nanos): Nanos {
    const { random } = this.world
    const full = this.#rate > 0 && this.#limit > 0 && this.#onTheWay() >= this.#limit
    const lost = (this.#loss > 0 && random.fraction() < this.#loss) || this.#impairment?.(frame) === true
    if (lost || full) {
      this.txDropped++
      this.world.frames.drop(frame, lost ? DropReason.Impaired : DropReason.QueueFull, this.place)
      return -1
    }
    if (this.#engine !== null) {
      frame.scrub()
      const { drops } = this.#engine
      this.#engine.enqueue(frame)
      this.txDropped += this.#engine.drops - drops
      return -1
    }
    const jitter = this.#jitter > 0 ? (random.fraction() * 2 - 1) * this.#jitter : 0
    const later = Math.max(due + jitter, this.world.scheduler.now)
    const arrival = this.#rate > 0 ? this.#serialise(frame, later) : later
    if (this.#transit !== null) return this.#depart(frame, arrival, this.#transit)
    if (journal.open) this.#tell(frame, arrival - this.world.scheduler.now)
    return arrival
  }

  /** Negative when it is elsewhere from now on. */
  #depart(frame: Frame, arrival: Nanos, transit: Transit): Nanos {
    transit.count(this.world.scheduler.now)
    // A cable keeps order: a frame is not due before the last one that is on its way.
    const due = Math.max(arrival, transit.last)
    transit.add(due)
    if (this.#departing === null || !this.#departing(frame, due)) return due
    this.world.frames.consume(frame)
    return -1
  }

  /** Frames between here and the far end. */
  #onTheWay(): number {
    if (this.#transit !== null) return this.#transit.count(this.world.scheduler.now)
    return this.#peer === null ? 0 : this.#peer.#size
  }

  #tell(frame: Frame, takes: Nanos): void {
    const waiting = this.#rate > 0 && this.#peer !== null ? this.#peer.#size : 0
    this.world.frames.tell(frame, this.place, new Travels(takes, waiting))
  }

  #serialise(frame: Frame, due: Nanos): Nanos {
    const now = this.world.scheduler.now
    const begin = this.#busy[0] > now ? this.#busy[0] : now
    const finish = begin + Math.round(((frame.end - frame.start + 24) * 8e9) / this.#rate)
    this.#busy[0] = finish
    return due + (finish - now)
  }

  #enqueue(frame: Frame, due: Nanos): void {
    if (this.#size === this.#frames.length) this.#grow()
    const mask = this.#frames.length - 1
    const slot = (this.#head + this.#size) & mask
    // A cable keeps order: jitter never lets a frame overtake.
    const last = this.#size > 0 ? this.#dues[(slot - 1) & mask] : 0
    this.#frames[slot] = frame
    this.#dues[slot] = due < last ? last : due
    this.#size++
    if (this.#size === 1) this.world.scheduler.atEntry(this.#timer, this.#dues, slot)
  }

  #shift(): Frame {
    const frame = this.#frames[this.#head] as Frame
    this.#frames[this.#head] = null
    this.#head = (this.#head + 1) & (this.#frames.length - 1)
    this.#size--
    return frame
  }

  #grow(): void {
    const size = this.#frames.length
    const larger = Math.max(FIRST, size * 2)
    const frames = new Array<Frame | null>(larger).fill(null)
    const dues = new Float64Array(larger)
    for (let i = 0; i < size; i++) {
      frames[i] = this.#frames[(this.#head + i) & (size - 1)]
      dues[i] = this.#dues[(this.#head + i) & (size - 1)]
    }
    this.#frames = frames
    this.#dues = dues
    this.#head = 0
  }
}

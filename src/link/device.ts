/**
 * A network device: one door down (`send`) and one door up (`receive`).
 *
 *          netns or bridge port (receiver)
 *            │ send            ▲ receive
 *   ┌────────▼─────────────────┴────────┐
 *   │ qdisc, if any            │         │
 *   │ count, tap 'out'    count, tap 'in' │  NetDevice
 *   └────────┬─────────────────▲────────┘
 *            ▼ transmit        │
 *          cable, bridge, tunnel
 *
 * The taps sit where AF_PACKET sits in Linux: on the way in before anybody has seen the frame, on the way out
 * behind POSTROUTING and the queueing discipline. `link` may import `sim` and `wire`.
 */
import { LARGE } from '../sim/count.ts'
import type { Random } from '../sim/random.ts'
import type { Scheduler } from '../sim/scheduler.ts'
import { formatMac, type Mac } from '../wire/address.ts'
import { i32, u16 } from '../wire/bytes.ts'
import { Arrival, Departure } from './device-steps.ts'
import { configurationChanged, journal } from './flow-cache.ts'
import { DropReason, type Frame, type FramePool } from './frame.ts'
import { type KernelLog, LogLevel } from './kernel-log.ts'
import { LinkSettings } from './link-settings.ts'
import { Listeners } from './listeners.ts'
import type { Qdisc } from './qdisc.ts'

/** What a device needs of its World. */
export interface Surroundings {
  readonly scheduler: Scheduler
  readonly frames: FramePool
  readonly random: Random
  /** Tells whoever watches that some device's carrier may be another now; null while nobody does. */
  readonly linkChanged?: (() => void) | null
  /** Are passes of known flows cached? */
  readonly flowCache?: boolean
}

export type Direction = 'in' | 'out'

/** Called for each frame while somebody watches. The frame is lent: copy what you keep. */
export type Tap = (frame: Frame, device: NetDevice, direction: Direction) => void

/** Who takes what arrives: a namespace, or a bridge for its port. */
export interface Receiver {
  /** A frame came in by a device. Takes the frame. */
  receive(frame: Frame, from: NetDevice): void
}

/** Takes frames on behalf of devices above; true when it has taken one. */
export interface RxHandler {
  takes(frame: Frame): boolean
}

/** What stands upon a device (link/stack). */
export interface Stack extends RxHandler {
  vlans: RxHandler | null
  macvlans: RxHandler | null
  /** In the order in which they came. */
  readonly uppers: NetDevice[]
}

export type DeviceKind = 'loopback' | 'veth' | 'bridge' | 'vxlan' | 'dummy' | 'macvlan' | 'vlan' | 'tun'

export abstract class NetDevice {
  abstract readonly kind: DeviceKind
  name: string
  /** `namespace/name`, once it is in a namespace: where drops and decisions happen. */
  place: string
  #mac: Mac
  /** The MAC in two numbers, with which a frame's is compared. */
  #macHigh: number
  #macLow: number
  #mtu = 1500
  #up = false
  #tap: Tap | null = null
  #receiver: Receiver | null = null
  #stack: Stack | null = null
  #qdisc: Qdisc | null = null
  #promiscuous = false
  /** It was up once in this namespace, and has had a queue since (dev_activate). */
  activated = false
  /** Interface index inside its namespace, from 1. */
  index = 0
  #listeners: Listeners<NetDevice> | null = null
  /** The bridge this device is a port of. */
  master: NetDevice | null = null
  /** Of the machine it is in. */
  kernelLog: KernelLog | null = null
  /** IFF_NOARP: neighbours are not asked for, frames go to the device's own address. */
  noArp = false
  #settings: LinkSettings | null = null
  rxPackets = 0
  rxBytes = LARGE
  rxDropped = 0
  txPackets = 0
  txBytes = LARGE
  txDropped = 0
  readonly world: Surroundings
  /** What IPv4 keeps of it in its namespace (dev->ip_ptr). */
  inet: object | null = null
  /** Told of every change that decides whether and where frames pass here; null: nobody asks. */
  onConfigured: (() => void) | null = null

  constructor(world: Surroundings, name: string, mac: Mac) {
    this.world = world
    this.name = name
    this.place = name
    this.#mac = mac
    this.#macHigh = u16(mac, 0)
    this.#macLow = i32(mac, 2)
    this.rxBytes = 0
    this.txBytes = 0
  }

  // What decides whether and where frames pass: with another value, no recorded pass is sure any more.

  protected reconfigured(): void {
    configurationChanged()
    this.onConfigured?.()
  }

  get mac(): Mac {
    return this.#mac
  }

  set mac(mac: Mac) {
    this.#mac = mac
    this.#macHigh = u16(mac, 0)
    this.#macLow = i32(mac, 2)
    this.reconfigured()
  }

  /** Does its own MAC stand there? */
  isAt(view: DataView, at: number): boolean {
    return view.getInt32(at + 2) === this.#macLow && view.getUint16(at) === this.#macHigh
  }

  get mtu(): number {
    return this.#mtu
  }

  set mtu(mtu: number) {
    this.#mtu = mtu
    this.reconfigured()
  }

  get up(): boolean {
    return this.#up
  }

  set up(up: boolean) {
    this.#up = up
    this.reconfigured()
  }

  /** Called for each frame; null while nobody listens. See `listen`. */
  get tap(): Tap | null {
    return this.#tap
  }

  set tap(tap: Tap | null) {
    this.#tap = tap
    this.reconfigured()
  }

  get receiver(): Receiver | null {
    return this.#receiver
  }

  set receiver(receiver: Receiver | null) {
    this.#receiver = receiver
    this.reconfigured()
  }

  /** The devices upon this one, which see what it receives first; null: none. */
  get stack(): Stack | null {
    return this.#stack
  }

  set stack(stack: Stack | null) {
    this.#stack = stack
    this.reconfigured()
  }

  /** What `tc` put at the egress; null: noqueue, the default. */
  get qdisc(): Qdisc | null {
    return this.#qdisc
  }

  set qdisc(qdisc: Qdisc | null) {
    this.#qdisc = qdisc
    this.reconfigured()
  }

  get promiscuous(): boolean {
    return this.#promiscuous
  }

  set promiscuous(promiscuous: boolean) {
    this.#promiscuous = promiscuous
    this.reconfigured()
  }

  /** What frames do not meet. */
  get settings(): LinkSettings {
    this.#settings ??= new LinkSettings(this.kind !== 'loopback' && this.kind !== 'dummy')
    return this.#settings
  }

  /** Is the other side there? (IFF_LOWER_UP) */
  get carrier(): boolean {
    return this.up
  }

  /** Down the stack, into the queue when there is one. The frame begins with its Ethernet header. */
  send(frame: Frame): void {
    if (!this.#up) return this.world.frames.drop(frame, DropReason.DeviceDown, this.place)
    if (this.#qdisc !== null) return this.#qdisc.enqueue(frame)
    this.leave(frame)
  }

  /** Behind the queue (dev_hard_start_xmit): count, tap, transmit. */
  leave(frame: Frame): void {
    this.txPackets++
    this.txBytes += frame.end - frame.start
    if (this.#tap !== null) this.#tap(frame, this, 'out')
    if (journal.open) this.noteDeparture(frame)
    this.transmit(frame)
  }

  /** Up the stack: count, tap, hand to the receiver. */
  receive(frame: Frame): void {
    if (!this.#up || this.#receiver === null) {
      this.rxDropped++
      return this.world.frames.drop(frame, DropReason.ReceiverDown, this.place)
    }
    this.rxPackets++
    this.rxBytes += frame.end - frame.start
    if (this.#tap !== null) this.#tap(frame, this, 'in')
    if (journal.open) this.#noteArrival(frame)
    if (this.#stack !== null && this.#stack.takes(frame)) return
    this.#receiver.receive(frame, this)
  }

  #noteArrival(frame: Frame): void {
    if (this.#tap !== null || this.#stack !== null) journal.refuse()
    journal.tally(frame, new Arrival(this), frame.end - frame.start)
  }

  /** A frame leaves while its pass is recorded. A device that does with it what is no step keeps this. */
  protected noteDeparture(_frame: Frame): void {
    journal.refuse()
  }

  /** ... and one whose `transmit` is all steps calls this. */
  protected tallyDeparture(frame: Frame): void {
    if (this.#tap !== null || this.#qdisc !== null) journal.refuse()
    journal.tally(frame, new Departure(this), frame.end - frame.start)
  }

  /** Calls the tap for each frame from now on, behind those that listen already; what is returned ends that. */
  listen(tap: Tap): () => void {
    if (this.#listeners === null) {
      this.#listeners = new Listeners<NetDevice>(this.tap)
      this.tap = this.#listeners.call
    }
    const listeners = this.#listeners
    const end = listeners.add(tap)
    return () => {
      end()
      if (!listeners.none || this.#listeners !== listeners) return
      this.#listeners = null
      // Somebody may have put a tap in front: then ours stays behind it, and calls nobody.
      if (this.tap === listeners.call) this.tap = listeners.earlier
    }
  }

  /** IFF_PROMISC (dev_set_promiscuity). A bridge's port is promiscuous anyway. */
  setPromiscuous(on: boolean): void {
    if (on === this.promiscuous) return
    this.promiscuous = on
    if (this.master === null) this.#say(`${on ? 'entered' : 'left'} promiscuous mode`)
  }

  /** IFF_ALLMULTI (dev_set_allmulti), which a bridge's port has anyway. */
  setAllMulticast(on: boolean): void {
    if (on === this.settings.allMulticast) return
    this.settings.allMulticast = on
    if (this.master === null) this.#say(`${on ? 'entered' : 'left'} allmulticast mode`)
  }

  #say(text: string): void {
    this.kernelLog?.print(LogLevel.INFO, `${this.name}: ${text}`)
  }

  /** It joined a namespace. */
  adopted(_by: Receiver): void {}

  /** The device's own act; it now owns the frame. */
  protected abstract transmit(frame: Frame): void

  toString(): string {
    return `${this.name} ${formatMac(this.mac)}`
  }
}

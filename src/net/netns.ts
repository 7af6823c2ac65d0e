/**
 * A network namespace: devices, addresses, routes, neighbours, netfilter, and the stack that joins them. A
 * machine has one, a pod has one (held open by its pause container), a Docker container has one.
 *
 * `net` may import `netfilter`, `link`, `sim` and `wire`. Sockets register themselves in `transports`.
 */
import { Bridge } from '../link/bridge.ts'
import type { NetDevice, Receiver } from '../link/device.ts'
import { journal } from '../link/flow-cache.ts'
import { DropReason, type Frame } from '../link/frame.ts'
import { KernelLog, LogLevel } from '../link/kernel-log.ts'
import { Loopback } from '../link/loopback.ts'
import type { World } from '../link/world.ts'
import type { AddressType } from '../netfilter/host.ts'
import { type Hook, Netfilter, type NetfilterHost, type RejectWith } from '../netfilter/netfilter.ts'
import type { Nanos } from '../sim/scheduler.ts'
import { ANY, type Ipv4, isLoopback, LOOPBACK } from '../wire/address.ts'
import * as ethernet from '../wire/ethernet.ts'
import { Addresses } from './addresses.ts'
import { Arp } from './arp.ts'
import { noticeCarriers, tellSwitched } from './carrier.ts'
import { confirms } from './confirm-address.ts'
import { Counters } from './counters.ts'
import type { AddressOptions, DeviceAddress } from './device-address.ts'
import { Devices } from './devices.ts'
import type { Errno } from './errno.ts'
import { RouteExceptions } from './exception.ts'
import { Fib } from './fib.ts'
import { Icmp } from './icmp.ts'
import { Identifications } from './identification.ts'
import type { InetDevice } from './inet-device.ts'
import { OtherHost } from './ip-decisions.ts'
import { IpOptions } from './ip-options.ts'
import { Entered } from './ip-steps.ts'
import { Ipv4Layer } from './ipv4.ts'
import { KernelMessages } from './kernel-messages.ts'
import type { Namespace } from './namespace.ts'
import { NeighbourTable } from './neighbour.ts'
import { type Listener, Notices } from './notices.ts'
import { reject } from './reject.ts'
import { answersBy } from './reverse-path.ts'
import type { Route, RouteTable } from './route.ts'
import { type Seat, Seats } from './seats.ts'
import { followSwitches } from './switches.ts'
import { Sysctl } from './sysctl.ts'
import { Transports } from './transports.ts'

export type { DeviceAddress } from './device-address.ts'

export class Netns implements Receiver, NetfilterHost, Namespace {
  readonly world: World
  name: string
  /** The machine's own namespace (init_net), which may be this one. */
  readonly root: Netns
  readonly messages: KernelMessages
  readonly loopback: Loopback
  /** In the order of their interface index. */
  readonly devices = new Devices()
  readonly counters = new Counters()
  readonly sysctl = new Sysctl()
  readonly fib: Fib
  /** What ICMP taught about single destinations. */
  readonly exceptions: RouteExceptions
  readonly local: RouteTable
  readonly main: RouteTable
  readonly arp: Arp
  readonly icmp: Icmp
  readonly ipOptions: IpOptions
  readonly ipv4: Ipv4Layer
  readonly neighbours: NeighbourTable
  /** Netfilter has something to say here. */
  filters = false
  #netfilter: Netfilter | null = null
  /** Its number in nsfs (ns.inum). */
  readonly inode: number
  readonly transports = new Transports()
  forwarding = false
  defaultTtl = 64
  discoversPathMtu = true
  /** What sockets keep here (socket/sockets.ts); null: there was never any. */
  sockets: object | null = null
  /** Who hears of changes; null while nobody does. */
  notices: Notices | null = null
  readonly #addresses: Addresses
  readonly #seats: Seats
  readonly #identifications: Identifications

  /** `machine` is the machine's own namespace; without it, this is one. */
  constructor(world: World, name: string, machine?: Netns) {
    this.world = world
    this.name = name
    this.root = machine?.root ?? this
    this.messages = machine?.messages ?? new KernelMessages(new KernelLog(world.scheduler))
    this.#identifications = new Identifications(world)
    this.arp = new Arp(this)
    this.icmp = new Icmp(this)
    this.ipOptions = new IpOptions(this)
    this.ipv4 = new Ipv4Layer(this)
    this.#seats = new Seats(world.random.fraction())
    this.neighbours = new NeighbourTable(world, this.arp, this.sysctl.inet)
    this.loopback = new Loopback(world)
    this.exceptions = new RouteExceptions(world.scheduler, this.sysctl)
    this.fib = new Fib(this, this.exceptions)
    this.local = this.fib.local
    this.main = this.fib.main
    this.#addresses = new Addresses(this)
    this.adopt(this.loopback)
    this.addAddress(this.loopback, LOOPBACK, 8, null)
    this.setUp(this.loopback)
    this.inode = this.messages.enter(this)
    followSwitches(this)
  }

  get kernelLog(): KernelLog {
    return this.messages.log
  }

  /** Made when somebody configures it or asks what it knows: most namespaces of pods never do. */
  get netfilter(): Netfilter {
    this.#netfilter ??= this.messages.connect(new Netfilter(this.world, this.name, this), this.inode)
    return this.#netfilter
  }

  endFlowsBehind(device: NetDevice, address: Ipv4): void {
    this.#netfilter?.conntrack.forgetAddress(device, address)
  }

  // ── devices ──────────────────────────────────────────────────────────

  /** `ip link set DEVICE netns NAME`: the device gets its index here, and its frames come here. */
  adopt(device: NetDevice, seat: Seat = this.#seats.take(1)): void {
    if (this.devices.has(device.name)) throw new Error(`${this.name} has a device called ${device.name} already`)
    device.index = seat.index
    this.devices.set(device.name, device)
    if (!this.#seats.isLast(seat)) this.devices.misplaced()
    device.place = `${this.name}/${device.name}`
    this.sysctl.inet.adopt(device, seat.chance)
    if (device.master === null) device.receiver = this
    device.kernelLog = this.kernelLog
    device.adopted(this)
    this.world.deviceJoined(device, this.name)
    this.notices?.netconf(device, false)
    this.notices?.link(device, false)
  }

  /** Interface indices for so many devices that come later; the first of their seats. */
  reserve(count: number): Seat {
    return this.#seats.take(count)
  }

  release(device: NetDevice): void {
    this.setDown(device)
    for (const { address } of this.addressesOf(device)) this.removeAddress(device, address)
    this.local.purge((r) => r.device === device)
    this.fib.withdraw(device, true)
    this.devices.delete(device.name)
    device.activated = false
    this.notices?.netconf(device, true)
    this.notices?.link(device, true)
    this.sysctl.inet.release(device)
    device.qdisc = null
    if (device.receiver === this) device.receiver = null
    this.world.deviceLeft(device)
    noticeCarriers(this)
  }

  rename(device: NetDevice, name: string): void {
    const all = [...this.devices.values()]
    const old = device.name
    device.name = name
    device.place = `${this.name}/${name}`
    this.kernelLog.print(LogLevel.INFO, `${name}: renamed from ${old}${device.up ? ' (while UP)' : ''}`)
    this.sysctl.inet.rename(device, old)
    this.devices.list(all)
    this.notices?.link(device, false)
    this.#addresses.relabel(device)
  }

  /** `ip link set DEVICE up`: its networks become reachable. */
  setUp(device: NetDevice): void {
    if (device.up) return
    device.up = true
    device.activated = true
    this.notices?.link(device, false)
    for (const own of this.addressesOf(device)) this.#addresses.connect(own)
    this.fib.revive(device)
    this.world.linkChanged?.()
    if (this.inet(device).arpNotify) this.#announce(device)
    tellSwitched(device)
  }

  /** `ip link set DEVICE down`: the routes by it go (unannounced, fib_flush), its neighbours are forgotten. */
  setDown(device: NetDevice): void {
    if (!device.up) return
    device.up = false
    device.qdisc?.reset()
    this.notices?.link(device, false)
    this.fib.withdraw(device)
    this.local.purge((r) => r.device === device && r.type === 'broadcast')
    this.neighbours.forget(device)
    this.arp.forget(device)
    this.#netfilter?.conntrack.forget(device)
    noticeCarriers(this)
    this.world.linkChanged?.()
    tellSwitched(device)
  }

  /** Hears of every change of this namespace until the returned function is called. */
  listen(listener: Listener): () => void {
    const notices = this.notices ?? new Notices()
    notices.add(listener)
    this.#tell(notices)
    return () => {
      notices.remove(listener)
      if (!notices.heard) this.#tell(null)
    }
  }

  #tell(notices: Notices | null): void {
    this.notices = notices
    this.neighbours.listener = notices
    this.fib.listen(notices)
  }

  /** The device has another MAC (NETDEV_CHANGEADDR): who was known by it is asked again. */
  macChanged(device: NetDevice): void {
    this.neighbours.flush(device)
    if (device.up && this.inet(device).arpNotify) this.#announce(device)
  }

  /** inetdev_send_gratuitous_arp. */
  #announce(device: NetDevice): void {
    for (const { address } of this.addressesOf(device)) this.arp.announce(device, address)
  }

  /** A device's cable was pulled or plugged in again (linkwatch): who was known there must be asked anew. */
  carrierChanged(device: NetDevice): void {
    if (!device.carrier) this.neighbours.unplugged(device)
    if (device.master instanceof Bridge) device.master.portCarrier(device)
    noticeCarriers(this)
  }

  /** What IPv4 knows of one of our devices: its switches, settled with `all`. */
  inet(device: NetDevice): InetDevice {
    return device.inet as InetDevice
  }

  // ── addresses ────────────────────────────────────────────────────────

  /** `ip addr add`. The broadcast address defaults to the network's last (`brd +`); null sets none. */
  addAddress(
    device: NetDevice,
    address: Ipv4,
    prefix: number,
    broadcast?: Ipv4 | null,
    options?: AddressOptions,
  ): void {
    this.sysctl.inet.detach(device)
    this.#addresses.add(device, address, prefix, broadcast, options ?? {})
  }

  /** New lifetimes for an address that is there (virtual times); false when it is not. */
  renewAddress(device: NetDevice, address: Ipv4, prefix: number, validUntil: Nanos, preferredUntil: Nanos): boolean {
    return this.#addresses.renew(device, address, prefix, validUntil, preferredUntil)
  }

  /** False when the device has no such address. Its secondaries go with it, or one of them is promoted. */
  removeAddress(device: NetDevice, address: Ipv4, prefix?: number, peer?: Ipv4): boolean {
    const removed = this.#addresses.remove(device, address, prefix, peer)
    // With its last address the device forgets whom it knew (fib_disable_ip, arp_ifdown).
    if (removed && this.addressesOf(device).length === 0) this.neighbours.forget(device)
    return removed
  }

  addressesOf(device: NetDevice): readonly DeviceAddress[] {
    return this.#addresses.of(device)
  }

  isLocal(address: Ipv4): boolean {
    return isLoopback(address) || this.#addresses.has(address)
  }

  sameNetwork(device: NetDevice, a: Ipv4, b: Ipv4): boolean {
    return this.#addresses.sameNetwork(device, a, b)
  }

  addressOf(device: NetDevice): Ipv4 | null {
    return this.addressesOf(device).at(0)?.address ?? null
  }

  addressType(address: Ipv4, device: NetDevice | null = null): AddressType {
    return this.#addresses.type(address, device)
  }

  confirmAddress(device: NetDevice | null, peer: Ipv4, address: Ipv4, scope: number): boolean {
    const asked = device === null ? [...this.devices.values()] : [device]
    return asked.some((each) => confirms(this.addressesOf(each), peer, address, scope))
  }

  selectAddress(device: NetDevice, peer: Ipv4): Ipv4 | null {
    return this.#addresses.select(device, peer)
  }

  // ── routes ───────────────────────────────────────────────────────────

  /** Which way to a destination of which nothing else is known; null: network unreachable. */
  lookup(destination: Ipv4, source: Ipv4 = ANY, protocol = 0, sourcePort = 0, destinationPort = 0): Route | null {
    return this.fib.lookup(destination, source, protocol, sourcePort, destinationPort)
  }

  sourceFor(found: Route, destination: Ipv4): Ipv4 {
    if (found.source !== null) return found.source
    if (found.type === 'local') return destination
    return this.selectAddress(found.device ?? this.loopback, found.gateway ?? destination) ?? ANY
  }

  answersBy(from: Ipv4, to: Ipv4, by: NetDevice, mark: number, tos: number, loose: boolean, own: boolean): boolean {
    return answersBy(this, from, to, by, mark, tos, loose, own)
  }

  /** MASQUERADE's choice. */
  selectSource(output: NetDevice, destination: Ipv4): Ipv4 | null {
    return this.selectAddress(output, this.fib.gatewayBy(output, destination) ?? destination)
  }

  mtuTo(destination: Ipv4, source: Ipv4 = ANY, protocol = 0, sourcePort = 0, destinationPort = 0): number {
    const found = this.fib.lookup(destination, source, protocol, sourcePort, destinationPort)
    return found === null ? 1500 : this.mtuBy(found, destination)
  }

  mtuBy(found: Route, destination: Ipv4): number {
    return this.exceptions.mtuBy(found, destination, this.loopback)
  }

  learnPathMtu(destination: Ipv4, mtu: number): void {
    if (this.lookup(destination)?.mtuLocked !== true) this.exceptions.learn(destination, mtu, this.mtuTo(destination))
  }

  /** A transport heard from the address: whoever leads there is reachable, and need not be asked by ARP. */
  confirmNextHop(destination: Ipv4, source: Ipv4, protocol: number, sourcePort: number, destinationPort: number): void {
    const found = this.fib.lookup(destination, source, protocol, sourcePort, destinationPort)
    if (found === null || found.type !== 'unicast' || found.device === null) return
    this.neighbours.confirm(found.device, found.gateway ?? destination)
  }

  // ── packets ──────────────────────────────────────────────────────────

  receive(frame: Frame, from: NetDevice): void {
    const { bytes, view, start } = frame
    const { frames } = this.world
    if (!ethernet.valid(start, frame.end)) return frames.drop(frame, DropReason.FrameTooShort, this.name)
    frame.group = ethernet.isGroup(bytes, start)
    frame.toHost = frame.group || from.isAt(view, start) || frame.toBridge
    const type = ethernet.typeIn(view, start)
    if (!frame.toHost) {
      // Who speaks the protocol looks at the address, not before.
      const known = type === ethernet.ETH_P_IP || type === ethernet.ETH_P_ARP
      if (journal.open) frames.tell(frame, from.place, new OtherHost(frame, from))
      return frames.drop(frame, known ? DropReason.OtherHost : DropReason.UnknownProtocol, this.name)
    }
    if (journal.open) journal.add(frame, new Entered(frame))
    frame.start = start + ethernet.HEADER
    if (type === ethernet.ETH_P_IP) return this.ipv4.receive(frame, from)
    if (type === ethernet.ETH_P_ARP) return this.arp.receive(frame, from)
    frames.drop(frame, DropReason.UnknownProtocol, this.name)
  }

  /**
   * Sends a datagram whose transport header and payload lie from frame.start to frame.end, checksums done for
   * these addresses. `fragment` is `ipv4.DF`, or 0 to let it be cut to fit. Takes the frame, always; returns what
   * sendmsg would, null for success.
   */
  send(
    frame: Frame,
    source: Ipv4,
    destination: Ipv4,
    protocol: number,
    ttl: number,
    tos: number,
    id: number,
    fragment: number,
  ): Errno | null {
    return this.ipv4.send(frame, source, destination, protocol, ttl, tos, id, fragment)
  }

  icmpError(frame: Frame, type: number, code: number, info: number): void {
    this.icmp.error(frame, type, code, info)
  }

  nextId(source: Ipv4, destination: Ipv4, protocol: number, count = 1): number {
    return this.#identifications.next(source, destination, protocol, count)
  }

  /** nf_log: rules write into the machine's log from its own namespace, from others only if it is told so. */
  packetLog(): KernelLog | null {
    return this.root === this || this.kernelLog.allNamespaces ? this.kernelLog : null
  }

  reject(frame: Frame, hook: Hook, how: RejectWith): void {
    reject(this, frame, hook, how)
  }
}

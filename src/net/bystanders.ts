/**
 * Machines on a switch that hear thousands of ARP questions which are nothing to them. Who is not asked, does not know the
 * asker and answers for nobody else only counts such a frame (arp_process): so it is counted once for all, and goes to
 * those whom it concerns. What each has overheard is written into its counters before anybody looks.
 *
 * A machine is let out while nothing about it can be other than with those beside it: from the first command, tap, setting
 * or address that is not everybody's on, it hears all for itself.
 */
import type { Bridge, BridgePort } from '../link/bridge.ts'
import { PortState } from '../link/bridge-state.ts'
import type { Frame } from '../link/frame.ts'
import type { Veth } from '../link/veth.ts'
import { ANY, cidrOf, contains, type Ipv4 } from '../wire/address.ts'
import * as arp from '../wire/arp.ts'
import * as ethernet from '../wire/ethernet.ts'
import type { Netns } from './netns.ts'

/** Switches whose change may let a machine answer for others. */
const TELLING = /^net\.ipv4\.conf\..*(arp|medium_id)/

export interface Station {
  readonly netns: Netns
  readonly eth0: Veth
  /** The switch's end of its cable. */
  readonly far: Veth
  readonly address: Ipv4
}

class Bystander {
  readonly netns: Netns
  readonly eth0: Veth
  readonly far: Veth
  readonly port: BridgePort
  readonly address: Ipv4
  /** What of all that went by its counters have already. */
  packets = 0
  bytes = 0
  /** Ends what was listened to. */
  unlisten: (() => void) | null = null

  constructor({ netns, eth0, far, address }: Station) {
    this.netns = netns
    this.eth0 = eth0
    this.far = far
    this.port = far.receiver as BridgePort
    this.address = address
  }

  /** Is it as every other is? */
  get plain(): boolean {
    const { port, eth0, far, netns } = this
    const open = port.state === PortState.forwarding && port.bcastFlood && !port.isolated && far.receiver === port
    const wired = far.up && far.plain && far.tap === null && far.qdisc === null
    const hears = eth0.up && eth0.tap === null && eth0.stack === null && eth0.receiver === netns && !eth0.noArp
    if (!open || !wired || !hears) return false
    const { proxyArp, proxyArpPvlan } = netns.inet(eth0)
    return !proxyArp && !proxyArpPvlan && netns.neighbours.proxies.none && this.#onlyOneHere
  }

  /** Has it one address of the switch's network? */
  get #onlyOneHere(): boolean {
    const { netns, eth0, address } = this
    const own = netns.addressesOf(eth0)
    if (own.length !== 1 || own[0].address !== address) return false
    const network = cidrOf(address, own[0].prefix)
    const devices = [...netns.devices.values()]
    return devices.every((each) => each === eth0 || netns.addressesOf(each).every((o) => !contains(network, o.address)))
  }
}

export class Bystanders {
  readonly #bridge: Bridge
  /** Those who have just come: the next frame asks whether they are as the others. */
  #fresh: Bystander[] = []
  readonly #byPort = new Map<BridgePort, Bystander>()
  readonly #byAddress = new Map<Ipv4, Bystander>()
  readonly #byNetns = new Map<Netns, Bystander>()
  /** Who has, or had, a neighbour of this address. */
  readonly #acquainted = new Map<Ipv4, Set<Bystander>>()
  /** All other ports of the bridge. */
  #attentive: readonly BridgePort[] = []
  #packets = 0
  #bytes = 0

  constructor(bridge: Bridge) {
    this.#bridge = bridge
  }

  add(station: Station): void {
    this.#fresh.push(new Bystander(station))
  }

  /** From now on it hears everything by itself, and its counters say what they would. */
  attend(netns: Netns): void {
    const known = this.#byNetns.get(netns)
    if (known !== undefined) this.#end(known)
    else this.#fresh = this.#fresh.filter((each) => each.netns !== netns)
  }

  /** The ports that the flooded frame must go to; null: all of them. */
  concerned(frame: Frame, from: BridgePort | null): readonly BridgePort[] | null {
    if (this.#fresh.length > 0) this.#enrol()
    if (this.#byPort.size === 0 || this.#bridge.special || !frame.group) return null
    const { bytes, start, end } = frame
    const at = start + ethernet.HEADER
    const question = ethernet.type(bytes, start) === ethernet.ETH_P_ARP && arp.valid(bytes, at, end)
    if (!question || arp.operation(bytes, at) !== arp.REQUEST || !ethernet.isBroadcast(bytes, start)) return null
    const sender = arp.sender(bytes, at)
    const target = arp.target(bytes, at)
    const { frames } = this.#bridge.world
    // Announcements and probes concern everybody, and who traces wants to see everybody hear.
    if (sender === ANY || sender === target || frames.tracer !== null || !this.#isHere(target)) return null
    frames.identify(frame)
    return this.#tellThose(sender, target, from, end - start)
  }

  /** The target is an address of the network that all are in: no other address of theirs. */
  #isHere(target: Ipv4): boolean {
    for (const { netns, eth0, address } of this.#byPort.values()) {
      return contains(cidrOf(address, netns.addressesOf(eth0)[0].prefix), target)
    }
    return false
  }

  #tellThose(sender: Ipv4, target: Ipv4, from: BridgePort | null, length: number): readonly BridgePort[] {
    this.#packets++
    this.#bytes += length
    const ports = [...this.#others()]
    const asker = from === null ? undefined : this.#byPort.get(from)
    if (asker !== undefined) this.#spare(asker, length)
    const asked = this.#byAddress.get(target)
    const acquainted = this.#acquainted.get(sender)
    const told = new Set(asked === undefined ? [] : [asked])
    for (const each of acquainted ?? []) {
      const knows = this.#byPort.has(each.port) && each.netns.neighbours.find(each.eth0, sender) !== null
      if (knows) told.add(each)
      else acquainted?.delete(each)
    }
    for (const each of told) {
      if (each === asker) continue
      this.#spare(each, length)
      ports.push(each.port)
    }
    return ports.sort((a, b) => a.number - b.number)
  }

  /** The frame at hand is not one that it overhears. */
  #spare(bystander: Bystander, length: number): void {
    bystander.packets++
    bystander.bytes += length
  }

  /** The ports of all who are no bystanders. */
  #others(): readonly BridgePort[] {
    const { ports } = this.#bridge
    const still = this.#attentive.every(({ device, bridge }) => device.master === bridge)
    if (!still || this.#attentive.length + this.#byPort.size !== ports.length) {
      this.#attentive = ports.filter((port) => !this.#byPort.has(port))
    }
    return this.#attentive
  }

  #enrol(): void {
    for (const each of this.#fresh) if (each.plain) this.#begin(each)
    this.#fresh = []
  }

  #begin(bystander: Bystander): void {
    const { netns, eth0, far, port, address } = bystander
    bystander.packets = this.#packets
    bystander.bytes = this.#bytes
    this.#byPort.set(port, bystander)
    this.#byAddress.set(address, bystander)
    this.#byNetns.set(netns, bystander)
    const end = () => this.#end(bystander)
    eth0.onConfigured = end
    far.onConfigured = end
    const network = cidrOf(address, netns.addressesOf(eth0)[0].prefix)
    bystander.unlisten = netns.listen({
      address: (own) => (contains(network, own.address) ? end() : undefined),
      link: () => {},
      route: () => {},
      neighbour: () => {},
      netconf: () => {},
    })
    netns.sysctl.watch((name) => (TELLING.test(name) ? end() : undefined))
    for (const each of netns.neighbours.of(eth0)) this.#meet(bystander, each.address)
    netns.neighbours.onCreate = (device, met) => (device === eth0 ? this.#meet(bystander, met) : undefined)
  }

  #meet(bystander: Bystander, address: Ipv4): void {
    const known = this.#acquainted.get(address)
    if (known === undefined) this.#acquainted.set(address, new Set([bystander]))
    else known.add(bystander)
  }

  #end(bystander: Bystander): void {
    const { netns, eth0, far, port, address } = bystander
    if (!this.#byPort.delete(port)) return
    this.#byAddress.delete(address)
    this.#byNetns.delete(netns)
    const packets = this.#packets - bystander.packets
    const bytes = this.#bytes - bystander.bytes
    eth0.rxPackets += packets
    eth0.rxBytes += bytes
    far.txPackets += packets
    far.txBytes += bytes
    eth0.onConfigured = null
    far.onConfigured = null
    netns.neighbours.onCreate = null
    bystander.unlisten?.()
  }
}

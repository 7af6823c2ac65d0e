/**
 * A learning bridge (net/bridge): ports, an FDB, and a device of its own through which the host is one more
 * station. The steps have Linux's names:
 *
 *   port ─ receive ─▶ filter.preRouting ─▶ admit (learn, decide) ─┬▶ forward ─▶ port
 *                                                                 ├▶ flood ───▶ ports
 *   host ─ transmit (decide) ─┬▶ forward ─▶ port                  └▶ passUp ──▶ host
 *                             └▶ flood ───▶ ports
 *
 * The filter is br_netfilter's slot: on a Kubernetes node, IPv4 frames meet iptables at the *port*, before the
 * bridge has decided where they go.
 *
 * Spanning tree is not modelled: a port's state is what its carrier or `bridge link set state` make it.
 */
import { type Mac, sameMac } from '../wire/address.ts'
import * as ethernet from '../wire/ethernet.ts'
import { joinedLate, knowAddresses } from './bridge-addresses.ts'
import { carrierChanged } from './bridge-carrier.ts'
import * as told from './bridge-decisions.ts'
import type { BridgeFilter } from './bridge-filter.ts'
import { logJoined, logLeft, logState } from './bridge-log.ts'
import { refusal } from './bridge-refusal.ts'
import type { Sleepers } from './bridge-sleepers.ts'
import { delivers, floods, followPorts, PortSettings, PortState, placeOf } from './bridge-state.ts'
import { noteLearnt, noteTaken } from './bridge-steps.ts'
import { type BridgeNeighbours, suppressed } from './bridge-suppress.ts'
import { VlanGroup } from './bridge-vlan.ts'
import { NetDevice, type Receiver, type Surroundings } from './device.ts'
import { Fdb, type FdbEntry, USED } from './fdb.ts'
import { configurationChanged, journal } from './flow-cache.ts'
import { DropReason, type Frame, type PortDevice } from './frame.ts'

const { learning: LEARNING, forwarding: FORWARDING, disabled: DISABLED } = PortState

/** One port of a bridge: `bridge link`. */
export class BridgePort extends PortSettings implements Receiver {
  readonly bridge: Bridge
  readonly device: NetDevice
  /** From 1, in the order of attachment. */
  readonly number: number
  /** The station that was heard here last. */
  heard: FdbEntry<BridgePort | null> | null = null
  #locked = false
  #neighSuppress = false

  constructor(bridge: Bridge, device: NetDevice, number: number) {
    super()
    this.bridge = bridge
    this.device = device
    this.number = number
  }

  /** False until the port's carrier has been noticed (linkwatch): it takes and gives nothing. */
  get forwarding(): boolean {
    return this.state === FORWARDING
  }

  set forwarding(on: boolean) {
    this.state = on ? FORWARDING : DISABLED
    logState(this)
  }

  /** Only stations that the FDB has at this port may send (802.1X). */
  get locked(): boolean {
    return this.#locked
  }

  set locked(on: boolean) {
    this.#locked = on
    this.bridge.configured()
  }

  /** ARP requests for known neighbours are answered by the bridge, and not sent here. */
  get neighSuppress(): boolean {
    return this.#neighSuppress
  }

  set neighSuppress(on: boolean) {
    this.#neighSuppress = on
    this.bridge.configured()
  }

  /** br_handle_frame. */
  receive(frame: Frame): void {
    const { bridge } = this
    const { bytes, view, start } = frame
    const { frames } = bridge.world
    if (ethernet.isNobodyIn(view, start + ethernet.SOURCE))
      return frames.drop(frame, DropReason.SourceMac, this.device.place)
    frame.group = ethernet.isGroup(bytes, start)
    if (frame.group && ethernet.isLinkLocal(bytes, start) && bytes[start + 5] !== 0) {
      if (bytes[start + 5] === 1) return frames.drop(frame, DropReason.MacControl, this.device.place)
      return bridge.keepLocal(frame, this)
    }
    if (this.state !== FORWARDING && this.state !== LEARNING) {
      if (journal.open) told.refuse(bridge, frame, told.Refusal.inputState, this)
      return frames.drop(frame, DropReason.PortState, this.device.place)
    }
    if (bridge.promiscuous) frame.toBridge = sameMac(bytes, start, bridge.mac, 0)
    if (journal.open) noteTaken(frame, this)
    if (bridge.filter !== null) bridge.filter.preRouting(frame, this)
    else bridge.admit(frame, this)
  }
}

export class Bridge extends NetDevice {
  override readonly kind = 'bridge'
  readonly fdb = new Fdb<BridgePort | null>()
  readonly ports: BridgePort[] = []
  filter: BridgeFilter<BridgePort> | null = null
  neighbours: BridgeNeighbours | null = null
  /** Null: all stations are awake. */
  sleepers: Sleepers<BridgePort> | null = null
  /** Of spanning tree, and part of the bridge's id. */
  priority = 32_768
  /** nf_call_iptables: br_netfilter handles this bridge though the sysctl is off. Then `configured` is to be called. */
  nfCallIptables = false
  readonly uncalled = new Set<string>() // nf_call_ip6tables, nf_call_arptables: nobody has such rules here
  /** Nobody gave it a MAC or an MTU: they follow the ports' (br_stp_recalculate_bridge_id, br_mtu_auto_adjust). */
  macFollowsPorts = false
  mtuFollowsPorts = false
  /** The VLANs that the host itself is in: `bridge vlan add … self`. */
  readonly vlans = new VlanGroup()
  /** Ports that join are put into this VLAN; 0: into none. */
  defaultPvid = 1
  #vlanFiltering = false
  /** Some port is locked or suppresses neighbours, or VLANs are told apart: the only test of it on the path. */
  special = false
  #suppresses = false
  /** The ARP request at hand was answered, or need not be asked where neighbours are suppressed. */
  #replied = false
  #nextPort = 1

  constructor(world: Surroundings, name: string, mac: Mac) {
    super(world, name, mac)
    this.fdb.add(mac, null, true)
    this.vlans.add(this.defaultPvid, true, true)
  }

  /** No port yet and no MAC of its own: it has carrier, like a dummy (br_port_state_selection has not run). */
  get untouched(): boolean {
    return this.#nextPort === 1 && this.macFollowsPorts
  }

  override get carrier(): boolean {
    if (!this.up || this.untouched) return this.up
    if (this.sleepers !== null && this.sleepers.asleep > 0) return true
    for (let i = 0; i < this.ports.length; i++) {
      const { state, device } = this.ports[i]
      if (state === FORWARDING && device.carrier) return true
    }
    return false
  }

  /** `ip link set BRIDGE type bridge vlan_filtering`: VLANs are told apart, and the FDB has its entries by VLAN. */
  get vlanFiltering(): boolean {
    return this.#vlanFiltering
  }

  set vlanFiltering(on: boolean) {
    if (on === this.#vlanFiltering) return
    this.#vlanFiltering = on
    this.fdb.flush((entry) => !entry.permanent)
    this.knowAddresses()
    this.configured()
  }

  /** Ports and host leave the default VLAN for another one; 0: for none (br_vlan_set_default_pvid). */
  setDefaultPvid(vlan: number): void {
    const before = this.defaultPvid
    this.defaultPvid = vlan
    for (const group of [this.vlans, ...this.ports.map((port) => port.vlans)]) group.movePvid(before, vlan)
    this.knowAddresses()
  }

  /** Some setting changed: what the path of a frame must ask for is found out once. */
  configured(): void {
    configurationChanged()
    const locks = this.ports.some((port) => port.locked)
    this.#suppresses = this.ports.some((port) => port.neighSuppress)
    this.special = locks || this.#suppresses || this.#vlanFiltering
    this.#replied = false
  }

  /** Without carrier its queue is the one that eats everything (noop_qdisc): not even a capture sees the frame. */
  override send(frame: Frame): void {
    if (this.carrier) return super.send(frame)
    this.txDropped++
    this.world.frames.drop(frame, this.up ? DropReason.NoCarrier : DropReason.DeviceDown, this.place)
  }

  /** `ip link set DEVICE master BRIDGE`. */
  attach(device: NetDevice, reserved?: number): BridgePort {
    const port = new BridgePort(this, device, reserved ?? this.#nextPort++)
    this.ports.splice(placeOf(this.ports, port.number), 0, port)
    device.master = this
    device.receiver = port
    if (this.defaultPvid !== 0) port.vlans.add(this.defaultPvid, true, true)
    if (reserved === undefined) this.portsChanged()
    else joinedLate(this, port)
    logJoined(port)
    this.world.linkChanged?.()
    return port
  }

  /** Keeps port numbers for so many devices; the first of them. */
  reserve(count: number): number {
    const first = this.#nextPort
    this.#nextPort += count
    return first
  }

  /** `ip link set DEVICE nomaster`, and what happens when a port's device goes away. */
  detach(device: NetDevice, dying = false): void {
    const at = this.ports.findIndex((port) => port.device === device)
    if (at < 0) return
    this.fdb.forget(this.ports[at])
    logLeft(this.ports[at], dying)
    this.ports.splice(at, 1)
    device.master = null
    device.receiver = null
    this.portsChanged()
    this.configured()
    this.world.linkChanged?.()
  }

  /** A port without carrier is disabled, and forgets the stations that were heard there. */
  portCarrier(device: NetDevice): void {
    const port = this.portOf(device)
    if (port !== null && !device.carrier) this.fdb.unlearn(port)
    if (port !== null) carrierChanged(port)
  }

  portOf(device: PortDevice): BridgePort | null {
    if (!(device instanceof NetDevice)) return this.ports.find((port) => port.device === device) ?? null
    const { receiver } = device
    return receiver instanceof BridgePort && receiver.bridge === this ? receiver : null
  }

  /** Its own MAC, set by hand. */
  setMac(mac: Mac): void {
    this.macFollowsPorts = false
    this.mac = mac
    this.knowAddresses()
  }

  /** The FDB has the bridge's MAC and its ports'. */
  knowAddresses(): void {
    knowAddresses(this)
  }

  /** br_handle_frame_finish: learns the source, then forwards, floods or passes up. Takes the frame. */
  admit(frame: Frame, port: BridgePort): void {
    let vlan = 0
    if (this.special) {
      vlan = this.#screen(frame, port)
      if (vlan < 0) return
    }
    const { view, start } = frame
    const { scheduler, frames } = this.world
    if (journal.open) this.#learnAloud(frame, port, vlan)
    else if (port.learning) {
      port.heard = this.fdb.learnNow(view, start + ethernet.SOURCE, port, scheduler, port.heard, vlan)
    }
    if (port.state === LEARNING) return frames.drop(frame, DropReason.PortState, port.device.place)
    if (frame.group) return this.#admitGroup(frame, port, vlan)
    const entry = this.fdb.lookupNow(view, start + ethernet.DESTINATION, scheduler, vlan)
    if (entry !== null) {
      if (journal.open) told.tellHit(this, frame, entry, !entry.local)
      if (entry.local) return this.#passUp(frame, vlan, false)
      entry.times[USED] = scheduler.now
    }
    // A promiscuous bridge also hands every bridged frame to its own host.
    const copy = this.promiscuous ? frames.copy(frame) : null
    if (entry === null || entry.port === null) this.#flood(frame, port, false, vlan)
    else this.#forward(frame, port, entry.port, false, vlan)
    if (copy === null) return
    if (journal.open) frames.tell(copy, this.place, new told.PassedUp(this, copy, true))
    this.#passUp(copy, vlan, true)
  }

  #learnAloud(frame: Frame, port: BridgePort, vlan: number): void {
    if (port.learning) port.heard = told.learnAloud(this, frame, port, vlan) as FdbEntry<BridgePort | null>
    noteLearnt(frame, port, this.world.scheduler)
  }

  #admitGroup(frame: Frame, port: BridgePort, vlan: number): void {
    const { frames } = this.world
    this.#flood(frames.copy(frame), port, false, vlan)
    if (journal.open) frames.tell(frame, this.place, new told.PassedUp(this, frame, false))
    this.#passUp(frame, vlan, this.promiscuous)
  }

  /** A frame for the next bridge only, as LLDP's are: learnt from, and for the port's own host (br_handle_local_finish). */
  keepLocal(frame: Frame, port: BridgePort): void {
    const { frames, scheduler } = this.world
    const vlan = this.#vlanFiltering ? port.vlans.ingress(frame) : 0
    if (port.learning && vlan >= 0 && (port.state === FORWARDING || port.state === LEARNING)) {
      port.heard = this.fdb.learnNow(frame.view, frame.start + ethernet.SOURCE, port, scheduler, port.heard, vlan)
    }
    if (journal.open) told.refuse(this, frame, told.Refusal.linkLocal, port)
    frames.drop(frame, DropReason.UnknownProtocol, port.device.place)
  }

  protected override noteDeparture(frame: Frame): void {
    this.tallyDeparture(frame)
  }

  /** br_dev_xmit: a frame of the host itself. */
  protected override transmit(frame: Frame): void {
    if (frame.bridgeInput !== null && this.filter !== null && this.filter.resume(frame)) return
    frame.group = ethernet.isGroup(frame.bytes, frame.start)
    let vlan = 0
    if (this.special) {
      vlan = this.#screen(frame, null)
      if (vlan < 0) return
    }
    if (frame.group) return this.#flood(frame, null, true, vlan)
    const at = frame.start + ethernet.DESTINATION
    const entry = this.fdb.lookupNow(frame.view, at, this.world.scheduler, vlan)
    if (entry === null || entry.port === null) return this.#flood(frame, null, true, vlan)
    if (journal.open) told.tellHit(this, frame, entry, false)
    this.#forward(frame, null, entry.port, true, vlan)
  }

  /** br_pass_frame_up. `promiscuously`: others may have been meant. Conntrack's entry is not the copy's (br_nf_local_in). */
  #passUp(frame: Frame, vlan: number, promiscuously: boolean): void {
    if (promiscuously) {
      frame.tracked = null
      frame.trackedInfo = 0
    }
    if (this.#vlanFiltering) {
      if (this.vlans.has(vlan)) this.vlans.egress(frame, vlan)
      else if (!this.promiscuous) return this.world.frames.drop(frame, DropReason.Vlan, this.place)
    }
    this.receive(frame)
  }

  /** VLANs, locked ports and suppressed neighbours. The frame's VLAN, or -1: it has been dropped. */
  #screen(frame: Frame, from: BridgePort | null): number {
    if (journal.open) journal.refuse()
    let vlan = 0
    this.#replied = false
    if (this.#vlanFiltering) {
      vlan = (from ?? this).vlans.ingress(frame)
      if (vlan < 0) return this.#shutOut(frame, from, told.Refusal.vlanIn, DropReason.Vlan)
    }
    if (from?.locked) {
      const at = frame.start + ethernet.SOURCE
      const known = this.fdb.lookupNow(frame.view, at, this.world.scheduler, vlan)
      const stranger = known === null || known.port !== from || known.local
      if (stranger) return this.#shutOut(frame, from, told.Refusal.locked, DropReason.LockedPort)
    }
    if (this.#suppresses) this.#replied = suppressed(this, frame, from, vlan)
    return vlan
  }

  #shutOut(frame: Frame, from: BridgePort | null, why: told.Refusal, reason: DropReason): number {
    if (journal.open) told.refuse(this, frame, why, from)
    this.world.frames.drop(frame, reason, from === null ? this.place : from.device.place)
    return -1
  }

  #forward(frame: Frame, from: BridgePort | null, to: BridgePort, local: boolean, vlan: number): void {
    if (!delivers(from, to, vlan)) {
      if (journal.open) told.tellUndelivered(this, frame, from, to, vlan)
      return this.world.frames.drop(frame, refusal(from, to, vlan), to.device.place)
    }
    if (vlan !== 0) to.vlans.egress(frame, vlan)
    if (!local && this.filter !== null) {
      if (!this.filter.forward(frame, to)) return
      if (!this.filter.postRouting(frame, to)) return
    }
    // There is room for a tag behind every MTU, whether the frame has one or not (is_skb_forwardable).
    if (frame.end - frame.start - ethernet.HEADER > to.device.mtu + ethernet.TAG) {
      return this.world.frames.drop(frame, DropReason.FrameTooLong, to.device.place)
    }
    to.device.send(frame)
  }

  /** To every port that delivers: copies, and the frame itself to the last. */
  #flood(frame: Frame, from: BridgePort | null, local: boolean, vlan: number): void {
    if (journal.open) journal.refuse()
    const ports = this.sleepers === null ? this.ports : this.sleepers.flooded(frame, from)
    let last: BridgePort | null = null
    const broadcast = frame.group && ethernet.isBroadcast(frame.bytes, frame.start)
    for (let i = 0; i < ports.length; i++) {
      const to = ports[i]
      const may = delivers(from, to, vlan)
      if (!may || !floods(to, frame.group, broadcast, local, this.#replied)) {
        if (journal.open) told.tellSkipped(this, frame, from, to, vlan, may, this.#replied)
        continue
      }
      if (last !== null) this.#floodTo(this.world.frames.copy(frame), from, last, local, vlan)
      last = to
    }
    const heard = this.sleepers !== null && (this.sleepers.asleep > 0 || ports !== this.ports)
    if (last === null && heard) this.world.frames.consume(frame)
    else if (last === null) this.world.frames.drop(frame, DropReason.NoPort, this.place)
    else this.#floodTo(frame, from, last, local, vlan)
  }

  #floodTo(frame: Frame, from: BridgePort | null, to: BridgePort, local: boolean, vlan: number): void {
    if (journal.open) this.world.frames.tell(frame, this.place, new told.Flooded(this, to, frame))
    this.#forward(frame, from, to, local, vlan)
  }

  /** The ports changed, or the MAC or MTU of one did. */
  portsChanged(): void {
    followPorts(this)
    this.knowAddresses()
  }
}

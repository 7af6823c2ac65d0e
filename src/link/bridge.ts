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
 */
import type { Mac } from '../wire/address.ts'
import * as ethernet from '../wire/ethernet.ts'
import { NetDevice, type Receiver, type Surroundings } from './device.ts'
import { Fdb, type FdbEntry } from './fdb.ts'
import { DropReason, type Frame, type PortDevice } from './frame.ts'

/** IP's hooks on bridged frames; the net room implements it. */
export interface BridgeFilter {
  /** Takes the frame; it goes on with `bridge.admit`, now, later, or never. */
  preRouting(frame: Frame, port: BridgePort): void
  /** May it go from port to port? When not, the filter has dropped it. */
  forward(frame: Frame, output: BridgePort): boolean
  /** The last hook before a forwarded frame leaves by the port. When it says no, it has dropped the frame. */
  postRouting(frame: Frame, output: BridgePort): boolean
  /** A bridged frame that waited for ARP comes back as if the host had sent it. True: the filter took it. */
  resume(frame: Frame): boolean
}

/** One port of a bridge: `bridge link`. */
export class BridgePort implements Receiver {
  readonly bridge: Bridge
  readonly device: NetDevice
  /** From 1, in the order of attachment. */
  readonly number: number
  /** A frame may go back out of the port that it came in by. */
  hairpin = false
  /** Isolated ports talk to the others only. */
  isolated = false
  learning = true
  /** Unknown unicast is sent here too. */
  flooding = true
  /** False until the port's carrier has been noticed (linkwatch): it takes and gives nothing. */
  forwarding = true
  /** The station that was heard here last. */
  heard: FdbEntry<BridgePort | null> | null = null

  constructor(bridge: Bridge, device: NetDevice, number: number) {
    this.bridge = bridge
    this.device = device
    this.number = number
  }

  receive(frame: Frame): void {
    if (!this.forwarding) return this.bridge.world.frames.drop(frame, DropReason.NoPort, this.device.name)
    frame.group = ethernet.isGroup(frame.bytes, frame.start)
    if (this.bridge.filter !== null) this.bridge.filter.preRouting(frame, this)
    else this.bridge.admit(frame, this)
  }
}

export class Bridge extends NetDevice {
  override readonly kind = 'bridge'
  readonly fdb = new Fdb<BridgePort | null>()
  readonly ports: BridgePort[] = []
  filter: BridgeFilter | null = null
  #nextPort = 1

  constructor(world: Surroundings, name: string, mac: Mac) {
    super(world, name, mac)
    this.fdb.add(mac, null, true)
  }

  override get carrier(): boolean {
    if (!this.up) return false
    for (let i = 0; i < this.ports.length; i++) if (this.ports[i].device.carrier) return true
    return false
  }

  /** Without carrier its queue is the one that eats everything (noop_qdisc): not even a capture sees the frame. */
  override send(frame: Frame): void {
    if (this.carrier) return super.send(frame)
    this.txDropped++
    this.world.frames.drop(frame, DropReason.DeviceDown, this.name)
  }

  /** `ip link set DEVICE master BRIDGE`. */
  attach(device: NetDevice): BridgePort {
    const port = new BridgePort(this, device, this.#nextPort++)
    this.ports.push(port)
    device.master = this
    device.receiver = port
    this.fdb.add(device.mac, port, true)
    return port
  }

  /** `ip link set DEVICE nomaster`, and what happens when a port's device goes away. */
  detach(device: NetDevice): void {
    const at = this.ports.findIndex((port) => port.device === device)
    if (at < 0) return
    this.fdb.forget(this.ports[at])
    this.ports.splice(at, 1)
    device.master = null
    device.receiver = null
  }

  portOf(device: PortDevice): BridgePort | null {
    return this.ports.find((port) => port.device === device) ?? null
  }

  /** br_handle_frame_finish: learns the source, then forwards, floods or passes up. Takes the frame. */
  admit(frame: Frame, port: BridgePort): void {
    const { bytes, start } = frame
    const { scheduler } = this.world
    if (port.learning) port.heard = this.fdb.learnNow(bytes, start + ethernet.SOURCE, port, scheduler, port.heard)
    if (frame.group) {
      this.#flood(this.world.frames.copy(frame), port, false)
      return this.#passUp(frame)
    }
    const entry = this.fdb.lookupNow(bytes, start + ethernet.DESTINATION, scheduler)
    if (entry?.local) return this.#passUp(frame)
    // A promiscuous bridge also hands every bridged frame to its own host.
    const copy = this.promiscuous ? this.world.frames.copy(frame) : null
    if (entry === null || entry.port === null) this.#flood(frame, port, false)
    else this.#forward(frame, port, entry.port, false)
    if (copy !== null) this.#passUp(copy)
  }

  /** br_dev_xmit: a frame of the host itself. */
  protected override transmit(frame: Frame): void {
    if (frame.bridgeInput !== null && this.filter !== null && this.filter.resume(frame)) return
    frame.group = ethernet.isGroup(frame.bytes, frame.start)
    if (frame.group) return this.#flood(frame, null, true)
    const entry = this.fdb.lookupNow(frame.bytes, frame.start + ethernet.DESTINATION, this.world.scheduler)
    if (entry === null || entry.port === null) return this.#flood(frame, null, true)
    this.#forward(frame, null, entry.port, true)
  }

  #passUp(frame: Frame): void {
    this.receive(frame)
  }

  #delivers(from: BridgePort | null, to: BridgePort): boolean {
    if (!to.forwarding || !to.device.up || (to === from && !to.hairpin)) return false
    return from === null || !from.isolated || !to.isolated
  }

  #forward(frame: Frame, from: BridgePort | null, to: BridgePort, local: boolean): void {
    if (!this.#delivers(from, to)) return this.world.frames.drop(frame, DropReason.NoPort, this.name)
    if (!local && this.filter !== null) {
      if (!this.filter.forward(frame, to)) return
      if (!this.filter.postRouting(frame, to)) return
    }
    if (frame.end - frame.start - ethernet.HEADER > to.device.mtu) {
      return this.world.frames.drop(frame, DropReason.TooBig, to.device.name)
    }
    to.device.send(frame)
  }

  /** To every port that delivers: copies, and the frame itself to the last. */
  #flood(frame: Frame, from: BridgePort | null, local: boolean): void {
    let last: BridgePort | null = null
    for (let i = 0; i < this.ports.length; i++) {
      const to = this.ports[i]
      if (!this.#delivers(from, to) || (!frame.group && !to.flooding)) continue
      if (last !== null) this.#forward(this.world.frames.copy(frame), from, last, local)
      last = to
    }
    if (last === null) this.world.frames.drop(frame, DropReason.NoPort, this.name)
    else this.#forward(frame, from, last, local)
  }
}

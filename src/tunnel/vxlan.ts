/**
 * A VXLAN tunnel end point (drivers/net/vxlan): frames that are sent into it leave the host inside UDP, to the
 * VTEP that the FDB names for their MAC. Encapsulation is a move of `start` into the headroom, decapsulation a
 * move back: nothing is copied.
 *
 *   ▓ outer eth ▓ outer ip ▓ udp ▓ vxlan ▓ inner eth ▓ inner ip ▓ …
 */

import type { Decision } from '../link/decision.ts'
import { NetDevice, type Receiver } from '../link/device.ts'
import { Lookup } from '../link/device-steps.ts'
import { Fdb, USED } from '../link/fdb.ts'
import { journal } from '../link/flow-cache.ts'
import { DropReason, type Frame } from '../link/frame.ts'
import type { World } from '../link/world.ts'
import { Netns } from '../net/netns.ts'
import { Sockets } from '../socket/sockets.ts'
import { ANY, type Ipv4, type Mac } from '../wire/address.ts'
import * as arp from '../wire/arp.ts'
import { addView, finish, pseudoHeader } from '../wire/checksum.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as udp from '../wire/udp.ts'
import * as vxlan from '../wire/vxlan.ts'
import { AnswersArp, Decapsulates, Encapsulates, NoPeer, TunnelLearnt } from './vxlan-decisions.ts'
import { Decapsulated, Encapsulated } from './vxlan-steps.ts'

export interface VxlanOptions {
  /** Where the outer packets are sent and received. */
  readonly netns: Netns
  readonly vni: number
  /** Outer source address; ANY: the route's. */
  readonly local: Ipv4
  /** The device that it rides on, as `dev eth0` names it; null: whichever the route names. */
  readonly device: NetDevice | null
  /** UDP destination port: 8472 for Flannel, 4789 by IANA. */
  readonly port: number
  /** Learn remote VTEPs from what arrives. Flannel says no. */
  readonly learning: boolean
  /** Answers ARP itself from the neighbours that it was told of (`proxy`), as Docker's overlay has it. */
  readonly proxy?: boolean
  /** Tell user space of look-ups that miss (`l2miss`, `l3miss`); shown, but nobody listens. */
  readonly l2miss?: boolean
  readonly l3miss?: boolean
}

/** Without a device below it, a tunnel has this much room. */
const DEFAULT_MTU = 1500

/** Linux's ip_local_port_range, of which the outer source port is taken. */
const FIRST_PORT = 32_768
const PORTS = 60_999 - FIRST_PORT

export class VxlanDevice extends NetDevice {
  override readonly kind = 'vxlan'
  readonly vni: number
  readonly local: Ipv4
  readonly device: NetDevice | null
  readonly port: number
  readonly learning: boolean
  readonly proxy: boolean
  readonly l2miss: boolean
  readonly l3miss: boolean
  /** Inner MAC to the VTEP that has it. */
  readonly fdb = new Fdb<Ipv4>()
  /** Where the outer packets are sent and received. */
  readonly underlay: Netns
  /** Where the device is now: its neighbours are those of this namespace. */
  #home: Netns | null = null

  constructor(world: World, name: string, mac: Mac, options: VxlanOptions) {
    super(world, name, mac)
    this.underlay = options.netns
    this.vni = options.vni
    this.local = options.local
    this.device = options.device
    this.port = options.port
    this.learning = options.learning
    this.proxy = options.proxy ?? false
    this.l2miss = options.l2miss ?? false
    this.l3miss = options.l3miss ?? false
    this.mtu = options.device === null ? DEFAULT_MTU : options.device.mtu - vxlan.OVERHEAD
    listen(options.netns, options.port, this)
  }

  /** `ip link del`: nothing comes in any more; the port is closed with the last device on it. */
  close(): void {
    const ports = listeners.get(this.underlay)
    const served = ports?.get(this.port)
    if (ports === undefined || served === undefined || !served.devices.includes(this)) return
    served.devices.splice(served.devices.indexOf(this), 1)
    this.up = false
    if (served.devices.length > 0) return
    served.release()
    ports.delete(this.port)
  }

  override adopted(by: Receiver): void {
    if (by instanceof Netns) this.#home = by
  }

  protected override noteDeparture(frame: Frame): void {
    this.tallyDeparture(frame)
  }

  protected override transmit(frame: Frame): void {
    const { bytes, view, start } = frame
    if (this.proxy && ethernet.type(bytes, start) === ethernet.ETH_P_ARP) return this.#answer(frame)
    const entry = this.fdb.lookupNow(view, start, this.world.scheduler)
    if (entry === null) {
      if (journal.open) this.#tell(frame, new NoPeer(this, bytes, start))
      this.txDropped++
      return this.world.frames.drop(frame, DropReason.NoTunnelPeer, this.place)
    }
    entry.times[USED] = this.world.scheduler.now
    const sourcePort = FIRST_PORT + ((((flowHash(frame) >>> 0) * PORTS) / 4294967296) | 0)
    const chosen = this.local === ANY
    const local = chosen ? this.#sourceTo(entry.port, sourcePort) : this.local
    if (journal.open) {
      journal.add(frame, new Lookup(this.fdb, this.world.scheduler, entry, true))
      journal.add(frame, new Encapsulated(this, frame, local, entry.port, sourcePort))
      this.#tell(frame, new Encapsulates(this, entry, sourcePort))
    }
    const id = this.encapsulate(frame, local, entry.port, sourcePort)
    // Who sends through a tunnel does not learn that a queue below refused it (iptunnel_xmit).
    const { frames } = this.world
    const { refused } = frames
    this.underlay.send(frame, local, entry.port, ipv4.IPPROTO_UDP, this.underlay.defaultTtl, 0, id, 0)
    frames.refused = refused
  }

  /** Puts the headers of VXLAN and UDP in front. Returns the identification that the outer packet is to have. */
  encapsulate(frame: Frame, local: Ipv4, remote: Ipv4, sourcePort: number): number {
    const { bytes, view, start: inner } = frame
    vxlan.write(bytes, frame.push(vxlan.HEADER), this.vni)
    frame.sourceChosen = this.local === ANY
    const payload = addView(0, view, frame.start, vxlan.HEADER) + innerSum(frame, inner)
    const at = frame.push(udp.HEADER)
    udp.writeSummed(bytes, at, frame.end, local, remote, sourcePort, this.port, payload)
    // The outer packet is nobody's yet: if the inner flow stayed on it, conntrack would take it for that flow.
    frame.tracked = null
    frame.trackedInfo = 0
    frame.mark = 0
    return this.underlay.nextId(local, remote, ipv4.IPPROTO_UDP)
  }

  /** arp_reduce: requests never cross the tunnel; who is known as a neighbour of the device is answered for. */
  #answer(frame: Frame): void {
    const { world } = this
    const { bytes } = frame
    const at = frame.start + ethernet.HEADER
    const asked = arp.valid(bytes, at, frame.end) && arp.operation(bytes, at) === arp.REQUEST
    const mac = asked ? (this.#home?.neighbours.find(this, arp.target(bytes, at))?.connectedMac ?? null) : null
    if (mac === null) {
      this.txDropped++
      return world.frames.drop(frame, DropReason.TunnelArp, this.place)
    }
    const asker = bytes.slice(at + arp.SENDER_MAC, at + arp.SENDER_MAC + 6)
    const reply = world.frames.take()
    reply.end = reply.start + ethernet.HEADER + arp.LENGTH
    const sender = arp.target(bytes, at)
    ethernet.write(reply.bytes, reply.start, asker, mac, ethernet.ETH_P_ARP)
    arp.write(reply.bytes, reply.start + ethernet.HEADER, arp.REPLY, mac, sender, asker, arp.sender(bytes, at))
    if (journal.open) this.#tell(reply, new AnswersArp(this, world.frames.identify(frame), sender))
    world.frames.consume(frame)
    // netif_rx: in the same instant, but not inside the bridge's call.
    world.scheduler.call(0, () => this.receive(reply))
  }

  #sourceTo(remote: Ipv4, sourcePort: number): Ipv4 {
    const found = this.underlay.lookup(remote, ANY, ipv4.IPPROTO_UDP, sourcePort, this.port)
    return found === null ? ANY : this.underlay.sourceFor(found, remote)
  }

  /** The inner frame begins at frame.start; `from` is the VTEP that sent it. */
  decapsulated(frame: Frame, from: Ipv4): void {
    if (journal.open) {
      journal.add(frame, new Decapsulated(frame))
      this.#tell(frame, new Decapsulates(this, from))
    }
    frame.scrub()
    if (this.isAt(frame.view, frame.start + ethernet.SOURCE)) {
      return this.world.frames.drop(frame, DropReason.VxlanOwnMac, this.place)
    }
    if (this.learning) {
      if (journal.open) journal.refuse()
      const { view, start } = frame
      const entry = this.fdb.learnNow(view, start + ethernet.SOURCE, from, this.world.scheduler, null)
      if (journal.open) this.#tell(frame, new TunnelLearnt(this, entry))
    }
    this.receive(frame)
  }

  #tell(frame: Frame, decision: Decision): void {
    this.world.frames.tell(frame, this.place, decision)
  }
}

/** One kernel socket: it serves all VXLAN devices of its port, told apart by VNI. */
interface Listener {
  readonly devices: VxlanDevice[]
  readonly release: () => void
}

const listeners = new WeakMap<Netns, Map<number, Listener>>()

function listen(netns: Netns, port: number, device: VxlanDevice): void {
  const ports = listeners.get(netns) ?? new Map<number, Listener>()
  listeners.set(netns, ports)
  const listener = ports.get(port)
  if (listener !== undefined) return void listener.devices.push(device)
  const devices = [device]
  const release = Sockets.of(netns).encapsulation(port, (frame) => decapsulate(netns, devices, frame))
  ports.set(port, { devices, release })
}

function decapsulate(netns: Netns, devices: VxlanDevice[], frame: Frame): void {
  const header = frame.start + udp.HEADER
  const inner = header + vxlan.HEADER
  const fault = headerFault(frame, header)
  if (fault >= 0) return netns.world.frames.drop(frame, fault as DropReason, netns.name)
  const vni = vxlan.vni(frame.bytes, header)
  for (let i = 0; i < devices.length; i++) {
    if (devices[i].vni !== vni) continue
    const from = ipv4.source(frame.bytes, frame.network)
    frame.start = inner
    return devices[i].decapsulated(frame, from)
  }
  netns.world.frames.drop(frame, DropReason.VxlanVni, netns.name)
}

/** What vxlan_rcv finds wrong, or -1. */
function headerFault({ bytes, end }: Frame, header: number): number {
  if (end - header < vxlan.HEADER) return DropReason.VxlanTooShort
  if (!vxlan.valid(bytes, header, end)) return DropReason.VxlanHeader
  return ethernet.valid(header + vxlan.HEADER, end) ? -1 : DropReason.VxlanInner
}

/**
 * The sum of an inner frame's bytes. A transport segment with a right checksum sums, with its pseudo-header, to
 * nothing; so the sum of its bytes follows from the pseudo-header alone (Linux's local checksum offload).
 */
function innerSum(frame: Frame, start: number): number {
  const { view, end } = frame
  const at = start + ethernet.HEADER
  const length = end - start
  if (!frame.summed || ethernet.typeIn(view, start) !== ethernet.ETH_P_IP || ipv4.isFragmentIn(view, at)) {
    return addView(0, view, start, length)
  }
  const protocol = ipv4.protocolIn(view, at)
  const segment = at + ipv4.headerLengthIn(view, at)
  const known =
    protocol === ipv4.IPPROTO_TCP || (protocol === ipv4.IPPROTO_UDP && view.getUint16(segment + udp.CHECKSUM) !== 0)
  if (!known) return addView(0, view, start, length)
  const pseudo = pseudoHeader(ipv4.sourceIn(view, at), ipv4.destinationIn(view, at), protocol, end - segment)
  return addView(finish(pseudo), view, start, segment - start)
}

/** skb_get_hash: the sending socket's, else one of the inner addresses and ports, the same both ways. */
function flowHash(frame: Frame): number {
  if (frame.hash !== 0) return Math.imul(frame.hash, 0x9e3779b1)
  const { view, start } = frame
  if (ethernet.typeIn(view, start) !== ethernet.ETH_P_IP) return Math.imul(view.getInt32(start + 8), 0x9e3779b1)
  const at = start + ethernet.HEADER
  const protocol = ipv4.protocolIn(view, at)
  let sum = ipv4.sourceIn(view, at) ^ ipv4.destinationIn(view, at)
  if ((protocol === ipv4.IPPROTO_TCP || protocol === ipv4.IPPROTO_UDP) && !ipv4.isFragmentIn(view, at)) {
    const ports = at + ipv4.headerLengthIn(view, at)
    sum ^= view.getUint16(ports) ^ view.getUint16(ports + 2)
  }
  sum = Math.imul(sum ^ protocol ^ (sum >>> 15), 0x85ebca6b)
  return Math.imul(sum ^ (sum >>> 13), 0xc2b2ae35)
}

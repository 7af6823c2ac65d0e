/**
 * br_netfilter (net/bridge/br_netfilter_hooks.c): iptables on bridged IPv4 frames, as every Kubernetes node has
 * it. PREROUTING runs at the bridge *port*, before the bridge decides, so that a DNAT there decides the way:
 *
 *   port ─ PREROUTING ─┬─ destination unchanged ────────────────────────▶ admit
 *                      ├─ DNATed to beyond the bridge: MAC of the bridge ─▶ admit ─▶ up, and routed
 *                      └─ DNATed to a station on this bridge: its MAC ────▶ admit ─▶ FORWARD, POSTROUTING, port
 */
import type { Bridge, BridgePort } from '../link/bridge.ts'
import type { BridgeFilter } from '../link/bridge-filter.ts'
import type { Decision } from '../link/decision.ts'
import { configurationChanged, journal } from '../link/flow-cache.ts'
import { DropReason, type Frame } from '../link/frame.ts'
import { Hook } from '../netfilter/netfilter.ts'
import { copyMac, type Ipv4 } from '../wire/address.ts'
import { put16, u16 } from '../wire/bytes.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as told from './br-netfilter-decisions.ts'
import { fragment } from './fragment.ts'
import { AtPort, ToBridge, ToStation } from './ip-steps.ts'
import { Martian, martian } from './martian.ts'
import { AtBridge } from './neighbour-decisions.ts'
import type { Netns } from './netns.ts'
import { tellRoute } from './route-decisions.ts'

/**
 * While ARP looks for a frame's new destination, its source MAC waits in front of the place where its Ethernet header
 * will be, and in front of that its VLAN tag, 0 for none.
 */
const SAVED_SOURCE = ethernet.HEADER + 8
const SAVED_TAG = SAVED_SOURCE + 2
/** The sysctls that are read for each frame. */
const CALL = 'net.bridge.bridge-nf-call-iptables'
const TAGGED = 'net.bridge.bridge-nf-filter-vlan-tagged'

class BridgeNetfilter implements BridgeFilter<BridgePort> {
  #netns: Netns
  #bridge: Bridge
  #enabled = true
  #tagged = false

  constructor(netns: Netns, bridge: Bridge) {
    this.#netns = netns
    this.#bridge = bridge
    this.#enabled = netns.sysctl.number(CALL) !== 0
    this.#tagged = netns.sysctl.number(TAGGED) !== 0
    netns.sysctl.watch((name, value) => {
      if (name === CALL) this.#enabled = Number(value) !== 0
      if (name === TAGGED) this.#tagged = Number(value) !== 0
    })
  }

  preRouting(frame: Frame, port: BridgePort): void {
    if (!this.#handles(frame)) {
      if (journal.open) this.#tellUnhandled(frame)
      return this.#bridge.admit(frame, port)
    }
    const { bytes } = frame
    const at = headerEnd(frame)
    if (!ipv4.validIn(frame.view, at, frame.end)) {
      return this.#netns.world.frames.drop(frame, DropReason.BridgedHeader, this.#bridge.place)
    }
    if (journal.open) {
      journal.add(frame, new AtPort(frame, at))
      this.#tell(frame, told.atPort(this.#netns.sysctl, this.#bridge, port.device, !this.#enabled))
    }
    frame.network = at
    frame.transport = at + ipv4.headerLength(bytes, at)
    frame.end = at + ipv4.totalLengthIn(frame.view, at)
    frame.bridgeInput = port.device
    const whole = ipv4.isFragmentIn(frame.view, at) ? this.#netns.ipv4.reassembler.add(frame) : frame
    if (whole !== null) this.#prerouted(whole, port)
  }

  forward(frame: Frame, output: BridgePort): boolean {
    if (frame.bridgeInput === null || !this.#handles(frame)) return true
    frame.bridgeOutput = output.device
    if (journal.open) this.#tell(frame, new told.BetweenPorts(frame.bridgeInput, output.device))
    return this.#netns.netfilter.run(Hook.FORWARD, frame, this.#bridge, this.#bridge)
  }

  postRouting(frame: Frame, output: BridgePort): boolean {
    if (frame.bridgeInput === null || !this.#handles(frame)) return true
    if (!this.#netns.netfilter.run(Hook.POSTROUTING, frame, null, this.#bridge)) return false
    if (frame.end - frame.network <= output.device.mtu) return true
    if (frame.fragmentSize === 0 && ipv4.dontFragment(frame.bytes, frame.network)) {
      this.#netns.world.frames.drop(frame, DropReason.FrameTooLong, this.#bridge.place)
      return false
    }
    this.#split(frame, output)
    return false
  }

  /** A frame comes back from ARP with its new destination's MAC: it goes on where it stood at its port. */
  resume(frame: Frame): boolean {
    const port = frame.bridgeInput === null ? null : this.#bridge.portOf(frame.bridgeInput)
    if (port === null) return false
    const at = frame.start + ethernet.HEADER
    const tag = u16(frame.bytes, at - SAVED_TAG)
    copyMac(frame.bytes, frame.start + ethernet.SOURCE, frame.bytes, at - SAVED_SOURCE)
    if (tag !== 0) frame.start = ethernet.insertTag(frame.bytes, frame.start, tag)
    if (journal.open) this.#tell(frame, new told.Resumes(port.device))
    this.#bridge.admit(frame, port)
    return true
  }

  #tell(frame: Frame, decision: Decision): void {
    this.#netns.world.frames.tell(frame, this.#bridge.place, decision)
  }

  /** Rules that bridged packets do not meet, because a switch says so. */
  #tellUnhandled(frame: Frame): void {
    const { filters, sysctl } = this.#netns
    if (!filters || ethernet.type(frame.bytes, frame.start) !== ethernet.ETH_P_IP) return
    this.#tell(frame, told.notAtPort(sysctl, this.#bridge))
  }

  #split(frame: Frame, output: BridgePort): void {
    const { mtu: link } = output.device
    const mtu = frame.fragmentSize > 0 ? Math.min(frame.fragmentSize, link) : link
    fragment(this.#netns, frame, mtu, (piece) => output.device.send(piece))
  }

  #handles(frame: Frame): boolean {
    if (!(this.#enabled || this.#bridge.nfCallIptables) || !this.#netns.filters) return false
    const type = ethernet.typeIn(frame.view, frame.start)
    if (type === ethernet.ETH_P_IP) return true
    if (!this.#tagged || type !== ethernet.ETH_P_8021Q) return false
    return ethernet.type(frame.bytes, frame.start + ethernet.TAG) === ethernet.ETH_P_IP
  }

  #prerouted(frame: Frame, port: BridgePort): void {
    const { bytes, view, start, network: at } = frame
    const before = ipv4.destinationIn(view, at)
    if (!this.#netns.netfilter.run(Hook.PREROUTING, frame, this.#bridge, null)) return
    const destination = ipv4.destinationIn(view, at)
    if (destination === before) return this.#bridge.admit(frame, port)
    frame.routed = true
    const source = ipv4.sourceIn(view, at)
    const found = this.#netns.fib.input(frame, source, destination, this.#bridge)
    if (martian(source, destination, this.#netns.inet(this.#bridge)) !== Martian.NONE) {
      return this.#netns.world.frames.drop(frame, DropReason.BridgedMartian, this.#bridge.place)
    }
    if (journal.open) tellRoute(this.#netns, frame, destination, found)
    // Without a route it goes up to the host, too, whose own look-up will say so.
    if (found !== null && found.type === 'unicast' && found.device === this.#bridge) {
      return this.#bridged(frame, port, found.gateway ?? destination)
    }
    if (journal.open) {
      journal.add(frame, new ToBridge(this.#bridge))
      this.#tell(frame, new told.ToBridgeMac(this.#bridge))
    }
    copyMac(bytes, start + ethernet.DESTINATION, this.#bridge.mac, 0)
    this.#bridge.admit(frame, port)
  }

  /** br_nf_pre_routing_finish_bridge: the endpoint is a station on this very bridge. */
  #bridged(frame: Frame, port: BridgePort, station: Ipv4): void {
    const { bytes, start } = frame
    const neighbour = this.#netns.neighbours.connected(this.#bridge, station)
    if (neighbour !== null) {
      if (journal.open) {
        journal.add(frame, new ToStation(neighbour))
        this.#tell(frame, new AtBridge(neighbour, this.#bridge))
      }
      copyMac(bytes, start + ethernet.DESTINATION, neighbour.mac, 0)
      return this.#bridge.admit(frame, port)
    }
    if (journal.open) {
      journal.refuse()
      this.#tell(frame, new told.WaitsAtPort(this.#bridge))
    }
    const { network: at } = frame
    const tag = ethernet.isTagged(bytes, start) ? ethernet.vlanId(bytes, start) : 0
    copyMac(bytes, at - SAVED_SOURCE, bytes, start + ethernet.SOURCE)
    put16(bytes, at - SAVED_TAG, tag)
    frame.start = at
    // It came before the ARP request for it went. What TCP sent bears the time when it was due, which captures do not take.
    if (ipv4.protocol(bytes, at) !== ipv4.IPPROTO_TCP) frame.stamp = this.#netns.world.scheduler.now - 1
    this.#netns.neighbours.resolve(this.#bridge, station, frame)
  }
}

/** Where the IP header begins, behind a VLAN tag or not. */
function headerEnd(frame: Frame): number {
  const tagged = ethernet.isTagged(frame.bytes, frame.start)
  return frame.start + ethernet.HEADER + (tagged ? ethernet.TAG : 0)
}

/** Loads br_netfilter for one bridge of the namespace; the sysctl bridge-nf-call-iptables switches it. */
export function installBridgeFilter(netns: Netns, bridge: Bridge): void {
  configurationChanged()
  bridge.filter = new BridgeNetfilter(netns, bridge)
}

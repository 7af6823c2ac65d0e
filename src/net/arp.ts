/** ARP (net/ipv4/arp.c): answers who asks for our addresses, asks for others', and tells the neighbour table. */
import type { Decision } from '../link/decision.ts'
import type { NetDevice } from '../link/device.ts'
import { journal } from '../link/flow-cache.ts'
import { DropReason, type Frame } from '../link/frame.ts'
import {
  ANY,
  copyMac,
  type Ipv4,
  isLoopback,
  isMulticast,
  MAC_BROADCAST,
  MAC_ZERO,
  type Mac,
  sameMac,
} from '../wire/address.ts'
import * as arp from '../wire/arp.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as told from './arp-decisions.ts'
import type { InetDevice } from './inet-device.ts'
import { Martian, martian } from './martian.ts'
import type { Namespace } from './namespace.ts'
import type { Solicitor } from './neighbour-entry.ts'
import { ProxyQueue } from './proxy-queue.ts'
import { SourceIs, validateSource } from './reverse-path.ts'

const SCOPE_HOST = 254
const SCOPE_LINK = 253

/** Whom a reply is for, while it is written. */
const scratch: Mac = new Uint8Array(6)

export class Arp implements Solicitor {
  #netns: Namespace
  #proxied: ProxyQueue | null = null

  constructor(netns: Namespace) {
    this.#netns = netns
  }

  /** frame.start is the ARP packet. Takes the frame. */
  receive(frame: Frame, device: NetDevice): void {
    const netns = this.#netns
    const { start: at } = frame
    const fault = this.#fault(frame, device)
    if (fault >= 0) {
      frame.start = at - ethernet.HEADER
      return netns.world.frames.drop(frame, fault as DropReason, device.place)
    }
    if (this.process(frame, device, false)) netns.world.frames.consume(frame)
  }

  /** What arp_rcv and arp_process will have nothing to do with: the reason, or -1. */
  #fault(frame: Frame, device: NetDevice): number {
    const { bytes, start: at, end } = frame
    if (device.noArp) return DropReason.ArpOff
    if (!arp.valid(bytes, at, end)) return end - at < arp.LENGTH ? DropReason.ArpTooShort : DropReason.ArpHeader
    const op = arp.operation(bytes, at)
    if (op !== arp.REQUEST && op !== arp.REPLY) return DropReason.ArpOperation
    const target = arp.target(bytes, at)
    const inet = this.#netns.inet(device)
    if (isMulticast(target) || (isLoopback(target) && !inet.routeLocalnet)) return DropReason.ArpTarget
    return arp.sender(bytes, at) === target && inet.dropGratuitousArp ? DropReason.ArpGratuitous : -1
  }

  /** arp_process. False: the frame was kept, to be answered for another host a little later. */
  process(frame: Frame, device: NetDevice, redone: boolean): boolean {
    const netns = this.#netns
    const { bytes, start: at } = frame
    const op = arp.operation(bytes, at)
    const sender = arp.sender(bytes, at)
    const target = arp.target(bytes, at)
    const inet = netns.inet(device)
    if (sender === ANY) {
      // Duplicate address detection (RFC 2131, 5227).
      const ours = op === arp.REQUEST && netns.isLocal(target) && !this.#ignores(inet, sender, target)
      if (ours) this.#reply(device, target, frame, sender, false)
      else if (journal.open) this.#tell(frame, device, told.notOurs(target))
      return true
    }
    if (op === arp.REQUEST && this.#plausible(inet, sender, target)) {
      const route = netns.lookup(target)
      if (route?.type === 'local') {
        if (this.#ignores(inet, sender, target)) {
          if (journal.open) this.#tell(frame, device, told.unanswered(netns, device, target, 'arp_ignore'))
          return true
        }
        if (inet.arpFilter && netns.lookup(sender, target)?.device !== device) {
          if (journal.open) this.#tell(frame, device, told.unanswered(netns, device, target, 'arp_filter'))
          return true
        }
        if (this.#hearRequest(device, frame, sender)) this.#reply(device, target, frame, sender, false)
        return true
      }
      if (inet.forwarding && route?.type === 'unicast' && this.#proxies(inet, route.device, sender, target)) {
        this.#hearRequest(device, frame, sender)
        if (!redone && frame.group && inet.neighbours.proxyDelay > 0) {
          if (journal.open) this.#tell(frame, device, told.later(device, target))
          this.#proxied ??= new ProxyQueue(netns, this)
          this.#proxied.add(frame, device, inet.neighbours)
          return false
        }
        this.#reply(device, target, frame, sender, true)
        return true
      }
      if (journal.open) this.#tell(frame, device, told.notOurs(target))
    } else if (op === arp.REQUEST && journal.open) this.#tell(frame, device, told.implausible(target))
    if (!netns.isLocal(sender)) this.#learn(inet, frame, op, sender, target)
    return true
  }

  /**
   * What ip_route_input says of a packet from such a sender. One that claims our own address is a martian: our own
   * broadcast, come back by a hairpin port.
   */
  #plausible(inet: InetDevice, sender: Ipv4, target: Ipv4): boolean {
    if (martian(sender, target, inet) !== Martian.NONE) return false
    return validateSource(this.#netns, inet, sender, target, 0, 0) === SourceIs.FINE
  }

  /** What an ARP packet says of its sender, when nobody asked us. */
  #learn(inet: InetDevice, frame: Frame, op: number, sender: Ipv4, target: Ipv4): void {
    const { bytes, start: at } = frame
    const { neighbours } = this.#netns
    const { device } = inet
    const toUs = op === arp.REPLY && !frame.group
    const gratuitous =
      sender === target &&
      (op === arp.REQUEST || sameMac(bytes, at + arp.SENDER_MAC, bytes, at + arp.TARGET_MAC)) &&
      this.#netns.addressType(sender, device) === 'UNICAST'
    const accepts = this.#accepts(inet, sender)
    if (accepts && (gratuitous || (op === arp.REPLY && this.#netns.addressType(sender, device) === 'UNICAST'))) {
      neighbours.expect(device, sender)
    }
    const before = journal.open ? (neighbours.find(device, sender)?.state ?? null) : null
    neighbours.heardReply(device, sender, bytes, at + arp.SENDER_MAC, toUs, gratuitous)
    const entry = journal.open ? neighbours.find(device, sender) : null
    if (journal.open && (entry !== null || op === arp.REPLY)) {
      this.#tell(frame, device, told.heard(entry, sender, before))
    }
  }

  /** Who asks is known from now on. False: there was no room for him. */
  #hearRequest(device: NetDevice, frame: Frame, sender: Ipv4): boolean {
    const { neighbours } = this.#netns
    const before = journal.open ? (neighbours.find(device, sender)?.state ?? null) : null
    if (!neighbours.heardRequest(device, sender, frame.bytes, frame.start + arp.SENDER_MAC)) return false
    if (journal.open) this.#tell(frame, device, told.heard(neighbours.find(device, sender), sender, before))
    return true
  }

  #tell(frame: Frame, device: NetDevice, decision: Decision): void {
    this.#netns.world.frames.tell(frame, device.place, decision)
  }

  /** arp_accept: may a packet that nobody asked for make a new entry? */
  #accepts(inet: InetDevice, sender: Ipv4): boolean {
    if (inet.arpAccept === 1) return true
    return inet.arpAccept === 2 && this.#netns.confirmAddress(inet.device, sender, ANY, SCOPE_LINK)
  }

  /** arp_ignore: is the question for this address, on this device, not to be answered? */
  #ignores(inet: InetDevice, sender: Ipv4, target: Ipv4): boolean {
    switch (inet.arpIgnore) {
      case 1:
        return !this.#netns.confirmAddress(inet.device, ANY, target, SCOPE_HOST)
      case 2:
        return !this.#netns.confirmAddress(inet.device, sender, target, SCOPE_HOST)
      case 3:
        return !this.#netns.confirmAddress(null, ANY, target, SCOPE_LINK)
      case 8:
        return true
      default:
        return false
    }
  }

  /** arp_fwd_proxy, arp_fwd_pvlan and `ip neigh add proxy`. */
  #proxies(inet: InetDevice, out: NetDevice | null, sender: Ipv4, target: Ipv4): boolean {
    if (out === null) return false
    if (out === inet.device) return inet.proxyArpPvlan && sender !== target
    if (inet.proxyArp && inet.mediumId !== -1) {
      if (inet.mediumId === 0) return true
      const other = this.#netns.inet(out).mediumId
      if (other !== inet.mediumId && other !== -1) return true
    }
    return this.#netns.neighbours.proxies.has(inet.device, target)
  }

  solicit(device: NetDevice, target: Ipv4, known: Mac | null, waiting: Frame | null): void {
    const sender = this.#senderFor(device, target, waiting)
    if (sender === null) return
    const about = journal.open ? told.asking(this.#netns, device, target, waiting, known !== null) : null
    this.send(device, arp.REQUEST, known ?? MAC_BROADCAST, sender, MAC_ZERO, target, about)
  }

  /** `arp_notify`: a request for our own address, to everybody. */
  announce(device: NetDevice, address: Ipv4): void {
    const about = journal.open ? told.announcing(address) : null
    this.send(device, arp.REQUEST, MAC_BROADCAST, address, MAC_ZERO, address, about)
  }

  unresolved(frame: Frame, device: NetDevice): void {
    this.#netns.icmp.error(frame, icmp.DESTINATION_UNREACHABLE, icmp.HOST_UNREACHABLE, 0)
    this.#netns.world.frames.drop(frame, DropReason.NeighbourFailed, device.place)
  }

  /** The device goes: what waits to be answered by it goes too. */
  forget(device: NetDevice): void {
    this.#proxied?.forget(device)
  }

  /** `proxied`: the address is another host's. */
  #reply(device: NetDevice, ours: Ipv4, question: Frame, asker: Ipv4, proxied: boolean): void {
    copyMac(scratch, 0, question.bytes, question.start + arp.SENDER_MAC)
    let about: Decision | null = null
    if (journal.open) {
      about = proxied
        ? told.answeringFor(this.#netns, question, device, ours)
        : told.answering(this.#netns, question, ours)
    }
    this.send(device, arp.REPLY, scratch, ours, scratch, asker, about)
  }

  /** arp_send: one ARP packet with the device's own MAC. */
  send(
    device: NetDevice,
    op: number,
    to: Mac,
    sender: Ipv4,
    targetMac: Mac,
    target: Ipv4,
    about: Decision | null = null,
  ): void {
    if (device.noArp) return
    const frame = this.#netns.world.frames.take()
    frame.end = frame.start + ethernet.HEADER + arp.LENGTH
    ethernet.write(frame.bytes, frame.start, to, device.mac, ethernet.ETH_P_ARP)
    arp.write(frame.bytes, frame.start + ethernet.HEADER, op, device.mac, sender, targetMac, target)
    if (about !== null) this.#tell(frame, device, about)
    device.send(frame)
  }

  /**
   * arp_announce 0: the source of the packet that waits, when it is ours; 1: only when the target is in its
   * network; 2: never. Else the address of the device that suits the target best.
   */
  #senderFor(device: NetDevice, target: Ipv4, waiting: Frame | null): Ipv4 | null {
    const netns = this.#netns
    const { arpAnnounce } = netns.inet(device)
    if (waiting !== null && arpAnnounce < 2) {
      const source = ipv4.source(waiting.bytes, waiting.network)
      if (netns.isLocal(source) && (arpAnnounce === 0 || netns.sameNetwork(device, target, source))) return source
    }
    return netns.selectAddress(device, target)
  }
}

/** ARP (net/ipv4/arp.c): answers who asks for our addresses, asks for others', and tells the neighbour table. */
import type { NetDevice } from '../link/device.ts'
import { DropReason, type Frame } from '../link/frame.ts'
import { ANY, copyMac, type Ipv4, isMulticast, MAC_BROADCAST, MAC_ZERO, type Mac } from '../wire/address.ts'
import * as arp from '../wire/arp.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import type { Namespace } from './namespace.ts'
import type { Solicitor } from './neighbour.ts'

export class Arp implements Solicitor {
  #netns: Namespace

  constructor(netns: Namespace) {
    this.#netns = netns
  }

  /** frame.start is the ARP packet. Takes the frame. */
  receive(frame: Frame, device: NetDevice): void {
    const netns = this.#netns
    const { bytes, start: at } = frame
    if (!arp.valid(bytes, at, frame.end) || device.kind === 'loopback') {
      return netns.world.frames.drop(frame, DropReason.Malformed, netns.name)
    }
    const sender = arp.sender(bytes, at)
    const target = arp.target(bytes, at)
    const op = arp.operation(bytes, at)
    // A sender that claims one of our own addresses is a martian: our own broadcast, come back by a hairpin port.
    const martian = sender !== ANY && netns.isLocal(sender)
    if (op === arp.REQUEST && netns.isLocal(target) && !martian && !isMulticast(target)) {
      if (sender !== ANY) netns.neighbours.heardRequest(device, sender, bytes, at + arp.SENDER_MAC)
      this.#reply(device, target, bytes, at, sender)
    } else if (!martian) {
      const toUs = op === arp.REPLY && !frame.group
      netns.neighbours.heardReply(device, sender, bytes, at + arp.SENDER_MAC, toUs, sender === target)
    }
    netns.world.frames.consume(frame)
  }

  solicit(device: NetDevice, target: Ipv4, known: Mac | null, waiting: Frame | null): void {
    const sender = this.#senderFor(device, target, waiting)
    if (sender !== null) this.#send(device, arp.REQUEST, known ?? MAC_BROADCAST, sender, MAC_ZERO, target)
  }

  /** `arp_notify`: a request for our own address, to everybody. */
  announce(device: NetDevice, address: Ipv4): void {
    this.#send(device, arp.REQUEST, MAC_BROADCAST, address, MAC_ZERO, address)
  }

  unresolved(frame: Frame, device: NetDevice): void {
    this.#netns.icmp.error(frame, icmp.DESTINATION_UNREACHABLE, icmp.HOST_UNREACHABLE, 0)
    this.#netns.world.frames.drop(frame, DropReason.NeighbourFailed, device.name)
  }

  #reply(device: NetDevice, ours: Ipv4, bytes: Uint8Array, at: number, asker: Ipv4): void {
    const mac = new Uint8Array(6)
    copyMac(mac, 0, bytes, at + arp.SENDER_MAC)
    this.#send(device, arp.REPLY, mac, ours, mac, asker)
  }

  #send(device: NetDevice, op: number, to: Mac, sender: Ipv4, targetMac: Mac, target: Ipv4): void {
    const frame = this.#netns.world.frames.take()
    frame.end = frame.start + ethernet.HEADER + arp.LENGTH
    ethernet.write(frame.bytes, frame.start, to, device.mac, ethernet.ETH_P_ARP)
    arp.write(frame.bytes, frame.start + ethernet.HEADER, op, device.mac, sender, targetMac, target)
    device.send(frame)
  }

  /** arp_announce 0: the source of the packet that waits, when it is ours; else an address of the device. */
  #senderFor(device: NetDevice, target: Ipv4, waiting: Frame | null): Ipv4 | null {
    const netns = this.#netns
    if (waiting !== null) {
      const source = ipv4.source(waiting.bytes, waiting.network)
      if (netns.isLocal(source)) return source
    }
    return netns.selectAddress(device, target)
  }
}

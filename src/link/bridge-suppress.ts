/** neigh_suppress (net/bridge/br_arp_nd_proxy.c): a bridge that answers ARP for the neighbours that its host knows. */
import { copyMac, type Ipv4, isLoopback, isMulticast, type Mac } from '../wire/address.ts'
import * as arp from '../wire/arp.ts'
import * as ethernet from '../wire/ethernet.ts'
import { AnsweredFor } from './bridge-decisions.ts'
import type { VlanGroup } from './bridge-vlan.ts'
import type { NetDevice } from './device.ts'
import type { Fdb } from './fdb.ts'
import { journal } from './flow-cache.ts'
import type { Frame, FramePool } from './frame.ts'

/** What neigh_suppress asks of the bridge's host. */
export interface BridgeNeighbours {
  isLocal(address: Ipv4): boolean
  /** The MAC of a neighbour by this bridge that is known well enough to send to; null: none. */
  macOf(address: Ipv4, vlan: number): Mac | null
}

/** A port, as far as suppression is concerned. */
interface SuppressingPort {
  readonly device: NetDevice
  readonly neighSuppress: boolean
  readonly vlans: VlanGroup
}

/** The bridge, likewise. */
interface SuppressingBridge extends NetDevice {
  readonly neighbours: BridgeNeighbours | null
  readonly fdb: Fdb<SuppressingPort | null>
  readonly vlans: VlanGroup
}

/** What a frame asks for. */
const Asked = {
  /** It is no ARP that matters here. */
  nothing: 0,
  /** ARP that ports with neigh_suppress need not hear: it announces, or asks for the host's own address. */
  nobody: 1,
  /** An ARP request for somebody else. */
  neighbour: 2,
} as const
type Asked = (typeof Asked)[keyof typeof Asked]

function bodyOf(frame: Frame): number {
  const { bytes, start } = frame
  return start + ethernet.HEADER + (ethernet.isTagged(bytes, start) ? ethernet.TAG : 0)
}

/** br_do_proxy_suppress_arp's first questions. */
function askedBy(frame: Frame, neighbours: BridgeNeighbours): Asked {
  const { bytes } = frame
  const at = bodyOf(frame)
  if (ethernet.type(bytes, at - ethernet.HEADER) !== ethernet.ETH_P_ARP || !arp.valid(bytes, at, frame.end)) {
    return Asked.nothing
  }
  const source = arp.sender(bytes, at)
  const target = arp.target(bytes, at)
  if (isLoopback(target) || isMulticast(target)) return Asked.nothing
  if (source >>> 24 === 0 || source === target) return Asked.nobody
  if (arp.operation(bytes, at) !== arp.REQUEST) return Asked.nothing
  return neighbours.isLocal(target) ? Asked.nobody : Asked.neighbour
}

/** Whom an ARP frame is about. */
function targetOf(frame: Frame): Ipv4 {
  return arp.target(frame.bytes, bodyOf(frame))
}

/** br_arp_send: the neighbour's answer, in its name, without a tag. */
function answer(frames: FramePool, request: Frame, mac: Mac): Frame {
  const from = bodyOf(request)
  const reply = frames.take()
  const { bytes, start } = reply
  ethernet.write(bytes, start, mac, mac, ethernet.ETH_P_ARP)
  copyMac(bytes, start + ethernet.DESTINATION, request.bytes, from + arp.SENDER_MAC)
  const at = start + ethernet.HEADER
  arp.write(bytes, at, arp.REPLY, mac, arp.target(request.bytes, from), mac, arp.sender(request.bytes, from))
  copyMac(bytes, at + arp.TARGET_MAC, request.bytes, from + arp.SENDER_MAC)
  reply.end = at + arp.LENGTH
  return reply
}

/**
 * br_do_proxy_suppress_arp. True: ports with neigh_suppress need not hear the frame; a request may have been answered.
 * `from` is null for the host's own frames.
 */
export function suppressed(
  bridge: SuppressingBridge,
  frame: Frame,
  from: SuppressingPort | null,
  vlan: number,
): boolean {
  const { neighbours, world } = bridge
  // Who is asked alone answers for himself.
  if (neighbours === null || !frame.group || from?.neighSuppress) return false
  const asked = askedBy(frame, neighbours)
  if (asked !== Asked.neighbour) return asked === Asked.nobody
  const mac = neighbours.macOf(targetOf(frame), vlan)
  const entry = mac === null ? null : bridge.fdb.lookup(mac, 0, world.scheduler.now, vlan)
  if (mac === null || entry === null) return false
  if (entry.port?.neighSuppress) {
    const reply = answer(world.frames, frame, mac)
    if (journal.open) {
      world.frames.tell(reply, bridge.place, new AnsweredFor(bridge, world.frames.identify(frame)))
    }
    if (vlan !== 0) (from ?? bridge).vlans.egress(reply, vlan)
    if (from === null) bridge.receive(reply)
    else from.device.send(reply)
  }
  return true
}

/** What IPv4 decides about a packet besides its route, for whoever traces (see link/decision.ts). */

import { Decision } from '../link/decision.ts'
import type { NetDevice } from '../link/device.ts'
import type { Frame, FramePool } from '../link/frame.ts'
import { formatIpv4, formatMac, type Ipv4, type Mac } from '../wire/address.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import type { Fib } from './fib.ts'
import type { InetDevice } from './inet-device.ts'
import { SourceIs } from './reverse-path.ts'
import type { Route } from './route.ts'
import { type RouteHost, ToAll, tellOutput, tellRoute } from './route-decisions.ts'
import { prefixText, routeLine, routeState } from './route-text.ts'
import type { Sysctl } from './sysctl.ts'
import { largerOf, SwitchDecision } from './sysctl-decision.ts'

interface Teller {
  readonly name: string
  readonly world: { readonly frames: FramePool }
}

interface Host extends Teller {
  readonly fib: Fib
  readonly sysctl: Sysctl
}

abstract class IpDecision extends Decision {
  override readonly kind = 'ip'
}

/** A sentence that is known when it is told: of what happens rarely. */
export class IpVerdict extends IpDecision {
  readonly #sentence: string
  /** The packet that it answers; 0: none. */
  readonly packet: number

  constructor(sentence: string, packet = 0) {
    super()
    this.#sentence = sentence
    this.packet = packet
  }

  override sentence(): string {
    return this.#sentence
  }
}

/** ip_forward: one hop more. */
export class TtlLowered extends IpDecision {
  readonly #before: number

  /** Told in front of the change. */
  constructor(frame: Frame) {
    super()
    this.#before = ipv4.ttl(frame.bytes, frame.network)
  }

  override sentence(): string {
    return `forwarded: TTL ${this.#before} → ${this.#before - 1}`
  }
}

/** It is not to be forwarded: the device that it came in by does not (`ip_forward` is the switch of all). */
export function tellNotForwarding(host: Host, frame: Frame, inet: InetDevice): void {
  const all = host.sysctl.get('net.ipv4.ip_forward') === '0'
  const name = all ? 'net.ipv4.ip_forward' : largerOf(host.sysctl, inet.device.name, 'forwarding')
  const to = formatIpv4(ipv4.destination(frame.bytes, frame.network))
  const what = `${to} is not an address of this host, and what comes in by ${inet.device.name} is not forwarded`
  host.world.frames.tell(frame, host.name, new SwitchDecision('ip', host.sysctl, name, what))
}

/** fib_validate_source said no. */
export function tellRefusedSource(host: Host, frame: Frame, inet: InetDevice, why: SourceIs): void {
  const { frames } = host.world
  const { bytes, network } = frame
  const { device } = inet
  const source = formatIpv4(ipv4.source(bytes, network))
  if (why === SourceIs.OURS) {
    const name = largerOf(host.sysctl, device.name, 'accept_local')
    const text = `martian source: ${source} is this host's own or a broadcast address, yet it came in by ${device.name}`
    return frames.tell(frame, host.name, new SwitchDecision('ip', host.sysctl, name, text))
  }
  const mark = inet.srcValidMark ? frame.mark : 0
  const back = host.fib.reverse(
    ipv4.source(bytes, network),
    ipv4.destination(bytes, network),
    mark,
    ipv4.tos(bytes, network),
  )
  const way = back === null ? 'there is no way back' : `answers go by ${wayText(host.fib, back)}`
  const mode = inet.rpFilter === 2 ? 'loose' : 'strict'
  const text = `${source} came in by ${device.name}, but ${way}: rp_filter (${mode}) refuses it`
  const name = largerOf(host.sysctl, device.name, 'rp_filter')
  frames.tell(frame, host.name, new SwitchDecision('ip', host.sysctl, name, text))
}

function wayText(fib: Fib, back: Route): string {
  return back.multipath === null ? routeLine(back, routeState(fib, back)) : prefixText(back.destination)
}

/** It came in by promiscuity alone. */
export class OtherHost extends IpDecision {
  readonly #to: string
  readonly #device: string
  readonly #own: string

  constructor(frame: Frame, device: NetDevice) {
    super()
    const at = frame.start + ethernet.DESTINATION
    this.#to = formatMac(frame.bytes.slice(at, at + 6))
    this.#device = device.name
    this.#own = formatMac(device.mac)
  }

  override sentence(): string {
    return `sent to ${this.#to}, which is not ${this.#device}'s address: for another host`
  }

  override entry(): string {
    return `link/ether ${this.#own}`
  }

  override command(): string {
    return `ip link show dev ${this.#device}`
  }
}

/** Longer than the link it is to leave by, or than its route or path takes, and not to be cut. */
export class Unfit extends IpDecision {
  readonly #length: number
  readonly #mtu: number
  readonly #device: string
  readonly #deviceMtu: number

  constructor(length: number, mtu: number, device: string, deviceMtu: number) {
    super()
    this.#length = length
    this.#mtu = mtu
    this.#device = device
    this.#deviceMtu = deviceMtu
  }

  override sentence(): string {
    return `${this.#length} bytes are more than the ${this.#mtu} that may leave by ${this.#device}, and DF forbids to cut them`
  }

  /** Null: it is the route's, or what was learnt of the path. */
  override entry(): string | null {
    return this.#mtu === this.#deviceMtu ? `mtu ${this.#mtu}` : null
  }

  override command(): string {
    return `ip link show dev ${this.#device}`
  }
}

/** ip_fragment: cut into pieces. */
export class Cut extends IpDecision {
  readonly #length: number
  readonly #mtu: number
  readonly #pieces: number

  constructor(length: number, mtu: number, pieces: number) {
    super()
    this.#length = length
    this.#mtu = mtu
    this.#pieces = pieces
  }

  override sentence(): string {
    return `cut into ${this.#pieces} fragments: ${this.#length} bytes are more than the ${this.#mtu} that may leave at once`
  }
}

/** One of the pieces that a packet was cut into. */
export class Piece extends IpDecision {
  /** The packet that it is a piece of. */
  readonly packet: number
  readonly #number: number
  readonly #pieces: number

  constructor(packet: number, number: number, pieces: number) {
    super()
    this.packet = packet
    this.#number = number
    this.#pieces = pieces
  }

  override sentence(): string {
    return `fragment ${this.#number} of ${this.#pieces} of packet ${this.packet}`
  }
}

/** A fragment came; the datagram is whole with it, or not yet. */
export class PieceCame extends IpDecision {
  readonly #id: number
  readonly #from: number
  readonly #to: number
  readonly #count: number
  readonly #complete: boolean

  constructor(id: number, from: number, to: number, count: number, complete: boolean) {
    super()
    this.#id = id
    this.#from = from
    this.#to = to
    this.#count = count
    this.#complete = complete
  }

  override sentence(): string {
    const what = `fragment: bytes ${this.#from} to ${this.#to - 1} of datagram ${this.#id}`
    if (this.#complete) return `${what}, the last that was missing`
    return `${what} wait for the rest (${this.#count} fragment${this.#count === 1 ? '' : 's'} so far)`
  }
}

/** The pieces make a whole, which is a packet of its own. */
export class PutTogether extends IpDecision {
  /** The packets of its pieces. */
  readonly packets: readonly number[]

  constructor(packets: readonly number[]) {
    super()
    this.packets = packets
  }

  override sentence(): string {
    // Fragments keep their datagram's number; those of a foreign sender may have one each.
    const numbers = [...new Set(this.packets)]
    const whose = numbers.length === 1 ? ` of packet ${numbers[0]}` : `, packets ${numbers.join(', ')}`
    return `put together of ${this.packets.length} fragments${whose}`
  }
}

/** Its link-layer destination is no neighbour's: everybody, or a group. */
export class ToGroup extends IpDecision {
  readonly #destination: Ipv4
  readonly #mac: Mac

  constructor(destination: Ipv4, mac: Mac) {
    super()
    this.#destination = destination
    this.#mac = mac
  }

  override sentence(): string {
    return `${formatIpv4(this.#destination)} is for many: no neighbour is asked, it goes to ${formatMac(this.#mac)}`
  }
}

/** What came in: the route that it goes by. */
export function tellInput(host: RouteHost, frame: Frame, destination: Ipv4, found: Route | null, toAll: boolean): void {
  if (toAll) host.world.frames.tell(frame, host.name, new ToAll(destination))
  else tellRoute(host, frame, destination, found)
}

/** It is longer than its path takes, and its sender is told so by an errno. */
export function tellUnsent(host: RouteHost, frame: Frame, destination: Ipv4, found: Route, mtu: number): void {
  tellOutput(host, frame, destination, found, false)
  tellUnfit(host, frame, frame.end - frame.network, mtu, found.device)
}

export function tellUnfit(host: Teller, frame: Frame, length: number, mtu: number, output: NetDevice | null): void {
  host.world.frames.tell(frame, host.name, new Unfit(length, mtu, output?.name ?? 'lo', output?.mtu ?? 0))
}

export function tellExpired(host: Teller, frame: Frame): void {
  const ttl = ipv4.ttl(frame.bytes, frame.network)
  host.world.frames.tell(frame, host.name, new IpVerdict(`TTL ${ttl}: not to be forwarded any more`))
}

export function tellLoopback(host: Teller, frame: Frame): void {
  host.world.frames.tell(frame, host.name, new IpVerdict('it stays on this host: sent by lo, and received by it'))
}

export function tellGroup(host: Teller, frame: Frame, mac: Mac): void {
  const destination = ipv4.destination(frame.bytes, frame.network)
  host.world.frames.tell(frame, host.name, new ToGroup(destination, mac))
}

/** drop_unicast_in_l2_multicast. */
export function tellForAll(host: Host, frame: Frame, inet: InetDevice): void {
  const name = largerOf(host.sysctl, inet.device.name, 'drop_unicast_in_l2_multicast')
  const text = "one host's packet in a frame for all of them"
  host.world.frames.tell(frame, host.name, new SwitchDecision('ip', host.sysctl, name, text))
}

/** What the parts of a network namespace know of each other; `Netns` is all of it. */
import type { NetDevice } from '../link/device.ts'
import type { Frame } from '../link/frame.ts'
import type { KernelLog } from '../link/kernel-log.ts'
import type { Loopback } from '../link/loopback.ts'
import type { World } from '../link/world.ts'
import type { AddressType } from '../netfilter/host.ts'
import type { Netfilter } from '../netfilter/netfilter.ts'
import type { Ipv4 } from '../wire/address.ts'
import type { Counters } from './counters.ts'
import type { Errno } from './errno.ts'
import type { RouteExceptions } from './exception.ts'
import type { Fib } from './fib.ts'
import type { InetDevice } from './inet-device.ts'
import type { NeighbourTable } from './neighbour.ts'
import type { Route, RouteTable } from './route.ts'
import type { Sysctl } from './sysctl.ts'

/** A transport protocol; sockets register theirs in `transports`. */
export interface Transport {
  /**
   * A datagram for this host: frame.start and frame.transport are its transport header, frame.end its end, and
   * frame.network the IP header, still in front. Takes the frame.
   */
  receive(frame: Frame, netns: Namespace): void
  /** Sockets that see what the host answers by itself (raw_local_deliver). The frame is lent. True: some socket saw it. */
  overhear?(frame: Frame): boolean
  /**
   * An ICMP error came about one of our datagrams. The frame is lent: frame.network and frame.transport are the
   * quoted headers, with at least eight bytes of the transport's. `info` is the next hop's MTU of a 3/4.
   */
  error(frame: Frame, netns: Namespace, type: number, code: number, info: number, from: Ipv4): void
}

/** ICMP as the rest of the namespace uses it; the class is in icmp.ts. */
export interface IcmpMessages {
  receive(frame: Frame): void
  error(frame: Frame, type: number, code: number, info: number): void
  routeErrorAllowed(source: Ipv4): boolean
  readonly redirects: { send(frame: Frame, route: Route, input: NetDevice): void }
}

/** Options of the IPv4 header as the rest of the namespace uses them; the class is in ip-options.ts. */
export interface HeaderOptions {
  accepts(frame: Frame, input: NetDevice, local: boolean): boolean
  forwarded(frame: Frame, route: Route): void
  echo(frame: Frame): number
  request(options: Uint8Array): void
  makeRoom(frame: Frame): void
  attach(frame: Frame, source: Ipv4): void
  cancel(): void
}

export interface Namespace {
  readonly world: World
  readonly name: string
  readonly loopback: Loopback
  readonly kernelLog: KernelLog
  readonly counters: Counters
  readonly sysctl: Sysctl
  readonly neighbours: NeighbourTable
  readonly netfilter: Netfilter
  /** Is netfilter to be asked at all? */
  readonly filters: boolean
  readonly icmp: IcmpMessages
  readonly ipOptions: HeaderOptions
  readonly devices: ReadonlyMap<string, NetDevice>
  /** By IP protocol number. */
  readonly transports: {
    /** Null: nobody speaks the protocol here. */
    of(protocol: number): Transport | null
  }
  /** net.ipv4.ip_forward, kept as a field for the path of a frame. */
  readonly forwarding: boolean
  /** The device's IPv4 switches (net.ipv4.conf.DEVICE.*), for one of the namespace's devices. */
  inet(device: NetDevice): InetDevice
  /** net.ipv4.ip_default_ttl. */
  readonly defaultTtl: number
  /** New sockets set DF: not net.ipv4.ip_no_pmtu_disc. */
  readonly discoversPathMtu: boolean
  readonly main: RouteTable
  /** Are both addresses in one network of the device (inet_addr_onlink)? */
  sameNetwork(device: NetDevice, a: Ipv4, b: Ipv4): boolean
  readonly fib: Fib
  readonly exceptions: RouteExceptions
  isLocal(address: Ipv4): boolean
  addressType(address: Ipv4, device?: NetDevice | null): AddressType
  /** See Fib.lookup. */
  lookup(
    destination: Ipv4,
    source?: Ipv4,
    protocol?: number,
    sourcePort?: number,
    destinationPort?: number,
  ): Route | null
  sourceFor(route: Route, destination: Ipv4): Ipv4
  /** What a datagram to the address may measure: the route's, a learnt path MTU, or the device's. */
  mtuTo(destination: Ipv4, source?: Ipv4, protocol?: number, sourcePort?: number, destinationPort?: number): number
  /** The same for a route that is known already. */
  mtuBy(route: Route, destination: Ipv4): number
  learnPathMtu(destination: Ipv4, mtu: number): void
  nextId(source: Ipv4, destination: Ipv4, protocol: number, count?: number): number
  /** See Netns.send. */
  send(
    frame: Frame,
    source: Ipv4,
    destination: Ipv4,
    protocol: number,
    ttl: number,
    tos: number,
    id: number,
    fragment: number,
  ): Errno | null
  /** Sends the ICMP error that answers this frame, which is lent; frame.network is the offending header. */
  icmpError(frame: Frame, type: number, code: number, info: number): void
  /** inet_select_addr: the address of the device that suits this peer best, else any of the host; null: there is none. */
  selectAddress(device: NetDevice, peer: Ipv4): Ipv4 | null
  /** A device's first address, or null. */
  addressOf(device: NetDevice): Ipv4 | null
  /** inet_confirm_addr: has the device (null: any) this address, of at most this scope, with the peer in its network? */
  confirmAddress(device: NetDevice | null, peer: Ipv4, address: Ipv4, scope: number): boolean
}

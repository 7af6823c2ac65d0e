/** What the TCP sockets of one namespace share: the connections, the listening ports, and the clock's secret. */
import type { Netns } from '../../net/netns.ts'
import { JIFFY } from '../../sim/jiffies.ts'
import { MILLISECOND } from '../../sim/scheduler.ts'
import { ANY, type Ipv4, isLoopback } from '../../wire/address.ts'
import { type PortHolder, Ports } from '../ports.ts'
import { Offer } from './around.ts'
import { Connection } from './connection.ts'
import { Cookies } from './cookie.ts'
import type { Listening } from './listening.ts'
import { advertisable } from './path.ts'
import { Segment } from './segment.ts'
import { PathMtuDiscovery, Settings } from './settings.ts'
import { TupleTable } from './table.ts'
import { alarms } from './timers.ts'
import { Tunables } from './tunables.ts'

const ANY_SIZE = 65_535

/** A port that a TCP socket has bound; listening when `listening` is set. */
export interface TcpPort extends PortHolder {
  readonly listening: Listening | null
  close(): void
}

export class TcpStack {
  readonly netns: Netns
  readonly connections = new TupleTable<Connection>()
  readonly ports = new Ports<TcpPort>()
  #segment: Segment | null = null
  #tunables: Tunables | null = null
  readonly cookies: Cookies
  #secret: number

  constructor(netns: Netns) {
    this.netns = netns
    this.cookies = new Cookies(netns.world)
    this.#secret = netns.world.random.int32()
  }

  /** The segment that is being taken in. */
  get segment(): Segment {
    this.#segment ??= new Segment()
    return this.#segment
  }

  get tunables(): Tunables {
    this.#tunables ??= new Tunables(this.netns)
    return this.#tunables
  }

  /** What socket(2) gives. */
  freshSettings(): Readonly<Settings> {
    if (this.netns.discoversPathMtu) return Settings.untouched
    const settings = new Settings()
    settings.mtuDiscover = PathMtuDiscovery.DONT
    return settings
  }

  /** A connection between these endpoints, closed as yet, with what we would offer in a SYN. */
  connection(
    settings: Readonly<Settings>,
    localAddress: Ipv4,
    localPort: number,
    remoteAddress: Ipv4,
    remotePort: number,
  ): Connection {
    const { netns } = this
    const { sysctl } = netns
    const connection = new Connection(netns, this.connections, alarms, settings, this.tunables)
    connection.tos = settings.tos
    connection.ttl = settings.ttl || netns.defaultTtl
    connection.localAddress = localAddress
    connection.localPort = localPort
    connection.remoteAddress = remoteAddress
    connection.remotePort = remotePort
    connection.clockOffset = this.#clockOffset(localAddress, remoteAddress)
    connection.advertisedMss = Math.min(advertisable(connection), settings.maxSegment || ANY_SIZE)
    connection.timestamps = sysctl.number('net.ipv4.tcp_timestamps') !== 0
    connection.sack = sysctl.number('net.ipv4.tcp_sack') !== 0
    connection.scaling = sysctl.number('net.ipv4.tcp_window_scaling') !== 0
    connection.offered =
      (connection.timestamps ? Offer.TIMESTAMPS : 0) |
      (connection.sack ? Offer.SACK : 0) |
      (connection.scaling ? Offer.SCALE : 0)
    const { receive } = connection
    receive.buffer = this.receiveBuffer
    if (settings.receiveBuffer > 0) receive.lock(settings.receiveBuffer)
    receive.scale = connection.scaling ? receive.scaleFor(settings.windowClamp) : 0
    connection.send.notSentLow = Math.min(
      settings.notSentLow || sysctl.number('net.ipv4.tcp_notsent_lowat'),
      0x7fffffff,
    )
    connection.send.capacity = this.tunables.sendMemory[1]
    if (settings.sendBuffer > 0) connection.send.lock(settings.sendBuffer)
    connection.offeredScale = receive.scale
    connection.send.begin(netns.world.random.int32())
    return connection
  }

  /** tcp_rmem's default: what a socket's receive buffer begins with. */
  get receiveBuffer(): number {
    return this.tunables.receiveMemory[1]
  }

  /** A connection in TIME-WAIT whose ports may be used again now (tcp_twsk_unique): its peer tells old from new by timestamps. */
  reusable(connection: Connection, bound: boolean): boolean {
    const { sysctl, world } = this.netns
    const mode = sysctl.number('net.ipv4.tcp_tw_reuse')
    if (connection.state !== 'TIME-WAIT' || !connection.timestamps) return false
    // A program that named the port wants this one.
    if (bound) return true
    if (mode === 0) return false
    if (mode === 2 && !isLoopback(connection.localAddress) && !isLoopback(connection.remoteAddress)) return false
    const since = world.scheduler.now - connection.acks.lastReceived * JIFFY
    return since > sysctl.number('net.ipv4.tcp_tw_reuse_delay') * MILLISECOND
  }

  /** tcp_check_oom: beyond tcp_max_orphans closed sockets are not waited for. */
  get tooManyOrphans(): boolean {
    const most = this.netns.sysctl.number('net.ipv4.tcp_max_orphans')
    return this.connections.size > most && this.connections.all().filter(orphaned).length > most
  }

  /** Is there a connection in TIME-WAIT, or closed by its program, on this port? */
  waits(address: Ipv4, port: number, reuse: boolean): boolean {
    const at = ({ localPort, localAddress, owner, settings }: Connection): boolean =>
      localPort === port &&
      owner === null &&
      (address === 0 || localAddress === address) &&
      !(reuse && settings.reuseAddress)
    return this.connections.size > 0 && this.connections.all().some(at)
  }

  /**
   * Who listens at the segment's address and port; who was bound to the very address comes first. Several that share a
   * port (SO_REUSEPORT) are given flows by a hash (reuseport_select_sock).
   */
  listening({ destination, destinationPort, source, sourcePort }: Segment): Listening | null {
    const holders = this.ports.at(destinationPort)
    let exact = 0
    let any = 0
    let found: Listening | null = null
    for (let i = 0; i < holders.length; i++) {
      const { listening, localAddress } = holders[i]
      if (listening === null || (localAddress !== destination && localAddress !== ANY)) continue
      if (localAddress === destination) exact++
      else any++
      if (exact + any === 1 || (localAddress === destination && exact === 1)) found = listening
    }
    const sharing = exact || any
    if (sharing < 2) return found
    const address = exact > 0 ? destination : ANY
    const hash = mixed(this.#secret ^ source, Math.imul(destinationPort, 0x10001) ^ sourcePort ^ destination) >>> 0
    let chosen = Math.floor((hash * sharing) / 2 ** 32)
    for (let i = 0; i < holders.length; i++) {
      const { listening, localAddress } = holders[i]
      if (listening !== null && localAddress === address && chosen-- === 0) return listening
    }
    return found
  }

  /** One offset for each pair of addresses, so that a tuple's timestamps never run backwards (RFC 7323, 5.4). */
  #clockOffset(local: Ipv4, remote: Ipv4): number {
    return mixed(this.#secret ^ local, remote)
  }
}

/** The connection takes the place of one in TIME-WAIT, with numbers and timestamps that go on from there. */
export function succeed(connection: Connection, old: Connection): void {
  connection.send.begin((old.send.next + 65_537) | 0)
  connection.recentTimestamp = old.recentTimestamp
  old.end(null)
}

function mixed(one: number, other: number): number {
  let hash = Math.imul(one, 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13) ^ other, 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

function orphaned({ owner, acceptor, state }: Connection): boolean {
  return owner === null && acceptor === null && state !== 'TIME-WAIT' && state !== 'CLOSED'
}

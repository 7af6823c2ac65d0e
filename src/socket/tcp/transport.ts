/** TCP's door in the namespace (net/ipv4/tcp_ipv4.c): finds the connection or the listener of a segment. */
import { journal } from '../../link/flow-cache.ts'
import { DropReason, type Frame } from '../../link/frame.ts'
import type { Transport } from '../../net/namespace.ts'
import type { Netns } from '../../net/netns.ts'
import { ANY } from '../../wire/address.ts'
import { i32 } from '../../wire/bytes.ts'
import * as icmp from '../../wire/icmp.ts'
import * as ipv4 from '../../wire/ipv4.ts'
import * as tcp from '../../wire/tcp.ts'
import { ofProgram } from '../programs.ts'
import { errnoOf } from '../route.ts'
import { Wake } from './around.ts'
import type { Connection } from './connection.ts'
import { mayReopen, receive } from './input.ts'
import { listened, unwanted } from './listener-decisions.ts'
import { shrink } from './output.ts'
import { mtuOf } from './path.ts'
import { refuse } from './refuse.ts'
import type { Segment } from './segment.ts'
import { PathMtuDiscovery } from './settings.ts'
import type { TcpStack } from './stack.ts'
import { takeAloud } from './take-aloud.ts'
import { revertBackoff } from './timers.ts'
import { TAKEN, type Verdict } from './verdict.ts'

/** Where a quoted segment keeps its sequence number. */
const QUOTED_SEQUENCE = 4

export class TcpTransport implements Transport {
  readonly #stack: TcpStack

  constructor(stack: TcpStack) {
    this.#stack = stack
  }

  receive(frame: Frame, netns: Netns): void {
    const { frames } = netns.world
    const { bytes, start: at, end, network } = frame
    netns.counters.tcpInSegs++
    if (!tcp.valid(bytes, at, end)) {
      return frames.drop(frame, end - at < tcp.HEADER ? DropReason.TcpTooShort : DropReason.TcpHeader, netns.name)
    }
    const from = ipv4.source(bytes, network)
    if (!frame.summed && !tcp.checksumOk(bytes, at, end, from, ipv4.destination(bytes, network))) {
      netns.counters.tcpInErrs++
      return frames.drop(frame, DropReason.TcpChecksum, netns.name)
    }
    const { segment, connections } = this.#stack
    segment.parse(frame)
    // TCP knows two parties: what was sent to everybody is not for it (RFC 1122 section 4.2.3.10).
    if (frame.group || !netns.isLocal(segment.destination)) {
      return frames.drop(frame, DropReason.TcpToAll, netns.name)
    }
    let connection = connections.find(segment.destination, segment.destinationPort, segment.source, segment.sourcePort)
    if (connection !== null && connection.state === 'TIME-WAIT' && mayReopen(connection, segment)) {
      if (this.#stack.listening(segment) !== null) {
        connection.end(null)
        connection.tell()
        connection = null
      }
    }
    if (connection !== null) {
      const { leastTtl } = connection.settings
      if (leastTtl !== 0 && ipv4.ttl(frame.bytes, frame.network) < leastTtl)
        return frames.drop(frame, DropReason.TcpTtl, netns.name)
      if (connection.backlog !== null) return connection.backlog.add(frame)
      const verdict = journal.open ? takeAloud(connection, segment, frame) : receive(connection, segment)
      return finish(frame, verdict, netns)
    }
    const verdict = this.#begin(netns, segment)
    if (journal.open) this.#tellListened(frame, verdict)
    finish(frame, verdict, netns)
  }

  error(frame: Frame, netns: Netns, type: number, code: number, info: number): void {
    const { bytes, network, transport: at } = frame
    const local = ipv4.source(bytes, network)
    const remote = ipv4.destination(bytes, network)
    const connection = this.#stack.connections.find(
      local,
      tcp.sourcePort(bytes, at),
      remote,
      tcp.destinationPort(bytes, at),
    )
    if (connection === null) netns.counters.icmpInErrors++
    if (connection === null || connection.state === 'TIME-WAIT') return
    const { send } = connection
    const sequence = i32(bytes, at + QUOTED_SEQUENCE)
    // An error about something that is not on its way is old or forged.
    if (tcp.before(sequence, send.una) || tcp.after(sequence, send.next)) return
    if (type === icmp.DESTINATION_UNREACHABLE && code === icmp.FRAGMENTATION_NEEDED) {
      // A listener's answer is too short for it (tcp_req_err).
      if (connection.acceptor === null) narrower(connection, info)
    } else {
      const noWay =
        type === icmp.DESTINATION_UNREACHABLE && (code === icmp.NET_UNREACHABLE || code === icmp.HOST_UNREACHABLE)
      if (noWay && connection.acceptor === null) revertBackoff(connection, sequence)
      if (connection.state !== 'CLOSED') fail(connection, type, code)
    }
    connection.tell()
  }

  /** A segment of no connection. */
  #begin(netns: Netns, segment: Segment): Verdict {
    const listening = this.#stack.listening(segment)
    const answers = segment.has(tcp.ACK)
    if (listening !== null && answers && (segment.flags & (tcp.SYN | tcp.RST)) === 0) {
      const redeemed = listening.redeem(segment)
      if (redeemed !== DropReason.TcpListenAck) return redeemed
    }
    if (listening === null || answers) refuse(netns, segment)
    if (listening === null) return DropReason.NoSocket
    if (segment.has(tcp.RST)) return DropReason.TcpListenReset
    if (answers) return DropReason.TcpListenAck
    if (!segment.has(tcp.SYN) || segment.has(tcp.FIN)) return DropReason.TcpListenFlags
    return listening.receive(segment)
  }

  /** What became of a segment that belongs to no connection, for whoever traces. */
  #tellListened(frame: Frame, verdict: Verdict): void {
    const { segment, ports, netns, connections } = this.#stack
    const { frames } = netns.world
    const listening = this.#stack.listening(segment)
    if (listening === null) return frames.tell(frame, netns.name, unwanted(segment))
    const { source, sourcePort, destination, destinationPort } = segment
    const known = connections.find(destination, destinationPort, source, sourcePort) !== null
    const port = ports.at(destinationPort).find((each) => each.listening === listening)
    frames.tell(
      frame,
      netns.name,
      listened(segment, verdict, known, port?.localAddress ?? ANY, ofProgram(netns, listening)),
    )
  }
}

/** The end of a segment's frame. */
function finish(frame: Frame, verdict: Verdict, { world, name }: Netns): void {
  if (verdict === TAKEN) world.frames.consume(frame)
  else world.frames.drop(frame, verdict, name)
}

/** A router could not pass on something that we sent, for it takes `mtu` bytes (tcp_v4_mtu_reduced). */
function narrower(connection: Connection, mtu: number): void {
  const { netns, remoteAddress, settings } = connection
  netns.learnPathMtu(remoteAddress, mtu)
  if (mtu < mtuOf(connection) && connection.whole) connection.softError = 'EMSGSIZE'
  const { mtuDiscover } = settings
  if (mtuDiscover >= PathMtuDiscovery.WANT && mtuDiscover <= PathMtuDiscovery.PROBE) shrink(connection)
}

/** tcp_v4_err: during the handshake every error ends the attempt; later it is only remembered. */
function fail(connection: Connection, type: number, code: number): void {
  const errno = errnoOf(type, code)
  if (connection.state === 'SYN-SENT' || connection.state === 'SYN-RECEIVED') return connection.end(errno)
  if (!connection.settings.receiveErrors || connection.owner === null) {
    connection.softError = errno
    return
  }
  connection.error = errno
  connection.wake |= Wake.READABLE
}

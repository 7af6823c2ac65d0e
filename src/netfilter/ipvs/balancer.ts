/**
 * IPVS in the path of packets (ip_vs_core.c, ip_vs_xmit.c). It stands behind the filter table, so that rules see what
 * the client sent:
 *
 *   INPUT     98  out: an answer of a real server to ourselves   99  in: a client's packet: to a real server
 *   OUTPUT   -99  out: an answer of a real server on this host  -98  in: our own packet to a virtual service
 *   FORWARD   99  ICMP errors to a client's packet              100  out: an answer of a real server
 *
 * What goes to a real server elsewhere leaves by OUTPUT and POSTROUTING as if it were ours; it is never forwarded, though
 * its TTL counts down. `frame.balanced` (skb->ipvs_property) spares it from being looked at again.
 *
 * What IPVS sends or answers is not taken up by the flow cache (link/flow-cache.ts). A packet that it lets pass may be, when
 * conntrack knows it: no other flow has its tuple, so it belongs to no connection later either.
 */
import { journal } from '../../link/flow-cache.ts'
import { put16, u16 } from '../../wire/bytes.ts'
import { checksum } from '../../wire/checksum.ts'
import * as icmp from '../../wire/icmp.ts'
import * as ipv4 from '../../wire/ipv4.ts'
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../../wire/ipv4.ts'
import * as tcp from '../../wire/tcp.ts'
import * as udp from '../../wire/udp.ts'
import { Hook, Verdict } from '../hook.ts'
import { type NetfilterHost, Passage } from '../host.ts'
import { Manip, rewrite } from '../nat-rewrite.ts'
import type { Packet } from '../packet.ts'
import { Choice, Chooser } from './chooser.ts'
import type { Connection } from './connection.ts'
import type { Ipvs } from './ipvs.ts'
import { Balanced, Refused, ServerChosen, ServiceFound } from './ipvs-decisions.ts'
import { Direction, isActive, nextTcpState, TcpState } from './states.ts'

/** The well-known port of ftp, whose data connections a service for it lets pass. */
const FTP = 21

export class Balancer {
  readonly #ipvs: Ipvs
  readonly #host: NetfilterHost
  readonly #chooser: Chooser

  constructor(ipvs: Ipvs, host: NetfilterHost) {
    this.#ipvs = ipvs
    this.#host = host
    this.#chooser = new Chooser(ipvs)
  }

  /** ACCEPT: it goes on here. STOLEN: it was sent on. DROP: it is the caller's to give back. */
  pass(hook: Hook, packet: Packet): Verdict {
    if (packet.frame.balanced || packet.fragment) return Verdict.ACCEPT
    if (hook === Hook.FORWARD && packet.protocol === IPPROTO_ICMP && this.#isError(packet)) {
      const verdict = this.#errorIn(packet)
      if (verdict !== Verdict.ACCEPT) return verdict
    }
    const verdict = this.#out(packet)
    if (hook === Hook.FORWARD && journal.open && packet.flow === null) journal.refuse()
    if (verdict !== Verdict.ACCEPT || hook === Hook.FORWARD || packet.frame.balanced) return verdict
    return this.#in(packet)
  }

  // ── towards the real server ──────────────────────────────────────────

  /** ip_vs_in_hook. */
  #in(packet: Packet): Verdict {
    const { protocol, frame, transport, end, bytes } = packet
    if (packet.hook !== Hook.OUTPUT && frame.group) return Verdict.ACCEPT
    if (protocol === IPPROTO_ICMP) return this.#isError(packet) ? this.#errorIn(packet) : Verdict.ACCEPT
    if (protocol !== IPPROTO_TCP && protocol !== IPPROTO_UDP) return Verdict.ACCEPT
    const header = protocol === IPPROTO_TCP ? tcp.HEADER : udp.HEADER
    if (end - transport < header) return Verdict.DROP
    const { connections, conntracked, settings } = this.#ipvs
    const port = u16(bytes, transport)
    let connection = connections.findIn(protocol, packet.source, port, packet.destination, u16(bytes, transport + 2))
    if (connection !== null && protocol === IPPROTO_TCP && (tcp.flags(bytes, transport) & tcp.SYN) !== 0) {
      if (this.#begunAnew(connection)) {
        const old = conntracked.old(frame)
        if (!old) connection.tracked = false
        connections.expire(connection)
        if (old) return Verdict.DROP
        connection = null
      }
    }
    if (connection !== null && !connection.server.available) {
      if (!settings.expireNoServer) {
        if (journal.open) packet.tell(new Refused('drops the packet: the real server of its connection is gone'))
        return Verdict.DROP
      }
      const old = conntracked.old(frame)
      if (!old) connection.tracked = false
      connections.expire(connection)
      if (old) return Verdict.DROP
      connection = null
    }
    if (connection === null) {
      const choice = this.#chooser.choose(packet)
      if (choice === Choice.NONE) return Verdict.ACCEPT
      if (choice === Choice.DROP) return Verdict.DROP
      if (choice === Choice.LEAVE) return this.#leave(packet)
      connection = this.#chooser.connection as Connection
      if (journal.open) this.#tellChoice(packet, connection)
    }
    this.#count(connection, packet.length, true)
    const before = connection.state
    this.#advance(connection, packet, connection.unanswered ? Direction.IN_ONLY : Direction.IN)
    return this.#transmit(packet, connection, before)
  }

  #tellChoice(packet: Packet, { server }: Connection): void {
    const { service, remembered } = this.#chooser
    if (service === null) return
    packet.tell(new ServiceFound(service, true))
    packet.tell(new ServerChosen(server, service.scheduler.name, remembered))
  }

  /** A SYN of a connection that is known: is it the beginning of another one? */
  #begunAnew(connection: Connection): boolean {
    const { expireNoServer, reuseMode } = this.#ipvs.settings
    if (expireNoServer && connection.server.weight === 0) return true
    if (reuseMode === 0 || connection.control !== null) return false
    if (connection.state === TcpState.TIME_WAIT) return true
    return (reuseMode & 2) !== 0 && connection.state === TcpState.FIN_WAIT && connection.unanswered
  }

  /** ip_vs_leave: nobody is there to serve it. */
  #leave(packet: Packet): Verdict {
    const { service } = this.#chooser
    if (service?.port === FTP && u16(packet.bytes, packet.transport + 2) !== FTP) return Verdict.ACCEPT
    if (journal.open && service !== null) packet.tell(new ServiceFound(service, false))
    this.#host.icmpError(packet.frame, icmp.DESTINATION_UNREACHABLE, icmp.PORT_UNREACHABLE, 0)
    return Verdict.DROP
  }

  /** ip_vs_nat_xmit. `before`: the connection's state before this packet. */
  #transmit(packet: Packet, connection: Connection, before: number): Verdict {
    const { frame, network, end } = packet
    const { destination, destinationPort } = connection
    const passage = this.#host.ipv4.passage(frame, destination)
    if (passage === Passage.REFUSED) {
      this.#ended(connection)
      return Verdict.DROP
    }
    rewrite(packet.frame.view, network, end, Manip.DESTINATION, destination, destinationPort)
    if (journal.open) packet.tell(new Balanced(connection, before, false, false))
    return this.#goOn(packet, connection, passage)
  }

  /** ip_vs_nat_send_or_cont. */
  #goOn(packet: Packet, connection: Connection, passage: Passage): Verdict {
    const { frame } = packet
    if (journal.open) journal.refuse()
    frame.balanced = true
    this.#ipvs.conntracked.towards(frame, connection)
    this.#ended(connection)
    if (passage === Passage.HERE) {
      packet.readAddresses()
      return Verdict.ACCEPT
    }
    this.#host.ipv4.sendOn(frame)
    return Verdict.STOLEN
  }

  // ── back to the client ───────────────────────────────────────────────

  /** ip_vs_out_hook. */
  #out(packet: Packet): Verdict {
    const { protocol, bytes, transport, end } = packet
    if (protocol === IPPROTO_ICMP) return this.#isError(packet) ? this.#errorOut(packet) : Verdict.ACCEPT
    if ((protocol !== IPPROTO_TCP && protocol !== IPPROTO_UDP) || end - transport < 8) return Verdict.ACCEPT
    const { connections, settings } = this.#ipvs
    const port = u16(bytes, transport)
    const found = connections.findOut(protocol, packet.destination, u16(bytes, transport + 2), packet.source, port)
    if (found !== null) return found.server.forward === 0 ? this.#answer(packet, found) : Verdict.ACCEPT
    if (!settings.natIcmpSend || !this.#ipvs.hasServer(protocol, packet.source, port)) return Verdict.ACCEPT
    if (protocol === IPPROTO_TCP && (tcp.flags(bytes, transport) & tcp.RST) !== 0) return Verdict.ACCEPT
    if (journal.open)
      packet.tell(
        new Refused('knows the real server that sends this, and no connection: the answer is ICMP port unreachable'),
      )
    this.#host.icmpError(packet.frame, icmp.DESTINATION_UNREACHABLE, icmp.PORT_UNREACHABLE, 0)
    return Verdict.DROP
  }

  /** handle_response. */
  #answer(packet: Packet, connection: Connection): Verdict {
    const { frame, network, end } = packet
    if (journal.open) journal.refuse()
    rewrite(packet.frame.view, network, end, Manip.SOURCE, connection.virtual, connection.virtualPort)
    packet.readAddresses()
    this.#count(connection, packet.length, false)
    const before = connection.state
    this.#advance(connection, packet, Direction.OUT)
    if (journal.open) packet.tell(new Balanced(connection, before, true, false))
    frame.balanced = true
    this.#ipvs.conntracked.back(frame, connection)
    this.#ipvs.connections.touch(connection)
    return Verdict.ACCEPT
  }

  // ── ICMP errors ──────────────────────────────────────────────────────

  #isError({ bytes, transport, end }: Packet): boolean {
    if (end - transport < icmp.HEADER) return false
    const type = bytes[transport]
    return type === icmp.DESTINATION_UNREACHABLE || type === icmp.SOURCE_QUENCH || type === icmp.TIME_EXCEEDED
  }

  /** Where the quoted packet's ports are; -1: they are not there, or it is of another protocol. */
  #quotedPorts({ bytes, transport, end }: Packet): number {
    const quoted = transport + icmp.HEADER
    if (end - quoted < ipv4.HEADER || bytes[quoted] >> 4 !== 4) return -1
    const protocol = ipv4.protocol(bytes, quoted)
    if (protocol !== IPPROTO_TCP && protocol !== IPPROTO_UDP) return -1
    const ports = quoted + ipv4.headerLength(bytes, quoted)
    return ipv4.fragmentOffset(bytes, quoted) !== 0 || end - ports < 8 ? -1 : ports
  }

  /** ip_vs_in_icmp: an error about an answer, on its way to the real server that gave it. */
  #errorIn(packet: Packet): Verdict {
    const { bytes, transport, network, end, frame } = packet
    const ports = this.#quotedPorts(packet)
    if (ports < 0) return Verdict.ACCEPT
    const quoted = transport + icmp.HEADER
    const connection = this.#ipvs.connections.findIn(
      ipv4.protocol(bytes, quoted),
      ipv4.destination(bytes, quoted),
      u16(bytes, ports + 2),
      ipv4.source(bytes, quoted),
      u16(bytes, ports),
    )
    if (connection === null || connection.unanswered) return Verdict.ACCEPT
    if (!icmp.checksumOk(bytes, transport, end)) return Verdict.DROP
    this.#count(connection, packet.length, true)
    const passage = this.#host.ipv4.passage(frame, connection.destination)
    if (passage === Passage.REFUSED) return Verdict.DROP
    const { destination, destinationPort } = connection
    rewrite(packet.frame.view, quoted, end, Manip.SOURCE, destination, destinationPort)
    sumAgain(bytes, transport, end)
    ipv4.setDestination(bytes, network, destination)
    if (journal.open) packet.tell(new Balanced(connection, connection.state, false, true))
    return this.#goOn(packet, connection, passage)
  }

  /** ip_vs_out_icmp: an error about a client's packet that was sent to a real server, on its way to the client. */
  #errorOut(packet: Packet): Verdict {
    const { bytes, transport, network, end, frame } = packet
    const ports = this.#quotedPorts(packet)
    if (ports < 0) return Verdict.ACCEPT
    const quoted = transport + icmp.HEADER
    const connection = this.#ipvs.connections.findOut(
      ipv4.protocol(bytes, quoted),
      ipv4.source(bytes, quoted),
      u16(bytes, ports),
      ipv4.destination(bytes, quoted),
      u16(bytes, ports + 2),
    )
    if (connection === null || connection.server.forward !== 0) return Verdict.ACCEPT
    if (!icmp.checksumOk(bytes, transport, end)) return Verdict.DROP
    rewrite(packet.frame.view, quoted, end, Manip.DESTINATION, connection.virtual, connection.virtualPort)
    sumAgain(bytes, transport, end)
    ipv4.setSource(bytes, network, connection.virtual)
    packet.readAddresses()
    this.#count(connection, packet.length, false)
    if (journal.open) packet.tell(new Balanced(connection, connection.state, true, true))
    frame.balanced = true
    this.#ipvs.conntracked.back(frame, connection)
    return Verdict.ACCEPT
  }

  // ── what a packet does to its connection ─────────────────────────────

  /** ip_vs_in_stats, ip_vs_out_stats: what a server that is gone gets is not counted. */
  #count({ server }: Connection, bytes: number, received: boolean): void {
    if (!server.available) return
    const { statistics } = this.#ipvs
    if (received) {
      server.statistics.received(bytes)
      server.service.statistics.received(bytes)
      statistics.received(bytes)
    } else {
      server.statistics.sent(bytes)
      server.service.statistics.sent(bytes)
      statistics.sent(bytes)
    }
  }

  /** ip_vs_set_state. */
  #advance(connection: Connection, packet: Packet, direction: Direction): void {
    const { tcp: timeouts, udp: quiet } = this.#ipvs.settings
    if (connection.protocol === IPPROTO_UDP) {
      connection.timeout = quiet[0]
      if (direction === Direction.OUT) assure(connection)
      return
    }
    if (direction === Direction.OUT) connection.unanswered = false
    const before = connection.state
    const state = nextTcpState(direction, tcp.flags(packet.bytes, packet.transport), before)
    if (state === before && connection.timeout === timeouts[state]) return
    const { server } = connection
    const active = isActive(state)
    if (active === connection.inactive) {
      connection.inactive = !active
      server.active += active ? 1 : -1
      server.inactive += active ? -1 : 1
    }
    if (state === TcpState.ESTABLISHED) assure(connection)
    connection.state = state
    connection.timeout = timeouts[state]
    this.#ipvs.connections.touch(connection)
    if (!connection.once) this.#ipvs.connections.hasten(connection)
  }

  /** ip_vs_conn_put. */
  #ended(connection: Connection): void {
    if (connection.once) this.#ipvs.finish(connection)
    else this.#ipvs.connections.touch(connection)
  }
}

/** ip_vs_control_assure_ct. */
function assure({ control }: Connection): void {
  if (control !== null) control.assured = true
}

function sumAgain(bytes: Uint8Array, at: number, end: number): void {
  put16(bytes, at + icmp.CHECKSUM, 0)
  put16(bytes, at + icmp.CHECKSUM, checksum(bytes, at, end - at))
}

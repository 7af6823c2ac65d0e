/**
 * The beginning of a connection (ip_vs_schedule, ip_vs_sched_persist): which service it is for, and which of its servers
 * is to have it.
 */

import { SECOND } from '../../sim/scheduler.ts'
import type { Ipv4 } from '../../wire/address.ts'
import { u16 } from '../../wire/bytes.ts'
import { IPPROTO_TCP, IPPROTO_UDP } from '../../wire/ipv4.ts'
import * as tcp from '../../wire/tcp.ts'
import { Hook } from '../hook.ts'
import type { Packet } from '../packet.ts'
import { Connection } from './connection.ts'
import type { Ipvs } from './ipvs.ts'
import type { VirtualService } from './service.ts'

/** NONE: it is nobody's business here. MADE: `connection` is new. LEAVE: no server can have it. */
export const Choice = { NONE: 0, MADE: 1, LEAVE: 2, DROP: 3 } as const
export type Choice = (typeof Choice)[keyof typeof Choice]

const FTP = 21
const FTP_DATA = 20

export class Chooser {
  readonly #ipvs: Ipvs
  /** What the last choice was about, and what came of it. */
  service: VirtualService | null = null
  connection: Connection | null = null
  /** Did the client's earlier connections say where it goes? */
  remembered = false

  constructor(ipvs: Ipvs) {
    this.#ipvs = ipvs
  }

  choose(packet: Packet): Choice {
    const { protocol, bytes, transport, frame, destination } = packet
    if (protocol === IPPROTO_TCP) {
      const flags = tcp.flags(bytes, transport)
      if ((flags & tcp.RST) !== 0) return Choice.NONE
      if ((flags & tcp.SYN) === 0 && !this.#ipvs.settings.sloppyTcp) return Choice.NONE
    }
    const service = this.#ipvs.find(frame.mark, protocol, destination, u16(bytes, transport + 2))
    this.service = service
    this.remembered = false
    return service === null ? Choice.NONE : this.#schedule(service, packet)
  }

  #schedule(service: VirtualService, packet: Packet): Choice {
    const { protocol, bytes, transport, source, destination } = packet
    const from = u16(bytes, transport)
    const to = u16(bytes, transport + 2)
    if (from === FTP_DATA) return Choice.NONE
    const ours = packet.hook === Hook.OUTPUT || packet.input?.kind === 'loopback'
    // An answer that goes to a client who is a virtual address of ours.
    if (ours && this.#ipvs.connections.findIn(protocol, destination, to, source, from) !== null) return Choice.NONE
    if (service.persistence > 0) return this.#persist(service, packet, from, to)
    if (service.mark === 0 && to !== service.port) return Choice.LEAVE
    const server = service.scheduler.choose(service, source, from, destination)
    if (server === null) return Choice.LEAVE
    const once = service.onePacket && protocol === IPPROTO_UDP
    const port = server.port === 0 ? to : server.port
    const kind = { template: false, once, tracked: this.#ipvs.settings.conntrack }
    this.#made(service, new Connection(protocol, source, from, destination, to, server, port, kind))
    return Choice.MADE
  }

  #persist(service: VirtualService, packet: Packet, from: number, to: number): Choice {
    const { protocol, source, destination } = packet
    const { connections, settings } = this.#ipvs
    const client = (source & service.netmask) as Ipv4
    // A template for one port, for all ports of an address, or for all that bears a mark.
    const onePort = to === service.port && service.port !== FTP
    const marked = !onePort && service.mark !== 0
    const templateProtocol = marked ? 0 : protocol
    const virtual = marked ? (service.mark as Ipv4) : destination
    const virtualPort = onePort ? to : 0
    let template = connections.findTemplate(templateProtocol, client, virtual, virtualPort)
    if (template !== null) {
      const { server } = template
      if (!server.available || (settings.expireQuiescentTemplate && server.weight === 0)) {
        connections.invalidate(template)
        template = null
      }
    }
    this.remembered = template !== null
    const server = template?.server ?? service.scheduler.choose(service, source, from, destination)
    if (server === null) return Choice.LEAVE
    if (template === null) {
      const kind = { template: true, once: false, tracked: false }
      const port = onePort ? server.port : 0
      template = new Connection(templateProtocol, client, 0, virtual, virtualPort, server, port, kind)
      template.timeout = service.persistence * SECOND
      this.#ipvs.connect(template)
    }
    const once = service.onePacket && protocol === IPPROTO_UDP
    const port = to === service.port && server.port !== 0 ? server.port : to
    const kind = { template: false, once, tracked: settings.conntrack }
    const connection = new Connection(protocol, source, from, destination, to, server, port, kind)
    if (!once) {
      connection.control = template
      template.controls++
    }
    connections.touch(template)
    this.#made(service, connection)
    return Choice.MADE
  }

  /** ip_vs_conn_stats. */
  #made(service: VirtualService, connection: Connection): void {
    this.connection = connection
    this.#ipvs.connect(connection)
    connection.server.statistics.connected()
    service.statistics.connected()
    this.#ipvs.statistics.connected()
  }
}

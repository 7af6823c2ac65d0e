/** The far end of a TCP connection to the host: it says whatever a scene wants, whether a TCP would say so or not. */
import { Sockets } from '../../src/socket/sockets.ts'
import type { TcpListener, TcpSocket } from '../../src/socket/tcp/socket.ts'
import * as ethernet from '../../src/wire/ethernet.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import * as tcp from '../../src/wire/tcp.ts'
import { inEthernet, inIpv4, nothing, type SegmentFields, segment } from '../support/packets.ts'
import { frameOf, type Inbox } from '../support/world.ts'
import { FAR_MAC, HOST, HOST_MAC, PEER, type Site } from './site.ts'

export const { ACK, FIN, RST, SYN } = tcp
const OURS = 5000

export interface Listen {
  readonly backlog?: number
  readonly deferAccept?: number
  /** Programs accept at once, unless this is false. */
  readonly accepts?: boolean
}

export function listen(site: Site, { backlog = 5, deferAccept = 0, accepts = true }: Listen = {}): TcpSocket[] {
  const socket = Sockets.of(site.host).tcp()
  socket.change().deferAccept = deferAccept
  socket.bind(HOST, 80)
  const listener = socket.listen(backlog) as TcpListener
  const accepted: TcpSocket[] = []
  if (accepts) listener.onAccept = (each) => void accepted.push(each)
  return accepted
}

export class Peer {
  readonly site: Site
  readonly port: number
  readonly to: number
  /** SND.NXT of the peer, and what it acknowledges. */
  sequence = 101
  acknowledgment = 0
  /** The timestamp that its segments bear; null: none. */
  clock: number | null = null

  constructor(site: Site, port = OURS, to = 80) {
    this.site = site
    this.port = port
    this.to = to
  }

  say(flags: number, fields: Partial<SegmentFields> & { by?: number; acked?: number } = {}): void {
    this.send(flags, fields)
    this.site.run(0.01)
  }

  send(flags: number, fields: Partial<SegmentFields> & { by?: number; acked?: number } = {}): void {
    const { by = 0, acked = 0, ...rest } = fields
    const bytes = segment(PEER, HOST, this.port, this.to, {
      sequence: this.sequence + by,
      acknowledgment: this.acknowledgment + acked,
      flags,
      options: this.clock === null ? nothing : timestamps(this.clock),
      ...rest,
    })
    const packet = inIpv4(PEER, HOST, ipv4.IPPROTO_TCP, bytes)
    const frame = frameOf(this.site.world, inEthernet(HOST_MAC, FAR_MAC, ethernet.ETH_P_IP, packet))
    this.site.far.send(frame)
  }

  /** SYN, and the SYN-ACK is noted. */
  begin(): this {
    this.say(SYN, { by: -1 })
    this.acknowledgment = (this.heard(tcp.sequence) + 1) | 0
    return this
  }

  /** The whole handshake. */
  open(): this {
    this.begin()
    this.say(ACK)
    return this
  }

  /** A field of the TCP segment that came last. */
  heard(field: (bytes: Uint8Array, at: number) => number): number {
    const { frames } = this.site.far.receiver as Inbox
    return field(frames[frames.length - 1].bytes, ethernet.HEADER + ipv4.HEADER)
  }
}

export function timestamps(value: number, echo = 0): Uint8Array {
  const bytes = new Uint8Array(12)
  bytes.set([1, 1, 8, 10])
  new DataView(bytes.buffer).setUint32(4, value)
  new DataView(bytes.buffer).setUint32(8, echo)
  return bytes
}

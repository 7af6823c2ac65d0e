/** Two namespaces on one cable, and what is said on it, one line a segment. */

import type { Frame } from '../../src/link/frame.ts'
import { Veth } from '../../src/link/veth.ts'
import { World } from '../../src/link/world.ts'
import { Netns } from '../../src/net/netns.ts'
import { MILLISECOND, SECOND } from '../../src/sim/scheduler.ts'
import { Sockets } from '../../src/socket/sockets.ts'
import type { TcpListener, TcpSocket } from '../../src/socket/tcp/socket.ts'
import { formatIpv4, type Ipv4, macOf, parseIpv4 } from '../../src/wire/address.ts'
import { i32, u16 } from '../../src/wire/bytes.ts'
import * as ethernet from '../../src/wire/ethernet.ts'
import * as icmp from '../../src/wire/icmp.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import * as tcp from '../../src/wire/tcp.ts'
import * as udp from '../../src/wire/udp.ts'

export const CLIENT = parseIpv4('10.0.0.1')
export const SERVER = parseIpv4('10.0.0.2')

export class Pair {
  readonly world: World
  readonly client: Netns
  readonly server: Netns
  readonly clientEnd: Veth
  readonly serverEnd: Veth
  /** Every IP packet that left or reached the client, as text. */
  readonly lines: string[] = []
  /** The same, as bytes from the IP header on. */
  readonly packets: Uint8Array[] = []
  /** When each was seen. */
  readonly times: number[] = []
  readonly #origins = new Map<string, number>()

  constructor(options: { mtu?: number; delay?: number; loss?: number; seed?: number } = {}) {
    const { mtu = 1450, delay = 0, loss = 0, seed = 1 } = options
    this.world = new World(seed)
    this.world.frames.poison = true
    this.client = new Netns(this.world, 'client')
    this.server = new Netns(this.world, 'server')
    const [a, b] = Veth.pair(this.world, 'eth0', macOf(2, 0, CLIENT), 'eth0', macOf(2, 0, SERVER), { delay, loss })
    this.clientEnd = a
    this.serverEnd = b
    join(this.client, a, CLIENT, mtu)
    join(this.server, b, SERVER, mtu)
    Sockets.of(this.client)
    Sockets.of(this.server)
    a.tap = (frame) => this.#note(frame)
  }

  /** Runs for so many virtual milliseconds. */
  run(milliseconds = 100): void {
    this.world.scheduler.run(this.world.scheduler.now + milliseconds * MILLISECOND)
  }

  /** What was said since the last call. */
  said(): string[] {
    this.times.length = 0
    this.packets.length = 0
    return this.lines.splice(0)
  }

  /** A server whose connections are given to `serve`. */
  listen(port: number, serve: (socket: TcpSocket) => void): TcpListener {
    const socket = Sockets.of(this.server).tcp()
    if (socket.bind(0 as Ipv4, port) !== null) throw new Error('bind failed')
    const listener = socket.listen(128)
    if (typeof listener === 'string') throw new Error(listener)
    listener.onAccept = serve
    return listener
  }

  connect(port: number): TcpSocket {
    const socket = Sockets.of(this.client).tcp()
    const failed = socket.connect(SERVER, port)
    if (failed !== null) throw new Error(failed)
    return socket
  }

  /** Drops the packets from the client (or the server) whose numbers, from 1, are given. */
  lose(from: 'client' | 'server', ...numbers: number[]): void {
    let count = 0
    const end = from === 'client' ? this.clientEnd : this.serverEnd
    end.impairment = (frame) => isIp(frame) && numbers.includes(++count)
  }

  /** Lets everything end: TIME-WAIT, retransmissions, ARP. */
  settle(): void {
    this.world.scheduler.run(this.world.scheduler.now + 400 * SECOND)
  }

  #note(frame: Frame): void {
    if (!isIp(frame)) return
    const at = frame.start + ethernet.HEADER
    const packet = frame.bytes.slice(at, frame.end)
    this.lines.push(this.#line(packet))
    this.packets.push(packet)
    this.times.push(this.world.scheduler.now / MILLISECOND)
  }

  #line(bytes: Uint8Array): string {
    const way = ipv4.source(bytes, 0) === CLIENT ? '>' : '<'
    const at = ipv4.headerLength(bytes, 0)
    const end = ipv4.totalLength(bytes, 0)
    if (ipv4.protocol(bytes, 0) === ipv4.IPPROTO_ICMP) {
      return `${way} icmp ${icmp.type(bytes, at)}/${icmp.code(bytes, at)}`
    }
    if (ipv4.protocol(bytes, 0) === ipv4.IPPROTO_UDP) return `${way} udp ${udp.length(bytes, at) - udp.HEADER}`
    return `${way} ${this.#segment(bytes, at, end)}`
  }

  #segment(bytes: Uint8Array, at: number, end: number): string {
    const from = `${formatIpv4(ipv4.source(bytes, 0))}:${tcp.sourcePort(bytes, at)}`
    const to = `${formatIpv4(ipv4.destination(bytes, 0))}:${tcp.destinationPort(bytes, at)}`
    const flags = tcp.flags(bytes, at)
    const sequence = tcp.sequence(bytes, at)
    if ((flags & tcp.SYN) !== 0 || !this.#origins.has(from)) this.#origins.set(from, sequence)
    const relative = (sequence - (this.#origins.get(from) ?? 0)) | 0
    const length = end - at - tcp.headerLength(bytes, at)
    let text = letters(flags)
    text += length > 0 ? ` ${relative}:${relative + length}` : ` ${relative}`
    if ((flags & tcp.ACK) !== 0) text += ` ack ${(tcp.acknowledgment(bytes, at) - (this.#origins.get(to) ?? 0)) | 0}`
    return `${text} win ${tcp.window(bytes, at)}${options(bytes, at, this.#origins.get(to) ?? 0)}`
  }
}

function join(netns: Netns, device: Veth, address: Ipv4, mtu: number): void {
  device.mtu = mtu
  netns.adopt(device)
  netns.setUp(device)
  netns.addAddress(device, address, 24)
}

function isIp(frame: Frame): boolean {
  return ethernet.type(frame.bytes, frame.start) === ethernet.ETH_P_IP
}

function letters(flags: number): string {
  const names: [number, string][] = [
    [tcp.SYN, 'S'],
    [tcp.FIN, 'F'],
    [tcp.RST, 'R'],
    [tcp.PSH, 'P'],
    [tcp.ACK, '.'],
  ]
  return names.map(([bit, name]) => ((flags & bit) !== 0 ? name : '')).join('')
}

/** All but timestamps, which are checked by their own test. */
function options(bytes: Uint8Array, at: number, origin: number): string {
  const end = at + tcp.headerLength(bytes, at)
  const found: string[] = []
  for (let i = at + tcp.HEADER; i < end; ) {
    const kind = bytes[i]
    if (kind === tcp.OPTION_NOP) {
      found.push('nop')
      i++
      continue
    }
    if (kind === tcp.OPTION_MSS) found.push(`mss ${u16(bytes, i + 2)}`)
    if (kind === tcp.OPTION_SACK_PERMITTED) found.push('sackOK')
    if (kind === tcp.OPTION_TIMESTAMPS) found.push('TS')
    if (kind === tcp.OPTION_WINDOW_SCALE) found.push(`wscale ${bytes[i + 2]}`)
    if (kind === tcp.OPTION_SACK) {
      for (let b = i + 2; b < i + bytes[i + 1]; b += 8) {
        found.push(`sack ${(i32(bytes, b) - origin) | 0}:${(i32(bytes, b + 4) - origin) | 0}`)
      }
    }
    i += bytes[i + 1]
  }
  const text = found.join(',')
  return text === 'nop,nop,TS' || text === '' ? '' : ` <${text}>`
}

/** Reads everything there is. */
export function readAll(socket: TcpSocket): Uint8Array {
  const bytes = new Uint8Array(socket.readable)
  socket.read(bytes)
  return bytes
}

/**
 * UDP (net/ipv4/udp.c): datagram sockets for programs, and kernel ports for tunnels. A datagram that nobody
 * takes is answered with port unreachable; a connected socket hears of ICMP errors.
 */
import { configurationChanged, journal } from '../link/flow-cache.ts'
import { DropReason, type Frame } from '../link/frame.ts'
import type { Errno } from '../net/errno.ts'
import { noteDatagram } from '../net/ip-steps.ts'
import type { Transport } from '../net/namespace.ts'
import type { Netns } from '../net/netns.ts'
import { ANY, type Ipv4, isMulticast } from '../wire/address.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as udp from '../wire/udp.ts'
import { ErrorQueue, type QueuedError } from './error-queue.ts'
import { chooseEphemeral, NO_REUSE, Ports } from './ports.ts'
import { errnoOf, isBroadcast, isFatal, realDestination, routeError, sourceTo } from './route.ts'
import { nobody, sent, taken, takenByKernel } from './udp-decisions.ts'

/** The largest UDP payload of one IPv4 packet. */
const LARGEST = 65_535 - ipv4.HEADER - udp.HEADER

export class UdpSocket {
  #transport: UdpTransport
  #bound = false
  #connected = false
  #pending: Errno | null = null
  /** IP identification of the next datagram, while connected. */
  #id = 0
  /** Flow hash for tunnels, while connected; 0 lets them compute one. */
  #hash = 0
  /** IP_PMTUDISC_WANT, the default: DF unless it must be fragmented here. False: never DF. */
  dontFragment: boolean
  /** IP_RECVERR: soft errors are reported too, and errors of an unconnected socket's datagrams. */
  receiveErrors = false
  /** SO_BROADCAST. */
  broadcast = false
  /** SO_NO_CHECK: zeros where the checksum stands, which says that there is none (RFC 768). */
  noChecksum = false
  readonly #errors = new ErrorQueue()
  ttl: number
  tos = 0
  reuse = false
  localAddress: Ipv4 = ANY
  localPort = 0
  /** What datagrams say that they come from (inet_saddr); ANY lets the route choose. */
  #source: Ipv4 = ANY
  remoteAddress: Ipv4 = ANY
  remotePort = 0
  /** The payload is the receiver's to keep. */
  onDatagram: ((payload: Uint8Array, from: Ipv4, fromPort: number) => void) | null = null
  /** Without it, the error is returned by the next send. */
  onError: ((errno: Errno) => void) | null = null

  constructor(transport: UdpTransport) {
    this.#transport = transport
    this.ttl = transport.netns.defaultTtl
    this.dontFragment = transport.netns.discoversPathMtu
  }

  /** What SocketInfo names it by. */
  get holder(): object {
    return this
  }

  get connected(): boolean {
    return this.#connected
  }

  bind(address: Ipv4, port: number): Errno | null {
    const { netns, ports, isKernelPort } = this.#transport
    if (this.#bound) return 'EINVAL'
    if (!bindable(netns, address)) return 'EADDRNOTAVAIL'
    const chosen = port === 0 ? this.#ephemeral(address) : port
    const taken = isKernelPort(chosen) || ports.conflicts(address, chosen, this)
    if (chosen === 0 || taken) return 'EADDRINUSE'
    this.localAddress = address
    this.#source = netns.isLocal(address) ? address : ANY
    this.localPort = chosen
    this.#bound = true
    ports.add(this)
    return null
  }

  /** Fixes the peer: other senders are not heard, and ICMP errors are. */
  connect(to: Ipv4, port: number): Errno | null {
    const { netns } = this.#transport
    const destination = realDestination(to)
    const unroutable = routeError(netns, destination, this.#source)
    if (unroutable !== null) return unroutable
    if (!this.broadcast && isBroadcast(netns, destination)) return 'EACCES'
    if (!this.#bound) {
      const failed = this.bind(ANY, 0)
      if (failed !== null) return failed
    }
    if (this.#source === ANY) {
      this.#source = sourceTo(netns, destination, ipv4.IPPROTO_UDP, this.localPort, port)
    }
    if (this.localAddress === ANY) this.localAddress = this.#source
    this.remoteAddress = destination
    this.remotePort = port
    this.#connected = true
    this.#id = netns.world.random.below(65536)
    this.#hash = netns.world.random.below(0x7fffffff) + 1
    return null
  }

  send(payload: Uint8Array): Errno | null {
    if (!this.#connected) return 'ENOTCONN'
    return this.#transmit(payload, this.remoteAddress, this.remotePort)
  }

  sendTo(payload: Uint8Array, address: Ipv4, port: number): Errno | null {
    if (port === 0) return 'EINVAL'
    return this.#transmit(payload, realDestination(address), port)
  }

  close(): void {
    if (this.#bound) this.#transport.ports.remove(this)
    this.#bound = false
    this.#connected = false
    this.onDatagram = null
    this.onError = null
  }

  /** recvmsg(MSG_ERRQUEUE): the oldest error of IP_RECVERR; null when there is none. The next one is pending then. */
  receiveError(): QueuedError | null {
    const found = this.#errors.shift()
    if (found !== null) this.#pending = this.#errors.next
    return found
  }

  /** SO_ERROR: the pending error, which is none afterwards. */
  takeError(): Errno | null {
    const pending = this.#pending
    this.#pending = null
    return pending
  }

  /** An ICMP error about a datagram of ours (__udp4_lib_err): the frame's network and transport are what it quotes. */
  fail(type: number, code: number, info: number, from: Ipv4, frame: Frame): void {
    const tooBig = type === icmp.DESTINATION_UNREACHABLE && code === icmp.FRAGMENTATION_NEEDED
    const hard = tooBig ? this.dontFragment : isFatal(type, code)
    if (tooBig && !this.dontFragment) return
    if (!this.receiveErrors && !(hard && this.#connected)) return
    const errno = errnoOf(type, code)
    if (this.receiveErrors) this.#errors.push(errno, type, code, info, from, frame)
    if (this.onError !== null) this.onError(errno)
    else this.#pending = errno
  }

  /** How well a datagram suits this socket; 0 is not at all (compute_score). */
  score(local: Ipv4, remote: Ipv4, remotePort: number): number {
    if (this.localAddress !== ANY && this.localAddress !== local) return 0
    const bound = this.localAddress === ANY ? 1 : 2
    if (!this.#connected) return bound
    return this.remoteAddress === remote && this.remotePort === remotePort ? bound + 2 : 0
  }

  #ephemeral(address: Ipv4): number {
    const { netns, ports, isKernelPort } = this.#transport
    return chooseEphemeral(netns, (port) => !isKernelPort(port) && !ports.conflicts(address, port, NO_REUSE))
  }

  #transmit(payload: Uint8Array, destination: Ipv4, port: number): Errno | null {
    const { netns } = this.#transport
    const pending = this.takeError()
    if (pending !== null) return pending
    if (payload.length > LARGEST) return 'EMSGSIZE'
    const unroutable = routeError(netns, destination, this.#source)
    if (unroutable !== null) return unroutable
    if (!this.broadcast && isBroadcast(netns, destination)) return 'EACCES'
    if (!this.#bound) {
      const failed = this.bind(ANY, 0)
      if (failed !== null) return failed
    }
    const { localPort } = this
    const chosen = this.#source === ANY
    const source = chosen ? sourceTo(netns, destination, ipv4.IPPROTO_UDP, localPort, port) : this.#source
    const frame = netns.world.frames.take(udp.HEADER + payload.length)
    frame.end = frame.start + udp.HEADER + payload.length
    frame.bytes.set(payload, frame.start + udp.HEADER)
    frame.hash = this.#hash
    frame.sourceChosen = chosen
    udp.write(frame.bytes, frame.start, frame.end, source, destination, localPort, port)
    if (this.noChecksum) udp.clearChecksum(frame.bytes, frame.start)
    const total = ipv4.HEADER + udp.HEADER + payload.length
    const from = chosen ? ANY : source
    const mtu = netns.mtuTo(destination, from, ipv4.IPPROTO_UDP, localPort, port)
    const fragment = this.dontFragment && total <= mtu ? ipv4.DF : 0
    const id = this.#connected ? this.#id : netns.nextId(source, destination, ipv4.IPPROTO_UDP)
    if (this.#connected) this.#id = (this.#id + 1) & 0xffff
    netns.counters.udpOutDatagrams++
    if (journal.open) netns.world.frames.tell(frame, netns.name, sent(this, netns, payload.length))
    return netns.send(frame, source, destination, ipv4.IPPROTO_UDP, this.ttl, this.tos, id, fragment)
  }
}

function bindable(netns: Netns, address: Ipv4): boolean {
  return address === ANY || isMulticast(address) || netns.isLocal(address) || netns.addressType(address) === 'BROADCAST'
}

const NO_PORTS = new Map<number, (frame: Frame) => void>()

export class UdpTransport implements Transport {
  readonly netns: Netns
  readonly ports = new Ports<UdpSocket>()
  #kernelPorts = NO_PORTS

  /** The ports that the kernel itself listens on. */
  kernelPorts(): number[] {
    return [...this.#kernelPorts.keys()]
  }

  readonly isKernelPort = (port: number): boolean => this.#kernelPorts.has(port)

  constructor(netns: Netns) {
    this.netns = netns
  }

  /** Gives a port to the kernel: the handler takes each frame, which begins with its UDP header. */
  encapsulation(port: number, handler: (frame: Frame) => void): () => void {
    configurationChanged()
    if (this.#kernelPorts === NO_PORTS) this.#kernelPorts = new Map()
    this.#kernelPorts.set(port, handler)
    return () => {
      configurationChanged()
      if (this.#kernelPorts.get(port) === handler) this.#kernelPorts.delete(port)
    }
  }

  receive(frame: Frame, netns: Netns): void {
    const { bytes, view, start: at, end, network } = frame
    const { frames } = netns.world
    if (!udp.valid(bytes, at, end)) {
      return frames.drop(frame, end - at < udp.HEADER ? DropReason.UdpTooShort : DropReason.UdpLength, netns.name)
    }
    const source = ipv4.sourceIn(view, network)
    const destination = ipv4.destinationIn(view, network)
    if (!frame.summed && !udp.checksumOk(bytes, at, source, destination))
      return frames.drop(frame, DropReason.UdpChecksum, netns.name)
    const port = udp.destinationPort(bytes, at)
    const handler = this.#kernelPorts.get(port)
    if (handler !== undefined) {
      if (journal.open) {
        noteDatagram(frame, netns)
        frames.tell(frame, netns.name, takenByKernel(port))
      }
      netns.counters.udpInDatagrams++
      frame.end = at + udp.length(bytes, at)
      return handler(frame)
    }
    const sourcePort = udp.sourcePort(bytes, at)
    if (!netns.isLocal(destination)) return this.#toAll(frame, destination, port, source, sourcePort)
    const socket = this.#find(destination, port, source, sourcePort)
    if (socket === null) {
      netns.counters.udpNoPorts++
      if (journal.open) frames.tell(frame, netns.name, nobody(port))
      netns.icmpError(frame, icmp.DESTINATION_UNREACHABLE, icmp.PORT_UNREACHABLE, 0)
      return frames.drop(frame, DropReason.NoSocket, netns.name)
    }
    netns.counters.udpInDatagrams++
    const payload = bytes.slice(at + udp.HEADER, at + udp.length(bytes, at))
    if (journal.open) frames.tell(frame, netns.name, taken(socket, this.netns, payload.length))
    frames.consume(frame)
    socket.onDatagram?.(payload, source, sourcePort)
  }

  error(frame: Frame, netns: Netns, type: number, code: number, info: number, from: Ipv4): void {
    const { bytes, network, transport } = frame
    const local = ipv4.source(bytes, network)
    const remote = ipv4.destination(bytes, network)
    const port = udp.sourcePort(bytes, transport)
    const socket = this.#find(local, port, remote, udp.destinationPort(bytes, transport))
    if (socket === null) netns.counters.icmpInErrors++
    else socket.fail(type, code, info, from, frame)
  }

  #find(local: Ipv4, port: number, remote: Ipv4, remotePort: number): UdpSocket | null {
    const sockets = this.ports.at(port)
    let best: UdpSocket | null = null
    let bestScore = 0
    for (let i = 0; i < sockets.length; i++) {
      const score = sockets[i].score(local, remote, remotePort)
      // Of equals the youngest wins, as in Linux, whose lists grow at the head.
      if (score >= bestScore && score > 0) {
        best = sockets[i]
        bestScore = score
      }
    }
    return best
  }

  /** Broadcast and multicast: everybody on the port gets a copy, and nobody an error. */
  #toAll(frame: Frame, destination: Ipv4, port: number, source: Ipv4, sourcePort: number): void {
    const { bytes, start: at } = frame
    const sockets = this.ports.at(port).filter((socket) => socket.score(destination, source, sourcePort) > 0)
    const payload = bytes.slice(at + udp.HEADER, at + udp.length(bytes, at))
    const { frames } = this.netns.world
    if (journal.open)
      for (const socket of sockets) frames.tell(frame, this.netns.name, taken(socket, this.netns, payload.length))
    if (sockets.length === 0) return frames.drop(frame, DropReason.NoGroupSocket, this.netns.name)
    frames.consume(frame)
    for (const socket of sockets) socket.onDatagram?.(payload.slice(), source, sourcePort)
  }
}

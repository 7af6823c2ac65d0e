/**
 * Raw ICMP sockets: what ping and traceroute open. The namespace itself answers echo requests before the
 * message gets here; these sockets see a copy of everything, errors with their quotes included.
 */
import { journal } from '../link/flow-cache.ts'
import type { Frame } from '../link/frame.ts'
import type { Errno } from '../net/errno.ts'
import type { Transport } from '../net/namespace.ts'
import type { Netns } from '../net/netns.ts'
import { ANY, type Ipv4 } from '../wire/address.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import { echoes, heardBy } from './icmp-decisions.ts'
import { isBroadcast, realDestination, routeError, sourceTo } from './route.ts'

/** One ICMP message as it arrived. The bytes are lent: copy what you keep. */
export interface IcmpMessage {
  bytes: Uint8Array
  /** Where the ICMP header begins, and where the message ends. */
  at: number
  end: number
  /** Where the IP header begins. */
  network: number
  source: Ipv4
  destination: Ipv4
  ttl: number
  tos: number
}

export interface EchoOptions {
  ttl?: number
  tos?: number
  /** DF where the packet fits the path; the default. False never sets it (IP_PMTUDISC_DONT). */
  dontFragment?: boolean
  /** Too big for the path is an error instead of being fragmented: `ping -M do` (IP_PMTUDISC_DO). */
  forbidFragments?: boolean
  source?: Ipv4
  /** IP_OPTIONS: at most 40 bytes. */
  options?: Uint8Array
  /** SO_MARK. */
  mark?: number
}

/** The largest ICMP payload of one IPv4 packet. */
const LARGEST = 65_535 - ipv4.HEADER - icmp.HEADER

export class IcmpSocket {
  #transport: IcmpTransport
  /** SO_BROADCAST. */
  broadcast = false
  onMessage: ((message: IcmpMessage) => void) | null = null

  constructor(transport: IcmpTransport) {
    this.#transport = transport
    transport.sockets.push(this)
  }

  /** What lists of sockets name it by. */
  get holder(): object {
    return this
  }

  /** Sends an echo request. */
  echo(identifier: number, sequence: number, payload: Uint8Array, to: Ipv4, options: EchoOptions = {}): Errno | null {
    const netns = this.#transport.netns
    if (payload.length > LARGEST) return 'EMSGSIZE'
    const destination = realDestination(to)
    const unroutable = routeError(netns, destination, options.source)
    if (unroutable !== null) return unroutable
    if (!this.broadcast && isBroadcast(netns, destination)) return 'EACCES'
    const room = ((options.options?.length ?? 0) + 3) & ~3
    const total = ipv4.HEADER + room + icmp.HEADER + payload.length
    // What stands for ports is type and code (fl4_icmp_type).
    const kind = icmp.ECHO_REQUEST << 8
    const fits = total <= netns.mtuTo(destination, options.source ?? ANY, ipv4.IPPROTO_ICMP, 0, kind)
    if (options.forbidFragments === true && !fits) return 'EMSGSIZE'
    const source = options.source ?? sourceTo(netns, destination, ipv4.IPPROTO_ICMP, 0, kind)
    netns.counters.icmpOutMsgs++
    netns.counters.icmpOut[icmp.ECHO_REQUEST]++
    const frame = netns.world.frames.take(icmp.HEADER + payload.length)
    frame.end = frame.start + icmp.HEADER + payload.length
    frame.sourceChosen = options.source === undefined
    frame.bytes.set(payload, frame.start + icmp.HEADER)
    icmp.write(frame.bytes, frame.start, frame.end, icmp.ECHO_REQUEST, 0, identifier, sequence)
    // What must never be cut needs no number (ip_select_ident_segs): with IP_PMTUDISC_WANT it still might be.
    const id = options.forbidFragments === true ? 0 : netns.nextId(source, destination, ipv4.IPPROTO_ICMP)
    const fragment = (options.dontFragment ?? netns.discoversPathMtu) && fits ? ipv4.DF : 0
    const ttl = options.ttl ?? netns.defaultTtl
    if (options.mark !== undefined) frame.mark = options.mark
    if (options.options !== undefined) netns.ipOptions.request(options.options)
    if (journal.open) netns.world.frames.tell(frame, netns.name, echoes(this, netns, identifier, sequence))
    return netns.send(frame, source, destination, ipv4.IPPROTO_ICMP, ttl, options.tos ?? 0, id, fragment)
  }

  close(): void {
    const { sockets } = this.#transport
    const at = sockets.indexOf(this)
    if (at >= 0) sockets.splice(at, 1)
    this.onMessage = null
  }
}

export class IcmpTransport implements Transport {
  readonly netns: Netns
  readonly sockets: IcmpSocket[] = []
  #message: IcmpMessage | null = null

  constructor(netns: Netns) {
    this.netns = netns
  }

  receive(frame: Frame, netns: Netns): void {
    this.overhear(frame)
    netns.world.frames.consume(frame)
  }

  overhear(frame: Frame): boolean {
    if (this.sockets.length === 0) return false
    if (journal.open) this.netns.world.frames.tell(frame, this.netns.name, heardBy(this.sockets.length))
    const { bytes, network } = frame
    this.#message ??= { bytes, at: 0, end: 0, network: 0, source: ANY, destination: ANY, ttl: 0, tos: 0 }
    const message = this.#message
    message.bytes = bytes
    message.at = frame.start
    message.end = frame.end
    message.network = network
    message.source = ipv4.source(bytes, network)
    message.destination = ipv4.destination(bytes, network)
    message.ttl = ipv4.ttl(bytes, network)
    message.tos = ipv4.tos(bytes, network)
    // From the last, so that a socket which closes itself does not make another one miss the message.
    for (let i = this.sockets.length - 1; i >= 0; i--) this.sockets[i].onMessage?.(message)
    return true
  }

  /** Errors about our echo requests reach `onMessage` as messages. */
  error(): void {}
}

/**
 * The ICMP that a namespace speaks by itself (net/ipv4/icmp.c): echo replies, error messages with their quotes
 * and rate limit, and what arriving errors mean for the sockets and routes here.
 */
import { DropReason, type Frame } from '../link/frame.ts'
import { HZ, jiffies } from '../sim/jiffies.ts'
import { ANY, type Ipv4, isLoopback, isMulticast } from '../wire/address.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import { InetPeers } from './inet-peer.ts'
import type { Namespace } from './namespace.ts'
import { Redirects } from './redirect.ts'

/** An error is at most 576 bytes long (RFC 1812, 4.3.2.3): 20 IP, 8 ICMP, 548 of the packet it quotes. */
const LONGEST_QUOTE = 548
/** Precedence "internetwork control" (RFC 1812, 4.3.2.5). */
const INTERNET_CONTROL = 0xc0

/** Net unreachable by `ip_error` costs this much of the peer's allowance, up to so many in a burst. */
const ROUTE_ERROR_COST = HZ
const ROUTE_ERROR_BURST = 5 * HZ
const ICMP_BURST = 6

export class Icmp {
  readonly redirects: Redirects
  #netns: Namespace
  /** icmp_ratemask: bit t is set when messages of type t are limited. */
  #limited = 0
  /** What all destinations together may be told: icmp_msgs_per_sec, icmp_msgs_burst, and what is left of them. */
  #rate = 0
  #burst = 0
  #credit = 0
  /** In jiffies; long enough ago for a first burst. */
  #stamp = -60 * HZ
  #ignoreAll = false
  #ignoreBroadcasts = true
  readonly #peers: InetPeers

  constructor(netns: Namespace) {
    this.#netns = netns
    this.#peers = new InetPeers(netns.world.scheduler)
    this.redirects = new Redirects(netns, this.#peers)
    netns.sysctl.watch((name) => {
      if (name.startsWith('net.ipv4.icmp_')) this.#settle()
    })
    this.#settle()
  }

  #settle(): void {
    const { sysctl } = this.#netns
    this.#limited = sysctl.number('net.ipv4.icmp_ratemask')
    this.#rate = sysctl.number('net.ipv4.icmp_msgs_per_sec')
    this.#burst = sysctl.number('net.ipv4.icmp_msgs_burst')
    this.#ignoreAll = sysctl.number('net.ipv4.icmp_echo_ignore_all') !== 0
    this.#ignoreBroadcasts = sysctl.number('net.ipv4.icmp_echo_ignore_broadcasts') !== 0
  }

  /** A message for this host: frame.start is the ICMP header, frame.network the IP header. Takes the frame. */
  receive(frame: Frame): void {
    const netns = this.#netns
    const { bytes, start: at, end } = frame
    netns.counters.icmpInMsgs++
    if (!icmp.valid(bytes, at, end)) {
      netns.counters.icmpInErrors++
      return netns.world.frames.drop(frame, DropReason.Checksum, netns.name)
    }
    const type = icmp.type(bytes, at)
    if (type === icmp.ECHO_REQUEST) this.#reply(frame)
    else if (type === icmp.ECHO_REPLY) netns.counters.icmpInEchoReps++
    else if (type === icmp.DESTINATION_UNREACHABLE || type === icmp.TIME_EXCEEDED) this.#failed(frame, type)
    else if (type === icmp.REDIRECT) this.#redirected(frame)
    const listener = netns.transports[ipv4.IPPROTO_ICMP]
    if (listener !== null) listener.receive(frame, netns)
    else netns.world.frames.consume(frame)
  }

  /**
   * Tells the sender of a packet why it went no further (icmp_send). The frame is lent; frame.network is the
   * offending IP header. `info` is the next hop's MTU for fragmentation needed, the better
   * gateway of a redirect, otherwise 0.
   */
  error(frame: Frame, type: number, code: number, info: number): void {
    const netns = this.#netns
    const { bytes, network: at } = frame
    const source = ipv4.source(bytes, at)
    const destination = ipv4.destination(bytes, at)
    if (frame.group || !this.#answerable(frame, source, destination)) return
    // A packet that was for us is answered from the address it was for.
    const own = netns.isLocal(destination) && !isLoopback(source)
    const back = netns.fib.errorTo(frame, source, own ? destination : ANY)
    if (back === null) return
    if (back.type !== 'unicast' && back.type !== 'local') return
    // Path MTU discovery is never limited (icmpv4_xrlim_allow).
    const discovery = type === icmp.DESTINATION_UNREACHABLE && code === icmp.FRAGMENTATION_NEEDED
    if (back.type === 'unicast' && !discovery && ((this.#limited >> type) & 1) !== 0) {
      if (!this.#globally()) {
        netns.counters.icmpOutRateLimitGlobal++
        return
      }
      if (!this.#allowed(source)) {
        netns.counters.icmpOutRateLimitHost++
        return
      }
    }
    const available = Math.min(ipv4.totalLength(bytes, at), frame.end - at)
    const options = netns.ipOptions.echo(frame)
    if (options < 0) return
    const quote = Math.min(available, LONGEST_QUOTE - options)
    const error = netns.world.frames.take()
    const message = error.start
    for (let i = 0; i < quote; i++) error.bytes[message + icmp.HEADER + i] = bytes[at + i]
    error.end = message + icmp.HEADER + quote
    icmp.write(error.bytes, message, error.end, type, code, info >>> 16, info & 0xffff)
    const from = own ? destination : netns.sourceFor(back, source)
    error.sourceChosen = !own
    if (type === icmp.DESTINATION_UNREACHABLE) netns.counters.icmpOutDestUnreachs++
    if (type === icmp.TIME_EXCEEDED) netns.counters.icmpOutTimeExcds++
    if (type === icmp.PARAMETER_PROBLEM) netns.counters.icmpOutParmProbs++
    if (type === icmp.REDIRECT) netns.counters.icmpOutRedirects++
    netns.counters.icmpOutMsgs++
    // It belongs to the flow of what it quotes (icmp_glue_bits): our own NAT of that is undone on its way out.
    netns.netfilter.conntrack.attach(error, frame)
    const tos = (ipv4.tos(bytes, at) & 0x1e) | INTERNET_CONTROL
    const id = netns.nextId(from, source, ipv4.IPPROTO_ICMP)
    netns.send(error, from, source, ipv4.IPPROTO_ICMP, netns.defaultTtl, tos, id, 0)
  }

  /** `ip_error`'s own limit, which a packet without a route meets before the limit of all errors. */
  routeErrorAllowed(source: Ipv4): boolean {
    const now = jiffies(this.#netns.world.scheduler.now)
    return this.#peers.of(source).pay(now, ROUTE_ERROR_COST, ROUTE_ERROR_BURST)
  }

  #reply(frame: Frame): void {
    const netns = this.#netns
    const { bytes, start: at, network } = frame
    netns.counters.icmpInEchos++
    if (this.#ignoreAll) return
    const own = netns.isLocal(ipv4.destination(bytes, network))
    if (!own && this.#ignoreBroadcasts) return
    if (netns.ipOptions.echo(frame) < 0) return
    const reply = netns.world.frames.take(frame.end - at)
    for (let i = at; i < frame.end; i++) reply.bytes[reply.start + i - at] = bytes[i]
    reply.end = reply.start + frame.end - at
    const id = icmp.identifier(bytes, at)
    icmp.write(reply.bytes, reply.start, reply.end, icmp.ECHO_REPLY, 0, id, icmp.sequence(bytes, at))
    netns.counters.icmpOutEchoReps++
    netns.counters.icmpOutMsgs++
    const to = ipv4.source(bytes, network)
    // A broadcast is answered from the address that its sender knows us by.
    const back = own ? null : netns.lookup(to)
    const from = back === null ? ipv4.destination(bytes, network) : netns.sourceFor(back, to)
    const ipId = netns.nextId(from, to, ipv4.IPPROTO_ICMP)
    netns.send(reply, from, to, ipv4.IPPROTO_ICMP, netns.defaultTtl, ipv4.tos(bytes, network), ipId, 0)
  }

  /** An error about one of our packets: remembers a smaller path MTU, and tells the transport. */
  #failed(frame: Frame, type: number): void {
    const netns = this.#netns
    const { bytes, start: at, end, network, transport } = frame
    const quoted = at + icmp.HEADER
    if (type === icmp.DESTINATION_UNREACHABLE) netns.counters.icmpInDestUnreachs++
    else netns.counters.icmpInTimeExcds++
    if (end - quoted < ipv4.HEADER + 8 || bytes[quoted] >> 4 !== 4) return
    const code = icmp.code(bytes, at)
    let info = 0
    if (type === icmp.DESTINATION_UNREACHABLE && code === icmp.FRAGMENTATION_NEEDED) {
      info = icmp.nextHopMtu(bytes, at)
      netns.learnPathMtu(ipv4.destination(bytes, quoted), info)
    }
    const from = ipv4.source(bytes, network)
    const protocol = ipv4.protocol(bytes, quoted)
    const listener = netns.transports[protocol]
    if (listener === null || protocol === ipv4.IPPROTO_ICMP) return
    frame.network = quoted
    frame.transport = quoted + ipv4.headerLength(bytes, quoted)
    if (frame.transport + 8 <= end) listener.error(frame, netns, type, code, info, from)
    frame.network = network
    frame.transport = transport
  }

  /** icmp_redirect; only as much of it is believed as the route that it is about allows. */
  #redirected(frame: Frame): void {
    this.#netns.counters.icmpInRedirects++
    const { bytes, start: at, end, network } = frame
    const quoted = at + icmp.HEADER
    if (end - quoted < ipv4.HEADER || bytes[quoted] >> 4 !== 4 || icmp.code(bytes, at) > 3) return
    this.redirects.accept(ipv4.destination(bytes, quoted), ipv4.source(bytes, network), icmp.gateway(bytes, at))
  }

  /** RFC 1122, 3.2.2: no errors about errors, fragments but the first, or packets to or from more than one host. */
  #answerable(frame: Frame, source: Ipv4, destination: Ipv4): boolean {
    const { bytes, network: at } = frame
    if (ipv4.fragmentOffset(bytes, at) !== 0) return false
    if (source === ANY || isMulticast(source) || isMulticast(destination)) return false
    if (this.#netns.addressType(destination) === 'BROADCAST') return false
    if (ipv4.protocol(bytes, at) !== ipv4.IPPROTO_ICMP) return true
    const inner = at + ipv4.headerLength(bytes, at)
    return inner < frame.end && !icmp.isError(icmp.type(bytes, inner))
  }

  #allowed(destination: Ipv4): boolean {
    const limit = this.#netns.sysctl.number('net.ipv4.icmp_ratelimit')
    const cost = Math.ceil((limit * HZ) / 1000)
    const now = jiffies(this.#netns.world.scheduler.now)
    return cost === 0 || this.#peers.of(destination).pay(now, cost, ICMP_BURST * cost)
  }

  /** icmp_global_allow: refilled at most fifty times a second. */
  #globally(): boolean {
    const now = jiffies(this.#netns.world.scheduler.now)
    const elapsed = Math.min(now - this.#stamp, HZ)
    if (elapsed >= HZ / 50) {
      this.#credit = Math.min(this.#credit + Math.floor((this.#rate * elapsed) / HZ), this.#burst)
      this.#stamp = now
    }
    if (this.#credit <= 0) return false
    this.#credit--
    return true
  }
}

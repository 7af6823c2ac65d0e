/**
 * The ICMP that a namespace speaks by itself (net/ipv4/icmp.c): echo replies, error messages with their quotes
 * and rate limit, and what arriving errors mean for the sockets and routes here.
 */
import { journal } from '../link/flow-cache.ts'
import { DropReason, type Frame } from '../link/frame.ts'
import { LogLevel } from '../link/kernel-log.ts'
import { HZ, jiffies } from '../sim/jiffies.ts'
import { ANY, formatIpv4, type Ipv4, isLoopback, isMulticast } from '../wire/address.ts'
import { put32 } from '../wire/bytes.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as told from './icmp-decisions.ts'
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
/** The last code of destination unreachable (NR_ICMP_UNREACH). */
const LAST_UNREACHABLE = 15
/** No reason to drop a message. */
const FINE = -1

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
  #ignoreBogus = true
  #inboundAddress = false
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
    this.#ignoreBogus = sysctl.number('net.ipv4.icmp_ignore_bogus_error_responses') !== 0
    this.#inboundAddress = sysctl.number('net.ipv4.icmp_errors_use_inbound_ifaddr') !== 0
  }

  /** A message for this host: frame.start is the ICMP header, frame.network the IP header. Takes the frame. */
  receive(frame: Frame): void {
    const netns = this.#netns
    const { bytes, start: at, end } = frame
    const { counters } = netns
    counters.icmpInMsgs++
    if (!icmp.valid(bytes, at, end)) {
      if (!icmp.checksumOk(bytes, at, end)) counters.icmpInCsumErrors++
      counters.icmpInErrors++
      return netns.world.frames.drop(frame, DropReason.IcmpChecksum, netns.name)
    }
    const type = icmp.type(bytes, at)
    counters.icmpIn[type]++
    const fault = this.#handle(frame, type)
    if (fault >= 0) counters.icmpInErrors++
    // Raw sockets see what the host itself does not take, too.
    const listener = netns.transports.of(ipv4.IPPROTO_ICMP)
    const heard = listener?.overhear?.(frame) === true
    if (fault >= 0) return netns.world.frames.drop(frame, fault as DropReason, netns.name)
    const reply = type === icmp.ECHO_REPLY || type === icmp.EXTENDED_ECHO_REPLY
    if (reply && !heard) return netns.world.frames.drop(frame, DropReason.NoSocket, netns.name)
    netns.world.frames.consume(frame)
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
    if (frame.group || !this.#answerable(frame, source, destination)) {
      if (journal.open) told.tellSilence(netns, frame, type, code, 'it is one that no error may answer (RFC 1122)')
      return
    }
    // A packet that was for us is answered from the address it was for.
    const own = netns.isLocal(destination) && !isLoopback(source)
    const back = netns.fib.errorTo(frame, source, own ? destination : ANY)
    if (back === null || (back.type !== 'unicast' && back.type !== 'local')) {
      if (journal.open) told.tellSilence(netns, frame, type, code, 'no route leads back to its sender')
      return
    }
    // Path MTU discovery is never limited (icmpv4_xrlim_allow).
    const discovery = type === icmp.DESTINATION_UNREACHABLE && code === icmp.FRAGMENTATION_NEEDED
    if (back.type === 'unicast' && !discovery && ((this.#limited >> type) & 1) !== 0) {
      if (!this.#globally()) {
        netns.counters.icmpOutRateLimitGlobal++
        if (journal.open) told.tellLimited(netns, frame, type, code, 'net.ipv4.icmp_msgs_per_sec')
        return
      }
      if (!this.#allowed(source)) {
        netns.counters.icmpOutRateLimitHost++
        if (journal.open) told.tellLimited(netns, frame, type, code, 'net.ipv4.icmp_ratelimit')
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
    const inbound = own || !this.#inboundAddress ? null : this.#addressOfInput(frame, source)
    const from = own ? destination : (inbound ?? netns.sourceFor(back, source))
    error.sourceChosen = !own && inbound === null
    netns.counters.icmpOut[type]++
    netns.counters.icmpOutMsgs++
    // It belongs to the flow of what it quotes (icmp_glue_bits): our own NAT of that is undone on its way out.
    if (frame.tracked !== null) netns.netfilter.conntrack.attach(error, frame)
    if (journal.open) told.tellAnswer(netns, error, frame, type, code, info)
    const tos = (ipv4.tos(bytes, at) & 0x1e) | INTERNET_CONTROL
    const id = netns.nextId(from, source, ipv4.IPPROTO_ICMP)
    netns.send(error, from, source, ipv4.IPPROTO_ICMP, netns.defaultTtl, tos, id, 0)
  }

  /** icmp_errors_use_inbound_ifaddr: we are known by the address at which the packet came in. */
  #addressOfInput(frame: Frame, peer: Ipv4): Ipv4 | null {
    const input = this.#netns.sysctl.inet.byIndex[frame.inputIndex]
    return input === undefined ? null : this.#netns.selectAddress(input.device, peer)
  }

  /** `ip_error`'s own limit, which a packet without a route meets before the limit of all errors. */
  routeErrorAllowed(source: Ipv4): boolean {
    const now = jiffies(this.#netns.world.scheduler.now)
    return this.#peers.of(source).pay(now, ROUTE_ERROR_COST, ROUTE_ERROR_BURST)
  }

  /** By type (icmp_pointers). The reason why the message is dropped, and counted as an error; or FINE. */
  #handle(frame: Frame, type: number): number {
    const extended = type === icmp.EXTENDED_ECHO || type === icmp.EXTENDED_ECHO_REPLY
    if (type > icmp.LAST_TYPE) return extended ? FINE : DropReason.IcmpType
    const asks = type === icmp.ECHO_REQUEST || type === icmp.TIMESTAMP
    const netns = this.#netns
    const { bytes, network } = frame
    // RFC 1122, 3.2.2.6 and 3.2.2.8; of what is said to all nothing else is heard.
    if (!netns.isLocal(ipv4.destination(bytes, network))) {
      if (asks ? this.#ignoreBroadcasts : type !== icmp.MASK_REQUEST && type !== icmp.MASK_REPLY) {
        if (asks && journal.open) told.tellIgnored(netns, frame, 'net.ipv4.icmp_echo_ignore_broadcasts')
        return DropReason.IcmpToAll
      }
    }
    switch (type) {
      case icmp.ECHO_REQUEST:
        if (!this.#ignoreAll) this.#echo(frame)
        else if (journal.open) told.tellIgnored(netns, frame, 'net.ipv4.icmp_echo_ignore_all')
        return FINE
      case icmp.TIMESTAMP:
        return this.#timestamp(frame)
      case icmp.REDIRECT:
        return this.#redirected(frame)
      case icmp.DESTINATION_UNREACHABLE:
      case icmp.SOURCE_QUENCH:
      case icmp.TIME_EXCEEDED:
      case icmp.PARAMETER_PROBLEM:
        return this.#failed(frame, type)
      default:
        return FINE
    }
  }

  /** icmp_echo: all of the request comes back, its code too. */
  #echo(frame: Frame): void {
    const { bytes, start: at, end } = frame
    const reply = this.#netns.world.frames.take(end - at)
    for (let i = at; i < end; i++) reply.bytes[reply.start + i - at] = bytes[i]
    reply.end = reply.start + end - at
    const id = icmp.identifier(bytes, at)
    const code = icmp.code(bytes, at)
    icmp.write(reply.bytes, reply.start, reply.end, icmp.ECHO_REPLY, code, id, icmp.sequence(bytes, at))
    this.#reply(frame, reply)
  }

  /** icmp_timestamp: when the request was sent, as it says, and when it arrived and was answered. */
  #timestamp(frame: Frame): number {
    const { bytes, start: at, end } = frame
    if (end - at < icmp.HEADER + 4) return DropReason.IcmpTooShort
    const { frames, timeOfDay } = this.#netns.world
    const reply = frames.take(icmp.TIMESTAMP_LENGTH)
    const times = reply.start + icmp.HEADER
    reply.end = reply.start + icmp.TIMESTAMP_LENGTH
    for (let i = 0; i < 4; i++) reply.bytes[times + i] = bytes[at + icmp.HEADER + i]
    put32(reply.bytes, times + 4, timeOfDay)
    put32(reply.bytes, times + 8, timeOfDay)
    const id = icmp.identifier(bytes, at)
    icmp.write(reply.bytes, reply.start, reply.end, icmp.TIMESTAMP_REPLY, 0, id, icmp.sequence(bytes, at))
    this.#reply(frame, reply)
    return FINE
  }

  /** icmp_reply: back to whoever asked. Takes the reply; the frame is lent. */
  #reply(frame: Frame, reply: Frame): void {
    const netns = this.#netns
    const { bytes, network } = frame
    if (netns.ipOptions.echo(frame) < 0) return netns.world.frames.consume(reply)
    // The kernel's own socket has no type to count by: replies of every kind are echo replies (ip_make_skb).
    netns.counters.icmpOut[icmp.ECHO_REPLY]++
    netns.counters.icmpOutMsgs++
    const own = netns.isLocal(ipv4.destination(bytes, network))
    const to = ipv4.source(bytes, network)
    // A broadcast is answered from the address that its sender knows us by.
    const back = own ? null : netns.lookup(to)
    const from = back === null ? ipv4.destination(bytes, network) : netns.sourceFor(back, to)
    const ipId = netns.nextId(from, to, ipv4.IPPROTO_ICMP)
    if (journal.open) told.tellAnswer(netns, reply, frame, icmp.type(reply.bytes, reply.start), 0, 0)
    netns.send(reply, from, to, ipv4.IPPROTO_ICMP, netns.defaultTtl, ipv4.tos(bytes, network), ipId, 0)
  }

  /** An error about one of our packets: remembers a smaller path MTU, and tells the transport. */
  #failed(frame: Frame, type: number): number {
    const netns = this.#netns
    const { bytes, start: at, end, network, transport } = frame
    const quoted = at + icmp.HEADER
    if (end - quoted < ipv4.HEADER) return DropReason.IcmpQuote
    if (ipv4.headerLength(bytes, quoted) < ipv4.HEADER) return DropReason.IcmpQuoteHeader
    const code = icmp.code(bytes, at)
    if (type === icmp.DESTINATION_UNREACHABLE && code > LAST_UNREACHABLE) return FINE
    if (!this.#ignoreBogus && netns.addressType(ipv4.destination(bytes, quoted)) === 'BROADCAST') {
      this.#bogus(frame, quoted)
      return FINE
    }
    if (quoted + ipv4.headerLength(bytes, quoted) + 8 > end) {
      // Counted, and no drop (icmp_socket_deliver).
      netns.counters.icmpInErrors++
      return FINE
    }
    if (type === icmp.SOURCE_QUENCH) return FINE
    const tooBig = type === icmp.DESTINATION_UNREACHABLE && code === icmp.FRAGMENTATION_NEEDED
    const info = tooBig ? icmp.nextHopMtu(bytes, at) : 0
    const from = ipv4.source(bytes, network)
    const protocol = ipv4.protocol(bytes, quoted)
    // TCP learns only what is about something that it has sent (tcp_v4_err).
    if (tooBig && protocol !== ipv4.IPPROTO_TCP) {
      const destination = ipv4.destination(bytes, quoted)
      netns.learnPathMtu(destination, info)
      if (journal.open) told.tellPathMtu(netns, frame, destination, info)
    }
    const listener = netns.transports.of(protocol)
    if (listener === null || protocol === ipv4.IPPROTO_ICMP) return FINE
    frame.network = quoted
    frame.transport = quoted + ipv4.headerLength(bytes, quoted)
    listener.error(frame, netns, type, code, info, from)
    frame.network = network
    frame.transport = transport
    return FINE
  }

  /** icmp_ignore_bogus_error_responses is off: an error about a broadcast is told and not believed (RFC 1122, 3.2.2). */
  #bogus(frame: Frame, quoted: number): void {
    const { kernelLog, sysctl } = this.#netns
    if (!kernelLog.allows()) return
    const { bytes, start: at, network } = frame
    const from = formatIpv4(ipv4.source(bytes, network))
    const kind = `ICMP type ${icmp.type(bytes, at)}, code ${icmp.code(bytes, at)}`
    const about = `${formatIpv4(ipv4.destination(bytes, quoted))} on ${sysctl.inet.byIndex[frame.inputIndex]?.device.name}`
    kernelLog.print(LogLevel.WARNING, `icmp: ${from} sent an invalid ${kind} error to a broadcast: ${about}`)
  }

  /** icmp_redirect; only as much of it is believed as the route that it is about allows. */
  #redirected(frame: Frame): number {
    const { bytes, start: at, end, network } = frame
    const quoted = at + icmp.HEADER
    if (end - quoted < ipv4.HEADER) return DropReason.IcmpTooShort
    if (bytes[quoted] >> 4 !== 4 || icmp.code(bytes, at) > 3) return FINE
    const destination = ipv4.destination(bytes, quoted)
    this.redirects.accept(destination, ipv4.source(bytes, network), icmp.gateway(bytes, at))
    if (journal.open) told.tellRedirect(this.#netns, frame, destination, icmp.gateway(bytes, at))
    return FINE
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

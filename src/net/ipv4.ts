/**
 * IPv4 in a namespace (net/ipv4/ip_input.c, ip_forward.c, ip_output.c), step by step with Linux's names:
 *
 *   device ─▶ receive ─ PREROUTING ─▶ route ─┬─▶ deliver ─ INPUT ──▶ ICMP, transports
 *                                            └─▶ forward ─ FORWARD ─┐
 *   transports ─▶ send ─ OUTPUT ────────────────────────────────────┴─▶ output ─ POSTROUTING ─▶ finish ─▶ neighbour
 *
 * While a frame is in here its `network` is the IP header and its `transport` what follows.
 */
import type { NetDevice } from '../link/device.ts'
import { journal } from '../link/flow-cache.ts'
import { DropReason, type Frame } from '../link/frame.ts'
import type { Onward, Passage } from '../netfilter/host.ts'
import { Hook } from '../netfilter/netfilter.ts'
import { ANY, BROADCAST, type Ipv4, isMulticast, MAC_BROADCAST, type Mac } from '../wire/address.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import type { Errno } from './errno.ts'
import { fragment, Reassembler } from './fragment.ts'
import type { InetDevice } from './inet-device.ts'
import * as told from './ip-decisions.ts'
import { headerFault, refusal, unreachableCode, unroutableReason } from './ip-faults.ts'
import { noteDelivered, noteFinished, noteForwarded, notePassedUp, noteReceived, noteSent } from './ip-steps.ts'
import { passage } from './ipvs-passage.ts'
import { logMartian, Martian, martian, martianReason } from './martian.ts'
import type { Namespace } from './namespace.ts'
import { SourceIs, validateSource } from './reverse-path.ts'
import type { Route } from './route.ts'
import { tellOutput, tellRoute } from './route-decisions.ts'

export class Ipv4Layer implements Onward {
  readonly reassembler: Reassembler
  #netns: Namespace

  constructor(netns: Namespace) {
    this.#netns = netns
    this.reassembler = new Reassembler(netns)
  }

  /** A packet came in by `input`; frame.start is its IP header. Takes the frame. */
  receive(frame: Frame, input: NetDevice): void {
    const netns = this.#netns
    const at = frame.start
    netns.counters.ipInReceives++
    netns.counters.ipInOctets += frame.end - at
    frame.inputIndex = input.index
    if (frame.bridgeInput !== null) return this.#receiveBridged(frame, input)
    if (!ipv4.validIn(frame.view, at, frame.end)) return this.#malformed(frame, at)
    if (journal.open) noteReceived(frame, netns)
    netns.counters.ipInEcn[ipv4.tos(frame.bytes, at) & 3]++
    frame.network = at
    frame.transport = at + ipv4.headerLength(frame.bytes, at)
    frame.end = at + ipv4.totalLengthIn(frame.view, at)
    if (netns.filters) {
      // Conntrack sees whole packets only (nf_defrag_ipv4).
      const whole = ipv4.isFragmentIn(frame.view, at) ? this.reassembler.add(frame) : frame
      if (whole === null || !netns.netfilter.run(Hook.PREROUTING, whole, input, null)) return
      return this.#route(whole, input)
    }
    this.#route(frame, input)
  }

  /** Checked, and through PREROUTING, at the bridge port already (ip_sabotage_in). */
  #receiveBridged(frame: Frame, input: NetDevice): void {
    if (journal.open) notePassedUp(frame, this.#netns)
    frame.bridgeInput = null
    // ip_rcv forgets how large the fragments were that the port put together, though the pieces stay as they are.
    if (frame.fragmentSize > 0) frame.fragmentSize = -frame.fragmentSize
    this.#route(frame, input)
  }

  #malformed(frame: Frame, at: number): void {
    const { counters, world, name } = this.#netns
    counters.ipInHdrErrors++
    frame.network = at
    world.frames.drop(frame, headerFault(frame.bytes, at, frame.end), name)
  }

  /** See Netns.send. */
  send(
    frame: Frame,
    source: Ipv4,
    destination: Ipv4,
    protocol: number,
    ttl: number,
    tos: number,
    id: number,
    fragmentField: number,
  ): Errno | null {
    const netns = this.#netns
    netns.counters.ipOutRequests++
    frame.transport = frame.start
    netns.ipOptions.makeRoom(frame)
    const at = frame.push(ipv4.HEADER)
    frame.network = at
    const total = frame.end - at
    ipv4.writeIn(frame.view, at, total, source, destination, protocol, ttl, tos, id, fragmentField)
    const found = netns.fib.output(frame, source, destination)
    const refused = found === null ? 'ENETUNREACH' : refusal(found)
    if (found === null || refused !== null) {
      if (journal.open) tellRoute(netns, frame, destination, found)
      netns.ipOptions.cancel()
      netns.counters.ipOutNoRoutes++
      netns.world.frames.drop(frame, DropReason.NoRouteOut, netns.name)
      return refused
    }
    frame.summed = true
    if (source === ANY) ipv4.setSource(frame.bytes, at, netns.sourceFor(found, destination))
    netns.ipOptions.attach(frame, ipv4.source(frame.bytes, at))
    const mtu = netns.mtuBy(found, destination)
    const beyond = total > mtu
    const tooBig = fragmentField !== 0 && beyond
    // What we send ourselves is cut to fit the path (ip_append_data), what we forward only to fit the link.
    if (beyond) frame.fragmentSize = mtu
    if (tooBig) {
      if (journal.open) told.tellUnsent(netns, frame, destination, found, mtu)
      netns.world.frames.drop(frame, DropReason.TooBig, netns.name)
      return 'EMSGSIZE'
    }
    if (journal.open) {
      noteSent(frame, netns, source, destination, protocol, ttl, tos, fragmentField, beyond)
      tellOutput(netns, frame, destination, found, source === ANY)
    }
    let route = found
    if (netns.filters) {
      const mark = frame.mark
      if (!netns.netfilter.run(Hook.OUTPUT, frame, null, this.#outputOf(found))) {
        return netns.netfilter.stolen ? null : 'EPERM'
      }
      const target = ipv4.destinationIn(frame.view, at)
      if (target !== destination || frame.mark !== mark) {
        if (journal.open) journal.refuse()
        // ip_route_me_harder: DNAT at OUTPUT chose another destination, or a mark another table. The source stays.
        const again = netns.fib.reroute(frame, ipv4.source(frame.bytes, at), target)
        if (journal.open) tellRoute(netns, frame, target, again)
        if (again === null || refusal(again) !== null) {
          netns.world.frames.drop(frame, DropReason.NoReroute, netns.name)
          return 'EHOSTUNREACH'
        }
        route = again
      }
    }
    if (route.type === 'broadcast' || ipv4.destinationIn(frame.view, at) === BROADCAST)
      this.#hearOurselves(frame, route)
    this.#output(frame, route)
    return null
  }

  passage(frame: Frame, destination: Ipv4): Passage {
    return passage(this.#netns, frame, destination)
  }

  /** What IPVS gave another destination goes by OUTPUT and on from there (ip_vs_nat_send_or_cont). Takes the frame. */
  sendOn(frame: Frame): void {
    const netns = this.#netns
    const { bytes, network: at, mark } = frame
    const destination = ipv4.destination(bytes, at)
    let route = netns.lookup(destination)
    if (journal.open) tellRoute(netns, frame, destination, route)
    if (route === null) return netns.world.frames.drop(frame, DropReason.NoRouteOut, netns.name)
    if (!netns.netfilter.run(Hook.OUTPUT, frame, null, this.#outputOf(route))) return
    const target = ipv4.destination(bytes, at)
    if (target !== destination || frame.mark !== mark) {
      route = netns.fib.reroute(frame, ipv4.source(bytes, at), target)
      if (journal.open) tellRoute(netns, frame, target, route)
      if (route === null || refusal(route) !== null) {
        return netns.world.frames.drop(frame, DropReason.NoReroute, netns.name)
      }
    }
    this.#output(frame, route)
  }

  #route(frame: Frame, input: NetDevice): void {
    const netns = this.#netns
    const { bytes, view, network: at } = frame
    const source = ipv4.sourceIn(view, at)
    const destination = ipv4.destinationIn(view, at)
    const inet = netns.inet(input)
    const which = input === netns.loopback ? Martian.NONE : martian(source, destination, inet)
    if (which !== Martian.NONE) return this.#alien(frame, inet, which)
    // To nobody from nobody is said to all, too: a host that looks for its address.
    const toAll = destination === BROADCAST || destination === ANY
    const found = toAll ? null : netns.fib.input(frame, source, destination, input)
    if (journal.open) told.tellInput(netns, frame, destination, found, toAll)
    const broadcast = toAll || (found !== null && found.type === 'broadcast')
    // A directed broadcast is for its network alone where bc_forwarding is on, and otherwise heard by every router.
    const directed = broadcast && !toAll && inet.bcForwarding
    const here = (broadcast && !directed) || (found !== null && found.type === 'local')
    const onward = directed || (found !== null && found.type === 'unicast')
    if (here || directed || (onward && inet.forwarding)) {
      const fault = this.#sourceFault(frame, source, destination, inet)
      if (fault !== Martian.NONE) return this.#alien(frame, inet, fault)
    }
    if ((bytes[at] & 15) > 5 && !netns.ipOptions.accepts(frame, input, found !== null && found.type === 'local')) return
    // One host's packet in a frame for all of them (RFC 1122 3.3.6).
    if (frame.group && inet.dropUnicastInL2Multicast && found !== null && found.type !== 'broadcast') {
      if (journal.open) told.tellForAll(netns, frame, inet)
      return netns.world.frames.drop(frame, DropReason.UnicastInGroup, netns.name)
    }
    if (broadcast) {
      netns.counters.ipInBcastPkts++
      netns.counters.ipInBcastOctets += frame.end - at
    }
    if (here) return this.#deliver(frame, input)
    if (onward && found !== null) return this.#forward(frame, found, inet)
    this.#unroutable(frame, found, inet)
  }

  #alien(frame: Frame, inet: InetDevice, which: Martian): void {
    const { world, name, kernelLog } = this.#netns
    if (inet.logMartians) logMartian(kernelLog, frame, inet.device, which)
    world.frames.drop(frame, martianReason(which), name)
  }

  #forward(frame: Frame, route: Route, inet: InetDevice): void {
    const netns = this.#netns
    const input = inet.device
    const { bytes, network: at } = frame
    const output = route.device as NetDevice
    const may = inet.forwarding || route.type === 'broadcast'
    if (!may || frame.group) {
      if (!may && journal.open) told.tellNotForwarding(netns, frame, inet)
      if (!may) netns.counters.ipInAddrErrors++
      return netns.world.frames.drop(frame, may ? DropReason.GroupForward : DropReason.NotForwarding, netns.name)
    }
    if (ipv4.ttl(bytes, at) <= 1) {
      if (journal.open) told.tellExpired(netns, frame)
      netns.counters.ipInHdrErrors++
      netns.icmp.error(frame, icmp.TIME_EXCEEDED, 0, 0)
      return netns.world.frames.drop(frame, DropReason.TtlExpired, netns.name)
    }
    const mtu = route.mtu > 0 ? route.mtu : output.mtu
    const largest = frame.fragmentSize > 0 ? frame.fragmentSize : frame.end - at
    if (largest > mtu && ipv4.dontFragment(bytes, at)) {
      if (journal.open) told.tellUnfit(netns, frame, largest, mtu, output)
      netns.counters.ipFragFails++
      netns.icmp.error(frame, icmp.DESTINATION_UNREACHABLE, icmp.FRAGMENTATION_NEEDED, mtu)
      return netns.world.frames.drop(frame, DropReason.TooBig, netns.name)
    }
    if (journal.open) {
      noteForwarded(frame, netns, output === input)
      netns.world.frames.tell(frame, netns.name, new told.TtlLowered(frame))
    }
    ipv4.decrementTtl(frame.view, at)
    if (output === input && !frame.routed) netns.icmp.redirects.send(frame, route, input)
    if (netns.filters && !netns.netfilter.run(Hook.FORWARD, frame, input, output)) return
    netns.counters.ipForwDatagrams++
    if (frame.options !== 0) netns.ipOptions.forwarded(frame, route)
    this.#output(frame, frame.balanced ? this.#asOurs(frame, route) : route)
  }

  /** ip_vs_route_me_harder: an answer that got its service's address back leaves as if we had sent it. */
  #asOurs(frame: Frame, route: Route): Route {
    const { bytes, network: at } = frame
    const again = this.#netns.fib.reroute(frame, ipv4.source(bytes, at), ipv4.destination(bytes, at))
    if (journal.open) tellRoute(this.#netns, frame, ipv4.destination(bytes, at), again)
    return again === null || again.type !== 'unicast' ? route : again
  }

  #deliver(frame: Frame, input: NetDevice): void {
    const netns = this.#netns
    const whole = ipv4.isFragmentIn(frame.view, frame.network) ? this.reassembler.add(frame) : frame
    if (whole === null) return
    if (netns.filters && !netns.netfilter.run(Hook.INPUT, whole, input, null)) return
    const protocol = ipv4.protocol(whole.bytes, whole.network)
    whole.start = whole.transport
    const transport = netns.transports.of(protocol)
    if (transport !== null || protocol === ipv4.IPPROTO_ICMP) netns.counters.ipInDelivers++
    if (protocol === ipv4.IPPROTO_ICMP) return netns.icmp.receive(whole)
    if (journal.open) noteDelivered(whole, netns)
    if (transport !== null) return transport.receive(whole, netns)
    netns.counters.ipInUnknownProtos++
    netns.icmp.error(whole, icmp.DESTINATION_UNREACHABLE, icmp.PROTOCOL_UNREACHABLE, 0)
    netns.world.frames.drop(whole, DropReason.UnknownTransport, netns.name)
  }

  /**
   * ip_mc_output: what is said to all is heard here, too, as if it had come in by the device, but for captures
   * (PACKET_LOOPBACK). The frame is lent.
   */
  #hearOurselves(frame: Frame, route: Route): void {
    const netns = this.#netns
    const output = this.#outputOf(route)
    if (output === netns.loopback) return
    const copy = netns.world.frames.copy(frame)
    if (netns.filters && !netns.netfilter.run(Hook.POSTROUTING, copy, null, output)) return
    copy.group = true
    netns.world.scheduler.call(0, () => {
      netns.counters.ipInReceives++
      copy.inputIndex = output.index
      copy.start = copy.network
      if (netns.filters && !netns.netfilter.run(Hook.PREROUTING, copy, output, null)) return
      this.#deliver(copy, output)
    })
  }

  #output(frame: Frame, route: Route): void {
    const netns = this.#netns
    const output = this.#outputOf(route)
    if (netns.filters && !netns.netfilter.run(Hook.POSTROUTING, frame, null, output)) return
    const at = frame.network
    const limit = frame.fragmentSize > 0 ? Math.min(frame.fragmentSize, output.mtu) : output.mtu
    const mtu = route.mtu > 0 && route.mtu < limit ? route.mtu : limit
    if (frame.end - at <= mtu) this.#finish(frame, route, output)
    else this.#split(frame, route, output, frame.fragmentSize < 0 ? Math.min(-frame.fragmentSize, mtu) : mtu)
  }

  /** A method of its own: a closure here would cost every packet its context. */
  #split(frame: Frame, route: Route, output: NetDevice, mtu: number): void {
    fragment(this.#netns, frame, mtu, (piece) => this.#finish(piece, route, output))
  }

  /** ip_finish_output2: the next hop's MAC, and out. */
  #finish(frame: Frame, route: Route, output: NetDevice): void {
    const netns = this.#netns
    netns.counters.ipOutTransmits++
    frame.start = frame.network
    netns.counters.ipOutOctets += frame.end - frame.start
    const destination = ipv4.destinationIn(frame.view, frame.network)
    const group = route.type === 'broadcast' || destination === BROADCAST || isMulticast(destination)
    if (output === netns.loopback || group) return this.#finishUnasked(frame, route, output, destination)
    if (journal.open) noteFinished(frame, netns, false)
    netns.neighbours.resolve(output, route.gateway ?? destination, frame)
  }

  /** The same by the loopback device and to groups: nobody need be asked for a MAC. */
  #finishUnasked(frame: Frame, route: Route, output: NetDevice, destination: Ipv4): void {
    const netns = this.#netns
    if (output === netns.loopback) {
      if (journal.open) {
        journal.refuse()
        told.tellLoopback(netns, frame)
      }
      return sendTo(output.mac, output, frame)
    }
    if (journal.open) noteFinished(frame, netns, true)
    if (!isMulticast(destination)) {
      netns.counters.ipOutBcastPkts++
      netns.counters.ipOutBcastOctets += frame.end - frame.start
      // Without ARP a broadcast, too, goes to the device's own address (arp_constructor).
      if (output.noArp) return netns.neighbours.resolve(output, route.gateway ?? destination, frame)
      if (journal.open) told.tellGroup(netns, frame, MAC_BROADCAST)
      return sendTo(MAC_BROADCAST, output, frame)
    }
    const group = Uint8Array.of(1, 0, 0x5e, (destination >>> 16) & 0x7f, destination >>> 8, destination)
    if (journal.open) told.tellGroup(netns, frame, group)
    sendTo(group, output, frame)
  }

  #outputOf(route: Route): NetDevice {
    return route.type === 'local' ? this.#netns.loopback : (route.device as NetDevice)
  }

  /** fib_validate_source: nobody else sends from our own addresses, and answers leave where this came in. */
  #sourceFault(frame: Frame, source: Ipv4, destination: Ipv4, inet: InetDevice): Martian {
    const tos = ipv4.tos(frame.bytes, frame.network)
    const found = validateSource(this.#netns, inet, source, destination, frame.mark, tos)
    if (found === SourceIs.FINE) return Martian.NONE
    if (journal.open) told.tellRefusedSource(this.#netns, frame, inet, found)
    if (found === SourceIs.OURS) return Martian.OURS
    this.#netns.counters.ipReversePathFilter++
    return Martian.ELSEWHERE
  }

  /** ip_error, for a packet that no route takes. */
  #unroutable(frame: Frame, found: Route | null, inet: InetDevice): void {
    const netns = this.#netns
    if (isMulticast(ipv4.destination(frame.bytes, frame.network))) {
      return netns.world.frames.drop(frame, DropReason.NoGroup, netns.name)
    }
    if (!inet.forwarding) {
      if (journal.open) told.tellNotForwarding(netns, frame, inet)
      netns.counters.ipInAddrErrors++
      return netns.world.frames.drop(frame, DropReason.NotForwarding, netns.name)
    }
    if (found?.type === 'blackhole') return netns.world.frames.drop(frame, DropReason.Blackhole, netns.name)
    netns.counters.ipInNoRoutes++
    if (netns.icmp.routeErrorAllowed(ipv4.source(frame.bytes, frame.network))) {
      netns.icmp.error(frame, icmp.DESTINATION_UNREACHABLE, unreachableCode(found), 0)
    }
    netns.world.frames.drop(frame, unroutableReason(found), netns.name)
  }
}

function sendTo(mac: Mac, output: NetDevice, frame: Frame): void {
  ethernet.write(frame.bytes, frame.push(ethernet.HEADER), mac, output.mac, ethernet.ETH_P_IP)
  output.send(frame)
}

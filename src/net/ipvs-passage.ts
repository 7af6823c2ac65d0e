/** The way of what IPVS sends to a real server (__ip_vs_get_out_rt of net/netfilter/ipvs/ip_vs_xmit.c). */
import { journal } from '../link/flow-cache.ts'
import type { Frame } from '../link/frame.ts'
import { Passage } from '../netfilter/host.ts'
import { type Ipv4, isLoopback } from '../wire/address.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import { TtlLowered } from './ip-decisions.ts'
import type { Namespace } from './namespace.ts'
import { tellRoute } from './route-decisions.ts'

/** See Onward.passage. */
export function passage(netns: Namespace, frame: Frame, destination: Ipv4): Passage {
  const { bytes, network: at } = frame
  const found = netns.lookup(destination)
  if (journal.open) tellRoute(netns, frame, destination, found)
  if (found === null || (found.type !== 'unicast' && found.type !== 'local')) {
    netns.icmpError(frame, icmp.DESTINATION_UNREACHABLE, icmp.HOST_UNREACHABLE, 0)
    return Passage.REFUSED
  }
  const received = frame.inputIndex !== 0
  if (found.type === 'local') {
    // From the world to 127.0.0.1: never.
    return isLoopback(destination) && received ? Passage.REFUSED : Passage.HERE
  }
  if (isLoopback(ipv4.source(bytes, at))) return Passage.REFUSED
  if (ipv4.ttl(bytes, at) <= 1) {
    netns.counters.ipInHdrErrors++
    netns.icmpError(frame, icmp.TIME_EXCEEDED, 0, 0)
    return Passage.REFUSED
  }
  if (journal.open) netns.world.frames.tell(frame, netns.name, new TtlLowered(frame))
  ipv4.decrementTtl(frame.view, at)
  const mtu = netns.mtuBy(found, destination)
  const about = ipv4.protocol(bytes, at) === ipv4.IPPROTO_ICMP
  if (frame.end - at > mtu && ipv4.dontFragment(bytes, at) && !about) {
    netns.icmpError(frame, icmp.DESTINATION_UNREACHABLE, icmp.FRAGMENTATION_NEEDED, mtu)
    return Passage.REFUSED
  }
  return Passage.AWAY
}

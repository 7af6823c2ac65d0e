/** What a connection's path takes: how long packets are, what may be advertised, and whether routers may cut them. */
import type { Netns } from '../../net/netns.ts'
import type { Ipv4 } from '../../wire/address.ts'
import { LARGEST_PACKET, pathLocked, pathMtu } from '../route.ts'
import { HEADERS } from './path-search.ts'
import { PathMtuDiscovery, type Settings } from './settings.ts'

/** The two ends, as routes are chosen by. */
interface Ends {
  readonly netns: Netns
  readonly settings: Settings
  readonly localAddress: Ipv4
  readonly localPort: number
  readonly remoteAddress: Ipv4
  readonly remotePort: number
}

/** How large a packet of this connection may be now. */
export function mtuOf({ netns, remoteAddress, localAddress, remotePort, localPort }: Ends): number {
  return pathMtu(netns, remoteAddress, localAddress, remotePort, localPort)
}

/** The MSS that the path's MTU lets us advertise (ipv4_default_advmss). */
export function advertisable(ends: Ends): number {
  const least = ends.netns.sysctl.number('net.ipv4.route.min_adv_mss')
  return Math.min(Math.max(mtuOf(ends), least + HEADERS), LARGEST_PACKET) - HEADERS
}

/** Do packets carry DF? (ip_dont_fragment) */
export function isWhole({ netns, settings, remoteAddress, localAddress, remotePort, localPort }: Ends): boolean {
  const { mtuDiscover } = settings
  if (mtuDiscover !== PathMtuDiscovery.WANT) return mtuDiscover === PathMtuDiscovery.DO
  return !pathLocked(netns, remoteAddress, localAddress, remotePort, localPort)
}

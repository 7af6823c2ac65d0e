import { i32 } from '../../wire/bytes.ts'
import * as ipv4 from '../../wire/ipv4.ts'
import * as tcp from '../../wire/tcp.ts'
import type { Connection } from './connection.ts'

/** Where a TCP header keeps its sequence number. */
const SEQUENCE = 4

/**
 * Does the segment that begins here still wait for the next hop's MAC? Then it was not lost, and is not sent again
 * (skb_still_in_host_queue). A listener's answer is made anew each time, and is not asked about.
 */
export function inHostQueue(connection: Connection, sequence: number): boolean {
  if (connection.acceptor !== null) return false
  const { netns, localAddress, remoteAddress, localPort, remotePort } = connection
  const route = netns.fib.lookup(remoteAddress, localAddress, ipv4.IPPROTO_TCP, localPort, remotePort)
  if (route === null || route.device === null) return false
  const waiting = netns.neighbours.find(route.device, route.gateway ?? remoteAddress)?.waiting ?? null
  if (waiting === null || waiting.size === 0) return false
  for (const { bytes, network, transport } of waiting.list()) {
    if (ipv4.protocol(bytes, network) !== ipv4.IPPROTO_TCP || tcp.sourcePort(bytes, transport) !== localPort) continue
    if (i32(bytes, transport + SEQUENCE) === sequence) return true
  }
  return false
}

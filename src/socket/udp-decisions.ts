/** What UDP did with a datagram, or who sent it, for whoever traces (see link/decision.ts). */
import type { Netns } from '../net/netns.ts'
import { ANY, type Ipv4 } from '../wire/address.ts'
import { ofProgram } from './programs.ts'
import { byteCount, Ends, SocketDecision } from './socket-decisions.ts'

interface Bound {
  readonly localAddress: Ipv4
  readonly localPort: number
  readonly remoteAddress: Ipv4
  readonly remotePort: number
}

function endsOf({ localAddress, localPort, remoteAddress, remotePort }: Bound): Ends {
  return new Ends('udp', localAddress, localPort, remoteAddress, remotePort)
}

export function sent(socket: Bound, netns: Netns, length: number): SocketDecision {
  return new SocketDecision(`UDP socket${ofProgram(netns, socket)} sends ${byteCount(length)}`, endsOf(socket))
}

export function taken(socket: Bound, netns: Netns, length: number): SocketDecision {
  return new SocketDecision(`UDP socket${ofProgram(netns, socket)} takes ${byteCount(length)}`, endsOf(socket))
}

/** A tunnel's port. */
export function takenByKernel(port: number): SocketDecision {
  return new SocketDecision(`the kernel's own UDP port ${port} takes the datagram`, new Ends('udp', ANY, port))
}

export function nobody(port: number): SocketDecision {
  return new SocketDecision(`no UDP socket has port ${port}: the answer is ICMP port unreachable`, null)
}

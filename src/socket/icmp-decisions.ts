/** What raw ICMP sockets send and hear, for whoever traces (see link/decision.ts). */
import type { Netns } from '../net/netns.ts'
import { ofProgram } from './programs.ts'
import { SocketDecision } from './socket-decisions.ts'

export function echoes(socket: object, netns: Netns, identifier: number, sequence: number): SocketDecision {
  const who = `raw ICMP socket${ofProgram(netns, socket)}`
  return new SocketDecision(`${who} sends an echo request, id ${identifier}, seq ${sequence}`, null)
}

export function heardBy(sockets: number): SocketDecision {
  return new SocketDecision(`${sockets} raw ICMP ${sockets === 1 ? 'socket hears' : 'sockets hear'} the message`, null)
}

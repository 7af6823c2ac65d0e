/** What raw ICMP sockets send and hear, for whoever traces (see link/decision.ts). */
import { SocketDecision } from './socket-decisions.ts'

export function echoes(identifier: number, sequence: number): SocketDecision {
  return new SocketDecision(`a raw ICMP socket sends an echo request, id ${identifier}, seq ${sequence}`, null)
}

export function heardBy(sockets: number): SocketDecision {
  return new SocketDecision(`${sockets} raw ICMP ${sockets === 1 ? 'socket hears' : 'sockets hear'} the message`, null)
}

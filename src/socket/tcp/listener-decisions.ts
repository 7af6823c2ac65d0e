/** What a listening port made of a segment that belongs to no connection, for whoever traces. */
import { DropReason } from '../../link/frame.ts'
import type { Ipv4 } from '../../wire/address.ts'
import * as tcp from '../../wire/tcp.ts'
import { Ends, SocketDecision } from '../socket-decisions.ts'
import type { Segment } from './segment.ts'
import { TAKEN, type Verdict } from './verdict.ts'

/** `program`: whose socket listens, as ofProgram tells. `known`: there is a connection now. `local`: the address that the port is bound for. */
export function listened(
  segment: Segment,
  verdict: Verdict,
  known: boolean,
  local: Ipv4,
  program: string,
): SocketDecision {
  const { destinationPort } = segment
  const ends = new Ends('tcp', local, destinationPort)
  return new SocketDecision(
    `the TCP socket${program} that listens on port ${destinationPort} ${outcome(segment, verdict, known)}`,
    ends,
  )
}

function outcome({ flags }: Segment, verdict: Verdict, known: boolean): string {
  if (verdict === TAKEN) {
    if ((flags & tcp.ACK) !== 0) return 'takes the ACK, which brings back the cookie of its SYN-ACK'
    if (known) return 'takes the SYN: the connection is half open'
    return 'answers the SYN with a cookie: too many connections are half open'
  }
  if (verdict === DropReason.TcpSynAcceptFull) return 'is full of connections that nobody has accepted'
  if (verdict === DropReason.TcpSynQueueFull) return 'has too many half-open connections'
  if (verdict === DropReason.TcpListenAck) return 'knows no such connection: the answer is a RST'
  return 'has no use for the segment'
}

/** Nobody listens. */
export function unwanted({ destinationPort, flags }: Segment): SocketDecision {
  const answer = (flags & tcp.RST) === 0 ? 'the answer is a RST' : 'a RST has no answer'
  return new SocketDecision(`no TCP socket listens on port ${destinationPort}: ${answer}`, null)
}

/** The RST that says so. */
export function resets({ destinationPort }: Segment): SocketDecision {
  return new SocketDecision(`TCP sends a RST of its own: port ${destinationPort} does not know the connection`, null)
}

/**
 * What IPVS knows of a TCP connection of which it may see one direction only (ip_vs_proto_tcp.c): the state after a
 * segment with SYN, FIN, ACK or RST that a client (in) or a real server (out) sent.
 */
import { IPPROTO_UDP } from '../../wire/ipv4.ts'
import * as tcp from '../../wire/tcp.ts'
import type { Connection } from './connection.ts'

export const TcpState = {
  NONE: 0,
  ESTABLISHED: 1,
  SYN_SENT: 2,
  SYN_RECV: 3,
  FIN_WAIT: 4,
  TIME_WAIT: 5,
  CLOSE: 6,
  CLOSE_WAIT: 7,
  LAST_ACK: 8,
  LISTEN: 9,
  SYNACK: 10,
} as const

/** By number. */
export const tcpStateNames: readonly string[] = Object.keys(TcpState)

/** Seconds, by number; they can be changed (`ipvsadm --set`). */
export const tcpTimeouts: readonly number[] = [2, 900, 120, 60, 120, 120, 10, 60, 30, 120, 120]
export const UDP_TIMEOUT = 300

/** States that count as active connections (tcp_state_active_table). */
export function isActive(state: number): boolean {
  return (
    state === TcpState.ESTABLISHED ||
    state === TcpState.SYN_SENT ||
    state === TcpState.SYN_RECV ||
    state === TcpState.SYNACK
  )
}

/** Where each direction's four rows begin. */
export const Direction = { IN: 0, OUT: 4, IN_ONLY: 8 } as const
export type Direction = (typeof Direction)[keyof typeof Direction]

const letters = 'NE23FTCWLIA'
const row = (text: string) => [...text].map((letter) => letters.indexOf(letter))

/** N none, E established, 2 SYN_SENT, 3 SYN_RECV, F FIN_WAIT, T TIME_WAIT, C close, W CLOSE_WAIT, L LAST_ACK, I listen, A SYNACK. */
const rows: readonly (readonly number[])[] = [
  // in: SYN, FIN, ACK, RST
  row('3EE33333333'),
  row('CW2TTTCWLIT'),
  row('EE2EFTCWCIE'),
  row('CCC3CCCCLI3'),
  // out
  row('2E2322222I3'),
  row('TF2TFTCTLIT'),
  row('EE2EFTCWLEE'),
  row('CC2CCTCCCCC'),
  // in, of a connection whose answers take another way
  row('3EE33333333'),
  row('CF2TFTCWLIT'),
  row('EE2EFTCWCIE'),
  row('CCC3CCCCLIC'),
]

/** What becomes of a connection in this state. */
export function nextTcpState(direction: Direction, flags: number, state: number): number {
  let kind = 0
  if ((flags & tcp.RST) !== 0) kind = 3
  else if ((flags & tcp.SYN) !== 0) kind = 0
  else if ((flags & tcp.FIN) !== 0) kind = 1
  else if ((flags & tcp.ACK) !== 0) kind = 2
  else return TcpState.CLOSE
  return rows[direction + kind][state]
}

/** What a connection's state is told by. */
export type ConnectionState = Pick<Connection, 'protocol' | 'template' | 'assured' | 'state'>

/** ip_vs_state_name. */
export function stateName({ protocol, template, assured, state }: ConnectionState): string {
  if (template) return assured ? 'ASSURED' : 'NONE'
  return protocol === IPPROTO_UDP ? 'UDP' : tcpStateNames[state]
}

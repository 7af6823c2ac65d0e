/** The eleven states of RFC 9293 section 3.3.2, as the RFC and ss(8) spell them. */

export type TcpState =
  | 'CLOSED'
  | 'LISTEN'
  | 'SYN-SENT'
  | 'SYN-RECEIVED'
  | 'ESTABLISHED'
  | 'FIN-WAIT-1'
  | 'FIN-WAIT-2'
  | 'CLOSE-WAIT'
  | 'CLOSING'
  | 'LAST-ACK'
  | 'TIME-WAIT'

/** As ss(8) prints them; a UDP socket is UNCONN or ESTAB. */
export const stateNames: Readonly<Record<TcpState | 'UNCONN', string>> = {
  UNCONN: 'UNCONN',
  CLOSED: 'UNCONN',
  LISTEN: 'LISTEN',
  'SYN-SENT': 'SYN-SENT',
  'SYN-RECEIVED': 'SYN-RECV',
  ESTABLISHED: 'ESTAB',
  'FIN-WAIT-1': 'FIN-WAIT-1',
  'FIN-WAIT-2': 'FIN-WAIT-2',
  'CLOSE-WAIT': 'CLOSE-WAIT',
  CLOSING: 'CLOSING',
  'LAST-ACK': 'LAST-ACK',
  'TIME-WAIT': 'TIME-WAIT',
}

/** May the program still send in this state? */
export function maySend(state: TcpState): boolean {
  return state === 'ESTABLISHED' || state === 'CLOSE-WAIT'
}

/** Must the peer be told with an RST when the connection is given up in this state? (tcp_need_reset) */
export function needsReset(state: TcpState): boolean {
  return (
    state === 'SYN-RECEIVED' ||
    state === 'ESTABLISHED' ||
    state === 'CLOSE-WAIT' ||
    state === 'FIN-WAIT-1' ||
    state === 'FIN-WAIT-2'
  )
}

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

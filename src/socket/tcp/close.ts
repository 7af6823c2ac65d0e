/** The two ways in which our side ends a connection (tcp_close, tcp_disconnect of net/ipv4/tcp.c). */
import type { Connection } from './connection.ts'
import { push, sendReset } from './output.ts'
import { needsReset } from './state.ts'

/** Queues our FIN (tcp_send_fin). */
export function finish(connection: Connection): void {
  const { state, send } = connection
  if (state === 'ESTABLISHED' || state === 'SYN-RECEIVED') connection.state = 'FIN-WAIT-1'
  else if (state === 'CLOSE-WAIT') connection.state = 'LAST-ACK'
  else return
  send.finQueued = true
  push(connection)
}

/** RST, where the peer would not know. */
export function reset(connection: Connection): void {
  if (needsReset(connection.state)) sendReset(connection)
  connection.end(null)
}

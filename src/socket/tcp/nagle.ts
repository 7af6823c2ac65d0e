/** Which small segments wait for more (tcp_nagle_test of net/ipv4/tcp_output.c). */
import type { Connection } from './connection.ts'

/**
 * Does a last segment that is not full wait? A cork holds it, and so does MSG_MORE for the call it came with; Nagle's
 * algorithm while another such segment is out (RFC 9293 section 3.7.4). Urgent data do not wait.
 */
export function waits(connection: Connection): boolean {
  const { send, settings } = connection
  if (send.urging) return false
  if (settings.cork || connection.more) return true
  return !connection.noDelay && send.sent.size > 0 && send.smallOut
}

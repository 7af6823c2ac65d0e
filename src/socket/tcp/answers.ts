/** Acknowledgments and the like that answer what is not quite right (tcp_send_dupack, tcp_send_challenge_ack). */
import { HZ } from '../../sim/jiffies.ts'
import * as tcp from '../../wire/tcp.ts'
import type { Connection } from './connection.ts'
import { Because, occasion } from './occasion.ts'
import { resend, sendAck } from './output.ts'
import type { Segment } from './segment.ts'

/** The SYN-ACK, for a SYN that came again. */
export function sayAgain(connection: Connection): void {
  occasion.because = Because.SYN_AGAIN
  resend(connection, 0)
  occasion.because = Because.NONE
}

/** An ACK that is due to what came. */
export function answer(connection: Connection, because: Because): void {
  occasion.because = because
  sendAck(connection)
  occasion.because = Because.NONE
}

/** Answers a segment from outside the window with where we are (tcp_send_dupack). */
export function reject(connection: Connection, segment: Segment): void {
  const { receive, acks } = connection
  const { sequence, end } = segment
  if (sequence === end) return answerSeldom(connection)
  if (tcp.before(sequence, receive.next)) {
    acks.enterQuickMode(receive.window)
    if (connection.sack && connection.tunables.dsack) {
      receive.duplicated(sequence, tcp.after(end, receive.next) ? receive.next : end)
    }
  }
  answer(connection, Because.OUTSIDE)
}

/** RFC 5961: an honest peer will answer; a forger does not see it. */
export function challenge(connection: Connection): void {
  if (tooSoon(connection)) return
  const { tunables, world } = connection
  const second = Math.floor(connection.jiffies() / HZ)
  if (tunables.challenges.allows(second, tunables.challengeLimit, world.random)) {
    answer(connection, Because.CHALLENGE)
  }
}

/** What is outside the window and carries nothing may be part of a loop of acknowledgments. */
export function answerSeldom(connection: Connection): void {
  if (!tooSoon(connection)) answer(connection, Because.OUTSIDE)
}

/** tcp_oow_rate_limited: tcp_invalid_ratelimit milliseconds lie between two answers. */
function tooSoon(connection: Connection): boolean {
  const now = connection.jiffies()
  const pace = connection.netns.sysctl.number('net.ipv4.tcp_invalid_ratelimit')
  if ((now - connection.lastRejection) * (1000 / HZ) < pace) return true
  connection.lastRejection = now
  return false
}

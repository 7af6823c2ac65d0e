/** The segments that begin a connection. */
import * as tcp from '../../wire/tcp.ts'
import type { Connection } from './connection.ts'
import { Because, occasion } from './occasion.ts'
import { transmit } from './output.ts'
import { LIMITED } from './sent.ts'

/** Sends SYN, or SYN-ACK in SYN-RECEIVED, for the first time. */
export function sendSyn(connection: Connection): void {
  const { send, world } = connection
  const active = connection.state === 'SYN-SENT'
  const { ecn } = connection
  if (active) ecn.agreed = connection.tunables.ecn === 1
  const offer = ecn.agreed ? tcp.ECE | tcp.CWR : 0
  const flags = active ? tcp.SYN | offer : tcp.SYN | tcp.ACK | (offer & tcp.ECE)
  send.next = (send.una + 1) | 0
  send.began = world.scheduler.now
  connection.firstResent = connection.clock()
  send.sent.push(send.una, send.next, flags, world.scheduler.now, LIMITED, 0)
  // The handshake is no sample of the rate.
  send.sent.markSampled(0)
  connection.rearm()
  transmit(connection, send.una, 0, flags, true)
}

/** A SYN-ACK that nobody remembers: its number is a cookie. */
export function sendCookie(connection: Connection): void {
  occasion.because = Because.COOKIE
  transmit(connection, connection.send.una, 0, tcp.SYN | tcp.ACK, true)
  occasion.because = Because.NONE
}

/** Both sides sent SYN: ours goes out again, now with ACK (simultaneous open). */
export function answerSyn(connection: Connection): void {
  const { send, world } = connection
  send.sent.clear()
  send.sent.push(send.una, send.next, tcp.SYN | tcp.ACK, world.scheduler.now, LIMITED, 0)
  send.sent.markSampled(0)
  connection.rearm()
  transmit(connection, send.una, 0, tcp.SYN | tcp.ACK, true)
}

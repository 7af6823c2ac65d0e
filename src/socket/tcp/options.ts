/** The options we write, in Linux's order (tcp_options_write), each padded to four bytes. */
import { put16, put32 } from '../../wire/bytes.ts'
import * as tcp from '../../wire/tcp.ts'
import { Offer } from './around.ts'
import type { Connection } from './connection.ts'
import { advertisable } from './path.ts'

/** 40 bytes of options hold four SACK blocks, or three beside the timestamps. */
const MOST_BLOCKS = 4
const MOST_BESIDE_STAMP = 3

/** The options of a SYN, at `at`; returns their length. A window scale of -1 is not offered. */
function writeSyn(
  bytes: Uint8Array,
  at: number,
  mss: number,
  sack: boolean,
  timestamps: boolean,
  value: number,
  echo: number,
  scale: number,
): number {
  let to = at
  bytes[to] = tcp.OPTION_MSS
  bytes[to + 1] = 4
  put16(bytes, to + 2, mss)
  to += 4
  if (timestamps) {
    // SACK permitted stands where otherwise two nops would fill up.
    bytes[to] = sack ? tcp.OPTION_SACK_PERMITTED : tcp.OPTION_NOP
    bytes[to + 1] = sack ? 2 : tcp.OPTION_NOP
    to = writeStamp(bytes, to + 2, value, echo)
  }
  if (sack && !timestamps) {
    bytes[to] = tcp.OPTION_NOP
    bytes[to + 1] = tcp.OPTION_NOP
    bytes[to + 2] = tcp.OPTION_SACK_PERMITTED
    bytes[to + 3] = 2
    to += 4
  }
  if (scale >= 0) {
    bytes[to] = tcp.OPTION_NOP
    bytes[to + 1] = tcp.OPTION_WINDOW_SCALE
    bytes[to + 2] = 3
    bytes[to + 3] = scale
    to += 4
  }
  return to - at
}

/** Of a SYN or SYN-ACK of this connection; returns their length. */
export function writeOffer(bytes: Uint8Array, at: number, connection: Connection): number {
  const { advertisedMss, recentTimestamp, offered } = connection
  // A SYN says what we offer, also the one that answers the peer's own; a listener's answer, what was agreed.
  const answers = connection.acceptor !== null
  // The path may have become narrower since the first SYN (tcp_advertise_mss).
  if (!answers) connection.advertisedMss = Math.min(advertisedMss, advertisable(connection))
  const sack = answers ? connection.sack : (offered & Offer.SACK) !== 0
  const timestamps = answers ? connection.timestamps : (offered & Offer.TIMESTAMPS) !== 0
  const scales = answers ? connection.scaling : (offered & Offer.SCALE) !== 0
  const scale = scales ? connection.offeredScale : -1
  return writeSyn(bytes, at, connection.advertisedMss, sack, timestamps, connection.clock(), recentTimestamp, scale)
}

/** Of any other segment; returns their length. */
export function write(bytes: Uint8Array, at: number, connection: Connection): number {
  let to = at
  if (connection.timestamps) {
    bytes[to] = tcp.OPTION_NOP
    bytes[to + 1] = tcp.OPTION_NOP
    to = writeStamp(bytes, to + 2, connection.clock(), connection.recentTimestamp)
  }
  const { receive } = connection
  const duplicate = receive.duplicateBegin !== receive.duplicateEnd
  if (connection.sack && (duplicate || receive.told.count > 0)) {
    to = writeBlocks(bytes, to, connection, connection.timestamps ? MOST_BESIDE_STAMP : MOST_BLOCKS)
  }
  return to - at
}

/** How much longer than usual the options of the next segment are: by its SACK blocks (tcp_established_options). */
export function sackLength({ sack, receive, timestamps }: Connection): number {
  const duplicate = receive.duplicateBegin !== receive.duplicateEnd ? 1 : 0
  if (!sack || (duplicate === 0 && receive.told.count === 0)) return 0
  return 4 + 8 * Math.min(receive.told.count + duplicate, timestamps ? MOST_BESIDE_STAMP : MOST_BLOCKS)
}

function writeStamp(bytes: Uint8Array, at: number, value: number, echo: number): number {
  bytes[at] = tcp.OPTION_TIMESTAMPS
  bytes[at + 1] = 10
  put32(bytes, at + 2, value)
  put32(bytes, at + 6, echo)
  return at + 10
}

/** SACK blocks: a stretch that came twice first, then those from beyond the gap, latest first. */
function writeBlocks(bytes: Uint8Array, at: number, connection: Connection, most: number): number {
  const { receive } = connection
  let blocks = 0
  let to = at + 4
  if (receive.duplicateBegin !== receive.duplicateEnd) {
    put32(bytes, to, receive.duplicateBegin)
    put32(bytes, to + 4, receive.duplicateEnd)
    receive.duplicated(0, 0)
    to += 8
    blocks++
  }
  const { told } = receive
  for (let i = 0; blocks < most && i < told.count; i++) {
    put32(bytes, to, told.begin(i))
    put32(bytes, to + 4, told.end(i))
    to += 8
    blocks++
  }
  bytes[at] = tcp.OPTION_NOP
  bytes[at + 1] = tcp.OPTION_NOP
  bytes[at + 2] = tcp.OPTION_SACK
  bytes[at + 3] = 2 + blocks * 8
  return to
}

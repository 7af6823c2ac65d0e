/**
 * What the peer's SACK blocks say (tcp_sacktag_write_queue of net/ipv4/tcp_input.c, RFC 2018): what has arrived, what
 * has arrived twice (RFC 2883), and in which order.
 */
import { i32 } from '../../wire/bytes.ts'
import { after, before } from '../../wire/tcp.ts'
import type { Connection } from './connection.ts'
import { noteArrival } from './loss-detection.ts'
import { sample } from './rate.ts'
import { DATA_SACKED, DUPLICATED, ORIGINAL_ARRIVED, PROBE_DUPLICATED, round } from './round.ts'
import type { Segment } from './segment.ts'
import { EVER_RESENT, SACKED } from './sent.ts'

const BLOCK = 8

/** Takes the blocks of an acknowledgment, from the lowest on: else their own order would look like reordering. */
export function takeSacks(connection: Connection, segment: Segment): void {
  const { send, congestion } = connection
  const { bytes, sackAt, sackBlocks, acknowledgment } = segment
  const duplicate = isDuplicate(segment) && takeDuplicate(connection, segment)
  if (before(acknowledgment, (round.una - send.largestWindow) | 0) || send.sent.size === 0) return
  for (let taken = 0; taken !== (1 << sackBlocks) - 1; ) {
    const block = lowest(segment, taken)
    taken |= 1 << block
    const begin = i32(bytes, sackAt + block * BLOCK)
    const end = i32(bytes, sackAt + block * BLOCK + 4)
    if (!after(end, begin) || after(end, send.next)) continue
    const twice = duplicate && block === 0
    if (!after(end, send.una) && !twice) continue
    tag(connection, begin, end, twice)
  }
  if (congestion.state !== 'Loss' || connection.undo.possible) reordered(connection, round.reordered)
}

/** Which of the blocks that are not in the set `taken` begins first? */
function lowest({ bytes, sackAt, sackBlocks }: Segment, taken: number): number {
  let found = -1
  let first = 0
  for (let block = 0; block < sackBlocks; block++) {
    if ((taken & (1 << block)) !== 0) continue
    const begin = i32(bytes, sackAt + block * BLOCK)
    if (found >= 0 && !before(begin, first)) continue
    found = block
    first = begin
  }
  return found
}

/** Does the first block report a duplicate: from before the acknowledgment, or inside the second block? */
function isDuplicate({ bytes, sackAt, sackBlocks, acknowledgment }: Segment): boolean {
  const begin = i32(bytes, sackAt)
  if (before(begin, acknowledgment)) return true
  if (sackBlocks < 2) return false
  const end = i32(bytes, sackAt + 4)
  return !after(end, i32(bytes, sackAt + BLOCK + 4)) && !before(begin, i32(bytes, sackAt + BLOCK))
}

/** tcp_check_dsack. False: it is not believed. */
function takeDuplicate(connection: Connection, { bytes, sackAt }: Segment): boolean {
  const { send, undo, rack, mss } = connection
  const begin = i32(bytes, sackAt)
  const end = i32(bytes, sackAt + 4)
  const length = (end - begin) | 0
  if (length <= 0 || length > send.largestWindow) return false
  const segments = length > mss ? Math.ceil(length / mss) : 1
  const ofProbe = length <= mss && connection.tailProbed && connection.tailProbe === end
  undo.duplicates += segments
  if (undo.duplicates > connection.resent) return false
  if (rack.reordered && !ofProbe) rack.duplicates = true
  round.flags |= DUPLICATED | (ofProbe ? PROBE_DUPLICATED : 0)
  connection.delivered += segments
  if (!after(end, round.una)) undo.duplicated(end, segments)
  return true
}

/** Marks the segments that lie in a block. */
function tag(connection: Connection, begin: number, end: number, twice: boolean): void {
  const { sent } = connection.send
  for (let i = sent.firstFrom(begin); i < sent.size && !after(sent.end(i), end); i++) {
    const marks = sent.marks(i)
    if (twice && (marks & EVER_RESENT) !== 0) {
      connection.undo.duplicated(sent.end(i), 1)
      if ((marks & SACKED) !== 0 && before(sent.begin(i), round.reordered)) round.reordered = sent.begin(i)
    }
    if ((marks & SACKED) === 0) arrived(connection, i, marks)
    if (twice) sent.forgetResent(i)
  }
}

/** tcp_sacktag_one. */
function arrived(connection: Connection, i: number, marks: number): void {
  const { send, congestion } = connection
  const { sent } = send
  noteArrival(connection, i)
  if ((marks & EVER_RESENT) === 0) {
    if (before(sent.begin(i), sent.highestOr(send.una)) && before(sent.begin(i), round.reordered))
      round.reordered = sent.begin(i)
    if (!after(sent.end(i), congestion.high)) round.flags |= ORIGINAL_ARRIVED
    round.sacked(sent.sentAt(i))
  }
  sent.markSacked(i)
  sample.take(connection, i)
  round.flags |= DATA_SACKED
  connection.delivered++
}

/** Something arrived after what was sent later: how far may the network reorder? (tcp_check_sack_reordering) */
export function reordered(connection: Connection, low: number): void {
  const { rack, mss, tunables, send } = connection
  const distance = (send.sent.highestOr(send.una) - low) | 0
  if (distance <= 0) return
  if (distance > connection.reordering * mss) {
    connection.reordering = Math.min(Math.ceil(distance / mss), tunables.maxReordering)
  }
  connection.reorderings++
  rack.reordered = true
}

/**
 * Loss recovery (tcp_fastretrans_alert of net/ipv4/tcp_input.c): what an acknowledgment that is not just progress does
 * to the congestion state, and what is then sent again. Losses are found in rack; here is decided what they mean.
 */
import * as tcp from '../../wire/tcp.ts'
import { armReneging } from './arming.ts'
import type { CongestionState } from './congestion.ts'
import type { Connection } from './connection.ts'
import { findLosses, overdue } from './loss-detection.ts'
import * as to from './round.ts'
import { Resend, round } from './round.ts'
import { reordered } from './scoreboard.ts'
import type { Segment } from './segment.ts'
import { EVER_RESENT, LOST, SACKED } from './sent.ts'

function setState(connection: Connection, state: CongestionState): void {
  const { congestion } = connection
  if (state === 'Loss') congestion.control.timedOut(connection)
  congestion.state = state
}

/** Deals with an acknowledgment that is dubious; `duplicates` is how many duplicates it counts for. */
export function alert(connection: Connection, segment: Segment, duplicates: number): void {
  const { send, congestion, undo } = connection
  if (round.has(to.CONGESTED)) congestion.priorThreshold = 0
  if (round.has(to.RENEGED) && reneging(connection)) return
  if (congestion.state === 'Open') undo.stamp = 0
  else if (!tcp.before(send.una, congestion.high)) {
    if (congestion.state === 'CWR') {
      // The peer must hear of CWR before more is reduced: wait for something above the mark.
      if (send.una !== congestion.high) {
        congestion.endReduction(connection, undo.possible)
        setState(connection, 'Open')
      }
    } else if (congestion.state === 'Recovery') {
      if (!connection.sack) connection.send.sent.duplicates = 0
      if (undoRecovery(connection, segment)) return
      congestion.endReduction(connection, undo.possible)
    }
  }
  if (congestion.state === 'Recovery') {
    if (!recovering(connection, segment, duplicates)) return
  } else {
    if (congestion.state === 'Loss') {
      recoverTimeout(connection, segment, duplicates)
      identify(connection)
      if (!isOpen(connection) && !round.has(to.RESENT_LOST)) return
    }
    if (!connection.sack) {
      if (round.has(to.ADVANCED)) connection.send.sent.duplicates = 0
      addDuplicates(connection, duplicates)
    }
    if (congestion.state === 'Open' || congestion.state === 'Disorder') undoDuplicates(connection)
    identify(connection)
    if (send.sent.lost === 0) return tryOpen(connection)
    if (connection.search?.failed(connection) === true) {
      connection.netns.counters.tcpMtuFail++
      send.sent.rejoin(connection.mss)
      enterNarrower(connection)
    } else enterRecovery(connection, round.has(to.CONGESTED))
  }
  round.resend = Resend.LOST
}

function isOpen({ congestion }: Connection): boolean {
  return congestion.state === 'Open'
}

/** In recovery. False: nothing more is to be done. */
function recovering(connection: Connection, segment: Segment, duplicates: number): boolean {
  const { send, congestion } = connection
  if (!round.has(to.ADVANCED)) {
    if (!connection.sack) addDuplicates(connection, duplicates)
  } else if (undoPartial(connection, segment)) return false
  if (undoDuplicates(connection)) tryOpen(connection)
  identify(connection)
  if (congestion.state !== 'Recovery') {
    if (send.sent.lost === 0) return false
    enterRecovery(connection, round.has(to.CONGESTED))
  }
  return true
}

/** tcp_identify_packet_loss. */
function identify(connection: Connection): void {
  const { send } = connection
  const { sent } = send
  if (sent.size === 0) return
  if (!connection.sack) return markNewReno(connection)
  const before = sent.resent
  if (findLosses(connection)) round.flags &= ~to.TIMER
  if (before > sent.resent) round.flags |= to.RESENT_LOST
}

/** Without SACK the third duplicate, and each partial acknowledgment in recovery, points at the oldest (RFC 6582). */
function markNewReno(connection: Connection): void {
  const { send, congestion } = connection
  const { sent } = send
  const early = congestion.state !== 'Recovery' && congestion.state !== 'Loss'
  const third = early && connection.send.sent.duplicates >= connection.reordering
  const partial = congestion.state === 'Recovery' && round.has(to.ADVANCED)
  if ((third || partial) && (sent.marks(0) & LOST) === 0) sent.markLost(0)
}

/** tcp_enter_recovery. */
export function enterRecovery(connection: Connection, congested: boolean): void {
  const { congestion } = connection
  congestion.priorThreshold = 0
  beginUndo(connection)
  if (!congestion.reducing) {
    if (!congested) congestion.priorThreshold = congestion.keptThreshold
    congestion.beginReduction(connection)
  }
  setState(connection, 'Recovery')
}

/** ECN, or a loss at home: less, but nothing is sent again (tcp_enter_cwr). */
export function enterReduction(connection: Connection): void {
  const { congestion, undo } = connection
  congestion.priorThreshold = 0
  if (congestion.state !== 'Open' && congestion.state !== 'Disorder') return
  undo.end()
  congestion.beginReduction(connection)
  setState(connection, 'CWR')
}

/** A tail loss probe filled a hole: the loss counts, though it is repaired. */
export function reduceOnce(connection: Connection): void {
  const { congestion, undo } = connection
  congestion.beginReduction(connection)
  setState(connection, 'CWR')
  congestion.endReduction(connection, undo.possible)
  keepOpen(connection)
}

function beginUndo(connection: Connection): void {
  const { send, undo } = connection
  const probe = connection.tailProbed && connection.tailResent ? 1 : 0
  undo.begin(send.una, send.sent.resent + probe)
}

/** The retransmission timer ran out: what is older than a round trip is lost (tcp_enter_loss). */
export function enterLoss(connection: Connection): void {
  const { send, congestion, tunables } = connection
  const { sent } = send
  const { state } = congestion
  const fresh = state !== 'Recovery' && state !== 'Loss'
  markTimedOut(connection)
  const again = state === 'Loss' && connection.timeouts === 0
  if (state === 'Open' || state === 'Disorder' || !tcp.after(congestion.high, send.una) || again) {
    congestion.priorThreshold = congestion.keptThreshold
    congestion.priorWindow = congestion.window
    congestion.threshold = congestion.control.threshold(connection)
    beginUndo(connection)
  }
  congestion.collapse(connection, sent.inFlight)
  if ((state === 'Open' || state === 'Disorder') && sent.sacked >= tunables.reordering) {
    connection.reordering = Math.min(connection.reordering, tunables.reordering)
  }
  setState(connection, 'Loss')
  congestion.high = send.next
  connection.tailProbed = false
  connection.ecn.queueReduced()
  connection.spurious = tunables.frto && (fresh || connection.timeouts > 0)
}

/**
 * Segments were too long for the path (tcp_simple_retransmit): they count as lost until all of them are acknowledged, but
 * not as a sign of congestion: the window stays, and there is nothing to take back.
 */
export function enterNarrower(connection: Connection): void {
  const { send, congestion, undo } = connection
  if (congestion.state === 'Loss') return
  congestion.high = send.next
  congestion.threshold = congestion.keptThreshold
  congestion.priorThreshold = 0
  undo.stamp = 0
  setState(connection, 'Loss')
}

/** tcp_timeout_mark_lost. A peer that has forgotten what it reported is not believed. */
function markTimedOut(connection: Connection): void {
  const { sent } = connection.send
  if (sent.size === 0) return
  const reneged = (sent.marks(0) & SACKED) !== 0
  if (reneged) {
    sent.forgetSacks()
    connection.reneged = true
  } else if (!connection.sack) connection.send.sent.duplicates = 0
  for (let i = 0; i < sent.size; i++) {
    if (reneged || i === 0 || !connection.sack || overdue(connection, i)) sent.markLost(i)
  }
}

/** After a time-out: was it one? (tcp_process_loss, F-RTO of RFC 5682) */
function recoverTimeout(connection: Connection, segment: Segment, duplicates: number): void {
  const { send, congestion } = connection
  const recovered = !tcp.before(send.una, congestion.high)
  if (round.has(to.ADVANCED) && undoTimeout(connection, segment, false)) return
  if (connection.spurious) {
    if (round.has(to.ORIGINAL_ARRIVED) && undoTimeout(connection, segment, true)) return
    if (tcp.after(send.next, congestion.high)) {
      if (round.has(to.DATA_SACKED) || duplicates > 0) connection.spurious = false
    } else if (round.has(to.ADVANCED) && !recovered) {
      congestion.high = send.next
      if (send.pending && send.room > 0) {
        round.resend = Resend.NEW
        return
      }
      connection.spurious = false
    }
  }
  if (recovered) {
    undoRecovery(connection, segment)
    return
  }
  if (!connection.sack) {
    if (tcp.after(send.next, congestion.high) && duplicates > 0) addDuplicates(connection, duplicates)
    else if (round.has(to.ADVANCED)) connection.send.sent.duplicates = 0
  }
  round.resend = Resend.LOST
}

/** Without SACK a duplicate acknowledgment says that something arrived (tcp_add_reno_sack). */
function addDuplicates(connection: Connection, duplicates: number): void {
  const { send, tunables } = connection
  const { sent } = send
  if (duplicates === 0) return
  const before = sent.duplicates
  sent.duplicates += duplicates
  // At least one is missing (tcp_limit_reno_sacked).
  const holes = Math.min(Math.max(sent.lost, 1), sent.size)
  if (sent.duplicates + holes > sent.size) {
    sent.duplicates = sent.size - holes
    connection.reordering = Math.min(sent.size, tunables.maxReordering)
    connection.rack.reordered = true
  }
  connection.delivered += Math.max(0, sent.duplicates - before)
}

/** One acknowledged segment was the hole, the others are among the duplicates (tcp_remove_reno_sacks). */
export function eatDuplicates(connection: Connection, acked: number): void {
  const { sent } = connection.send
  connection.delivered += Math.max(acked - sent.duplicates, 1)
  sent.duplicates = Math.max(0, sent.duplicates - (acked - 1))
  const holes = Math.min(Math.max(sent.lost, 1), sent.size)
  if (sent.duplicates + holes > sent.size) sent.duplicates = sent.size - holes
}

/** tcp_check_sack_reneging: wait half a round trip, then everything is sent again. */
function reneging(connection: Connection): boolean {
  if (!round.has(to.ADVANCED)) return false
  round.flags &= ~to.TIMER
  armReneging(connection)
  return true
}

/** tcp_try_to_open. */
function tryOpen(connection: Connection): void {
  const { congestion, undo } = connection
  if (!anyResent(connection)) undo.stamp = 0
  if (round.has(to.CONGESTED)) enterReduction(connection)
  if (congestion.state !== 'CWR') keepOpen(connection)
}

/** tcp_try_keep_open. */
function keepOpen(connection: Connection): void {
  const { send, congestion } = connection
  const left = send.sent.sacked + send.sent.lost + connection.send.sent.duplicates
  const state = left > 0 || anyResent(connection) ? 'Disorder' : 'Open'
  if (congestion.state === state) return
  setState(connection, state)
  congestion.high = send.next
}

/** tcp_any_retrans_done: is something out that was sent again? */
function anyResent(connection: Connection): boolean {
  const { sent } = connection.send
  return sent.resent > 0 || (sent.size > 0 && (sent.marks(0) & EVER_RESENT) !== 0)
}

/**
 * tcp_packet_delayed: the peer answers something from before the first retransmission. Without SACK a recovery that is
 * held back has forgotten when that was.
 */
function onlyLate(connection: Connection, segment: Segment): boolean {
  const { undo, send, congestion } = connection
  if (undo.stamp === 0) {
    const held = !connection.sack && !tcp.before(send.una, congestion.high)
    return !held && connection.state !== 'SYN-SENT'
  }
  return segment.timestamps && segment.echo !== 0 && tcp.before(segment.echo, undo.stamp)
}

function mayUndo(connection: Connection, segment: Segment): boolean {
  const { undo } = connection
  return undo.possible && (undo.allDuplicates || onlyLate(connection, segment))
}

/** tcp_undo_cwnd_reduction. */
function takeBack(connection: Connection, unmark: boolean): void {
  const { send, congestion, undo, rack } = connection
  if (unmark) send.sent.forgetLost()
  congestion.undo(connection)
  undo.end()
  rack.advanced = true
}

/** tcp_try_undo_recovery. True: the old state is held. */
function undoRecovery(connection: Connection, segment: Segment): boolean {
  if (mayUndo(connection, segment)) takeBack(connection, false)
  else connection.rack.settled()
  if (holdsBack(connection)) return true
  setState(connection, 'Open')
  connection.reneged = false
  return false
}

/** Without SACK duplicates of old segments look like losses until something above the mark is acknowledged. */
function holdsBack(connection: Connection): boolean {
  const { send, congestion, undo } = connection
  if (connection.sack || send.una !== congestion.high) return false
  if (!anyResent(connection)) undo.stamp = 0
  return true
}

/** tcp_try_undo_dsack. */
function undoDuplicates(connection: Connection): boolean {
  if (!connection.undo.allDuplicates) return false
  connection.rack.fooled()
  takeBack(connection, false)
  return true
}

/** tcp_try_undo_partial. True: retransmissions are out, wait for them. */
function undoPartial(connection: Connection, segment: Segment): boolean {
  const { send, undo } = connection
  if (!undo.possible || !onlyLate(connection, segment)) return false
  reordered(connection, round.una)
  if (send.sent.resent > 0) return true
  if (!anyResent(connection)) undo.stamp = 0
  takeBack(connection, true)
  keepOpen(connection)
  return false
}

/** tcp_try_undo_loss. */
function undoTimeout(connection: Connection, segment: Segment, certain: boolean): boolean {
  if (!certain && !mayUndo(connection, segment)) return false
  takeBack(connection, true)
  connection.timeouts = 0
  if (holdsBack(connection)) return true
  if (certain || connection.sack) {
    setState(connection, 'Open')
    connection.reneged = false
  }
  return true
}

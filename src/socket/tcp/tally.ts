/** What a connection counts, and what is remembered of its handshake and of the calls made on it. */
import type { Frame } from '../../link/frame.ts'
import { LARGE } from '../../sim/count.ts'
import type { Nanos } from '../../sim/scheduler.ts'
import { Chrono } from './chrono.ts'
import type { Urgent } from './urgent.ts'

/** Where frames wait while a system call owns the socket. */
export interface Waiting {
  add(frame: Frame): void
  own(time: Nanos): void
}

export class Tally {
  segmentsIn = 0
  segmentsOut = 0
  dataIn = 0
  dataOut = 0
  bytesSent = LARGE
  bytesAcked = LARGE
  bytesReceived = LARGE
  bytesResent = LARGE
  resent = 0
  /** Segments known to have arrived, SYN and FIN included (tp->delivered). */
  delivered = 0
  /** What will be delivered when the program no longer is what held sending back; 0: it is not (app_limited). */
  appLimited = 0x7fffffff
  /** The delivery rate as last seen: so many segments in so many microseconds, while the program held back or not. */
  rateDelivered = LARGE
  rateInterval = 0
  rateLimited = false
  /** When data was last sent, and the last acknowledgment came, in jiffies (lsndtime, rcv_tstamp). */
  lastSent = 0
  lastAcknowledged = 0
  readonly chrono = new Chrono()
  /** Segments delivered by acknowledgments with ECE (delivered_ce). */
  deliveredMarked = 0
  /** How often something arrived after what was sent later (reord_seen); segments that came beyond a gap (rcv_ooopack). */
  reorderings = 0
  outOfOrder = 0
  /** Rows of time-outs; how often a time-out chose another path (timeout_rehash). */
  timeoutRows = 0
  rehashed = 0
  /** When the oldest segment was first sent again, on the timestamp clock; 0: it was not (retrans_stamp). */
  firstResent = 0
  /** Which options our SYN offers (bits of `Offer`), and the window scale in it. */
  offered = 0
  offeredScale = 0
  /** The last ACK of a handshake came, but nobody wants the connection yet (inet_rsk's acked). */
  deferred = false
  /** Somebody waits to write, so the handshake's last ACK may wait for the data (sk_write_pending). */
  savesAck = false
  /** Null until the peer sends urgent data. */
  urgent: Urgent | null = null
  /** Something was learnt of some path when segments were sized last: it may be forgotten. */
  narrow = false
  /** DF: routers may not cut our packets (ip_dont_fragment). */
  whole = true
  /** Not null while a system call owns the socket. */
  backlog: Waiting | null = null
  /** MSG_MORE: the call that is writing will be followed by another. */
  more = false

  constructor() {
    this.bytesSent = 0
    this.bytesAcked = 0
    this.bytesReceived = 0
    this.bytesResent = 0
    this.rateDelivered = 0
  }
}

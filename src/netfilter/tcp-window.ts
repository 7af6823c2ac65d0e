/**
 * One end of a tracked TCP connection as conntrack sees it (struct ip_ct_tcp_state), and the check that a segment
 * lies in the window (tcp_in_window in nf_conntrack_proto_tcp.c; Guido van Rooij, "Real Stateful TCP Packet
 * Filtering in IP Filter", 2000):
 *
 *   I.   seq         <= sender.maxEnd                 not above what the receiver allowed
 *   II.  seq + len   >= sender.end - receiver.maxWin  not older than a whole window
 *   III. ack         <= receiver.end                  no acknowledgment of data nobody sent
 *   IV.  ack         >= receiver.end - 66000          not too late
 *
 * I and III broken make a segment INVALID; II and IV broken only make it ignored.
 */

import { i32 } from '../wire/bytes.ts'
import * as tcp from '../wire/tcp.ts'
import { after, before } from '../wire/tcp.ts'
import { blame, Why } from './tcp-fault.ts'

export const TcpFlag = {
  WINDOW_SCALE: 1,
  SACK_PERMITTED: 2,
  CLOSE_INIT: 4,
  BE_LIBERAL: 8,
  UNACKNOWLEDGED: 16,
  MAX_ACK_SET: 64,
} as const

/** MAXACKWINCONST: how late an acknowledgment may be at least. */
const LATEST_ACK = 66_000

export class TcpEnd {
  /** Highest sequence number + length sent. */
  end = 0
  /** Highest that the other end's window allows: max(ack + win). */
  maxEnd = 0
  /** Largest window advertised. */
  maxWindow = 0
  /** Highest acknowledgment sent. */
  maxAck = 0
  scale = 0
  /** Bits of `TcpFlag`. */
  flags = 0

  clear(): void {
    this.end = 0
    this.maxEnd = 0
    this.maxWindow = 0
    this.maxAck = 0
    this.scale = 0
    this.flags = 0
  }

  /** Takes window scale and SACK permission from a SYN. */
  readOptions(bytes: Uint8Array, at: number): void {
    this.scale = 0
    this.flags = 0
    const stop = at + tcp.headerLength(bytes, at)
    let i = at + tcp.HEADER
    while (i < stop) {
      const kind = bytes[i]
      if (kind === tcp.OPTION_END) return
      if (kind === tcp.OPTION_NOP) {
        i++
        continue
      }
      const size = bytes[i + 1]
      if (i + 1 >= stop || size < 2 || i + size > stop) return
      if (kind === tcp.OPTION_SACK_PERMITTED && size === 2) this.flags |= TcpFlag.SACK_PERMITTED
      else if (kind === tcp.OPTION_WINDOW_SCALE && size === 3) {
        this.scale = bytes[i + 2] > 14 ? 14 : bytes[i + 2]
        this.flags |= TcpFlag.WINDOW_SCALE
      }
      i += size
    }
  }
}

/** The sequence number behind the segment: SYN and FIN count. */
export function segmentEnd(bytes: Uint8Array, at: number, end: number): number {
  const flags = tcp.flags(bytes, at)
  const control = ((flags & tcp.SYN) !== 0 ? 1 : 0) + ((flags & tcp.FIN) !== 0 ? 1 : 0)
  return (tcp.sequence(bytes, at) + (end - at - tcp.headerLength(bytes, at)) + control) | 0
}

/** The right-most edge that SACK blocks name, or `ack` when there are none. */
function sacked(bytes: Uint8Array, at: number, ack: number): number {
  const header = tcp.headerLength(bytes, at)
  // Nearly every segment carries two NOPs and time stamps, and nothing else.
  if (header === tcp.HEADER || (header === 32 && i32(bytes, at + tcp.HEADER) === 0x0101080a)) return ack
  let highest = ack
  const stop = at + header
  let i = at + tcp.HEADER
  while (i < stop) {
    const kind = bytes[i]
    if (kind === tcp.OPTION_END) break
    if (kind === tcp.OPTION_NOP) {
      i++
      continue
    }
    const size = bytes[i + 1]
    if (i + 1 >= stop || size < 2 || i + size > stop) break
    if (kind === tcp.OPTION_SACK && size >= 10) {
      for (let block = i + 2; block + 8 <= i + size; block += 8) {
        const edge = i32(bytes, block + 4)
        if (after(edge, highest)) highest = edge
      }
    }
    i += size
  }
  return highest
}

function begin(
  sender: TcpEnd,
  receiver: TcpEnd,
  bytes: Uint8Array,
  at: number,
  end: number,
  window: number,
  reply: boolean,
): void {
  sender.end = end
  sender.maxEnd = end
  sender.maxWindow = window === 0 ? 1 : window
  sender.readOptions(bytes, at)
  // RFC 7323: both must offer window scaling.
  if (reply && (sender.flags & receiver.flags & TcpFlag.WINDOW_SCALE) === 0) {
    sender.scale = 0
    receiver.scale = 0
  }
}

/** What `inWindow` says of a segment. */
export const Fit = { ACCEPT: 0, IGNORE: 1, INVALID: 2 } as const
export type Fit = (typeof Fit)[keyof typeof Fit]

/** `opening`: the state is SYN_SENT or SYN_RECV. `synSent`: it is SYN_SENT. */
export function inWindow(
  sender: TcpEnd,
  receiver: TcpEnd,
  bytes: Uint8Array,
  at: number,
  segmentStop: number,
  reply: boolean,
  opening: boolean,
  synSent: boolean,
  liberal: boolean,
): Fit {
  const flags = tcp.flags(bytes, at)
  const syn = (flags & tcp.SYN) !== 0
  let seq = tcp.sequence(bytes, at)
  let ack = tcp.acknowledgment(bytes, at)
  let window = tcp.window(bytes, at)
  let end = segmentEnd(bytes, at, segmentStop)
  let sack = (receiver.flags & TcpFlag.SACK_PERMITTED) !== 0 ? sacked(bytes, at, ack) : ack

  if (sender.maxWindow === 0) {
    if (syn) {
      begin(sender, receiver, bytes, at, end, window, reply)
      if ((flags & tcp.ACK) === 0) return Fit.ACCEPT
    } else {
      // In the middle of a connection: its history is lost, this segment is all there is.
      const scaled = window << sender.scale
      sender.end = end
      sender.maxWindow = scaled === 0 ? 1 : scaled
      sender.maxEnd = (end + sender.maxWindow) | 0
      if (receiver.maxWindow === 0) {
        receiver.end = sack
        receiver.maxEnd = sack
      } else if (sack === ((receiver.end + 1) | 0)) receiver.end = (receiver.end + 1) | 0
    }
  } else if (syn && after(end, sender.end) && opening) {
    begin(sender, receiver, bytes, at, end, window, reply)
    if (reply && (flags & tcp.ACK) === 0) return Fit.ACCEPT
  }

  if ((flags & tcp.ACK) === 0 || ((flags & tcp.RST) !== 0 && ack === 0)) {
    ack = receiver.end
    sack = receiver.end
  }
  if ((flags & tcp.RST) !== 0 && seq === 0 && synSent) {
    seq = sender.end
    end = sender.end
  }

  const forgiving = liberal || (sender.flags & TcpFlag.BE_LIBERAL) !== 0
  if (!before(seq, (sender.maxEnd + 1) | 0)) {
    if (forgiving) return Fit.ACCEPT
    blame(Why.SEQ_OVER, sender.maxEnd + 1)
    return Fit.INVALID
  }
  if (!before(sack, (receiver.end + 1) | 0)) {
    if (forgiving) return Fit.ACCEPT
    blame(Why.ACK_OVER, receiver.end + 1)
    return Fit.INVALID
  }
  const latest = sender.maxWindow > LATEST_ACK ? sender.maxWindow : LATEST_ACK
  const old = receiver.maxWindow !== 0 && !after(end, (sender.end - receiver.maxWindow - 1) | 0)
  if (old || !after(sack, (receiver.end - latest - 1) | 0)) {
    if (forgiving) return Fit.ACCEPT
    if (old) blame(Why.SEQ_UNDER, sender.end - receiver.maxWindow - 1)
    else blame(Why.ACK_UNDER, receiver.end - latest - 1)
    return Fit.IGNORE
  }

  if (!syn) window <<= sender.scale
  const scaled = window + ((sack - ack) | 0)
  if (sender.maxWindow < scaled) sender.maxWindow = scaled
  if (after(end, sender.end)) {
    sender.end = end
    sender.flags |= TcpFlag.UNACKNOWLEDGED
  }
  if ((flags & tcp.ACK) !== 0 && ((sender.flags & TcpFlag.MAX_ACK_SET) === 0 || after(ack, sender.maxAck))) {
    sender.maxAck = ack
    sender.flags |= TcpFlag.MAX_ACK_SET
  }
  if (receiver.maxWindow !== 0 && after(end, sender.maxEnd)) receiver.maxWindow += (end - sender.maxEnd) | 0
  if (after((sack + window) | 0, (receiver.maxEnd - 1) | 0)) {
    receiver.maxEnd = (sack + window + (window === 0 ? 1 : 0)) | 0
  }
  if (ack === receiver.end) receiver.flags &= ~TcpFlag.UNACKNOWLEDGED
  return Fit.ACCEPT
}

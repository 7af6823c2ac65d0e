/**
 * Urgent data as Linux has it (tcp_check_urg, tcp_recv_urg): one byte, the one before where the urgent pointer points, is
 * kept apart from the stream unless SO_OOBINLINE says otherwise. Reading stops in front of it.
 */
import * as tcp from '../../wire/tcp.ts'
import type { ReceiveQueue } from './receive.ts'
import type { Segment } from './segment.ts'

/** What has become of the urgent byte: none is known; it is awaited, here, or was read (TCP_URG_*). */
type Urgency = 'none' | 'awaited' | 'here' | 'taken'

export class Urgent {
  #state: Urgency = 'none'
  /** Its sequence number (urg_seq). */
  #at = 0
  #byte = 0

  /** Is there an urgent byte that was not read? (POLLPRI) */
  get here(): boolean {
    return this.#state === 'here'
  }

  get known(): boolean {
    return this.#state !== 'none'
  }

  get taken(): boolean {
    return this.#state === 'none' || this.#state === 'taken'
  }

  /** A segment with URG came; its data are not queued yet. `standard`: the pointer names the byte itself (tcp_stdurg). */
  arrived(segment: Segment, receive: ReceiveQueue, inline: boolean, standard: boolean): void {
    const { bytes, dataAt, header } = segment
    const pointer = tcp.urgent(bytes, dataAt - header)
    const at = (segment.sequence + (pointer > 0 && !standard ? pointer - 1 : pointer)) | 0
    // Known already, read already, or an old one again.
    if (tcp.after(receive.copied, at) || tcp.before(at, receive.next)) return
    if (this.#state !== 'none' && !tcp.after(at, this.#at)) return
    // Of two in a row the first falls out of the stream.
    if (this.#state !== 'none' && !inline && this.#at === receive.copied && receive.readable > 0) receive.skip(1)
    this.#state = 'awaited'
    this.#at = at
  }

  /** The byte itself may be in this segment. */
  look(segment: Segment): void {
    if (this.#state !== 'awaited') return
    const offset = (this.#at - segment.sequence) | 0
    if (offset < 0 || offset >= segment.dataLength) return
    this.#byte = segment.bytes[segment.dataAt + offset]
    this.#state = 'here'
  }

  /** recv() with MSG_OOB. */
  take(into: Uint8Array, keep: boolean): number {
    if (!keep) this.#state = 'taken'
    if (into.length === 0) return 0
    into[0] = this.#byte
    return 1
  }

  /** SIOCINQ: bytes in front of it, or all (tcp_inq). */
  ahead(receive: ReceiveQueue): number {
    const offset = this.#offset(receive)
    return offset >= 0 && offset < receive.readable ? offset : receive.readable
  }

  /** How many of the unread bytes recv() takes in one go: as far as the urgent one, which it passes over. */
  readable(receive: ReceiveQueue, inline: boolean): number {
    const all = receive.readable
    const offset = this.#offset(receive)
    if (offset > 0 && offset < all) return offset
    return offset === 0 && !inline && all > 0 ? all - 1 : all
  }

  /** Before a read: the urgent byte, when it is the next, is not part of the stream. */
  step(receive: ReceiveQueue, inline: boolean): void {
    if (!inline && this.#offset(receive) === 0 && receive.readable > 0) receive.skip(1)
  }

  /** After a read: what was passed is forgotten. */
  passed(receive: ReceiveQueue): void {
    if (this.#state !== 'none' && tcp.after(receive.copied, this.#at)) this.#state = 'none'
  }

  /** Bytes in front of it; below zero when there is none ahead. */
  #offset(receive: ReceiveQueue): number {
    return this.#state === 'none' ? -1 : (this.#at - receive.copied) | 0
  }
}

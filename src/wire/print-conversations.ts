/** TCP's sequence numbers from zero on, as tcpdump shows them. */
import * as tcp from './tcp.ts'

/** The first sequence numbers of a connection, of the side that sorts first and of the other. */
interface FirstNumbers {
  forward: number
  backward: number
}

/** What tcpdump remembers between packets, so that sequence numbers begin at zero. */
export class TcpConversations {
  #known = new Map<string, FirstNumbers>()

  /** The numbers to subtract in this segment; the first segment of a conversation is shown as it is. */
  of(source: string, from: number, destination: string, to: number, flags: number, seq: number, ack: number): Offsets {
    if ((flags & tcp.ACK) === 0) return { sequence: 0, acknowledgment: 0, sack: 0 }
    const reverse = from === to ? source > destination : from > to
    const key = reverse ? `${destination} ${to} ${source} ${from}` : `${source} ${from} ${destination} ${to}`
    const numbers = this.#known.get(key)
    if (numbers === undefined || flags & tcp.SYN) {
      const fresh = reverse ? { forward: ack - 1, backward: seq } : { forward: seq, backward: ack - 1 }
      this.#known.set(key, fresh)
      return { sequence: 0, acknowledgment: 0, sack: reverse ? fresh.forward : fresh.backward }
    }
    const sequence = reverse ? numbers.backward : numbers.forward
    const acknowledgment = reverse ? numbers.forward : numbers.backward
    return { sequence, acknowledgment, sack: acknowledgment }
  }
}

export interface Offsets {
  readonly sequence: number
  readonly acknowledgment: number
  readonly sack: number
}

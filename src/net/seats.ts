/** Interface indices of a namespace, in order; some are kept for devices that come later. */

/** Steps of this spread devices' reachable times evenly, for one draw of the namespace. */
const GOLDEN = 0.618_033_988_75

/** What a device gets when it joins: its interface index, and where its reachable times begin (from 0 to 1). */
export interface Seat {
  readonly index: number
  readonly chance: number
}

/** The seat that is so many behind this one. */
export function seatBehind({ index, chance }: Seat, by: number): Seat {
  return { index: index + by, chance: (chance + by * GOLDEN) % 1 }
}

export class Seats {
  #next: Seat

  constructor(chance: number) {
    this.#next = { index: 1, chance }
  }

  /** The first of so many. */
  take(count: number): Seat {
    const first = this.#next
    this.#next = seatBehind(first, count)
    return first
  }

  /** Is no seat behind it taken? */
  isLast(seat: Seat): boolean {
    return seat.index + 1 === this.#next.index
  }
}

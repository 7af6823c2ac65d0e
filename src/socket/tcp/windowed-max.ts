/**
 * The largest of the latest values, in constant memory: the best, and the best two since, take each other's place as they
 * grow old (lib/win_minmax.c, after Kathleen Nichols).
 */
export class WindowedMax {
  readonly #length: number
  // Values, and the rounds they were seen in: best, second, third.
  readonly #values = new Float64Array(3)
  readonly #rounds = new Int32Array(3)

  /** Values older than so many rounds do not count. */
  constructor(length: number) {
    this.#length = length
  }

  get value(): number {
    return this.#values[0]
  }

  reset(round: number, value: number): void {
    this.#values.fill(value)
    this.#rounds.fill(round)
  }

  add(round: number, value: number): void {
    if (value >= this.#values[0] || round - this.#rounds[2] > this.#length) return this.reset(round, value)
    if (value >= this.#values[1]) this.#set(1, round, value)
    else if (value >= this.#values[2]) this.#set(2, round, value)
    this.#age(round, value)
  }

  /** Puts it into this place and all behind. */
  #set(place: number, round: number, value: number): void {
    this.#values.fill(value, place)
    this.#rounds.fill(round, place)
  }

  /** The best is too old: the others move up. A part of the window passed without a second or third: take this. */
  #age(round: number, value: number): void {
    const rounds = this.#rounds
    const age = round - rounds[0]
    if (age > this.#length) {
      this.#shift(round, value)
      if (round - rounds[0] > this.#length) this.#shift(round, value)
    } else if (rounds[1] === rounds[0] && age > this.#length >> 2) this.#set(1, round, value)
    else if (rounds[2] === rounds[1] && age > this.#length >> 1) this.#set(2, round, value)
  }

  #shift(round: number, value: number): void {
    this.#values.copyWithin(0, 1)
    this.#rounds.copyWithin(0, 1)
    this.#set(2, round, value)
  }
}

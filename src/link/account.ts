/**
 * What passes of known flows have counted and not yet written down. A pass through a node moves some thirty counters:
 * of devices, rules, the namespace. Nobody reads them while frames are on their way, so a pass counts its frames once,
 * and its tallies are settled when the scheduler rests, and before anybody reads or sets a counter from inside an event.
 */
import type { Tally } from './step.ts'

/** As many bytes are settled at once, so that the sum stays a small integer. */
const MOST = 2 ** 30

/** The frames of one pass. */
export class Account {
  readonly #tallies: readonly Tally[]
  /** How many bytes of a frame each tally counts, more than the frame had when it came in: headers come and go. */
  readonly #more: readonly number[]
  packets = 0
  #bytes = 0

  constructor(tallies: readonly Tally[], more: readonly number[]) {
    this.#tallies = tallies
    this.#more = more
  }

  /** A frame of this length came in. */
  count(length: number): void {
    if (this.packets === 0) open(this)
    this.packets++
    this.#bytes += length
    if (this.#bytes > MOST) this.settle()
  }

  /** So many frames came in, of so many bytes together. */
  countAll(packets: number, bytes: number): void {
    if (this.packets === 0) open(this)
    this.packets += packets
    this.#bytes += bytes
    if (this.#bytes > MOST) this.settle()
  }

  settle(): void {
    const { packets } = this
    const bytes = this.#bytes
    this.packets = 0
    this.#bytes = 0
    for (let i = 0; i < this.#tallies.length; i++) this.#tallies[i].add(packets, bytes + packets * this.#more[i])
  }
}

/** The accounts that have something to settle: the first `opened` of these. */
const accounts: (Account | null)[] = []
const state = { opened: 0 }

function open(account: Account): void {
  accounts[state.opened++] = account
}

/** Every counter says what it would without passes. */
export function settleCounters(): void {
  for (let i = 0; i < state.opened; i++) {
    accounts[i]?.settle()
    accounts[i] = null
  }
  state.opened = 0
}

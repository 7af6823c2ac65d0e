/**
 * What a sender with data waits for (tcp_chrono_start of net/ipv4/tcp_output.c): for acknowledgments, for the peer's window,
 * or for room in its own buffer. One of them at a time, the last of these before the first. Times are jiffies.
 */
export const Limit = { NONE: 0, BUSY: 1, WINDOW: 2, BUFFER: 3 } as const
export type Limit = (typeof Limit)[keyof typeof Limit]

export class Chrono {
  limit: Limit = Limit.NONE
  #since = 0
  #busy = 0
  #window = 0
  #buffer = 0

  start(limit: Limit, now: number): void {
    if (limit > this.limit) this.#set(limit, now)
  }

  /** What it waited for is there; other data are still on their way. */
  stop(limit: Limit, now: number): void {
    if (limit === this.limit) this.#set(Limit.BUSY, now)
  }

  /** Everything written is acknowledged. */
  rest(now: number): void {
    if (this.limit !== Limit.NONE) this.#set(Limit.NONE, now)
  }

  /** How long there was something to send, and how much of it waited for the peer, and for the buffer. */
  busy(now: number): number {
    return this.#busy + this.window(now) + this.buffer(now) + this.#running(Limit.BUSY, now)
  }

  window(now: number): number {
    return this.#window + this.#running(Limit.WINDOW, now)
  }

  buffer(now: number): number {
    return this.#buffer + this.#running(Limit.BUFFER, now)
  }

  #running(limit: Limit, now: number): number {
    return this.limit === limit ? now - this.#since : 0
  }

  #set(limit: Limit, now: number): void {
    if (this.limit === Limit.BUSY) this.#busy += now - this.#since
    else if (this.limit === Limit.WINDOW) this.#window += now - this.#since
    else if (this.limit === Limit.BUFFER) this.#buffer += now - this.#since
    this.limit = limit
    this.#since = now
  }
}

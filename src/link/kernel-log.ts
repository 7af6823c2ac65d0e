/**
 * The kernel's log (kernel/printk): what dmesg prints. A machine has one, and all its namespaces write into it, as
 * containers share the kernel.
 */
import { HZ, jiffies } from '../sim/jiffies.ts'
import { Ring } from '../sim/ring.ts'
import type { Nanos, Scheduler } from '../sim/scheduler.ts'

/** KERN_EMERG to KERN_DEBUG. */
export const LogLevel = { EMERG: 0, ALERT: 1, CRIT: 2, ERR: 3, WARNING: 4, NOTICE: 5, INFO: 6, DEBUG: 7 } as const

/** Facilities of syslog that write here: the kernel, and programs through /dev/kmsg. */
export const LogFacility = { KERN: 0, USER: 1 } as const

export interface LogRecord {
  /** Since the machine started. */
  readonly time: Nanos
  readonly facility: number
  readonly level: number
  /** One line. */
  readonly text: string
}

/** The ring holds so much text and so many records (CONFIG_LOG_BUF_SHIFT 17); the oldest make room. */
const MOST_TEXT = 1 << 17
const MOST_RECORDS = 1 << 12
/** What a record costs besides its text: the number of its descriptor. */
const RECORD_COST = 8
/** A longer line is cut (LOG_LINE_MAX). */
const LONGEST = 1024 - 48

export class KernelLog {
  /** net.core.message_cost in seconds, net.core.message_burst: the limit that network messages share. */
  cost = 5
  burst = 10
  /** net.netfilter.nf_log_all_netns: LOG writes here from every namespace, not only from the machine's own. */
  allNamespaces = false
  /** Nothing is written: what happens now happened before the ring's memory. */
  muted = false
  #scheduler: Scheduler
  #records = new Ring<LogRecord>()
  #text = 0
  #listeners = new Set<(record: LogRecord) => void>()
  /** struct ratelimit_state: when the interval began, in jiffies (-1: it has not), what is left of it, who was refused. */
  #begin = -1
  #left = 0
  #missed = 0

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
  }

  /** printk: each line of the text is a record. */
  print(level: number, text: string, facility: number = LogFacility.KERN): void {
    if (this.muted) return
    for (const line of text.split('\n')) {
      this.#append({ time: this.#scheduler.now, facility, level, text: line.slice(0, LONGEST) })
    }
  }

  /** net_ratelimit: may one more message be written? All that ask share one allowance. */
  allows(): boolean {
    if (this.cost <= 0 || this.burst <= 0) {
      this.#begin = -1
      return this.cost === 0 || this.burst > 0
    }
    const now = jiffies(this.#scheduler.now)
    if (this.#begin < 0) {
      this.#begin = now
      this.#left = this.burst
    }
    if (now > this.#begin + this.cost * HZ) {
      this.#begin = now
      this.#left = this.burst
      if (this.#missed > 0) this.print(LogLevel.WARNING, `net_ratelimit: ${this.#missed} callbacks suppressed`)
      this.#missed = 0
    }
    if (this.#left > 0) {
      this.#left--
      return true
    }
    this.#missed++
    return false
  }

  /** What is in the ring, oldest first. */
  list(): LogRecord[] {
    return this.#records.list()
  }

  /** SYSLOG_ACTION_CLEAR. */
  clear(): void {
    while (this.#records.shift() !== null);
    this.#text = 0
  }

  /** Hears of each new record until the returned function is called. */
  listen(listener: (record: LogRecord) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  #append(record: LogRecord): void {
    this.#records.push(record)
    this.#text += cost(record)
    while (this.#text > MOST_TEXT || this.#records.size > MOST_RECORDS) {
      const oldest = this.#records.shift()
      if (oldest !== null) this.#text -= cost(oldest)
    }
    for (const listener of this.#listeners) listener(record)
  }
}

function cost({ text }: LogRecord): number {
  return RECORD_COST + ((text.length + 7) & ~7)
}

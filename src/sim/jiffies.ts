/**
 * Linux's timer wheel (kernel/time/timer.c). A kernel timer never fires early, and the further away it is the
 * coarser its tick: up to 63 jiffies to one jiffy, up to 511 to eight, and so on. That is why three ARP probes
 * "one second apart" stand 1.007 s, 1.024 s, 1.024 s apart in a capture. HZ is 250, as in Debian and Ubuntu.
 */
import type { Nanos } from './scheduler.ts'

export const HZ = 250
export const JIFFY: Nanos = 1_000_000_000 / HZ

/** Jiffies since the world began. */
export function jiffies(now: Nanos): number {
  return Math.floor(now / JIFFY)
}

/** When a kernel timer fires that was set at `now` for `delay` later. */
export function wheel(now: Nanos, delay: Nanos): Nanos {
  const base = Math.floor(now / JIFFY)
  const expires = base + Math.ceil(delay / JIFFY)
  let granularity = 1
  for (let reach = 63; expires - base >= reach && granularity < 1 << 21; reach *= 8) granularity *= 8
  return (Math.floor(expires / granularity) + 1) * granularity * JIFFY
}

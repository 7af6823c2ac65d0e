/** Measures one point in this process, which should have done nothing else: V8 compiles for what it has seen. */
import { type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks'
import { Explainer } from '../capture/explainer.ts'
import { bytesPerFrame } from './allocation.ts'
import type { Load } from './load.ts'
import type { Point } from './points.ts'

/** Hop by hop; with the flow cache; hop by hop with every decision told to an explainer. */
export type Variant = 'hop' | 'cache' | 'traced'

export interface Effort {
  /** How long to measure. */
  readonly seconds: number
  /** How long before that; the point knows when left out. */
  readonly warm?: number
  /** Warm up by the wall's clock: a process of several threads has no CPU time of one. */
  readonly byWall?: boolean
  /** Look at allocation, too: after the rest, since the profiler leaves V8 slower. */
  readonly allocation?: boolean
}

export interface Measurement {
  readonly point: string
  /** A Variant, or how a peer did it. */
  readonly variant: string
  readonly frames: number
  /** Of wall time. */
  readonly seconds: number
  readonly cpuSeconds: number
  /** Part of the wall time in which V8 collected garbage; null for a peer. */
  readonly gcShare: number | null
  /** Milliseconds until the network stood. */
  readonly buildMs: number
  /** Null when it was not looked at. */
  readonly bytesPerFrame: number | null
  /** Of payload, per second of wall time; null where no application reads any. */
  readonly gbps: number | null
}

/** Enough for V8 to sample a fraction of a byte per frame. */
const ALLOCATION_BATCHES = 4000
/** Batches between two looks at the clock, when a batch is short. */
const BLOCK = 20
/** In seconds. */
const SHORT = 0.0005

export async function measure(point: Point, variant: Variant, effort: Effort): Promise<Measurement> {
  const built = performance.now()
  const load = point.load(variant === 'cache')
  const buildMs = performance.now() - built
  if (variant === 'traced') load.world.trace(new Explainer(load.world))
  load.prepare?.()
  run(load, effort.warm ?? point.warm, effort.byWall === true ? wallClock : cpuClock)
  const collections: PerformanceEntry[] = []
  const observer = new PerformanceObserver((list) => void collections.push(...list.getEntries()))
  observer.observe({ entryTypes: ['gc'] })
  const began = performance.now()
  const [frames, sent] = [load.received, load.sent]
  const bytes = load.bytes ?? 0
  const { seconds, cpuSeconds, batches } = run(load, effort.seconds, wallClock)
  const ended = performance.now()
  // Entries reach an observer in a later turn.
  await new Promise((resolve) => setTimeout(resolve, 1))
  collections.push(...observer.takeRecords())
  observer.disconnect()
  const within = collections.filter(({ startTime }) => startTime >= began && startTime < ended)
  const collected = within.reduce((sum, { duration }) => sum + duration, 0)
  const arrived = load.received - frames
  const lost = sent === undefined || load.sent === undefined ? 0 : load.sent - sent - arrived
  if (load.bad > 0 || lost > 0 || arrived === 0) {
    throw new Error(`${point.id}: ${load.bad} frames arrived wrong, ${lost} did not, ${arrived} did`)
  }
  const read = (load.bytes ?? 0) - bytes
  if (load.bytes !== undefined && read === 0) throw new Error(`${point.id}: no byte arrived`)
  // As long as was measured, unless that is more than sampling needs.
  const looked = Math.min(ALLOCATION_BATCHES, batches)
  return {
    point: point.id,
    variant,
    frames: arrived,
    seconds,
    cpuSeconds,
    gcShare: collected / (ended - began),
    buildMs,
    bytesPerFrame: effort.allocation === true ? await bytesPerFrame(load, looked) : null,
    gbps: load.bytes === undefined ? null : (read * 8) / seconds / 1e9,
  }
}

/** Batches for at least so long; what the load does between batches is not counted. */
function run(
  load: Load,
  atLeast: number,
  clock: () => number,
): { seconds: number; cpuSeconds: number; batches: number } {
  let seconds = 0
  let cpuMicroseconds = 0
  let batches = 0
  let spent = 0
  let block = 1
  do {
    if (tired(load)) load.rest?.()
    const cpu = process.cpuUsage()
    const began = performance.now()
    const before = clock()
    let now = before
    while (!tired(load) && now - before + spent < atLeast) {
      for (let i = 0; i < block && !tired(load); i++) {
        load.batch()
        batches++
      }
      const last = now
      now = clock()
      block = now - last < SHORT ? Math.min(BLOCK, block * 2) : 1
    }
    const used = process.cpuUsage(cpu)
    seconds += (performance.now() - began) / 1000
    spent += clock() - before
    cpuMicroseconds += used.user + used.system
  } while (spent < atLeast)
  return { seconds, cpuSeconds: cpuMicroseconds / 1e6, batches }
}

/** In seconds. */
function wallClock(): number {
  return performance.now() / 1000
}

/** Of this process, in seconds: on a busy machine warming up takes longer, not less. */
function cpuClock(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

function tired(load: Load): boolean {
  return load.tired === true
}

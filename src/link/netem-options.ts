/** What netem is told to do (struct tc_netem_qopt and its attributes), and its chance tables. */
import type { Nanos } from '../sim/scheduler.ts'

/** A chance from 0 to 1, and how much each draw depends on the one before, 0 to 1. */
export interface Chance {
  readonly probability: number
  readonly correlation: number
}

export type Distribution = 'uniform' | 'normal' | 'pareto' | 'paretonormal'

/** Loss by a Markov chain of four states; each from 0 to 1. */
export interface StateLoss {
  readonly p13: number
  readonly p31: number
  readonly p32: number
  readonly p23: number
  readonly p14: number
}

/** Gilbert-Elliott loss: p good to bad, r bad to good, h loss in the bad state, k1 loss in the good one. */
export interface GilbertElliottLoss {
  readonly p: number
  readonly r: number
  readonly h: number
  readonly k1: number
}

export interface NetemOptions {
  readonly limit: number
  readonly delay: Nanos
  readonly jitter: Nanos
  readonly delayCorrelation: number
  readonly distribution: Distribution
  readonly loss: Chance | null
  readonly stateLoss: StateLoss | null
  readonly gemodel: GilbertElliottLoss | null
  readonly duplicate: Chance | null
  readonly corrupt: Chance | null
  readonly reorder: Chance | null
  /** One of this many frames is overtaken; 0: no reordering. */
  readonly gap: number
  /** Bytes per second; 0: as fast as can be. */
  readonly rate: number
  /** Bytes that each frame takes besides its own; may be negative. */
  readonly packetOverhead: number
  readonly cellSize: number
  readonly cellOverhead: number
  /** A cable keeps order however its delay varies; netem proper does not. */
  readonly ordered: boolean
}

export const PLAIN: NetemOptions = {
  limit: 1000,
  delay: 0,
  jitter: 0,
  delayCorrelation: 0,
  distribution: 'uniform',
  loss: null,
  stateLoss: null,
  gemodel: null,
  duplicate: null,
  corrupt: null,
  reorder: null,
  gap: 0,
  rate: 0,
  packetOverhead: 0,
  cellSize: 0,
  cellOverhead: 0,
  ordered: false,
}

const SIZE = 4096
/** NETEM_DIST_SCALE: a table's value for one standard deviation. */
export const SCALE = 8192
/** Sixteen bits hold no more than four deviations. */
const LARGEST = 32_767 / SCALE
const tables = new Map<Distribution, Int16Array>()

/** Values of the distribution at 4096 equally likely places, in units of 1/8192 of the jitter; null: uniform. */
export function tableOf(distribution: Distribution): Int16Array | null {
  if (distribution === 'uniform') return null
  let table = tables.get(distribution)
  if (table === undefined) {
    const value = quantiles[distribution]
    table = Int16Array.from({ length: SIZE }, (_, i) => {
      const scaled = Math.round(value(i / SIZE) * SCALE)
      return Math.max(-32_768, Math.min(32_767, scaled))
    })
    tables.set(distribution, table)
  }
  return table
}

const quantiles = { normal, pareto, paretonormal } as const

/** Pareto with shape 3, moved to mean 0 and scaled as iproute2's table is. */
function pareto(u: number): number {
  return Math.min(LARGEST, ((1 - u) ** (-1 / 3) - 1.5) * (4 / 3))
}

/** A quarter of the one and three quarters of the other. */
function paretonormal(u: number): number {
  return 0.25 * normal(u) + 0.75 * pareto(u)
}

/** The standard normal quantile, by Newton's method on the distribution function. */
function normal(u: number): number {
  let x = 0
  for (let step = 0; step < 60; step++) {
    const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)
    const move = (cumulative(x) - u) / Math.max(density, 1e-4)
    x = Math.max(-4, Math.min(4, x - Math.max(-0.5, Math.min(0.5, move))))
    if (Math.abs(move) < 1e-9) break
  }
  return x
}

/** The standard normal distribution function, by its power series (exact enough within five deviations). */
function cumulative(x: number): number {
  let term = x
  let sum = x
  for (let k = 1; k < 120; k++) {
    term *= (x * x) / (2 * k + 1)
    sum += term
  }
  return 0.5 + (sum * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI)
}

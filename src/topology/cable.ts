/** What a topology says about a cable, and the impairments that come of it; each direction may differ. */
import { z } from 'zod'
import type { Chance } from '../link/netem-options.ts'
import type { Netem } from '../link/veth.ts'
import { MICROSECOND, type Nanos } from '../sim/scheduler.ts'
import { parseChance, parseDuration, parseRate } from './units.ts'

/** A patch cable and a switch port, unless the topology says otherwise. */
const DELAY = 50 * MICROSECOND
/** Preamble, checksum and gap, which a frame takes on the cable besides its own bytes. */
const FRAMING = 24

const duration = z
  .string()
  .refine((text) => parseDuration(text) !== null, { error: 'a duration with its unit, such as 50us, 10ms or 2s' })
const rate = z.string().refine((text) => parseRate(text) !== null, { error: 'a bit rate, such as 100mbit or 1gbit' })
const chance = z
  .union([z.number(), z.string()], { error: 'a chance, such as 0.01, 1% or, with its correlation, "1% 25%"' })
  .refine((given) => parseChance(given) !== null, {
    error: 'a chance, such as 0.01, 1% or, with its correlation, "1% 25%"',
  })
const jitter = z.string().refine((text) => parseJitter(text) !== null, {
  error: 'a duration with its unit, such as 2ms, or with its correlation "2ms 25%"',
})

const impairments = {
  delay: duration.optional(),
  jitter: jitter.optional(),
  loss: chance.optional(),
  duplicate: chance.optional(),
  corrupt: chance.optional(),
  reorder: chance.optional(),
  /** Only one of this many frames may overtake. */
  gap: z.int().min(1).max(1_000_000).optional(),
  rate: rate.optional(),
  limit: z.int().min(1).max(1_000_000).optional(),
}

export const cable = z.strictObject({
  ...impairments,
  toSwitch: z.strictObject(impairments).optional(),
  fromSwitch: z.strictObject(impairments).optional(),
})

export type CableSpec = z.infer<typeof cable>
type Impairments = NonNullable<CableSpec['toSwitch']>

/** `2ms`, `2ms 25%`. */
function parseJitter(text: string): { readonly jitter: Nanos; readonly correlation: number } | null {
  const [first, second, ...more] = text.trim().split(/\s+/)
  const found = parseDuration(first)
  const correlation = second === undefined ? { probability: 0 } : parseChance(second)
  if (found === null || correlation === null || more.length > 0) return null
  return { jitter: found, correlation: correlation.probability }
}

/** Both directions of a machine's cable: what all cables have, and what this one has besides. */
export function directionsOf(
  all: CableSpec | undefined,
  own: CableSpec | undefined,
): { readonly toSwitch: Netem; readonly fromSwitch: Netem } {
  const direction = (name: 'toSwitch' | 'fromSwitch') => netemOf({ ...all, ...all?.[name], ...own, ...own?.[name] })
  return { toSwitch: direction('toSwitch'), fromSwitch: direction('fromSwitch') }
}

/** The plain cable when it is enough, else netem's engine. */
function netemOf(spec: Impairments): Netem {
  const delay = (spec.delay === undefined ? null : parseDuration(spec.delay)) ?? DELAY
  const varied = (spec.jitter === undefined ? null : parseJitter(spec.jitter)) ?? { jitter: 0, correlation: 0 }
  const bits = (spec.rate === undefined ? null : parseRate(spec.rate)) ?? 0
  const [loss, duplicate, corrupt, reorder] = [spec.loss, spec.duplicate, spec.corrupt, spec.reorder].map(chanceOf)
  const limit = spec.limit ?? 1000
  const rare = duplicate !== null || corrupt !== null || reorder !== null
  const correlated = varied.correlation > 0 || (loss !== null && loss.correlation > 0)
  if (!rare && !correlated && (spec.limit === undefined || bits > 0)) {
    return { delay, jitter: varied.jitter, loss: loss?.probability ?? 0, rate: bits, limit }
  }
  const gap = reorder === null ? 0 : (spec.gap ?? 1)
  return {
    engine: {
      delay,
      jitter: varied.jitter,
      delayCorrelation: varied.correlation,
      loss,
      duplicate,
      corrupt,
      reorder,
      gap,
      rate: bits / 8,
      packetOverhead: FRAMING,
      limit,
    },
  }
}

function chanceOf(given: number | string | undefined): Chance | null {
  const chance = given === undefined ? null : parseChance(given)
  return chance !== null && chance.probability > 0 ? chance : null
}

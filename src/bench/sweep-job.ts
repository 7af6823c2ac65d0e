/** One run of a sweep: plain data, so that any process on any machine can do it, and what came out. */

import { parseChance, parseDuration, parseRate } from '../topology/units.ts'
import { measure } from './measure.ts'
import { sweptPoint } from './sweep-points.ts'
import { runTopology, type TopologyRun } from './sweep-topology.ts'
import type { Values } from './sweep-values.ts'
import { flow } from './tcp-flow.ts'

export type Swept =
  | { readonly kind: 'tcp'; readonly seconds: number }
  | { readonly kind: 'bench'; readonly point: string; readonly seconds: number }
  | ({ readonly kind: 'topology' } & TopologyRun)

export interface Job {
  /** Its place in the sweep. */
  readonly index: number
  readonly swept: Swept
  readonly parameters: Values
  readonly seed: number
}

export interface Outcome {
  /** The same wherever the job runs. */
  readonly outcomes: Readonly<Record<string, number | string>>
  /** What depends on the machine. */
  readonly timed: Readonly<Record<string, number>>
  readonly error: string | null
}

/** Never throws: what goes wrong is the outcome. */
export async function runJob(job: Job): Promise<Outcome> {
  const began = performance.now()
  try {
    const { outcomes, timed } = await done(job)
    const wall = Math.round((performance.now() - began) * 1000) / 1e6
    return { outcomes, timed: { ...timed, wallSeconds: wall }, error: null }
  } catch (error) {
    return { outcomes: {}, timed: {}, error: error instanceof Error ? error.message : String(error) }
  }
}

async function done({ swept, parameters, seed }: Job): Promise<Pick<Outcome, 'outcomes' | 'timed'>> {
  if (swept.kind === 'tcp') return { outcomes: tcp(parameters, swept.seconds, seed), timed: {} }
  if (swept.kind === 'topology') return { outcomes: await runTopology(swept, parameters, seed), timed: {} }
  const point = sweptPoint(swept.point, parameters)
  const variant = parameters.flowCache === false ? 'hop' : 'cache'
  const { frames, seconds, gbps } = await measure(point, variant, { seconds: swept.seconds, byWall: true })
  const timed = { nsPerFrame: (seconds * 1e9) / frames, framesPerSecond: Math.round(frames / seconds) }
  return { outcomes: {}, timed: gbps === null ? timed : { ...timed, gbps } }
}

function tcp({ control = 'cubic', ...given }: Values, seconds: number, seed: number) {
  const text = (name: string, otherwise: string) => String(given[name] ?? otherwise)
  const cable = {
    delay: parseDuration(text('delay', '1ms')) ?? 0,
    jitter: parseDuration(text('jitter', '0ms')) ?? 0,
    loss: parseChance(text('loss', '0'))?.probability ?? 0,
    rate: parseRate(text('rate', '1gbit')) ?? 1e9,
    limit: Number(given.queue ?? 1000),
  }
  const { goodput, ...more } = flow({ control: String(control), cable, seconds, seed })
  return { goodputMbit: Math.round(goodput / 1000) / 1000, ...more, virtualSeconds: seconds + 1 }
}

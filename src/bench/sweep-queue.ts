/**
 * A sweep on many machines: BullMQ's jobs in Redis or Valkey. A job has an id that follows from what the sweep is, and its
 * outcome is kept under that id: however often it is handed out, because a worker died or the sweep was started again, there
 * is one outcome.
 */
import { createHash } from 'node:crypto'
import type { Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import { VERSION } from '../capture/version.ts'
import type { Job, Outcome } from './sweep-job.ts'
import { SweepPool } from './sweep-pool.ts'

export const QUEUE = 'podwire-sweep'
/** A worker that has not been heard of for so long is dead, in milliseconds. */
const LOCK = 5000
const LOOK = 250
/** Jobs that are added, and looked for, together. */
const MANY = 500
/** A job is handed out again as often as its workers die. */
const RETRIES = 1_000_000

interface Posted {
  readonly podwire: string
  readonly job: Job
}

/** @throws RangeError when nobody answers at the address. */
async function connect(url: string): Promise<Redis> {
  const { Redis } = await import('ioredis')
  const redis = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: null, retryStrategy: () => null })
  let reason = ''
  redis.on('error', (error: Error) => {
    reason = error.message
  })
  try {
    await redis.connect()
    await redis.ping()
  } catch (error) {
    // Why is told in an event, which may come after "Connection is closed."
    await new Promise((resolve) => setTimeout(resolve, 50))
    redis.disconnect()
    throw new RangeError(`podwire: no Redis or Valkey at ${url}: ${reason === '' ? (error as Error).message : reason}`)
  }
  // From now on a server that goes away is waited for.
  redis.options.retryStrategy = (times) => Math.min(times * 100, 2000)
  return redis
}

/** The same for the same jobs of the same version. */
export function runIdOf(jobs: readonly Job[]): string {
  return createHash('sha256')
    .update(JSON.stringify([VERSION, jobs]))
    .digest('hex')
    .slice(0, 16)
}

export interface Listener {
  arrived(job: Job, outcome: Outcome): void
  /** Nobody works. */
  alone(): void
}

/** BullMQ, without the native part that its packing of messages would look for: package.json overrides it with an empty package. */
function bullmq(): Promise<typeof import('bullmq')> {
  process.env.MSGPACKR_NATIVE_ACCELERATION_DISABLED = 'true'
  return import('bullmq')
}

/** Has all jobs done by workers elsewhere; each outcome is told once. */
export async function sweepByQueue(url: string, jobs: readonly Job[], listener: Listener): Promise<void> {
  const redis = await connect(url)
  const { Queue } = await bullmq()
  const queue = new Queue<Posted, Outcome>(QUEUE, { connection: redis })
  const run = runIdOf(jobs)
  const idOf = (job: Job) => `${run}-${job.index}`
  const pending = new Map(jobs.map((job) => [idOf(job), job]))
  try {
    // What an earlier start of this sweep has left is there already, and is not added again.
    for (const some of slices(jobs)) await add(queue, some, idOf)
    for (let look = 0; pending.size > 0; look++) {
      for (const some of slices([...pending])) {
        const found = await Promise.all(some.map(([id]) => state(redis, queue, id)))
        const lost: Job[] = []
        for (const [i, [id, job]] of some.entries()) {
          const outcome = found[i]
          if (outcome === 'lost') lost.push(job)
          if (outcome === null || outcome === 'lost') continue
          pending.delete(id)
          listener.arrived(job, outcome)
        }
        // A server that kept nothing on its disk, and began anew.
        if (lost.length > 0) await add(queue, lost, idOf)
      }
      if (look === 8 && (await queue.getWorkersCount()) === 0) listener.alone()
      if (pending.size > 0) await new Promise((resolve) => setTimeout(resolve, LOOK))
    }
    for (const some of slices(jobs)) await Promise.all(some.map((job) => queue.remove(idOf(job))))
  } finally {
    await queue.close()
    redis.disconnect()
  }
}

async function add(queue: Queue<Posted, Outcome>, jobs: readonly Job[], idOf: (job: Job) => string): Promise<void> {
  await queue.addBulk(
    jobs.map((job) => ({ name: 'job', data: { podwire: VERSION, job }, opts: { jobId: idOf(job), attempts: 1 } })),
  )
}

/** Null: not yet. */
async function state(redis: Redis, queue: Queue, id: string): Promise<Outcome | null | 'lost'> {
  const [name, value, failed] = await redis.hmget(queue.toKey(id), 'name', 'returnvalue', 'failedReason')
  if (name === null) return 'lost'
  if (value !== null) return JSON.parse(value) as Outcome
  return failed === null ? null : { outcomes: {}, timed: {}, error: failed }
}

function* slices<Item>(items: readonly Item[]): Generator<readonly Item[]> {
  for (let i = 0; i < items.length; i += MANY) yield items.slice(i, i + MANY)
}

/** Does jobs until it is told to stop; the one that it is at is done first. */
export async function workForQueue(url: string, threads: number, until: Promise<unknown>): Promise<number> {
  const redis = await connect(url)
  const { UnrecoverableError, Worker } = await bullmq()
  const pool = new SweepPool(threads)
  let done = 0
  const work = async ({ data }: { data: Posted }): Promise<Outcome> => {
    if (data.podwire !== VERSION) {
      throw new UnrecoverableError(`the sweep is podwire ${data.podwire}'s, and a worker is podwire ${VERSION}`)
    }
    const outcome = await pool.run(data.job)
    done++
    return outcome
  }
  const options = { connection: redis, concurrency: threads, lockDuration: LOCK, stalledInterval: LOCK }
  const worker = new Worker<Posted, Outcome>(QUEUE, work, { ...options, maxStalledCount: RETRIES })
  // Connections that break are made again; a job whose lock is lost was given to somebody else.
  worker.on('error', () => {})
  await worker.waitUntilReady()
  await until
  await worker.close()
  await pool.close()
  redis.disconnect()
  return done
}

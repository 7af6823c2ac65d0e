/** `podwire bench sweep`: every combination of parameters with every seed, on all cores or on many machines. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { VERSION } from '../capture/version.ts'
import { type Opened, readSweep, type Sweep } from './sweep-file.ts'
import type { Job } from './sweep-job.ts'
import { SweepPool } from './sweep-pool.ts'
import { sweepByQueue, workForQueue } from './sweep-queue.ts'
import { type Result, resultOf, sweepCsv, sweepText } from './sweep-table.ts'

export interface SweepOptions {
  /** Of Redis or Valkey. */
  readonly redis?: string
  readonly worker?: boolean
  readonly threads?: number
  readonly json?: boolean
  readonly csv?: boolean
  /** A topology, and what it may name. */
  readonly open: (path: string) => Opened
  readonly progress: (text: string) => void
  /** Tells a worker to stop. */
  readonly stopped: () => Promise<unknown>
}

/** Returns the exit code: 1 when a job failed. */
export async function sweep(file: string | undefined, options: SweepOptions): Promise<number> {
  const threads = options.threads ?? availableParallelism()
  if (options.worker === true) return work(file, threads, options)
  if (file === undefined) throw new RangeError('podwire: which sweep? Give its file (YAML), or --worker')
  if (!existsSync(file) || !statSync(file).isFile()) throw new RangeError(`podwire: there is no file ${file}`)
  const read = await readSweep(file, readFileSync(file, 'utf8'), options.open)
  const results = await resultsOf(read, threads, options)
  results.sort((a, b) => a.job - b.job)
  if (options.json) {
    process.stdout.write(
      `${JSON.stringify({ podwire: VERSION, name: read.name, jobs: results.length, results }, null, 2)}\n`,
    )
  } else process.stdout.write(options.csv ? sweepCsv(results) : sweepText(results))
  return results.some(({ error }) => error !== null) ? 1 : 0
}

async function resultsOf({ jobs }: Sweep, threads: number, { redis, progress }: SweepOptions): Promise<Result[]> {
  const results: Result[] = []
  const arrived = (job: Job, outcome: Parameters<typeof resultOf>[1]) => {
    results.push(resultOf(job, outcome))
    progress(`${results.length} of ${jobs.length} jobs`)
  }
  if (redis !== undefined) {
    const alone = () => say(`no worker yet: start some by podwire bench sweep --worker --redis ${redis}`)
    await sweepByQueue(redis, jobs, { arrived, alone })
  } else {
    const pool = new SweepPool(threads)
    await Promise.all(jobs.map(async (job) => arrived(job, await pool.run(job))))
    await pool.close()
  }
  return results
}

function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

async function work(file: string | undefined, threads: number, { redis, stopped }: SweepOptions) {
  if (redis === undefined) throw new RangeError('podwire: --worker needs --redis URL, where the jobs are')
  if (file !== undefined) throw new RangeError(`podwire: a worker gets its jobs from ${redis}, not from ${file}`)
  say(`${threads} thread${threads === 1 ? '' : 's'} for jobs from ${redis}; Ctrl-C ends it after those it is at`)
  const done = await workForQueue(redis, threads, stopped())
  say(`${done} jobs done`)
  return 0
}

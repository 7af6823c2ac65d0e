/** Parts of a world in threads of their own: what starts them, and what they do. */
import { existsSync, readFileSync } from 'node:fs'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import type { FileAccess } from '../topology/load.ts'
import { TopologyError } from '../topology/problem.ts'
import type { Launch } from './crew.ts'
import type { Place } from './exchange.ts'
import { type Job, type Message, Partition } from './partition.ts'

/** The argument of such a thread: whoever has another one need not load node:worker_threads to know that it is none. */
const PART = '--podwire-part'

/** What a thread begins with. */
interface Task {
  readonly podwire: 'partition'
  readonly job: Job
  readonly place: Place
  /** What the topology's files are named relative to. */
  readonly file: string
}

interface Verdict {
  readonly step: number
  readonly goOn: boolean
}

/** What went wrong in a thread: errors lose their class on their way, and some cannot travel at all. */
interface Fault {
  readonly type: 'fault'
  /** Something that the user asked for, told in a sentence. */
  readonly asked: boolean
  readonly text: string
}

/** Starts threads of the module `entry`, which calls `serveThread`. */
export function launchThreads(entry: URL, file: string): Launch {
  return (job, place, hear) => {
    const task: Task = { podwire: 'partition', job, place, file }
    const worker = new Worker(entry, { workerData: task, argv: [PART] })
    const done = new Promise<void>((resolve, reject) => {
      worker.on('message', (message: Message | Fault) => {
        if (message.type === 'fault')
          return reject(message.asked ? new RangeError(message.text) : faultOf(message.text))
        hear(message)
        if (message.type === 'end') resolve()
      })
      worker.on('error', reject)
      worker.on('exit', (code) => reject(new Error(`podwire bug: a thread ended with code ${code}`)))
    })
    return {
      done,
      verdict: (step, goOn) => worker.postMessage({ step, goOn } satisfies Verdict),
      dismiss: () => void worker.terminate(),
    }
  }
}

/** Is this a thread that `launchThreads` has started? */
export function isPartThread(): boolean {
  if (process.argv[2] !== PART) return false
  return !isMainThread && (workerData as Partial<Task> | null)?.podwire === 'partition'
}

/** What such a thread does. `files` gives access to what the topology of this file names. */
export async function serveThread(files: (file: string) => FileAccess): Promise<void> {
  const { job, place, file } = workerData as Task
  const port = parentPort
  if (port === null) throw new Error('podwire bug: no thread')
  const verdicts = new Map<number, (goOn: boolean) => void>()
  port.on('message', ({ step, goOn }: Verdict) => verdicts.get(step)?.(goOn))
  const verdict = (step: number) =>
    new Promise<boolean>((resolve) => {
      verdicts.set(step, resolve)
    })
  const hear = (message: Message) => port.postMessage(message, message.type === 'chunk' ? [message.chunk.bytes] : [])
  try {
    await Partition.run(job, place, files(file), { hear, verdict, cpuTime })
  } catch (error) {
    const asked = error instanceof RangeError || error instanceof TopologyError
    const text = error instanceof Error ? (asked ? error.message : (error.stack ?? error.message)) : String(error)
    port.postMessage({ type: 'fault', asked, text } satisfies Fault)
  }
  port.close()
}

function faultOf(text: string): Error {
  const error = new Error(text.split('\n')[0])
  error.stack = text
  return error
}

/** Linux tells it in nanoseconds. */
function cpuTime(): number {
  const stat = '/proc/thread-self/schedstat'
  return existsSync(stat) ? Number(readFileSync(stat, 'utf8').split(' ')[0]) / 1e6 : 0
}

/** Threads that are none: all parts of the world run in turns in the thread of the caller. For tests, and to look into. */
import type { FileAccess } from '../topology/load.ts'
import type { Launch } from './crew.ts'
import { Partition } from './partition.ts'

export function launchInTurns(files: FileAccess): Launch {
  return (job, place, hear) => {
    const verdicts = new Map<number, (goOn: boolean) => void>()
    const verdict = (step: number) =>
      new Promise<boolean>((resolve) => {
        verdicts.set(step, resolve)
      })
    return {
      done: Partition.run(job, place, files, {
        // A step that is told may be judged at once: whoever told it has to ask first.
        hear: (message) => (message.type === 'step' ? queueMicrotask(() => hear(message)) : hear(message)),
        verdict,
        cpuTime: () => 0,
      }),
      verdict: (step, goOn) => verdicts.get(step)?.(goOn),
      dismiss: () => {},
    }
  }
}

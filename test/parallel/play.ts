/** Plays a topology on several threads, or on threads that take turns in this one, and keeps what was captured. */
import { MemorySink } from '../../src/capture/byte-sink.ts'
import { PcapngStream } from '../../src/capture/capture-stream.ts'
import { Crew, type CrewResult, type Launch } from '../../src/parallel/crew.ts'
import { launchInTurns } from '../../src/parallel/in-turns.ts'
import type { FileAccess } from '../../src/topology/load.ts'
import { loadTopology } from '../../src/topology/load.ts'
import type { StepResult } from '../../src/topology/steps.ts'

export interface Played {
  readonly result: CrewResult
  readonly steps: readonly StepResult[]
  readonly said: string
  /** Everything, as pcapng. */
  readonly file: Uint8Array
}

const none: FileAccess = { readFile: () => null, listFolder: () => null }

export async function play(
  text: string,
  threads: number,
  files: FileAccess = none,
  launch: Launch = launchInTurns(files),
  inTurns = true,
  capture: readonly string[] = [],
): Promise<Played> {
  const steps: StepResult[] = []
  let said = ''
  const say = (words: string) => {
    said += words
  }
  const memory = new MemorySink()
  const streams: PcapngStream[] = []
  const result = await Crew.run(
    loadTopology('lab.yaml', text, files),
    {
      threads,
      capture,
      inTurns,
      listener: { say, command: (line) => say(`$ ${line}\n`), output: say },
      onCapture: (capture) => {
        const stream = new PcapngStream(capture, memory)
        streams.push(stream)
        capture.listen(stream)
      },
      onStep: (step) => steps.push(step),
    },
    launch,
  )
  for (const stream of streams) stream.finish()
  return { result, steps, said, file: memory.file() }
}

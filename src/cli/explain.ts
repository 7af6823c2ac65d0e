/** `podwire explain`: the way of one packet, from a capture that podwire wrote, or from a topology that is run for it. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import pc from 'picocolors'
import { type CaptureFile, PcapError } from '../capture/capture-file.ts'
import { isPcapng, readCapture } from '../capture/pcapng-reader.ts'
import { candidate, choose } from '../explain/choose.ts'
import { isNumbered, recordingOfFile } from '../explain/file-recording.ts'
import { journeyOf } from '../explain/journey.ts'
import { journeyJson } from '../explain/journey-json.ts'
import { journeyText } from '../explain/journey-text.ts'
import { recordingOf } from '../explain/lab-recording.ts'
import { type Paint, plain } from '../explain/paint.ts'
import type { Recording } from '../explain/recording.ts'
import { Lab } from '../topology/lab.ts'
import { runStep, type StepListener } from '../topology/steps.ts'
import { disk, readTopology, shown } from './open.ts'
import { Progress } from './progress.ts'

export interface ExplainOptions {
  readonly on?: string
  readonly filter?: string
  readonly packet?: number
  readonly json?: boolean
  /** Decisions in words only. */
  readonly brief?: boolean
  readonly seed?: number
}

/** So many other packets are listed. */
const LISTED = 10

/** Returns the exit code; refuses with a RangeError. */
export async function explain(file: string, frame: string | undefined, options: ExplainOptions): Promise<number> {
  const { on, filter, packet } = options
  const number = frame === undefined ? undefined : frameNumber(frame)
  if ([number, on, filter, packet].every((given) => given === undefined)) {
    throw new RangeError('podwire: which frame? Give its number in all.pcapng, or --on, --filter or --packet')
  }
  const recording = await recordingFrom(file, options)
  const wanted = {
    ...(number === undefined ? {} : { number }),
    ...(on === undefined ? {} : { on }),
    ...(filter === undefined ? {} : { filter }),
    ...(packet === undefined ? {} : { packet }),
  }
  const choice = choose(recording, wanted)
  const journey = journeyOf(recording, choice.frame)
  if (options.json) {
    process.stdout.write(`${JSON.stringify(journeyJson(recording, journey), null, 2)}\n`)
    return 0
  }
  process.stdout.write(journeyText(recording, journey, { paint: terminalPaint(), brief: options.brief === true }))
  if (!recording.explained) {
    process.stdout.write(`${file} was written without explanations (--no-explain): only its frames are known.\n`)
  }
  const { others } = choice
  if (others.length > 0) {
    const lines = others.slice(0, LISTED).map((other) => `  ${candidate(recording, other)}`)
    const more = others.length > LISTED ? [`  and ${others.length - LISTED} more`] : []
    const what = others.length === 1 ? '1 other packet matches' : `${others.length} other packets match`
    process.stdout.write(`\n${what}:\n${[...lines, ...more].join('\n')}\n`)
  }
  return 0
}

/** Colours on a terminal only. */
export function terminalPaint(): Paint {
  return pc.isColorSupported && process.stdout.isTTY === true ? pc : plain
}

/** How a topology is run otherwise than it says. */
export interface RunChanges {
  readonly seed?: number
  /** Changes its text. */
  readonly edit?: (text: string) => string
  /** Lines to type before its steps. */
  readonly before?: readonly string[]
}

/** A capture is read; a topology is run with its steps, and everything is traced. */
export async function recordingFrom(file: string, options: RunChanges): Promise<Recording> {
  const capture = captureAt(file)
  if (capture !== null) {
    if (options.edit !== undefined)
      throw new RangeError(`podwire: ${file} is a capture: only topologies can be changed`)
    return recordingOfCapture(file, capture)
  }
  const topology = readTopology(file, options.edit)
  const progress = new Progress(true)
  progress.show(`running ${topology.name ?? shown(file)}`)
  const seed = options.seed === undefined ? {} : { seed: options.seed }
  const lab = await Lab.build(topology, { ...disk(file), capture: [], explain: true, ...seed })
  try {
    for (const line of options.before ?? []) await lab.type(line, { out: () => {}, err: () => {} })
    for (const [i, step] of topology.steps.entries()) await runStep(lab, step, i + 1, silent)
  } finally {
    lab.recorder?.stopExplaining()
  }
  progress.done()
  return recordingOf(lab, topology.name ?? shown(file))
}

export const silent: StepListener = { say: () => {}, command: () => {}, output: () => {} }

function recordingOfCapture(file: string, capture: CaptureFile): Recording {
  if (isNumbered(capture)) return recordingOfFile(capture, shown(file))
  const how = 'podwire explains what it captured itself: podwire run TOPOLOGY --captures DIR writes DIR/all.pcapng'
  const reason = capture.format === 'pcap' ? 'is classic pcap, which holds no explanations' : 'holds no explanations'
  throw new RangeError(`podwire: ${file} ${reason}; ${how}`)
}

/** Null for what is no capture file. @throws RangeError for a damaged one */
function captureAt(file: string): CaptureFile | null {
  if (!existsSync(file) || !statSync(file).isFile()) return null
  const bytes = readFileSync(file)
  if (!isPcapng(bytes) && !isPcap(bytes)) return null
  try {
    return readCapture(bytes)
  } catch (error) {
    if (error instanceof PcapError) throw new RangeError(`podwire: ${file}: ${error.message}`)
    throw error
  }
}

/** Its magic number, in either byte order, for microseconds or nanoseconds. */
function isPcap(bytes: Uint8Array): boolean {
  const magic = bytes.length < 4 ? 0 : new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
  return [0xa1b2c3d4, 0xd4c3b2a1, 0xa1b23c4d, 0x4d3cb2a1].includes(magic)
}

function frameNumber(text: string): number {
  const number = Number(text)
  if (!Number.isInteger(number) || number < 1) {
    throw new RangeError(`podwire: ${JSON.stringify(text)} is no frame number: they count from 1`)
  }
  return number
}

/** Capture files on the disk: one for each interface under its machine or pod, and all in one. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Recorder } from '../topology/recorder.ts'

export const formats = ['pcapng', 'pcap', 'both'] as const
export type CaptureFormat = (typeof formats)[number]

export interface WrittenCaptures {
  readonly files: number
  readonly frames: number
  /** The file with every interface; null when only classic pcap was asked for, which holds one interface. */
  readonly all: string | null
}

/** Writes what was captured, empty interfaces left out. */
export function writeCaptures(recorder: Recorder, folder: string, format: CaptureFormat): WrittenCaptures {
  let files = 0
  let frames = 0
  const write = (path: string, bytes: Uint8Array) => {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, bytes)
    files++
  }
  for (const [name, captured] of uniqueNames(recorder)) {
    if (captured.frames === 0) continue
    frames += captured.frames
    if (format !== 'pcap') write(join(folder, `${name}.pcapng`), captured.pcapng())
    if (format !== 'pcapng') write(join(folder, `${name}.pcap`), captured.pcap())
  }
  const all = format === 'pcap' ? null : join(folder, 'all.pcapng')
  if (all !== null) write(all, recorder.capture.pcapng())
  return { files, frames, all }
}

/** A pod that was deleted and one made later may share a name: the later file gets a number. */
function uniqueNames(recorder: Recorder): [string, ReturnType<Recorder['interfaces']>[number]][] {
  const used = new Map<string, number>()
  return recorder.interfaces().map((captured) => {
    const count = (used.get(captured.name) ?? 0) + 1
    used.set(captured.name, count)
    return [count === 1 ? captured.name : `${captured.name}.${count}`, captured]
  })
}

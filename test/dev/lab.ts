/** Labs for tests: built, typed at, watched. */
import { afterEach, expect } from 'vitest'
import { Capture } from '../../src/capture/capture.ts'
import type { Lab } from '../../src/dev/lab-file.ts'
import { LabWorld } from '../../src/dev/lab-world.ts'
import { DEFAULT_EPOCH } from '../../src/host/run.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import { printFrame } from '../../src/wire/print.ts'

export const underlay = { cidr: '192.168.14.0/24', gateway: '192.168.14.1' }
let built: LabWorld | null = null

afterEach(async () => {
  const last = built
  built = null
  await last?.runner.runFor(40 * SECOND)
  expect(last?.world.frames.inUse ?? 0).toBe(0)
})

export async function build(lab: Lab): Promise<LabWorld> {
  built = await LabWorld.build(lab, 1)
  return built
}

export async function type(lab: LabWorld, at: string, line: string): Promise<string> {
  let said = ''
  const keep = (text: string) => {
    said += text
  }
  const place = lab.places.get(at)
  if (place === undefined) throw new Error(`no place ${at}`)
  await lab.runner.until(place.shell(line, { out: keep, err: keep }).exit)
  return said
}

export function serve(lab: LabWorld, at: string, line: string): void {
  lab.places.get(at)?.shell(line, { out: () => {}, err: () => {} })
}

/** What one interface shows while a command runs. */
export function watch(lab: LabWorld, device: string): string[] {
  const lines: string[] = []
  const watched = lab.device(device)
  if (watched === null) throw new Error(`no device ${device}`)
  const capture = new Capture(lab.world, DEFAULT_EPOCH)
  capture.attach(watched, device, device)
  const tap = watched.tap
  watched.tap = (frame, by, direction) => {
    tap?.(frame, by, direction)
    lines.push(`${direction} ${printFrame(frame.bytes, frame.start, frame.end)}`)
  }
  return lines
}

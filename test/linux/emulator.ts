/** Runs a case's commands in podwire. */
import { Capture } from '../../src/capture/capture.ts'
import { clamped, snapshotOf } from '../../src/dev/lab-snapshot.ts'
import type { Built } from './case.ts'
import type { Run } from './compare.ts'
import { readPcap } from './frames.ts'

const SECOND = 1e9
/** Between two commands; the kernel's run has the same. */
const PAUSE = 0.2 * SECOND
const AFTERMATH = 0.5 * SECOND

export async function runInPodwire({ lab, namespaces, commands }: Built): Promise<Run> {
  const { runner, world } = lab
  const capture = new Capture(world, 0)
  for (const netns of namespaces) {
    for (const device of netns.devices.values()) {
      if (device === netns.loopback) continue
      const name = `${netns.name}/${device.name}`
      capture.attach(device, name, name)
    }
  }
  const starts: number[] = []
  const exits: number[] = []
  const quiet = { out: () => {}, err: () => {} }
  for (const { place, line } of commands) {
    starts.push(world.scheduler.now / SECOND)
    exits.push(await runner.until(place.shell(line, quiet).exit))
    await runner.runFor(PAUSE)
  }
  await runner.runFor(AFTERMATH)
  const seen = capture.interfaces()
  // tcpdump's ring keeps no more of a frame than fits the device's MTU.
  const frames = seen.map((each) => [each.name, readPcap(clamped(each.pcap(), snapshotOf(each.device.mtu)))] as const)
  return { starts, exits, frames: new Map(frames) }
}

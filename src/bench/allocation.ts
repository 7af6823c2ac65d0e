/** Bytes allocated per frame, by Node's sampling heap profiler: objects that were collected again count too. */
import { Session } from 'node:inspector/promises'
import type { Load } from './load.ts'

interface SampledNode {
  readonly callFrame: { readonly url: string }
  readonly selfSize: number
  readonly children: readonly SampledNode[]
}

/** `batches`: how long to look. */
export async function bytesPerFrame(load: Load, batches: number): Promise<number> {
  const run = () => {
    for (let i = 0; i < batches && load.tired !== true; i++) load.batch()
  }
  load.rest?.()
  run()
  load.rest?.()
  const session = new Session()
  session.connect()
  const before = load.received
  await session.post('HeapProfiler.startSampling', {
    samplingInterval: 512,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  } as object)
  run()
  const { profile } = await session.post('HeapProfiler.stopSampling')
  session.disconnect()
  return size(profile.head) / (load.received - before)
}

/** Without what the profiler itself makes, such as a table of the lines of our source. */
function size({ callFrame, selfSize, children }: SampledNode): number {
  const own = callFrame.url.startsWith('node:inspector') ? 0 : selfSize
  return children.reduce((sum, child) => sum + size(child), own)
}

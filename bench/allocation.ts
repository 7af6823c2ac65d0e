/** Bytes allocated per frame, by Node's sampling heap profiler: objects that were collected again count too. */
import { Session } from 'node:inspector/promises'
import type { Traffic } from './traffic.ts'

const BATCHES = 4000

interface SampledNode {
  readonly selfSize: number
  readonly children: readonly SampledNode[]
}

export async function bytesPerFrame(traffic: Traffic): Promise<number> {
  for (let i = 0; i < BATCHES; i++) traffic.batch()
  const session = new Session()
  session.connect()
  const before = traffic.received
  await session.post('HeapProfiler.startSampling', {
    samplingInterval: 512,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  } as object)
  for (let i = 0; i < BATCHES; i++) traffic.batch()
  const { profile } = await session.post('HeapProfiler.stopSampling')
  session.disconnect()
  const size = (node: SampledNode): number => node.selfSize + node.children.reduce((sum, child) => sum + size(child), 0)
  return size(profile.head) / (traffic.received - before)
}

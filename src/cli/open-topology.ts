/** A topology file, built: how programs of the library begin. */
import { fileURLToPath } from 'node:url'
import { Lab } from '../topology/lab.ts'
import { disk, readTopology } from './open.ts'

export interface OpenOptions {
  /** Instead of the topology's own. */
  readonly seed?: number
  /** Capture from time zero: interfaces by globs, all when empty; nothing when left out. */
  readonly capture?: readonly string[]
}

/**
 * Reads, checks and builds what a topology file describes, without its steps: the lab stands, and waits for commands.
 * @throws TopologyError with every problem of the file.
 */
export function openTopology(file: string | URL, options: OpenOptions = {}): Promise<Lab> {
  const path = typeof file === 'string' ? file : fileURLToPath(file)
  const { seed, capture = null } = options
  return Lab.build(readTopology(path), { ...disk(path), capture, ...(seed === undefined ? {} : { seed }) })
}

/** Opens a topology file: reads, checks, builds. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, isAbsolute, join, relative } from 'node:path'
import { Lab } from '../topology/lab.ts'
import { type FileAccess, loadTopology } from '../topology/load.ts'
import { TopologyError } from '../topology/problem.ts'
import type { TopologyFile } from '../topology/schema.ts'
import type { CaptureFormat } from './captures.ts'

export interface CaptureOptions {
  readonly captures?: string
  readonly format: CaptureFormat
  readonly interfaces: readonly string[]
  readonly seed?: number
}

/** @throws TopologyError with every problem of the file. */
export function readTopology(file: string): TopologyFile {
  if (!existsSync(file) || !statSync(file).isFile()) {
    const problem = {
      file,
      position: null,
      path: '',
      found: `there is no file ${file}`,
      expected: 'a topology file (YAML)',
    }
    throw new TopologyError([problem], () => null)
  }
  return loadTopology(file, readFileSync(file, 'utf8'), disk(file))
}

/** Files are looked for beside the topology first, then from where the command was typed. */
export function disk(topologyFile: string): FileAccess {
  const find = (path: string): string | null => {
    const beside = isAbsolute(path) ? path : join(dirname(topologyFile), path)
    if (existsSync(beside)) return beside
    return existsSync(path) ? path : null
  }
  return {
    readFile: (path) => {
      const found = find(path)
      return found !== null && statSync(found).isFile() ? readFileSync(found, 'utf8') : null
    },
    listFolder: (path) => {
      const found = find(path)
      return found !== null && statSync(found).isDirectory() ? readdirSync(found).sort() : null
    },
  }
}

/** Builds the lab; everything is captured from time zero when `capture` says so. */
export function openLab(file: string, topology: TopologyFile, options: CaptureOptions, capture: boolean): Promise<Lab> {
  return Lab.build(topology, {
    ...disk(file),
    capture: capture ? options.interfaces : null,
    ...(options.seed === undefined ? {} : { seed: options.seed }),
  })
}

/** For messages: short, from where the user stands. */
export function shown(path: string): string {
  const short = relative(process.cwd(), path)
  return short === '' || short.startsWith('..') ? path : short
}

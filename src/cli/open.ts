/** Opens a topology file: reads, checks, builds. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, isAbsolute, join, relative } from 'node:path'
import type { Listened } from '../capture/capture-listener.ts'
import { compileFilter } from '../capture/pcap-filter.ts'
import type { Section } from '../capture/pcapng-writer.ts'
import type { FlowTables } from '../capture/unmask.ts'
import type { FlowTable } from '../netfilter/flow-table.ts'
import { InterfaceChoice } from '../topology/interface-choice.ts'
import { Lab } from '../topology/lab.ts'
import { type FileAccess, loadTopology } from '../topology/load.ts'
import { TopologyError } from '../topology/problem.ts'
import type { TopologyFile } from '../topology/schema.ts'
import type { CaptureOptions } from './capture-options.ts'
import { CaptureFiles } from './captures.ts'

/** @throws TopologyError with every problem of the file. */
export function readTopology(file: string, edit = (text: string) => text): TopologyFile {
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
  return loadTopology(file, edit(readFileSync(file, 'utf8')), disk(file))
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

export type { CaptureOptions } from './capture-options.ts'

/** Builds the lab; everything is captured from time zero, into memory, when `capture` says so. */
export function openLab(
  file: string,
  topology: TopologyFile,
  options: Partial<CaptureOptions>,
  capture: boolean,
): Promise<Lab> {
  return Lab.build(topology, {
    ...disk(file),
    capture: capture ? (options.interfaces ?? []) : null,
    // What nobody writes down, nobody needs to explain.
    explain: options.explain === true && options.captures !== undefined,
    ...(options.seed === undefined ? {} : { seed: options.seed }),
  })
}

/**
 * Builds the lab and does something with it. With --captures everything is written from time zero on, and whatever goes wrong,
 * what was captured is in the files. `keepFrames`: captured frames stay in memory, too, for expectations.
 */
export async function withLab<Result>(
  file: string,
  topology: TopologyFile,
  options: CaptureOptions,
  keepFrames: boolean,
  use: (lab: Lab, files: CaptureFiles | null) => Promise<Result>,
): Promise<Result> {
  const opened: CaptureFiles[] = []
  let result: Result
  let built: Lab | null = null
  try {
    const lab = await Lab.build(topology, {
      ...disk(file),
      capture: keepFrames || options.captures !== undefined ? options.interfaces : null,
      keepFrames,
      explain: options.explain === true && options.captures !== undefined,
      ...(options.seed === undefined ? {} : { seed: options.seed }),
      onRecorder: (recorder, lab) => {
        const tables = () => flowTables(lab)
        if (options.captures !== undefined) opened.push(openFiles(recorder, options.captures, options, tables))
      },
    })
    built = lab
    result = await use(lab, opened[0] ?? null)
  } finally {
    built?.recorder?.stopExplaining()
    for (const files of opened) files.finish()
  }
  for (const { failure } of opened) if (failure !== null) throw new RangeError(failure)
  return result
}

/** What is captured goes into files from now on. `tables`: what conntrack knows, for --unmask. */
export function openFiles(
  { capture, seed }: { readonly capture: Listened & { section: Section }; readonly seed: number },
  folder: string,
  options: CaptureOptions,
  tables: FlowTables,
): CaptureFiles {
  const { section } = capture
  capture.section = { ...section, comment: `${section.comment}\n${again(options.typed ?? [], seed)}` }
  const { filter = '', snaplen, ring = null, format, unmask = false } = options
  if (unmask && filter === '') throw new RangeError('podwire: --unmask needs --filter, such as "host 10.96.0.10"')
  return new CaptureFiles(capture, folder, {
    format,
    interfaces: new InterfaceChoice(options.interfaces),
    filter: filter === '' ? null : compileFilter(filter),
    filterText: filter,
    ring,
    unmask: unmask ? tables : null,
    ...(snaplen === undefined ? {} : { snaplen }),
  })
}

/** What conntrack knows on all machines and in their pods. */
function* flowTables(lab: Lab): Generator<FlowTable> {
  for (const { netns, namespaces } of lab.machines.values()) {
    yield netns.netfilter.conntrack.flows
    for (const { netfilter } of namespaces.values()) yield netfilter.conntrack.flows
  }
}

/** The command line that makes these captures again; any number of threads does. */
function again(given: readonly string[], seed: number): string {
  const typed = given.map((word, i) =>
    given[i - 1] === '--threads' ? '1' : word.startsWith('--threads=') ? '--threads=1' : word,
  )
  const seeded = typed.some((word) => word === '--seed' || word.startsWith('--seed='))
  const words = seeded ? typed : [...typed, '--seed', String(seed)]
  return [
    'podwire',
    ...words.map((word) => (/^[\w./:,=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)),
  ].join(' ')
}

/** For messages: short, from where the user stands. */
export function shown(path: string): string {
  const short = relative(process.cwd(), path)
  return short === '' || short.startsWith('..') ? path : short
}

/** A job that is a topology: its keys and its commands with other values, and what the commands print. */
import { SECOND } from '../sim/scheduler.ts'
import { Lab } from '../topology/lab.ts'
import { type FileAccess, loadTopology } from '../topology/load.ts'
import { overridden } from '../topology/override.ts'
import type { Values } from './sweep-values.ts'

export interface TopologyRun {
  readonly file: string
  readonly text: string
  /** All files that it names, so that it runs where they are not; null: there is none. */
  readonly files: Readonly<Record<string, string | null>>
  readonly folders: Readonly<Record<string, readonly string[] | null>>
  /** Typed one after the other; `${name}` is a parameter. */
  readonly commands: readonly string[]
  /** Outcomes: regular expressions over all that was printed; what the first group matches. */
  readonly measure: Readonly<Record<string, string>>
}

const PARAMETER = /\$\{([\w.-]+)\}/g

export async function runTopology(run: TopologyRun, parameters: Values, seed: number) {
  const { files, folders } = run
  const access = {
    readFile: (path: string) => files[path] ?? null,
    listFolder: (path: string) => folders[path] ?? null,
  }
  return played(run, access, parameters, seed)
}

/** Every file that is read for it on this machine's disk. @throws TopologyError */
export async function gather(run: Omit<TopologyRun, 'files' | 'folders'>, disk: FileAccess, parameters: Values) {
  const files: Record<string, string | null> = {}
  const folders: Record<string, readonly string[] | null> = {}
  const access: FileAccess = {
    readFile: (path) => (files[path] = disk.readFile(path)),
    listFolder: (path) => (folders[path] = disk.listFolder(path)),
  }
  await built(run, access, parameters, 1)
  return { files, folders }
}

/** What is no parameter of a command is a key of the topology. */
function assignments(commands: readonly string[], parameters: Values): string[] {
  const inCommands = new Set(commands.flatMap((line) => [...line.matchAll(PARAMETER)].map(([, name]) => name)))
  return Object.entries(parameters).flatMap(([name, value]) => (inCommands.has(name) ? [] : [`${name}=${value}`]))
}

function built(
  run: Pick<TopologyRun, 'file' | 'text' | 'commands'>,
  access: FileAccess,
  parameters: Values,
  seed: number,
): Promise<Lab> {
  const text = overridden(run.text, assignments(run.commands, parameters))
  return Lab.build(loadTopology(run.file, text, access), { ...access, capture: null, seed })
}

async function played(run: TopologyRun, access: FileAccess, parameters: Values, seed: number) {
  const lab = await built(run, access, parameters, seed)
  let printed = ''
  let failures = 0
  for (const line of run.commands) {
    const typed = line.replaceAll(PARAMETER, (whole, name) => (name in parameters ? String(parameters[name]) : whole))
    const { code, output } = await lab.say(typed)
    printed += output
    if (code !== 0) failures++
  }
  const measured = Object.entries(run.measure).map(([name, pattern]) => [name, found(pattern, printed)] as const)
  const { taken, dropped } = lab.world.frames
  return {
    ...Object.fromEntries(measured),
    failedCommands: failures,
    frames: taken,
    drops: dropped.reduce((sum, count) => sum + count, 0),
    virtualSeconds: lab.world.scheduler.now / SECOND,
  }
}

/** A number where it is one; empty where nothing matches. */
function found(pattern: string, printed: string): number | string {
  const match = new RegExp(pattern, 'm').exec(printed)
  const text = match?.[1] ?? match?.[0] ?? ''
  return text !== '' && Number.isFinite(Number(text)) ? Number(text) : text
}

/** A sweep's YAML, checked: every problem with its place, and then its jobs. */
import { isControl } from '../socket/tcp/controls.ts'
import { type FileAccess, loadTopology } from '../topology/load.ts'
import { overridden } from '../topology/override.ts'
import { nearest, type Problem, TopologyError } from '../topology/problem.ts'
import { formatPath, type Path, Source } from '../topology/source.ts'
import { parseChance, parseDuration, parseRate } from '../topology/units.ts'
import type { Job, Swept } from './sweep-job.ts'
import { adjustable } from './sweep-points.ts'
import { gather } from './sweep-topology.ts'
import type { Value, Values } from './sweep-values.ts'

const KEYS = ['name', 'run', 'point', 'seconds', 'topology', 'commands', 'measure', 'parameters', 'seeds']
const KINDS = ['tcp', 'bench', 'topology']
/** A sweep is kept whole in memory. */
export const MAXIMUM_JOBS = 1_000_000

export interface Sweep {
  readonly name: string
  readonly jobs: readonly Job[]
}

/** Says what a value should be when it is not. */
type Judge = (value: unknown) => string | null

const judge = {
  duration: (value: unknown) =>
    parseDuration(String(value)) === null ? 'a duration with its unit, such as 10ms' : null,
  rate: (value: unknown) => (parseRate(String(value)) === null ? 'a rate, such as 100mbit' : null),
  chance: (value: unknown) => {
    const given = typeof value === 'number' || typeof value === 'string' ? parseChance(value) : null
    return given === null ? 'a chance, such as 1% or 0.01' : null
  },
  flag: (value: unknown) => (typeof value === 'boolean' ? null : 'true or false'),
  whole: (lowest: number, highest: number) => (value: unknown) => {
    const right = Number.isInteger(value) && (value as number) >= lowest && (value as number) <= highest
    return right ? null : `a whole number from ${lowest} to ${highest}`
  },
  word: (words: readonly string[]) => (value: unknown) =>
    words.includes(String(value)) ? null : `one of: ${words.join(', ')}`,
}

const tcpParameters: Readonly<Record<string, Judge>> = {
  control: (value) => (isControl(String(value)) ? null : 'one of: reno, bbr, cubic'),
  loss: judge.chance,
  delay: judge.duration,
  jitter: judge.duration,
  rate: judge.rate,
  queue: judge.whole(1, 1_000_000),
}

/** `disk`: files that a topology names, seen from it. @throws TopologyError with every problem of the file. */
export async function readSweep(file: string, text: string, open: (path: string) => Opened): Promise<Sweep> {
  const reader = new SweepReader(file, text)
  const { name, swept, parameters, seeds } = reader.read(open)
  reader.fail()
  const whole = await withFiles(swept, parameters, open)
  const jobs: Job[] = []
  for (const values of combinations(parameters)) {
    for (const seed of seeds) jobs.push({ index: jobs.length, swept: whole, parameters: values, seed })
  }
  return { name, jobs }
}

/** A topology's file, and what it may name. */
export interface Opened {
  /** Null when there is no such file. */
  readonly text: string | null
  readonly file: string
  readonly access: FileAccess
}

async function withFiles(swept: Swept, parameters: Parameters, open: (path: string) => Opened): Promise<Swept> {
  if (swept.kind !== 'topology') return swept
  const gathered = { files: {}, folders: {} }
  const { access } = open(swept.file)
  for (const values of combinations(parameters)) {
    const { files, folders } = await gather(swept, access, values)
    Object.assign(gathered.files, files)
    Object.assign(gathered.folders, folders)
    break
  }
  return { ...swept, ...gathered }
}

type Parameters = Readonly<Record<string, readonly Value[]>>

function* combinations(parameters: Parameters): Generator<Values> {
  const names = Object.keys(parameters)
  const at = names.map(() => 0)
  for (;;) {
    yield Object.fromEntries(names.map((name, i) => [name, parameters[name][at[i]]]))
    let i = names.length - 1
    while (i >= 0 && ++at[i] === parameters[names[i]].length) at[i--] = 0
    if (i < 0) return
  }
}

class SweepReader {
  readonly #source: Source
  readonly #text: string
  readonly #problems: Problem[]
  readonly #top: Record<string, unknown>

  constructor(file: string, text: string) {
    this.#text = text
    this.#source = new Source(file, text, 'a YAML mapping with keys such as run, parameters and seeds')
    this.#problems = [...this.#source.problems]
    this.fail()
    const { value } = this.#source
    if (!isMapping(value)) this.#problem([], 'the file is no mapping', 'keys such as run, parameters and seeds')
    this.fail()
    this.#top = value as Record<string, unknown>
  }

  /** @throws TopologyError when there are problems. */
  fail(): void {
    if (this.#problems.length > 0) throw new TopologyError(this.#problems, () => this.#text)
  }

  read(open: (path: string) => Opened) {
    this.#knownKeys([], this.#top, KEYS)
    const kind = this.#choice('run', KINDS)
    const swept = this.#swept(kind, open)
    const parameters = this.#parameters(this.#judges(swept))
    const seeds = this.#seeds()
    const count = Object.values(parameters).reduce((all, values) => all * values.length, seeds.length)
    if (count > MAXIMUM_JOBS) {
      this.#problem(['parameters'], `these are ${count} jobs`, `at most ${MAXIMUM_JOBS}`)
    }
    if (swept.kind === 'topology') this.#tryTopology(swept, parameters)
    return { name: String(this.#top.name ?? kind), swept, parameters, seeds }
  }

  #swept(kind: string, open: (path: string) => Opened): Swept {
    if (kind === 'topology') return this.#topology(open)
    const seconds = this.#top.seconds ?? (kind === 'tcp' ? 10 : 1)
    if (!(typeof seconds === 'number' && seconds > 0 && seconds <= 86_400)) {
      this.#problem(['seconds'], `seconds is ${JSON.stringify(seconds)}`, 'a number above 0, at most 86400')
    }
    for (const key of ['topology', 'commands', 'measure']) this.#unused(key, 'run: topology')
    if (kind !== 'bench') {
      this.#unused('point', 'run: bench')
      return { kind: 'tcp', seconds: seconds as number }
    }
    return { kind, point: this.#choice('point', Object.keys(adjustable)), seconds: seconds as number }
  }

  #topology(open: (path: string) => Opened): Swept {
    for (const key of ['point', 'seconds']) this.#unused(key, 'run: tcp or bench')
    const path = this.#top.topology
    const commands = this.#top.commands
    const measure = this.#top.measure ?? {}
    if (!Array.isArray(commands) || commands.length === 0 || commands.some((line) => typeof line !== 'string')) {
      this.#problem(['commands'], '"commands" is missing or no list of lines', 'a list of command lines')
    }
    if (!isMapping(measure)) this.#problem(['measure'], 'measure is no mapping', 'names with regular expressions')
    else for (const [name, pattern] of Object.entries(measure)) this.#pattern(name, pattern)
    const { text, file } = typeof path === 'string' ? open(path) : { text: null, file: '' }
    if (text === null) {
      const found = typeof path === 'string' ? `there is no file ${path}` : '"topology" is missing'
      this.#problem(['topology'], found, 'a topology file (YAML)')
    }
    this.fail()
    const lines = commands as string[]
    const patterns = measure as Record<string, string>
    return { kind: 'topology', file, text: text ?? '', files: {}, folders: {}, commands: lines, measure: patterns }
  }

  #pattern(name: string, pattern: unknown): void {
    try {
      if (typeof pattern !== 'string') throw new Error('it is no text')
      new RegExp(pattern, 'm')
    } catch (error) {
      this.#problem(['measure', name], (error as Error).message, 'a regular expression')
    }
  }

  /** Keys that are no parameters of a command must be ones of the topology: each value is tried. */
  #tryTopology(swept: Extract<Swept, { kind: 'topology' }>, parameters: Parameters): void {
    for (const [name, values] of Object.entries(parameters)) {
      if (swept.commands.some((line) => line.includes(`\${${name}}`))) continue
      for (const [i, value] of values.entries()) {
        try {
          loadTopology(swept.file, overridden(swept.text, [`${name}=${value}`]))
        } catch (error) {
          const said = (error as Error).message.split('\n')[0].replace(/^error: /, '')
          this.#problem(['parameters', name, i], said, `a key of ${swept.file}, or \${${name}} in a command`)
        }
      }
    }
  }

  /** What parameters there are; null: any. */
  #judges(swept: Swept): Readonly<Record<string, Judge>> | null {
    if (swept.kind === 'topology') return null
    if (swept.kind === 'tcp') return tcpParameters
    const { numbers = {}, words = {} } = adjustable[swept.point] ?? {}
    const bounded = Object.entries(numbers).map(([name, [low, high]]) => [name, judge.whole(low, high)])
    const chosen = Object.entries(words).map(([name, choices]) => [name, judge.word(choices)])
    return Object.fromEntries([...bounded, ...chosen, ['flowCache', judge.flag]])
  }

  #parameters(judges: Readonly<Record<string, Judge>> | null): Parameters {
    const given = this.#top.parameters ?? {}
    if (!isMapping(given)) {
      this.#problem(['parameters'], 'parameters is no mapping', 'names with lists of values')
      return {}
    }
    if (judges !== null) this.#knownKeys(['parameters'], given, Object.keys(judges))
    return Object.fromEntries(
      Object.entries(given).map(([name, value]) => [name, this.#values(name, value, judges?.[name])]),
    )
  }

  #values(name: string, given: unknown, judged: Judge | undefined): readonly Value[] {
    const values: unknown[] = Array.isArray(given) ? given : [given]
    if (values.length === 0) this.#problem(['parameters', name], `${name} has no value`, 'at least one')
    for (const [i, value] of values.entries()) {
      const plain = ['string', 'number', 'boolean'].includes(typeof value)
      const wrong = plain ? (judged?.(value) ?? null) : 'a text, a number, true or false'
      if (wrong === null) continue
      const path = Array.isArray(given) ? ['parameters', name, i] : ['parameters', name]
      this.#problem(path, `${formatPath(path)} is ${JSON.stringify(value)}`, wrong)
    }
    return values as Value[]
  }

  /** A number: seeds from 1 to that; or a list. */
  #seeds(): readonly number[] {
    const given = this.#top.seeds ?? 1
    const whole = (value: unknown) => Number.isInteger(value) && (value as number) >= 0
    if (whole(given) && (given as number) >= 1 && (given as number) <= MAXIMUM_JOBS) {
      return Array.from({ length: given as number }, (_, i) => i + 1)
    }
    if (Array.isArray(given) && given.length > 0 && given.every(whole)) return given
    this.#problem(['seeds'], `seeds is ${JSON.stringify(given)}`, 'how many, from 1, or a list of whole numbers')
    return [1]
  }

  #choice(key: string, choices: readonly string[]): string {
    const value = this.#top[key]
    if (choices.includes(String(value))) return String(value)
    const meant = value === undefined ? null : nearest(String(value), choices)
    const found = value === undefined ? `${JSON.stringify(key)} is missing` : `${key} is ${JSON.stringify(value)}`
    this.#problem([key], found, `one of: ${choices.join(', ')}`, meant)
    return choices[0]
  }

  #unused(key: string, only: string): void {
    if (!(key in this.#top)) return
    this.#problems.push({ ...this.#place([key], key), found: `${key} means nothing here`, expected: `it with ${only}` })
  }

  #knownKeys(path: Path, mapping: Record<string, unknown>, known: readonly string[]): void {
    for (const key of Object.keys(mapping).filter((each) => !known.includes(each))) {
      const meant = nearest(key, known)
      this.#problems.push({
        ...this.#place([...path, key], key),
        found: `unknown key ${JSON.stringify(key)}`,
        expected: `one of: ${known.join(', ')}`,
        ...(meant === null ? {} : { suggestion: `did you mean ${JSON.stringify(meant)}?` }),
      })
    }
  }

  #place(path: Path, key: string) {
    const position = this.#source.positionOfKey(path.slice(0, -1), key)
    return { file: this.#source.file, position, path: formatPath(path) }
  }

  #problem(path: Path, found: string, expected: string, meant: string | null = null): void {
    const suggestion = meant === null ? {} : { suggestion: `did you mean ${JSON.stringify(meant)}?` }
    const place = { file: this.#source.file, position: this.#source.positionOf(path), path: formatPath(path) }
    this.#problems.push({ ...place, found, expected, ...suggestion })
  }
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

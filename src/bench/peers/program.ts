/** A peer's program: found in `bench/peers`, built once by the machine's own compiler and kept, and run. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Line } from './peer.ts'

/** The folder of a peer's sources: in a checkout, in the package, or above a bundle. */
export function sourcesOf(peer: string): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const found = join(folder, 'bench', 'peers', peer)
    if (existsSync(found)) return found
    if (dirname(folder) === folder) throw new Error(`bench/peers/${peer} is missing from this installation`)
  }
}

export interface Build {
  readonly peer: string
  readonly compiler: string
  /** Such as `.c`. */
  readonly suffix: string
  /** Before the sources, and behind them. */
  readonly options: readonly string[]
  readonly libraries: readonly string[]
}

/**
 * Where the built program is. It is kept under its sources' hash in the user's cache, and built again when somebody else could have
 * written it. @throws RangeError with what the compiler said.
 */
export function built({ peer, compiler, suffix, options, libraries }: Build): string {
  const folder = sourcesOf(peer)
  const files = readdirSync(folder).sort()
  const sources = files.filter((file) => file.endsWith(suffix)).map((file) => join(folder, file))
  const version = execFileSync(compiler, ['--version'], { encoding: 'utf8' })
  const hash = createHash('sha256').update(JSON.stringify([version, options, libraries]))
  for (const file of files) hash.update(file).update(readFileSync(join(folder, file)))
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'podwire')
  const program = join(cache, `${peer}-${hash.digest('hex').slice(0, 16)}`)
  if (isOurs(program) && isOurs(cache)) return program
  const unfinished = `${program}.${process.pid}`
  try {
    mkdirSync(cache, { recursive: true, mode: 0o700 })
    execFileSync(compiler, [...options, '-o', unfinished, ...sources, ...libraries], {
      encoding: 'utf8',
      stdio: 'pipe',
    })
    renameSync(unfinished, program)
  } catch (error) {
    rmSync(unfinished, { force: true })
    const said = String((error as { stderr?: unknown }).stderr ?? '') || (error as Error).message
    const worst = said.split('\n').find((line) => /error|cannot|denied/i.test(line)) ?? said.split('\n')[0]
    throw new RangeError(`podwire: --against ${peer}: its program could not be built by ${compiler}: ${worst.trim()}`)
  }
  return program
}

/** Root must not run what another user may write. */
function isOurs(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false })
  return found !== undefined && found.uid === process.getuid?.() && (found.mode & 0o022) === 0
}

/** Programs that run, so that none outlives a bench that is stopped. */
export class Running {
  readonly #children = new Set<ChildProcess>()

  /** Standard output. @throws RangeError with the last line of what it complained. */
  output(peer: string, command: string, args: readonly string[], input = ''): Promise<string> {
    // A group of its own: what it has started ends with it, and Ctrl-C reaches it through us.
    const child = spawn(command, args, { stdio: 'pipe', detached: true, env: { ...process.env, LC_ALL: 'C' } })
    this.#children.add(child)
    return new Promise((resolve, reject) => {
      const said = { out: '', err: '' }
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        said.out += text
      })
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        said.err += text
      })
      child.stdin.on('error', () => {})
      child.stdin.end(input)
      child.on('error', reject)
      child.on('close', (code, signal) => {
        this.#children.delete(child)
        if (code === 0) return resolve(said.out)
        const last = said.err.trim().split('\n').pop() || `it ended with ${signal ?? code}`
        reject(new RangeError(`podwire: --against ${peer}: ${last}`))
      })
    })
  }

  async line(peer: string, command: string, args: readonly string[]): Promise<Line> {
    return JSON.parse(await this.output(peer, command, args)) as Line
  }

  stop(): void {
    for (const { pid } of this.#children) {
      try {
        if (pid !== undefined) process.kill(-pid, 'SIGKILL')
      } catch {
        // It has ended by itself.
      }
    }
  }
}

/** Realises a built world in the kernel of this machine, and runs a case's commands there. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Plan, planOf } from '../../src/bench/peers/plan.ts'
import type { NetDevice } from '../../src/link/device.ts'
import type { Netns } from '../../src/net/netns.ts'
import type { Built } from './case.ts'
import type { Run } from './compare.ts'
import { readPcap, type SeenFrame } from './frames.ts'

const APPS = fileURLToPath(new URL('apps.py', import.meta.url))
/** Beside the interpreter that the system brings, no other has a say. */
const PATH = '/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin'
const PAUSE = 200
/** A bridge uses its ports when it has heard of their carrier: linkwatch tells once a second. */
const LINKWATCH = 1100
const AFTERMATH = 500
const OFFLOADS = 'tx off rx off sg off tso off gso off gro off'

let worlds = 0

/** All names that begin with the prefix belong to this run; whoever cleans up deletes them by it. */
export async function runInKernel(built: Built, prefix: string): Promise<Run> {
  const world = new KernelWorld(built, `${prefix}${process.pid}-${++worlds}-`)
  try {
    await world.make()
    return await world.run()
  } finally {
    await world.end()
  }
}

class KernelWorld {
  readonly #built: Built
  readonly #prefix: string
  readonly #names = new Map<Netns, string>()
  readonly #plans: Plan[]
  readonly #children: ChildProcess[] = []
  readonly #folder = mkdtempSync(join(tmpdir(), 'podwire-linux-'))

  constructor(built: Built, prefix: string) {
    this.#built = built
    this.#prefix = prefix
    for (const [i, netns] of built.namespaces.entries()) this.#names.set(netns, `${prefix}${i}`)
    const made = new Set<NetDevice>()
    this.#plans = built.namespaces.map((netns) => planOf(netns, (each) => this.#name(each), made))
  }

  async make(): Promise<void> {
    const script = ['set -e']
    for (const { netns } of this.#plans) script.push(`ip netns add ${this.#name(netns)}`)
    for (const { netns, sysctls } of this.#plans) {
      const words = sysctls.map((each) => `'${each}'`).join(' ')
      // Some belong to the whole machine and cannot be written here: they stay as they are.
      script.push(`${this.#inside(netns)} sysctl -e -q -w ${words} 2>/dev/null || true`)
    }
    const batch = (program: string, lines: readonly string[]) => {
      if (lines.length > 0) script.push(`${program} -batch - <<'END'`, ...lines, 'END')
    }
    for (const { netns, links } of this.#plans) batch(`ip -n ${this.#name(netns)}`, links)
    for (const { netns, devices } of this.#plans) {
      if (devices.length === 0) continue
      const each = `for d in ${devices.join(' ')}; do ethtool -K $d ${OFFLOADS}; done`
      script.push(`${this.#inside(netns)} sh -c '${each}' >/dev/null 2>&1 || true`)
    }
    for (const { netns, settings, fdb, rules, nft } of this.#plans) {
      batch(`ip -n ${this.#name(netns)}`, settings)
      batch(`bridge -n ${this.#name(netns)}`, fdb)
      if (rules !== '') script.push(`${this.#inside(netns)} iptables-restore <<'END'`, `${rules.trimEnd()}\nEND`)
      if (nft !== '') script.push(`${this.#inside(netns)} nft -f - <<'END'`, `${nft.trimEnd()}\nEND`)
    }
    const { code, output } = await this.#command('bash', ['-s'], script.join('\n'))
    if (code !== 0) throw new Error(`the kernel did not take the world: ${output}`)
  }

  async run(): Promise<Run> {
    const servers = [...this.#built.servers].map(([netns, lines]) => {
      return this.#background(netns, ['/usr/bin/python3', '-ES', APPS, 'all', ...lines], /^ready$/m)
    })
    await Promise.all([...servers, sleep(LINKWATCH)])
    const captured = this.#plans.flatMap(({ netns, devices }) => devices.map((device) => ({ netns, device })))
    const file = (netns: Netns, device: string) => join(this.#folder, `${this.#name(netns)}.${device}.pcap`)
    await Promise.all(
      captured.map(({ netns, device }) => {
        const options = ['-U', '--immediate-mode', '-s0', '-p', '-Z', 'root', '--time-stamp-precision=nano']
        return this.#background(netns, ['tcpdump', ...options, '-i', device, '-w', file(netns, device)], /listening on/)
      }),
    )
    const starts: number[] = []
    const exits: (number | null)[] = []
    for (const { netns, inside } of this.#built.commands) {
      starts.push(Date.now() / 1000)
      const line = inside.replaceAll('python3 apps.py', `/usr/bin/python3 -ES ${APPS}`)
      const { code } = await this.#command('nsenter', [`--net=/run/netns/${this.#name(netns)}`, 'sh', '-c', line], '')
      exits.push(code)
      await sleep(PAUSE)
    }
    await sleep(AFTERMATH)
    await this.#stop('SIGINT')
    const frames = new Map<string, SeenFrame[]>()
    for (const { netns, device } of captured)
      frames.set(`${netns.name}/${device}`, readPcap(readFileSync(file(netns, device))))
    return { starts, exits, frames }
  }

  async end(): Promise<void> {
    await this.#stop('SIGKILL')
    await deleteNamespaces(this.#prefix)
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #name(netns: Netns): string {
    const name = this.#names.get(netns)
    if (name === undefined) throw new Error(`${netns.name} is not part of the world`)
    return name
  }

  #inside(netns: Netns): string {
    return `nsenter --net=/run/netns/${this.#name(netns)}`
  }

  /** Starts what runs to the end, and waits until it says that it is ready. */
  #background(netns: Netns, argv: readonly string[], ready: RegExp): Promise<void> {
    const child = spawn('nsenter', [`--net=/run/netns/${this.#name(netns)}`, ...argv], { env: environment() })
    this.#children.push(child)
    return new Promise((resolve, reject) => {
      let said = ''
      const hear = (piece: Buffer) => {
        said += piece
        if (ready.test(said)) resolve()
      }
      child.stdout.on('data', hear)
      child.stderr.on('data', hear)
      child.on('error', reject)
      child.on('exit', (code) => reject(new Error(`${argv.join(' ')} ended with ${code}: ${said}`)))
    })
  }

  #command(program: string, argv: readonly string[], input: string): Promise<{ code: number | null; output: string }> {
    const child = spawn(program, argv, { env: environment() })
    this.#children.push(child)
    return new Promise((resolve, reject) => {
      let output = ''
      const keep = (piece: Buffer) => {
        output += piece
      }
      child.stdout.on('data', keep)
      child.stderr.on('data', keep)
      child.on('error', reject)
      child.on('close', (code) => resolve({ code, output }))
      child.stdin.on('error', () => {})
      child.stdin.end(input)
    })
  }

  async #stop(signal: NodeJS.Signals): Promise<void> {
    const running = this.#children.filter((child) => child.exitCode === null && child.signalCode === null)
    const ends = running.map((child) => new Promise((resolve) => child.once('exit', resolve)))
    for (const child of running) child.kill(signal)
    // The interpreter's threads do not hear SIGINT; whoever has not ended by then is ended.
    const late = setTimeout(() => {
      for (const child of running) child.kill('SIGKILL')
    }, 300)
    await Promise.all(ends)
    clearTimeout(late)
    this.#children.length = 0
  }
}

function environment(): NodeJS.ProcessEnv {
  return { PATH, LC_ALL: 'C', HOME: '/root' }
}

/** Ends what runs in the namespaces whose names begin with the prefix, and deletes them. */
export async function deleteNamespaces(prefix: string): Promise<void> {
  deleteNamespacesNow(prefix)
}

/** The same, at once: for signals and the end of the process. */
export function deleteNamespacesNow(prefix: string): void {
  for (const name of namespacesNamed(prefix)) {
    try {
      const pids = execFileSync('ip', ['netns', 'pids', name], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      })
        .split(/\s+/)
        .filter(Boolean)
      for (const pid of pids) process.kill(Number(pid), 'SIGKILL')
    } catch {
      // It went meanwhile.
    }
    try {
      execFileSync('ip', ['netns', 'delete', name], { stdio: 'ignore' })
    } catch {
      // Somebody else was first.
    }
  }
}

export function namespacesNamed(prefix: string): string[] {
  const listed = execFileSync('ip', ['netns', 'list'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  return listed
    .split('\n')
    .map((line) => line.split(' ')[0])
    .filter((name) => name.startsWith(prefix))
}

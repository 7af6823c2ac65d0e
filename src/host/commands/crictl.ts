/** crictl: the node's container runtime, seen from the node (cri-tools 1.32). */
import type { Nanos } from '../../sim/scheduler.ts'
import type { Process, Program } from '../process.ts'

/** A container as the runtime tells of it. */
export interface CriContainer {
  readonly id: string
  readonly name: string
  readonly image: string
  /** 64 hexadecimal digits. */
  readonly imageId: string
  readonly imageRef: string
  readonly state: 'Created' | 'Running' | 'Exited'
  readonly createdAt: Nanos
  /** RFC 3339. */
  readonly startedAt: string
  readonly finishedAt: string
  readonly exitCode: number
  readonly attempt: number
  readonly argv: readonly string[]
  readonly podId: string
  readonly podName: string
  readonly podNamespace: string
  readonly podUid: string
}

export interface CriSandbox {
  readonly id: string
  readonly createdAt: Nanos
  readonly ready: boolean
  readonly name: string
  readonly namespace: string
  readonly uid: string
  readonly attempt: number
  /** Path of its network namespace; null: the node's own. */
  readonly netns: string | null
  readonly ip: string
}

/** What crictl needs of the runtime; containers and sandboxes newest first. */
export interface CriRuntime {
  criContainers(): readonly CriContainer[]
  criSandboxes(): readonly CriSandbox[]
  /** References in full. */
  criImages(): readonly string[]
  criStop(id: string): void
  criRemove(id: string): void
  criStopPod(id: string): void
  criLog(id: string): string
}

/** Ends the command with this on standard error. */
class Refusal extends Error {}

const VALUE_FLAGS = new Set([
  '--name',
  '--state',
  '-s',
  '--pod',
  '-p',
  '--namespace',
  '--label',
  '--output',
  '-o',
  '--tail',
  '--timeout',
  '-t',
])

interface Arguments {
  readonly flags: ReadonlyMap<string, string>
  readonly words: readonly string[]
}

export function crictl(runtime: CriRuntime): Program {
  const verbs: Readonly<Record<string, (self: Process, given: Arguments) => void>> = {
    ps: (self, given) => listContainers(self, runtime, given),
    pods: (self, given) => listPods(self, runtime, given),
    images: (self) => listImages(self, runtime),
    stop: (self, given) => stop(self, runtime, given),
    rm: (self, given) => remove(self, runtime, given),
    stopp: (self, given) => stopPods(self, runtime, given),
    inspect: (self, given) => inspect(self, runtime, given),
    inspectp: (self, given) => inspectPod(self, runtime, given),
    logs: (self, given) => logs(self, runtime, given),
  }
  return async (self) => {
    const [verb, ...rest] = self.args.slice(1)
    const run = verb === undefined ? undefined : (verbs[verb] ?? undefined)
    if (verb === undefined) {
      self.out(`Usage: crictl COMMAND [OPTIONS] [ARGUMENTS]\n\nCommands: ${Object.keys(verbs).join(', ')}\n`)
      return 0
    }
    if (run === undefined) {
      self.err(`podwire: crictl ${verb} is not modelled\n`)
      return 1
    }
    try {
      run(self, parse(rest))
      return 0
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      self.err(`${error.message}\n`)
      return 1
    }
  }
}

function parse(words: readonly string[]): Arguments {
  const flags = new Map<string, string>()
  const rest: string[] = []
  for (let i = 0; i < words.length; i++) {
    const word = words[i]
    const equals = word.indexOf('=')
    if (!word.startsWith('-')) rest.push(word)
    else if (equals > 0) flags.set(word.slice(0, equals), word.slice(equals + 1))
    else flags.set(word, VALUE_FLAGS.has(word) ? (words[++i] ?? '') : 'true')
  }
  return { flags, words: rest }
}

function flag(given: Arguments, ...names: readonly string[]): string | null {
  for (const name of names) {
    const value = given.flags.get(name)
    if (value !== undefined) return value
  }
  return null
}

/** The one whose id begins so. */
function byPrefix<T extends { readonly id: string }>(all: readonly T[], prefix: string, what: string): T {
  const found = all.filter((item) => item.id.startsWith(prefix))
  if (found.length === 1) return found[0]
  const error = `rpc error: code = NotFound desc = an error occurred when try to find ${what} "${prefix}": not found`
  throw new Refusal(found.length > 1 ? `${what} id "${prefix}" is ambiguous` : `E ${error}\nFATA[0000] ${error}`)
}

/** text/tabwriter with minimum width 20 and three spaces between. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, i) => Math.max(20, ...rows.map((row) => row[i].length + 3)))
  return rows
    .map((row) => `${row.map((cell, i) => (i < row.length - 1 ? cell.padEnd(widths[i]) : cell)).join('')}\n`)
    .join('')
}

function short(id: string): string {
  return id.slice(0, 13)
}

function listContainers(self: Process, runtime: CriRuntime, given: Arguments): void {
  const all = flag(given, '-a', '--all') !== null
  const state = flag(given, '-s', '--state')?.toLowerCase() ?? (all ? null : 'running')
  const name = flag(given, '--name')
  const pod = flag(given, '-p', '--pod')
  const found = runtime
    .criContainers()
    .filter(
      (container) =>
        (state === null || container.state.toLowerCase() === state) &&
        (name === null || new RegExp(name).test(container.name)) &&
        (pod === null || container.podId.startsWith(pod)),
    )
  if (flag(given, '-q', '--quiet') !== null) return self.out(found.map((container) => `${container.id}\n`).join(''))
  const head = ['CONTAINER', 'IMAGE', 'CREATED', 'STATE', 'NAME', 'ATTEMPT', 'POD ID', 'POD', 'NAMESPACE']
  const rows = found.map((c) => {
    const created = ago(self.now() - c.createdAt)
    return [
      short(c.id),
      short(c.imageId),
      created,
      c.state,
      c.name,
      String(c.attempt),
      short(c.podId),
      c.podName,
      c.podNamespace,
    ]
  })
  self.out(table([head, ...rows]))
}

function listPods(self: Process, runtime: CriRuntime, given: Arguments): void {
  const name = flag(given, '--name')
  const namespace = flag(given, '--namespace')
  const found = runtime
    .criSandboxes()
    .filter((pod) => name === null || new RegExp(name).test(pod.name))
    .filter((pod) => namespace === null || new RegExp(namespace).test(pod.namespace))
  if (flag(given, '-q', '--quiet') !== null) return self.out(found.map((pod) => `${pod.id}\n`).join(''))
  const head = ['POD ID', 'CREATED', 'STATE', 'NAME', 'NAMESPACE', 'ATTEMPT', 'RUNTIME']
  const rows = found.map((pod) => {
    const state = pod.ready ? 'Ready' : 'NotReady'
    return [
      short(pod.id),
      ago(self.now() - pod.createdAt),
      state,
      pod.name,
      pod.namespace,
      String(pod.attempt),
      '(default)',
    ]
  })
  self.out(table([head, ...rows]))
}

function listImages(self: Process, runtime: CriRuntime): void {
  const rows = runtime.criImages().map((reference) => {
    const colon = reference.lastIndexOf(':')
    return [reference.slice(0, colon), reference.slice(colon + 1)]
  })
  self.out(table([['IMAGE', 'TAG'], ...rows]))
}

function needed(given: Arguments): readonly string[] {
  if (given.words.length === 0) throw new Refusal('FATA[0000] ID cannot be empty')
  return given.words
}

function stop(self: Process, runtime: CriRuntime, given: Arguments): void {
  for (const word of needed(given)) {
    const { id } = byPrefix(runtime.criContainers(), word, 'container')
    runtime.criStop(id)
    self.out(`${word}\n`)
  }
}

function remove(self: Process, runtime: CriRuntime, given: Arguments): void {
  const force = flag(given, '-f', '--force') !== null
  const every = flag(given, '-a', '--all') !== null
  const words = every ? runtime.criContainers().map((container) => container.id) : needed(given)
  for (const word of words) {
    const container = byPrefix(runtime.criContainers(), word, 'container')
    if (container.state === 'Running' && !force) {
      throw new Refusal(
        `FATA[0000] unable to remove container(s): container "${container.id}" is running, please stop it first`,
      )
    }
    runtime.criRemove(container.id)
    self.out(`${word}\n`)
  }
}

function stopPods(self: Process, runtime: CriRuntime, given: Arguments): void {
  for (const word of needed(given)) {
    runtime.criStopPod(byPrefix(runtime.criSandboxes(), word, 'sandbox').id)
    self.out(`Stopped sandbox ${word}\n`)
  }
}

function logs(self: Process, runtime: CriRuntime, given: Arguments): void {
  const { id } = byPrefix(runtime.criContainers(), needed(given)[0], 'container')
  const lines = runtime.criLog(id).split(/(?<=\n)/)
  const tail = flag(given, '--tail')
  self.out((tail === null ? lines : lines.slice(-Number(tail))).join(''))
}

function inspect(self: Process, runtime: CriRuntime, given: Arguments): void {
  const c = byPrefix(runtime.criContainers(), needed(given)[0], 'container')
  const status = {
    id: c.id,
    metadata: { attempt: c.attempt, name: c.name },
    state: `CONTAINER_${c.state.toUpperCase()}`,
    startedAt: c.startedAt,
    finishedAt: c.finishedAt,
    exitCode: c.exitCode,
    image: { image: c.image },
    imageRef: c.imageRef,
    labels: {
      'io.kubernetes.container.name': c.name,
      'io.kubernetes.pod.name': c.podName,
      'io.kubernetes.pod.namespace': c.podNamespace,
      'io.kubernetes.pod.uid': c.podUid,
    },
  }
  const info = { sandboxID: c.podId, config: { args: c.argv } }
  self.out(`${JSON.stringify({ info, status }, null, 2)}\n`)
}

function inspectPod(self: Process, runtime: CriRuntime, given: Arguments): void {
  const pod = byPrefix(runtime.criSandboxes(), needed(given)[0], 'sandbox')
  const status = {
    id: pod.id,
    metadata: { attempt: pod.attempt, name: pod.name, namespace: pod.namespace, uid: pod.uid },
    state: pod.ready ? 'SANDBOX_READY' : 'SANDBOX_NOTREADY',
    network: { additionalIps: [], ip: pod.ip },
    linux: { namespaces: { options: { network: pod.netns === null ? 'NODE' : 'POD' } } },
  }
  const namespaces = [{ type: 'network', ...(pod.netns === null ? {} : { path: pod.netns }) }]
  self.out(`${JSON.stringify({ info: { runtimeSpec: { linux: { namespaces } } }, status }, null, 2)}\n`)
}

/** go-units HumanDuration, and `ago`. */
export function ago(duration: Nanos): string {
  const seconds = Math.floor(duration / 1e9)
  const minutes = Math.floor(seconds / 60)
  const hours = Math.round(seconds / 3600)
  if (seconds < 1) return 'Less than a second ago'
  if (seconds === 1) return '1 second ago'
  if (seconds < 60) return `${seconds} seconds ago`
  if (minutes === 1) return 'About a minute ago'
  if (minutes < 60) return `${minutes} minutes ago`
  if (hours === 1) return 'About an hour ago'
  if (hours < 48) return `${hours} hours ago`
  return `${Math.floor(hours / 24)} days ago`
}

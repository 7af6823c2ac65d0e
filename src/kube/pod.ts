/**
 * A pod as the node's container runtime (containerd) has it: a sandbox and its containers.
 *
 * The sandbox is the pause container: it has an id of its own and holds the network namespace, so that containers
 * may die and come back while address, MAC and namespace stay.
 */
import { isDeafFirst } from '../host/commands/signals.ts'
import type { Image } from '../host/images/image.ts'
import { TextPipe } from '../host/input.ts'
import type { Machine } from '../host/machine.ts'
import type { Place } from '../host/place.ts'
import { type Process, SIGKILL } from '../host/process.ts'
import type { Netns } from '../net/netns.ts'
import type { Nanos } from '../sim/scheduler.ts'
import type { CniResult, CniSandbox } from './cni/plugin.ts'
import { ContainerLog } from './container-log.ts'

/** An exit code of the runtime's own: the program could not be started. */
export const START_ERROR = 128

export class PodSandbox implements CniSandbox {
  /** Also the pause container's id. */
  readonly id: string
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly hostname: string
  readonly machine: Machine
  readonly netns: Netns
  /** `cni-…`, as `ip netns` on the node lists it; null when the pod uses the node's own namespace. */
  readonly netnsName: string | null
  readonly createdAt: Nanos
  /** Put into every container: resolv.conf, hosts, hostname. */
  readonly files = new Map<string, string>()
  /** Oldest first; those that ended and have not been removed too. */
  readonly containers: Container[] = []
  network: CniResult | null = null
  ready = true

  constructor(
    machine: Machine,
    fields: Pick<PodSandbox, 'id' | 'namespace' | 'name' | 'uid' | 'hostname' | 'netns' | 'netnsName'> & {
      readonly createdAt?: Nanos
    },
  ) {
    this.machine = machine
    this.id = fields.id
    this.namespace = fields.namespace
    this.name = fields.name
    this.uid = fields.uid
    this.hostname = fields.hostname
    this.netns = fields.netns
    this.netnsName = fields.netnsName
    this.createdAt = fields.createdAt ?? machine.world.scheduler.now
  }

  get hostNetwork(): boolean {
    return this.netnsName === null
  }

  /** The running container of this name; null when there is none. */
  running(name: string): Container | null {
    return this.containers.find((container) => container.name === name && container.state === 'Running') ?? null
  }

  /** The latest container of this name, running or not. */
  latest(name: string): Container | null {
    return this.containers.findLast((container) => container.name === name) ?? null
  }
}

export interface ContainerOptions {
  readonly id: string
  readonly name: string
  /** As the manifest has it. */
  readonly image: string
  readonly imageId: string
  /** How often it was started before. */
  readonly attempt: number
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly workdir: string | null
  readonly stdin: boolean
  readonly tty: boolean
  /** It has been running since then; unless it is said, it begins when it is started. */
  readonly since?: Nanos
}

export class Container {
  readonly sandbox: PodSandbox
  readonly options: ContainerOptions
  readonly log: ContainerLog
  /** What is written to the first process's standard input; null without `stdin: true`. */
  readonly input: TextPipe | null
  readonly createdAt: Nanos
  readonly place: Place
  state: 'Created' | 'Running' | 'Exited' = 'Created'
  startedAt: Nanos = 0
  finishedAt: Nanos = 0
  exitCode = 0
  /** Why it could not be started; null when it could. */
  failure: string | null = null
  process: Process | null = null
  /** Told once, when it has ended. */
  onEnd: (() => void) | null = null
  /** Settles when it ends. */
  exit: Promise<number> | null = null
  readonly #ended: (container: Container) => void
  /** It does what it did long ago. */
  #beginning = false

  /** `ended` is called once, when its first process is no more. */
  constructor(sandbox: PodSandbox, image: Image, options: ContainerOptions, ended: (container: Container) => void) {
    const { machine } = sandbox
    this.sandbox = sandbox
    this.options = options
    this.#ended = ended
    const { since } = options
    this.createdAt = since ?? machine.world.scheduler.now
    this.log = new ContainerLog(() => (this.#beginning ? (since ?? 0) : machine.world.scheduler.now))
    this.input = options.stdin ? new TextPipe() : null
    const workdir = options.workdir ?? image.workdir ?? null
    this.place = machine.addPlace(`${sandbox.namespace}/${sandbox.name}/${options.name}`, sandbox.netns, {
      hostname: sandbox.hostname,
      programs: image.programs,
      confined: true,
      env: { ...image.env, ...options.env },
      ...(workdir === null ? {} : { workdir }),
    })
    for (const [path, text] of Object.entries(image.files ?? {})) this.place.files.set(path, text)
    for (const [path, text] of sandbox.files) this.place.files.set(path, text)
  }

  get id(): string {
    return this.options.id
  }

  get name(): string {
    return this.options.name
  }

  start(): void {
    const { machine } = this.sandbox
    const { argv, tty } = this.options
    const { since } = this.options
    this.startedAt = since ?? machine.world.scheduler.now
    this.#beginning = since !== undefined
    if (argv.length === 0 || this.place.find(argv[0]) === null) {
      const what = argv.length === 0 ? 'no command specified' : notFound(argv[0])
      this.failure = `failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: ${what}: unknown`
      return this.#end(START_ERROR)
    }
    this.state = 'Running'
    const write = (text: string) => this.log.write(text)
    const running = this.place.spawn(argv, {
      out: write,
      err: write,
      tty,
      ...(this.input === null ? {} : { stdin: this.input }),
    })
    this.#beginning = false
    this.process = running.process
    this.exit = running.exit
    // What the program does before its first real wait is done before time moves on.
    machine.runner.wake()
    running.exit.then(
      (code) => this.#end(code),
      (fault: unknown) => {
        this.log.write(`podwire: ${fault instanceof Error ? (fault.stack ?? fault.message) : String(fault)}\n`)
        this.#end(255)
      },
    )
  }

  /** SIGKILL ends everything in it. Other signals go to its first process, which may have no ear for them. */
  kill(signal: number): void {
    if (signal === SIGKILL) this.place.killAll(signal)
    else if (this.process !== null && !isDeafFirst(this.process)) this.process.kill(signal)
  }

  /** Forgotten by the runtime; what still runs is killed. */
  remove(): void {
    this.kill(SIGKILL)
    const { containers, machine } = this.sandbox
    const at = containers.indexOf(this)
    if (at >= 0) containers.splice(at, 1)
    if (machine.places.get(this.place.name) === this.place) machine.places.delete(this.place.name)
  }

  #end(code: number): void {
    if (this.state === 'Exited') return
    this.state = 'Exited'
    this.exitCode = code
    this.finishedAt = this.sandbox.machine.world.scheduler.now
    this.kill(SIGKILL)
    this.log.end()
    this.#ended(this)
    this.onEnd?.()
  }
}

/** runc's sentence for a command that is not there. */
export function notFound(command: string): string {
  const missing = command.includes('/') ? 'no such file or directory' : 'executable file not found in $PATH'
  return command.includes('/') ? `exec: "${command}": stat ${command}: ${missing}` : `exec: "${command}": ${missing}`
}

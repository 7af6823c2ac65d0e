/** The kubelet's streams: exec, attach, logs. What `kubectl exec` reaches. */

import type { TextPipe } from '../host/input.ts'
import type { Io, ProcessPlace } from '../host/process.ts'
import type { RemoteCommand } from '../host/ssh.ts'
import { ApiError } from './api-error.ts'
import type { KubeNode } from './node.ts'
import type { Pod } from './objects.ts'
import { type Container, notFound, type PodSandbox } from './pod.ts'
import type { Store } from './store.ts'

/** A session in a container. */
export interface Session {
  readonly exit: Promise<number>
  kill(): void
}

/** What joins a terminal to a container. */
export interface Terminal {
  out(text: string): void
  err(text: string): void
  /** Null: nothing to read. */
  readonly stdin: TextPipe | null
  readonly tty: boolean
}

export interface LogOptions {
  readonly tail?: number
  readonly previous?: boolean
  readonly timestamps?: boolean
}

export class Remote {
  /** Starts a program in a container; who runs nodes in other threads puts its own here. */
  start: (place: ProcessPlace, argv: readonly string[], io: Io) => RemoteCommand = (place, argv, io) =>
    place.spawn(argv, io)
  /** Containers may run in other threads: what they have written is not here. */
  elsewhere = false
  readonly #store: Store
  readonly #nodes: ReadonlyMap<string, KubeNode>

  constructor(store: Store, nodes: ReadonlyMap<string, KubeNode>) {
    this.#store = store
    this.#nodes = nodes
  }

  /** The sandbox of a pod; null while it has none. @throws ApiError NotFound. */
  sandbox(namespace: string, name: string): PodSandbox | null {
    const pod = this.#pod(namespace, name)
    return this.#nodes.get(pod.spec.nodeName ?? '')?.kubelet.worker(pod.metadata.uid as string)?.sandbox ?? null
  }

  /** Runs a command in a container. @throws ApiError when it cannot be started. */
  exec(namespace: string, name: string, container: string | null, argv: readonly string[], io: Io): RemoteCommand {
    const running = this.#running(namespace, name, container)
    if (argv.length === 0 || running.place.find(argv[0]) === null) {
      const what = argv.length === 0 ? 'you must specify at least one command for the container' : notFound(argv[0])
      const id = running.sandbox.machine.world.random.hex(64)
      throw new ApiError(
        'InternalError',
        `Internal error occurred: error executing command in container: failed to exec in container: failed to start exec "${id}": OCI runtime exec failed: exec failed: unable to start container process: ${what}: unknown`,
      )
    }
    const started = this.start(running.place, argv, io)
    running.sandbox.machine.runner.wake()
    return started
  }

  /** Joins the first process of a container: its output from now on, and its input when the container has one. */
  attach(namespace: string, name: string, container: string | null, terminal: Terminal): Session {
    this.#refuse('attach')
    const running = this.#running(namespace, name, container)
    const { input } = running
    const unfollow = running.log.follow({ write: (text) => terminal.out(text), ended: () => {} })
    const unpump = terminal.stdin === null || input === null ? () => {} : pump(terminal.stdin, input)
    const stop = () => {
      unfollow()
      unpump()
    }
    const exit = (running.exit ?? Promise.resolve(running.exitCode)).finally(stop)
    return { exit, kill: () => stop() }
  }

  /** What a container wrote. @throws ApiError when it never ran. */
  logs(namespace: string, name: string, container: string | null, options: LogOptions = {}): string {
    const found = this.#logged(namespace, name, container, options.previous === true)
    const { clock } = this.#store
    const stamp = (at: number) => clock.text(at).replace('Z', `.${String(Math.floor(at % 1e9)).padStart(9, '0')}Z`)
    return found.log.text(options.tail ?? null, options.timestamps === true ? stamp : null)
  }

  /** Text as it is written, until the container ends. Returns the end of the following. */
  follow(
    namespace: string,
    name: string,
    container: string | null,
    write: (text: string) => void,
    ended: () => void,
  ): () => void {
    return this.#logged(namespace, name, container, false).log.follow({ write, ended })
  }

  #refuse(what: string): void {
    if (this.elsewhere) throw new ApiError('InternalError', `podwire: kubectl ${what} is not modelled with --threads`)
  }

  #pod(namespace: string, name: string): Pod {
    const pod = this.#store.get<Pod>('Pod', namespace, name)
    if (pod === null) throw ApiError.notFound('Pod', name)
    return pod
  }

  /** Its first container unless one is named. */
  #containerName(pod: Pod, wanted: string | null): string {
    const all = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].map((container) => container.name)
    const name = wanted ?? all[0]
    if (!all.includes(name))
      throw new ApiError('BadRequest', `container ${name} is not valid for pod ${pod.metadata.name}`)
    return name
  }

  #running(namespace: string, name: string, wanted: string | null): Container {
    const pod = this.#pod(namespace, name)
    const container = this.#containerName(pod, wanted)
    if (pod.spec.nodeName === undefined) throw new ApiError('BadRequest', `pod ${name} does not have a host assigned`)
    if (pod.status.phase === 'Succeeded' || pod.status.phase === 'Failed') {
      throw new ApiError(
        'BadRequest',
        `cannot exec into a container in a completed pod; current phase is ${pod.status.phase}`,
      )
    }
    const running = this.sandbox(namespace, name)?.running(container) ?? null
    if (running !== null) return running
    const message = `Internal error occurred: unable to upgrade connection: container not found ("${container}")`
    throw new ApiError('InternalError', message)
  }

  #logged(namespace: string, name: string, wanted: string | null, previous: boolean): Container {
    this.#refuse('logs')
    const pod = this.#pod(namespace, name)
    const container = this.#containerName(pod, wanted)
    const all = (this.sandbox(namespace, name)?.containers ?? []).filter((each) => each.name === container)
    const found = previous ? all[all.length - 2] : all[all.length - 1]
    if (found !== undefined) return found
    if (previous) {
      throw new ApiError('BadRequest', `previous terminated container "${container}" in pod "${name}" not found`)
    }
    const status = pod.status.containerStatuses?.find((each) => each.name === container)
    const reason = status?.state.waiting?.reason ?? 'ContainerCreating'
    const why: Readonly<Record<string, string>> = {
      ErrImagePull: "image can't be pulled",
      ImagePullBackOff: 'trying and failing to pull image',
    }
    const text = Object.hasOwn(why, reason) ? why[reason] : reason
    throw new ApiError('BadRequest', `container "${container}" in pod "${name}" is waiting to start: ${text}`)
  }
}

/** Hands a terminal's input on to a container as it comes. Returns the end of it. */
function pump(from: TextPipe, to: TextPipe): () => void {
  const hand = () => {
    to.write(from.take())
    if (from.ended) to.end()
  }
  from.onReadable = hand
  if (from.readable) hand()
  return () => {
    if (from.onReadable === hand) from.onReadable = null
  }
}

/**
 * A workstation with kubectl, in front of a cluster that is a Store and a kubelet of ten lines: every scheduled pod
 * runs a second after it was made, and ends a second after it was told to.
 */

import { Input, TextPipe } from '../../../src/host/input.ts'
import { Killed, type Process, type Program } from '../../../src/host/process.ts'
import { Runner } from '../../../src/host/run.ts'
import { ServiceAddresses } from '../../../src/kube/ipam.ts'
import type { KubectlCluster, LogOptions, RemoteCommand, Streams } from '../../../src/kube/kubectl/api.ts'
import { kubectl } from '../../../src/kube/kubectl/kubectl.ts'
import { parseManifests } from '../../../src/kube/manifest.ts'
import type { KubeObject } from '../../../src/kube/objects.ts'
import { ServiceAllocator } from '../../../src/kube/service-allocator.ts'
import { ApiError, Store } from '../../../src/kube/store.ts'
import { World } from '../../../src/link/world.ts'
import { SECOND } from '../../../src/sim/scheduler.ts'

export const EPOCH = Date.parse('2026-03-02T10:00:00Z') / 1000

export interface Screen {
  readonly out: string
  readonly err: string
  readonly code: number
  /** Both, in the order in which they were written. */
  readonly text: string
}

/** What a container answers to a command. */
export type Remote = (argv: readonly string[], streams: Streams) => Promise<number>

export class Workstation {
  readonly world = new World(7)
  readonly runner = new Runner(this.world, EPOCH)
  readonly store = new Store(() => this.world.scheduler.now, this.world.random, EPOCH)
  readonly files = new Map<string, string>()
  readonly env: Record<string, string> = {}
  /** Scripted commands of the workstation's own shell: editors. */
  shell: (line: string) => number = () => 127
  remote: Remote = async () => 0
  /** Milliseconds that the cluster's clock is ahead: ages without waiting. */
  ahead = 0
  readonly #program: Program
  #nextAddress = 2

  constructor() {
    const { random } = this.world
    new ServiceAllocator(this.store, new ServiceAddresses('10.96.0.0/12', random), random)
    for (const name of ['default', 'kube-node-lease', 'kube-public', 'kube-system']) {
      this.store.create(object('v1', 'Namespace', name, { labels: { 'kubernetes.io/metadata.name': name } }, {}))
    }
    this.store.listen('Pod', ({ type, object: pod }) => this.#kubelet(type, pod))
    this.store.listen('Namespace', ({ type, object: { metadata } }) => {
      if (type === 'MODIFIED' && metadata.deletionTimestamp) this.#emptyNamespace(metadata.name)
    })
    this.#program = kubectl(this.#cluster())
  }

  /** Runs `kubectl …`, split at spaces; quote with an array. */
  async kubectl(line: string | readonly string[], options: { stdin?: string; limit?: number } = {}): Promise<Screen> {
    const words = typeof line === 'string' ? line.split(' ') : line
    let out = ''
    let err = ''
    let text = ''
    const io = {
      out: (part: string) => {
        out += part
        text += part
      },
      err: (part: string) => {
        err += part
        text += part
      },
    }
    const self = new FakeProcess(this, ['kubectl', ...words], io, options.stdin ?? '')
    const exit = this.#program(self as unknown as Process).catch((error: unknown) => {
      if (error instanceof Killed) return 130
      throw error
    })
    if (options.limit !== undefined) this.world.scheduler.call(options.limit, () => self.kill())
    return { code: await this.runner.until(exit), out, err, text }
  }

  /** Creates an object behind kubectl's back. */
  make(apiVersion: string, kind: string, name: string, body: Record<string, unknown> = {}): KubeObject {
    const { metadata = {}, ...rest } = body as { metadata?: object }
    return this.store.create(object(apiVersion, kind, name, { namespace: 'default', ...metadata }, rest))
  }

  status(kind: string, name: string, status: unknown, namespace: string | null = 'default'): void {
    this.store.updateStatus(kind, namespace, name, status)
  }

  /** Lets the world's time pass. */
  async pass(seconds: number): Promise<void> {
    await this.runner.runFor(seconds * SECOND)
  }

  #kubelet(type: string, pod: KubeObject): void {
    const { name, namespace = 'default', uid, deletionTimestamp } = pod.metadata
    const live = (): KubeObject | null => {
      const found = this.store.get('Pod', namespace, name)
      return found?.metadata.uid === uid ? found : null
    }
    if (type === 'ADDED') {
      this.world.scheduler.call(SECOND, () => {
        const found = live()
        if (found !== null && found.metadata.labels?.hold === undefined) this.#start(found)
      })
    } else if (type === 'MODIFIED' && deletionTimestamp) {
      this.world.scheduler.call(SECOND, () => {
        const found = live()
        if (found !== null) this.store.remove(found)
      })
    }
  }

  #start(pod: KubeObject): void {
    const spec = pod.spec as { containers: { name: string; image: string }[]; nodeName?: string }
    if (!spec.nodeName) this.store.modify(pod, (copy) => Object.assign(copy.spec as object, { nodeName: 'node1' }))
    const podIP = `10.244.1.${this.#nextAddress++}`
    const at = this.store.clock.text()
    this.store.updateStatus('Pod', pod.metadata.namespace ?? 'default', pod.metadata.name, {
      phase: 'Running',
      conditions: ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map(
        (type) => ({ type, status: 'True', lastTransitionTime: at }),
      ),
      hostIP: '192.168.65.3',
      podIP,
      podIPs: [{ ip: podIP }],
      startTime: at,
      qosClass: 'BestEffort',
      containerStatuses: spec.containers.map(({ name, image }) => ({
        name,
        image,
        imageID: 'sha256:1111',
        containerID: 'containerd://2222',
        ready: true,
        restartCount: 0,
        state: { running: { startedAt: at } },
        lastState: {},
      })),
    })
  }

  #emptyNamespace(name: string): void {
    for (const pod of this.store.list('Pod', name)) this.store.remove(pod)
    this.world.scheduler.call(SECOND, () => {
      const namespace = this.store.get('Namespace', null, name)
      if (namespace !== null) this.store.remove(namespace)
    })
  }

  #cluster(): KubectlCluster {
    const { store } = this
    const run = (streams: Streams, argv: readonly string[]): RemoteCommand => {
      if (argv[0] === 'nosuch') {
        const why = 'error executing command in container: exec: "nosuch": executable file not found in $PATH'
        throw new ApiError('InternalError', `Internal error occurred: ${why}`)
      }
      return { exit: this.remote(argv, streams), kill: () => {} }
    }
    return {
      name: 'kubernetes',
      server: 'https://192.168.65.3:6443',
      version: 'v1.32.5',
      clock: () => this.runner.wallClock + this.ahead,
      get: (kind, namespace, name) => store.get(kind, namespace, name),
      list: (kind, namespace) => store.list(kind, namespace),
      create: (made) => store.create(made),
      update: (made) => store.update(made),
      patch: (kind, namespace, name, type, body) => store.patch(kind, namespace, name, type, body),
      delete: (kind, namespace, name, options) => store.delete(kind, namespace, name, options),
      watch: (kind, listener) => store.listen(kind, listener),
      exec: (_namespace, _pod, _container, argv, streams) => run(streams, argv),
      attach: (namespace, pod, _container, streams) => {
        const command = run(streams, ['(attached)'])
        const exit = command.exit.then((code) => {
          this.#ended(namespace, pod, code)
          return code
        })
        return { exit, kill: command.kill }
      },
      logs: (_namespace, pod, container, options) => logText(pod, container, options),
      follow: (_namespace, _pod, _container, write, ended) => {
        this.world.scheduler.call(SECOND, () => write('one more line\n'))
        this.world.scheduler.call(2 * SECOND, ended)
        return () => {}
      },
      parse: (text, file) => parseManifests(text, file),
    }
  }

  /** The first process of a pod that never restarts has ended. */
  #ended(namespace: string, name: string, exitCode: number): void {
    const pod = this.store.get('Pod', namespace, name)
    if (pod === null || (pod.spec as { restartPolicy?: string }).restartPolicy !== 'Never') return
    const reason = exitCode === 0 ? 'Completed' : 'Error'
    this.store.updateStatus('Pod', namespace, name, {
      ...(pod.status as object),
      phase: exitCode === 0 ? 'Succeeded' : 'Failed',
      containerStatuses: [{ name, ready: false, restartCount: 0, state: { terminated: { exitCode, reason } } }],
    })
  }
}

function logText(pod: string, container: string, options: LogOptions): string {
  const lines = [`hello from ${pod}`, `this is ${container}`]
  return lines
    .slice(options.tail === undefined ? 0 : Math.max(lines.length - options.tail, 0))
    .map((line) => `${line}\n`)
    .join('')
}

function object(apiVersion: string, kind: string, name: string, metadata: object, body: object): KubeObject {
  return { apiVersion, kind, metadata: { name, ...metadata }, ...body }
}

/** As much of a Process as kubectl uses, without a machine underneath. */
class FakeProcess {
  readonly args: readonly string[]
  readonly env: Record<string, string>
  readonly cwd = '/root'
  readonly tty = true
  readonly stdin: Input
  readonly place: { files: Map<string, string> }
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  killed = false
  readonly #station: Workstation
  readonly #pending = new Set<(error: Error) => void>()

  constructor(
    station: Workstation,
    args: readonly string[],
    io: { out: (text: string) => void; err: (text: string) => void },
    stdin: string,
  ) {
    this.#station = station
    this.args = args
    this.env = station.env
    this.place = { files: station.files }
    this.out = io.out
    this.err = io.err
    this.stdin = new Input(this, TextPipe.of(stdin))
  }

  now(): number {
    return this.#station.world.scheduler.now
  }

  async sleep(delay: number): Promise<void> {
    await this.wait<never>(() => {}, delay)
  }

  async shell(line: string): Promise<number> {
    return this.#station.shell(line)
  }

  wait<T>(start: (settle: (value: T) => void) => void, timeout?: number): Promise<T | null> {
    const { world, runner } = this.#station
    return new Promise((resolve, reject) => {
      const settle = (value: T | null): void => {
        this.#pending.delete(reject)
        runner.wake()
        resolve(value)
      }
      this.#pending.add(reject)
      if (timeout !== undefined) world.scheduler.call(timeout, () => settle(null))
      start(settle)
    })
  }

  kill(): void {
    this.killed = true
    for (const reject of this.#pending) reject(new Killed(2))
    this.#station.runner.wake()
  }
}

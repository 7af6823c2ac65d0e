/**
 * What the kubelet does for one pod, step by step: sandbox, init containers, containers, restarts, the end. One step
 * is under way at a time; `sync` looks at everything and takes the next.
 */
import { commandLine, type Image } from '../host/images/image.ts'
import { SIGKILL } from '../host/process.ts'
import { type Nanos, SECOND, Timer } from '../sim/scheduler.ts'
import { formatIpv4 } from '../wire/address.ts'
import type { CniPins } from './cni/plugin.ts'
import { ContainerSlot } from './container-slot.ts'
import { stopContainer } from './container-stop.ts'
import { fullReference, pullTime, sizeOf } from './image-reference.ts'
import type { KubeletContext } from './kubelet-context.ts'
import { CONTAINER, IMAGE_CHECK, RELIST, SANDBOX, TEARDOWN } from './latency.ts'
import type { Pod } from './objects.ts'
import type { Container, PodSandbox } from './pod.ts'
import { ConfigError, environment, expand, hostsFile, resolvConf } from './pod-environment.ts'
import { podPhase, podStatus } from './pod-status.ts'
import { Prober } from './probe.ts'
import { volumeFault, volumeFiles } from './volumes.ts'

export class PodWorker {
  /** The API object as it was last seen. */
  pod: Pod
  sandbox: PodSandbox | null = null
  readonly #context: KubeletContext
  readonly #init: ContainerSlot[]
  readonly #main: ContainerSlot[]
  #startTime: string
  /** The step under way. */
  readonly #step: Timer
  #then: (() => void) | null = null
  #ending = false

  constructor(context: KubeletContext, pod: Pod) {
    this.#context = context
    this.pod = pod
    const init = pod.spec.initContainers ?? []
    this.#init = init.map((spec) => new ContainerSlot(spec, true, true))
    this.#main = pod.spec.containers.map((spec) => new ContainerSlot(spec, false, init.length > 0))
    this.#startTime = context.store.clock.text()
    this.#step = new Timer({
      run: () => {
        const action = this.#then
        this.#then = null
        action?.()
        this.sync()
      },
    })
  }

  /** Its address; null before the sandbox is there. */
  get podIp(): string | null {
    if (this.sandbox === null) return null
    return this.sandbox.network === null ? this.#context.hostIp : formatIpv4(this.sandbox.network.address)
  }

  /** Finds the pod as it has been since long ago (a kubelet that was restarted). It has no init containers and no probes. */
  resume(pins: CniPins): PodSandbox {
    const { runtime, store } = this.#context
    const { status } = this.pod
    const sandbox = runtime.runSandbox(this.pod, this.#hostname, pins)
    this.sandbox = sandbox
    this.#startTime = status.startTime ?? this.#startTime
    this.#furnish(sandbox)
    for (const slot of this.#main) {
      const image = runtime.image(slot.spec.image)
      const known = status.containerStatuses?.find(({ name }) => name === slot.spec.name)
      if (image === null || known === undefined)
        throw new Error(`podwire bug: ${slot.spec.image} cannot have been running`)
      runtime.images.add(fullReference(slot.spec.image))
      const since = store.clock.parse(known.state.running?.startedAt ?? '')
      const env = environment(store, this.pod, slot.spec, this.podIp ?? '')
      const container = this.#create(slot, image, env, { since, id: known.containerID?.replace('containerd://', '') })
      slot.begin(container)
      container.start()
      slot.started = true
      slot.ready = true
    }
    return sandbox
  }

  /** Looks at what there is and takes the next step. */
  sync(): void {
    if (this.#ending) return
    for (const slot of this.#slots) this.#redefine(slot)
    for (const slot of this.#slots) if (slot.notice(this.#context.store.clock)) this.#noticed(slot)
    const finished = ['Succeeded', 'Failed'].includes(podPhase(this.#view))
    if (this.#then === null && !finished) this.#next()
    this.#report()
  }

  /**
   * Stops everything within the grace, takes the sandbox down, and says when that is done. Asked again without grace,
   * it hurries.
   */
  terminate(grace: Nanos, done: () => void): void {
    if (this.#ending) {
      if (grace === 0) for (const slot of this.#slots) slot.current?.kill(SIGKILL)
      return
    }
    this.#ending = true
    const { events, scheduler, runtime } = this.#context
    scheduler.cancel(this.#step)
    const running = this.#slots.filter((slot) => slot.running)
    let left = running.length
    const ended = () => {
      if (--left > 0) return
      scheduler.call(TEARDOWN, () => {
        for (const slot of this.#slots) slot.prober?.stop()
        if (this.sandbox !== null) runtime.removeSandbox(this.sandbox)
        done()
      })
    }
    for (const slot of running) {
      events.normal(this.pod, 'Killing', `Stopping container ${slot.spec.name}`, fieldOf(slot))
      slot.prober?.stopRestarting()
      this.#stop(slot, grace, () => {
        slot.notice(this.#context.store.clock)
        this.#report()
        ended()
      })
    }
    if (running.length === 0) {
      left = 1
      ended()
    }
  }

  #stop(slot: ContainerSlot, grace: Nanos, ended: () => void): void {
    stopContainer(this.#context, { pod: this.pod, podIp: this.podIp ?? '', slot, grace, ended, field: fieldOf(slot) })
  }

  /** The time that a container has between SIGTERM and SIGKILL when it is restarted. */
  get #grace(): Nanos {
    return (this.pod.spec.terminationGracePeriodSeconds ?? 30) * SECOND
  }

  /** What ConfigMaps say now. */
  refreshVolumes(): void {
    for (const slot of this.#slots) {
      if (!slot.running) continue
      const files = volumeFiles(this.#context.store, this.pod, slot.spec, true)
      for (const [path, text] of files) slot.current?.place.files.set(path, text)
    }
  }

  get #slots(): ContainerSlot[] {
    return [...this.#init, ...this.#main]
  }

  get #view() {
    const { hostIp } = this.#context
    return { pod: this.pod, init: this.#init, main: this.#main, podIp: this.podIp, hostIp, startTime: this.#startTime }
  }

  #after(delay: Nanos, action: () => void): void {
    this.#then = action
    this.#context.scheduler.after(this.#step, delay)
  }

  #next(): void {
    if (this.sandbox === null) return this.#after(SANDBOX, () => this.#makeSandbox())
    const pending = this.#init.find((slot) => !slot.succeeded)
    const candidates = pending === undefined ? this.#main : [pending]
    const startable = candidates.filter((slot) => this.#mayStart(slot))
    const { scheduler } = this.#context
    const due = startable.find((slot) => slot.notBefore <= scheduler.now)
    if (due !== undefined) return this.#pull(due)
    if (startable.length === 0) return
    // Nothing to do but wait for the next back-off to end: that is no step.
    const soonest = Math.min(...startable.map((slot) => slot.notBefore))
    this.#context.wake(this.pod.metadata.uid as string, soonest - scheduler.now)
  }

  #mayStart(slot: ContainerSlot): boolean {
    if (slot.running) return false
    if (slot.ended === null) return true
    const { restartPolicy } = this.pod.spec
    if (restartPolicy === 'Never') return false
    return !(slot.succeeded && (restartPolicy === 'OnFailure' || slot.init))
  }

  /** Images may change while a pod lives: its container is then restarted. */
  #redefine(slot: ContainerSlot): void {
    const specs = slot.init ? (this.pod.spec.initContainers ?? []) : this.pod.spec.containers
    const spec = specs.find((candidate) => candidate.name === slot.spec.name)
    if (spec === undefined || spec.image === slot.spec.image) return
    slot.spec = spec
    slot.notBefore = 0
    if (!slot.running) return
    const message = `Container ${spec.name} definition changed, will be restarted`
    this.#context.events.normal(this.pod, 'Killing', message, fieldOf(slot))
    this.#stop(slot, this.#grace, () => {})
  }

  /** A container has ended: when it is to be started again, and what is said meanwhile. */
  #noticed(slot: ContainerSlot): void {
    if (!this.#mayStart(slot)) return
    const { store, events } = this.#context
    const wait = slot.holdOff(store.clock.now)
    if (wait === 0) return
    const { namespace, name, uid } = this.pod.metadata
    const which = `container=${slot.spec.name} pod=${name}_${namespace}(${uid})`
    slot.waiting = { reason: 'CrashLoopBackOff', message: `back-off ${duration(wait)} restarting failed ${which}` }
    const message = `Back-off restarting failed container ${slot.spec.name} in pod ${name}_${namespace}(${uid})`
    events.warning(this.pod, 'BackOff', message, fieldOf(slot))
  }

  #makeSandbox(): void {
    const { runtime, events, store } = this.#context
    const fault = volumeFault(store, this.pod)
    if (fault !== null) {
      events.warning(this.pod, 'FailedMount', fault)
      return this.#after(10 * RELIST, () => {})
    }
    try {
      this.sandbox = runtime.runSandbox(this.pod, this.#hostname)
    } catch (error) {
      const why = (error as Error).message
      const message = `Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox: plugin type="flannel" failed (add): ${why}`
      events.warning(this.pod, 'FailedCreatePodSandBox', message)
      return this.#after(10 * RELIST, () => {})
    }
    this.#furnish(this.sandbox)
  }

  get #hostname(): string {
    const { machine } = this.#context.runtime
    const own = this.pod.spec.hostname ?? this.pod.metadata.name
    return (this.pod.spec.hostNetwork === true ? machine.name : own).slice(0, 63)
  }

  /** The files that every container gets. */
  #furnish({ files, hostname, hostNetwork }: PodSandbox): void {
    const { runtime, dns, events } = this.#context
    const node = runtime.machine.place.files
    const warn = (sentence: string) => events.warning(this.pod, 'DNSConfigForming', sentence)
    files.set('/etc/resolv.conf', resolvConf(this.pod, dns, node.get('/etc/resolv.conf') ?? '', warn))
    files.set('/etc/hostname', `${hostname}\n`)
    const hosts = hostsFile(this.pod, this.podIp ?? '', hostname, dns.domain)
    files.set('/etc/hosts', hostNetwork ? (node.get('/etc/hosts') ?? hosts) : hosts)
  }

  // ── images ───────────────────────────────────────────────────────────

  #pull(slot: ContainerSlot): void {
    const { runtime, events, node } = this.#context
    const { image, imagePullPolicy } = slot.spec
    const present = runtime.images.has(fullReference(image))
    const found = runtime.image(image)
    if (present && imagePullPolicy !== 'Always' && found !== null) {
      events.normal(this.pod, 'Pulled', `Container image "${image}" already present on machine`, fieldOf(slot))
      return this.#after(CONTAINER, () => this.#start(slot, found))
    }
    if (!present && imagePullPolicy === 'Never') {
      const message = `Container image "${image}" is not present with pull policy of Never`
      events.warning(this.pod, 'ErrImageNeverPull', message, fieldOf(slot))
      return this.#failPull(slot, 'ErrImageNeverPull', message)
    }
    events.normal(this.pod, 'Pulling', `Pulling image "${image}"`, fieldOf(slot))
    const time = present ? IMAGE_CHECK : pullTime(image, node)
    this.#after(time, () => {
      if (found === null) return this.#unknownImage(slot)
      runtime.images.add(fullReference(image))
      const took = `${duration(time)} (${duration(time)} including waiting)`
      const size = `Image size: ${sizeOf(image)} bytes.`
      events.normal(this.pod, 'Pulled', `Successfully pulled image "${image}" in ${took}. ${size}`, fieldOf(slot))
      this.#after(CONTAINER, () => this.#start(slot, found))
    })
  }

  #unknownImage(slot: ContainerSlot): void {
    const { image } = slot.spec
    const advice = `podwire: no image "${image}" is known; declare it under "images" in the topology file, or add it to the catalogue`
    const message = `Failed to pull image "${image}": ${advice}`
    this.#context.events.warning(this.pod, 'Failed', message, fieldOf(slot))
    this.#failPull(slot, 'ErrImagePull', advice)
  }

  #failPull(slot: ContainerSlot, reason: string, message: string): void {
    const { events, scheduler } = this.#context
    events.warning(this.pod, 'Failed', `Error: ${reason}`, fieldOf(slot))
    slot.waiting = { reason, message }
    slot.holdOffPull(scheduler.now)
    if (reason !== 'ErrImagePull') return
    // One sync later the kubelet speaks of backing off.
    scheduler.call(RELIST, () => {
      if (this.#ending || slot.running || slot.waiting.reason !== 'ErrImagePull') return
      const { image } = slot.spec
      events.normal(this.pod, 'BackOff', `Back-off pulling image "${image}"`, fieldOf(slot))
      events.warning(this.pod, 'Failed', 'Error: ImagePullBackOff', fieldOf(slot))
      slot.waiting = { reason: 'ImagePullBackOff', message: `Back-off pulling image "${image}": ${message}` }
      this.#report()
    })
  }

  // ── containers ───────────────────────────────────────────────────────

  #start(slot: ContainerSlot, image: Image): void {
    const { store, events, scheduler } = this.#context
    const { spec } = slot
    let env: Record<string, string>
    try {
      env = environment(store, this.pod, spec, this.podIp ?? '')
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      events.warning(this.pod, 'Failed', `Error: ${error.message}`, fieldOf(slot))
      slot.waiting = { reason: 'CreateContainerConfigError', message: error.message }
      slot.notBefore = scheduler.now + 10 * RELIST
      return
    }
    const container = this.#create(slot, image, env)
    for (const [path, text] of volumeFiles(store, this.pod, spec)) container.place.files.set(path, text)
    slot.begin(container)
    slot.waiting = { reason: 'ContainerCreating' }
    events.normal(this.pod, 'Created', `Created container: ${spec.name}`, fieldOf(slot))
    container.start()
    if (container.failure !== null) {
      events.warning(this.pod, 'Failed', `Error: ${container.failure}`, fieldOf(slot))
      return
    }
    events.normal(this.pod, 'Started', `Started container ${spec.name}`, fieldOf(slot))
    if (slot.init) {
      slot.started = true
      slot.ready = true
    } else this.#probe(slot, container)
  }

  #create(
    slot: ContainerSlot,
    image: Image,
    env: Record<string, string>,
    old?: { since: Nanos; id?: string | undefined },
  ) {
    const { spec } = slot
    const expanded = (words: readonly string[] | undefined) => (words ?? []).map((word) => expand(word, env))
    const options = {
      name: spec.name,
      image: spec.image,
      attempt: slot.ended === null ? slot.restarts : slot.restarts + 1,
      argv: commandLine(image, expanded(spec.command), expanded(spec.args)),
      env,
      workdir: spec.workingDir ?? null,
      stdin: spec.stdin === true,
      tty: spec.tty === true,
      ...(old === undefined ? {} : { since: old.since }),
    }
    return this.#context.runtime.createContainer(this.sandbox as PodSandbox, image, options, old?.id)
  }

  #probe(slot: ContainerSlot, container: Container): void {
    const { events, probes } = this.#context
    slot.prober = new Prober(this.pod, container, this.podIp ?? '', probes, {
      started: () => {
        slot.started = true
        this.#report()
      },
      ready: (ready) => {
        slot.ready = ready
        this.#report()
      },
      unhealthy: (_kind, sentence) => events.warning(this.pod, 'Unhealthy', sentence, fieldOf(slot)),
      dead: (kind) => {
        const message = `Container ${slot.spec.name} failed ${kind.toLowerCase()} probe, will be restarted`
        events.normal(this.pod, 'Killing', message, fieldOf(slot))
        const own = slot.spec.livenessProbe?.terminationGracePeriodSeconds
        this.#stop(slot, own === undefined ? this.#grace : own * SECOND, () => {})
      },
    })
    slot.prober.start()
  }

  #report(): void {
    const { store } = this.#context
    const { namespace, name, uid } = this.pod.metadata
    const present = store.get<Pod>('Pod', namespace as string, name)
    if (present === null || present.metadata.uid !== uid) return
    this.pod = present
    store.updateStatus('Pod', namespace as string, name, podStatus(this.#view, store.clock))
  }
}

function fieldOf(slot: ContainerSlot): string {
  return `spec.${slot.init ? 'initContainers' : 'containers'}{${slot.spec.name}}`
}

/** As Go prints durations: `10s`, `2m40s`, `1.234s`, `250ms`. */
function duration(nanos: Nanos): string {
  if (nanos < 1e9) return `${Math.round(nanos / 1e6)}ms`
  const seconds = nanos / 1e9
  if (seconds < 60) return `${Number(seconds.toFixed(3))}s`
  return `${Math.floor(seconds / 60)}m${Math.round(seconds % 60)}s`
}

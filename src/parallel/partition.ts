/**
 * What one thread does: it builds the whole world as all others do, from the same seed, and runs its own machines from then
 * on. The others' stand there without cables. The switch and the workstation are in every thread.
 */
import { type Io, type ProcessPlace, SIGKILL } from '../host/process.ts'
import { type RemoteCommand, type RemoteShell, ssh } from '../host/ssh.ts'
import type { NetDevice } from '../link/device.ts'
import type { Frame } from '../link/frame.ts'
import type { Veth } from '../link/veth.ts'
import { Random } from '../sim/random.ts'
import type { Nanos, Scheduler } from '../sim/scheduler.ts'
import { Lab } from '../topology/lab.ts'
import type { FileAccess } from '../topology/load.ts'
import type { Step, TopologyFile } from '../topology/schema.ts'
import { matchingFrames, runStep, type StepListener } from '../topology/steps.ts'
import { Exchange, type LookAhead, type Place } from './exchange.ts'
import type { Arrivals } from './records.ts'
import { Sessions } from './sessions.ts'
import { type Chunk, countsOf, type InterfaceCounts, Spool } from './spool.ts'
import { ALL, Stations } from './stations.ts'

/** What all threads are told. */
export interface Job {
  readonly topology: TopologyFile
  readonly seed: number
  /** Capture from time zero: only interfaces that match, all when empty; null: none. */
  readonly capture: readonly string[] | null
  /** Somebody wants to know what is captured, besides steps that expect frames. */
  readonly written: boolean
  readonly lookAhead: LookAhead
  /** No step begins later than this. */
  readonly until: Nanos
}

/** What became of a step, as one thread sees it. */
export interface StepReport {
  /** From 1. */
  readonly number: number
  readonly output: string
  readonly exit: number | null
  readonly failures: readonly string[]
  /** Frames of its own machines that match, for each expectation. */
  readonly counts: readonly number[]
  readonly now: Nanos
  /** What the cluster has come to: its latest resource version. */
  readonly version: string
}

/** How a thread spent its time. */
export interface Spent {
  /** Milliseconds until everything was built, and from there to the end. */
  readonly building: number
  readonly running: number
  /** Milliseconds of the latter on a processor; 0 where the system does not tell. */
  readonly cpu: number
  /** Milliseconds of the latter in which it waited for other threads, and how often it did. */
  readonly waited: number
  readonly waits: number
  /** Frames that went to the switch from its machines. */
  readonly frames: number
  /** Frames that were on their way at the end, those of other threads' machines included. */
  readonly inFlight: number
}

export type Message =
  | { readonly type: 'built' }
  | { readonly type: 'say' | 'command' | 'output'; readonly text: string }
  | { readonly type: 'chunk'; readonly chunk: Chunk }
  | { readonly type: 'step'; readonly report: StepReport }
  | {
      readonly type: 'end'
      readonly now: Nanos
      readonly spent: Spent
      readonly counts: readonly (readonly [number, InterfaceCounts])[]
    }

/** Whom the thread works for. */
export interface Employer {
  hear(message: Message): void
  /** Milliseconds that this thread has been on a processor; 0 where the system does not tell. */
  cpuTime(): number
  /** All threads have told of this step: may they go on? */
  verdict(step: number): Promise<boolean>
}

/** Ranks of what happens at one instant: the ports of the switch, by machine, the machines' ends, and what commands said. */
const PORTS = -1_000_000
const SESSIONS = -1
/** Instead of a session: a machine spoke (Stations). */
const SPOKE = -1

export class Partition {
  readonly lab: Lab
  readonly exchange: Exchange
  readonly #job: Job
  readonly #place: Place
  readonly #employer: Employer
  /** The machines' names, by number less one. */
  readonly #names: readonly string[]
  /** By the machine's number less one: which thread has it, and is it this one? */
  readonly #owners: readonly number[]
  readonly #own: readonly boolean[]
  readonly #machineOf = new Map<object, number>()
  readonly #sessions: Sessions
  #split = false
  #spool: Spool | null = null

  static async run(job: Job, place: Place, files: FileAccess, employer: Employer): Promise<void> {
    const began = performance.now()
    const spools: Spool[] = []
    const of: { machine: (device: NetDevice) => number } = { machine: () => 0 }
    const lab = await Lab.build(job.topology, {
      ...files,
      seed: job.seed,
      capture: job.capture,
      keepFrames: job.topology.steps.some((step) => (step.expect?.frames ?? []).length > 0),
      inParts: true,
      onRecorder: ({ capture }) => {
        if (!job.written) return
        const send = (chunk: Chunk) => employer.hear({ type: 'chunk', chunk })
        const spool = new Spool(capture, send, ({ device }) => of.machine(device))
        spool.on = place.thread === 0
        spools.push(spool)
      },
    })
    const partition = new Partition(lab, job, place, employer, spools[0] ?? null)
    of.machine = (device) => partition.#numberOf(device)
    await partition.#runSteps(performance.now() - began)
  }

  private constructor(lab: Lab, job: Job, place: Place, employer: Employer, spool: Spool | null) {
    this.lab = lab
    this.#job = job
    this.#place = place
    this.#employer = employer
    this.#spool = spool
    this.#names = [...lab.machines.keys()]
    this.#owners = ownersOf(this.#names.length, job.seed, place.threads)
    this.#own = this.#owners.map((owner) => owner === place.thread)
    for (const [i, [name, machine]] of [...lab.machines].entries()) {
      this.#machineOf.set(machine.world, i + 1)
      this.#machineOf.set(lab.cables.get(name)?.[1].world as object, i + 1)
    }
    const { scheduler } = lab.world
    // A capture is in the order of one clock.
    const seen = [lab.switch, ...[...lab.cables.values()].map(([, far]) => far)].some(({ tap }) => tap !== null)
    this.exchange = new Exchange(place, scheduler, seen ? scheduler : this.#separate(), job.lookAhead)
    this.exchange.pool = lab.world.frames
    this.#sessions = new Sessions(lab.runner, this.exchange, SESSIONS)
    this.#splitWorld()
  }

  /** The switch has a clock of its own from now on. */
  #separate(): Scheduler {
    const { switchWorld, world, cables, switch: bridge } = this.lab
    const own = switchWorld.separate()
    for (const [, far] of cables.values()) far.leaveClock(world.scheduler)
    for (const { notes } of bridge.ports) if (notes.settling !== null) own.takeOver(notes.settling, world.scheduler)
    return own
  }

  #splitWorld(): void {
    const { lab } = this
    if (this.#spool !== null) this.#spool.on = false
    const alone = this.#place.threads === 1
    const stations = this.#stations()
    const ports: Veth[] = []
    for (const [i, [name, machine]] of [...lab.machines].entries()) {
      const [eth0, far] = lab.cables.get(name) as readonly [Veth, Veth]
      ports.push(far)
      far.rank = PORTS + i
      // When the switch's clock arms it, among what the machine arms, depends on the threads.
      eth0.rank = PORTS / 2 + i
      machine.world.random.restart(seedOf(this.#job.seed, i + 1))
      far.world.random.restart(seedOf(this.#job.seed, -i - 1))
      for (const end of [eth0, far]) end.separate()
      if (this.#own[i]) {
        eth0.departing = (frame, due) => {
          machine.world.frames.identify(frame)
          const to = alone ? ALL : stations.needs(i, frame, due)
          this.exchange.sendFrame(i, frame, due, to)
          return to !== ALL && to !== this.#place.thread && far.tap === null
        }
        continue
      }
      for (const end of [eth0, far]) end.impairment = () => true
      if (lab.cluster?.nodes.has(name) === true) continue
      for (const at of [machine.place, ...machine.places.values()]) {
        for (const process of [...at.processes.values()]) process.kill(SIGKILL)
      }
    }
    lab.workstation.machine.world.random.restart(seedOf(this.#job.seed, 0))
    this.#connectWorkstation()
    this.exchange.arrivals = this.#arrivals(ports, stations)
    lab.world.watchLinks(() => this.#refuseDown())
    lab.runner.horizon = this.exchange
    this.#split = true
    this.#ownCapture()
    if (this.#spool !== null) this.#spool.on = true
  }

  /** What is typed at the workstation runs where its machine is. */
  #connectWorkstation(): void {
    const { workstation, cluster } = this.lab
    const start = (place: ProcessPlace, io: Io, begin: (inner: Io) => RemoteCommand) => {
      const number = this.#names.indexOf(place.machine.name) + 1
      return this.#sessions.start(number, this.#own[number - 1] ? begin : null, io)
    }
    const shellOf = (place: ProcessPlace): RemoteShell => ({
      shell: (line, io) => start(place, io, (inner) => place.shell(line, inner)),
    })
    const lookUp = (name: string) => {
      const place = this.lab.remote(name)
      return place === null ? null : shellOf(place)
    }
    workstation.programs.set('ssh', ssh(lookUp))
    if (cluster === null) return
    cluster.remote.elsewhere = true
    cluster.remote.start = (place, argv, io) => start(place, io, (inner) => place.spawn(argv, inner))
  }

  #stations(): Stations {
    const machines = [...this.lab.cables.values()].map(([{ mac }], i) => ({ mac, thread: this.#owners[i] }))
    const tell = (machine: number, spoke: Nanos) => this.exchange.sendText(spoke, machine, SPOKE, 0, 0, '')
    return new Stations(this.lab.switch.fdb, this.lab.world.scheduler, machines, tell)
  }

  /** The switch of the other threads would not notice. */
  #refuseDown(): void {
    for (const [i, [name, [eth0, far]]] of [...this.lab.cables].entries()) {
      if (this.#own[i] && !(eth0.carrier && far.carrier)) {
        throw new RangeError(`podwire: taking down eth0 of ${name} is not modelled with --threads`)
      }
    }
  }

  #arrivals(ports: readonly Veth[], stations: Stations): Arrivals {
    return {
      frame: (port: number, frame: Frame, due: Nanos) => ports[port].inject(frame, due),
      text: (time, machine, session, stream, code, text) => {
        if (session === SPOKE) stations.heard(machine, time)
        else this.#sessions.take(time, machine, session, stream, code, text)
      },
    }
  }

  /** From now on each thread tells of its own machines, and the first of the rest. */
  #ownCapture(): void {
    const { recorder } = this.lab
    if (recorder === null) return
    recorder.wants = (device) => this.#isOwn(device)
    for (const seen of recorder.interfaces()) {
      if (seen.until === null && !this.#isOwn(seen.device)) recorder.capture.detach(seen.device)
    }
  }

  #isOwn(device: NetDevice): boolean {
    const number = this.#numberOf(device)
    return number === 0 ? this.#place.thread === 0 : this.#own[number - 1]
  }

  /** Before the split all threads see the same, in the same order. */
  #numberOf(device: NetDevice): number {
    return this.#split ? (this.#machineOf.get(device.world) ?? 0) : 0
  }

  async #runSteps(building: number): Promise<void> {
    const { lab } = this
    const first = this.#place.thread === 0
    const tell = (type: 'say' | 'command' | 'output') => (text: string) => this.#employer.hear({ type, text })
    const none = () => {}
    const listener: StepListener = first
      ? { say: tell('say'), command: tell('command'), output: tell('output') }
      : { say: none, command: none, output: none }
    this.#employer.hear({ type: 'built' })
    const began = performance.now()
    const before = this.#employer.cpuTime()
    for (const [i, step] of this.#job.topology.steps.entries()) {
      if (lab.world.scheduler.now >= this.#job.until) break
      if (!(await this.#step(step, i + 1, listener))) break
    }
    const running = performance.now() - began
    const cpu = this.#employer.cpuTime() - before
    await this.#leave()
    const { waited, waits, sent } = this.exchange
    const { now } = lab.world.scheduler
    this.#spool?.flush(0, Number.POSITIVE_INFINITY)
    const spent = { building, running, cpu, waited, waits, frames: sent, inFlight: lab.world.framesInUse }
    const counted = (lab.recorder?.interfaces() ?? []).filter(({ device }) => this.#isOwn(device))
    this.#employer.hear({
      type: 'end',
      now,
      spent,
      counts: counted.map((seen) => [seen.number, countsOf(seen)] as const),
    })
  }

  /** False: it was the last. */
  async #step(step: Step, number: number, listener: StepListener): Promise<boolean> {
    const { lab } = this
    lab.recorder?.capture.forget()
    const from = lab.recorder?.capture.frames ?? 0
    const frames = step.expect?.frames ?? []
    const alone = step.expect === undefined ? step : { ...step, expect: { ...step.expect, frames: [] } }
    const { output, exit, failures } = await runStep(lab, alone, number, listener)
    await this.exchange.settle()
    const counts = frames.map((expected) => matchingFrames(lab, from, expected))
    this.#spool?.flush()
    const { now } = lab.world.scheduler
    const version = lab.cluster?.store.resourceVersion ?? ''
    this.#employer.hear({ type: 'step', report: { number, output, exit, failures, counts, now, version } })
    if (frames.length > 0) return this.#employer.verdict(number)
    return failures.length === 0
  }

  /** The others may still have to get rid of what they say. */
  async #leave(): Promise<void> {
    this.exchange.leave()
    while (!this.exchange.alone) {
      this.exchange.drain()
      await new Promise((resolve) => void setTimeout(resolve, this.#place.inTurns ? 0 : 1))
    }
  }
}

/** Which thread has which machine: as many each, thrown together by the seed. */
function ownersOf(machines: number, seed: number, threads: number): number[] {
  const random = new Random(seed)
  const owners = Array.from({ length: machines }, (_, i) => i % threads)
  for (let i = machines - 1; i > 0; i--) {
    const j = random.below(i + 1)
    ;[owners[i], owners[j]] = [owners[j], owners[i]]
  }
  return owners
}

/** Of a machine's own stream of chance. */
function seedOf(seed: number, machine: number): number {
  return new Random((seed ^ Math.imul(machine + 1, 0x9e37_79b9)) | 0).int32()
}

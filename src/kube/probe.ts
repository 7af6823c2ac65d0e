/**
 * Startup, readiness and liveness probes of one container. HTTP and TCP probes are real connections from the node to
 * the pod: they can be seen in captures.
 */
import { exchange, HttpFailure } from '../host/http-client.ts'
import type { Place } from '../host/place.ts'
import { Killed, type Process, SIGKILL } from '../host/process.ts'
import { SocketError, TcpStream, TimedOut } from '../host/streams.ts'
import { SECOND, Timer } from '../sim/scheduler.ts'
import { parseIpv4, tryParseIpv4 } from '../wire/address.ts'
import { namedPort } from './backends.ts'
import type { Pod, Probe } from './objects.ts'
import type { Container } from './pod.ts'

export type ProbeKind = 'Startup' | 'Readiness' | 'Liveness'

export interface ProbeResults {
  /** The first time, and whenever it turns. */
  started(): void
  ready(ready: boolean): void
  /** One attempt failed. */
  unhealthy(kind: ProbeKind, sentence: string): void
  /** Too many in a row: the container is to be killed. */
  dead(kind: ProbeKind): void
}

interface Outcome {
  readonly ok: boolean
  readonly sentence: string
}

/** All probes of one container, from its start to its end. */
export class Prober {
  readonly #pod: Pod
  readonly #container: Container
  readonly #podIp: string
  /** Where probes run: the kubelet's place on the node. */
  readonly #place: Place
  readonly #results: ProbeResults
  readonly #timers = new Map<ProbeKind, Timer>()
  #stopped = false
  #restarting = true

  constructor(pod: Pod, container: Container, podIp: string, place: Place, results: ProbeResults) {
    this.#pod = pod
    this.#container = container
    this.#podIp = podIp
    this.#place = place
    this.#results = results
  }

  start(): void {
    const spec = this.#pod.spec.containers.find((container) => container.name === this.#container.name)
    if (spec?.startupProbe === undefined) this.#begin(spec?.readinessProbe, spec?.livenessProbe)
    else this.#repeat('Startup', spec.startupProbe, () => this.#begin(spec.readinessProbe, spec.livenessProbe))
  }

  stop(): void {
    this.#stopped = true
    for (const timer of this.#timers.values()) this.#place.machine.world.scheduler.cancel(timer)
  }

  /** The pod is on its way out: whether it still serves is asked on, whether it lives is not. */
  stopRestarting(): void {
    this.#restarting = false
    for (const kind of ['Startup', 'Liveness'] as const) {
      const timer = this.#timers.get(kind)
      if (timer !== undefined) this.#place.machine.world.scheduler.cancel(timer)
    }
  }

  #begin(readiness: Probe | undefined, liveness: Probe | undefined): void {
    this.#results.started()
    if (readiness === undefined) this.#results.ready(true)
    else this.#repeat('Readiness', readiness, () => this.#results.ready(true))
    if (liveness !== undefined) this.#repeat('Liveness', liveness, () => {})
  }

  /** Asks every period; `passed` is called when it has succeeded often enough. */
  #repeat(kind: ProbeKind, probe: Probe, passed: () => void): void {
    const { scheduler } = this.#place.machine.world
    let good = 0
    let bad = 0
    const timer = new Timer({ run: () => this.#attempt(probe, judge) })
    const judge = ({ ok, sentence }: Outcome) => {
      if (this.#stopped || (kind !== 'Readiness' && !this.#restarting)) return
      good = ok ? good + 1 : 0
      bad = ok ? 0 : bad + 1
      if (!ok) this.#results.unhealthy(kind, `${kind} probe failed: ${sentence}`)
      if (ok && good === (probe.successThreshold ?? 1)) passed()
      if (!ok && bad === (probe.failureThreshold ?? 3)) {
        if (kind === 'Readiness') this.#results.ready(false)
        else return this.#results.dead(kind)
      }
      if (!(ok && kind === 'Startup')) scheduler.after(timer, (probe.periodSeconds ?? 10) * SECOND)
    }
    this.#timers.set(kind, timer)
    scheduler.after(timer, (probe.initialDelaySeconds ?? 0) * SECOND)
  }

  #attempt(probe: Probe, judge: (outcome: Outcome) => void): void {
    const timeout = (probe.timeoutSeconds ?? 1) * SECOND
    if (probe.exec !== undefined) return this.#exec(probe.exec.command ?? [], timeout, judge)
    const name = 'probe'
    let outcome: Outcome = { ok: false, sentence: 'the probe was killed' }
    this.#place.programs.set(name, async (self) => {
      outcome = await this.#ask(self, probe, timeout)
      return 0
    })
    const { exit } = this.#place.spawn([name], { out: () => {}, err: () => {} })
    this.#place.machine.runner.wake()
    exit.then(() => judge(outcome))
  }

  async #ask(self: Process, probe: Probe, timeout: number): Promise<Outcome> {
    const { httpGet, tcpSocket } = probe
    const host = httpGet?.host ?? tcpSocket?.host ?? this.#podIp
    const port = this.#port(httpGet?.port ?? tcpSocket?.port ?? 0)
    try {
      if (httpGet === undefined) {
        const stream = await TcpStream.connect(self, parseIpv4(host), port, timeout)
        stream.close()
        return { ok: true, sentence: '' }
      }
      if (tryParseIpv4(host) === null)
        return { ok: false, sentence: `podwire: probing the name ${host} is not modelled` }
      const target = httpGet.path ?? '/'
      const headers = [
        ['User-Agent', 'kube-probe/1.32'],
        ['Accept', '*/*'],
        ['Connection', 'close'],
      ] as const
      const own = (httpGet.httpHeaders ?? []).map(({ name, value }) => [name, value] as const)
      const url = { host, port, target, authority: `${host}:${port}` }
      const { status } = await exchange(self, url, { headers: [...headers, ...own], timeout })
      return { ok: status >= 200 && status < 400, sentence: `HTTP probe failed with statuscode: ${status}` }
    } catch (error) {
      if (error instanceof Killed) throw error
      const target = `${host}:${port}`
      if (httpGet === undefined) return { ok: false, sentence: `dial tcp ${target}: ${reason(error)}` }
      const get = `Get "http://${target}${httpGet.path ?? '/'}"`
      if (error instanceof HttpFailure && error.message === TIMED_OUT) return { ok: false, sentence: `${get}: ${LATE}` }
      return { ok: false, sentence: `${get}: dial tcp ${target}: ${reason(error)}` }
    }
  }

  #exec(command: readonly string[], timeout: number, judge: (outcome: Outcome) => void): void {
    let output = ''
    const keep = (text: string) => {
      output += text
    }
    const { process, exit } = this.#container.place.spawn(command, { out: keep, err: keep })
    const { scheduler } = this.#place.machine.world
    const timer = scheduler.call(timeout, () => process.kill(SIGKILL))
    this.#place.machine.runner.wake()
    exit.then((code) => {
      scheduler.cancel(timer)
      judge({ ok: code === 0, sentence: output.trim() })
    })
  }

  #port(port: number | string): number {
    return typeof port === 'number' ? port : (namedPort(this.#pod, port, 'TCP') ?? 0)
  }
}

const TIMED_OUT = new TimedOut().message
const LATE = 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)'

/** In the words of Go's net package. */
function reason(error: unknown): string {
  if (error instanceof TimedOut) return 'i/o timeout'
  if (error instanceof SocketError || error instanceof HttpFailure) return `connect: ${error.message.toLowerCase()}`
  throw error
}

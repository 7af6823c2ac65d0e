/**
 * How the kubelet stops a container (pkg/kubelet/kuberuntime: killContainer): its preStop hook, then SIGTERM, and
 * SIGKILL for whatever is left when the grace is over.
 */
import { exchange, HttpFailure } from '../host/http-client.ts'
import { SIGKILL, SIGTERM } from '../host/process.ts'
import { type Nanos, SECOND, type Timer } from '../sim/scheduler.ts'
import { namedPort } from './backends.ts'
import type { ContainerSlot } from './container-slot.ts'
import type { KubeletContext } from './kubelet-context.ts'
import type { Hook, Pod } from './objects.ts'
import type { Container } from './pod.ts'

/** However long the hook took, this is left for SIGTERM. */
const LEAST: Nanos = 2 * SECOND

export interface Stopping {
  readonly pod: Pod
  readonly podIp: string
  readonly slot: ContainerSlot
  /** From now to SIGKILL. */
  readonly grace: Nanos
  /** `spec.containers{web}`, for events. */
  readonly field: string
  /** Told when the container has ended. */
  readonly ended: () => void
}

export function stopContainer(context: KubeletContext, stopping: Stopping): void {
  const { scheduler } = context
  const { slot, grace, ended } = stopping
  const container = slot.current
  if (container === null || container.state !== 'Running') return ended()
  const hook = slot.spec.lifecycle?.preStop
  const deadline = scheduler.now + grace
  const timers: Timer[] = []
  container.onEnd = () => {
    for (const timer of timers) scheduler.cancel(timer)
    ended()
  }
  if (grace === 0) return container.kill(SIGKILL)
  let signalled = false
  const signal = () => {
    if (signalled || container.state !== 'Running') return
    signalled = true
    container.kill(SIGTERM)
    const left = Math.max(deadline - scheduler.now, hook === undefined ? 0 : LEAST)
    timers.push(scheduler.call(left, () => container.kill(SIGKILL)))
  }
  if (hook === undefined) return signal()
  timers.push(scheduler.call(grace, signal))
  run(context, stopping, container, hook, signal)
}

function run(context: KubeletContext, stopping: Stopping, container: Container, hook: Hook, done: () => void): void {
  const { scheduler, events, runtime } = context
  const ended = (ok: boolean) => {
    if (!ok) events.warning(stopping.pod, 'FailedPreStopHook', 'PreStopHook failed', stopping.field)
    done()
  }
  if (hook.sleep !== undefined) {
    scheduler.call(hook.sleep.seconds * SECOND, done)
    return
  }
  if (hook.httpGet !== undefined) return get(context, stopping, hook.httpGet, ended)
  const command = hook.exec?.command ?? []
  if (command.length === 0 || container.place.find(command[0]) === null) return ended(false)
  const { exit } = container.place.spawn(command, { out: () => {}, err: () => {} })
  runtime.machine.runner.wake()
  exit.then((code) => ended(code === 0))
}

/** From the node to the pod, as probes go. */
function get(
  { probes, runtime }: KubeletContext,
  { pod, podIp, grace }: Stopping,
  { host = podIp, port, path = '/', httpHeaders = [] }: NonNullable<Hook['httpGet']>,
  ended: (ok: boolean) => void,
): void {
  const number = typeof port === 'number' ? port : (namedPort(pod, port, 'TCP') ?? 0)
  let ok = false
  probes.programs.set('hook', async (self) => {
    const own = httpHeaders.map(({ name, value }) => [name, value] as const)
    const headers = [['User-Agent', 'kube-lifecycle/1.32'], ['Accept', '*/*'], ...own] as const
    try {
      const { status } = await exchange(
        self,
        { host, port: number, target: path, authority: `${host}:${number}` },
        { headers, timeout: grace },
      )
      ok = status >= 200 && status < 400
    } catch (error) {
      if (!(error instanceof HttpFailure)) throw error
    }
    return 0
  })
  const { exit } = probes.spawn(['hook'], { out: () => {}, err: () => {} })
  runtime.machine.runner.wake()
  exit.then(() => ended(ok))
}

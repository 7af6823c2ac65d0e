/** The status that a kubelet reports for a pod. */

import type { ContainerSlot } from './container-slot.ts'
import { fullReference } from './image-reference.ts'
import type { Condition, ContainerStatus, Pod, PodStatus } from './objects.ts'
import type { Clock } from './timestamp.ts'

export interface PodView {
  readonly pod: Pod
  readonly init: readonly ContainerSlot[]
  readonly main: readonly ContainerSlot[]
  /** Null before the sandbox has a network. */
  readonly podIp: string | null
  readonly hostIp: string
  /** When the kubelet first saw it. */
  readonly startTime: string
}

export function podPhase({ pod, init, main }: PodView): NonNullable<PodStatus['phase']> {
  const { restartPolicy } = pod.spec
  if (init.some((slot) => slot.ended !== null && !slot.succeeded) && restartPolicy === 'Never') return 'Failed'
  if (!init.every((slot) => slot.succeeded)) return 'Pending'
  if (main.some((slot) => slot.current === null)) return 'Pending'
  const over = restartPolicy !== 'Always' && main.every((slot) => slot.ended !== null)
  if (!over) return 'Running'
  if (main.every((slot) => slot.succeeded)) return 'Succeeded'
  return restartPolicy === 'Never' ? 'Failed' : 'Running'
}

export function podStatus(view: PodView, clock: Clock): PodStatus {
  const { pod, init, main, hostIp } = view
  const podIp = reportedIp(view)
  const phase = podPhase(view)
  const finished = phase === 'Succeeded' || phase === 'Failed'
  const initialized = init.every((slot) => slot.succeeded)
  const unready = main.filter((slot) => !isReady(slot)).map((slot) => slot.spec.name)
  const notReady: Pick<Condition, 'reason' | 'message'> =
    finished && phase === 'Succeeded'
      ? { reason: 'PodCompleted' }
      : finished
        ? { reason: 'PodFailed' }
        : { reason: 'ContainersNotReady', message: `containers with unready status: [${unready.join(' ')}]` }
  const uninitialized = init.filter((slot) => !slot.succeeded).map((slot) => slot.spec.name)
  const ready = unready.length === 0 && !finished
  const own = [
    condition('PodReadyToStartContainers', podIp !== null && !finished),
    initialized
      ? condition('Initialized', true, phase === 'Succeeded' ? { reason: 'PodCompleted' } : {})
      : condition('Initialized', false, {
          reason: 'ContainersNotInitialized',
          message: `containers with incomplete status: [${uninitialized.join(' ')}]`,
        }),
    ready ? gated(pod) : condition('Ready', false, notReady),
    condition('ContainersReady', ready, ready ? {} : notReady),
    condition('PodScheduled', true),
  ].map((now) => timed(now, pod.status.conditions ?? [], clock))
  const others = (pod.status.conditions ?? []).filter(({ type }) => !own.some((each) => each.type === type))
  const conditions = [...own, ...others]
  return {
    phase,
    conditions,
    hostIP: hostIp,
    hostIPs: [{ ip: hostIp }],
    ...(podIp === null ? {} : { podIP: podIp, podIPs: [{ ip: podIp }] }),
    startTime: view.startTime,
    ...(init.length === 0 ? {} : { initContainerStatuses: init.map((slot) => containerStatus(slot, clock)) }),
    containerStatuses: main.map((slot) => containerStatus(slot, clock)).sort((a, b) => (a.name < b.name ? -1 : 1)),
    qosClass: pod.status.qosClass ?? 'BestEffort',
  }
}

/**
 * The kubelet reports a pod's address when it looks again after its first containers were started or failed, not
 * while it is busy pulling their images: until then `kubectl get` shows `<none>`.
 */
function reportedIp({ pod, init, main, podIp }: PodView): string | null {
  const begun = (slot: ContainerSlot) =>
    slot.current !== null || !['ContainerCreating', 'PodInitializing'].includes(slot.waiting.reason)
  return pod.spec.hostNetwork === true || init.some(begun) || main.every(begun) ? podIp : null
}

function isReady(slot: ContainerSlot): boolean {
  return slot.init ? slot.succeeded : slot.running && slot.started && slot.ready
}

function containerStatus(slot: ContainerSlot, clock: Clock): ContainerStatus {
  const { spec, current, restarts } = slot
  const state = slot.state(clock)
  return {
    name: spec.name,
    state,
    lastState: slot.lastState(),
    ready: isReady(slot),
    restartCount: restarts,
    image: current === null ? spec.image : fullReference(spec.image),
    imageID: current === null ? '' : current.options.imageId,
    ...(current === null ? {} : { containerID: `containerd://${current.id}` }),
    started: slot.running && slot.started,
  }
}

function condition(type: string, met: boolean, more: Pick<Condition, 'reason' | 'message'> = {}): Condition {
  return { type, status: met ? 'True' : 'False', lastProbeTime: null, ...more }
}

/** Its containers are ready; whether it is, somebody else may have to say (readinessGates). */
function gated({ spec, status }: Pod): Condition {
  const found = (type: string) => status.conditions?.find((each) => each.type === type)
  const closed = (spec.readinessGates ?? []).filter(({ conditionType }) => found(conditionType)?.status !== 'True')
  if (closed.length === 0) return condition('Ready', true)
  const messages = closed.map(({ conditionType: type }) => {
    const state = found(type)?.status
    return state === undefined
      ? `corresponding condition of pod readiness gate "${type}" does not exist.`
      : `the status of pod readiness gate "${type}" is not "True", but ${state}`
  })
  return condition('Ready', false, { reason: 'ReadinessGatesNotReady', message: messages.join(', ') })
}

/** The transition time moves when the status does. */
function timed(now: Condition, before: readonly Condition[], clock: Clock): Condition {
  const old = before.find((other) => other.type === now.type)
  const kept = old?.status === now.status ? old.lastTransitionTime : undefined
  return { ...now, lastTransitionTime: kept ?? clock.text() }
}

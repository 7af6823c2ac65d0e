/** The Pod row of `kubectl get`: what STATUS, READY and RESTARTS say, as the API server's printer decides it. */
import type { KubeObject } from '../api.ts'
import { age } from '../duration.ts'
import { at, isMap, listAt, numberAt, textAt } from '../field.ts'
import { columns, type Layout } from './table.ts'

export interface PodSummary {
  readonly ready: string
  readonly status: string
  readonly restarts: string
}

export function podSummary(pod: KubeObject, clock: number): PodSummary {
  const total = listAt(pod, 'spec.containers').length
  const tally = { ready: 0, restarts: 0, last: '', status: textAt(pod, 'status.reason') || textAt(pod, 'status.phase') }
  if (conditionIs(pod, 'PodScheduled', 'SchedulingGated')) tally.status = 'SchedulingGated'
  const waiting = initStatus(pod)
  if (waiting !== null) tally.status = waiting
  const initialized = waiting === null

  let running = false
  const statuses = listAt(pod, 'status.containerStatuses')
  for (let index = statuses.length - 1; index >= 0 && initialized; index--) {
    const container = statuses[index]
    tally.restarts += numberAt(container, 'restartCount')
    const finished = textAt(container, 'lastState.terminated.finishedAt')
    if (finished > tally.last) tally.last = finished
    const state = stateReason(container)
    if (state !== null) tally.status = state
    else if (at(container, 'ready') === true && isMap(at(container, 'state.running'))) {
      running = true
      tally.ready++
    }
  }
  if (tally.status === 'Completed' && running) {
    tally.status = conditionTrue(pod, 'Ready') ? 'Running' : 'NotReady'
  }
  const terminal = ['Succeeded', 'Failed'].includes(textAt(pod, 'status.phase'))
  if (at(pod, 'metadata.deletionTimestamp')) {
    if (textAt(pod, 'status.reason') === 'NodeLost') tally.status = 'Unknown'
    else if (!terminal) tally.status = 'Terminating'
  }
  const ago = tally.restarts > 0 && tally.last !== '' ? ` (${age(tally.last, clock)} ago)` : ''
  return {
    ready: `${tally.ready}/${total}`,
    status: tally.status || 'Unknown',
    restarts: `${tally.restarts}${ago}`,
  }
}

/** Why a container does not run; null while it does. */
function stateReason(container: unknown): string | null {
  const waiting = textAt(container, 'state.waiting.reason')
  if (waiting !== '') return waiting
  if (!isMap(at(container, 'state.terminated'))) return null
  const reason = textAt(container, 'state.terminated.reason')
  if (reason !== '') return reason
  const signal = numberAt(container, 'state.terminated.signal')
  return signal !== 0 ? `Signal:${signal}` : `ExitCode:${numberAt(container, 'state.terminated.exitCode')}`
}

/** `Init:0/1` and its relatives while init containers are not done; null behind them. */
function initStatus(pod: KubeObject): string | null {
  const statuses = listAt(pod, 'status.initContainerStatuses')
  const total = listAt(pod, 'spec.initContainers').length
  for (let index = 0; index < statuses.length; index++) {
    const container = statuses[index]
    if (isMap(at(container, 'state.terminated'))) {
      const code = numberAt(container, 'state.terminated.exitCode')
      if (code === 0) continue
      const reason = textAt(container, 'state.terminated.reason')
      if (reason !== '') return `Init:${reason}`
      const signal = numberAt(container, 'state.terminated.signal')
      return signal !== 0 ? `Init:Signal:${signal}` : `Init:ExitCode:${code}`
    }
    const reason = textAt(container, 'state.waiting.reason')
    return reason !== '' && reason !== 'PodInitializing' ? `Init:${reason}` : `Init:${index}/${total}`
  }
  return null
}

export function conditionOf(object: unknown, type: string): unknown {
  return listAt(object, 'status.conditions').find((condition) => textAt(condition, 'type') === type)
}

export function conditionTrue(object: unknown, type: string): boolean {
  return textAt(conditionOf(object, type), 'status') === 'True'
}

function conditionIs(object: unknown, type: string, reason: string): boolean {
  return textAt(conditionOf(object, type), 'reason') === reason
}

function gates(pod: KubeObject): string {
  const wanted = listAt(pod, 'spec.readinessGates')
  if (wanted.length === 0) return '<none>'
  const met = wanted.filter((gate) => conditionTrue(pod, textAt(gate, 'conditionType')))
  return `${met.length}/${wanted.length}`
}

export const podLayout: Layout = {
  columns: columns('NAME READY STATUS RESTARTS AGE *IP *NODE *NOMINATED_NODE *READINESS_GATES'),
  cells(pod, clock) {
    const { ready, status, restarts } = podSummary(pod, clock)
    const address = textAt(listAt(pod, 'status.podIPs')[0], 'ip') || textAt(pod, 'status.podIP')
    return [
      textAt(pod, 'metadata.name'),
      ready,
      status,
      restarts,
      age(textAt(pod, 'metadata.creationTimestamp'), clock),
      address || '<none>',
      textAt(pod, 'spec.nodeName') || '<none>',
      textAt(pod, 'status.nominatedNodeName') || '<none>',
      gates(pod),
    ]
  },
}

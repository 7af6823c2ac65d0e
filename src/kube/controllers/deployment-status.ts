/** A Deployment's status: counts, and the conditions Available and Progressing. */
import type { Nanos } from '../../sim/scheduler.ts'
import type { Condition, Deployment, ReplicaSet } from '../objects.ts'
import type { Clock } from '../timestamp.ts'

export interface Report {
  readonly status: Deployment['status']
  /** When a rollout that stands still will have failed; null when none is under way. */
  readonly deadline: Nanos | null
}

export function deploymentStatus(
  deployment: Deployment,
  sets: readonly ReplicaSet[],
  current: ReplicaSet | null,
  maxUnavailable: number,
  clock: Clock,
): Report {
  const total = sets.reduce((sum, set) => sum + set.status.replicas, 0)
  const ready = sets.reduce((sum, set) => sum + (set.status.readyReplicas ?? 0), 0)
  const available = sets.reduce((sum, set) => sum + (set.status.availableReplicas ?? 0), 0)
  const updated = current?.status.replicas ?? 0
  const desired = deployment.spec.replicas
  const unavailable = Math.max(0, Math.max(total, desired) - available)
  const before = deployment.status.conditions ?? []
  const complete = updated === desired && total === desired && available === desired
  const moved =
    updated !== (deployment.status.updatedReplicas ?? 0) ||
    total !== (deployment.status.replicas ?? 0) ||
    available !== (deployment.status.availableReplicas ?? 0)
  const enough = available >= desired - maxUnavailable
  const availability: Condition = enough
    ? {
        type: 'Available',
        status: 'True',
        reason: 'MinimumReplicasAvailable',
        message: 'Deployment has minimum availability.',
      }
    : {
        type: 'Available',
        status: 'False',
        reason: 'MinimumReplicasUnavailable',
        message: 'Deployment does not have minimum availability.',
      }
  const progress = progressing(deployment, current, complete, moved, clock)
  const status = {
    observedGeneration: deployment.metadata.generation ?? 1,
    ...(total > 0 ? { replicas: total } : {}),
    ...(updated > 0 ? { updatedReplicas: updated } : {}),
    ...(ready > 0 ? { readyReplicas: ready } : {}),
    ...(available > 0 ? { availableReplicas: available } : {}),
    ...(unavailable > 0 ? { unavailableReplicas: unavailable } : {}),
    conditions: merge(before, [availability, progress], clock, moved && !complete),
  }
  const since = status.conditions.find((c) => c.type === 'Progressing')?.lastUpdateTime
  const waiting = !complete && progress.status !== 'False' && since !== undefined
  return { status, deadline: waiting ? clock.parse(since) + deployment.spec.progressDeadlineSeconds * 1e9 : null }
}

function progressing(
  deployment: Deployment,
  current: ReplicaSet | null,
  complete: boolean,
  moved: boolean,
  clock: Clock,
): Condition {
  const name = current?.metadata.name ?? ''
  const before = deployment.status.conditions?.find((condition) => condition.type === 'Progressing')
  const condition = (status: 'True' | 'False' | 'Unknown', reason: string, message: string): Condition => ({
    type: 'Progressing',
    status,
    reason,
    message,
  })
  if (deployment.spec.paused === true) return condition('Unknown', 'DeploymentPaused', 'Deployment is paused')
  if (complete) {
    return condition('True', 'NewReplicaSetAvailable', `ReplicaSet "${name}" has successfully progressed.`)
  }
  const late =
    before?.lastUpdateTime !== undefined &&
    before.reason !== 'NewReplicaSetAvailable' &&
    clock.now >= clock.parse(before.lastUpdateTime) + deployment.spec.progressDeadlineSeconds * 1e9
  if (!moved && (late || before?.reason === 'ProgressDeadlineExceeded')) {
    return condition('False', 'ProgressDeadlineExceeded', `ReplicaSet "${name}" has timed out progressing.`)
  }
  return condition('True', 'ReplicaSetUpdated', `ReplicaSet "${name}" is progressing.`)
}

/** Times move only with what they belong to: a transition with the status, an update with reason or progress. */
function merge(before: readonly Condition[], now: readonly Condition[], clock: Clock, moved: boolean): Condition[] {
  return now.map((condition) => {
    const old = before.find((other) => other.type === condition.type)
    const same = old !== undefined && old.reason === condition.reason && old.message === condition.message
    const keepUpdate = same && !(moved && condition.type === 'Progressing')
    return {
      ...condition,
      lastUpdateTime: keepUpdate ? (old.lastUpdateTime ?? clock.text()) : clock.text(),
      lastTransitionTime: old?.status === condition.status ? (old.lastTransitionTime ?? clock.text()) : clock.text(),
    }
  })
}

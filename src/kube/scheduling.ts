/** May this pod run on this node? The filters of kube-scheduler that podwire has. */
import { portsConflict } from './host-ports.ts'
import { hasLabels, holds } from './label-selector.ts'
import type { Node, Pod, PodSpec, Taint, Toleration } from './objects.ts'

/** The first taint that keeps the pod away; null when none does. PreferNoSchedule keeps nobody away. */
export function untolerated(taints: readonly Taint[], tolerations: readonly Toleration[]): Taint | null {
  const hard = taints.filter((taint) => taint.effect !== 'PreferNoSchedule')
  return hard.find((taint) => !tolerations.some((toleration) => tolerates(toleration, taint))) ?? null
}

export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect !== undefined && toleration.effect !== '' && toleration.effect !== taint.effect) return false
  if (toleration.key === undefined || toleration.key === '') return toleration.operator === 'Exists'
  if (toleration.key !== taint.key) return false
  return toleration.operator === 'Exists' || (toleration.value ?? '') === (taint.value ?? '')
}

/** nodeSelector, and the required part of node affinity. */
export function matchesNode(spec: PodSpec, node: Node): boolean {
  const { labels, name } = node.metadata
  if (!hasLabels(labels, spec.nodeSelector ?? {})) return false
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  if (required === undefined) return true
  return required.nodeSelectorTerms.some(
    (term) =>
      (term.matchExpressions ?? []).every((expression) => holds(expression, labels)) &&
      (term.matchFields ?? []).every((expression) => holds(expression, { 'metadata.name': name })),
  )
}

export const NO_PORTS = "node(s) didn't have free ports for the requested pod ports"
export const TOO_MANY = 'Too many pods'

/** What pods that go could change: the refusals that preemption may help with. */
export const UNRESOLVED: readonly string[] = [NO_PORTS, TOO_MANY]

/** Why not, in the scheduler's words; null when it may. `others`: pods that are bound to the node; `held`: how many need room. */
export function refusal(pod: Pod, node: Node, others: readonly Pod[], held: number): string | null {
  const tolerations = pod.spec.tolerations ?? []
  const unschedulable: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }
  if (node.spec.unschedulable === true && untolerated([unschedulable], tolerations) !== null) {
    return 'node(s) were unschedulable'
  }
  const taint = untolerated(node.spec.taints ?? [], tolerations)
  if (taint !== null) return `node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`
  if (!matchesNode(pod.spec, node)) return "node(s) didn't match Pod's node affinity/selector"
  if (others.some((other) => portsConflict(pod, other))) return NO_PORTS
  return held >= Number(node.status.allocatable?.pods ?? Number.POSITIVE_INFINITY) ? TOO_MANY : null
}

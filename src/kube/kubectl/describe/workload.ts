/** `kubectl describe deployment|replicaset|daemonset` */
import type { KubeObject } from '../api.ts'
import { at, formatSelector, listAt, mapAt, nameOf, namespaceOf, numberAt, same, textAt, uidOf } from '../field.ts'
import { selectorOf } from '../selector.ts'
import type { Session } from '../session.ts'
import { describeTemplate } from './containers.ts'
import { describeEvents } from './events.ts'
import { controllerOf, Description } from './text.ts'

export function describeDeployment(session: Session, deployment: KubeObject): string {
  const into = new Description()
  const count = (field: string): number => numberAt(deployment, `status.${field}`)
  into.head(deployment)
  into.time(0, 'CreationTimestamp', textAt(deployment, 'metadata.creationTimestamp'))
  into.labels('Labels', mapAt(deployment, 'metadata.labels'))
  into.annotations(deployment)
  into.line(0, `Selector:\t${formatSelector(at(deployment, 'spec.selector'))}`)
  const wanted = numberAt(deployment, 'spec.replicas', 1)
  into.line(
    0,
    `Replicas:\t${wanted} desired | ${count('updatedReplicas')} updated | ${count('replicas')} total | ` +
      `${count('availableReplicas')} available | ${count('unavailableReplicas')} unavailable`,
  )
  const strategy = textAt(deployment, 'spec.strategy.type') || 'RollingUpdate'
  into.line(0, `StrategyType:\t${strategy}`)
  into.line(0, `MinReadySeconds:\t${numberAt(deployment, 'spec.minReadySeconds')}`)
  if (strategy === 'RollingUpdate') {
    const most = (field: string): string => textAt(deployment, `spec.strategy.rollingUpdate.${field}`) || '25%'
    into.line(0, `RollingUpdateStrategy:\t${most('maxUnavailable')} max unavailable, ${most('maxSurge')} max surge`)
  }
  describeTemplate(at(deployment, 'spec.template'), into)
  describeConditions(deployment, into)
  const { current, old } = replicaSets(session, deployment)
  into.line(0, `OldReplicaSets:\t${replicaSetLine(old)}`)
  into.line(0, `NewReplicaSet:\t${replicaSetLine(current)}`)
  describeEvents(session, deployment, into)
  return into.toString()
}

function describeConditions(object: KubeObject, into: Description): void {
  const conditions = listAt(object, 'status.conditions')
  if (conditions.length === 0) return
  into.line(0, 'Conditions:')
  into.line(1, 'Type\tStatus\tReason')
  into.line(1, '----\t------\t------')
  for (const condition of conditions) {
    into.line(1, `${textAt(condition, 'type')} \t${textAt(condition, 'status')}\t${textAt(condition, 'reason')}`)
  }
}

/** The ReplicaSet whose template is the Deployment's, and the others. */
function replicaSets(session: Session, deployment: KubeObject): { current: KubeObject[]; old: KubeObject[] } {
  const owned = session.cluster
    .list('ReplicaSet', namespaceOf(deployment))
    .filter((set) =>
      listAt(set, 'metadata.ownerReferences').some((owner) => textAt(owner, 'uid') === uidOf(deployment)),
    )
  const template = withoutHash(at(deployment, 'spec.template'))
  const current = owned.filter((set) => same(withoutHash(at(set, 'spec.template')), template)).slice(0, 1)
  return { current, old: owned.filter((set) => !current.includes(set)) }
}

function withoutHash(template: unknown): unknown {
  const { 'pod-template-hash': _hash, ...labels } = mapAt(template, 'metadata.labels')
  return { labels, annotations: mapAt(template, 'metadata.annotations'), spec: at(template, 'spec') }
}

function replicaSetLine(sets: readonly KubeObject[]): string {
  const texts = sets.map((set) => {
    return `${nameOf(set)} (${numberAt(set, 'status.replicas')}/${numberAt(set, 'spec.replicas')} replicas created)`
  })
  return texts.join(', ') || '<none>'
}

function podsStatus(session: Session, owner: KubeObject): string {
  const matches = selectorOf(at(owner, 'spec.selector'))
  const pods = session.cluster.list('Pod', namespaceOf(owner)).filter((pod) => matches(mapAt(pod, 'metadata.labels')))
  const count = (phase: string): number => pods.filter((pod) => textAt(pod, 'status.phase') === phase).length
  const [running, waiting] = [count('Running'), count('Pending')]
  return `Pods Status:\t${running} Running / ${waiting} Waiting / ${count('Succeeded')} Succeeded / ${count('Failed')} Failed`
}

export function describeReplicaSet(session: Session, set: KubeObject): string {
  const into = new Description()
  into.head(set)
  into.line(0, `Selector:\t${formatSelector(at(set, 'spec.selector'))}`)
  into.labels('Labels', mapAt(set, 'metadata.labels'))
  into.annotations(set)
  if (controllerOf(set) !== '') into.line(0, `Controlled By:\t${controllerOf(set)}`)
  into.line(0, `Replicas:\t${numberAt(set, 'status.replicas')} current / ${numberAt(set, 'spec.replicas', 1)} desired`)
  into.line(0, podsStatus(session, set))
  describeTemplate(at(set, 'spec.template'), into)
  describeConditions(set, into)
  describeEvents(session, set, into)
  return into.toString()
}

export function describeDaemonSet(session: Session, set: KubeObject): string {
  const into = new Description()
  const count = (field: string): number => numberAt(set, `status.${field}`)
  into.head(set)
  into.line(0, `Selector:\t${formatSelector(at(set, 'spec.selector'))}`)
  into.labels('Node-Selector', mapAt(set, 'spec.template.spec.nodeSelector'))
  into.labels('Labels', mapAt(set, 'metadata.labels'))
  into.annotations(set)
  into.line(0, `Desired Number of Nodes Scheduled: ${count('desiredNumberScheduled')}`)
  into.line(0, `Current Number of Nodes Scheduled: ${count('currentNumberScheduled')}`)
  into.line(0, `Number of Nodes Scheduled with Up-to-date Pods: ${count('updatedNumberScheduled')}`)
  into.line(0, `Number of Nodes Scheduled with Available Pods: ${count('numberAvailable')}`)
  into.line(0, `Number of Nodes Misscheduled: ${count('numberMisscheduled')}`)
  into.line(0, podsStatus(session, set))
  describeTemplate(at(set, 'spec.template'), into)
  describeEvents(session, set, into)
  return into.toString()
}

export function describeStatefulSet(session: Session, set: KubeObject): string {
  const into = new Description()
  into.head(set)
  into.time(0, 'CreationTimestamp', textAt(set, 'metadata.creationTimestamp'))
  into.line(0, `Selector:\t${formatSelector(at(set, 'spec.selector'))}`)
  into.labels('Labels', mapAt(set, 'metadata.labels'))
  into.annotations(set)
  into.line(0, `Replicas:\t${numberAt(set, 'spec.replicas', 1)} desired | ${numberAt(set, 'status.replicas')} total`)
  into.line(0, `Update Strategy:\t${textAt(set, 'spec.updateStrategy.type')}`)
  if (textAt(set, 'spec.updateStrategy.type') === 'RollingUpdate')
    into.line(1, `Partition:\t${numberAt(set, 'spec.updateStrategy.rollingUpdate.partition')}`)
  into.line(0, podsStatus(session, set))
  describeTemplate(at(set, 'spec.template'), into)
  into.line(0, 'Volume Claims:\t<none>')
  describeEvents(session, set, into)
  return into.toString()
}

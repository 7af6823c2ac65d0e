/** Rows of `kubectl get` for Deployments, ReplicaSets, StatefulSets and DaemonSets. */
import type { KubeObject } from '../api.ts'
import { age } from '../duration.ts'
import { at, formatLabels, formatSelector, listAt, mapAt, nameOf, numberAt, textAt } from '../field.ts'
import { columns, type Layout } from './table.ts'

function containers(workload: KubeObject): string[] {
  const list = listAt(workload, 'spec.template.spec.containers')
  return [
    list.map((container) => textAt(container, 'name')).join(','),
    list.map((container) => textAt(container, 'image')).join(','),
    formatSelector(at(workload, 'spec.selector')),
  ]
}

function count(object: KubeObject, path: string): string {
  return String(numberAt(object, path))
}

function created(object: KubeObject, clock: number): string {
  return age(textAt(object, 'metadata.creationTimestamp'), clock)
}

export const deploymentLayout: Layout = {
  columns: columns('NAME READY UP-TO-DATE AVAILABLE AGE *CONTAINERS *IMAGES *SELECTOR'),
  cells: (deployment, clock) => [
    nameOf(deployment),
    `${count(deployment, 'status.readyReplicas')}/${numberAt(deployment, 'spec.replicas', 1)}`,
    count(deployment, 'status.updatedReplicas'),
    count(deployment, 'status.availableReplicas'),
    created(deployment, clock),
    ...containers(deployment),
  ],
}

export const replicaSetLayout: Layout = {
  columns: columns('NAME DESIRED CURRENT READY AGE *CONTAINERS *IMAGES *SELECTOR'),
  cells: (set, clock) => [
    nameOf(set),
    String(numberAt(set, 'spec.replicas', 1)),
    count(set, 'status.replicas'),
    count(set, 'status.readyReplicas'),
    created(set, clock),
    ...containers(set),
  ],
}

export const statefulSetLayout: Layout = {
  columns: columns('NAME READY AGE *CONTAINERS *IMAGES'),
  cells: (set, clock) => [
    nameOf(set),
    `${count(set, 'status.readyReplicas')}/${numberAt(set, 'spec.replicas', 1)}`,
    created(set, clock),
    ...containers(set).slice(0, 2),
  ],
}

export const daemonSetLayout: Layout = {
  columns: columns('NAME DESIRED CURRENT READY UP-TO-DATE AVAILABLE NODE_SELECTOR AGE *CONTAINERS *IMAGES *SELECTOR'),
  cells: (set, clock) => [
    nameOf(set),
    count(set, 'status.desiredNumberScheduled'),
    count(set, 'status.currentNumberScheduled'),
    count(set, 'status.numberReady'),
    count(set, 'status.updatedNumberScheduled'),
    count(set, 'status.numberAvailable'),
    formatLabels(mapAt(set, 'spec.template.spec.nodeSelector')),
    created(set, clock),
    ...containers(set),
  ],
}

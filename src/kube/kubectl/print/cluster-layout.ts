/** Rows of `kubectl get` for Nodes, Namespaces, Events, ConfigMaps and ServiceAccounts. */
import type { KubeObject } from '../api.ts'
import { age } from '../duration.ts'
import { at, isMap, listAt, mapAt, nameOf, numberAt, textAt } from '../field.ts'
import { conditionOf } from './pod-layout.ts'
import { columns, type Layout } from './table.ts'

const ROLE = 'node-role.kubernetes.io/'

export function nodeRoles(node: KubeObject): string {
  const labels = mapAt(node, 'metadata.labels')
  const roles = new Set<string>()
  for (const [key, value] of Object.entries(labels)) {
    if (key.startsWith(ROLE) && key.length > ROLE.length) roles.add(key.slice(ROLE.length))
    else if (key === 'kubernetes.io/role' && value !== '') roles.add(value)
  }
  return [...roles].sort().join(',') || '<none>'
}

function nodeStatus(node: KubeObject): string {
  const ready = conditionOf(node, 'Ready')
  const status = ready === undefined ? 'Unknown' : textAt(ready, 'status') === 'True' ? 'Ready' : 'NotReady'
  return at(node, 'spec.unschedulable') === true ? `${status},SchedulingDisabled` : status
}

function nodeAddress(node: KubeObject, type: string): string {
  const found = listAt(node, 'status.addresses').find((address) => textAt(address, 'type') === type)
  return textAt(found, 'address') || '<none>'
}

export const nodeLayout: Layout = {
  columns: columns(
    'NAME STATUS ROLES AGE VERSION *INTERNAL-IP *EXTERNAL-IP *OS-IMAGE *KERNEL-VERSION *CONTAINER-RUNTIME',
  ),
  cells: (node, clock) => [
    nameOf(node),
    nodeStatus(node),
    nodeRoles(node),
    age(textAt(node, 'metadata.creationTimestamp'), clock),
    textAt(node, 'status.nodeInfo.kubeletVersion'),
    nodeAddress(node, 'InternalIP'),
    nodeAddress(node, 'ExternalIP'),
    textAt(node, 'status.nodeInfo.osImage') || '<unknown>',
    textAt(node, 'status.nodeInfo.kernelVersion') || '<unknown>',
    textAt(node, 'status.nodeInfo.containerRuntimeVersion') || '<unknown>',
  ],
}

export const namespaceLayout: Layout = {
  columns: columns('NAME STATUS AGE'),
  cells: (namespace, clock) => [
    nameOf(namespace),
    textAt(namespace, 'status.phase') || 'Active',
    age(textAt(namespace, 'metadata.creationTimestamp'), clock),
  ],
}

export function firstSeen(event: unknown): string {
  return textAt(event, 'firstTimestamp') || textAt(event, 'eventTime') || textAt(event, 'metadata.creationTimestamp')
}

export function lastSeen(event: unknown): string {
  return textAt(event, 'series.lastObservedTime') || textAt(event, 'lastTimestamp') || firstSeen(event)
}

export function eventCount(event: unknown): number {
  return numberAt(event, 'series.count') || numberAt(event, 'count', 1)
}

/** `5s`, or `2s (x4 over 30s)` for an event that came again. */
export function eventAge(event: unknown, clock: number): string {
  const count = eventCount(event)
  if (count <= 1) return age(firstSeen(event), clock)
  return `${age(lastSeen(event), clock)} (x${count} over ${age(firstSeen(event), clock)})`
}

export const eventLayout: Layout = {
  columns: columns('LAST_SEEN TYPE REASON OBJECT *SUBOBJECT *SOURCE MESSAGE *FIRST_SEEN *COUNT *NAME'),
  cells(event, clock) {
    const host = textAt(event, 'source.host')
    const component = textAt(event, 'source.component') || textAt(event, 'reportingComponent')
    return [
      eventCount(event) > 1 ? eventAge(event, clock) : age(lastSeen(event), clock),
      textAt(event, 'type'),
      textAt(event, 'reason'),
      `${textAt(event, 'involvedObject.kind').toLowerCase()}/${textAt(event, 'involvedObject.name')}`,
      textAt(event, 'involvedObject.fieldPath'),
      host === '' ? component : `${component}, ${host}`,
      textAt(event, 'message').trim(),
      age(firstSeen(event), clock),
      String(eventCount(event)),
      nameOf(event),
    ]
  },
}

export const configMapLayout: Layout = {
  columns: columns('NAME DATA AGE'),
  cells(map, clock) {
    const keys = ['data', 'binaryData'].flatMap((part) => (isMap(map[part]) ? Object.keys(map[part]) : []))
    return [nameOf(map), String(keys.length), age(textAt(map, 'metadata.creationTimestamp'), clock)]
  },
}

export const serviceAccountLayout: Layout = {
  columns: columns('NAME SECRETS AGE'),
  cells(account, clock) {
    const secrets = String(listAt(account, 'secrets').length)
    return [nameOf(account), secrets, age(textAt(account, 'metadata.creationTimestamp'), clock)]
  },
}

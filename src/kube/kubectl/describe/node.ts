/** `kubectl describe node` */
import type { KubeObject } from '../api.ts'
import { age } from '../duration.ts'
import { at, listAt, mapAt, nameOf, namespaceOf, textAt } from '../field.ts'
import { nodeRoles } from '../print/cluster-layout.ts'
import type { Session } from '../session.ts'
import { describeEvents } from './events.ts'
import { allocated, milliCpu, type Requests, requestsOf, share } from './quantity.ts'
import { Description, orNone } from './text.ts'

const INFORMATION = [
  ['Machine ID', 'machineID'],
  ['System UUID', 'systemUUID'],
  ['Boot ID', 'bootID'],
  ['Kernel Version', 'kernelVersion'],
  ['OS Image', 'osImage'],
  ['Operating System', 'operatingSystem'],
  ['Architecture', 'architecture'],
  ['Container Runtime Version', 'containerRuntimeVersion'],
  ['Kubelet Version', 'kubeletVersion'],
  ['Kube-Proxy Version', 'kubeProxyVersion'],
] as const

export function describeNode(session: Session, node: KubeObject): string {
  const into = new Description()
  into.line(0, `Name:\t${nameOf(node)}`)
  into.line(0, `Roles:\t${nodeRoles(node)}`)
  into.labels('Labels', mapAt(node, 'metadata.labels'))
  into.annotations(node)
  into.time(0, 'CreationTimestamp', textAt(node, 'metadata.creationTimestamp'))
  describeTaints(node, into)
  into.line(0, `Unschedulable:\t${at(node, 'spec.unschedulable') === true}`)
  const conditions = listAt(node, 'status.conditions')
  describeLease(node, conditions, into)
  if (conditions.length > 0) {
    into.line(0, 'Conditions:')
    into.line(1, 'Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage')
    into.line(1, '----\t------\t-----------------\t------------------\t------\t-------')
    for (const condition of conditions) describeCondition(condition, into)
  }
  into.line(0, 'Addresses:')
  for (const address of listAt(node, 'status.addresses')) {
    into.line(1, `${textAt(address, 'type')}:\t${textAt(address, 'address')}`)
  }
  for (const [title, path] of [
    ['Capacity', 'status.capacity'],
    ['Allocatable', 'status.allocatable'],
  ] as const) {
    const amounts = mapAt(node, path)
    const names = Object.keys(amounts).sort()
    if (names.length === 0) continue
    into.line(0, `${title}:`)
    for (const name of names) into.line(1, `${name}:\t${amounts[name]}`)
  }
  into.line(0, 'System Info:')
  for (const [title, field] of INFORMATION) {
    into.line(1, `${title}:\t${textAt(node, `status.nodeInfo.${field}`)}`)
  }
  const cidr = textAt(node, 'spec.podCIDR')
  if (cidr !== '') into.line(0, `PodCIDR:\t${cidr}`)
  const cidrs = listAt(node, 'spec.podCIDRs')
  if (cidrs.length > 0) into.line(0, `PodCIDRs:\t${cidrs.join(',')}`)
  describePods(session, node, into)
  describeEvents(session, node, into)
  return into.toString()
}

/** There are no Lease objects; the kubelet renews its own as long as it reports that the node is ready. */
function describeLease(node: KubeObject, conditions: readonly unknown[], into: Description): void {
  const ready = conditions.find((condition) => textAt(condition, 'type') === 'Ready')
  into.line(0, 'Lease:')
  into.line(1, `HolderIdentity:\t${nameOf(node)}`)
  into.line(1, 'AcquireTime:\t<unset>')
  into.time(1, 'RenewTime', textAt(ready, 'lastHeartbeatTime'))
}

function describeCondition(condition: unknown, into: Description): void {
  const time = (field: string): string => {
    const line = new Description()
    line.time(0, '', textAt(condition, field))
    return line.toString().replace(/^:\s*|\n$/g, '')
  }
  const cells = [`${textAt(condition, 'type')} `, `${textAt(condition, 'status')} `]
  cells.push(`${time('lastHeartbeatTime')} `, `${time('lastTransitionTime')} `)
  cells.push(`${textAt(condition, 'reason')} `, textAt(condition, 'message'))
  into.line(1, cells.join('\t'))
}

function describeTaints(node: KubeObject, into: Description): void {
  const taints = listAt(node, 'spec.taints').map((taint) => {
    const value = textAt(taint, 'value')
    return `${textAt(taint, 'key')}${value === '' ? '' : `=${value}`}:${textAt(taint, 'effect')}`
  })
  into.line(0, `Taints:\t${orNone(taints[0] ?? '')}`)
  for (const taint of taints.slice(1)) into.line(0, `\t${taint}`)
}

function describePods(session: Session, node: KubeObject, into: Description): void {
  const pods = session.cluster.list('Pod', null).filter((pod) => {
    const done = ['Succeeded', 'Failed'].includes(textAt(pod, 'status.phase'))
    return textAt(pod, 'spec.nodeName') === nameOf(node) && !done
  })
  const total = mapAt(node, 'status.allocatable')
  into.line(0, `Non-terminated Pods:\t(${pods.length} in total)`)
  into.line(1, 'Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge')
  into.line(1, '---------\t----\t\t------------\t----------\t---------------\t-------------\t---')
  const all: Requests[] = []
  for (const pod of pods) {
    const requests = requestsOf(pod)
    all.push(requests)
    const cells = [namespaceOf(pod) ?? '', nameOf(pod), '']
    cells.push(share(requests.cpu, milliCpu(total.cpu), 'cpu'), share(requests.cpuLimit, milliCpu(total.cpu), 'cpu'))
    cells.push(share(requests.memory, total.memory, 'memory'), share(requests.memoryLimit, total.memory, 'memory'))
    cells.push(age(textAt(pod, 'metadata.creationTimestamp'), session.clock))
    into.line(1, cells.join('\t'))
  }
  into.line(0, 'Allocated resources:')
  into.line(1, '(Total limits may be over 100 percent, i.e., overcommitted.)')
  into.line(1, 'Resource\tRequests\tLimits')
  into.line(1, '--------\t--------\t------')
  for (const line of allocated(all, total)) into.line(1, line)
}

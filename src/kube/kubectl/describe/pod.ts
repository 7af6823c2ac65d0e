/** `kubectl describe pod` */
import type { KubeObject } from '../api.ts'
import { humanDuration } from '../duration.ts'
import { at, listAt, mapAt, numberAt, textAt } from '../field.ts'
import type { Session } from '../session.ts'
import { describeContainers, describeTolerations, describeVolumes } from './containers.ts'
import { describeEvents } from './events.ts'
import { controllerOf, Description, orNone } from './text.ts'

export function describePod(session: Session, pod: KubeObject): string {
  const into = new Description()
  into.head(pod)
  const priority = at(pod, 'spec.priority')
  if (typeof priority === 'number') {
    into.line(0, `Priority:\t${priority}`)
    const name = textAt(pod, 'spec.priorityClassName')
    if (name !== '') into.line(0, `Priority Class Name:\t${name}`)
  }
  into.line(0, `Service Account:\t${textAt(pod, 'spec.serviceAccountName') || 'default'}`)
  const node = textAt(pod, 'spec.nodeName')
  into.line(0, `Node:\t${node === '' ? '<none>' : `${node}/${textAt(pod, 'status.hostIP')}`}`)
  const started = textAt(pod, 'status.startTime')
  if (started !== '') into.time(0, 'Start Time', started)
  into.labels('Labels', mapAt(pod, 'metadata.labels'))
  into.annotations(pod)
  const deleted = textAt(pod, 'metadata.deletionTimestamp')
  if (deleted !== '') {
    const lasts = humanDuration(session.clock - Date.parse(deleted))
    into.line(0, `Status:\tTerminating${lasts === '<invalid>' ? '' : ` (lasts ${lasts})`}`)
    into.line(0, `Termination Grace Period:\t${numberAt(pod, 'metadata.deletionGracePeriodSeconds')}s`)
  } else into.line(0, `Status:\t${textAt(pod, 'status.phase')}`)
  for (const [title, path] of [
    ['Reason', 'status.reason'],
    ['Message', 'status.message'],
  ] as const) {
    if (textAt(pod, path) !== '') into.line(0, `${title}:\t${textAt(pod, path)}`)
  }
  into.line(0, `IP:\t${textAt(pod, 'status.podIP')}`)
  const addresses = listAt(pod, 'status.podIPs')
  into.line(0, addresses.length === 0 ? 'IPs:\t<none>' : 'IPs:')
  for (const address of addresses) into.line(1, `IP:\t${textAt(address, 'ip')}`)
  if (controllerOf(pod) !== '') into.line(0, `Controlled By:\t${controllerOf(pod)}`)
  const nominated = textAt(pod, 'status.nominatedNodeName')
  if (nominated !== '') into.line(0, `NominatedNodeName:\t${nominated}`)

  const init = listAt(pod, 'spec.initContainers')
  if (init.length > 0) describeContainers('Init Containers', init, listAt(pod, 'status.initContainerStatuses'), into, 0)
  describeContainers('Containers', listAt(pod, 'spec.containers'), listAt(pod, 'status.containerStatuses'), into, 0)
  const conditions = listAt(pod, 'status.conditions')
  const gates = listAt(pod, 'spec.readinessGates').map((gate) => textAt(gate, 'conditionType'))
  if (gates.length > 0) into.line(0, 'Readiness Gates:\n  Type\tStatus')
  for (const gate of gates) {
    const found = conditions.find((condition) => textAt(condition, 'type') === gate)
    into.line(1, `${gate} \t${found === undefined ? '<none>' : textAt(found, 'status')} `)
  }
  if (conditions.length > 0) {
    into.line(0, 'Conditions:')
    into.line(1, 'Type\tStatus')
    for (const condition of conditions) into.line(1, `${textAt(condition, 'type')} \t${textAt(condition, 'status')} `)
  }
  describeVolumes(listAt(pod, 'spec.volumes'), into, 0)
  into.line(0, `QoS Class:\t${orNone(textAt(pod, 'status.qosClass'))}`)
  into.labels('Node-Selectors', mapAt(pod, 'spec.nodeSelector'))
  describeTolerations(listAt(pod, 'spec.tolerations'), into, 0)
  describeEvents(session, pod, into)
  return into.toString()
}

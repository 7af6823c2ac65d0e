/** `kubectl describe namespace|configmap|serviceaccount|event` */
import type { KubeObject } from '../api.ts'
import { mapAt, nameOf, textAt } from '../field.ts'
import type { Session } from '../session.ts'
import { describeEvents } from './events.ts'
import { Description } from './text.ts'

export function describeNamespace(_session: Session, namespace: KubeObject): string {
  const into = new Description()
  into.line(0, `Name:\t${nameOf(namespace)}`)
  into.labels('Labels', mapAt(namespace, 'metadata.labels'))
  into.annotations(namespace)
  into.line(0, `Status:\t${textAt(namespace, 'status.phase') || 'Active'}`)
  into.line(0, '\nNo resource quota.\n\nNo LimitRange resource.')
  return into.toString()
}

export function describeConfigMap(session: Session, map: KubeObject): string {
  const into = new Description()
  into.head(map)
  into.labels('Labels', mapAt(map, 'metadata.labels'))
  into.annotations(map)
  const data = mapAt(map, 'data')
  // Data is printed as it is: its tabs are no cells.
  let text = '\nData\n====\n'
  for (const key of Object.keys(data).sort()) text += `${key}:\n----\n${data[key]}\n\n`
  text += '\nBinaryData\n====\n'
  const binary = mapAt(map, 'binaryData')
  for (const key of Object.keys(binary).sort()) text += `${key}: ${Math.floor((binary[key]!.length * 3) / 4)} bytes\n`
  const events = new Description()
  describeEvents(session, map, events)
  return `${into}${text}\n${events}`
}

export function describeServiceAccount(session: Session, account: KubeObject): string {
  const into = new Description()
  into.head(account)
  into.labels('Labels', mapAt(account, 'metadata.labels'))
  into.annotations(account)
  for (const title of ['Image pull secrets', 'Mountable secrets', 'Tokens']) into.line(0, `${title}:\t<none>`)
  describeEvents(session, account, into)
  return into.toString()
}

export function describeEvent(_session: Session, event: KubeObject): string {
  const into = new Description()
  into.head(event)
  into.line(0, `Type:\t${textAt(event, 'type')}`)
  into.line(0, `Reason:\t${textAt(event, 'reason')}`)
  into.line(0, `Message:\t${textAt(event, 'message')}`)
  into.line(0, `Involved Object:\t${textAt(event, 'involvedObject.kind')}/${textAt(event, 'involvedObject.name')}`)
  into.line(0, `Source:\t${textAt(event, 'source.component')}`)
  return into.toString()
}

/** The Events table at the end of every description. */
import type { KubeObject } from '../api.ts'
import { nameOf, namespaceOf, textAt, uidOf } from '../field.ts'
import { eventAge, lastSeen } from '../print/cluster-layout.ts'
import type { Session } from '../session.ts'
import type { Description } from './text.ts'

/** Events about an object, oldest first. A Node's are told under its name too, as the kubelet names it. */
export function eventsOf(session: Session, object: KubeObject): KubeObject[] {
  const namespace = namespaceOf(object)
  const uids = [uidOf(object), ...(object.kind === 'Node' ? [nameOf(object)] : [])]
  return session.cluster
    .list('Event', namespace)
    .filter(
      (event) =>
        textAt(event, 'involvedObject.kind') === object.kind &&
        textAt(event, 'involvedObject.name') === nameOf(object) &&
        (textAt(event, 'involvedObject.uid') === '' || uids.includes(textAt(event, 'involvedObject.uid'))),
    )
    .sort((a, b) => (lastSeen(a) < lastSeen(b) ? -1 : lastSeen(a) > lastSeen(b) ? 1 : 0))
}

export function describeEvents(session: Session, object: KubeObject, into: Description): void {
  const events = eventsOf(session, object)
  if (events.length === 0) {
    into.line(0, 'Events:\t<none>')
    return
  }
  into.line(0, 'Events:')
  into.line(1, 'Type\tReason\tAge\tFrom\tMessage')
  into.line(1, '----\t------\t----\t----\t-------')
  for (const event of events) {
    const from = textAt(event, 'source.component') || textAt(event, 'reportingComponent')
    const message = textAt(event, 'message').trim()
    const cells = [textAt(event, 'type'), textAt(event, 'reason'), eventAge(event, session.clock), from, message]
    into.line(1, cells.join('\t'))
  }
}

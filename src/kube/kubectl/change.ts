/** Changing an object that exists: what label, scale, set, edit and taint have in common. */
import type { KubeObject } from './api.ts'
import { copyOf, nameOf, namespaceOf } from './field.ts'
import { difference } from './merge.ts'
import type { Session } from './session.ts'

/** Lets `edit` change a copy, and sends the difference. Null when nothing changed. */
export function change(session: Session, object: KubeObject, edit: (copy: KubeObject) => void): KubeObject | null {
  const copy = copyOf(object)
  edit(copy)
  return send(session, object, copy)
}

export function send(session: Session, object: KubeObject, wanted: KubeObject): KubeObject | null {
  const patch = difference(object, wanted)
  if (patch === null) return null
  if (session.dryRun !== 'none') return wanted
  return session.cluster.patch(object.kind, namespaceOf(object), nameOf(object), 'merge', patch)
}

/** flannel alone: NetworkPolicies are stored, and nobody enforces them. Whoever applies one is told, and so are its events. */
import { EventRecorder } from '../events.ts'
import type { Store } from '../store.ts'

const WHY =
  'nobody enforces it: flannel has no policy engine (in the topology, cluster: {networkPolicy: {engine: kube-router}})'

export function noteUnenforced(store: Store): void {
  const events = new EventRecorder(store, 'podwire')
  store.listen('NetworkPolicy', ({ type, object }) => {
    if (type !== 'ADDED') return
    const { name, namespace } = object.metadata
    store.onWarning?.(`podwire: NetworkPolicy "${name}" in namespace "${namespace}" is stored, but ${WHY}`)
    events.warning(object, 'NotEnforced', `stored, but ${WHY}`)
  })
}

/** Events: what controllers, scheduler and kubelets say about objects. Repeated ones are counted. */
import type { KubeEvent, KubeObject } from './objects.ts'
import type { Store } from './store.ts'

/** Events are kept for an hour. */
const LIFETIME = 3600e9

export class EventRecorder {
  readonly #store: Store
  readonly #component: string
  readonly #host: string | null
  /** What the last event was about, and when; and the nanoseconds of the next one's name if it is the same. */
  #named = ''
  #next = 0n

  constructor(store: Store, component: string, host: string | null = null) {
    this.#store = store
    this.#component = component
    this.#host = host
  }

  normal(about: KubeObject, reason: string, message: string, fieldPath?: string): void {
    this.#record(about, 'Normal', reason, message, fieldPath)
  }

  warning(about: KubeObject, reason: string, message: string, fieldPath?: string): void {
    this.#record(about, 'Warning', reason, message, fieldPath)
  }

  #record(about: KubeObject, type: 'Normal' | 'Warning', reason: string, message: string, fieldPath?: string): void {
    const store = this.#store
    if (store.quiet) return
    const namespace = about.metadata.namespace ?? 'default'
    if (store.get('Namespace', null, namespace) === null) return
    const now = store.clock.text()
    const same = this.#same(namespace, about, type, reason, message, fieldPath)
    if (same !== null) {
      store.modify(same, (event) => {
        event.count++
        event.lastTimestamp = now
      })
      return
    }
    const { kind, apiVersion, metadata } = about
    const source = { component: this.#component, ...(this.#host === null ? {} : { host: this.#host }) }
    const event: KubeEvent = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: this.#name(namespace, metadata.name), namespace },
      involvedObject: {
        apiVersion,
        kind,
        name: metadata.name,
        ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
        ...(metadata.uid === undefined ? {} : { uid: metadata.uid }),
        ...(metadata.resourceVersion === undefined ? {} : { resourceVersion: metadata.resourceVersion }),
        ...(fieldPath === undefined ? {} : { fieldPath }),
      },
      reason,
      message,
      source,
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
      type,
      eventTime: null,
      reportingComponent: this.#component,
      reportingInstance: this.#host ?? '',
    }
    store.create(event)
    this.#expire(namespace)
  }

  #same(
    namespace: string,
    about: KubeObject,
    type: string,
    reason: string,
    message: string,
    fieldPath?: string,
  ): KubeEvent | null {
    const matches = (event: KubeEvent) =>
      event.involvedObject.uid === about.metadata.uid &&
      event.involvedObject.fieldPath === fieldPath &&
      event.reason === reason &&
      event.message === message &&
      event.type === type &&
      event.source.component === this.#component &&
      event.source.host === (this.#host ?? undefined)
    const { uid } = about.metadata
    if (uid === undefined) return this.#store.list<KubeEvent>('Event', namespace, matches)[0] ?? null
    const same = this.#store.eventsAbout(uid, message).filter((e) => e.metadata.namespace === namespace && matches(e))
    return same.reduce<KubeEvent | null>((first, e) => (first === null || nameOf(e) < nameOf(first) ? e : first), null)
  }

  /** `web.187a3f21c0de4a55`: the object and the nanoseconds since 1970, or so many more that nobody has the name yet. */
  #name(namespace: string, object: string): string {
    const { now, epochSeconds } = this.#store.clock
    const about = `${now} ${namespace}/${object}`
    if (about !== this.#named) this.#next = BigInt(epochSeconds) * 1_000_000_000n + BigInt(Math.floor(now))
    this.#named = about
    for (;;) {
      const name = `${object}.${(this.#next++).toString(16)}`
      if (this.#store.get('Event', namespace, name) === null) return name
    }
  }

  #expire(namespace: string): void {
    const { clock } = this.#store
    if (clock.now < LIFETIME) return
    const oldest = clock.text(clock.now - LIFETIME)
    for (const event of this.#store.list<KubeEvent>('Event', namespace, (e) => e.lastTimestamp < oldest)) {
      this.#store.remove(event)
    }
  }
}

function nameOf(event: KubeEvent): string {
  return event.metadata.name
}

/**
 * The API server's store: objects by kind, namespace and name, with resource versions, admission, and watches.
 *
 * Objects that come out are frozen and shared; whoever wants to change one makes a copy. Changes are told in the
 * order in which they happened, never inside one another, so that a listener may write too.
 */
import { Observable } from 'rxjs'
import type { Random } from '../sim/random.ts'
import type { Nanos } from '../sim/scheduler.ts'
import { ApiError } from './api-error.ts'
import { contents, decode, withoutVersion } from './decode.ts'
import { setDefaults } from './defaults.ts'
import { clone, equal, freeze } from './json.ts'
import { KINDS, type KindInfo } from './kinds.ts'
import type { KubeEvent, KubeObject } from './objects.ts'
import { type PatchType, patched } from './patch.ts'
import { SCHEMAS } from './schema.ts'
import { inspect } from './schema-shape.ts'
import { Shelf } from './shelf.ts'
import { StoreTables } from './store-tables.ts'
import { Clock } from './timestamp.ts'
import { validate } from './validation.ts'

export { ApiError } from './api-error.ts'

export interface Change {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly object: KubeObject
  /** What it was before; null when it is new. */
  readonly old: KubeObject | null
}

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan'
}

/** Completes or refuses an object before it is stored: allocates addresses, say. `old` is null at creation. */
export type Admission = (object: KubeObject, old: KubeObject | null) => void

type Listener = (change: Change) => void

/** The 27 letters of Kubernetes' random names: no vowels, no 0, 1, 3. */
const LETTERS = 'bcdfghjklmnpqrstvwxz2456789'

export class Store {
  readonly clock: Clock
  /** Told of everything accepted that podwire does not act on; set by whoever talks to people. */
  onWarning: ((sentence: string) => void) | null = null
  readonly #random: Random
  readonly #objects = new Map<string, Map<string, KubeObject>>()
  /** The same in their order. */
  readonly #shelves = new Map<string, Shelf>()
  readonly tables = new StoreTables()
  readonly #listeners = new Map<string, Set<Listener>>()
  readonly #admissions = new Map<string, Admission>()
  readonly #changes: Change[] = []
  #telling = false
  #quiet = false
  #version = 0

  constructor(now: () => Nanos, random: Random, epochSeconds: number) {
    this.clock = new Clock(now, epochSeconds)
    this.#random = random
    for (const kind of KINDS.keys()) {
      this.#objects.set(kind, new Map())
      this.#shelves.set(kind, new Shelf())
    }
  }

  /** The latest version that was given out. */
  get resourceVersion(): string {
    return String(this.#version)
  }

  get<T extends KubeObject = KubeObject>(kind: string, namespace: string | null, name: string): T | null {
    const scope = this.#info(kind).namespaced ? namespace : null
    return (this.#of(kind).get(key(scope, name)) as T | undefined) ?? null
  }

  /** By namespace, then name; all namespaces when `namespace` is null. */
  list<T extends KubeObject = KubeObject>(
    kind: string,
    namespace: string | null = null,
    matches: (object: T) => boolean = () => true,
  ): T[] {
    const info = this.#info(kind)
    const shelf = this.#shelves.get(info.kind) as Shelf
    if (namespace === null || !info.namespaced) return shelf.list(matches)
    return shelf.list(matches, `${namespace}\u0000`, `${namespace}\u0001`)
  }

  /** The object with this uid; null when there is none any more. */
  find(uid: string): KubeObject | null {
    return this.tables.owners.find(uid)
  }

  /** Objects that name this one as an owner. */
  ownedBy(uid: string): KubeObject[] {
    return this.tables.owners.ownedBy(uid)
  }

  /** Events that say this about the object with this uid, in no order. */
  eventsAbout(uid: string, message: string): readonly KubeEvent[] {
    return this.tables.owners.eventsAbout(uid, message)
  }

  /** @throws ApiError AlreadyExists, NotFound (the namespace), Invalid, BadRequest, Forbidden. */
  create<T extends KubeObject = KubeObject>(wanted: T): T {
    const info = this.#info(wanted.kind)
    const object = this.#prepared(wanted, info)
    const { metadata } = object
    this.#warn(object, null)
    if (info.namespaced) this.#checkNamespace(metadata.namespace as string, info, metadata.name)
    setDefaults(object)
    validate(object, null)
    const place = key(metadata.namespace ?? null, metadata.name)
    if (this.#of(info.kind).has(place)) throw ApiError.alreadyExists(info.kind, metadata.name)
    this.#admissions.get(info.kind)?.(object, null)
    metadata.uid = this.#uid()
    metadata.creationTimestamp = this.clock.text()
    if (info.generation) metadata.generation = 1
    else delete metadata.generation
    return this.#put(object, null, 'ADDED') as T
  }

  /** Replaces all but the status. @throws ApiError NotFound, Conflict, Invalid, BadRequest. */
  update<T extends KubeObject = KubeObject>(wanted: T): T {
    const info = this.#info(wanted.kind)
    const object = this.#prepared(wanted, info)
    const old = this.#existing(info.kind, object.metadata.namespace ?? null, object.metadata.name)
    this.#checkVersion(object, old)
    this.#warn(object, old)
    if ('status' in old) object.status = clone(old.status)
    this.#keepIdentity(object, old)
    setDefaults(object)
    this.#admissions.get(info.kind)?.(object, old)
    validate(object, old)
    if (equal(withoutVersion(object), withoutVersion(old))) return old as T
    if (info.generation && !equal(contents(object), contents(old))) {
      object.metadata.generation = (old.metadata.generation ?? 0) + 1
    }
    return this.#put(object, old, 'MODIFIED') as T
  }

  /** Replaces the status and nothing else. */
  updateStatus(kind: string, namespace: string | null, name: string, status: unknown): KubeObject {
    const old = this.#existing(kind, namespace, name)
    if (equal(old.status, status)) return old
    // What is stored is frozen, and may be in both.
    return this.#put({ ...old, metadata: { ...old.metadata }, status: clone(status) }, old, 'MODIFIED')
  }

  /** @throws ApiError NotFound, Invalid, BadRequest. */
  patch(kind: string, namespace: string | null, name: string, type: PatchType, body: unknown): KubeObject {
    const old = this.#existing(kind, namespace, name)
    const object = patched(old, type, body) as KubeObject
    if (object.metadata?.name !== name || object.metadata.namespace !== old.metadata.namespace) {
      throw new ApiError('BadRequest', 'the name of the object does not match the name on the URL')
    }
    return this.update(object)
  }

  /** A patch of the status alone (`--subresource=status`). @throws ApiError NotFound, BadRequest. */
  patchStatus(kind: string, namespace: string | null, name: string, type: PatchType, body: unknown): KubeObject {
    const old = this.#existing(kind, namespace, name)
    return this.updateStatus(kind, namespace, name, (patched(old, type, body) as KubeObject).status)
  }

  /** Changes a copy of what is stored now and stores it. */
  modify<T extends KubeObject>(object: T, change: (copy: T) => void): T {
    const { namespace, name } = object.metadata
    const old = this.#existing(object.kind, namespace ?? null, name) as T
    const copy = clone(old)
    change(copy)
    return equal(copy, old) ? old : this.update(copy)
  }

  /**
   * Pods that run somewhere end gracefully (the kubelet then deletes them with grace 0), namespaces when they are
   * empty, the others at once. @throws ApiError NotFound.
   */
  delete(kind: string, namespace: string | null, name: string, options: DeleteOptions = {}): KubeObject {
    const old = this.#existing(kind, namespace, name)
    if (kind === 'Pod') {
      const grace = this.#grace(old, options)
      if (grace > 0) return this.#terminate(old, grace)
    }
    if (kind === 'Namespace' && PROTECTED.has(name)) {
      throw new ApiError('Forbidden', `namespaces "${name}" is forbidden: this namespace may not be deleted`)
    }
    if (kind === 'Namespace') return this.#terminate(old, null)
    if (options.propagationPolicy === 'Orphan') this.#orphan(old)
    if (options.propagationPolicy === 'Foreground' && this.ownedBy(old.metadata.uid as string).length > 0) {
      return this.#terminate(old, null, 'foregroundDeletion')
    }
    return this.remove(old)
  }

  /** Takes it out now, whatever it is. */
  remove(object: KubeObject): KubeObject {
    const { namespace, name } = object.metadata
    const old = this.#existing(object.kind, namespace ?? null, name)
    this.#of(object.kind).delete(key(namespace ?? null, name))
    this.#shelves.get(object.kind)?.take(key(namespace ?? null, name))
    this.tables.remove(old)
    const last = { ...old, metadata: { ...old.metadata, resourceVersion: String(++this.#version) } }
    this.#tell({ type: 'DELETED', object: freeze(last), old })
    return last
  }

  /** Changes from now on; `*` for every kind. Returns the end of the listening. */
  listen(kind: string, listener: Listener): () => void {
    const listeners = this.#listeners.get(kind) ?? new Set()
    this.#listeners.set(kind, listeners.add(listener))
    return () => void listeners.delete(listener)
  }

  /** The same as an Observable, for those who look in from outside. */
  watch(kind: string): Observable<Change> {
    return new Observable((subscriber) => this.listen(kind, (change) => subscriber.next(change)))
  }

  /** Nobody hears of what is written in `action`, and no events are recorded: it is as old as the cluster. */
  quietly<T>(action: () => T): T {
    this.#quiet = true
    try {
      return action()
    } finally {
      this.#quiet = false
    }
  }

  get quiet(): boolean {
    return this.#quiet
  }

  /** An object is told of as if it had been changed. */
  tellAgain(object: KubeObject): void {
    this.#tell({ type: 'MODIFIED', object, old: object })
  }

  /** Stores an object that is complete, and checked already. */
  adopt<T extends KubeObject>(object: T): T {
    const { namespace, name } = object.metadata
    object.metadata.uid ??= this.#uid()
    return this.#put(object, this.get(object.kind, namespace ?? null, name), 'ADDED') as T
  }

  /** One for each kind; it runs after defaults. */
  admit(kind: string, admission: Admission): void {
    this.#admissions.set(kind, admission)
  }

  /** Random letters for a name: `x7k2p`. */
  suffix(length = 5): string {
    let text = ''
    for (let i = 0; i < length; i++) text += LETTERS[this.#random.below(LETTERS.length)]
    return text
  }

  #info(kind: string): KindInfo {
    const info = KINDS.get(kind)
    if (info !== undefined) return info
    throw new ApiError(
      'NotModelled',
      `podwire: kind ${kind} is not modelled (modelled: ${[...KINDS.keys()].join(', ')})`,
    )
  }

  #of(kind: string): Map<string, KubeObject> {
    return this.#objects.get(this.#info(kind).kind) as Map<string, KubeObject>
  }

  #existing(kind: string, namespace: string | null, name: string): KubeObject {
    const found = this.get(kind, namespace, name)
    if (found === null) throw ApiError.notFound(kind, name)
    return found
  }

  /** A copy that is decoded strictly, with its namespace and name in place. */
  #prepared(wanted: KubeObject, info: KindInfo): KubeObject {
    decode(wanted, info)
    const object = clone(wanted)
    const metadata = object.metadata ?? { name: '' }
    object.metadata = metadata
    if (info.namespaced) metadata.namespace ??= 'default'
    else delete metadata.namespace
    for (const name of ['labels', 'annotations'] as const) {
      if (metadata[name] !== undefined && Object.keys(metadata[name] ?? {}).length === 0) delete metadata[name]
    }
    if (!metadata.name && metadata.generateName) metadata.name = metadata.generateName.slice(0, 58) + this.suffix()
    if (!metadata.name) {
      const field = { field: 'metadata.name', message: 'Required value: name or generateName is required' }
      throw ApiError.invalid(info.kind, '', [field])
    }
    return object
  }

  /** Fields without effect that are new. What a controller makes repeats what its template already said. */
  #warn(object: KubeObject, old: KubeObject | null): void {
    const schema = SCHEMAS.get(object.kind)
    if (this.#quiet || this.onWarning === null || schema === undefined || object.metadata.ownerReferences !== undefined)
      return
    const before = old === null ? [] : inspect(schema, old).unmodelled
    for (const field of inspect(schema, object).unmodelled) {
      if (before.includes(field)) continue
      this.onWarning(`podwire: ${field} of ${object.kind} "${object.metadata.name}" is not modelled: it has no effect`)
    }
  }

  #checkNamespace(namespace: string, info: KindInfo, name: string): void {
    const found = this.get('Namespace', null, namespace)
    if (found === null) throw ApiError.notFound('Namespace', namespace)
    if (found.metadata.deletionTimestamp === undefined || info.kind === 'Event') return
    const why = `unable to create new content in namespace ${namespace} because it is being terminated`
    throw new ApiError('Forbidden', `${info.plural} "${name}" is forbidden: ${why}`)
  }

  #checkVersion(object: KubeObject, old: KubeObject): void {
    const version = object.metadata.resourceVersion
    if (version !== undefined && version !== '' && version !== old.metadata.resourceVersion) {
      throw ApiError.conflict(object.kind, object.metadata.name)
    }
  }

  #keepIdentity(object: KubeObject, old: KubeObject): void {
    const kept = ['uid', 'creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds', 'generation'] as const
    for (const name of kept) {
      if (old.metadata[name] === undefined) delete object.metadata[name]
      else Object.assign(object.metadata, { [name]: old.metadata[name] })
    }
  }

  #grace(pod: KubeObject, options: DeleteOptions): number {
    const { spec, status } = pod as {
      spec?: { nodeName?: string; terminationGracePeriodSeconds?: number }
      status?: { phase?: string }
    }
    if (!spec?.nodeName || status?.phase === 'Succeeded' || status?.phase === 'Failed') return 0
    return options.gracePeriodSeconds ?? spec.terminationGracePeriodSeconds ?? 30
  }

  #terminate(old: KubeObject, grace: number | null, finalizer: string | null = null): KubeObject {
    if (old.metadata.deletionTimestamp !== undefined) return old
    const object = clone(old)
    object.metadata.deletionTimestamp = this.clock.text(this.clock.now + (grace ?? 0) * 1e9)
    if (grace !== null) object.metadata.deletionGracePeriodSeconds = grace
    if (finalizer !== null) object.metadata.finalizers = [...(object.metadata.finalizers ?? []), finalizer]
    if (object.kind === 'Namespace') object.status = { phase: 'Terminating' }
    return this.#put(object, old, 'MODIFIED')
  }

  #orphan(owner: KubeObject): void {
    for (const dependant of this.ownedBy(owner.metadata.uid as string)) {
      this.modify(dependant, ({ metadata }) => {
        metadata.ownerReferences = (metadata.ownerReferences ?? []).filter((r) => r.uid !== owner.metadata.uid)
      })
    }
  }

  #put(object: KubeObject, old: KubeObject | null, type: 'ADDED' | 'MODIFIED'): KubeObject {
    object.metadata.resourceVersion = String(++this.#version)
    freeze(object)
    const place = key(object.metadata.namespace ?? null, object.metadata.name)
    this.#of(object.kind).set(place, object)
    this.#shelves.get(object.kind)?.put(place, object)
    if (old !== null) this.tables.remove(old)
    this.tables.add(object)
    this.#tell({ type, object, old })
    return object
  }

  #tell(change: Change): void {
    if (this.#quiet) return
    this.#changes.push(change)
    if (this.#telling) return
    this.#telling = true
    try {
      for (let next = this.#changes.shift(); next !== undefined; next = this.#changes.shift()) {
        for (const kind of [next.object.kind, '*']) {
          for (const listener of [...(this.#listeners.get(kind) ?? [])]) listener(next)
        }
      }
    } finally {
      this.#telling = false
    }
  }

  #uid(): string {
    const hex = this.#random.hex(32)
    const variant = '89ab'[this.#random.below(4)]
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`
  }
}

const PROTECTED = new Set(['default', 'kube-system', 'kube-public'])

function key(namespace: string | null, name: string): string {
  return namespace === null ? name : `${namespace}\u0000${name}`
}

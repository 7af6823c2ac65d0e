/**
 * What kubectl needs of a cluster and of the machine that it runs on: the API server's verbs,
 * the kubelet's streams (exec, attach, logs) and the files of the workstation.
 */
import type { TextPipe } from '../../host/input.ts'
import type { Process } from '../../host/process.ts'
import type { KubeObject } from '../objects.ts'
import type { Files } from './files.ts'

export type { KubeObject } from '../objects.ts'

export type PatchType = 'merge' | 'strategic' | 'json'

export interface DeleteOptions {
  /** Seconds; 0 = at once, without waiting for the kubelet. */
  readonly gracePeriodSeconds?: number
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan'
}

export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly object: KubeObject
}

/** A container's three streams, as exec and attach join them to kubectl's own. */
export interface Streams {
  out(text: string): void
  err(text: string): void
  /** kubectl's own input with -i; null without. */
  readonly stdin: TextPipe | null
  readonly tty: boolean
}

export interface RemoteCommand {
  /** Resolves to the exit code. Rejects with an ApiError-like error (reason InternalError) when it cannot start. */
  readonly exit: Promise<number>
  kill(): void
}

export interface LogOptions {
  /** The last lines only; all of them without. */
  readonly tail?: number
  /** The container before its last restart. */
  readonly previous?: boolean
  readonly timestamps?: boolean
}

export interface KubectlCluster {
  /** Name of the cluster in kubeconfig: `kubernetes`; the context is `kubernetes-admin@kubernetes`. */
  readonly name: string
  /** `https://192.168.14.50:6443` */
  readonly server: string
  /** `v1.32.5` */
  readonly version: string
  /** The emulated wall clock: milliseconds since 1970. */
  clock(): number

  get(kind: string, namespace: string | null, name: string): KubeObject | null
  /** By namespace, then name; every namespace when `namespace` is null. */
  list(kind: string, namespace: string | null): readonly KubeObject[]
  create(object: KubeObject): KubeObject
  update(object: KubeObject): KubeObject
  /** `subresource`: `status`, or the object itself. */
  patch(
    kind: string,
    namespace: string | null,
    name: string,
    type: PatchType,
    body: unknown,
    subresource?: string,
  ): KubeObject
  delete(kind: string, namespace: string | null, name: string, options: DeleteOptions): KubeObject
  /** Changes from now on (objects that exist already may be told first as ADDED). Returns the end of the watch. */
  watch(kind: string, listener: (event: WatchEvent) => void): () => void

  /** Throws, or rejects, with an ApiError-like error when the command cannot be started. */
  exec(namespace: string, pod: string, container: string, argv: readonly string[], streams: Streams): RemoteCommand
  /** Joins the container's first process, as `kubectl attach` does. */
  attach(namespace: string, pod: string, container: string, streams: Streams): RemoteCommand
  logs(namespace: string, pod: string, container: string, options: LogOptions): string
  /** Text as it is written, until the container ends (then `ended` is called). Returns the end of the following. */
  follow(
    namespace: string,
    pod: string,
    container: string,
    write: (text: string) => void,
    ended: () => void,
  ): () => void

  /** Where manifests lie, when that is not the place that kubectl runs in. */
  files?(self: Process): Files
  /** One or several YAML or JSON documents; `file` is for errors. */
  parse(text: string, file: string): readonly KubeObject[]
}

/** What the API server answers when it refuses: src/kube/store.ts's ApiError has this shape. */
export interface ApiFailure {
  readonly reason: string
  readonly code: number
  readonly message: string
}

export function isApiFailure(error: unknown): error is ApiFailure {
  return error instanceof Error && typeof (error as { reason?: unknown }).reason === 'string'
}

export function isNotFound(error: unknown): boolean {
  return isApiFailure(error) && error.reason === 'NotFound'
}

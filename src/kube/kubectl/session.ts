/** One run of kubectl: the process, the cluster, and the command line it was given. */
import type { Process } from '../../host/process.ts'
import type { KubectlCluster, KubeObject } from './api.ts'
import type { KubeConfig } from './config.ts'
import { Failure, fail } from './failure.ts'
import { type Files, PlaceFiles } from './files.ts'
import type { CommandLine, Flag, Flags } from './flags.ts'
import { groupedPlural, type Resource } from './resources.ts'

export interface Command {
  /** `get`, `rollout status`. */
  readonly name: string
  readonly flags: readonly Flag[]
  run(session: Session): Promise<number> | number
}

export class Session {
  readonly self: Process
  readonly cluster: KubectlCluster
  readonly config: KubeConfig
  readonly command: string
  readonly flags: Flags
  readonly args: readonly string[]
  /** What stands behind `--`; null without one. */
  readonly rest: readonly string[] | null
  readonly namespace: string
  readonly files: Files

  constructor(self: Process, cluster: KubectlCluster, config: KubeConfig, command: string, line: CommandLine) {
    this.self = self
    this.cluster = cluster
    this.config = config
    this.command = command
    this.flags = line.flags
    this.args = line.args
    this.rest = line.rest
    const context = line.flags.text('context') ?? config.current
    if (!config.contexts.has(context)) fail(`context "${context}" does not exist`)
    this.namespace = line.flags.text('namespace') || config.namespaceOf(context)
    this.files = cluster.files?.(self) ?? new PlaceFiles(self)
  }

  get clock(): number {
    return this.cluster.clock()
  }

  get allNamespaces(): boolean {
    return this.flags.on('all-namespaces')
  }

  out(text: string): void {
    this.self.out(text)
  }

  err(text: string): void {
    this.self.err(text)
  }

  /** The namespace that objects of this type are looked for in; null for none or all of them. */
  scope(resource: Resource): string | null {
    return resource.namespaced ? this.namespace : null
  }

  get(resource: Resource, name: string): KubeObject | null {
    return this.cluster.get(resource.kind, this.scope(resource), name)
  }

  /** @throws the API server's NotFound */
  need(resource: Resource, name: string): KubeObject {
    const found = this.get(resource, name)
    if (found === null) throw notFound(resource, name)
    return found
  }

  /** `''`, ` (dry run)` or ` (server dry run)`; what a dry run does is the command's business. */
  get dryRun(): 'none' | 'client' | 'server' {
    const value = this.flags.text('dry-run') ?? 'none'
    if (value === 'unchanged') {
      fail('--dry-run requires a value: client, server or none')
    }
    if (value === 'none' || value === 'client' || value === 'server') return value
    throw new Failure(`error: Invalid dry-run value (${value}). Must be "none", "server", or "client".`)
  }
}

/** The API server's words for an object that is not there. */
export function notFound(resource: Resource, name: string): Error {
  return Object.assign(new Error(`${groupedPlural(resource)} "${name}" not found`), { reason: 'NotFound', code: 404 })
}

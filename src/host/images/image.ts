/** A container image: which programs are in it, and what it starts. */
import type { Program } from '../process.ts'

export interface Image {
  readonly name: string
  readonly programs: ReadonlyMap<string, Program>
  /** What runs when the container says nothing else: Docker's ENTRYPOINT and CMD in one. */
  readonly entrypoint: readonly string[]
  /** How many words of it are ENTRYPOINT: a container's args replace the rest. All of them when absent. */
  readonly fixed?: number
  readonly env?: Readonly<Record<string, string>>
  readonly workdir?: string
  readonly files?: Readonly<Record<string, string>>
}

/** What a container of this image runs, given its `command` and `args` (Kubernetes' names). */
export function commandLine(
  image: Image,
  command: readonly string[] = [],
  args: readonly string[] = [],
): readonly string[] {
  if (command.length > 0) return [...command, ...args]
  if (args.length === 0) return image.entrypoint
  return [...image.entrypoint.slice(0, image.fixed), ...args]
}

/** `docker.io/library/nginx:1.25@sha256:…` is `nginx` with the tag `1.25`. */
export function parseReference(reference: string): { readonly name: string; readonly tag: string } {
  const bare = reference.split('@')[0]
  const colon = bare.lastIndexOf(':')
  const tagged = colon > bare.lastIndexOf('/')
  const whole = tagged ? bare.slice(0, colon) : bare
  const name = whole.replace(/^(?:index\.)?docker\.io\//, '').replace(/^library\//, '')
  return { name, tag: tagged ? bare.slice(colon + 1) : 'latest' }
}

/** A new set of programs with more in it. */
export function withPrograms(
  base: ReadonlyMap<string, Program>,
  more: Readonly<Record<string, Program>>,
): ReadonlyMap<string, Program> {
  return new Map([...base, ...Object.entries(more)])
}

/** Which objects a command means: `pod web`, `pod/web svc/web`, `pods -l app=web`, `--all`, `-f`. */
import type { KubeObject } from './api.ts'
import { Failures, fail } from './failure.ts'
import { mapAt, nameOf, namespaceOf } from './field.ts'
import { type Flag, text, toggle } from './flags.ts'
import { readManifests } from './manifests.ts'
import { needResource, needResources, type Resource } from './resources.ts'
import { parseFieldSelector, parseSelector } from './selector.ts'
import { notFound, type Session } from './session.ts'

export interface Target {
  readonly resource: Resource
  readonly namespace: string | null
  readonly name: string
}

export interface Found extends Target {
  readonly object: KubeObject
}

export const SELECTION_FLAGS: readonly Flag[] = [
  text('selector', 'l'),
  text('field-selector'),
  toggle('all-namespaces', 'A'),
]

/** The command line's words: types with names, or types alone. */
export interface Named {
  /** Types without names: all of them are meant, or those that a selector picks. */
  readonly types: readonly Resource[]
  readonly targets: readonly { readonly resource: Resource; readonly name: string }[]
}

/** Reads TYPE NAME..., TYPE/NAME... and TYPE,TYPE. @throws kubectl's errors */
export function readNames(words: readonly string[]): Named {
  if (words.length === 0) return { types: [], targets: [] }
  if (words.some((word) => word.includes('/'))) {
    const targets = words.map((word) => {
      const parts = word.split('/')
      if (parts.length === 1) {
        const example = `(e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource resource/<resource_name>'`
        const form = 'when passing arguments in resource/name form'
        fail(`there is no need to specify a resource type as a separate argument ${form} ${example}`)
      }
      if (parts.length !== 2 || parts[0] === '' || parts[1] === '') {
        fail('arguments in resource/name form may not have more than one slash')
      }
      return { resource: needResource(parts[0]!), name: parts[1]! }
    })
    return { types: [], targets }
  }
  const types = needResources(words[0]!)
  const names = words.slice(1)
  if (names.length === 0) return { types, targets: [] }
  return { types: [], targets: types.flatMap((resource) => names.map((name) => ({ resource, name }))) }
}

/** All objects of a type that -l, --field-selector and -A let through. */
export function listOf(session: Session, resource: Resource): KubeObject[] {
  const namespace = session.allNamespaces ? null : session.scope(resource)
  const matches = matcher(session, resource)
  return session.cluster.list(resource.kind, namespace).filter(matches)
}

/** What -l and --field-selector let through. */
export function matcher(session: Session, resource: Resource): (object: KubeObject) => boolean {
  const selector = parseSelector(session.flags.text('selector') ?? '')
  const fields = parseFieldSelector(session.flags.text('field-selector') ?? '', resource.kind)
  return (object) => selector(mapAt(object, 'metadata.labels')) && fields(object)
}

export function hasSelector(session: Session): boolean {
  return Boolean(session.flags.text('selector') || session.flags.text('field-selector'))
}

/** Everything that the command means, those that exist; the others are told in `failures`. */
export interface Selection {
  readonly found: Found[]
  readonly failures: unknown[]
  /** Types were named without names: a selector or --all chose. */
  readonly listed: boolean
}

/**
 * For commands that change what exists (delete, label, wait): a type alone is not enough without a selector or --all.
 * `words` are the command's arguments up to where its own begin.
 */
export async function select(session: Session, words: readonly string[]): Promise<Selection> {
  if (session.flags.has('filename')) {
    if (words.length > 0) {
      fail('when paths, URLs, or stdin is provided as input, you may not specify resource arguments as well')
    }
    const manifests = await readManifests(session)
    const targets = manifests.map(({ object, resource }) => {
      return { resource, namespace: namespaceOf(object), name: nameOf(object) }
    })
    return lookUp(session, targets)
  }
  const { types, targets } = readNames(words)
  const all = session.flags.on('all')
  if (targets.length > 0) {
    if (hasSelector(session)) fail('name cannot be provided when a selector is specified')
    if (all) fail("setting 'all' parameter but found a non empty selector. ")
    return lookUp(
      session,
      targets.map((target) => ({ ...target, namespace: session.scope(target.resource) })),
    )
  }
  if (types.length === 0) {
    fail(
      `You must provide one or more resources by argument or filename.\nExample resource specifications include:\n` +
        `   '-f rsrc.yaml'\n   '--filename=rsrc.json'\n   '<resource> <name>'\n   '<resource>'`,
    )
  }
  if (!all && !hasSelector(session)) fail('resource(s) were provided, but no name was specified')
  const found = types.flatMap((resource) =>
    listOf(session, resource).map((object) => {
      return { resource, object, namespace: namespaceOf(object), name: nameOf(object) }
    }),
  )
  return { found, failures: [], listed: true }
}

export function lookUp(session: Session, targets: readonly Target[]): Selection {
  const found: Found[] = []
  const failures: unknown[] = []
  for (const target of targets) {
    const object = session.cluster.get(target.resource.kind, target.namespace, target.name)
    if (object === null) failures.push(notFound(target.resource, target.name))
    else found.push({ ...target, object })
  }
  return { found, failures, listed: false }
}

/** Ends the command when something was not found; what was found has been dealt with by then. */
export function report(failures: readonly unknown[]): void {
  if (failures.length > 0) throw new Failures(failures)
}

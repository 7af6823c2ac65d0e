/** `kubectl get`: tables, single objects in other forms, and -w. */
import type { KubeObject } from '../api.ts'
import { Failure, fail } from '../failure.ts'
import { at, nameOf, namespaceOf, uidOf } from '../field.ts'
import { list, text, toggle, unmodelled } from '../flags.ts'
import { find } from '../jsonpath/evaluate.ts'
import { FILE_FLAGS, readManifests } from '../manifests.ts'
import { CustomColumns, relaxedPath } from '../print/custom-columns.ts'
import { layoutOf } from '../print/layouts.ts'
import { asList, type OutputForm, parseOutput, printName, printWhole } from '../print/output.ts'
import { type TableOptions, TablePrinter } from '../print/table.ts'
import { groupedKind, type Resource } from '../resources.ts'
import { hasSelector, listOf, lookUp, matcher, readNames, report, SELECTION_FLAGS } from '../selection.ts'
import type { Command, Session } from '../session.ts'
import { Changes } from '../waiting.ts'

/** Objects of one type, shown together. */
interface Group {
  readonly resource: Resource
  readonly objects: KubeObject[]
  /** Names, when single objects were asked for. */
  readonly names: readonly string[] | null
}

export const get: Command = {
  name: 'get',
  flags: [
    ...SELECTION_FLAGS,
    ...FILE_FLAGS,
    text('output', 'o'),
    list('label-columns', 'L'),
    text('sort-by'),
    text('chunk-size'),
    toggle('show-labels'),
    toggle('show-kind'),
    toggle('show-managed-fields'),
    toggle('no-headers'),
    toggle('watch', 'w'),
    toggle('watch-only'),
    toggle('ignore-not-found'),
    ...unmodelled('raw', 'server-print', 'template', 'subresource', 'output-watch-events'),
  ],
  async run(session) {
    const form = parseOutput(session.flags.text('output'))
    const { groups, failures } = await collect(session)
    sortGroups(session, groups)
    const watching = session.flags.on('watch') || session.flags.on('watch-only')
    if (watching) return watch(session, form, groups, failures)
    if (form.format === 'table' || form.format === 'wide') printTables(session, form, groups, failures)
    else printOther(session, form, groups, failures)
    report(failures)
    return 0
  },
}

async function collect(session: Session): Promise<{ groups: Group[]; failures: unknown[] }> {
  const ignore = session.flags.on('ignore-not-found')
  if (session.flags.has('filename')) {
    const manifests = await readManifests(session)
    const targets = manifests.map(({ object, resource }) => {
      return { resource, namespace: namespaceOf(object), name: nameOf(object) }
    })
    return grouped(lookUp(session, targets), ignore)
  }
  if (session.args.length === 0) {
    session.err(
      'You must specify the type of resource to get. ' +
        'Use "kubectl api-resources" for a complete list of supported resources.\n\n',
    )
    throw new Failure(
      'error: Required resource not specified.\n' +
        'Use "kubectl explain <resource>" for a detailed description of that resource (e.g. kubectl explain pods).\n' +
        "See 'kubectl get -h' for help and examples",
    )
  }
  const { types, targets } = readNames(session.args)
  if (targets.length > 0) {
    if (hasSelector(session)) fail('name cannot be provided when a selector is specified')
    if (session.allNamespaces) fail('a resource cannot be retrieved by name across all namespaces')
    const placed = targets.map((target) => ({ ...target, namespace: session.scope(target.resource) }))
    return grouped(lookUp(session, placed), ignore)
  }
  return {
    groups: types.map((resource) => ({ resource, objects: listOf(session, resource), names: null })),
    failures: [],
  }
}

function grouped(selection: ReturnType<typeof lookUp>, ignore: boolean): { groups: Group[]; failures: unknown[] } {
  const groups: { resource: Resource; objects: KubeObject[]; names: string[] }[] = []
  for (const { resource, object, name } of selection.found) {
    const last = groups.at(-1)
    if (last !== undefined && last.resource === resource) {
      last.objects.push(object)
      last.names.push(name)
    } else groups.push({ resource, objects: [object], names: [name] })
  }
  return { groups, failures: ignore ? [] : selection.failures }
}

function sortGroups(session: Session, groups: readonly Group[]): void {
  const field = session.flags.text('sort-by')
  if (field === null || field === '') return
  const path = relaxedPath(field)
  for (const { objects } of groups) {
    const values = new Map(objects.map((object) => [object, find(path, object)[0]]))
    if (objects.length > 0 && objects.every((object) => values.get(object) === undefined)) {
      fail(`couldn't find any field with path "{.${field.replace(/^\{?\.?|\}$/g, '')}}" in the list of objects`)
    }
    objects.sort((a, b) => compareValues(values.get(a), values.get(b)))
  }
}

/** Numbers by size, texts in natural order (`web-2` before `web-10`), what is missing first. */
function compareValues(a: unknown, b: unknown): number {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? -1 : 1
  if (typeof a === 'number' && typeof b === 'number') return a - b
  const left = String(a).match(/\d+|\D+/g) ?? []
  const right = String(b).match(/\d+|\D+/g) ?? []
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    const x = left[index]!
    const y = right[index]!
    if (x === y) continue
    const numeric = /^\d/.test(x) && /^\d/.test(y) ? Number(x) - Number(y) : 0
    if (numeric !== 0) return numeric
    return x < y ? -1 : 1
  }
  return left.length - right.length
}

function tableOptions(session: Session, form: OutputForm, resource: Resource, several: boolean): TableOptions {
  const prefixed = several || session.flags.on('show-kind')
  return {
    wide: form.format === 'wide',
    withNamespace: session.allNamespaces && resource.namespaced,
    showLabels: session.flags.on('show-labels'),
    labelColumns: session.flags.all('label-columns'),
    headers: !session.flags.on('no-headers'),
    ...(prefixed ? { prefix: `${groupedKind(resource)}/` } : {}),
  }
}

function printTables(session: Session, form: OutputForm, groups: readonly Group[], failures: readonly unknown[]): void {
  const full = groups.filter((group) => group.objects.length > 0)
  const several = new Set(groups.map((group) => group.resource)).size > 1
  full.forEach((group, index) => {
    const options = tableOptions(session, form, group.resource, several)
    if (index > 0) session.out('\n')
    session.out(new TablePrinter(layoutOf(group.resource.kind), options).print(group.objects, session.clock))
  })
  if (full.length > 0 || failures.length > 0 || session.flags.on('ignore-not-found')) return
  const namespaced = !session.allNamespaces && groups.every((group) => group.resource.namespaced)
  session.err(namespaced ? `No resources found in ${session.namespace} namespace.\n` : 'No resources found\n')
}

function printOther(session: Session, form: OutputForm, groups: readonly Group[], failures: readonly unknown[]): void {
  const objects = groups.flatMap((group) => group.objects)
  const single = groups.length === 1 && groups[0]!.names?.length === 1 && failures.length === 0
  if (objects.length === 0 && groups.every((group) => group.names !== null)) return
  if (form.format === 'name') for (const object of objects) session.out(printName(object))
  else if (form.format === 'custom-columns') {
    session.out(new CustomColumns(form.argument, !session.flags.on('no-headers')).print(objects))
  } else session.out(printWhole(form, single ? objects[0] : asList(objects)))
}

/** Prints what is there, then a row for each change, until the process is killed. */
async function watch(
  session: Session,
  form: OutputForm,
  groups: readonly Group[],
  failures: unknown[],
): Promise<number> {
  report(failures)
  const only = groups[0]
  if (groups.length !== 1 || only === undefined || (only.names !== null && only.names.length > 1)) {
    fail('you may only specify a single resource type')
  }
  const { resource, names } = only
  const print = rowPrinter(session, form, resource)
  if (!session.flags.on('watch-only')) for (const text of print(only.objects)) session.out(text)

  const scope = session.allNamespaces ? null : session.scope(resource)
  const matches = matcher(session, resource)
  const shown = new Map(only.objects.map((object) => [uidOf(object), at(object, 'metadata.resourceVersion')]))
  const changes = new Changes<KubeObject>(session, (push) =>
    session.cluster.watch(resource.kind, ({ type, object }) => {
      if (scope !== null && namespaceOf(object) !== scope) return
      if (names !== null && nameOf(object) !== names[0]) return
      const known = shown.has(uidOf(object))
      // A watch with a selector tells an object that no longer matches as deleted.
      if (!matches(object) && !known) return
      const version = at(object, 'metadata.resourceVersion')
      // The beginning of a watch tells what the list has shown already.
      if (type === 'ADDED' && known && shown.get(uidOf(object)) === version) return
      if (type === 'DELETED' || !matches(object)) shown.delete(uidOf(object))
      else shown.set(uidOf(object), version)
      push(object)
    }),
  )
  try {
    for (;;) for (const text of print([await changes.next()])) session.out(text)
  } finally {
    changes.stop()
  }
}

function rowPrinter(
  session: Session,
  form: OutputForm,
  resource: Resource,
): (objects: readonly KubeObject[]) => string[] {
  if (form.format === 'table' || form.format === 'wide') {
    const printer = new TablePrinter(layoutOf(resource.kind), tableOptions(session, form, resource, false))
    return (objects) => [printer.print(objects, session.clock)]
  }
  if (form.format === 'custom-columns') {
    const printer = new CustomColumns(form.argument, !session.flags.on('no-headers'))
    return (objects) => (objects.length === 0 ? [] : [printer.print(objects)])
  }
  if (form.format === 'name') return (objects) => objects.map(printName)
  return (objects) => objects.map((object) => printWhole(form, object))
}

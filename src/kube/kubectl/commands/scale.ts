/** `kubectl scale`, `kubectl set image` and `kubectl patch`. */
import { isApiFailure, type PatchType } from '../api.ts'
import { change } from '../change.ts'
import { tellObject } from '../creation.ts'
import { Failure, fail, usage } from '../failure.ts'
import { at, isMap, type JsonMap, listAt, numberAt, same, textAt } from '../field.ts'
import { text, toggle, unmodelled } from '../flags.ts'
import { FILE_FLAGS } from '../manifests.ts'
import { groupedPlural } from '../resources.ts'
import { report, SELECTION_FLAGS, select } from '../selection.ts'
import type { Command } from '../session.ts'

const DRY_RUN = { name: 'dry-run', type: 'text', bare: 'unchanged' } as const

const SCALED: readonly string[] = ['Deployment', 'ReplicaSet', 'StatefulSet']

export const scale: Command = {
  name: 'scale',
  flags: [
    ...SELECTION_FLAGS,
    ...FILE_FLAGS,
    text('replicas'),
    text('current-replicas'),
    toggle('all'),
    text('output', 'o'),
    DRY_RUN,
    ...unmodelled('timeout', 'resource-version'),
  ],
  async run(session) {
    const given = session.flags.text('replicas')
    const replicas = Number(given)
    if (given === null || !/^\d+$/.test(given)) {
      fail('The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0')
    }
    const expected = session.flags.text('current-replicas')
    const { found, failures } = await select(session, session.args)
    const problems = [...failures]
    for (const { object, resource, name } of found) {
      if (!SCALED.includes(resource.kind)) {
        fail(`cannot scale a ${groupedPlural(resource)} "${name}": the server could not find the requested resource`)
      }
      const current = numberAt(object, 'spec.replicas', 1)
      if (expected !== null && Number(expected) !== current) {
        fail(`Expected replicas to be ${expected}, was ${current}`)
      }
      try {
        const changed = change(session, object, (copy) => {
          const spec = copy.spec as JsonMap
          spec.replicas = replicas
        })
        tellObject(session, changed ?? object, 'scaled')
      } catch (error) {
        if (!isApiFailure(error)) throw error
        problems.push(error)
      }
    }
    if (found.length === 0 && problems.length === 0) fail('no objects passed to scale')
    report(problems)
    return 0
  },
}

export const setImage: Command = {
  name: 'set image',
  flags: [...SELECTION_FLAGS, ...FILE_FLAGS, toggle('all'), text('output', 'o'), DRY_RUN, ...unmodelled('local')],
  async run(session) {
    const split = session.args.findIndex((word) => word.includes('='))
    const resources = split < 0 ? session.args : session.args.slice(0, split)
    const images = split < 0 ? [] : session.args.slice(split)
    if (resources.length === 0 && !session.flags.has('filename')) {
      fail('one or more resources must be specified as <resource> <name> or <resource>/<name>')
    }
    if (images.length === 0) fail('at least one image update is required')
    const { found, failures } = await select(session, resources)
    const problems = [...failures]
    for (const { object, resource } of found) {
      const path = resource.kind === 'Pod' ? 'spec' : 'spec.template.spec'
      const changed = change(session, object, (copy) => {
        for (const word of images) {
          const equals = word.indexOf('=')
          const wanted = word.slice(0, equals)
          const containers = [...listAt(copy, `${path}.containers`), ...listAt(copy, `${path}.initContainers`)]
          const chosen = containers.filter((container) => wanted === '*' || textAt(container, 'name') === wanted)
          if (chosen.length === 0) fail(`unable to find container named "${wanted}"`)
          for (const container of chosen) if (isMap(container)) container.image = word.slice(equals + 1)
        }
      })
      if (changed !== null) tellObject(session, changed, 'image updated')
    }
    report(problems)
    return 0
  },
}

export const patch: Command = {
  name: 'patch',
  flags: [
    ...FILE_FLAGS,
    text('patch', 'p'),
    text('patch-file'),
    text('type'),
    text('output', 'o'),
    text('field-manager'),
    DRY_RUN,
    text('subresource'),
    ...unmodelled('local'),
  ],
  async run(session) {
    const type = session.flags.text('type') ?? 'strategic'
    if (!['json', 'merge', 'strategic'].includes(type)) {
      usage('patch', `--type must be one of [json merge strategic], not "${type}"`)
    }
    const part = session.flags.text('subresource')
    if (part !== null && part !== 'status')
      throw new Failure(`podwire: kubectl patch --subresource=${part} is not modelled`)
    const file = session.flags.text('patch-file')
    const given = session.flags.text('patch') ?? (file === null ? null : session.files.read(file))
    if (file !== null && given === null) fail(`unable to read patch file: open ${file}: no such file or directory`)
    if (given === null) fail('must specify --patch or --patch-file containing the contents of the patch')
    const body = parseBody(given, (text, file) => session.cluster.parse(text, file))
    if (session.dryRun !== 'none') throw new Failure('podwire: kubectl patch --dry-run is not modelled')
    const { found, failures } = await select(session, session.args)
    const problems = [...failures]
    for (const { object, resource, namespace, name } of found) {
      try {
        const patched = session.cluster.patch(
          resource.kind,
          namespace,
          name,
          type as PatchType,
          body,
          part ?? undefined,
        )
        const before = { ...object, metadata: { ...object.metadata, resourceVersion: '' } }
        const after = { ...patched, metadata: { ...patched.metadata, resourceVersion: '' } }
        tellObject(session, patched, same(before, after) ? 'patched (no change)' : 'patched')
      } catch (error) {
        if (!isApiFailure(error)) throw error
        problems.push(error)
      }
    }
    report(problems)
    return 0
  },
}

/** JSON, or YAML: the manifest reader takes objects only, so that the patch goes in as one's data. */
function parseBody(given: string, parse: (text: string, file: string) => readonly unknown[]): unknown {
  try {
    return JSON.parse(given)
  } catch {
    // Not JSON.
  }
  const data = given
    .split('\n')
    .map((line) => `  ${line}\n`)
    .join('')
  let body: unknown
  try {
    body = at(parse(`apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: patch\ndata:\n${data}`, 'patch')[0], 'data')
  } catch (error) {
    fail(`unable to parse "${given}": ${error instanceof Error ? error.message : String(error)}`)
  }
  if (!isMap(body) && !Array.isArray(body)) fail(`unable to parse "${given}" as YAML or JSON`)
  return body
}

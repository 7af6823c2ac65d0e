/** `kubectl apply -f`: makes what is missing, changes what differs, remembers the manifest in an annotation. */
import type { KubeObject } from '../api.ts'
import { isApiFailure } from '../api.ts'
import { fail, Placed, placed } from '../failure.ts'
import { isMap, mapAt, nameOf, namespaceOf, textAt } from '../field.ts'
import { text, toggle, unmodelled } from '../flags.ts'
import { FILE_FLAGS, type Manifest, readManifests } from '../manifests.ts'
import { annotated, difference, LAST_APPLIED, threeWay } from '../merge.ts'
import { compactJson } from '../print/json.ts'
import { parseOutput, printName, printWhole } from '../print/output.ts'
import { groupVersion, label, type Resource } from '../resources.ts'
import { report } from '../selection.ts'
import type { Command, Session } from '../session.ts'

export const apply: Command = {
  name: 'apply',
  flags: [
    ...FILE_FLAGS,
    text('output', 'o'),
    text('field-manager'),
    toggle('overwrite'),
    toggle('force'),
    toggle('wait'),
    { name: 'dry-run', type: 'text', bare: 'unchanged' },
    { name: 'validate', type: 'text', bare: 'strict' },
    ...unmodelled('server-side', 'prune', 'all', 'selector', 'prune-allowlist', 'force-conflicts', 'cascade'),
  ],
  async run(session) {
    if (session.args.length > 0)
      fail(`Unexpected args: [${session.args.join(' ')}]\nSee 'kubectl apply -h' for help and examples`)
    if (!session.flags.has('filename')) fail('must specify one of -f and -k')
    const failures: unknown[] = []
    for (const manifest of await readManifests(session)) {
      try {
        applyOne(session, manifest)
      } catch (error) {
        if (!isApiFailure(error)) throw error
        failures.push(error)
      }
    }
    report(failures)
    return 0
  },
}

function applyOne(session: Session, manifest: Manifest): void {
  const { resource, source } = manifest
  const name = nameOf(manifest.object)
  const live = session.cluster.get(resource.kind, namespaceOf(manifest.object), name)
  const modified = annotated(manifest.object)
  if (live === null) {
    try {
      const created = session.dryRun === 'none' ? session.cluster.create(modified) : modified
      tell(session, resource, created, 'created')
    } catch (error) {
      throw placed(`error when creating "${source}"`, error)
    }
    return
  }
  const last = mapAt(live, 'metadata.annotations')[LAST_APPLIED]
  if (last === undefined) {
    session.err(
      `Warning: resource ${resource.plural}/${name} is missing the ${LAST_APPLIED} annotation which is required by ` +
        `kubectl apply. kubectl apply should only be used on resources created declaratively by either kubectl ` +
        `create --save-config or kubectl apply. The missing annotation will be patched automatically.\n`,
    )
  }
  const patch = difference(live, threeWay(lastApplied(last), modified, live))
  if (patch === null) {
    tell(session, resource, live, 'unchanged')
    return
  }
  try {
    const patched =
      session.dryRun === 'none'
        ? session.cluster.patch(resource.kind, namespaceOf(live), name, 'merge', patch)
        : (threeWay(lastApplied(last), modified, live) as KubeObject)
    tell(session, resource, patched, 'configured')
  } catch (error) {
    throw patchFailure(resource, live, source, patch, error)
  }
}

function lastApplied(annotation: string | undefined): unknown {
  const parsed: unknown = annotation === undefined ? {} : JSON.parse(annotation)
  return isMap(parsed) ? parsed : {}
}

function tell(session: Session, resource: Resource, object: KubeObject, act: string): void {
  const form = parseOutput(session.flags.text('output'))
  if (form.format === 'name') session.out(printName(object))
  else if (form.format === 'table') {
    const dry = { none: '', client: ' (dry run)', server: ' (server dry run)' }[session.dryRun]
    session.out(`${label(resource, nameOf(object))} ${act}${dry}\n`)
  } else session.out(printWhole(form, object))
}

function patchFailure(resource: Resource, live: KubeObject, source: string, patch: unknown, error: unknown): unknown {
  if (!isApiFailure(error) || error.reason === 'Invalid') return error
  const type = `Resource: "${groupVersion(resource)}, Resource=${resource.plural}"`
  const kind = `GroupVersionKind: "${groupVersion(resource)}, Kind=${resource.kind}"`
  const object = `Name: "${nameOf(live)}", Namespace: "${textAt(live, 'metadata.namespace')}"`
  const inner = `error when patching "${source}": ${error.message}`
  return new Placed(
    `error when applying patch:\n${compactJson(patch)}\nto:\n${type}, ${kind}\n${object}\nfor: "${source}"`,
    { reason: error.reason, code: error.code, message: inner },
  )
}

/** `kubectl create -f`, and `kubectl replace -f`. */
import { isApiFailure } from '../api.ts'
import { CREATION_FLAGS, createObject, tellObject } from '../creation.ts'
import { fail, placed } from '../failure.ts'
import { nameOf, namespaceOf, textAt, uidOf } from '../field.ts'
import { text, toggle, unmodelled } from '../flags.ts'
import { FILE_FLAGS, readManifests } from '../manifests.ts'
import { report } from '../selection.ts'
import { type Command, notFound } from '../session.ts'
import { until } from '../waiting.ts'

export const create: Command = {
  name: 'create',
  flags: [...FILE_FLAGS, ...CREATION_FLAGS, ...unmodelled('edit', 'raw', 'selector')],
  async run(session) {
    if (session.args.length > 0) {
      fail(`unknown command "${session.args[0]}" for "kubectl create"\nSee 'kubectl create -h' for help and examples`)
    }
    if (!session.flags.has('filename')) fail('must specify one of -f and -k')
    const failures: unknown[] = []
    for (const { object, source } of await readManifests(session)) {
      try {
        createObject(session, object)
      } catch (error) {
        if (!isApiFailure(error)) throw error
        failures.push(placed(`error when creating "${source}"`, error))
      }
    }
    report(failures)
    return 0
  },
}

export const replace: Command = {
  name: 'replace',
  flags: [...FILE_FLAGS, ...CREATION_FLAGS, toggle('force'), text('grace-period'), ...unmodelled('raw', 'cascade')],
  async run(session) {
    if (!session.flags.has('filename')) fail('must specify one of -f and -k')
    const failures: unknown[] = []
    const force = session.flags.on('force')
    for (const { object, resource, source } of await readManifests(session)) {
      const name = nameOf(object)
      const namespace = namespaceOf(object)
      try {
        const live = session.cluster.get(resource.kind, namespace, name)
        if (force) {
          if (live !== null) {
            session.cluster.delete(resource.kind, namespace, name, { gracePeriodSeconds: 0 })
            session.out(`${resource.singular} "${name}" deleted\n`)
            await until<true>(session, resource.kind, () => {
              const now = session.cluster.get(resource.kind, namespace, name)
              return now === null || uidOf(now) !== uidOf(live) ? true : null
            })
          }
          createObject(session, object, 'replaced')
          continue
        }
        if (live === null) throw notFound(resource, name)
        const version = textAt(object, 'metadata.resourceVersion') || textAt(live, 'metadata.resourceVersion')
        const metadata = { ...object.metadata, resourceVersion: version }
        const whole = { ...object, metadata } as typeof object
        tellObject(session, session.dryRun === 'none' ? session.cluster.update(whole) : whole, 'replaced')
      } catch (error) {
        if (!isApiFailure(error)) throw error
        failures.push(placed(`error when replacing "${source}"`, error))
      }
    }
    report(failures)
    return 0
  },
}

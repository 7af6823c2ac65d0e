/** `kubectl delete`: asks for the end of objects, and waits until they are gone. */
import { SECOND } from '../../../sim/scheduler.ts'
import type { DeleteOptions } from '../api.ts'
import { isNotFound } from '../api.ts'
import { parseDuration } from '../duration.ts'
import { Failure, fail, placed } from '../failure.ts'
import { nameOf, namespaceOf, uidOf } from '../field.ts'
import { text, toggle, unmodelled } from '../flags.ts'
import { FILE_FLAGS, readManifests } from '../manifests.ts'
import { groupedKind, label } from '../resources.ts'
import { type Found, hasSelector, report, SELECTION_FLAGS, select } from '../selection.ts'
import { type Command, notFound, type Session } from '../session.ts'
import { until } from '../waiting.ts'

const FORCED =
  'Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. ' +
  'The resource may continue to run on the cluster indefinitely.\n'

export const remove: Command = {
  name: 'delete',
  flags: [
    ...SELECTION_FLAGS,
    ...FILE_FLAGS,
    toggle('all'),
    toggle('force'),
    toggle('now'),
    toggle('ignore-not-found'),
    toggle('wait'),
    text('grace-period'),
    text('timeout'),
    text('output', 'o'),
    { name: 'cascade', type: 'text', bare: 'background' },
    { name: 'dry-run', type: 'text', bare: 'unchanged' },
    ...unmodelled('raw', 'interactive'),
  ],
  async run(session) {
    const options = optionsOf(session)
    const { found, failures } = await targets(session)
    const output = session.flags.text('output')
    if (output !== null && output !== 'name') fail(`unexpected -o output mode: ${output}. We only support '-o name'`)
    if (options.gracePeriodSeconds === 0 && session.flags.on('force')) session.err(FORCED)
    const waiting: Found[] = []
    for (const target of found) {
      const { resource, namespace, name } = target
      try {
        if (session.dryRun === 'none') session.cluster.delete(resource.kind, namespace, name, options)
        waiting.push(target)
        session.out(output === 'name' ? `${label(resource, name)}\n` : `${sentence(session, target, options)}\n`)
      } catch (error) {
        if (!isNotFound(error) || !ignoresMissing(session)) failures.push(error)
      }
    }
    if (session.flags.text('wait') !== 'false' && session.dryRun === 'none') {
      failures.push(...(await goneAll(session, waiting)))
    }
    if (found.length === 0 && failures.length === 0) session.out('No resources found\n')
    report(failures)
    return 0
  },
}

/** --all means so by itself: what is gone already, with its owner perhaps, need not be deleted. */
function ignoresMissing(session: Session): boolean {
  return session.flags.has('ignore-not-found') ? session.flags.on('ignore-not-found') : session.flags.on('all')
}

async function targets(session: Session): Promise<{ found: Found[]; failures: unknown[] }> {
  const ignore = ignoresMissing(session)
  if (!session.flags.has('filename')) {
    if (session.flags.on('all') && hasSelector(session)) fail('cannot set --all and --selector at the same time')
    const { found, failures } = await select(session, session.args)
    return { found: [...found], failures: ignore ? [] : [...failures] }
  }
  const found: Found[] = []
  const failures: unknown[] = []
  for (const { object, resource, source } of await readManifests(session)) {
    const namespace = namespaceOf(object)
    const name = nameOf(object)
    const live = session.cluster.get(resource.kind, namespace, name)
    if (live !== null) found.push({ resource, namespace, name, object: live })
    else if (!ignore) failures.push(placed(`error when deleting "${source}"`, notFound(resource, name)))
  }
  return { found, failures }
}

function optionsOf(session: Session): DeleteOptions {
  const cascade = session.flags.text('cascade') ?? 'background'
  const policies = { background: 'Background', foreground: 'Foreground', orphan: 'Orphan' } as const
  if (!(cascade in policies)) {
    fail(`invalid cascade value (${cascade}). Must be "background", "foreground", or "orphan"`)
  }
  const propagationPolicy = policies[cascade as keyof typeof policies]
  const given = session.flags.text('grace-period')
  let grace = given === null ? -1 : Number(given)
  const force = session.flags.on('force')
  if (!Number.isInteger(grace))
    fail(`invalid argument "${given}" for "--grace-period" flag: strconv.ParseInt: parsing "${given}": invalid syntax`)
  if (session.flags.on('now')) {
    if (grace !== -1) fail('--now and --grace-period cannot be specified together')
    grace = 1
  }
  if (force && grace > 0) fail('--force and --grace-period greater than 0 cannot be specified together')
  if (force) grace = 0
  // Only --force means "at once": kubectl turns a bare 0 into one second, so that the kubelet has its say.
  else if (grace === 0) grace = 1
  return grace < 0 ? { propagationPolicy } : { propagationPolicy, gracePeriodSeconds: grace }
}

function sentence(session: Session, target: Found, options: DeleteOptions): string {
  const act = options.gracePeriodSeconds === 0 ? 'force deleted' : 'deleted'
  const dry = { none: '', client: ' (dry run)', server: ' (server dry run)' }[session.dryRun]
  return `${groupedKind(target.resource)} "${target.name}" ${act}${dry}`
}

async function goneAll(session: Session, all: readonly Found[]): Promise<unknown[]> {
  const given = session.flags.text('timeout')
  const timeout = given === null ? 0 : parseDuration(given)
  if (timeout === null) fail(`invalid argument "${given}" for "--timeout" flag: time: invalid duration "${given}"`)
  const failures: unknown[] = []
  for (const target of all) {
    if (!(await gone(session, target, timeout > 0 ? timeout : 168 * 3600 * SECOND))) {
      const what = `${target.resource.plural}/${target.name}`
      failures.push(new Failure(`error: timed out waiting for the condition on ${what}`))
    }
  }
  return failures
}

/** True when the object, not another one of its name, is gone. */
export async function gone(session: Session, target: Found, timeout?: number): Promise<boolean> {
  const { resource, namespace, name, object } = target
  const test = (): true | null => {
    const live = session.cluster.get(resource.kind, namespace, name)
    return live === null || uidOf(live) !== uidOf(object) ? true : null
  }
  return (await until<true>(session, resource.kind, test, timeout)) === true
}

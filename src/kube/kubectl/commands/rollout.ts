/** `kubectl rollout status|restart|history|undo`. */
import type { KubeObject } from '../api.ts'
import { change } from '../change.ts'
import { tellObject } from '../creation.ts'
import { parseDuration, rfc3339 } from '../duration.ts'
import { Failure, fail, usage } from '../failure.ts'
import {
  at,
  copyOf,
  isMap,
  type JsonMap,
  listAt,
  mapAt,
  nameOf,
  namespaceOf,
  numberAt,
  textAt,
  uidOf,
} from '../field.ts'
import { text, toggle, unmodelled } from '../flags.ts'
import { FILE_FLAGS } from '../manifests.ts'
import { conditionOf } from '../print/pod-layout.ts'
import { layOut } from '../print/tabwriter.ts'
import { label, type Resource } from '../resources.ts'
import { type Found, report, select } from '../selection.ts'
import { type Command, notFound, type Session } from '../session.ts'
import { until } from '../waiting.ts'

const REVISION = 'deployment.kubernetes.io/revision'
const RESTARTED = 'kubectl.kubernetes.io/restartedAt'
const FLAGS = [
  ...FILE_FLAGS,
  text('selector', 'l'),
  text('output', 'o'),
  { name: 'dry-run', type: 'text', bare: 'unchanged' } as const,
]

async function targets(session: Session): Promise<readonly Found[]> {
  if (session.args.length === 0 && !session.flags.has('filename'))
    usage(session.command, 'required resource not specified')
  const { found, failures } = await select(session, session.args)
  report(failures)
  return found
}

/** One step of a rollout in kubectl's words, and whether it is the last. */
interface Progress {
  readonly text: string
  readonly done: boolean
}

export const rolloutStatus: Command = {
  name: 'rollout status',
  flags: [...FLAGS, toggle('watch', 'w'), text('timeout'), text('revision')],
  async run(session) {
    for (const { object, resource } of await targets(session)) {
      const given = parseDuration(session.flags.text('timeout') ?? '0') ?? fail('invalid duration for --timeout')
      const once = session.flags.text('watch') === 'false'
      await follow(session, resource, namespaceOf(object), nameOf(object), given > 0 ? given : undefined, once)
    }
    return 0
  },
}

async function follow(
  session: Session,
  resource: Resource,
  namespace: string | null,
  name: string,
  timeout: number | undefined,
  once: boolean,
): Promise<void> {
  let last = ''
  const done = await until<true>(
    session,
    resource.kind,
    () => {
      const live = session.cluster.get(resource.kind, namespace, name)
      if (live === null) throw notFound(resource, name)
      const { text, done } =
        resource.kind === 'DaemonSet'
          ? daemonSetProgress(live)
          : resource.kind === 'StatefulSet'
            ? statefulSetProgress(live)
            : deploymentProgress(live, resource)
      if (text !== last) session.out(text)
      last = text
      return done || once ? true : null
    },
    timeout,
  )
  if (done === null) fail('timed out waiting for the condition')
}

function deploymentProgress(object: KubeObject, resource: Resource): Progress {
  if (resource.kind !== 'Deployment') fail(`no status viewer has been implemented for ${resource.kind}`)
  const name = JSON.stringify(nameOf(object))
  const count = (field: string): number => numberAt(object, `status.${field}`)
  if (numberAt(object, 'metadata.generation') > count('observedGeneration')) {
    return { text: 'Waiting for deployment spec update to be observed...\n', done: false }
  }
  if (textAt(conditionOf(object, 'Progressing'), 'reason') === 'ProgressDeadlineExceeded') {
    fail(`deployment ${name} exceeded its progress deadline`)
  }
  const wanted = numberAt(object, 'spec.replicas', 1)
  const updated = count('updatedReplicas')
  const waiting = `Waiting for deployment ${name} rollout to finish:`
  if (updated < wanted) {
    return { text: `${waiting} ${updated} out of ${wanted} new replicas have been updated...\n`, done: false }
  }
  if (count('replicas') > updated) {
    return { text: `${waiting} ${count('replicas') - updated} old replicas are pending termination...\n`, done: false }
  }
  if (count('availableReplicas') < updated) {
    const available = `${count('availableReplicas')} of ${updated}`
    return { text: `${waiting} ${available} updated replicas are available...\n`, done: false }
  }
  return { text: `deployment ${name} successfully rolled out\n`, done: true }
}

function daemonSetProgress(object: KubeObject): Progress {
  const name = JSON.stringify(nameOf(object))
  const count = (field: string): number => numberAt(object, `status.${field}`)
  const wanted = count('desiredNumberScheduled')
  const waiting = `Waiting for daemon set ${name} rollout to finish:`
  if (numberAt(object, 'metadata.generation') > count('observedGeneration')) {
    return { text: 'Waiting for daemon set spec update to be observed...\n', done: false }
  }
  if (count('updatedNumberScheduled') < wanted) {
    const text = `${waiting} ${count('updatedNumberScheduled')} out of ${wanted} new pods have been updated...\n`
    return { text, done: false }
  }
  if (count('numberAvailable') < wanted) {
    return { text: `${waiting} ${count('numberAvailable')} of ${wanted} updated pods are available...\n`, done: false }
  }
  return { text: `daemon set ${name} successfully rolled out\n`, done: true }
}

function statefulSetProgress(object: KubeObject): Progress {
  if (textAt(object, 'spec.updateStrategy.type') !== 'RollingUpdate')
    fail('rollout status is only available for RollingUpdate strategy type')
  const count = (field: string): number => numberAt(object, `status.${field}`)
  if (numberAt(object, 'metadata.generation') > count('observedGeneration'))
    return { text: 'Waiting for statefulset spec update to be observed...\n', done: false }
  const wanted = numberAt(object, 'spec.replicas', 1)
  const [ready, updated] = [count('readyReplicas'), count('updatedReplicas')]
  if (ready < wanted) return { text: `Waiting for ${wanted - ready} pods to be ready...\n`, done: false }
  const due = wanted - numberAt(object, 'spec.updateStrategy.rollingUpdate.partition')
  if (updated < due) {
    const text = `Waiting for partitioned roll out to finish: ${updated} out of ${due} new pods have been updated...\n`
    return { text, done: false }
  }
  return { text: `partitioned roll out complete: ${updated} new pods have been updated...\n`, done: true }
}

export const rolloutRestart: Command = {
  name: 'rollout restart',
  flags: [...FLAGS, text('field-manager')],
  async run(session) {
    for (const { object, resource } of await targets(session)) {
      if (!['Deployment', 'DaemonSet', 'StatefulSet'].includes(resource.kind)) {
        fail(`${label(resource, nameOf(object)).replace('/', ' "')}" restarting is not supported`)
      }
      const changed = change(session, object, (copy) => {
        const template = at(copy, 'spec.template') as JsonMap
        const metadata = isMap(template.metadata) ? template.metadata : {}
        const annotations = { ...mapAt(metadata, 'annotations'), [RESTARTED]: rfc3339(session.clock) }
        template.metadata = { ...metadata, annotations }
      })
      if (changed === null) {
        const twice =
          'if restart has already been triggered within the past second, please wait before attempting to trigger another'
        fail(`failed to patch: ${resource.plural}.${resource.group} "${nameOf(object)}": ${twice}`)
      }
      tellObject(session, changed, 'restarted')
    }
    return 0
  },
}

function revisionOf(object: unknown): number {
  return Number(mapAt(object, 'metadata.annotations')[REVISION] ?? 0)
}

/** A Deployment's ReplicaSets, by revision. */
export function replicaSetsOf(session: Session, deployment: KubeObject): KubeObject[] {
  return session.cluster
    .list('ReplicaSet', namespaceOf(deployment))
    .filter((set) =>
      listAt(set, 'metadata.ownerReferences').some((owner) => textAt(owner, 'uid') === uidOf(deployment)),
    )
    .sort((a, b) => revisionOf(a) - revisionOf(b))
}

export const rolloutHistory: Command = {
  name: 'rollout history',
  flags: [...FLAGS, ...unmodelled('revision')],
  async run(session) {
    for (const { object, resource } of await targets(session)) {
      if (resource.kind !== 'Deployment') fail(`no history viewer has been implemented for ${resource.kind}`)
      const rows = replicaSetsOf(session, object).map((set) => {
        const cause = mapAt(set, 'metadata.annotations')['kubernetes.io/change-cause']
        return `${revisionOf(set)}\t${cause || '<none>'}\n`
      })
      const table = layOut(`REVISION\tCHANGE-CAUSE\n${rows.join('')}`)
      session.out(`${label(resource, nameOf(object))} \n${table}\n`)
    }
    return 0
  },
}

export const rolloutUndo: Command = {
  name: 'rollout undo',
  flags: [...FLAGS, text('to-revision')],
  async run(session) {
    for (const { object, resource } of await targets(session)) {
      if (resource.kind !== 'Deployment') fail(`no rollbacker has been implemented for ${resource.kind}`)
      const sets = replicaSetsOf(session, object)
      const wanted = Number(session.flags.text('to-revision') ?? '0')
      const current = revisionOf(object)
      const chosen =
        wanted > 0
          ? sets.find((set) => revisionOf(set) === wanted)
          : sets.filter((set) => revisionOf(set) < current).at(-1)
      if (chosen === undefined) {
        throw new Failure(
          wanted > 0
            ? `error: unable to find specified revision ${wanted} in history`
            : `error: no rollout history found for deployment "${nameOf(object)}"`,
        )
      }
      const changed = change(session, object, (copy) => {
        const template = copyOf(at(chosen, 'spec.template')) as JsonMap
        const labels = at(template, 'metadata.labels')
        if (isMap(labels)) delete labels['pod-template-hash']
        const spec = copy.spec as JsonMap
        spec.template = template
      })
      if (changed === null) {
        session.out(
          `${label(resource, nameOf(object))} skipped rollback (current template already matches revision ${revisionOf(chosen)})\n`,
        )
      } else tellObject(session, changed, 'rolled back')
    }
    return 0
  },
}

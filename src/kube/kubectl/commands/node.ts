/** `kubectl taint|cordon|uncordon|drain`: where the scheduler may put pods. */
import type { KubeObject } from '../api.ts'
import { change } from '../change.ts'
import { Failure, fail, usage } from '../failure.ts'
import { at, isMap, type JsonMap, listAt, mapAt, nameOf, namespaceOf, textAt } from '../field.ts'
import { text, toggle, unmodelled } from '../flags.ts'
import { RESOURCES } from '../resources.ts'
import { type Found, report, select } from '../selection.ts'
import type { Command, Session } from '../session.ts'
import { gone } from './delete.ts'

const POD = RESOURCES.find((resource) => resource.kind === 'Pod')!
const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute']

interface Taint {
  readonly key: string
  readonly value: string
  /** Empty for a removal of every effect. */
  readonly effect: string
}

export const taint: Command = {
  name: 'taint',
  flags: [
    text('selector', 'l'),
    toggle('all'),
    toggle('overwrite'),
    { name: 'dry-run', type: 'text', bare: 'unchanged' },
  ],
  async run(session) {
    const isTaint = (word: string): boolean => /[=:]/.test(word) || word.endsWith('-')
    const split = session.args.findIndex((word, index) => index > 0 && isTaint(word))
    const words = split < 0 ? [] : session.args.slice(split)
    if (words.length === 0) fail('at least one taint update is required')
    const add = words.filter((word) => !word.endsWith('-')).map((word) => parseTaint(word, true))
    const remove = words.filter((word) => word.endsWith('-')).map((word) => parseTaint(word.slice(0, -1), false))
    const { found, failures } = await select(session, session.args.slice(0, split))
    const problems = [...failures]
    for (const { object, resource, name } of found) {
      if (resource.kind !== 'Node') fail(`invalid resource type ${resource.plural}, only node types are supported`)
      const before = listAt(object, 'spec.taints')
      const absent = remove.find((taint) => !before.some((live) => matches(taint, live)))
      if (absent !== undefined) {
        problems.push(
          new Failure(`error: taint "${absent.key}${absent.effect === '' ? '' : `:${absent.effect}`}" not found`),
        )
        continue
      }
      const clash = add.find((taint) => before.some((live) => matches(taint, live)))
      if (clash !== undefined && !session.flags.on('overwrite')) {
        problems.push(
          new Failure(
            `error: node ${name} already has ${clash.key} taint(s) with same effect(s) and --overwrite is false`,
          ),
        )
        continue
      }
      const kept = before.filter((live) => ![...remove, ...add].some((taint) => matches(taint, live)))
      const after = [...add.map(toTaint), ...kept]
      change(session, object, (copy) => {
        const spec = isMap(copy.spec) ? copy.spec : {}
        if (after.length === 0) delete spec.taints
        else spec.taints = after
        copy.spec = spec
      })
      session.out(
        `node/${name} ${remove.length > 0 && add.length === 0 ? 'untainted' : clash === undefined ? 'tainted' : 'modified'}\n`,
      )
    }
    report(problems)
    return 0
  },
}

function parseTaint(word: string, full: boolean): Taint {
  const [pair = '', effect = ''] = word.split(':')
  const [key = '', value = ''] = pair.split('=')
  if (key === '' || (full && !EFFECTS.includes(effect))) {
    fail(effect === '' ? `invalid taint spec: ${word}` : `invalid taint effect: ${effect}, unsupported taint effect`)
  }
  return { key, value, effect }
}

function matches(taint: Taint, live: unknown): boolean {
  return textAt(live, 'key') === taint.key && (taint.effect === '' || textAt(live, 'effect') === taint.effect)
}

function toTaint(taint: Taint): JsonMap {
  const { key, value, effect } = taint
  return value === '' ? { effect, key } : { effect, key, value }
}

async function nodes(session: Session): Promise<readonly Found[]> {
  if (session.args.length === 0 && session.flags.text('selector') === null) {
    usage(session.command, `USAGE: ${session.command} NODE [flags]`)
  }
  const { found, failures } = await select(session, [
    'nodes',
    ...session.args.map((word) => word.replace(/^nodes?\//, '')),
  ])
  report(failures)
  return found
}

function setSchedulable(session: Session, object: KubeObject, schedulable: boolean): void {
  const already = (at(object, 'spec.unschedulable') === true) === !schedulable
  change(session, object, (copy) => {
    const spec = isMap(copy.spec) ? copy.spec : {}
    if (schedulable) delete spec.unschedulable
    else spec.unschedulable = true
    copy.spec = spec
  })
  session.out(`node/${nameOf(object)} ${already ? 'already ' : ''}${schedulable ? 'uncordoned' : 'cordoned'}\n`)
}

const DRY_RUN = { name: 'dry-run', type: 'text', bare: 'unchanged' } as const

export const cordon: Command = {
  name: 'cordon',
  flags: [text('selector', 'l'), DRY_RUN],
  async run(session) {
    for (const { object } of await nodes(session)) setSchedulable(session, object, false)
    return 0
  },
}

export const uncordon: Command = {
  name: 'uncordon',
  flags: [text('selector', 'l'), DRY_RUN],
  async run(session) {
    for (const { object } of await nodes(session)) setSchedulable(session, object, true)
    return 0
  },
}

export const drain: Command = {
  name: 'drain',
  flags: [
    text('selector', 'l'),
    toggle('force'),
    toggle('ignore-daemonsets'),
    toggle('delete-emptydir-data'),
    toggle('disable-eviction'),
    text('grace-period'),
    text('timeout'),
    ...unmodelled('pod-selector', 'dry-run', 'chunk-size', 'skip-wait-for-delete-timeout'),
  ],
  async run(session) {
    for (const { object } of await nodes(session)) {
      setSchedulable(session, object, false)
      await evictAll(session, nameOf(object))
      session.out(`node/${nameOf(object)} drained\n`)
    }
    return 0
  },
}

function ownerOf(pod: KubeObject): string {
  const owner = listAt(pod, 'metadata.ownerReferences').find((reference) => at(reference, 'controller') === true)
  return textAt(owner, 'kind')
}

function listed(pods: readonly KubeObject[]): string {
  return pods.map((pod) => `${namespaceOf(pod)}/${nameOf(pod)}`).join(', ')
}

async function evictAll(session: Session, node: string): Promise<void> {
  const all = session.cluster.list('Pod', null).filter((pod) => {
    const mirror = 'kubernetes.io/config.mirror' in mapAt(pod, 'metadata.annotations')
    return textAt(pod, 'spec.nodeName') === node && !mirror && ownerOf(pod) !== 'Node'
  })
  const daemons = all.filter((pod) => ownerOf(pod) === 'DaemonSet')
  const bare = all.filter((pod) => ownerOf(pod) === '')
  const problems: string[] = []
  if (bare.length > 0 && !session.flags.on('force')) {
    problems.push(`cannot delete Pods that declare no controller (use --force to override): ${listed(bare)}`)
  }
  if (daemons.length > 0 && !session.flags.on('ignore-daemonsets')) {
    problems.push(`cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): ${listed(daemons)}`)
  }
  if (problems.length > 0) {
    const reason = problems.length === 1 ? problems[0]! : `[${problems.join(', ')}]`
    fail(
      `unable to drain node "${node}" due to error: ${reason}, continuing command...\nThere are pending nodes to be drained:\n ${node}\n${reason}`,
    )
  }
  const warnings: string[] = []
  if (bare.length > 0) warnings.push(`deleting Pods that declare no controller: ${listed(bare)}`)
  if (daemons.length > 0) warnings.push(`ignoring DaemonSet-managed Pods: ${listed(daemons)}`)
  if (warnings.length > 0) session.err(`Warning: ${warnings.join('; ')}\n`)

  const evicted = all.filter((pod) => !daemons.includes(pod))
  const grace = session.flags.text('grace-period')
  const options = grace === null || Number(grace) < 0 ? {} : { gracePeriodSeconds: Number(grace) }
  for (const pod of evicted) {
    session.out(`evicting pod ${namespaceOf(pod)}/${nameOf(pod)}\n`)
    session.cluster.delete('Pod', namespaceOf(pod), nameOf(pod), options)
  }
  for (const pod of evicted) {
    await gone(session, { resource: POD, namespace: namespaceOf(pod), name: nameOf(pod), object: pod })
    session.out(`pod/${nameOf(pod)} evicted\n`)
  }
}

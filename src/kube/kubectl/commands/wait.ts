/** `kubectl wait`: for conditions, JSONPath values, creation and deletion. */
import type { Nanos } from '../../../sim/scheduler.ts'
import { SECOND } from '../../../sim/scheduler.ts'
import type { KubeObject } from '../api.ts'
import { parseDuration } from '../duration.ts'
import { Failure, fail } from '../failure.ts'
import { at, listAt, numberAt, textAt, uidOf } from '../field.ts'
import { text, toggle } from '../flags.ts'
import { find } from '../jsonpath/evaluate.ts'
import { FILE_FLAGS } from '../manifests.ts'
import { relaxedPath } from '../print/custom-columns.ts'
import { label } from '../resources.ts'
import { type Found, report, SELECTION_FLAGS, select } from '../selection.ts'
import type { Command, Session } from '../session.ts'
import { until } from '../waiting.ts'

const WEEK = 7 * 24 * 3600 * SECOND

/** What --for asks: a test of the object, null when it is gone. */
type Goal = (object: KubeObject | null, first: KubeObject) => boolean

export const wait: Command = {
  name: 'wait',
  flags: [...SELECTION_FLAGS, ...FILE_FLAGS, toggle('all'), text('for'), text('timeout'), text('output', 'o')],
  async run(session) {
    const wanted = session.flags.text('for') ?? fail('required flag(s) "for" not set')
    const timeout = timeoutOf(session)
    const deletion = wanted.toLowerCase() === 'delete'
    const goal = goalOf(wanted)
    if (wanted.toLowerCase() === 'create') await created(session, timeout)
    const { found, failures } = await select(session, session.args)
    const serious = deletion ? [] : [...failures]
    if (found.length === 0 && failures.length === 0) {
      if (deletion) return 0
      fail('no matching resources found')
    }
    for (const target of found) {
      if (await reached(session, target, goal, timeout)) {
        session.out(`${label(target.resource, target.name)} condition met\n`)
      } else {
        const what = `${target.resource.plural}/${target.name}`
        serious.push(new Failure(`error: timed out waiting for the condition on ${what}`))
      }
    }
    report(serious)
    return 0
  },
}

function timeoutOf(session: Session): Nanos {
  const given = session.flags.text('timeout')
  if (given === null) return 30 * SECOND
  const parsed = parseDuration(given)
  if (parsed === null) {
    const see = "See 'kubectl wait --help' for usage."
    fail(`invalid argument "${given}" for "--timeout" flag: time: invalid duration "${given}"\n${see}`)
  }
  return parsed < 0 ? WEEK : parsed
}

async function reached(session: Session, target: Found, goal: Goal, timeout: Nanos): Promise<boolean> {
  const { resource, namespace, name, object } = target
  const met = await until<true>(
    session,
    resource.kind,
    () => (goal(session.cluster.get(resource.kind, namespace, name), object) ? true : null),
    timeout,
  )
  return met === true
}

/** --for=create waits for names that are not there yet. */
async function created(session: Session, timeout: Nanos): Promise<void> {
  const ready = async (): Promise<boolean> => (await select(session, session.args)).failures.length === 0
  const began = session.self.now()
  while (!(await ready())) {
    const left = began + timeout - session.self.now()
    if (left <= 0) fail('timed out waiting for the condition')
    await session.self.sleep(Math.min(left, SECOND / 2))
  }
}

function goalOf(wanted: string): Goal {
  const lower = wanted.toLowerCase()
  if (lower === 'delete') return (object, first) => object === null || uidOf(object) !== uidOf(first)
  if (lower === 'create') return (object) => object !== null
  if (wanted.startsWith('condition=')) {
    const [type, value = 'true'] = wanted.slice('condition='.length).split('=')
    return (object) => object !== null && conditionMet(object, type!, value)
  }
  if (wanted.startsWith('jsonpath=')) return jsonPathGoal(wanted.slice('jsonpath='.length))
  fail(`unrecognized condition: "${wanted}"`)
}

function conditionMet(object: KubeObject, type: string, value: string): boolean {
  const generation = numberAt(object, 'metadata.generation')
  const observed = at(object, 'status.observedGeneration')
  if (typeof observed === 'number' && observed < generation) return false
  const condition = listAt(object, 'status.conditions').find((candidate) => {
    return textAt(candidate, 'type').toLowerCase() === type.toLowerCase()
  })
  return condition !== undefined && textAt(condition, 'status').toLowerCase() === value.toLowerCase()
}

function jsonPathGoal(wanted: string): Goal {
  const match = /^(.*\}|[^=]*)(?:==?(.*))?$/s.exec(wanted.replace(/^'|'$/g, ''))
  const expression = (match?.[1] ?? '').replace(/^'|'$/g, '')
  const value = match?.[2]?.replace(/^(['"])(.*)\1$/, '$2')
  if (expression === '' || value === '') fail(`jsonpath wait format must be --for=jsonpath='{.status.readyReplicas}'=3`)
  const path = relaxedPath(expression)
  return (object) => {
    if (object === null) return false
    const values = find(path, object)
    if (values.length === 0) return false
    if (value === undefined) return true
    if (values.length > 1) fail('given jsonpath expression matches more than one value')
    if (typeof values[0] === 'object') fail('jsonpath leads to a nested object or list which is not supported')
    return String(values[0]) === value
  }
}

/** `kubectl label` and `kubectl annotate`. */
import type { KubeObject } from '../api.ts'
import { isApiFailure } from '../api.ts'
import { send } from '../change.ts'
import { tellObject } from '../creation.ts'
import { fail } from '../failure.ts'
import { copyOf, mapAt } from '../field.ts'
import { text, toggle, unmodelled } from '../flags.ts'
import { FILE_FLAGS } from '../manifests.ts'
import { report, SELECTION_FLAGS, select } from '../selection.ts'
import type { Command, Session } from '../session.ts'

interface Words {
  readonly field: 'labels' | 'annotations'
  readonly one: 'label' | 'annotation'
  readonly added: string
  readonly removed: string
  readonly unchanged: string
}

const LABELS: Words = {
  field: 'labels',
  one: 'label',
  added: 'labeled',
  removed: 'unlabeled',
  unchanged: 'not labeled',
}
const ANNOTATIONS: Words = {
  field: 'annotations',
  one: 'annotation',
  added: 'annotated',
  removed: 'annotated',
  unchanged: 'annotated',
}

export const label = command('label', LABELS)
export const annotate = command('annotate', ANNOTATIONS)

function command(name: string, words: Words): Command {
  return {
    name,
    flags: [
      ...SELECTION_FLAGS,
      ...FILE_FLAGS,
      toggle('all'),
      toggle('overwrite'),
      toggle('list'),
      text('resource-version'),
      text('field-manager'),
      text('output', 'o'),
      { name: 'dry-run', type: 'text', bare: 'unchanged' },
      ...unmodelled('local', 'template', 'show-managed-fields'),
    ],
    run: (session) => run(session, words),
  }
}

async function run(session: Session, words: Words): Promise<number> {
  // Resources come first; the first KEY=VALUE or KEY- begins the changes.
  const isChange = (word: string): boolean => word.includes('=') || (word.endsWith('-') && word.length > 1)
  const split = session.args.findIndex(isChange)
  const resources = split < 0 ? session.args : session.args.slice(0, split)
  const changes = split < 0 ? [] : session.args.slice(split)
  const listing = session.flags.on('list')
  if (resources.length === 0 && !session.flags.has('filename')) {
    fail('one or more resources must be specified as <resource> <name> or <resource>/<name>')
  }
  const wrong = changes.find((word) => !isChange(word))
  if (wrong !== undefined) fail(`all resources must be specified before ${words.one} changes: ${wrong}`)
  if (changes.length === 0 && !listing) fail(`at least one ${words.one} update is required`)
  const set = new Map<string, string>()
  const remove: string[] = []
  for (const word of changes) {
    const equals = word.indexOf('=')
    if (equals < 0) remove.push(word.slice(0, -1))
    else set.set(word.slice(0, equals), checked(word.slice(0, equals), word.slice(equals + 1), words))
  }
  const both = remove.find((key) => set.has(key))
  if (both !== undefined) fail(`cannot modify and remove the same ${words.one}(s), ${both}`)

  const { found, failures } = await select(session, resources)
  const problems = [...failures]
  for (const { object, resource, name } of found) {
    if (listing) {
      session.out(`Listing ${words.field} for ${resource.kind}.${resource.group || ''}/${name}:\n`)
      for (const [key, value] of Object.entries(mapAt(object, `metadata.${words.field}`)).sort()) {
        session.out(` ${key}=${value}\n`)
      }
      continue
    }
    try {
      changeOne(session, object, words, set, remove)
    } catch (error) {
      if (!isApiFailure(error)) throw error
      problems.push(error)
    }
  }
  if (found.length === 0 && problems.length === 0) fail('no resources found')
  report(problems)
  return 0
}

const VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/

function checked(key: string, value: string, words: Words): string {
  if (words.field === 'labels' && !(VALUE.test(value) && value.length <= 63)) {
    const rule =
      "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must " +
      "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for " +
      "validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
    fail(`invalid label value: "${key}=${value}": ${rule}`)
  }
  return value
}

function changeOne(
  session: Session,
  object: KubeObject,
  words: Words,
  set: ReadonlyMap<string, string>,
  remove: readonly string[],
): void {
  const before = mapAt(object, `metadata.${words.field}`)
  const after = copyOf(before)
  if (!session.flags.on('overwrite')) {
    const taken = [...set].filter(([key, value]) => key in before && before[key] !== value)
    if (taken.length > 0) {
      fail(taken.map(([key]) => `'${key}' already has a value (${before[key]}), and --overwrite is false`).join('; '))
    }
  }
  for (const [key, value] of set) after[key] = value
  let removed = false
  for (const key of remove) {
    if (key in after) removed = true
    else if (words.field === 'labels') session.out(`label "${key}" not found.\n`)
    delete after[key]
  }
  const wanted = copyOf(object)
  const metadata = wanted.metadata as unknown as Record<string, unknown>
  if (Object.keys(after).length === 0) delete metadata[words.field]
  else metadata[words.field] = after
  const changed = send(session, object, wanted)
  const act = changed === null ? words.unchanged : removed && set.size === 0 ? words.removed : words.added
  tellObject(session, changed ?? object, act)
}

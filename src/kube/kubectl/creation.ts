/** What the commands that make one object have in common: --dry-run, -o, and the sentence `pod/web created`. */
import type { KubeObject } from './api.ts'
import { fail } from './failure.ts'
import { nameOf } from './field.ts'
import { type Flag, text, toggle, unmodelled } from './flags.ts'
import { annotated } from './merge.ts'
import { parseOutput, printName, printWhole } from './print/output.ts'
import { label, resourceOfKind } from './resources.ts'
import type { Session } from './session.ts'

export const CREATION_FLAGS: readonly Flag[] = [
  text('output', 'o'),
  text('field-manager'),
  toggle('save-config'),
  { name: 'dry-run', type: 'text', bare: 'unchanged' },
  { name: 'validate', type: 'text', bare: 'strict' },
  ...unmodelled('show-managed-fields', 'template', 'allow-missing-template-keys'),
]

/** Creates the object, unless this is a dry run, and prints what the user asked to see. */
export function createObject(session: Session, object: KubeObject, act = 'created'): KubeObject {
  const whole = session.flags.on('save-config') ? annotated(object) : object
  const made = session.dryRun === 'none' ? session.cluster.create(whole) : whole
  tellObject(session, made, act)
  return made
}

export function tellObject(session: Session, object: KubeObject, act: string): void {
  const form = parseOutput(session.flags.text('output'))
  if (form.format === 'name') session.out(printName(object))
  else if (form.format === 'table') {
    const resource = resourceOfKind(object.kind) ?? fail(`no kind "${object.kind}" is registered`)
    const dry = { none: '', client: ' (dry run)', server: ' (server dry run)' }[session.dryRun]
    session.out(`${label(resource, nameOf(object))} ${act}${dry}\n`)
  } else session.out(printWhole(form, object))
}

/** The part of an image's name that its container is called by: `kiamol/ch03-sleep:v2` is `ch03-sleep`. */
export function containerNameOf(image: string): string {
  const last = image.slice(image.lastIndexOf('/') + 1)
  return last.split(/[:@]/)[0]!.replaceAll('_', '-').toLowerCase()
}

/** `a=b,c=d` of --labels. */
export function parseLabels(given: string): Record<string, string> {
  const labels: Record<string, string> = {}
  for (const pair of given.split(',')) {
    const equals = pair.indexOf('=')
    if (equals < 0) fail(`unexpected label spec: ${pair}`)
    labels[pair.slice(0, equals)] = pair.slice(equals + 1)
  }
  return labels
}

/** `A=b` of --env. */
export function parseEnv(given: readonly string[]): { name: string; value: string }[] {
  return given.map((pair) => {
    const equals = pair.indexOf('=')
    if (equals <= 0) fail(`invalid env: ${pair}`)
    return { name: pair.slice(0, equals), value: pair.slice(equals + 1) }
  })
}

export function parsePort(given: string, flag: string): number {
  const port = Number(given)
  if (!/^\d+$/.test(given) || port < 1 || port > 65535) fail(`invalid argument "${given}" for "--${flag}" flag`)
  return port
}

/** --target-port and the like: a number, or a port's name. */
export function portOrName(given: string): number | string {
  return /^\d+$/.test(given) ? Number(given) : given
}

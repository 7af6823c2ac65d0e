/** `podwire diff`: two captures, or two topologies with the same commands, packet by packet. */
import { diffOf } from '../explain/diff.ts'
import { diffJson, diffText, isSame } from '../explain/diff-text.ts'
import { overridden } from '../topology/override.ts'
import { recordingFrom, terminalPaint } from './explain.ts'
import { shown } from './open.ts'

export interface DiffOptions {
  readonly set: readonly string[]
  readonly command: readonly string[]
  readonly all?: boolean
  readonly json?: boolean
  readonly seed?: number
}

/** 0 when they are the same, 1 when not. */
export async function diff(a: string, b: string | undefined, options: DiffOptions): Promise<number> {
  const { set, command, seed } = options
  const changed = set.length > 0 || command.length > 0
  if (b === undefined && !changed) throw new RangeError('podwire: what is to be compared? Give B, --set or --command')
  const other = b ?? a
  const seeded = seed === undefined ? {} : { seed }
  const left = await recordingFrom(a, seeded)
  const change = changed ? { edit: (text: string) => overridden(text, set), before: command } : {}
  const right = await recordingFrom(other, { ...seeded, ...change })
  const with_ = [...set.map((each) => `--set ${each}`), ...command.map((line) => `--command ${JSON.stringify(line)}`)]
  const names = [shown(a), [shown(other), ...with_].join(' ')] as const
  const found = diffOf(left, right)
  if (options.json) process.stdout.write(`${JSON.stringify(diffJson(found, names), null, 2)}\n`)
  else process.stdout.write(diffText(found, names, terminalPaint(), options.all === true))
  return found.identical || isSame(found) ? 0 : 1
}

/** bash's reserved word `time`. */
import { type Nanos, SECOND } from '../sim/scheduler.ts'
import type { Pipeline } from './shell-parser.ts'
import type { Word } from './shell-words.ts'

/** The pipeline behind bash's reserved word `time`; null when it is not there. */
export function withoutTime(pipeline: Pipeline): { readonly pipeline: Pipeline; readonly posix: boolean } | null {
  const [first, ...rest] = pipeline.commands
  if (first.kind !== 'simple' || first.assignments.length > 0 || !isWord(first.words[0], 'time')) return null
  const posix = isWord(first.words[1], '-p')
  const words = first.words.slice(posix ? 2 : 1)
  return { pipeline: { ...pipeline, commands: [{ ...first, words }, ...rest] }, posix }
}

function isWord(word: Word | undefined, text: string): boolean {
  return word?.length === 1 && word[0].kind === 'text' && !word[0].quoted && word[0].text === text
}

/** What it says; programs use no processor here. */
export function timeText(took: Nanos, posix: boolean): string {
  const seconds = took / SECOND
  if (posix) return `real ${seconds.toFixed(2)}\nuser 0.00\nsys 0.00\n`
  const minutes = Math.floor(seconds / 60)
  return `\nreal\t${minutes}m${(seconds - minutes * 60).toFixed(3)}s\nuser\t0m0.000s\nsys\t0m0.000s\n`
}

/** What filters read and write: lines. */
import type { Process } from '../process.ts'
import { readFile } from './coreutils.ts'

/** The lines of all files, or of standard input; null when a file is missing. */
export async function linesOf(self: Process, names: readonly string[]): Promise<string[] | null> {
  let all = ''
  for (const name of names.length === 0 ? ['-'] : names) {
    const text = await readFile(self, name)
    if (text === null) return null
    all += text
  }
  return split(all)
}

/** Text as lines, without their newlines. */
export function split(text: string): string[] {
  if (text === '') return []
  return (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n')
}

export function print(self: Process, lines: readonly string[]): void {
  if (lines.length > 0) self.out(`${lines.join('\n')}\n`)
}

/** `ip -batch FILE`: each line of a file is a command of ip(8), without its global options. */
import { readFileAt } from '../files.ts'
import { joinPath } from '../shell-builtins.ts'
import type { IpContext } from './ip-context.ts'
import { ToolError, Words } from './ip-words.ts'

const MOST_WORDS = 99

export interface Batch {
  /** `-`: standard input. */
  readonly file: string
  /** `-force`: it goes on behind a command that failed. */
  readonly force: boolean
}

/** What iproute2 leaves by exit(255) instead of returning: such a line ends the whole batch, even a forced one. */
const EXITED = 255

/** Runs the lines one by one; 1 when one of them failed. */
export async function runBatch(
  context: IpContext,
  batch: Batch,
  dispatch: (context: IpContext, words: Words) => Promise<number>,
): Promise<number> {
  const { self } = context
  const { file, force } = batch
  const text = await readBatch(context, file)
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  let failed = false
  for (let at = 0; at < lines.length; at++) {
    let line = uncommented(lines[at])
    // A backslash at the end of a line is no end; the last line of a file may have none.
    while (line.endsWith('\\') && (at + 1 < lines.length || text.endsWith('\n'))) {
      if (++at === lines.length) {
        self.err('Missing continuation line\n')
        return failed ? 1 : 0
      }
      line = line.slice(0, -1) + uncommented(lines[at])
    }
    const argv = wordsOf(line)
    if (argv.length === 0) continue
    const code = await runLine(context, argv, dispatch)
    if (code === 0) continue
    self.err(`Command failed ${file}:${at + 1}\n`)
    failed = true
    if (!force) return 1
  }
  return failed ? 1 : 0
}

async function readBatch({ self }: IpContext, file: string): Promise<string> {
  if (file === '-') return self.stdin.readAll()
  const path = joinPath(self.cwd, file)
  const reading = readFileAt(self.place, path)
  if ('text' in reading) return reading.text
  throw new ToolError(`Cannot open file "${file}" for reading: ${reading.refusal}`, 1)
}

async function runLine(
  context: IpContext,
  argv: readonly string[],
  dispatch: (context: IpContext, words: Words) => Promise<number>,
): Promise<number> {
  try {
    return await dispatch(context, new Words(argv))
  } catch (error) {
    if (!(error instanceof ToolError) || error.status === EXITED) throw error
    if (error.message !== '') context.self.err(`${error.message}\n`)
    return error.status
  }
}

function uncommented(line: string): string {
  const hash = line.indexOf('#')
  return hash < 0 ? line : line.slice(0, hash)
}

/** makeargs: words between blanks; one that begins with a quote goes on to the next such quote. */
function wordsOf(line: string): string[] {
  const words: string[] = []
  for (let at = 0; at < line.length; ) {
    if (/[ \t\r]/.test(line[at])) at++
    else {
      const quoted = line[at] === '"' || line[at] === "'"
      const end = quoted ? line.indexOf(line[at], at + 1) : at + line.slice(at).search(/[ \t\r]|$/)
      if (end < 0) throw new ToolError('Unterminated quoted string', 1)
      words.push(line.slice(quoted ? at + 1 : at, end))
      at = end + 1
    }
    if (words.length > MOST_WORDS) throw new ToolError('Too many arguments to command', 1)
  }
  return words
}

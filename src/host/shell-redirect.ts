/** Redirections (POSIX.1-2017, XCU 2.7) to the place's files and /dev/null. */

import { LogFacility, LogLevel } from '../link/kernel-log.ts'
import { openForWriting, readFileAt } from './files.ts'
import { TextPipe } from './input.ts'
import { joinPath, type ShellState } from './shell-builtins.ts'
import { expandHereDocument, expandText } from './shell-expand.ts'
import type { Redirect } from './shell-parser.ts'

/** Where a command reads and writes. */
export interface ShellIo {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  readonly stdin: TextPipe
}

/** Null when one failed; the shell has said why. */
export async function redirect(
  state: ShellState,
  redirects: readonly Redirect[],
  outer: ShellIo,
): Promise<ShellIo | null> {
  let { out, err, stdin } = outer
  for (const { descriptor, operator, target, here } of redirects) {
    if (here !== null) {
      stdin = TextPipe.of(here.literal ? here.text : await expandHereDocument(state, here.text))
      continue
    }
    const name = await expandText(state, target)
    if (operator === '<<<') stdin = TextPipe.of(`${name}\n`)
    else if (operator === '<') {
      const path = joinPath(state.self.cwd, name)
      const reading = readFileAt(state.self.place, path)
      if ('refusal' in reading) {
        outer.err(cannotOpen(state, name))
        return null
      }
      stdin = TextPipe.of(reading.text)
    } else {
      const sink = operator === '<&' || descriptor > 2 ? null : sinkOf(state, operator, name, { out, err })
      if (typeof sink === 'string') {
        outer.err(cannotCreate(state, name, sink))
        return null
      }
      if (sink === null) {
        outer.err(state.complain(`podwire: the redirection ${descriptor}${operator}${name} is not modelled`))
        return null
      }
      if (descriptor === 2 || operator === '&>') err = sink
      if (descriptor !== 2) out = sink
    }
  }
  return { out, err, stdin }
}

/** Where `> NAME` or `>&N` leads; null when it is not modelled, a sentence when it can't be opened. */
function sinkOf(
  state: ShellState,
  operator: string,
  name: string,
  now: Pick<ShellIo, 'out' | 'err'>,
): ((text: string) => void) | string | null {
  if (operator === '>&') return name === '1' ? now.out : name === '2' ? now.err : null
  const path = joinPath(state.self.cwd, name)
  if (path === '/dev/null') return () => {}
  if (path === '/dev/stdout') return now.out
  if (path === '/dev/stderr') return now.err
  if (path === '/dev/kmsg' && !state.self.place.confined) return (text) => toKernelLog(state, text)
  if (path.startsWith('/dev/')) return null
  const write = openForWriting(state.self.place, path, operator === '>>')
  if (typeof write === 'string') return write
  return (text) => {
    if (write(text)) return
    // Only echo and printf are written so, as a rule, and the shell has both built in.
    if (state.dialect === 'dash') now.err(state.complain('echo: echo: I/O error'))
    else now.err(state.complain(`${state.dialect === 'bash' ? 'echo: ' : ''}write error: Invalid argument`))
  }
}

function cannotCreate(state: ShellState, name: string, why: string): string {
  if (state.dialect === 'dash') return state.complain(`cannot create ${name}: ${why}`)
  const reason = why === 'Directory nonexistent' ? 'No such file or directory' : why
  return state.complain(state.dialect === 'bash' ? `${name}: ${reason}` : `can't create ${name}: ${reason}`)
}

/** devkmsg_write: one record a line, `<3>` in front for another level than the default. */
function toKernelLog(state: ShellState, text: string): void {
  for (const line of text.replace(/\n$/, '').split('\n')) {
    const [, priority, rest] = /^(?:<([0-9]{1,3})>)?(.*)$/s.exec(line) ?? []
    const number = priority === undefined ? LogLevel.WARNING : Number(priority)
    state.self.netns.kernelLog.print(number & 7, rest ?? '', (number >> 3) % 12 || LogFacility.USER)
  }
}

function cannotOpen(state: ShellState, name: string): string {
  if (state.dialect === 'dash') return state.complain(`cannot open ${name}: No such file`)
  const why = state.dialect === 'bash' ? `${name}: No such file or directory` : `can't open ${name}: no such file`
  return state.complain(why)
}

/** Commands that must run inside the shell's own process, because they change it. */
import { isDirectory } from './files.ts'
import type { Process } from './process.ts'
import type { ShellVariables } from './shell-expand.ts'

export type Dialect = 'dash' | 'busybox' | 'bash'

/** What a built-in may touch. */
export interface ShellState extends ShellVariables {
  readonly self: Process
  readonly dialect: Dialect
  positional: string[]
  readonly exported: Set<string>
  readonly background: Set<Promise<number>>
  /** `set -e`, `set -x`. */
  errexit: boolean
  xtrace: boolean
  /** `$?` of the last command. */
  status: number
  unset(name: string): void
  evaluate(source: string, io: BuiltinIo): Promise<number>
  complain(text: string): string
}

export interface BuiltinIo {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  /** Standard input's next line; null at the end. */
  readLine(): Promise<string | null>
}

export type Builtin = (state: ShellState, args: readonly string[], io: BuiltinIo) => number | Promise<number>

/** `exit`, `break` and `continue` leave what is running by way of an exception. */
export class ShellExit extends Error {
  readonly code: number
  constructor(code: number) {
    super('exit')
    this.code = code
  }
}

export class LoopControl extends Error {
  readonly again: boolean
  levels: number
  constructor(again: boolean, levels: number) {
    super('outside of a loop')
    this.again = again
    this.levels = levels
  }
}

function levels(args: readonly string[]): number {
  return Math.max(1, Number(args[1] ?? 1) || 1)
}

/** Where `cd TO` leads from here. */
export function joinPath(cwd: string, to: string): string {
  const parts: string[] = []
  for (const part of (to.startsWith('/') ? to : `${cwd}/${to}`).split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return `/${parts.join('/')}`
}

export const builtins: ReadonlyMap<string, Builtin> = new Map<string, Builtin>([
  [':', () => 0],
  [
    'cd',
    ({ self, get, set, complain }, args, io) => {
      const path = joinPath(self.cwd, args[1] ?? get('HOME') ?? '/')
      if (!isDirectory(self.place, path)) {
        io.err(complain(`cd: can't cd to ${args[1]}`))
        return 2
      }
      self.cwd = path
      set('PWD', path)
      return 0
    },
  ],
  [
    'exit',
    (state, args) => {
      throw new ShellExit(args[1] === undefined ? state.status : Number(args[1]) & 255)
    },
  ],
  [
    'break',
    (_, args) => {
      throw new LoopControl(false, levels(args))
    },
  ],
  [
    'continue',
    (_, args) => {
      throw new LoopControl(true, levels(args))
    },
  ],
  [
    'export',
    (state, args, io) => {
      if (args.length === 1) {
        for (const name of [...state.exported].sort()) io.out(`export ${name}='${state.get(name) ?? ''}'\n`)
      }
      for (const arg of args.slice(1)) {
        const [name, ...value] = arg.split('=')
        if (arg.includes('=')) state.set(name, value.join('='))
        state.exported.add(name)
      }
      return 0
    },
  ],
  [
    'unset',
    (state, args) => {
      for (const name of args.slice(1)) state.unset(name)
      return 0
    },
  ],
  [
    'set',
    (state, args, io) => {
      for (let at = 1; at < args.length; at++) {
        const arg = args[at]
        if (arg === '--' || !/^[-+]/.test(arg)) {
          state.positional = args.slice(arg === '--' ? at + 1 : at)
          return 0
        }
        const on = arg.startsWith('-')
        if (arg[1] === 'o') {
          const option = args[++at] ?? ''
          if (option === 'errexit') state.errexit = on
          else if (option === 'xtrace') state.xtrace = on
          else if (option !== 'pipefail') io.err(state.complain(`podwire: set -o ${option} is not modelled`))
          continue
        }
        for (const letter of arg.slice(1)) {
          if (letter === 'e') state.errexit = on
          else if (letter === 'x') state.xtrace = on
          else io.err(state.complain(`podwire: set -${letter} is not modelled`))
        }
      }
      return 0
    },
  ],
  [
    'shift',
    (state, args) => {
      state.positional = state.positional.slice(levels(args))
      return 0
    },
  ],
  [
    'read',
    async (state, args, io) => {
      const names = args.slice(1).filter((name) => name !== '-r')
      const line = await io.readLine()
      const fields = (line ?? '').trim().split(/[ \t]+/)
      const last = names.length - 1
      names.forEach((name, index) =>
        state.set(name, index === last ? fields.slice(last).join(' ') : (fields[index] ?? '')),
      )
      return line === null ? 1 : 0
    },
  ],
  ['eval', (state, args, io) => state.evaluate(args.slice(1).join(' '), io)],
  [
    'wait',
    async (state) => {
      await Promise.all(state.background)
      return 0
    },
  ],
  ['command', (state, args, io) => locate(state, args[1] === '-v' ? args.slice(2) : args.slice(1), io, '')],
  ['type', (state, args, io) => locate(state, args.slice(1), io, ' is ')],
])

function locate(state: ShellState, names: readonly string[], io: BuiltinIo, is: string): number {
  let code = 0
  for (const name of names) {
    if (builtins.has(name)) io.out(is === '' ? `${name}\n` : `${name} is a shell builtin\n`)
    else if (state.self.place.find(name) !== null)
      io.out(is === '' ? `/usr/bin/${name}\n` : `${name} is /usr/bin/${name}\n`)
    else {
      if (is !== '') io.err(state.complain(`${name}: not found`))
      code = 127
    }
  }
  return code
}

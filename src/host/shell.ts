/**
 * `sh`: dash, busybox ash or bash, as far as people type them: lists, pipes, redirections, loops, substitution.
 * Each stage of a pipe, each subshell, substitution and background command is a process of its own, and pipes pass
 * text on as it is written: `ping web | head -2` ends after two lines, because the next write kills ping by SIGPIPE.
 * Commands take no virtual time by themselves. Globbing, `case` and functions are not modelled.
 */
import { Input, TextPipe } from './input.ts'
import { Killed, type Process, type Program, SIGPIPE } from './process.ts'
import {
  type BuiltinIo,
  builtins,
  type Dialect,
  joinPath,
  LoopControl,
  ShellExit,
  type ShellState,
} from './shell-builtins.ts'
import { expandText, expandWords } from './shell-expand.ts'
import { type AndOr, type Command, type List, type Pipeline, parseShell } from './shell-parser.ts'
import { redirect, type ShellIo } from './shell-redirect.ts'
import { timeText, withoutTime } from './shell-time.ts'
import { ShellSyntaxError } from './shell-words.ts'

/** More rounds than this within one instant cannot be meant: a real machine would take time. */
const ROUNDS_AT_ONE_INSTANT = 10_000

/** The `sh` program of a dialect. */
export function shell(dialect: Dialect): Program {
  return async (self) => {
    const state = new Shell(self, dialect)
    const io = { out: (text: string) => self.out(text), err: (text: string) => self.err(text), stdin: self.stdin.pipe }
    let at = 1
    let line: string | null = null
    for (; self.args[at]?.startsWith('-') && line === null; at++) {
      for (const letter of self.args[at].slice(1)) {
        if (letter === 'c') line = self.args[at + 1] ?? ''
        else if (letter === 'e') state.errexit = true
        else if (letter === 'x') state.xtrace = true
      }
    }
    if (line !== null) {
      // -c LINE NAME ARGS
      state.zero = self.args[at + 1] ?? state.zero
      state.positional = self.args.slice(at + 2)
      return state.script(line, io)
    }
    const file = self.args[at]
    if (file === undefined) return interactive(state, self, io)
    const script = self.place.files.get(joinPath(self.cwd, file))
    if (script === undefined) {
      self.err(`${self.args[0]}: 0: cannot open ${file}: No such file\n`)
      return 2
    }
    state.positional = self.args.slice(at + 1)
    return state.script(script, io)
  }
}

/** Lines from standard input, one command after another; prompts when a person types them. */
async function interactive(state: Shell, self: Process, io: ShellIo): Promise<number> {
  let text = ''
  for (;;) {
    if (self.tty) self.out(text === '' ? state.prompt() : '> ')
    const line = await self.stdin.readLine()
    if (line === null) break
    text += `${line}\n`
    try {
      parseShell(text)
    } catch (error) {
      if (error instanceof ShellSyntaxError && error.incomplete) continue
    }
    try {
      state.status = await state.evaluate(text, io)
    } catch (error) {
      if (error instanceof ShellExit) return error.code
      throw error
    }
    text = ''
  }
  return text === '' ? state.status : state.script(text, io)
}

class Shell implements ShellState {
  readonly self: Process
  readonly dialect: Dialect
  positional: string[] = []
  /** $0 */
  zero: string
  readonly exported: Set<string>
  readonly background = new Set<Promise<number>>()
  errexit = false
  xtrace = false
  status = 0
  readonly #variables: Map<string, string>
  #lastBackground = 0
  #rounds = 0
  #instant = -1

  constructor(self: Process, dialect: Dialect, parent: Shell | null = null) {
    this.self = self
    this.dialect = dialect
    this.zero = parent?.zero ?? self.args[0] ?? 'sh'
    this.#variables = new Map(parent === null ? Object.entries(self.env) : parent.#variables)
    this.exported = new Set(parent === null ? Object.keys(self.env) : parent.exported)
    if (parent !== null) {
      this.positional = parent.positional
      this.errexit = parent.errexit
      this.status = parent.status
    }
  }

  readonly get = (name: string): string | null => {
    if (name === '?') return String(this.status)
    if (name === '$') return String(this.self.pid)
    if (name === '!') return this.#lastBackground === 0 ? '' : String(this.#lastBackground)
    if (name === '#') return String(this.positional.length)
    if (name === '@' || name === '*') return this.positional.join(' ')
    if (name === '-') return ''
    if (name === 'PWD') return this.self.cwd
    if (/^\d$/.test(name)) return name === '0' ? this.zero : (this.positional[Number(name) - 1] ?? null)
    if (name === 'RANDOM' && this.dialect !== 'dash') return String(this.self.world.random.below(32_768))
    return this.#variables.get(name) ?? null
  }

  readonly set = (name: string, value: string): void => {
    this.#variables.set(name, value)
  }

  readonly complain = (text: string): string => {
    if (text.startsWith('podwire: ')) return `${text}\n`
    return this.dialect === 'dash' ? `sh: 1: ${text}\n` : `${this.dialect === 'bash' ? 'bash' : 'sh'}: ${text}\n`
  }

  unset(name: string): void {
    this.#variables.delete(name)
    this.exported.delete(name)
  }

  prompt(): string {
    if (this.dialect === 'bash') return `root@${this.self.place.hostname}:${this.self.cwd}# `
    return this.dialect === 'busybox' ? `${this.self.cwd} # ` : '# '
  }

  /** A whole script: `exit` ends it. */
  async script(source: string, io: ShellIo): Promise<number> {
    try {
      return await this.evaluate(source, io)
    } catch (error) {
      if (error instanceof ShellExit) return error.code
      throw error
    }
  }

  async evaluate(source: string, io: ShellIo | BuiltinIo): Promise<number> {
    const whole: ShellIo = 'stdin' in io ? io : { ...io, stdin: this.self.stdin.pipe }
    try {
      return await this.#list(parseShell(source), whole)
    } catch (error) {
      if (error instanceof LoopControl) return 0
      if (!(error instanceof ShellSyntaxError)) throw error
      whole.err(this.complain(error.message))
      this.status = 2
      return 2
    }
  }

  /** What `$( … )` prints. */
  async substitute(source: string): Promise<string> {
    let text = ''
    const io = { out: (more: string) => void (text += more), err: (more: string) => this.self.err(more) }
    const { exit } = this.#subshell((inner, innerIo) => inner.script(source, innerIo), {
      ...io,
      stdin: this.self.stdin.pipe,
    })
    this.status = await exit
    return text
  }

  async #list(list: List, io: ShellIo): Promise<number> {
    let code = 0
    for (const item of list) code = item.background ? this.#spawnBackground(item, io) : await this.#andOr(item, io)
    return code
  }

  #spawnBackground(item: AndOr, io: ShellIo): number {
    const running = this.#subshell((inner, innerIo) => inner.#andOr(item, innerIo), { ...io, stdin: TextPipe.of('') })
    this.self.disown(running.process)
    this.#lastBackground = running.process.pid
    this.background.add(running.exit)
    const forget = () => void this.background.delete(running.exit)
    running.exit.then(forget, forget)
    this.status = 0
    return 0
  }

  async #andOr(item: AndOr, io: ShellIo): Promise<number> {
    let code = await this.#pipeline(item.first, io)
    let last = item.first
    for (const { operator, pipeline } of item.rest) {
      if ((operator === '&&') !== (code === 0)) continue
      code = await this.#pipeline(pipeline, io)
      last = pipeline
    }
    const tested = last.negated || (item.rest.length > 0 && last !== item.rest[item.rest.length - 1].pipeline)
    if (code !== 0 && this.errexit && !tested) throw new ShellExit(code)
    return code
  }

  async #pipeline(pipeline: Pipeline, io: ShellIo): Promise<number> {
    if (this.self.killed) throw new Killed(this.self.signal)
    const timed = this.dialect === 'bash' ? withoutTime(pipeline) : null
    if (timed !== null) return this.#timed(timed.pipeline, timed.posix, io)
    const { commands } = pipeline
    let code: number
    if (commands.length === 1) code = await this.#command(commands[0], io)
    else {
      let stdin = io.stdin
      const exits: Promise<number>[] = []
      commands.forEach((command, index) => {
        const last = index === commands.length - 1
        const pipe = new TextPipe()
        const from = stdin
        const stage: { process: Process | null } = { process: null }
        const out = last
          ? io.out
          : (text: string) => {
              if (pipe.abandoned) stage.process?.kill(SIGPIPE)
              else pipe.write(text)
            }
        const running = this.#subshell((inner, innerIo) => inner.#command(command, innerIo), {
          ...io,
          out,
          stdin: from,
        })
        stage.process = running.process
        exits.push(
          running.exit.finally(() => {
            pipe.end()
            if (index > 0) from.abandoned = true
          }),
        )
        stdin = pipe
      })
      code = (await Promise.all(exits))[exits.length - 1]
    }
    this.status = pipeline.negated ? Number(code === 0) : code
    return this.status
  }

  /** bash's `time`: how long it took; programs use no processor here. */
  async #timed(pipeline: Pipeline, posix: boolean, io: ShellIo): Promise<number> {
    const began = this.self.now()
    const code = await this.#pipeline(pipeline, io)
    io.err(timeText(this.self.now() - began, posix))
    return code
  }

  /** A process of its own with a copy of the variables. */
  #subshell(body: (inner: Shell, io: ShellIo) => Promise<number>, io: ShellIo) {
    const program: Program = async (child) => {
      child.cwd = this.self.cwd
      const inner = new Shell(child, this.dialect, this)
      const innerIo = {
        out: (text: string) => child.out(text),
        err: (text: string) => child.err(text),
        stdin: io.stdin,
      }
      try {
        return await body(inner, innerIo)
      } catch (error) {
        if (error instanceof ShellExit) return error.code
        if (error instanceof LoopControl) return 0
        if (!(error instanceof ShellSyntaxError)) throw error
        child.err(this.complain(error.message))
        return 2
      }
    }
    return this.self.fork(program, this.self.args, { ...io, env: this.#environment() })
  }

  async #command(command: Command, outer: ShellIo): Promise<number> {
    if (command.kind === 'simple') return this.#simple(command, outer)
    const io = await redirect(this, command.redirects, outer)
    if (io === null) return 2
    switch (command.kind) {
      case 'group':
        if (!command.subshell) return this.#list(command.body, io)
        return this.#subshell((inner, innerIo) => inner.#list(command.body, innerIo), io).exit
      case 'if':
        for (const { condition, body } of command.branches) {
          if ((await this.#tested(condition, io)) === 0) return this.#list(body, io)
        }
        return command.otherwise === null ? 0 : this.#list(command.otherwise, io)
      case 'while': {
        let code = 0
        while (((await this.#tested(command.condition, io)) === 0) !== command.until) {
          const round = await this.#round(command.body, io)
          if (round === null) break
          code = round
        }
        return code
      }
      case 'for': {
        let code = 0
        for (const word of command.words === null ? this.positional : await expandWords(this, command.words)) {
          this.set(command.name, word)
          const round = await this.#round(command.body, io)
          if (round === null) break
          code = round
        }
        return code
      }
    }
  }

  /** A condition: `set -e` does not apply to it. */
  async #tested(condition: List, io: ShellIo): Promise<number> {
    const { errexit } = this
    this.errexit = false
    try {
      return await this.#list(condition, io)
    } finally {
      this.errexit = errexit
    }
  }

  /** Once through a loop's body; null when the loop is over. */
  async #round(body: List, io: ShellIo): Promise<number | null> {
    const now = this.self.now()
    this.#rounds = now === this.#instant ? this.#rounds + 1 : 0
    this.#instant = now
    if (this.#rounds > ROUNDS_AT_ONE_INSTANT) {
      throw new ShellSyntaxError('podwire: this loop takes no virtual time and has no end: put a sleep into it')
    }
    try {
      return await this.#list(body, io)
    } catch (error) {
      if (!(error instanceof LoopControl)) throw error
      if (--error.levels > 0) throw error
      return error.again ? 0 : null
    }
  }

  async #simple(command: Command & { kind: 'simple' }, outer: ShellIo): Promise<number> {
    const args = await expandWords(this, command.words)
    const assigned: Record<string, string> = {}
    for (const { name, value } of command.assignments) assigned[name] = await expandText(this, value)
    const io = await redirect(this, command.redirects, outer)
    if (io === null) return 2
    if (this.xtrace && args.length > 0) outer.err(`+ ${args.join(' ')}\n`)
    if (args.length === 0) {
      for (const name in assigned) this.set(name, assigned[name])
      // The status of an assignment is that of its last substitution.
      return command.assignments.some(({ value }) => value.some((part) => part.kind === 'command')) ? this.status : 0
    }
    if (args[0] === 'exec') {
      if (args.length === 1) return 0
      throw new ShellExit(await this.#external(args.slice(1), io, assigned))
    }
    const builtin = builtins.get(args[0])
    if (builtin === undefined || (args[0] === 'command' && args[1] !== '-v')) {
      return this.#external(args[0] === 'command' ? args.slice(1) : args, io, assigned)
    }
    for (const name in assigned) this.set(name, assigned[name])
    const input = new Input(this.self, io.stdin)
    return builtin(this, args, { out: io.out, err: io.err, readLine: () => input.readLine() })
  }

  async #external(args: readonly string[], io: ShellIo, assigned: Record<string, string>): Promise<number> {
    if (this.self.place.find(args[0]) === null) {
      io.err(this.#notFound(args[0]))
      return 127
    }
    return this.self.run(args, { ...io, env: { ...this.#environment(), ...assigned } })
  }

  #notFound(name: string): string {
    if (this.dialect !== 'bash') return this.complain(`${name}: not found`)
    return name.includes('/') ? `bash: ${name}: No such file or directory\n` : `bash: ${name}: command not found\n`
  }

  #environment(): Record<string, string> {
    const env: Record<string, string> = {}
    for (const name of this.exported) env[name] = this.#variables.get(name) ?? ''
    return env
  }
}

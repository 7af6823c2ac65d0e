/** The command line as kubectl (pflag) reads it: flags anywhere, `--flag=value`, `-n value`, `-it`, and `--`. */
import { Failure, notModelled } from './failure.ts'

export interface Flag {
  readonly name: string
  readonly short?: string
  /** `switch`: true or false; `text`: the last one counts; `list`: commas split; `array`: they do not. */
  readonly type: 'switch' | 'text' | 'list' | 'array'
  /** The value of `--flag` alone (pflag's NoOptDefVal), for flags whose value may be left out. */
  readonly bare?: string
  /** The real kubectl knows it, podwire does not. */
  readonly unmodelled?: true
}

export function toggle(name: string, short?: string): Flag {
  return short === undefined ? { name, type: 'switch' } : { name, short, type: 'switch' }
}

export function text(name: string, short?: string): Flag {
  return short === undefined ? { name, type: 'text' } : { name, short, type: 'text' }
}

export function list(name: string, short?: string): Flag {
  return short === undefined ? { name, type: 'list' } : { name, short, type: 'list' }
}

export function array(name: string): Flag {
  return { name, type: 'array' }
}

export function unmodelled(...names: string[]): Flag[] {
  return names.map((name) => ({ name, type: 'text', bare: '', unmodelled: true }))
}

/** Flags that every command takes. */
export const GLOBAL: readonly Flag[] = [
  text('namespace', 'n'),
  text('context'),
  text('v', 'v'),
  text('request-timeout'),
  toggle('help', 'h'),
  ...unmodelled('kubeconfig', 'server', 'cluster', 'user', 'token', 'as', 'as-group', 'insecure-skip-tls-verify'),
]

export class Flags {
  readonly #values = new Map<string, string[]>()

  add(name: string, value: string): void {
    const values = this.#values.get(name)
    if (values === undefined) this.#values.set(name, [value])
    else values.push(value)
  }

  has(name: string): boolean {
    return this.#values.has(name)
  }

  on(name: string): boolean {
    return this.#values.get(name)?.at(-1) === 'true'
  }

  text(name: string): string | null {
    return this.#values.get(name)?.at(-1) ?? null
  }

  all(name: string): readonly string[] {
    return this.#values.get(name) ?? []
  }
}

export interface CommandLine {
  readonly flags: Flags
  /** Before `--`. */
  readonly args: readonly string[]
  /** Behind `--`, or null without one. */
  readonly rest: readonly string[] | null
}

/** Reads the words behind the command's name. `command` is for the errors: `get`, `rollout status`. */
export function readFlags(command: string, words: readonly string[], known: readonly Flag[]): CommandLine {
  const flags = new Flags()
  const args: string[] = []
  const see = `See 'kubectl ${command} --help' for usage.`
  const all = [...known, ...GLOBAL]

  const take = (flag: Flag, value: string, shown: string): void => {
    if (flag.unmodelled) notModelled(`kubectl ${command} --${flag.name}`)
    if (flag.type === 'switch') {
      const truth = truthOf(value)
      if (truth === null) {
        const reason = `strconv.ParseBool: parsing "${value}": invalid syntax`
        throw new Failure(`error: invalid argument "${value}" for "${shown}" flag: ${reason}\n${see}`)
      }
      flags.add(flag.name, String(truth))
    } else if (flag.type === 'list') {
      for (const part of value.split(',')) flags.add(flag.name, part)
    } else {
      flags.add(flag.name, value)
    }
  }

  for (let index = 0; index < words.length; index++) {
    const word = words[index]!
    if (word === '--') return { flags, args, rest: words.slice(index + 1) }
    if (word === '-' || !word.startsWith('-')) {
      args.push(word)
    } else if (word.startsWith('--')) {
      const equals = word.indexOf('=')
      const name = equals < 0 ? word.slice(2) : word.slice(2, equals)
      const flag = all.find((candidate) => candidate.name === name)
      if (flag === undefined) throw new Failure(`error: unknown flag: --${name}\n${see}`)
      const shown = flag.short === undefined ? `--${name}` : `-${flag.short}, --${name}`
      if (equals >= 0) take(flag, word.slice(equals + 1), shown)
      else if (flag.type === 'switch') take(flag, 'true', shown)
      else if (flag.bare !== undefined) take(flag, flag.bare, shown)
      else {
        index++
        if (index >= words.length) throw new Failure(`error: flag needs an argument: --${name}\n${see}`)
        take(flag, words[index]!, shown)
      }
    } else {
      for (let letter = 1; letter < word.length; letter++) {
        const short = word[letter]!
        const flag = all.find((candidate) => candidate.short === short)
        if (flag === undefined) {
          throw new Failure(`error: unknown shorthand flag: '${short}' in ${word}\n${see}`)
        }
        const shown = `-${short}, --${flag.name}`
        const behind = word.slice(letter + 1)
        if (behind.startsWith('=')) {
          take(flag, behind.slice(1), shown)
          break
        }
        if (flag.type === 'switch') {
          take(flag, 'true', shown)
          continue
        }
        if (behind !== '') {
          take(flag, behind, shown)
          break
        }
        index++
        if (index >= words.length) {
          throw new Failure(`error: flag needs an argument: '${short}' in ${word}\n${see}`)
        }
        take(flag, words[index]!, shown)
      }
    }
  }
  return { flags, args, rest: null }
}

function truthOf(value: string): boolean | null {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(value)) return true
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(value)) return false
  return null
}

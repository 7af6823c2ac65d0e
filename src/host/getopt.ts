/** getopt_long(3): options of a command line, in the order in which they stand. */

export interface Options {
  /** Letter or long name, and its value (empty without one). */
  readonly options: readonly (readonly [name: string, value: string])[]
  readonly rest: readonly string[]
  readonly problem: OptionProblem | null
}

export interface OptionProblem {
  readonly kind: 'unknown' | 'missing'
  /** As typed: `-x`, `--frob`. */
  readonly option: string
}

/**
 * `short` is getopt's string (`c:qn`: -c takes a value). `long` maps a long name to the name reported, with a `:`
 * behind it when it takes a value. Options may follow operands, unless `permute` is false.
 */
export function getopt(
  args: readonly string[],
  short: string,
  long: Readonly<Record<string, string>> = {},
  permute = true,
): Options {
  const options: (readonly [string, string])[] = []
  const rest: string[] = []
  const stop = (kind: 'unknown' | 'missing', option: string) => ({ options, rest, problem: { kind, option } })
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]
    if (arg === '--') {
      rest.push(...args.slice(at + 1))
      break
    }
    if (arg === '-' || !arg.startsWith('-')) {
      if (!permute) {
        rest.push(...args.slice(at))
        break
      }
      rest.push(arg)
    } else if (arg.startsWith('--')) {
      const equals = arg.indexOf('=')
      const name = equals < 0 ? arg.slice(2) : arg.slice(2, equals)
      const known = Object.hasOwn(long, name) ? long[name] : null
      if (known === null) return stop('unknown', `--${name}`)
      if (!known.endsWith(':')) options.push([known, ''])
      else if (equals >= 0) options.push([known.slice(0, -1), arg.slice(equals + 1)])
      else if (++at < args.length) options.push([known.slice(0, -1), args[at]])
      else return stop('missing', `--${name}`)
    } else {
      for (let letter = 1; letter < arg.length; letter++) {
        const name = arg[letter]
        const where = name === ':' ? -1 : short.indexOf(name)
        if (where < 0) return stop('unknown', `-${name}`)
        if (short[where + 1] !== ':') {
          options.push([name, ''])
          continue
        }
        if (letter + 1 < arg.length) options.push([name, arg.slice(letter + 1)])
        else if (++at < args.length) options.push([name, args[at]])
        else return stop('missing', `-${name}`)
        break
      }
    }
  }
  return { options, rest, problem: null }
}

/** The value of an option's last mention; null when it is absent. */
export function valueOf(found: Options, name: string): string | null {
  let value: string | null = null
  for (const [option, text] of found.options) if (option === name) value = text
  return value
}

export function has(found: Options, name: string): boolean {
  return found.options.some(([option]) => option === name)
}

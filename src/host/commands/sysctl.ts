/** sysctl(8) of procps: the switches of this network namespace. */
import { dotted, swapped } from '../../net/sysctl.ts'
import { missingFor } from '../../net/sysctl-unused.ts'
import { getopt, has, valueOf } from '../getopt.ts'
import type { Process } from '../process.ts'
import { setSysctl, sysctlNames, sysctlValue } from '../sysctl-values.ts'
import { printed, tool } from './ip-words.ts'

const USAGE = `
Usage:
 sysctl [options] [variable[=value] ...]

Options:
  -a, --all            display all variables
  -e, --ignore         ignore unknown variables errors
  -N, --names          print variable names without values
  -n, --values         print only values of the given variable(s)
  -p, --load[=<file>]  read values from file
  -r, --pattern <expression>
                       select setting that match expression
  -q, --quiet          do not echo variable set
  -w, --write          enable writing a value to variable

For more details see sysctl(8).
`

const long = {
  all: 'a',
  ignore: 'e',
  names: 'N',
  values: 'n',
  binary: 'b',
  load: 'p',
  pattern: 'r:',
  quiet: 'q',
  write: 'w',
  help: 'h',
  version: 'V',
}

interface Style {
  readonly values: boolean
  readonly names: boolean
  readonly binary: boolean
  readonly quiet: boolean
  readonly ignore: boolean
}

export const sysctl = tool(async (self) => {
  const found = getopt(self.args.slice(1), 'aAXbehNnpfqwoxdVr:', long)
  if (found.problem !== null) {
    const { kind, option } = found.problem
    const said = option.startsWith('--') ? `unrecognized option '${option}'` : `invalid option -- '${option.slice(1)}'`
    self.err(
      kind === 'missing'
        ? `sysctl: option requires an argument -- '${option.slice(1)}'\n${USAGE}`
        : `sysctl: ${said}\n${USAGE}`,
    )
    return 1
  }
  if (has(found, 'V')) return printed(self, 'sysctl from procps-ng 4.0.2\n')
  if (has(found, 'h') || has(found, 'd')) return printed(self, USAGE)
  const style: Style = {
    values: has(found, 'n'),
    names: has(found, 'N'),
    binary: has(found, 'b'),
    quiet: has(found, 'q'),
    ignore: has(found, 'e'),
  }
  if (has(found, 'p') || has(found, 'f')) return load(self, found.rest, style)
  if (has(found, 'a') || has(found, 'A') || has(found, 'X')) {
    const pattern = valueOf(found, 'r')
    const matches = pattern === null ? null : new RegExp(pattern)
    for (const name of sysctlNames(self.netns)) {
      if (matches === null || matches.test(name)) show(self, name, sysctlValue(self.netns, name) ?? '', style)
    }
    return 0
  }
  if (found.rest.length === 0) {
    self.err(USAGE)
    return 1
  }
  let status = 0
  for (const argument of found.rest) {
    const equals = argument.indexOf('=')
    let right = true
    if (equals >= 0) right = assign(self, argument.slice(0, equals), argument.slice(equals + 1), style)
    else if (has(found, 'w')) right = complain(self, 'command line(0): invalid syntax, continuing...')
    else right = read(self, argument, style)
    if (!right) status = 1
  }
  return status
})

function complain(self: Process, what: string): false {
  self.err(`sysctl: ${what}\n`)
  return false
}

function show(self: Process, name: string, value: string, style: Style): void {
  if (style.names) self.out(`${name}\n`)
  else if (style.binary) self.out(value)
  else self.out(style.values ? `${value}\n` : `${name} = ${value}\n`)
}

function unknown(self: Process, name: string, style: Style): boolean {
  if (style.ignore) return true
  return complain(self, `cannot stat /proc/sys/${swapped(name)}: No such file or directory`)
}

/** A name, or the beginning of names. */
function read(self: Process, given: string, style: Style): boolean {
  const name = dotted(given.trim())
  const value = sysctlValue(self.netns, name)
  if (value !== null) {
    show(self, name, value, style)
    return true
  }
  const below = sysctlNames(self.netns).filter((each) => each.startsWith(`${name}.`))
  if (below.length === 0) return unknown(self, name, style)
  for (const each of below) show(self, each, sysctlValue(self.netns, each) ?? '', style)
  return true
}

function assign(self: Process, given: string, text: string, style: Style): boolean {
  const name = dotted(given.trim())
  const value = text.trim()
  const { netns } = self
  const before = sysctlValue(netns, name)
  if (before === null) return unknown(self, name, style)
  if (!setSysctl(netns, name, value)) {
    // An algorithm that is not there is a module that cannot be loaded.
    const reason = name === 'net.ipv4.tcp_congestion_control' ? 'No such file or directory' : 'Invalid argument'
    const complained = complain(self, `setting key "${name}": ${reason}`)
    // sysctl(8) says so of what is only read, and yet exits with 0.
    return netns.sysctl.readOnly(name) || /nf_conntrack_(count|buckets)$/.test(name) ? true : complained
  }
  const missing = missingFor(name)
  if (missing !== null && sysctlValue(netns, name) !== before) {
    self.err(`podwire: ${name} is kept, but ${missing} is not modelled\n`)
  }
  if (!style.quiet) show(self, name, value, style)
  return true
}

/** `sysctl -p [FILE…]`: assignments, comments, and names behind a dash whose errors do not count. */
function load(self: Process, files: readonly string[], style: Style): number {
  let status = 0
  for (const file of files.length === 0 ? ['/etc/sysctl.conf'] : files) {
    const text = self.place.files.get(file)
    if (text === undefined) {
      complain(self, `cannot open "${file}": No such file or directory`)
      status = 1
      continue
    }
    for (const [index, line] of text.split('\n').entries()) {
      const plain = line.trim()
      if (plain === '' || plain.startsWith('#') || plain.startsWith(';')) continue
      const equals = plain.indexOf('=')
      if (equals < 0) {
        complain(self, `${file}(${index + 1}): invalid syntax, continuing...`)
        status = 1
        continue
      }
      const name = plain.slice(0, equals).trim()
      const lenient = name.startsWith('-')
      const right = assign(
        self,
        lenient ? name.slice(1) : name,
        plain.slice(equals + 1),
        lenient ? { ...style, ignore: true } : style,
      )
      if (!right) status = 1
    }
  }
  return status
}

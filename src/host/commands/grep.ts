/** grep, and the regular expressions that it shares with sed. */
import { getopt, has, type Options, valueOf } from '../getopt.ts'
import type { Program } from '../process.ts'
import { unknownOption } from './coreutils.ts'
import { linesOf } from './lines.ts'

/** Basic regular expressions have `\|`, `\(`, `\+` where extended ones have them bare. */
export function expression(pattern: string, found: Options): RegExp | null {
  let source = pattern
  if (has(found, 'F')) source = pattern.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  else if (!has(found, 'E') && !has(found, 'P')) {
    source = pattern.replace(
      /\\([|(){}+?])|([|(){}+?])/g,
      (_, special?: string, plain?: string) => special ?? `\\${plain}`,
    )
  }
  source = source.replaceAll('[[:space:]]', '\\s').replaceAll('[[:digit:]]', '\\d').replaceAll('[:space:]', '\\s')
  if (has(found, 'w')) source = `\\b(?:${source})\\b`
  if (has(found, 'x')) source = `^(?:${source})$`
  try {
    return new RegExp(source, has(found, 'i') ? 'gi' : 'g')
  } catch {
    return null
  }
}

export const grep: Program = async (self) => {
  const long = {
    'ignore-case': 'i',
    'invert-match': 'v',
    count: 'c',
    quiet: 'q',
    color: 'color',
    'max-count': 'm:',
    'line-buffered': 'l-b',
  }
  const found = getopt(self.args.slice(1), 'ivcqEFPwxonhHe:m:A:B:', long)
  if (found.problem !== null || has(found, 'A') || has(found, 'B')) {
    return unknownOption(self, found.problem?.option ?? (has(found, 'A') ? '-A' : '-B'))
  }
  const explicit = valueOf(found, 'e')
  const names = explicit === null ? found.rest.slice(1) : found.rest
  const matcher = expression(explicit ?? found.rest[0] ?? '', found)
  if (matcher === null || (explicit === null && found.rest.length === 0)) {
    self.err(matcher === null ? 'grep: Invalid regular expression\n' : 'Usage: grep [OPTION]... PATTERNS [FILE]...\n')
    return 2
  }
  const limit = valueOf(found, 'm')
  if (limit !== null && !/^-?\d+$/.test(limit)) {
    self.err('grep: invalid max count\n')
    return 2
  }
  const most = limit === null || Number(limit) < 0 ? Infinity : Number(limit)
  if (most === 0) return 1
  let count = 0
  let number = 0
  const look = (line: string) => {
    number++
    const hits = line.match(matcher)
    if ((hits !== null) === has(found, 'v')) return
    count++
    if (has(found, 'q') || has(found, 'c')) return
    const before = has(found, 'n') ? `${number}:` : ''
    for (const text of has(found, 'o') ? (hits ?? []) : [line]) self.out(`${before}${text}\n`)
  }
  if (names.length === 0) {
    while (count < most) {
      const line = await self.stdin.readLine()
      if (line === null) break
      look(line)
    }
  } else {
    const lines = await linesOf(self, names)
    if (lines === null) return 2
    for (const line of lines) if (count < most) look(line)
  }
  if (has(found, 'c')) self.out(`${count}\n`)
  return count > 0 ? 0 : 1
}

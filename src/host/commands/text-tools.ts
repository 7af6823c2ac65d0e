/** Filters: head, tail, wc, cut, sort, uniq, tr, seq, xargs, tee, base64, sha256sum, md5sum. */
import { getopt, has, valueOf } from '../getopt.ts'
import { decodeText, encodeText } from '../http.ts'
import { md5Hex } from '../md5.ts'
import type { Program } from '../process.ts'
import { sha256Hex } from '../sha256.ts'
import { joinPath } from '../shell-builtins.ts'
import { readFile, unknownOption } from './coreutils.ts'
import { linesOf, print, split } from './lines.ts'

/** `-5` means `-n 5`. */
function withCounts(args: readonly string[]): string[] {
  return args.map((arg) => (/^-\d+$/.test(arg) ? `-n${arg.slice(1)}` : arg))
}

/** Ends with its last line, which ends what writes into its pipe. */
export const head: Program = async (self) => {
  const found = getopt(withCounts(self.args.slice(1)), 'n:c:q')
  if (found.problem !== null || has(found, 'c')) return unknownOption(self, found.problem?.option ?? '-c')
  const count = Number(valueOf(found, 'n') ?? 10)
  if (found.rest.length > 0 || count < 0) {
    const lines = await linesOf(self, found.rest)
    if (lines === null) return 1
    print(self, lines.slice(0, count))
    return 0
  }
  for (let left = count; left > 0; left--) {
    const line = await self.stdin.readLine()
    if (line === null) break
    self.out(`${line}\n`)
  }
  return 0
}

export const tail: Program = async (self) => {
  const found = getopt(withCounts(self.args.slice(1)), 'n:')
  if (found.problem !== null) return unknownOption(self, found.problem.option)
  const lines = await linesOf(self, found.rest)
  if (lines === null) return 1
  const count = valueOf(found, 'n') ?? '10'
  print(
    self,
    count.startsWith('+') ? lines.slice(Number(count) - 1) : Number(count) === 0 ? [] : lines.slice(-Number(count)),
  )
  return 0
}

export const wc: Program = async (self) => {
  const found = getopt(self.args.slice(1), 'lwcm')
  if (found.problem !== null) return unknownOption(self, found.problem.option)
  const name = found.rest[0]
  const text = await readFile(self, name ?? '-')
  if (text === null) return 1
  const counts = {
    l: text.split('\n').length - 1,
    w: text.split(/\s+/).filter((word) => word !== '').length,
    c: encodeText(text).length,
    m: text.length,
  }
  const wanted = (['l', 'w', 'm', 'c'] as const).filter((key) => has(found, key))
  const shown = (wanted.length === 0 ? (['l', 'w', 'c'] as const) : wanted).map((key) => counts[key])
  const width = shown.length === 1 && name === undefined ? 0 : 7
  self.out(`${shown.map((value) => String(value).padStart(width)).join(' ')}${name === undefined ? '' : ` ${name}`}\n`)
  return 0
}

/** `1,3`, `2-`, `-4` as a test of positions from 1. */
function positions(list: string): (position: number) => boolean {
  const ranges = list.split(',').map((part) => {
    const [low, high = low] = part.split('-')
    return [low === '' ? 1 : Number(low), high === '' ? Number.POSITIVE_INFINITY : Number(high)]
  })
  return (position) => ranges.some(([low, high]) => position >= low && position <= high)
}

export const cut: Program = async (self) => {
  const found = getopt(self.args.slice(1), 'd:f:c:s')
  if (found.problem !== null) return unknownOption(self, found.problem.option)
  const fields = valueOf(found, 'f')
  const wanted = positions(fields ?? valueOf(found, 'c') ?? '1-')
  const delimiter = fields === null ? '' : (valueOf(found, 'd') ?? '\t')
  const lines = await linesOf(self, found.rest)
  if (lines === null) return 1
  for (const line of lines) {
    if (fields !== null && !line.includes(delimiter)) {
      if (!has(found, 's')) self.out(`${line}\n`)
      continue
    }
    const pieces = line.split(delimiter)
    self.out(`${pieces.filter((_, index) => wanted(index + 1)).join(delimiter)}\n`)
  }
  return 0
}

export const sort: Program = async (self) => {
  const found = getopt(self.args.slice(1), 'nruk:t:')
  if (found.problem !== null) return unknownOption(self, found.problem.option)
  const lines = await linesOf(self, found.rest)
  if (lines === null) return 2
  const field = Number.parseInt(valueOf(found, 'k') ?? '0', 10)
  const separator = valueOf(found, 't') ?? /\s+/
  const key = (line: string) =>
    field > 0
      ? line
          .trim()
          .split(separator)
          .slice(field - 1)
          .join(' ')
      : line
  const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
  lines.sort((a, b) =>
    has(found, 'n')
      ? (Number.parseFloat(key(a)) || 0) - (Number.parseFloat(key(b)) || 0) || compare(a, b)
      : compare(key(a), key(b)),
  )
  if (has(found, 'r')) lines.reverse()
  print(self, has(found, 'u') ? [...new Set(lines)] : lines)
  return 0
}

export const uniq: Program = async (self) => {
  const found = getopt(self.args.slice(1), 'cdu')
  if (found.problem !== null) return unknownOption(self, found.problem.option)
  const lines = await linesOf(self, found.rest)
  if (lines === null) return 1
  for (let at = 0; at < lines.length; ) {
    let end = at
    while (lines[end] === lines[at] && end < lines.length) end++
    const count = end - at
    if (!(has(found, 'd') && count === 1) && !(has(found, 'u') && count > 1)) {
      self.out(`${has(found, 'c') ? `${String(count).padStart(7)} ` : ''}${lines[at]}\n`)
    }
    at = end
  }
  return 0
}

/** `a-z` spelt out. */
function characters(set: string): string {
  const text = set
    .replaceAll('\\n', '\n')
    .replaceAll('\\t', '\t')
    .replaceAll('[:upper:]', 'A-Z')
    .replaceAll('[:lower:]', 'a-z')
  return text.replace(/(.)-(.)/g, (_, from: string, to: string) => {
    let all = ''
    for (let code = from.charCodeAt(0); code <= to.charCodeAt(0); code++) all += String.fromCharCode(code)
    return all
  })
}

export const tr: Program = async (self) => {
  const found = getopt(self.args.slice(1), 'ds')
  if (found.problem !== null) return unknownOption(self, found.problem.option)
  const from = characters(found.rest[0] ?? '')
  const to = characters(found.rest[1] ?? '')
  let result = ''
  for (const char of await self.stdin.readAll()) {
    const index = from.indexOf(char)
    if (index < 0) result += char
    else if (!has(found, 'd')) {
      const mapped = to === '' ? char : (to[index] ?? to[to.length - 1])
      if (!has(found, 's') || !result.endsWith(mapped)) result += mapped
    }
  }
  self.out(result)
  return 0
}

export const seq: Program = async (self) => {
  const numbers = self.args.slice(1).map(Number)
  if (numbers.length === 0 || numbers.length > 3 || numbers.some(Number.isNaN)) {
    self.err("seq: missing operand\nTry 'seq --help' for more information.\n")
    return 1
  }
  const last = numbers[numbers.length - 1]
  const first = numbers.length > 1 ? numbers[0] : 1
  const step = numbers.length > 2 ? numbers[1] : 1
  const lines: string[] = []
  for (let value = first; step > 0 ? value <= last : step < 0 && value >= last; value += step) lines.push(String(value))
  print(self, lines)
  return 0
}

/** -n, -I and -r; runs one command after another. */
export const xargs: Program = async (self) => {
  const found = getopt(self.args.slice(1), 'n:I:rt', {}, false)
  if (found.problem !== null) return unknownOption(self, found.problem.option)
  const command = found.rest.length === 0 ? ['echo'] : [...found.rest]
  const text = await self.stdin.readAll()
  const place = valueOf(found, 'I')
  const words =
    place === null ? text.split(/\s+/).filter((word) => word !== '') : split(text).filter((line) => line !== '')
  if (words.length === 0 && (has(found, 'r') || place !== null)) return 0
  const size = place !== null ? 1 : Number(valueOf(found, 'n') ?? words.length) || 1
  let code = 0
  for (let at = 0; at === 0 || at < words.length; at += size) {
    const some = words.slice(at, at + size)
    const argv = place === null ? [...command, ...some] : command.map((word) => word.replaceAll(place, some[0]))
    if ((await self.run(argv, { stdin: '' })) !== 0) code = 123
  }
  return code
}

export const tee: Program = async (self) => {
  const found = getopt(self.args.slice(1), 'a')
  const { files } = self.place
  const paths = found.rest.map((name) => joinPath(self.cwd, name))
  if (!has(found, 'a')) for (const path of paths) files.set(path, '')
  for (let text = await self.stdin.read(); text !== null; text = await self.stdin.read()) {
    self.out(text)
    for (const path of paths) files.set(path, (files.get(path) ?? '') + text)
  }
  return 0
}

export const base64: Program = async (self) => {
  const found = getopt(self.args.slice(1), 'dw:', { decode: 'd' })
  if (found.problem !== null) return unknownOption(self, found.problem.option)
  const text = await readFile(self, found.rest[0] ?? '-')
  if (text === null) return 1
  if (has(found, 'd')) {
    try {
      self.out(decodeText(Uint8Array.from(atob(text.replace(/\s/g, '')), (char) => char.charCodeAt(0))))
      return 0
    } catch {
      self.err('base64: invalid input\n')
      return 1
    }
  }
  const encoded = btoa(String.fromCharCode(...encodeText(text)))
  self.out(valueOf(found, 'w') === '0' ? encoded : `${encoded.replace(/(.{76})(?=.)/g, '$1\n')}\n`)
  return 0
}

/** Of the text as UTF-8: files hold no other bytes here. */
function digests(digest: (text: string) => string): Program {
  return async (self) => {
    const found = getopt(self.args.slice(1), 'bt')
    if (found.problem !== null) return unknownOption(self, found.problem.option)
    let code = 0
    for (const name of found.rest.length > 0 ? found.rest : ['-']) {
      const text = await readFile(self, name)
      if (text === null) code = 1
      else self.out(`${digest(text)}  ${name}\n`)
    }
    return code
  }
}

export const sha256sum = digests(sha256Hex)
export const md5sum = digests((text) => md5Hex(encodeText(text)))

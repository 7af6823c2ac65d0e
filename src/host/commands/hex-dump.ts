/** xxd (vim's) and `hexdump -C`: a file's text as UTF-8, byte by byte. */
import { getopt, has, type Options, valueOf } from '../getopt.ts'
import { encodeText } from '../http.ts'
import type { Process, Program } from '../process.ts'
import { readFile, unknownOption } from './coreutils.ts'

function hex(bytes: Uint8Array): string[] {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0'))
}

function printable(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.')).join('')
}

/** Its whole input, cut to -l (or hexdump's -n) after -s; null when it cannot be read, or the options are wrong. */
async function input(
  self: Process,
  found: Options,
  length: string,
): Promise<{ bytes: Uint8Array; from: number } | null> {
  const limits = ['s', length].map((name) => valueOf(found, name))
  const wrong = limits.find((text) => text !== null && !/^(0x[\da-f]+|\d+)$/i.test(text))
  if (wrong !== undefined) {
    self.err(`podwire: ${self.args[0]} with the number ${wrong} is not modelled\n`)
    return null
  }
  const text = await readFile(self, found.rest[0] ?? '-')
  if (text === null) return null
  const from = Number(limits[0] ?? 0)
  const whole = encodeText(text)
  return { bytes: whole.subarray(from, limits[1] === null ? whole.length : from + Number(limits[1])), from }
}

export const xxd: Program = async (self) => {
  const found = getopt(self.args.slice(1), 'pul:c:s:g:')
  if (found.problem !== null) return unknownOption(self, found.problem.option)
  const plain = has(found, 'p')
  const columns = Number(valueOf(found, 'c') ?? (plain ? 30 : 16))
  const group = Number(valueOf(found, 'g') ?? 2)
  if (!(columns >= 1 && columns <= 256) || !(group >= 1)) return unknownOption(self, 'with these columns')
  const read = await input(self, found, 'l')
  if (read === null) return 2
  const { bytes, from } = read
  const upper = (text: string) => (has(found, 'u') ? text.toUpperCase() : text)
  const width = columns * 2 + Math.ceil(columns / group)
  for (let at = 0; at < bytes.length; at += columns) {
    const row = bytes.subarray(at, at + columns)
    const digits = hex(row)
    if (plain) {
      self.out(`${upper(digits.join(''))}\n`)
      continue
    }
    const groups = digits.map((each, index) => ((index + 1) % group === 0 ? `${each} ` : each)).join('')
    const offset = (from + at).toString(16).padStart(8, '0')
    self.out(`${offset}: ${upper(groups).padEnd(width)} ${printable(row)}\n`)
  }
  return 0
}

export const hexdump: Program = async (self) => {
  const found = getopt(self.args.slice(1), 'Cvn:s:')
  if (found.problem !== null) return unknownOption(self, found.problem.option)
  if (!has(found, 'C')) return unknownOption(self, 'without -C')
  const read = await input(self, found, 'n')
  if (read === null) return 1
  const { bytes, from } = read
  let before = ''
  let starred = false
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.subarray(at, at + 16)
    const digits = hex(row)
    const halves = `${digits.slice(0, 8).join(' ').padEnd(23)}  ${digits.slice(8).join(' ').padEnd(23)}`
    const text = `${halves}  |${printable(row)}|`
    // Rows like the one above are one asterisk.
    if (text === before && !has(found, 'v') && row.length === 16) {
      if (!starred) self.out('*\n')
      starred = true
      continue
    }
    before = text
    starred = false
    self.out(`${(from + at).toString(16).padStart(8, '0')}  ${text}\n`)
  }
  if (bytes.length > 0) self.out(`${(from + bytes.length).toString(16).padStart(8, '0')}\n`)
  return 0
}

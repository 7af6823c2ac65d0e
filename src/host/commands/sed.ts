/** sed: substitution, and d and p at addresses. */
import { getopt, has, type Options } from '../getopt.ts'
import type { Program } from '../process.ts'
import { joinPath } from '../shell-builtins.ts'
import { unknownOption } from './coreutils.ts'
import { expression } from './grep.ts'
import { linesOf, print } from './lines.ts'

/** `s/a/b/g`, `/a/d`, `/a/p`, `3p`, `3d`, `$p`, with -n and -e. */
export const sed: Program = async (self) => {
  const found = getopt(self.args.slice(1), 'nEre:i', { 'regexp-extended': 'E' })
  if (found.problem !== null) return unknownOption(self, found.problem.option)
  const given = found.options.flatMap(([name, value]) => (name === 'e' ? [value] : []))
  const scripts = given.length > 0 ? given : [found.rest[0] ?? '']
  const names = given.length > 0 ? found.rest : found.rest.slice(1)
  const extended: Options = { ...found, options: has(found, 'E') || has(found, 'r') ? [['E', '']] : [] }
  const edits = scripts
    .flatMap((script) => script.split(/;(?![^/]*\/[gp]?$)/))
    .map((script) => edit(script.trim(), extended))
  if (edits.some((one) => one === null)) {
    self.err(`podwire: sed ${scripts.join(';')} is not modelled\n`)
    return 2
  }
  const lines = await linesOf(self, names)
  if (lines === null) return 2
  const result: string[] = []
  lines.forEach((original, index) => {
    let line: string | null = original
    for (const one of edits) {
      if (line === null || one === null) break
      line = one(line, index + 1, index === lines.length - 1, result)
    }
    if (line !== null && !has(found, 'n')) result.push(line)
  })
  if (has(found, 'i') && names[0] !== undefined) {
    self.place.files.set(joinPath(self.cwd, names[0]), result.map((line) => `${line}\n`).join(''))
  } else print(self, result)
  return 0
}

/** The line after the edit; null when it is deleted. `p` appends to `printed`. */
type Edit = (line: string, number: number, last: boolean, printed: string[]) => string | null

function edit(script: string, extended: Options): Edit | null {
  const substitution = /^s(.)((?:\\.|(?!\1).)*)\1((?:\\.|(?!\1).)*)\1([gpI]*)$/.exec(script)
  if (substitution !== null) {
    const [, , pattern, text, flags] = substitution
    const matcher = expression(pattern, extended)
    if (matcher === null) return null
    const once = new RegExp(matcher.source, (flags.includes('g') ? 'g' : '') + (flags.includes('I') ? 'i' : ''))
    const replacement = text
      .replaceAll('$', '$$$$')
      .replace(/\\(\d)/g, '$$$1')
      .replace(/(^|[^\\])&/g, '$1$$&')
      .replaceAll('\\/', '/')
    return (line, _number, _last, printed) => {
      const changed = line.replace(once, replacement)
      if (flags.includes('p') && changed !== line) printed.push(changed)
      return changed
    }
  }
  const addressed = /^(?:(\d+)(?:,(\d+))?|(\$)|\/((?:\\.|[^/])*)\/)?\s*([dpq])$/.exec(script)
  if (addressed === null) return null
  const [, from, to, end, pattern, verb] = addressed
  if (verb === 'q') return null
  const matcher = pattern === undefined ? null : expression(pattern, extended)
  return (line, number, last, printed) => {
    const hit =
      from !== undefined
        ? number >= Number(from) && number <= Number(to ?? from)
        : end !== undefined
          ? last
          : matcher === null || line.search(matcher) >= 0
    if (!hit) return line
    if (verb === 'd') return null
    printed.push(line)
    return line
  }
}

/** cp, mv, mkdir, rmdir and touch, over the files of a place, with coreutils' words or BusyBox's. */
import { directoryNames, exists, isDirectory, readFileAt } from '../files.ts'
import { getopt, has } from '../getopt.ts'
import type { Process, Program } from '../process.ts'
import { joinPath } from '../shell-builtins.ts'
import { unknownOption } from './coreutils.ts'

export type Userland = 'gnu' | 'busybox'

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/'
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

function fail(self: Process, text: string): number {
  self.err(`${self.args[0]}: ${text}\n`)
  return 1
}

function missing(self: Process, text: string): number {
  return fail(self, `${text}\nTry '${self.args[0]} --help' for more information.`)
}

const NONE = 'No such file or directory'

/** Everything below a directory too: `from` to `to`. */
function copyTree(self: Process, from: string, to: string): void {
  const { place } = self
  if (!isDirectory(place, from)) {
    const reading = readFileAt(place, from)
    if ('text' in reading) place.files.set(to, reading.text)
    return
  }
  place.directories.add(to)
  for (const name of directoryNames(place, from) ?? []) copyTree(self, `${from}/${name}`, `${to}/${name}`)
}

function removeTree(self: Process, path: string): void {
  const { files, directories } = self.place
  for (const file of [...files.keys()]) if (file === path || file.startsWith(`${path}/`)) files.delete(file)
  for (const each of [...directories]) if (each === path || each.startsWith(`${path}/`)) directories.delete(each)
}

/** Where the operands go: the last one, or a file of the same name in it when it is a directory. */
async function moveAll(self: Process, letters: string, userland: Userland): Promise<number> {
  const found = getopt(self.args.slice(1), letters)
  if (found.problem !== null) return unknownOption(self, found.problem.option)
  const { place } = self
  const moving = self.args[0] === 'mv'
  const sources = found.rest.slice(0, -1)
  const last = found.rest.at(-1)
  if (last === undefined) return missing(self, 'missing file operand')
  if (sources.length === 0) return missing(self, `missing destination file operand after '${last}'`)
  const target = joinPath(self.cwd, last)
  const into = isDirectory(place, target)
  if (sources.length > 1 && !into)
    return fail(self, `target '${last}': ${exists(place, target) ? 'Not a directory' : NONE}`)
  let code = 0
  for (const source of sources) {
    const from = joinPath(self.cwd, source)
    const to = into ? `${target === '/' ? '' : target}/${nameOf(from)}` : target
    const problem = obstacle(
      self,
      { source, from, last, to, moving, recursive: /[raR]/.test(letterText(found)) },
      userland,
    )
    if (problem !== null) {
      code = fail(self, problem)
      continue
    }
    copyTree(self, from, to)
    if (moving) removeTree(self, from)
    if (has(found, 'v')) {
      const shown = into ? `${last.replace(/\/$/, '')}/${nameOf(from)}` : last
      self.out(`${moving && userland === 'gnu' ? 'renamed ' : ''}'${source}' -> '${shown}'\n`)
    }
  }
  return code
}

function letterText(found: { readonly options: readonly (readonly [string, string])[] }): string {
  return found.options.map(([name]) => name).join('')
}

interface Move {
  readonly source: string
  readonly from: string
  readonly last: string
  readonly to: string
  readonly moving: boolean
  readonly recursive: boolean
}

/** Why this cannot be; null when it can. */
function obstacle(self: Process, move: Move, userland: Userland): string | null {
  const { place } = self
  const { source, from, last, to, moving, recursive } = move
  if (!exists(place, from)) {
    if (userland === 'gnu') return `cannot stat '${source}': ${NONE}`
    return moving ? `can't rename '${source}': ${NONE}` : `can't stat '${source}': ${NONE}`
  }
  if (isDirectory(place, from) && !moving && !recursive) {
    return userland === 'gnu' ? `-r not specified; omitting directory '${source}'` : `omitting directory '${source}'`
  }
  if (from === to) return `'${source}' and '${last}' are the same file`
  if (to.startsWith(`${from}/`)) {
    return moving
      ? `cannot move '${source}' to a subdirectory of itself, '${last}/${nameOf(from)}'`
      : `cannot copy a directory, '${source}', into itself, '${last}/${nameOf(from)}'`
  }
  if (isDirectory(place, parentOf(to)) && !last.endsWith('/')) return null
  if (isDirectory(place, parentOf(to)))
    return isDirectory(place, joinPath(self.cwd, last)) ? null : notThere(move, 'Not a directory')
  return notThere(move, NONE)
}

function notThere({ source, last, moving }: Move, why: string): string {
  return moving ? `cannot move '${source}' to '${last}': ${why}` : `cannot create regular file '${last}': ${why}`
}

export function cp(userland: Userland): Program {
  return (self) => moveAll(self, 'rRapfv', userland)
}

export function mv(userland: Userland): Program {
  return (self) => moveAll(self, 'fv', userland)
}

export function mkdir(userland: Userland): Program {
  return async (self) => {
    const found = getopt(self.args.slice(1), 'pv', { parents: 'p', verbose: 'v' })
    if (found.problem !== null) return unknownOption(self, found.problem.option)
    if (found.rest.length === 0) return missing(self, 'missing operand')
    const { place } = self
    let code = 0
    for (const name of found.rest) {
      const path = joinPath(self.cwd, name)
      const there = exists(place, path)
      if (has(found, 'p') && (!there || isDirectory(place, path))) {
        for (let each = path; each !== '/'; each = parentOf(each)) place.directories.add(each)
        continue
      }
      const why = there ? 'File exists' : isDirectory(place, parentOf(path)) ? null : NONE
      if (why === null) {
        place.directories.add(path)
        if (has(found, 'v')) self.out(`mkdir: created directory '${name}'\n`)
      } else if (userland === 'gnu') code = fail(self, `cannot create directory ‘${name}’: ${why}`)
      else code = fail(self, `can't create directory '${name}': ${why}`)
    }
    return code
  }
}

export const rmdir: Program = async (self) => {
  if (self.args.length < 2) return missing(self, 'missing operand')
  const { place } = self
  let code = 0
  for (const name of self.args.slice(1)) {
    const path = joinPath(self.cwd, name)
    const names = directoryNames(place, path)
    if (names?.length === 0 && place.directories.delete(path)) continue
    const why = names !== null ? 'Directory not empty' : exists(place, path) ? 'Not a directory' : NONE
    code = fail(self, `failed to remove '${name}': ${why}`)
  }
  return code
}

export function touch(userland: Userland): Program {
  return async (self) => {
    const found = getopt(self.args.slice(1), 'c')
    if (found.problem !== null) return unknownOption(self, found.problem.option)
    if (found.rest.length === 0) return missing(self, 'missing file operand')
    const { place } = self
    let code = 0
    for (const name of found.rest) {
      const path = joinPath(self.cwd, name)
      if (exists(place, path) || has(found, 'c')) continue
      if (isDirectory(place, parentOf(path))) place.files.set(path, '')
      else code = fail(self, userland === 'gnu' ? `cannot touch '${name}': ${NONE}` : `${name}: ${NONE}`)
    }
    return code
  }
}

/** ls and rm, over the files of a place. */
import { directoryNames, exists, isDirectory } from '../files.ts'
import { getopt, has } from '../getopt.ts'
import type { Program } from '../process.ts'
import { joinPath } from '../shell-builtins.ts'
import { unknownOption } from './coreutils.ts'

export const ls: Program = async (self) => {
  const found = getopt(self.args.slice(1), 'la1AhtrR')
  if (found.problem !== null) return unknownOption(self, found.problem.option)
  const given = found.rest.length === 0 ? ['.'] : found.rest
  const directories: [string, string[]][] = []
  const files: string[] = []
  let code = 0
  for (const name of given) {
    const path = joinPath(self.cwd, name)
    const names = directoryNames(self.place, path)
    if (names !== null) directories.push([name, names])
    else if (exists(self.place, path)) files.push(name)
    else if (path === self.cwd) directories.push([name, []])
    else {
      self.err(`ls: cannot access '${name}': No such file or directory\n`)
      code = 2
    }
  }
  const hidden = has(found, 'a') || has(found, 'A')
  const listing = (names: readonly string[]) =>
    names.filter((name) => hidden || !name.startsWith('.')).map((name) => `${name}\n`)
  const blocks = directories.map(([name, names]) => {
    const title = given.length > 1 ? `${name}:\n` : ''
    return title + listing(names).join('')
  })
  if (files.length > 0) blocks.unshift(files.map((name) => `${name}\n`).join(''))
  self.out(blocks.join('\n'))
  return code
}

export const rm: Program = async (self) => {
  const found = getopt(self.args.slice(1), 'rf')
  let code = 0
  for (const name of found.rest) {
    const path = joinPath(self.cwd, name)
    let hit = self.place.files.delete(path)
    if (!hit && !has(found, 'r') && isDirectory(self.place, path)) {
      self.err(`rm: cannot remove '${name}': Is a directory\n`)
      code = 1
      continue
    }
    if (has(found, 'r')) {
      for (const directory of [...self.place.directories]) {
        if (directory !== path && !directory.startsWith(`${path}/`)) continue
        self.place.directories.delete(directory)
        hit = true
      }
      for (const file of [...self.place.files.keys()])
        if (file.startsWith(`${path}/`)) hit = self.place.files.delete(file)
    }
    if (hit || has(found, 'f')) continue
    self.err(`rm: cannot remove '${name}': No such file or directory\n`)
    code = 1
  }
  return code
}

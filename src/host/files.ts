/** The files of a place: what people and images wrote, and what the kernel makes up under /proc and /sys. */
import { missingProcFile, procFile, procNames, sysctlOf } from './proc.ts'
import type { ProcessPlace } from './process.ts'
import { INVALID, sysFile, sysNames } from './sys-net.ts'
import { setSysctl, sysctlValue } from './sysctl-values.ts'

/** What stands at the top of every system. */
const ROOT = 'bin dev etc home lib media mnt opt proc root run sbin srv sys tmp usr var'.split(' ')

/** A file's text, or why there is none, as strerror(3) says it. */
export type Reading = { readonly text: string } | { readonly refusal: string }

const NO_FILE = { refusal: 'No such file or directory' }

/** `path` is absolute and has no dots. */
export function readFileAt(place: ProcessPlace, path: string): Reading {
  if (path === '/dev/null') return { text: '' }
  const own = place.files.get(path)
  if (own !== undefined) return { text: own }
  const made = procFile(place.netns, path) ?? sysFile(place.netns, path)
  if (made === INVALID) return { refusal: 'Invalid argument' }
  if (made !== null) return { text: made }
  return isDirectory(place, path) ? { refusal: 'Is a directory' } : NO_FILE
}

/** A file that Linux has there, and podwire has no model of. */
export function isMissing(path: string): boolean {
  return missingProcFile(path)
}

export function exists(place: ProcessPlace, path: string): boolean {
  const reading = readFileAt(place, path)
  return 'text' in reading || reading.refusal !== NO_FILE.refusal
}

export function isDirectory(place: ProcessPlace, path: string): boolean {
  return path === '/' || path === place.workdir || directoryNames(place, path) !== null
}

/** What the directory holds, sorted; null when there is no such directory. */
export function directoryNames(place: ProcessPlace, path: string): string[] | null {
  const made = procNames(place.netns, path) ?? sysNames(place.netns, path)
  const below = path === '/' ? '/' : `${path}/`
  const names = new Set<string>(path === '/' ? ROOT : (made ?? []))
  for (const file of place.files.keys()) {
    if (file.startsWith(below)) names.add(file.slice(below.length).split('/')[0])
  }
  for (const directory of place.directories) {
    if (directory.startsWith(below)) names.add(directory.slice(below.length).split('/')[0])
  }
  const always = path === '/' || (path.lastIndexOf('/') === 0 && ROOT.includes(path.slice(1)))
  if (names.size === 0 && !always && made === null && !place.directories.has(path)) return null
  return [...names].sort()
}

/**
 * What `> PATH` or `>> PATH` leads to: a file that grows, or a sysctl that takes what is written. A string says why it
 * can't be opened.
 */
export function openForWriting(
  place: ProcessPlace,
  path: string,
  append: boolean,
): ((text: string) => boolean) | string {
  const sysctl = sysctlOf(path)
  if (sysctl !== null) {
    if (sysctlValue(place.netns, sysctl) === null) return 'Directory nonexistent'
    return (text) => setSysctl(place.netns, sysctl, text.trim())
  }
  if (path.startsWith('/proc/') || path.startsWith('/sys/')) return 'Permission denied'
  const { files } = place
  if (!append) files.set(path, '')
  return (text) => {
    files.set(path, (files.get(path) ?? '') + text)
    return true
  }
}

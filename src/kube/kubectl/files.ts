/** The workstation's files, as kubectl sees them: manifests, and what its editor writes. */
import type { Process } from '../../host/process.ts'

export interface Files {
  /** Null when there is no such file. Paths are as the user wrote them. */
  read(path: string): string | null
  write(path: string, text: string): void
  remove(path: string): void
  /** Names in a directory, sorted; null when there is no such directory. */
  list(path: string): readonly string[] | null
}

/** The files of the place that a process runs in. */
export class PlaceFiles implements Files {
  readonly #files: Map<string, string>
  readonly #directory: string

  constructor(self: Process) {
    this.#files = self.place.files
    this.#directory = self.cwd
  }

  read(path: string): string | null {
    return this.#files.get(this.#absolute(path)) ?? null
  }

  write(path: string, text: string): void {
    this.#files.set(this.#absolute(path), text)
  }

  remove(path: string): void {
    this.#files.delete(this.#absolute(path))
  }

  list(path: string): readonly string[] | null {
    const absolute = this.#absolute(path)
    const prefix = absolute === '/' ? '/' : `${absolute}/`
    const names = new Set<string>()
    for (const file of this.#files.keys()) {
      if (file.startsWith(prefix)) names.add(file.slice(prefix.length).split('/')[0]!)
    }
    return names.size === 0 ? null : [...names].sort()
  }

  #absolute(path: string): string {
    const parts: string[] = []
    for (const part of (path.startsWith('/') ? path : `${this.#directory}/${path}`).split('/')) {
      if (part === '..') parts.pop()
      else if (part !== '' && part !== '.') parts.push(part)
    }
    return `/${parts.join('/')}`
  }
}

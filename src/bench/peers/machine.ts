/** What this machine has, and what must be installed first, as one sentence. */
import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Where root's tools are, whether PATH says so or not. */
const SYSTEM = ['/usr/local/sbin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

const INCLUDE = '/usr/include'

/** What must be there, with the Debian package that has it. */
export interface Need {
  readonly what: string
  readonly package: string
  readonly there: () => boolean
}

export const machine = {
  /** Where a tool is; null where there is none. */
  tool(name: string): string | null {
    const typed = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
    for (const folder of [...typed, ...SYSTEM]) {
      const file = join(folder, name)
      try {
        accessSync(file, constants.X_OK)
        return file
      } catch {
        // Not here.
      }
    }
    return null
  },

  /** The folder that must be searched for `#include <NAME>`: /usr/include, or one below it, as libraries' versions are. Null: none. */
  header(name: string): string | null {
    if (!existsSync(INCLUDE)) return null
    const folders = [INCLUDE, ...readdirSync(INCLUDE).map((below) => join(INCLUDE, below))]
    return folders.find((folder) => existsSync(join(folder, name))) ?? null
  },
}

export function tool(name: string, debianPackage: string): Need {
  return { what: name, package: debianPackage, there: () => machine.tool(name) !== null }
}

export function header(name: string, debianPackage: string): Need {
  return { what: name, package: debianPackage, there: () => machine.header(name) !== null }
}

/** @throws RangeError: what is missing, and how it is installed. */
export function mustHave(peer: string, needs: readonly Need[]): void {
  const missing = needs.filter(({ there }) => !there())
  if (missing.length === 0) return
  const names = missing.map(({ what }) => what).join(', ')
  const packages = [...new Set(missing.map((need) => need.package))].join(' ')
  throw new RangeError(`podwire: --against ${peer} needs ${names}: apt-get install ${packages}`)
}

/** @throws RangeError */
export function mustBeLinux(peer: string): void {
  if (process.platform === 'linux') return
  throw new RangeError(`podwire: --against ${peer} needs Linux: this is ${process.platform}`)
}

/** The core that every participant has to itself in turn: the first that this process may use. */
export function sharedCore(): number {
  const status = readFileSync('/proc/self/status', 'utf8')
  return Number(/^Cpus_allowed_list:\s*(\d+)/m.exec(status)?.[1] ?? 0)
}

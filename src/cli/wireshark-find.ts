/** Which Wireshark is installed here, and where it looks for what is its user's. */
import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'

/** Where they are when they are not on the path. */
const elsewhere: Readonly<Record<string, readonly string[]>> = {
  wireshark: ['/Applications/Wireshark.app/Contents/MacOS/Wireshark'],
  tshark: ['/Applications/Wireshark.app/Contents/MacOS/tshark'],
}

/** Null when it is not installed. */
export function findProgram(name: 'wireshark' | 'tshark', env: NodeJS.ProcessEnv = process.env): string | null {
  const onPath = (env.PATH ?? '').split(delimiter).map((folder) => join(folder, name))
  return [...onPath, ...(elsewhere[name] ?? [])].find(isProgram) ?? null
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

export interface WiresharkFolders {
  /** Where profiles are. */
  readonly configuration: string
  /** Each one is looked into by some version. */
  readonly plugins: readonly string[]
}

/** As the installed Wireshark says; without one, where versions 3 and later look. */
export function findFolders(env: NodeJS.ProcessEnv = process.env): WiresharkFolders {
  const said = ask(['-G', 'folders'])
  const named = (title: string) => new RegExp(`^${title}:\\s*(.+)$`, 'm').exec(said)?.[1].trim()
  const home = env.HOME ?? homedir()
  const configuration =
    named('Personal configuration') ?? join(env.XDG_CONFIG_HOME ?? join(home, '.config'), 'wireshark')
  const personal = named('Personal Extcap path')
  const plugins =
    personal === undefined ? [join(configuration, 'extcap'), join(home, '.local/lib/wireshark/extcap')] : [personal]
  return { configuration, plugins }
}

/** Does the installed Wireshark know this preference? */
export function knowsPreference(name: string): boolean {
  return new RegExp(`^#?${name.replaceAll('.', '\\.')}:`, 'm').test(ask(['-G', 'currentprefs']))
}

function ask(words: readonly string[]): string {
  const tshark = findProgram('tshark')
  if (tshark === null) return ''
  return spawnSync(tshark, words, { encoding: 'utf8', maxBuffer: 1 << 26 }).stdout ?? ''
}

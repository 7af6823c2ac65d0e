/**
 * `podwire wireshark --install`: the plugin that lists emulated interfaces on Wireshark's start page, and the profile. Files
 * that are not podwire's, or no longer, are left alone, and named.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { ControlClient } from '../live/control-client.ts'
import type { InterfaceStatus } from '../live/emulator.ts'
import { LiveError, running } from '../live/runtime-folder.ts'
import { findFolders, knowsPreference, type WiresharkFolders } from './wireshark-find.ts'
import { coloursText, ethersText, MARK, PROFILE, pluginText, preferencesText } from './wireshark-profile.ts'

interface InstalledFile {
  readonly path: string
  readonly text: string
  readonly mode: number
}

/** Returns the exit code: 1 when a file was left alone. @throws LiveError */
export async function install(force: boolean): Promise<number> {
  let kept = 0
  for (const file of await files(findFolders())) kept += put(file, force) ? 0 : 1
  say(
    'In Wireshark, choose the profile "podwire" (Edit, Configuration Profiles); emulators that run are on the start page.',
  )
  return kept === 0 ? 0 : 1
}

/** Returns the exit code: 1 when a file was left alone. */
export async function uninstall(force: boolean): Promise<number> {
  let kept = 0
  const folders = findFolders()
  for (const { path } of await files(folders)) {
    if (!existsSync(path)) continue
    if (!force && !isOurs(path)) {
      say(`left alone: ${path} is not as podwire wrote it (--force removes it)`)
      kept++
      continue
    }
    rmSync(path)
    say(`removed: ${path}`)
  }
  const profile = profileFolder(folders)
  if (existsSync(profile) && readdirSync(profile).length === 0) rmdirSync(profile)
  else if (existsSync(profile) && kept === 0) say(`left alone: ${profile} has files of Wireshark's own`)
  return kept === 0 ? 0 : 1
}

export function profileFolder({ configuration }: WiresharkFolders): string {
  return join(configuration, 'profiles', PROFILE)
}

/** Writes down who has which MAC address now, if the profile is installed and the file is ours. */
export async function refreshEthers(profile: string): Promise<void> {
  const path = join(profile, 'ethers')
  if (existsSync(path) && isOurs(path)) writeFileSync(path, ethersText(await macNames()))
}

async function files(folders: WiresharkFolders): Promise<InstalledFile[]> {
  if (process.platform === 'win32') throw new LiveError('podwire: a plugin for Wireshark on Windows is not modelled')
  const profile = profileFolder(folders)
  // What was started, past the links that npm makes.
  const main = realpathSync(process.argv[1])
  const plugin = pluginText(process.execPath, main, userInfo().uid)
  const deinterlacing = knowsPreference('protocols.conversation_deinterlacing_key')
  return [
    ...folders.plugins.map((folder) => ({ path: join(folder, 'podwire'), text: plugin, mode: 0o755 })),
    { path: join(profile, 'preferences'), text: preferencesText(deinterlacing), mode: 0o644 },
    { path: join(profile, 'colorfilters'), text: coloursText(), mode: 0o644 },
    { path: join(profile, 'ethers'), text: ethersText(await macNames()), mode: 0o644 },
  ]
}

/** False when there is a file of somebody else's. */
function put({ path, text, mode }: InstalledFile, force: boolean): boolean {
  const there = existsSync(path)
  if (there && !force && !isOurs(path)) {
    say(`left alone: ${path} is not as podwire wrote it (--force replaces it, and keeps the old one as ${path}.old)`)
    return false
  }
  if (there && !isOurs(path)) writeFileSync(`${path}.old`, readFileSync(path))
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text, { mode })
  chmodSync(path, mode)
  say(`${there ? 'replaced' : 'written'}: ${path}`)
  return true
}

/** Wireshark writes the whole file anew when its user changes something in the profile: then it is the user's. */
function isOurs(path: string): boolean {
  return readFileSync(path, 'utf8')
    .split('\n', 2)
    .some((line) => line.startsWith(`# ${MARK}`))
}

/** Of all emulators that run: `w1.example.com/cni0`, without the spaces that a name may not have. */
async function macNames(): Promise<{ mac: string; name: string }[]> {
  const names: { mac: string; name: string }[] = []
  const seen = new Set(['00:00:00:00:00:00'])
  for (const emulator of await running()) {
    const client = await ControlClient.connect(emulator)
    const { interfaces } = await client.ask({ do: 'interfaces' })
    client.end()
    for (const { mac, name } of interfaces as InterfaceStatus[]) {
      if (!seen.has(mac)) names.push({ mac, name })
      seen.add(mac)
    }
  }
  return names
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** `podwire wireshark`: the user's own Wireshark, or tshark, on interfaces of a running emulator. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { LiveError } from '../live/runtime-folder.ts'
import { openReaderDoor } from './capture.ts'
import { findFolders, findProgram, knowsPreference } from './wireshark-find.ts'
import { install, profileFolder, refreshEthers, uninstall } from './wireshark-install.ts'
import { PROFILE, VXLAN_PORTS } from './wireshark-profile.ts'

export interface WiresharkOptions {
  readonly name?: string
  readonly filter?: string
  readonly explain?: boolean
  readonly tshark?: boolean
  readonly install?: boolean
  readonly uninstall?: boolean
  readonly force?: boolean
}

/** `extra`: words for Wireshark itself. Returns its exit code. @throws LiveError */
export async function wireshark(
  interfaces: readonly string[],
  extra: readonly string[],
  options: WiresharkOptions,
): Promise<number> {
  if (options.install) return install(options.force ?? false)
  if (options.uninstall) return uninstall(options.force ?? false)
  if (interfaces.length === 0) {
    throw new LiveError("podwire: which interface? podwire ctl interfaces lists them; a merged view is '**'")
  }
  const gui = options.tshark ? null : findProgram('wireshark')
  const program = gui ?? findProgram('tshark')
  if (program === null) {
    const wanted = options.tshark ? 'tshark is not' : 'neither wireshark nor tshark is'
    throw new LiveError(`podwire: ${wanted} installed; podwire capture prints frames without them`)
  }
  const door = await openReaderDoor(interfaces, options, { host: '127.0.0.1', port: 0 })
  const profile = profileFolder(findFolders())
  const words = [gui === null ? '-l' : '-k', '-i', `TCP@${door.address}`, ...settings(interfaces, profile), ...extra]
  await refreshEthers(profile)
  const code = await start(program, words)
  door.close()
  return code
}

/** What an installed profile would say, for those who have none. */
function settings(interfaces: readonly string[], profile: string): string[] {
  const words = ['-o', `vxlan.udp.port:${VXLAN_PORTS}`]
  if (existsSync(profile)) return ['-C', PROFILE, ...words]
  words.push('-o', 'nameres.network_name:TRUE', '-o', 'nameres.use_external_name_resolver:FALSE')
  const several = interfaces.length > 1 || /[*?]/.test(interfaces[0])
  const key = 'protocols.conversation_deinterlacing_key'
  // A TCP stream that was seen at several points is one stream for each.
  if (several && knowsPreference(key)) words.push('-o', `${key}:VMI`)
  return words
}

/** Runs the program at this terminal; a Ctrl-C there is its own business. */
function start(program: string, words: readonly string[]): Promise<number> {
  const ignore = () => {}
  process.on('SIGINT', ignore)
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { stdio: ['ignore', 'inherit', 'inherit'] })
    child.once('error', (error) => reject(new LiveError(`podwire: ${program}: ${error.message}`)))
    child.once('close', (code) => {
      process.off('SIGINT', ignore)
      resolve(code ?? 1)
    })
  })
}

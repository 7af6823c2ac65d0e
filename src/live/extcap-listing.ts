/**
 * What Wireshark's plugin shows of a running emulator: the interfaces, as extcap lists them, in a file beside its socket. The
 * plugin is started once for every interface before Wireshark's window appears, so it only prints this file (cli/extcap).
 */
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import type { Emulator } from './emulator.ts'
import { listingPath } from './runtime-folder.ts'

/** Pods come and go in crowds; milliseconds. */
const GATHER = 100

/** The name that Wireshark has for an interface: letters, digits, and what its command line can take. */
export function extcapValue(emulator: string, name: string): string {
  return `podwire-${emulator}-${name}`.replace(/[^A-Za-z0-9._-]/g, '-')
}

/** The lines for `--extcap-interfaces`, sorted; the first stands for all of them. */
export function extcapListing(emulator: Emulator): string {
  const { name } = emulator
  const interfaces = emulator.interfaces().sort((a, b) => (a.name < b.name ? -1 : 1))
  const seen = new Set<string>()
  let text = `interface {value=${extcapValue(name, 'all')}}{display=podwire ${name}: all interfaces}\n`
  for (const { name: place, addresses } of interfaces) {
    const value = extcapValue(name, place)
    // Two names that are alike but for a sign that values cannot hold: the first one has it.
    if (seen.has(value)) continue
    seen.add(value)
    const about = addresses.length === 0 ? '' : ` (${addresses.map((each) => each.split('/')[0]).join(', ')})`
    text += `interface {value=${value}}{display=podwire ${name}: ${place}${about}}\n`
  }
  return text
}

/** Keeps the file while devices come and go; what is returned ends that and removes it. */
export function keepListing(emulator: Emulator): () => void {
  const path = listingPath(emulator.name)
  let waiting: NodeJS.Timeout | null = null
  let last = ''
  const write = () => {
    waiting = null
    const text = extcapListing(emulator)
    if (text === last) return
    last = text
    // Whoever reads it meanwhile sees the old one or the new one.
    writeFileSync(`${path}.new`, text, { mode: 0o600 })
    renameSync(`${path}.new`, path)
  }
  const changed = () => {
    waiting ??= setTimeout(write, GATHER)
    waiting.unref()
  }
  write()
  const end = emulator.lab.world.watchDevices({ joined: changed, left: changed })
  return () => {
    end()
    if (waiting !== null) clearTimeout(waiting)
    rmSync(path, { force: true })
  }
}

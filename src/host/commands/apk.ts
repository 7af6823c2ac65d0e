/** apk, Alpine's package manager: nothing is fetched, so an image can only be asked for what it brings. */
import type { Program } from '../process.ts'

/** A package, and a command that comes with it, where the names differ. */
const commands: Readonly<Record<string, string>> = {
  'bind-tools': 'dig',
  'busybox-extras': 'telnet',
  iproute2: 'ss',
  iputils: 'ping',
  'netcat-openbsd': 'nc',
}

/** `apk add PACKAGE…`, `apk update`. */
export const apk: Program = async (self) => {
  const [verb, ...packages] = self.args.slice(1).filter((word) => !word.startsWith('-'))
  if (verb === 'update') {
    self.err('podwire: there are no package repositories; an image has what it has\n')
    return 0
  }
  if (verb !== 'add') {
    self.err(`podwire: apk ${verb ?? ''} is not modelled\n`)
    return 1
  }
  const absent = packages.filter((name) => self.place.find(commands[name] ?? name) === null)
  if (absent.length === 0) {
    self.out('OK: 13 MiB in 24 packages\n')
    return 0
  }
  self.out('ERROR: unable to select packages:\n')
  for (const name of absent) self.out(`  ${name} (no such package):\n    required by: world[${name}]\n`)
  self.err('podwire: packages cannot be fetched; "like: debian" and nicolaka/netshoot have more tools\n')
  return absent.length
}

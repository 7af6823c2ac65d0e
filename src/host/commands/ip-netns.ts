/** `ip netns`: the named network namespaces of a machine, and commands inside them. */

import { netnsidOf, numberedBy } from '../../net/lower-link.ts'
import { Netns } from '../../net/netns.ts'
import { vanish } from '../../net/vanish.ts'
import { LOOPBACK } from '../../wire/address.ts'
import { Place } from '../place.ts'
import type { Process, ProcessPlace, Running } from '../process.ts'
import type { IpContext } from './ip-context.ts'
import { NETNS_USAGE } from './ip-usage.ts'
import { abbreviation, notModelled, ToolError, takeNumber, type Words } from './ip-words.ts'

export function namespaceNamed(self: Process, name: string): Netns {
  const found = self.place.machine.namespaces.get(name)
  if (found === undefined)
    throw new ToolError(`Cannot open network namespace "${name}": No such file or directory`, 255)
  return found
}

export async function ipNetns(context: IpContext, words: Words): Promise<number> {
  if (words.done) return list(context)
  const { self } = context
  const verb = words.take()
  switch (
    abbreviation(
      verb,
      'list',
      'show',
      'lst',
      'add',
      'set',
      'delete',
      'identify',
      'pids',
      'exec',
      'monitor',
      'attach',
      'list-id',
      'help',
    )
  ) {
    case 'list':
    case 'show':
    case 'lst':
      return list(context)
    case 'add':
      return add(self, takeName(words))
    case 'delete':
      if (context.everywhere) throw notModelled('ip -all netns delete')
      return remove(self, takeName(words))
    case 'exec':
      return context.everywhere ? executeEverywhere(self, words) : execute(self, words)
    case 'identify':
      return identify(self, words)
    case 'pids':
      return pids(self, words)
    case 'attach':
      return attach(self, words)
    case 'list-id':
      return listNumbers(context, words)
    case 'help':
      throw new ToolError(NETNS_USAGE, 255)
    case null:
      throw new ToolError(`Command "${verb}" is unknown, try "ip netns help".`, 255)
    default:
      throw notModelled(`ip netns ${verb}`)
  }
}

function takeName(words: Words): string {
  if (words.done) throw new ToolError('No netns name specified', 1)
  return words.take()
}

/** The latest first, with the number that a cable has given it. */
function list(context: IpContext): number {
  const { self, netns } = context
  for (const [name, namespace] of [...self.place.machine.namespaces].reverse()) {
    const id = netnsidOf(netns, namespace)
    self.out(id < 0 ? `${name}\n` : `${name} (id: ${id})\n`)
  }
  return 0
}

/** The name of the namespace that a process is in, or an empty line: it has none. Only processes of one's own are seen. */
function identify(self: Process, words: Words): number {
  const pid = words.done ? '' : words.take()
  if (!words.done) throw new ToolError('extra arguments specified', 1)
  if (!/^[0-9]*$/.test(pid)) throw new ToolError(`Specified string '${pid}' is not a pid`, 1)
  const { machine, processes } = self.place
  const process = pid === '' ? self : processes.get(Number(pid))
  if (process === undefined) throw new ToolError('Cannot open network namespace: No such file or directory', 1)
  const names = [...machine.namespaces].filter(([, netns]) => netns === process.netns).map(([name]) => name)
  self.out(`${names.join('\n')}\n`)
  return 0
}

/** Processes of containers have other numbers on their machine, which nobody keeps here. */
function pids(self: Process, words: Words): number {
  const name = takeName(words)
  if (!words.done) throw new ToolError('extra arguments specified', 1)
  const netns = self.place.machine.namespaces.get(name)
  if (netns === undefined) throw new ToolError('Cannot open network namespace: No such file or directory', 1)
  for (const place of self.place.machine.places.values()) {
    if (place.netns === netns && place.processes !== self.place.processes && place.processes.size > 0) {
      throw notModelled("ip netns pids of a container's namespace")
    }
  }
  const found = [...self.place.processes.values()].filter((process) => process.netns === netns)
  self.out(found.map(({ pid }) => `${pid}\n`).join(''))
  return 0
}

/** `ip netns attach NAME PID`: a name for the namespace that a process is in. */
function attach(self: Process, words: Words): number {
  const name = words.done ? '' : words.take()
  if (words.done) throw new ToolError('No netns name and PID specified', 1)
  const text = words.take()
  if (!/^-?[0-9]+$/.test(text) || Number(text) === 0) throw new ToolError(`Invalid PID: ${text}`, 1)
  checkName(name)
  const { namespaces } = self.place.machine
  if (namespaces.has(name)) {
    throw new ToolError(`Cannot create namespace file "/run/netns/${name}": File exists`, 1)
  }
  const process = self.place.processes.get(Number(text))
  if (process === undefined) {
    throw new ToolError(`Bind /proc/${text}/ns/net -> /run/netns/${name} failed: No such file or directory`, 1)
  }
  namespaces.set(name, process.netns)
  return 0
}

function checkName(name: string): void {
  if (name.includes('/') || name === '.' || name === '..' || name === '') {
    throw new ToolError(`Invalid netns name "${name}"`, 255)
  }
}

/** `ip netns list-id`: the numbers that cables have given to other namespaces here. */
function listNumbers(context: IpContext, words: Words): number {
  const { self, netns } = context
  let only: number | null = null
  while (!words.done) {
    const word = words.take()
    if (word === 'target-nsid') throw notModelled('ip netns list-id target-nsid')
    if (word !== 'nsid') throw new ToolError(NETNS_USAGE, 255)
    only = takeNumber(words, 'nsid')
  }
  if (context.json) throw notModelled('ip -json netns list-id')
  const known = numberedBy(netns)
  if (only !== null && only >= known.length) throw new ToolError('Error: Peer netns reference is invalid.', 2)
  for (const [number, other] of known.entries()) {
    if (only !== null && only !== number) continue
    const name = [...self.place.machine.namespaces].find(([, named]) => named === other)?.[0]
    self.out(`nsid ${number} ${name === undefined ? '' : `(iproute2 netns name: ${name})`}\n`)
  }
  return 0
}

function add(self: Process, name: string): number {
  checkName(name)
  const { machine } = self.place
  if (machine.namespaces.has(name)) {
    throw new ToolError(`Cannot create namespace file "/run/netns/${name}": File exists`, 1)
  }
  const made = new Netns(self.world, name, machine.netns)
  // A namespace of the kernel's making has its loopback down and bare.
  made.removeAddress(made.loopback, LOOPBACK)
  made.setDown(made.loopback)
  machine.namespaces.set(name, made)
  return 0
}

function remove(self: Process, name: string): number {
  const { machine } = self.place
  const doomed = machine.namespaces.get(name)
  if (doomed === undefined) {
    throw new ToolError(`Cannot remove namespace file "/run/netns/${name}": No such file or directory`, 1)
  }
  if (doomed.devices.size > 1) throw notModelled('ip netns del of a namespace that still has devices')
  machine.namespaces.delete(name)
  vanish(doomed)
  return 0
}

/** The same machine, files and programs, seen from another network namespace. */
class NetnsPlace extends Place {
  override readonly files: Map<string, string>
  override readonly directories: Set<string>
  override readonly processes: Map<number, Process>
  override readonly pids: { next: number }

  constructor(place: ProcessPlace, name: string, netns: Netns) {
    super(place.machine, `${place.name} netns ${name}`, netns, {
      hostname: place.hostname,
      programs: place.programs,
      env: place.env,
      workdir: place.workdir,
      confined: place.confined,
    })
    this.files = place.files
    this.directories = place.directories
    // Another network namespace, the same PIDs.
    this.processes = place.processes
    this.pids = place.pids
  }
}

async function execute(self: Process, words: Words): Promise<number> {
  const name = takeName(words)
  const argv = words.rest()
  if (argv.length === 0) throw new ToolError('No command specified', 1)
  return executeIn(self, name, argv)
}

/** `ip -all netns exec`: in one after the other; none of them can make it fail. */
async function executeEverywhere(self: Process, words: Words): Promise<number> {
  const argv = words.rest()
  if (argv.length === 0) throw new ToolError('No command specified', 1)
  for (const name of [...self.place.machine.namespaces.keys()].reverse()) {
    self.out(`\nnetns: ${name}\n`)
    try {
      await executeIn(self, name, argv)
    } catch (error) {
      if (!(error instanceof ToolError)) throw error
      self.err(`${error.message}\n`)
    }
  }
  return 0
}

async function executeIn(self: Process, name: string, argv: readonly string[]): Promise<number> {
  const place = new NetnsPlace(self.place, name, namespaceNamed(self, name))
  if (place.find(argv[0]) === null) {
    throw new ToolError(`exec of "${argv[0]}" failed: No such file or directory`, 1)
  }
  const child: Running = place.spawn(argv, {
    out: (text) => self.out(text),
    err: (text) => self.err(text),
    stdin: self.stdin.pipe,
    env: self.env,
    cwd: self.cwd,
    tty: self.tty,
  })
  const end = self.own({ close: () => child.process.kill(9) })
  const code = await child.exit
  self.disclaim(end)
  return code
}

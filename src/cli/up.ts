/**
 * `podwire up`: a topology that lives, against the wall clock, until it is stopped. Other processes attach to it; a real machine
 * may be joined to its switch.
 */
import { ControlServer } from '../live/control-server.ts'
import { type DoorAddress, openDoor } from '../live/door.ts'
import { Emulator } from '../live/emulator.ts'
import { keepListing } from '../live/extcap-listing.ts'
import { EVERYTHING } from '../live/live-reader.ts'
import { freeName, LiveError, nameOf } from '../live/runtime-folder.ts'
import { type Endpoint, VxlanPlug } from '../live/vxlan-plug.ts'
import { type Nanos, SECOND } from '../sim/scheduler.ts'
import type { Lab } from '../topology/lab.ts'
import type { CaptureOptions } from './capture-options.ts'
import type { CaptureFiles } from './captures.ts'
import { readTopology, shown, withLab } from './open.ts'
import { Terminal } from './terminal.ts'

export interface UpOptions extends CaptureOptions {
  readonly name?: string
  readonly speed: number
  readonly paused?: boolean
  readonly for?: Nanos
  readonly listen: readonly DoorAddress[]
  readonly vxlan?: number
  readonly local?: Endpoint
  readonly remote?: Endpoint
}

/** Milliseconds between two moments at which captures are all in their files. */
const FLUSH = 1000
const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Returns when it is stopped, with the exit code of the last line that was typed. */
export async function up(file: string, options: UpOptions): Promise<number> {
  const topology = readTopology(file)
  const name = options.name ?? (await freeName(nameOf(topology.name ?? shown(file).replace(/^.*\/|\.ya?ml$/g, ''))))
  return withLab(file, topology, options, false, (lab, files) => live(lab, files, name, shown(file), options))
}

async function live(
  lab: Lab,
  files: CaptureFiles | null,
  name: string,
  topology: string,
  options: UpOptions,
): Promise<number> {
  const stopping = new AbortController()
  const stop = () => stopping.abort()
  const emulator = new Emulator(lab, name, topology, options.speed, stop)
  for (const signal of stopSignals) process.once(signal, stop)
  if (options.for !== undefined) lab.world.scheduler.call(options.for, stop)
  // Who looks into the files while they grow sees what was captured a second ago.
  const flushing = setInterval(() => files?.flush(), FLUSH)
  const ends: (() => void)[] = [() => clearInterval(flushing), () => emulator.close()]
  let code = 0
  try {
    const plug = await plugIn(lab, options, emulator)
    if (plug !== null) ends.push(() => plug.close())
    const control = await ControlServer.open(emulator)
    ends.push(() => control.close(), keepListing(emulator))
    await openDoors(emulator, options)
    if (options.paused) void emulator.pace.pause()
    process.stderr.write(`${name} is up; "exit" or Ctrl-C stops it, ":help" tells how to pause and step\n`)
    const typing = new Terminal(emulator)
    ends.push(() => typing.close())
    await emulator.pace.run(stopping.signal)
    code = typing.code
  } finally {
    for (const end of ends) end()
    for (const signal of stopSignals) process.off(signal, stop)
  }
  if (emulator.pace.slipped > 0) {
    const seconds = (emulator.pace.slipped / SECOND).toFixed(3)
    process.stderr.write(`podwire: ${seconds} s of virtual time took longer than that\n`)
  }
  return code
}

/** What Wireshark may connect to. */
async function openDoors(emulator: Emulator, { listen, interfaces }: UpOptions): Promise<void> {
  for (const address of listen) {
    const door = await openDoor(address, (socket) => void emulator.read({ ...EVERYTHING, interfaces }, socket))
    emulator.doors.set(door.address, door.server)
    process.stderr.write(`wireshark -k -i TCP@${door.address} -o vxlan.udp.port:4789,8472\n`)
  }
}

async function plugIn(lab: Lab, options: UpOptions, emulator: Emulator): Promise<VxlanPlug | null> {
  const { vxlan, local, remote } = options
  if (vxlan === undefined) return null
  if (local === undefined || remote === undefined) {
    throw new LiveError('podwire: --vxlan needs --local and --remote, such as 169.254.77.1:4789 and 169.254.77.2:4789')
  }
  const arrived = () => emulator.pace.kick()
  const plug = await VxlanPlug.open(lab.looseCable('outside'), vxlan, local, remote, arrived).catch((error) => {
    throw new LiveError(`podwire: cannot listen on ${local.address}:${local.port}: ${error.message}`)
  })
  process.stderr.write(
    `VXLAN network ${vxlan}: ${local.address}:${local.port} here, ${remote.address}:${remote.port} there\n`,
  )
  return plug
}

/** A world that lives: its lab, its pace, and who reads it. What terminals and sockets ask for is done here. */
import type { Server, Socket } from 'node:net'
import type { Running } from '../host/process.ts'
import type { NetDevice } from '../link/device.ts'
import { SECOND } from '../sim/scheduler.ts'
import type { Lab } from '../topology/lab.ts'
import { parseDuration } from '../topology/units.ts'
import { formatIpv4, formatMac } from '../wire/address.ts'
import { printFrame } from '../wire/print.ts'
import { LiveReader, type ReaderSettings } from './live-reader.ts'
import { Pace, type StepGoal } from './pace.ts'

/** A step shows so many frames; the rest it counts. */
const SHOWN = 50

export interface EmulatorStatus {
  readonly name: string
  readonly topology: string
  readonly pid: number
  readonly paused: boolean
  readonly speed: number
  /** Virtual seconds since the world began. */
  readonly time: number
  /** What its clocks show, ISO 8601. */
  readonly clock: string
  /** Virtual seconds that were lost because the world could not keep up. */
  readonly slipped: number
  readonly interfaces: number
  readonly readers: readonly { interfaces: readonly string[]; filter: string; frames: number; lost: number }[]
  /** Where Wireshark may connect: `127.0.0.1:PORT`. */
  readonly listening: readonly string[]
}

export interface InterfaceStatus {
  readonly name: string
  readonly kind: string
  readonly up: boolean
  readonly mac: string
  readonly addresses: readonly string[]
}

export interface StepStatus {
  /** How it ended: there; because nothing is left to happen; or by another word. */
  readonly end: 'reached' | 'idle' | 'ended'
  readonly time: number
  /** What moved, one line a sighting. */
  readonly frames: readonly string[]
  /** Sightings that are not shown. */
  readonly more: number
}

export class Emulator {
  readonly lab: Lab
  readonly pace: Pace
  readonly name: string
  readonly topology: string
  /** Whoever asks for the end calls this. */
  readonly stop: () => void
  readonly doors = new Map<string, Server>()
  readonly #readers = new Set<LiveReader>()

  constructor(lab: Lab, name: string, topology: string, speed: number, stop: () => void) {
    this.lab = lab
    this.name = name
    this.topology = topology
    this.stop = stop
    this.pace = new Pace(lab.runner, speed)
    this.pace.afterSlice = () => this.#flush()
  }

  status(): EmulatorStatus {
    const { lab, pace } = this
    return {
      name: this.name,
      topology: this.topology,
      pid: process.pid,
      paused: pace.paused,
      speed: pace.speed,
      time: lab.world.scheduler.now / SECOND,
      clock: new Date(lab.runner.wallClock).toISOString(),
      slipped: pace.slipped / SECOND,
      interfaces: lab.interfaces.size,
      readers: [...this.#readers].map((reader) => ({
        interfaces: reader.settings.interfaces,
        filter: reader.settings.filter,
        frames: reader.frames,
        lost: reader.lost,
      })),
      listening: [...this.doors.keys()],
    }
  }

  interfaces(): InterfaceStatus[] {
    const { lab } = this
    return [...lab.interfaces].map((device) => ({
      name: lab.interfaces.nameOf(device),
      kind: device.kind,
      up: device.up,
      mac: formatMac(device.mac),
      addresses: lab.addressesOf(device).map(({ address, prefix }) => `${formatIpv4(address)}/${prefix}`),
    }))
  }

  /** `event`, `frame`, or a duration; null when it is none of them. */
  async step(goal: string): Promise<StepStatus | null> {
    const seen: string[] = []
    let more = 0
    const duration = parseDuration(goal)
    const goals: Readonly<Record<string, StepGoal>> = { event: 'event', frame: { until: () => seen.length > 0 } }
    const chosen = duration === null ? goals[goal] : { for: duration }
    if (chosen === undefined) return null
    const note = (line: () => string) => {
      if (seen.length < SHOWN) seen.push(line())
      else more++
    }
    const ends = [...this.lab.interfaces].map((device) => this.#show(device, note))
    const reached = await this.pace.step(chosen)
    for (const end of ends) end()
    const idle = this.lab.world.scheduler.pending === 0
    return {
      end: reached ? 'reached' : idle ? 'idle' : 'ended',
      time: this.lab.world.scheduler.now / SECOND,
      frames: seen,
      more,
    }
  }

  #show(device: NetDevice, note: (line: () => string) => void): () => void {
    const { lab } = this
    return device.listen(({ bytes, start, end }, _, direction) =>
      note(() => {
        const way = direction === 'in' ? 'In ' : 'Out'
        return `${lab.interfaces.nameOf(device)} ${way} ${printFrame(bytes, start, end).replaceAll('\n', '\n    ')}`
      }),
    )
  }

  /** Types a line at the workstation, while the world goes on. */
  run(line: string, out: (text: string) => void, err: (text: string) => void, stdin = ''): Running {
    const running = this.lab.start(line, { out, err, stdin })
    this.pace.kick()
    return running
  }

  /** Somebody reads the world from now on. @throws FilterError */
  read(settings: ReaderSettings, socket: Socket): LiveReader {
    const reader: LiveReader = new LiveReader(this.lab, settings, socket, () => {
      this.#readers.delete(reader)
    })
    this.#readers.add(reader)
    return reader
  }

  /** The end of all readings. */
  close(): void {
    for (const door of this.doors.values()) door.close()
    for (const reader of this.#readers) reader.finish()
  }

  #flush(): void {
    for (const reader of this.#readers) reader.flush()
  }
}

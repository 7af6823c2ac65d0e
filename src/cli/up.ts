/** `podwire up`: a topology that lives, against the wall clock, joined to a real machine when asked. */
import { createInterface } from 'node:readline'
import { Pace } from '../live/pace.ts'
import { type Endpoint, VxlanPlug } from '../live/vxlan-plug.ts'
import type { Nanos } from '../sim/scheduler.ts'
import type { Lab } from '../topology/lab.ts'
import type { CaptureOptions } from './capture-options.ts'
import type { CaptureFiles } from './captures.ts'
import { readTopology, shown, withLab } from './open.ts'

export interface UpOptions extends CaptureOptions {
  readonly speed: number
  readonly for?: Nanos
  readonly vxlan?: number
  readonly local?: Endpoint
  readonly remote?: Endpoint
}

/** Milliseconds between two moments at which captures are all in their files. */
const FLUSH = 1000
const stopSignals = ['SIGINT', 'SIGTERM'] as const

/** Returns when it is stopped, with the exit code of the last line that was typed. */
export async function up(file: string, options: UpOptions): Promise<number> {
  const topology = readTopology(file)
  const name = topology.name ?? shown(file)
  return withLab(file, topology, options, false, (lab, files) => live(lab, files, name, options))
}

async function live(lab: Lab, files: CaptureFiles | null, name: string, options: UpOptions): Promise<number> {
  const pace = new Pace(lab.runner, options.speed)
  const stopping = new AbortController()
  const stop = () => stopping.abort()
  for (const signal of stopSignals) process.once(signal, stop)
  if (options.for !== undefined) lab.world.scheduler.call(options.for, stop)
  const plug = await plugIn(lab, options, pace)
  process.stderr.write(`${name} is up; "exit" or Ctrl-C stops it\n`)
  const typing = new Terminal(lab, pace, stop)
  // Who looks into the files while they grow sees what was captured a second ago.
  const flushing = setInterval(() => files?.flush(), FLUSH)
  try {
    await pace.run(stopping.signal)
  } finally {
    typing.close()
    plug?.close()
    for (const signal of stopSignals) process.off(signal, stop)
    clearInterval(flushing)
  }
  if (pace.slipped > 0) {
    process.stderr.write(`podwire: ${(pace.slipped / 1e9).toFixed(3)} s of virtual time took longer than that\n`)
  }
  return typing.code
}

async function plugIn(lab: Lab, options: UpOptions, pace: Pace): Promise<VxlanPlug | null> {
  const { vxlan, local, remote } = options
  if (vxlan === undefined) return null
  if (local === undefined || remote === undefined) {
    throw new RangeError('podwire: --vxlan needs --local and --remote, such as 169.254.77.1:4789 and 169.254.77.2:4789')
  }
  const plug = await VxlanPlug.open(lab.looseCable('outside'), vxlan, local, remote, () => pace.kick()).catch(
    (error) => {
      throw new RangeError(`podwire: cannot listen on ${local.address}:${local.port}: ${error.message}`)
    },
  )
  process.stderr.write(
    `VXLAN network ${vxlan}: ${local.address}:${local.port} here, ${remote.address}:${remote.port} there\n`,
  )
  return plug
}

/** Standard input, line by line: one command after the other, while the world goes on. */
class Terminal {
  code = 0
  readonly #lab: Lab
  readonly #pace: Pace
  readonly #stop: () => void
  readonly #lines = createInterface({ input: process.stdin, output: process.stdout, terminal: process.stdin.isTTY })

  constructor(lab: Lab, pace: Pace, stop: () => void) {
    this.#lab = lab
    this.#pace = pace
    this.#stop = stop
    this.#lines.setPrompt(process.stdin.isTTY ? 'workstation$ ' : '')
    void this.#type()
  }

  close(): void {
    this.#lines.close()
    process.stdin.unref?.()
  }

  async #type(): Promise<void> {
    this.#lines.prompt()
    for await (const line of this.#lines) {
      if (/^\s*(exit|logout)(\s+\d+)?\s*$/.test(line)) return this.#stop()
      const io = {
        out: (text: string) => void process.stdout.write(text),
        err: (text: string) => void process.stderr.write(text),
      }
      if (line.trim() !== '') {
        const exit = this.#lab.begin(line, io)
        this.#pace.kick()
        this.code = await exit
      }
      this.#lines.prompt()
    }
    // A terminal's end is a person's wish; a pipe that ran dry is not.
    if (process.stdin.isTTY) this.#stop()
  }
}

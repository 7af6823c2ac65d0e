/** Emulators that run in this process, reachable by their socket in a folder of the tests' own. */
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { readPcapng } from '../../src/capture/pcapng-reader.ts'
import { BlockCutter } from '../../src/cli/block-cutter.ts'
import { ControlServer } from '../../src/live/control-server.ts'
import { Emulator } from '../../src/live/emulator.ts'
import { socketPath } from '../../src/live/runtime-folder.ts'
import { Lab } from '../../src/topology/lab.ts'
import { loadTopology } from '../../src/topology/load.ts'

const NOTHING = { readFile: () => null, listFolder: () => null }

/** Sockets of this file's tests are found by nobody else. */
export function ownRuntimeFolder(): void {
  const before = process.env.XDG_RUNTIME_DIR
  let folder = ''
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'podwire-run-'))
    process.env.XDG_RUNTIME_DIR = folder
  })
  afterAll(() => {
    rmSync(folder, { recursive: true })
    if (before === undefined) delete process.env.XDG_RUNTIME_DIR
    else process.env.XDG_RUNTIME_DIR = before
  })
}

export const HOSTS = `underlay: {cidr: 10.0.0.0/24}
hosts:
  - {name: a.example.com, ip: 10.0.0.1}
  - {name: b.example.com, ip: 10.0.0.2}
`

export class Emulated {
  readonly emulator: Emulator
  readonly #control: ControlServer
  readonly #running: Promise<void>
  readonly #stopping: AbortController

  private constructor(emulator: Emulator, control: ControlServer, stopping: AbortController) {
    this.emulator = emulator
    this.#control = control
    this.#stopping = stopping
    this.#running = emulator.pace.run(stopping.signal)
  }

  static async up(text = HOSTS, name = 'test'): Promise<Emulated> {
    const lab = await Lab.build(loadTopology('test.yaml', text, NOTHING), { ...NOTHING, capture: null })
    const stopping = new AbortController()
    const emulator = new Emulator(lab, name, 'test.yaml', 1, () => stopping.abort())
    return new Emulated(emulator, await ControlServer.open(emulator), stopping)
  }

  /** A command at the workstation: what it said, and its exit code. */
  async run(line: string): Promise<{ readonly exit: number; readonly said: string }> {
    let said = ''
    const keep = (text: string) => void (said += text)
    return { exit: await this.emulator.run(line, keep, keep).exit, said }
  }

  async down(): Promise<void> {
    this.#stopping.abort()
    await this.#running
    this.emulator.close()
    this.#control.close()
  }
}

/** A client of the socket that says any bytes, and keeps all that it hears. */
export class RawClient {
  readonly socket: Socket
  heard: Buffer = Buffer.alloc(0)
  ended = false
  #wake: (() => void) | null = null

  constructor(name = 'test') {
    this.socket = connect(socketPath(name))
    this.socket.on('error', () => {})
    this.socket.on('data', (bytes: Buffer) => {
      this.heard = Buffer.concat([this.heard, bytes])
      this.#wake?.()
    })
    this.socket.on('close', () => {
      this.ended = true
      this.#wake?.()
    })
  }

  say(message: unknown): void {
    this.socket.write(`${JSON.stringify(message)}\n`)
  }

  /** Until it holds, or the other side has closed. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds() && !this.ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  get lines(): string[] {
    return this.heard.toString('utf8').split('\n').slice(0, -1)
  }

  /** The capture behind the first line, as far as its blocks are whole. */
  get capture() {
    const bytes = this.heard.subarray(this.heard.indexOf(10) + 1)
    return readPcapng(new BlockCutter().cut(bytes))
  }

  /** So many packets have come. */
  packets(count: number): Promise<void> {
    return this.until(() => this.heard.length > 0 && this.heard.includes(10) && countPackets(this.heard) >= count)
  }
}

function countPackets(heard: Buffer): number {
  const cutter = new BlockCutter()
  cutter.cut(heard.subarray(heard.indexOf(10) + 1))
  return cutter.packets
}

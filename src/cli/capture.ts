/** `podwire capture`: attaches to a running emulator, and prints its frames or hands them on as pcapng. */
import { createWriteStream } from 'node:fs'
import type { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { ControlClient, choose } from '../live/control-client.ts'
import { type DoorAddress, openDoor } from '../live/door.ts'
import { BlockCutter } from './block-cutter.ts'
import { LiveText, type LiveTextOptions } from './live-text.ts'

export interface LiveCaptureOptions extends LiveTextOptions {
  readonly name?: string
  readonly filter?: string
  readonly write?: string
  readonly snaplen?: number
  readonly count?: number
  readonly listen?: DoorAddress
  /** Comments; without a word they are in pcapng, and not in text. */
  readonly explain?: boolean
}

/** What `capture` asks the emulator for. */
function request(interfaces: readonly string[], options: LiveCaptureOptions, comments: boolean) {
  const { filter = '', snaplen = 0, count = 0 } = options
  return { do: 'capture', interfaces, filter, snaplen, count, comments }
}

/** Returns the exit code when the capture is over. @throws LiveError */
export async function capture(interfaces: readonly string[], options: LiveCaptureOptions): Promise<number> {
  if (options.listen !== undefined) return serve(interfaces, options, options.listen)
  const written = options.write !== undefined
  const client = await ControlClient.connect(options.name)
  const answer = await client.ask(request(interfaces, options, options.explain ?? written))
  const names = answer.interfaces as string[]
  process.stderr.write(`${announcement(client.name, names)}\n`)
  const cutter = new BlockCutter()
  const sink = written ? fileSink(options.write as string) : null
  const text = written ? null : new LiveText(names.length !== 1 || interfaces.length !== 1, options)
  const stop = onStop(() => client.end())
  try {
    await flow(client, sink ?? process.stdout, (bytes) => {
      const blocks = cutter.cut(bytes)
      return text === null ? blocks : text.of(blocks)
    })
  } finally {
    stop()
  }
  if (sink !== null && sink !== process.stdout) await new Promise<void>((resolve) => sink.end(resolve))
  process.stderr.write(`${cutter.packets} packet${cutter.packets === 1 ? '' : 's'} captured\n`)
  return 0
}

function announcement(emulator: string, names: readonly string[]): string {
  const what = names.length === 1 ? names[0] : `${names.length} interfaces`
  return `podwire: capturing ${what} of ${emulator}; Ctrl-C ends it`
}

function fileSink(path: string): Writable {
  if (path === '-') return process.stdout
  const file = createWriteStream(path)
  file.on('error', (error) => {
    process.stderr.write(`podwire: ${path}: ${error.message}\n`)
    process.exit(2)
  })
  return file
}

/** A door at which each connection gets a capture of its own, until the user has had enough. */
async function serve(interfaces: readonly string[], options: LiveCaptureOptions, at: DoorAddress): Promise<number> {
  const door = await openReaderDoor(interfaces, options, at)
  process.stderr.write(`wireshark -k -i TCP@${door.address} -o vxlan.udp.port:4789,8472\n`)
  await new Promise<void>((resolve) => {
    const stop = onStop(() => {
      stop()
      resolve()
    })
  })
  door.close()
  return 0
}

export interface ReaderDoor {
  /** `127.0.0.1:PORT`. */
  readonly address: string
  close(): void
}

/** What is wrong with the request is said now, and not at the first connection. @throws LiveError */
export async function openReaderDoor(
  interfaces: readonly string[],
  options: LiveCaptureOptions,
  at: DoorAddress,
): Promise<ReaderDoor> {
  const name = await choose(options.name)
  const probe = await ControlClient.connect(name)
  await probe.ask(request(interfaces, options, false))
  probe.socket.destroy()
  const sockets = new Set<Socket>()
  const { server, address } = await openDoor(at, async (socket) => {
    sockets.add(socket)
    const client = await ControlClient.connect(name).catch(() => null)
    if (client === null) return void socket.destroy()
    socket.on('close', () => {
      sockets.delete(socket)
      client.socket.destroy()
    })
    client.send(request(interfaces, options, options.explain ?? true))
    const answer = await client.hear()
    if (answer?.ok === true) await flow(client, socket, (bytes) => bytes)
    socket.end()
  })
  const close = () => {
    server.close()
    for (const socket of sockets) socket.destroy()
  }
  return { address, close }
}

/** Bytes of the client into the sink, no faster than that takes them; resolves at their end. */
export function flow(
  client: ControlClient,
  sink: Writable,
  through: (bytes: Buffer) => Buffer | string,
): Promise<void> {
  return new Promise((resolve) => {
    client.socket.on('close', () => resolve())
    client.socket.on('end', () => client.end())
    // Wireshark's stop button: its reader is gone.
    sink.on('error', () => client.socket.destroy())
    client.bytes((bytes) => {
      const out = through(bytes)
      if (out.length === 0 || sink.write(out)) return
      client.socket.pause()
      sink.once('drain', () => client.socket.resume())
    })
  })
}

/** Calls back when the user has had enough; what is returned ends that. */
export function onStop(stop: () => void): () => void {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, stop)
  return () => {
    for (const signal of signals) process.off(signal, stop)
  }
}

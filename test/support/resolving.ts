/** A process with a name server at the other end of its sockets, without a network in between. */

import { type LabZone, labReply } from '../../src/host/commands/dns-server.ts'
import type { DnsMessage } from '../../src/host/dns-message.ts'
import type { Process, Program } from '../../src/host/process.ts'
import { decodeMessage } from '../../src/host/resolver.ts'
import type { World } from '../../src/link/world.ts'
import { MILLISECOND, type Nanos, SECOND } from '../../src/sim/scheduler.ts'
import type { UdpSocket } from '../../src/socket/udp.ts'
import { type Ipv4, parseIpv4 } from '../../src/wire/address.ts'
import { testWorld } from './world.ts'

export const CLUSTER_DNS = parseIpv4('10.96.0.10')
export const POD_RESOLV_CONF = `search default.svc.cluster.local svc.cluster.local cluster.local
nameserver 10.96.0.10
options ndots:5
`

/** The bytes of the reply, or null for silence. */
export type Server = (query: Uint8Array, message: DnsMessage) => Uint8Array | null

/** One query as the server saw it: `#1 A web.default.svc.cluster.local 47`, # counting sockets. */
export interface Asked {
  readonly text: string
  readonly at: Nanos
  readonly connected: boolean
  readonly dontFragment: boolean
  readonly bytes: Uint8Array
}

export interface Run {
  readonly output: string
  readonly code: number
  readonly asked: readonly Asked[]
  readonly took: Nanos
}

class FakeSocket {
  dontFragment = true
  onDatagram: UdpSocket['onDatagram'] = null
  onError: UdpSocket['onError'] = null
  readonly #send: (socket: FakeSocket, query: Uint8Array, to: Ipv4, connected: boolean) => null
  #remote: Ipv4 | null = null

  constructor(send: (socket: FakeSocket, query: Uint8Array, to: Ipv4, connected: boolean) => null) {
    this.#send = send
  }

  bind(): null {
    return null
  }

  connect(to: Ipv4): null {
    this.#remote = to
    return null
  }

  send(query: Uint8Array): null {
    return this.#send(this, query, this.#remote as Ipv4, true)
  }

  sendTo(query: Uint8Array, to: Ipv4): null {
    return this.#send(this, query, to, false)
  }

  close(): void {
    this.onDatagram = null
    this.onError = null
  }
}

export function labServer(zone: LabZone): Server {
  return (query) => labReply(zone, query)
}

/** Runs the program against the server, which answers after one millisecond. */
export async function runWith(
  program: Program,
  args: readonly string[],
  server: Server,
  files: Readonly<Record<string, string>> = { '/etc/resolv.conf': POD_RESOLV_CONF },
): Promise<Run> {
  const world = testWorld()
  const asked: Asked[] = []
  let output = ''
  const sockets: FakeSocket[] = []
  const send = (socket: FakeSocket, query: Uint8Array, to: Ipv4, connected: boolean): null => {
    const message = decodeMessage(query)
    if (message === null) throw new Error('the client sent bytes that are no message')
    const { name, type } = message.questions[0]
    const text = `#${sockets.indexOf(socket) + 1} ${type} ${name} ${query.length}`
    asked.push({ text, at: world.scheduler.now, connected, dontFragment: socket.dontFragment, bytes: query })
    const reply = server(query, message)
    if (reply !== null) world.scheduler.call(MILLISECOND, () => socket.onDatagram?.(reply, to, 53))
    return null
  }
  const self = {
    args,
    world,
    place: { files: new Map(Object.entries(files)), hostname: 'client' },
    // Sat Nov 21 08:20:07 UTC 2026
    runner: { wallClock: 1_795_249_207_000 },
    now: () => world.scheduler.now,
    out: (text: string) => {
      output += text
    },
    err: (text: string) => {
      output += text
    },
    udp: () => {
      const socket = new FakeSocket(send)
      sockets.push(socket)
      return socket
    },
    disclaim: () => {},
    wait: (start: (settle: (value: unknown) => void) => void, timeout: Nanos) => waitIn(world, start, timeout),
  }
  // Only what resolvers use of a process.
  const exit = program(self as unknown as Process)
  const code = await until(world, exit)
  return { output, code, asked, took: world.scheduler.now }
}

function waitIn(world: World, start: (settle: (value: unknown) => void) => void, timeout: Nanos): Promise<unknown> {
  return new Promise((resolve) => {
    const timer = world.scheduler.call(timeout, () => resolve(null))
    start((value) => {
      world.scheduler.cancel(timer)
      resolve(value)
    })
  })
}

async function until(world: World, promise: Promise<number>): Promise<number> {
  let code: number | null = null
  let failure: unknown = null
  promise.then(
    (value) => {
      code = value
    },
    (error: unknown) => {
      failure = error
    },
  )
  for (;;) {
    await new Promise((resolve) => setImmediate(resolve))
    if (failure !== null) throw failure
    if (code !== null) return code
    if (world.scheduler.next > 1000 * SECOND) throw new Error('the program waits for ever')
    world.scheduler.run(world.scheduler.next)
  }
}

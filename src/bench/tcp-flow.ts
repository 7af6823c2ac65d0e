/** One TCP flow over one impaired cable, in virtual time: the same on every machine. */
import type { Netem } from '../link/veth.ts'
import { Veth } from '../link/veth.ts'
import { World } from '../link/world.ts'
import { Netns } from '../net/netns.ts'
import { SECOND } from '../sim/scheduler.ts'
import { Sockets } from '../socket/sockets.ts'
import type { TcpSocket } from '../socket/tcp/socket.ts'
import { ANY, parseIpv4 } from '../wire/address.ts'

export const SERVER = parseIpv4('10.0.0.2')
export const PORT = 5201
const CHUNK = 65_536

export interface Pair {
  readonly world: World
  readonly a: Netns
  readonly b: Netns
}

/** 10.0.0.1 and 10.0.0.2 on one cable. */
export function pair(cable: Netem, seed = 1): Pair {
  const world = new World(seed)
  const [a, b] = [new Netns(world, 'a'), new Netns(world, 'b')]
  const macs = [Uint8Array.of(2, 0, 0, 0, 0, 1), Uint8Array.of(2, 0, 0, 0, 0, 2)]
  const ends = Veth.pair(world, 'eth0', macs[0], 'eth0', macs[1], cable)
  for (const [i, netns] of [a, b].entries()) {
    netns.adopt(ends[i])
    netns.addAddress(ends[i], parseIpv4(`10.0.0.${i + 1}`), 24)
    netns.setUp(ends[i])
  }
  return { world, a, b }
}

export function listen(netns: Netns, accept: (socket: TcpSocket) => void, backlog = 4096): void {
  netns.sysctl.set('net.core.somaxconn', String(backlog))
  const server = Sockets.of(netns).tcp()
  server.bind(ANY, PORT)
  const listener = server.listen(backlog)
  if (typeof listener === 'string') throw new Error(`listen: ${listener}`)
  listener.onAccept = accept
}

export interface Flow {
  readonly control: string
  readonly cable: Netem
  /** Of virtual time, after a first one. */
  readonly seconds: number
  readonly seed: number
}

export interface FlowOutcome {
  /** Bits per virtual second that arrived after the first second. */
  readonly goodput: number
  /** All payload bytes that arrived. */
  readonly bytes: number
  readonly segments: number
  readonly retransmissions: number
  /** Frames that the cable or its queue lost. */
  readonly drops: number
}

/** @throws RangeError when the kernel that is emulated has no such congestion control. */
export function flow({ control, cable, seconds, seed }: Flow): FlowOutcome {
  const { world, a, b } = pair(cable, seed)
  a.sysctl.set('net.ipv4.tcp_congestion_control', control)
  const inbox = new Uint8Array(CHUNK)
  let bytes = 0
  listen(b, (socket) => {
    socket.onReadable = () => {
      for (let length = socket.read(inbox); length > 0; length = socket.read(inbox)) bytes += length
    }
  })
  const client = Sockets.of(a).tcp()
  const outbox = new Uint8Array(CHUNK)
  const fill = () => {
    while (client.write(outbox, 0, CHUNK) === CHUNK) {}
  }
  client.onConnect = fill
  client.onWritable = fill
  client.connect(SERVER, PORT)
  world.scheduler.run(SECOND)
  const early = bytes
  world.scheduler.run((1 + seconds) * SECOND)
  const { tcpOutSegs, tcpRetransSegs } = a.counters
  return {
    goodput: ((bytes - early) * 8) / seconds,
    bytes,
    segments: tcpOutSegs,
    retransmissions: tcpRetransSegs,
    drops: world.frames.dropped.reduce((sum, count) => sum + count, 0),
  }
}

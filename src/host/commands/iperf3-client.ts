/** iperf3 -c: asks a server for a test, and runs it. */
import { MILLISECOND, SECOND } from '../../sim/scheduler.ts'
import { formatIpv4, type Ipv4 } from '../../wire/address.ts'
import { encodeText } from '../http.ts'
import type { Process } from '../process.ts'
import { resolve } from '../resolver.ts'
import { Datagrams, SocketError, TcpStream } from '../streams.ts'
import { COOKIE, Control, ControlError, resultIn, resultsOf, State, UDP_HELLO } from './iperf3-control.ts'
import { Flow, type Plan } from './iperf3-flow.ts'
import { type DataStream, TcpData, UdpData } from './iperf3-stream.ts'

export interface Wanted extends Plan {
  readonly host: string
  readonly port: number
  readonly parallel: number
  /** Bytes of a write; 0 for a datagram that just fits. */
  readonly block: number
}

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567'
/** What the server has to answer a datagram's first word. */
const PATIENCE = 30 * SECOND
/** What the client is busy with before it tells of the end, its statistics: as measured. The last data arrive meanwhile. */
const SUMMING_UP = 3 * MILLISECOND

export async function measure(self: Process, wanted: Wanted): Promise<number> {
  const { host, port, kind, sends, parallel, duration, bytes, blocks, rate } = wanted
  const answer = await resolve(self, host)
  if ('error' in answer) throw new ControlError(`unable to connect to server: ${answer.message}`)
  const [address] = answer.addresses
  const control = new Control(await connect(self, address, port))
  self.out(`Connecting to host ${host}, port ${port}\n`)
  if (!sends) self.out(`Reverse mode, remote host ${host} is sending\n`)
  const random = Array.from({ length: COOKIE - 1 }, () => ALPHABET[self.world.random.below(32)])
  const cookie = encodeText(`${random.join('')}\0`)
  await control.stream.write(cookie)
  await control.expect(State.paramExchange)
  const block = wanted.block > 0 ? wanted.block : (control.stream.socket.info()?.mss ?? 1460)
  await control.tell({
    [kind]: true,
    omit: 0,
    time: bytes > 0 || blocks > 0 ? 0 : duration / SECOND,
    num: bytes,
    blockcount: blocks,
    parallel,
    ...(sends ? {} : { reverse: true }),
    len: block,
    ...(rate > 0 ? { bandwidth: rate } : {}),
    pacing_timer: 1000,
    client_version: '3.12',
  })
  await control.expect(State.createStreams)
  const streams: DataStream[] = []
  try {
    for (let i = 0; i < parallel; i++) {
      const open =
        kind === 'tcp' ? openTcp(self, address, port, cookie, sends, block) : openUdp(self, address, port, sends, block)
      streams.push(await open)
    }
    await control.expect(State.testStart)
    const ids = streams.map((_, i) => descriptor(i))
    for (const [i, stream] of streams.entries()) self.out(connected(ids[i], stream))
    await control.expect(State.testRunning)
    const flow = new Flow(self, wanted, streams, ids, control.stream)
    await flow.run(false)
    await self.sleep(SUMMING_UP)
    await control.say(State.testEnd)
    await control.expect(State.exchangeResults)
    const congestion = streams[0] instanceof TcpData ? streams[0].congestion : null
    await control.tell(resultsOf(flow.results, sends, congestion))
    const peers = resultIn(await control.hear())
    await control.expect(State.displayResults)
    flow.summary(peers, true)
  } finally {
    for (const stream of streams) stream.close()
  }
  await control.say(State.iperfDone)
  control.stream.close()
  self.out('\niperf Done.\n')
  return 0
}

/** The number that the stream's socket gets: between them lie a buffer's file each, and one of the timers. */
function descriptor(stream: number): number {
  return 5 + 2 * stream + (stream > 2 ? 1 : 0)
}

export function connected(id: number, { local, remote }: DataStream): string {
  const [near, far] = [local, remote].map(([address, port]) => `${formatIpv4(address)} port ${port}`)
  return `[${String(id).padStart(3)}] local ${near} connected to ${far}\n`
}

async function connect(self: Process, address: Ipv4, port: number): Promise<TcpStream> {
  try {
    return await TcpStream.connect(self, address, port)
  } catch (error) {
    if (!(error instanceof SocketError)) throw error
    throw new ControlError(`unable to connect to server: ${error.message}`)
  }
}

async function openTcp(self: Process, address: Ipv4, port: number, cookie: Uint8Array, sends: boolean, block: number) {
  const stream = await TcpStream.connect(self, address, port)
  await stream.write(cookie)
  return new TcpData(stream, sends, block)
}

/** A first datagram tells the server where the stream comes from; it answers one. */
async function openUdp(self: Process, address: Ipv4, port: number, sends: boolean, block: number) {
  const socket = self.udp()
  const refused = socket.connect(address, port)
  if (refused !== null) throw new SocketError(refused)
  const first = new Datagrams(self, socket)
  first.send(UDP_HELLO)
  if ((await first.receive(PATIENCE)) === null) throw new ControlError('unable to read from stream socket: timed out')
  const transmit = sends ? (payload: Uint8Array) => void socket.send(payload.slice()) : null
  const local = [socket.localAddress, socket.localPort] as const
  const stream = new UdpData(local, [address, port], block, transmit, socket)
  socket.onDatagram = (payload) => stream.receive(payload, self.now())
  return stream
}

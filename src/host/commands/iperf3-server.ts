/** iperf3 -s: one test after the other, as clients ask for them. */
import { type Nanos, SECOND } from '../../sim/scheduler.ts'
import { ANY, formatIpv4 } from '../../wire/address.ts'
import type { Process } from '../process.ts'
import { Datagrams, SocketError, TcpAcceptor } from '../streams.ts'
import { connected } from './iperf3-client.ts'
import {
  COOKIE,
  Control,
  ControlError,
  count,
  exactly,
  resultIn,
  resultsOf,
  State,
  UDP_ANSWER,
} from './iperf3-control.ts'
import { Flow, type Plan } from './iperf3-flow.ts'
import { DATAGRAM_HEADER, type DataStream, TcpData, UdpData } from './iperf3-stream.ts'
import type { Kind } from './iperf3-text.ts'

const BAR = `${'-'.repeat(59)}\n`
export const LONGEST_BLOCK = 1024 * 1024
export const MOST_STREAMS = 128
/** From the first stream to the last. */
const PATIENCE = 30 * SECOND

export async function serve(self: Process, port: number, interval: Nanos, once: boolean): Promise<number> {
  const acceptor = listening(self, port)
  for (let test = 1; ; test++) {
    self.out(`${BAR}Server listening on ${port} (test #${test})\n${BAR}`)
    const control = new Control(await acceptor.accept())
    let code = 0
    try {
      await answer(self, acceptor, control, interval)
    } catch (error) {
      if (!(error instanceof SocketError || error instanceof ControlError)) throw error
      self.err(`iperf3: error - ${error.message}\n`)
      code = 1
    }
    control.stream.close()
    if (once) {
      acceptor.close()
      return code
    }
  }
}

function listening(self: Process, port: number): TcpAcceptor {
  try {
    return new TcpAcceptor(self, port, ANY, 2)
  } catch (error) {
    if (!(error instanceof SocketError)) throw error
    throw new ControlError(`unable to start listener for connections: ${error.message}`)
  }
}

/** What a client may ask for here; the rest of iperf3's parameters change nothing that a frame shows. */
interface Asked {
  readonly kind: Kind
  readonly sends: boolean
  readonly parallel: number
  readonly block: number
  readonly plan: Plan
}

function asked(wanted: Readonly<Record<string, unknown>>, interval: Nanos): Asked {
  const kind: Kind = wanted.udp === true ? 'udp' : 'tcp'
  const [parallel, block] = [count(wanted.parallel), count(wanted.len)]
  const smallest = kind === 'udp' ? DATAGRAM_HEADER : 1
  const known = wanted[kind] === true && wanted.bidirectional !== true
  if (!known || parallel < 1 || parallel > MOST_STREAMS || block < smallest || block > LONGEST_BLOCK) {
    throw new ControlError('this test is not modelled by podwire')
  }
  const sends = wanted.reverse === true
  const rate = count(wanted.bandwidth)
  const [bytes, blocks] = [count(wanted.num), count(wanted.blockcount)]
  const plan = { kind, sends, rate, bytes, blocks, duration: Number.POSITIVE_INFINITY, interval }
  return { kind, sends, parallel, block, plan }
}

async function answer(self: Process, acceptor: TcpAcceptor, control: Control, interval: Nanos): Promise<void> {
  const { stream } = control
  const cookie = await exactly(stream, COOKIE)
  await control.say(State.paramExchange)
  const wanted = await control.hear()
  self.out(`Accepted connection from ${formatIpv4(stream.remoteAddress)}, port ${stream.remotePort}\n`)
  const test = asked(wanted, interval)
  const streams: DataStream[] = []
  const door = test.kind === 'udp' ? Datagrams.bind(self, acceptor.port) : null
  try {
    await control.say(State.createStreams)
    if (door === null) await acceptTcp(acceptor, cookie, test, streams)
    else await acceptUdp(self, door, test, streams)
    const ids = streams.map((_, i) => descriptor(test.kind, i))
    for (const [i, each] of streams.entries()) self.out(connected(ids[i], each))
    await control.say(State.testStart)
    await control.say(State.testRunning)
    const flow = new Flow(self, test.plan, streams, ids, stream)
    await flow.run(true)
    await control.expect(State.testEnd)
    for (const each of streams) each.close()
    await control.say(State.exchangeResults)
    const peers = resultIn(await control.hear())
    await control.tell(resultsOf(flow.results, test.sends, test.kind === 'tcp' ? 'cubic' : null))
    await control.say(State.displayResults)
    flow.summary(peers, false)
    await control.expect(State.iperfDone)
  } finally {
    for (const each of streams) each.close()
    door?.close()
  }
}

/** The number that the stream's socket gets, among listeners, buffers' files and timers. */
function descriptor(kind: Kind, stream: number): number {
  if (kind === 'tcp') return [5, 8, 11][stream] ?? 7 + 2 * stream
  return [5, 6, 9][stream] ?? 6 + 2 * stream
}

async function acceptTcp(acceptor: TcpAcceptor, cookie: Uint8Array, test: Asked, streams: DataStream[]): Promise<void> {
  while (streams.length < test.parallel) {
    const stream = await acceptor.accept()
    streams.push(new TcpData(stream, test.sends, test.block))
    const shown = await exactly(stream, COOKIE)
    if (shown.some((byte, i) => byte !== cookie[i])) throw new ControlError('unable to receive cookie at server')
  }
}

/** One socket hears all streams, and tells them apart by who sends. */
async function acceptUdp(self: Process, door: Datagrams, test: Asked, streams: DataStream[]): Promise<void> {
  const known = new Map<string, UdpData>()
  while (streams.length < test.parallel) {
    const first = await door.receive(PATIENCE)
    if (first === null) throw new ControlError('unable to read from stream socket: timed out')
    const { from, fromPort } = first
    const transmit = test.sends ? (payload: Uint8Array) => door.sendTo(payload.slice(), from, fromPort) : null
    const local = [streams[0]?.local[0] ?? self.netns.lookup(from)?.source ?? ANY, door.socket.localPort] as const
    const stream = new UdpData(local, [from, fromPort], test.block, transmit, null)
    known.set(`${from}:${fromPort}`, stream)
    streams.push(stream)
    door.sendTo(UDP_ANSWER, from, fromPort)
  }
  door.socket.onDatagram = (payload, from, port) => known.get(`${from}:${port}`)?.receive(payload, self.now())
}

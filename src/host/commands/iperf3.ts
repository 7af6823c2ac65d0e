/** iperf3 (3.12): how much TCP or UDP carries, by a server and a client that agree on a test. */
import { type Nanos, SECOND } from '../../sim/scheduler.ts'
import { getopt, has, type Options, valueOf } from '../getopt.ts'
import type { Process, Program } from '../process.ts'
import { SocketError } from '../streams.ts'
import { measure, type Wanted } from './iperf3-client.ts'
import { ControlError } from './iperf3-control.ts'
import { LONGEST_BLOCK, MOST_STREAMS, serve } from './iperf3-server.ts'

const PORT = '5201'
const TCP_BLOCK = 128 * 1024
const SMALLEST_DATAGRAM = 16
const LARGEST_DATAGRAM = 65_507
/** UDP's, when nothing is said: one megabit. */
const UDP_RATE = 1024 * 1024
const LONGEST = 86_400

const USAGE = `
Usage: iperf3 [-s|-c host] [options]
       iperf3 [-h|--help] [-v|--version]

`

const long: Readonly<Record<string, string>> = {
  server: 's',
  'one-off': '1',
  daemon: 'D',
  client: 'c:',
  port: 'p:',
  time: 't:',
  bytes: 'n:',
  blockcount: 'k:',
  interval: 'i:',
  length: 'l:',
  reverse: 'R',
  parallel: 'P:',
  udp: 'u',
  bitrate: 'b:',
  bandwidth: 'b:',
  version4: '4',
}

/** A parameter that iperf3 refuses; the message is its sentence. */
class ParameterError extends Error {
  override readonly name = 'ParameterError'
}

export const iperf3: Program = async (self) => {
  const found = getopt(self.args.slice(1), 's1Dc:p:t:n:k:i:l:RP:ub:4', long)
  if (found.problem !== null) {
    if (found.problem.kind === 'missing') {
      self.err(`iperf3: option requires an argument -- '${found.problem.option.replace(/^-+/, '')}'\n`)
      return 1
    }
    self.err(`podwire: iperf3 ${found.problem.option} is not modelled\n`)
    return 2
  }
  try {
    const host = valueOf(found, 'c')
    const [port, interval] = common(found, host)
    if (has(found, 'D')) return daemon(self)
    return host === null
      ? await serve(self, port, interval, has(found, '1'))
      : await client(self, found, host, port, interval)
  } catch (problem) {
    if (problem instanceof ParameterError) self.err(`iperf3: parameter error - ${problem.message}\n${USAGE}`)
    else if (problem instanceof SocketError || problem instanceof ControlError)
      self.err(`iperf3: error - ${problem.message}\n`)
    else throw problem
    return 1
  }
}

/** daemon(3): the same again without -D, with nobody to read what it says. */
function daemon(self: Process): number {
  const words = self.args.map((word) => (word === '--daemon' ? '' : word.replace(/^(-[^-]*)D/, '$1')))
  self.place.spawn(
    words.filter((word) => word !== '' && word !== '-'),
    { out: () => {}, err: () => {} },
  )
  return 0
}

/** Port and interval. */
function common(found: Options, host: string | null): readonly [number, Nanos] {
  if (host !== null && has(found, 's')) throw new ParameterError('cannot be both server and client')
  if (host === null && !has(found, 's')) throw new ParameterError('must either be a client (-c) or server (-s)')
  if (host === null && [...'tnklRPub'].some((name) => has(found, name))) {
    throw new ParameterError('some option you are trying to set is client only')
  }
  if (host !== null && (has(found, '1') || has(found, 'D')))
    throw new ParameterError('some option you are trying to set is server only')
  const port = Math.trunc(Number(valueOf(found, 'p') ?? PORT)) || 0
  const interval = Number(valueOf(found, 'i') ?? 1)
  if (port < 1 || port > 65_535) throw new ParameterError('port number must be between 1 and 65535 inclusive')
  if (interval !== 0 && !(interval >= 0.1 && interval <= 60)) {
    throw new ParameterError('invalid report interval (min = 0.1, max = 60 seconds)')
  }
  return [port, interval * SECOND]
}

function client(self: Process, found: Options, host: string, port: number, interval: Nanos): Promise<number> {
  const udp = has(found, 'u')
  const [bytes, blocks] = [size(found, 'n', 0), size(found, 'k', 0)]
  const block = size(found, 'l', udp ? 0 : TCP_BLOCK)
  const time = Number(valueOf(found, 't') ?? 10)
  const parallel = Number(valueOf(found, 'P') ?? 1)
  if (['t', 'n', 'k'].filter((name) => has(found, name)).length > 1) {
    throw new ParameterError('only one test end condition (-t, -n, -k) may be specified')
  }
  if (time > LONGEST) throw new ParameterError(`test duration too long (maximum = ${LONGEST} seconds)`)
  if (parallel > MOST_STREAMS) {
    throw new ParameterError(`number of parallel streams too large (maximum = ${MOST_STREAMS})`)
  }
  if (udp && block !== 0 && (block < SMALLEST_DATAGRAM || block > LARGEST_DATAGRAM)) {
    throw new ParameterError(
      `block size invalid (minimum = ${SMALLEST_DATAGRAM} bytes, maximum = ${LARGEST_DATAGRAM} bytes)`,
    )
  }
  if (block > LONGEST_BLOCK) throw new ParameterError(`block size too large (maximum = ${LONGEST_BLOCK} bytes)`)
  const wanted: Wanted = {
    host,
    port,
    interval,
    kind: udp ? 'udp' : 'tcp',
    sends: !has(found, 'R'),
    parallel,
    block: block === 0 && !udp ? TCP_BLOCK : block,
    rate: rate(found, udp ? UDP_RATE : 0),
    bytes,
    blocks,
    duration: time * SECOND,
  }
  const numbers =
    Number.isInteger(time) && time > 0 && Number.isInteger(parallel) && parallel > 0 && found.rest.length === 0
  if (numbers) return measure(self, wanted)
  self.err(`podwire: iperf3 ${self.args.slice(1).join(' ')} is not modelled\n`)
  return Promise.resolve(2)
}

const PREFIXES = ' kmgt'

/** unit_atoi: K, M, G and T are powers of 1024. */
function size(found: Options, name: string, otherwise: number): number {
  return Math.floor(scaled(valueOf(found, name), 1024, otherwise))
}

/** unit_atof_rate: K, M, G and T are powers of 1000. */
function rate(found: Options, otherwise: number): number {
  return scaled(valueOf(found, 'b'), 1000, otherwise)
}

function scaled(text: string | null, step: number, otherwise: number): number {
  if (text === null) return otherwise
  const match = /^(\d+(?:\.\d+)?)([kmgt]?)/i.exec(text)
  // As atof has it: what is no number is zero.
  return match === null ? 0 : Number(match[1]) * step ** PREFIXES.indexOf(match[2].toLowerCase() || ' ')
}

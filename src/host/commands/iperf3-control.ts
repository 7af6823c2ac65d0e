/** iperf3's control connection: a cookie, states of one byte, JSON behind a length of four bytes. */
import { SECOND } from '../../sim/scheduler.ts'
import { decodeText, encodeText } from '../http.ts'
import type { TcpStream } from '../streams.ts'
import type { Result } from './iperf3-flow.ts'

/** The protocol's numbers for what comes next. */
export const State = {
  testStart: 1,
  testRunning: 2,
  testEnd: 4,
  paramExchange: 9,
  createStreams: 10,
  exchangeResults: 13,
  displayResults: 14,
  iperfDone: 16,
} as const

/** 36 characters and a NUL. */
export const COOKIE = 37
/** The first datagram of a stream, and what the server answers. */
export const UDP_HELLO = encodeText('9876')
export const UDP_ANSWER = encodeText('6789')
/** More than any peer has to say. */
const LONGEST = 65_536

/** The peer does not speak the protocol, or has gone. The message is iperf3's sentence. */
export class ControlError extends Error {
  override readonly name = 'ControlError'
}

export class Control {
  readonly stream: TcpStream

  constructor(stream: TcpStream) {
    this.stream = stream
    // A state must not wait for the acknowledgment of the JSON before it.
    stream.socket.noDelay = true
  }

  say(state: number): Promise<void> {
    return this.stream.write(Uint8Array.of(state))
  }

  /** @throws ControlError when the peer says something else. */
  async expect(state: number): Promise<void> {
    const [said] = await exactly(this.stream, 1)
    if (said !== state)
      throw new ControlError('received an unknown control message (ensure other side is iperf3 and not iperf)')
  }

  async tell(value: object): Promise<void> {
    const text = encodeText(JSON.stringify(value))
    const length = new Uint8Array(4)
    new DataView(length.buffer).setUint32(0, text.length)
    await this.stream.write(length)
    await this.stream.write(text)
  }

  /** @throws ControlError for anything but an object. */
  async hear(): Promise<Readonly<Record<string, unknown>>> {
    const head = await exactly(this.stream, 4)
    const length = new DataView(head.buffer, head.byteOffset).getUint32(0)
    if (length > LONGEST) throw new ControlError('unable to receive parameters')
    const text = decodeText(await exactly(this.stream, length))
    try {
      const value: unknown = JSON.parse(text)
      if (isRecord(value)) return value
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error
    }
    throw new ControlError('unable to receive parameters')
  }
}

/** This many bytes. @throws ControlError when the peer ends before. */
export async function exactly(stream: TcpStream, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; ) {
    const part = await stream.read(length - at)
    if (part === null) throw new ControlError('control socket has closed unexpectedly')
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A count in the peer's JSON; zero when it is none. */
export function count(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : 0
}

/**
 * What a side has seen. A processor's load is no part of this world: none is claimed. The second stream is number 3, as
 * iperf_add_stream counts; a peer refuses any other.
 */
export function resultsOf(results: readonly Result[], sends: boolean, congestion: string | null): object {
  return {
    cpu_util_total: 0,
    cpu_util_user: 0,
    cpu_util_system: 0,
    sender_has_retransmits: congestion === null ? -1 : sends ? 1 : 0,
    ...(congestion === null ? {} : { congestion_used: congestion }),
    streams: results.map((result, i) => ({
      id: i === 0 ? 1 : i + 2,
      bytes: result.bytes,
      retransmits: sends && congestion !== null ? result.retransmits : -1,
      jitter: result.jitter / SECOND,
      errors: result.lost,
      packets: result.datagrams,
      start_time: 0,
      end_time: result.elapsed / SECOND,
    })),
  }
}

/** @throws ControlError for anything but results. */
export function resultIn(results: Readonly<Record<string, unknown>>): readonly Result[] {
  const streams: unknown = results.streams
  if (!Array.isArray(streams) || !streams.every(isRecord)) throw new ControlError('unable to receive results')
  return streams.map((stream) => ({
    bytes: count(stream.bytes),
    retransmits: count(stream.retransmits),
    datagrams: count(stream.packets),
    lost: count(stream.errors),
    jitter: count(stream.jitter) * SECOND,
    elapsed: count(stream.end_time) * SECOND,
  }))
}

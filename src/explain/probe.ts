/** One packet sent to find out what becomes of it: a connection attempt, a datagram or a ping, from a program of its own. */
import { IcmpInbox, quotesEcho } from '../host/commands/icmp-inbox.ts'
import type { Process, Program } from '../host/process.ts'
import { resolve } from '../host/resolver.ts'
import { Datagrams, SocketError, TcpStream, TimedOut } from '../host/streams.ts'
import { type Errno, strerror } from '../net/errno.ts'
import { type Nanos, SECOND } from '../sim/scheduler.ts'
import { type Ipv4, parseIpv4, tryParseIpv4 } from '../wire/address.ts'
import * as icmp from '../wire/icmp.ts'
import { encodeUtf8 } from '../wire/utf8.ts'

export const protocols = ['tcp', 'udp', 'icmp'] as const
export type Protocol = (typeof protocols)[number]

export interface Probe {
  readonly protocol: Protocol
  /** An address, or a name for the sender's resolver. */
  readonly host: string
  /** 0 for ICMP. */
  readonly port: number
}

/** What the program was told: an answer, an error of its kernel, or nothing. */
export type Answer =
  | { readonly kind: 'answer' }
  | { readonly kind: 'error'; readonly errno: Errno; readonly message: string }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'unresolved'; readonly message: string }

export interface ProbeResult {
  readonly answer: Answer
  /** Null: the name has no address. */
  readonly address: Ipv4 | null
  /** The sender's port, or the identifier of its ping. */
  readonly identity: number
  /** When it was sent, the name being known. */
  readonly sent: Nanos
  readonly ended: Nanos
}

/** How long an answer is waited for: ARP gives up after three seconds. */
const PATIENCE = 5 * SECOND
const PING_SIZE = 56

/** A program that probes; `done` is told what it found, `sends` when the name is resolved. */
export function prober(probe: Probe, sends: () => void, done: (result: ProbeResult) => void): Program {
  return async (self) => {
    const address = await addressOf(self, probe.host)
    const sent = self.now()
    if (typeof address === 'string') {
      done({ answer: { kind: 'unresolved', message: address }, address: null, identity: 0, sent, ended: sent })
      return 1
    }
    sends()
    const { answer, identity } = await senders[probe.protocol](self, address, probe.port)
    done({ answer, address, identity, sent, ended: self.now() })
    return 0
  }
}

/** The text says why there is none. */
async function addressOf(self: Process, host: string): Promise<Ipv4 | string> {
  if (tryParseIpv4(host) !== null) return parseIpv4(host)
  const found = await resolve(self, host)
  return 'error' in found ? found.message : found.addresses[0]
}

interface Sent {
  readonly answer: Answer
  readonly identity: number
}

const senders: { readonly [protocol in Protocol]: (self: Process, to: Ipv4, port: number) => Promise<Sent> } = {
  tcp: connect,
  udp: datagram,
  icmp: ping,
}

async function connect(self: Process, to: Ipv4, port: number): Promise<Sent> {
  const stream = new TcpStream(self, self.tcp())
  stream.timeout = PATIENCE
  let answer: Answer = { kind: 'answer' }
  try {
    await stream.connect(to, port)
  } catch (error) {
    answer = answerOf(error)
  }
  const identity = stream.socket.localPort
  stream.close()
  return { answer, identity }
}

async function datagram(self: Process, to: Ipv4, port: number): Promise<Sent> {
  const socket = new Datagrams(self, self.udp())
  try {
    const refused = socket.socket.connect(to, port)
    if (refused !== null) throw new SocketError(refused)
    socket.send(encodeUtf8('podwire trace\n'))
    const reply = await socket.receive(PATIENCE)
    return { answer: { kind: reply === null ? 'nothing' : 'answer' }, identity: socket.socket.localPort }
  } catch (error) {
    return { answer: answerOf(error), identity: socket.socket.localPort }
  }
}

async function ping(self: Process, to: Ipv4): Promise<Sent> {
  const identity = self.world.random.below(65_536)
  const inbox = new IcmpInbox(self, (event) =>
    event.kind === 'reply' ? event.identifier === identity : quotesEcho(event, identity, to),
  )
  const refused = inbox.socket.echo(identity, 1, new Uint8Array(PING_SIZE), to)
  if (refused !== null) return { answer: answerOf(new SocketError(refused)), identity }
  await inbox.wait(PATIENCE)
  const event = inbox.take()
  if (event === null) return { answer: { kind: 'nothing' }, identity }
  if (event.kind === 'reply') return { answer: { kind: 'answer' }, identity }
  const errno = event.type === icmp.DESTINATION_UNREACHABLE ? unreachable(event.code) : 'EPROTO'
  return { answer: { kind: 'error', errno, message: strerror(errno) }, identity }
}

/** icmp_err_convert. */
function unreachable(code: number): Errno {
  if (code === icmp.NET_UNREACHABLE) return 'ENETUNREACH'
  return code === icmp.PORT_UNREACHABLE ? 'ECONNREFUSED' : 'EHOSTUNREACH'
}

function answerOf(error: unknown): Answer {
  if (error instanceof TimedOut) return { kind: 'nothing' }
  if (error instanceof SocketError) return { kind: 'error', errno: error.errno, message: error.message }
  throw error
}

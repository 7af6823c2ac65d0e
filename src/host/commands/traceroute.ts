/**
 * traceroute (Debian's, by Dmitry Butskoy, and BusyBox's): UDP probes to ports from 33434 up, or ICMP with -I, with
 * a growing TTL. Debian's sends sixteen probes at a time; one at a time is BusyBox's way.
 */
import { type Errno, strerror } from '../../net/errno.ts'
import { MICROSECOND, type Nanos, SECOND } from '../../sim/scheduler.ts'
import type { UdpSocket } from '../../socket/udp.ts'
import { ANY, formatIpv4, type Ipv4 } from '../../wire/address.ts'
import { u16 } from '../../wire/bytes.ts'
import * as icmp from '../../wire/icmp.ts'
import * as ipv4 from '../../wire/ipv4.ts'
import { getopt, has, valueOf } from '../getopt.ts'
import type { Process, Program } from '../process.ts'
import { resolve, reverse } from '../resolver.ts'
import { type IcmpEvent, IcmpInbox } from './icmp-inbox.ts'
import { milliseconds } from './ping-text.ts'
import { NOTHING, type TracerouteOptions, tracerouteOptions } from './traceroute-options.ts'

const FIRST_PORT = 33_434
const PROBE_COST: Nanos = 200 * MICROSECOND

interface Trace {
  readonly target: Ipv4
  readonly host: string
  readonly byIcmp: boolean
  readonly numeric: boolean
  readonly hops: number
  readonly first: number
  readonly queries: number
  /** Probes in flight. */
  readonly simultaneous: number
  /** Of the first UDP probe, or the first echo request's sequence number; null is the usual. */
  readonly port: number | null
  readonly wait: Nanos
  /** Of the whole IP packet. */
  readonly size: number
  readonly dontFragment: boolean
  readonly tos: number
  /** ANY lets the route choose. */
  readonly source: Ipv4
}

interface Answer {
  readonly from: Ipv4
  readonly trip: Nanos
  /** `!H`, `!N`, `!X`; empty when there is nothing to say. */
  readonly mark: string
  readonly final: boolean
}

interface Probe {
  readonly sent: Nanos
  answer: Answer | null
  expired: boolean
}

const VERSION =
  'Modern traceroute for Linux, version 2.1.2\nCopyright (c) 2016  Dmitry Butskoy,   License: GPL v2 or any later\n'

export const traceroute: Program = (self) => trace(self, 'debian')
export const busyboxTraceroute: Program = (self) => trace(self, 'busybox')

async function trace(self: Process, style: 'debian' | 'busybox'): Promise<number> {
  const asked = style === 'debian' ? tracerouteOptions(self.args.slice(1)) : busyboxOptions(self.args.slice(1))
  if (typeof asked === 'string') {
    self.err(`${asked}\n`)
    return style === 'debian' || asked.startsWith('podwire:') ? 2 : 1
  }
  if (asked.version) {
    self.err(VERSION)
    return 0
  }
  const { host } = asked
  const answer = await resolve(self, host)
  if ('error' in answer) {
    if (style === 'busybox') self.err(`traceroute: bad address '${host}'\n`)
    else {
      self.err(`${host}: ${answer.message}\n`)
      self.err(`Cannot handle "host" cmdline arg \`${host}' on position 1 (argc ${asked.hostAt})\n`)
    }
    return style === 'busybox' ? 1 : 2
  }
  let source: Ipv4 = ANY
  if (asked.source !== null) {
    const from = await resolve(self, asked.source.name)
    if ('error' in from) {
      const { name, at } = asked.source
      self.err(`${name}: ${from.message}\nCannot handle \`-s' option with arg \`${name}' (argc ${at})\n`)
      return 2
    }
    source = from.addresses[0]
  }
  const settings: Trace = { ...asked, wait: asked.wait * SECOND, target: answer.addresses[0], source }
  if (asked.dontFragment && asked.size > self.netns.mtuTo(settings.target)) {
    self.err(`podwire: traceroute -F with a packet larger than the way takes is not modelled\n`)
    return 2
  }
  const { hops, size, target } = settings
  self.out(`traceroute to ${host} (${formatIpv4(target)}), ${hops} hops max, ${size} byte packets`)
  if (source !== ANY && !self.netns.isLocal(source)) {
    self.err(`\nbind: ${strerror('EADDRNOTAVAIL')}\n`)
    return 1
  }
  self.out('\n')
  return new Tracer(self, settings, style).run()
}

/** BusyBox's: one probe at a time. A sentence instead when the command line is refused. */
function busyboxOptions(args: readonly string[]): TracerouteOptions | string {
  const found = getopt(args, '4Inm:f:q:w:p:')
  if (found.problem !== null) return `podwire: traceroute ${found.problem.option} is not modelled`
  const [host, length] = found.rest
  if (host === undefined) return 'BusyBox v1.36.1 multi-call binary.\n\nUsage: traceroute [OPTIONS] HOST [BYTES]'
  const number = (name: string, otherwise: number) => Number(valueOf(found, name) ?? otherwise)
  return {
    ...NOTHING,
    host,
    hostAt: 1,
    byIcmp: has(found, 'I'),
    numeric: has(found, 'n'),
    first: number('f', 1),
    hops: number('m', 30),
    queries: number('q', 3),
    simultaneous: 1,
    // Its first probe has the port one beyond the base.
    port: has(found, 'I') ? null : number('p', FIRST_PORT) + 1,
    wait: number('w', 5),
    size: Number(length ?? 46),
  }
}

class Tracer {
  readonly #self: Process
  readonly #trace: Trace
  readonly #style: 'debian' | 'busybox'
  readonly #inbox: IcmpInbox
  readonly #probes: Probe[] = []
  /** The first probe's port or sequence number. */
  readonly #base: number
  /** BusyBox sends all its probes by one socket, Debian's opens one for each. */
  readonly #socket: UdpSocket | null

  constructor(self: Process, settings: Trace, style: 'debian' | 'busybox') {
    this.#self = self
    this.#trace = settings
    this.#style = style
    this.#base = settings.port ?? (settings.byIcmp ? 1 : FIRST_PORT)
    this.#socket = style === 'busybox' && !settings.byIcmp ? self.udp() : null
    this.#inbox = new IcmpInbox(self, (event) => this.#indexOf(event) !== null)
  }

  async run(): Promise<number> {
    const { hops, first, queries, simultaneous: ahead } = this.#trace
    const last = (hops - first + 1) * queries
    let printed = 0
    let end = last
    while (printed < end) {
      while (this.#probes.length < end && this.#probes.length < printed + ahead) {
        const refused = this.#send(this.#probes.length)
        if (refused !== null) {
          this.#self.err(`${this.#style === 'debian' ? '' : 'traceroute: '}${refused}\n`)
          return 1
        }
        // Each probe opens a socket of its own: by the next one, near hops have answered.
        if (this.#style === 'debian') await this.#self.sleep(PROBE_COST)
      }
      await this.#settle(printed)
      // Probes beyond the hop that reached the target don't count.
      const reached = this.#probes.findIndex((probe) => probe.answer?.final === true)
      if (reached >= 0) end = Math.min(end, (Math.floor(reached / queries) + 1) * queries)
      while (printed < end && (this.#probes[printed]?.answer || this.#probes[printed]?.expired)) {
        await this.#print(printed++)
      }
    }
    return 0
  }

  /** Debian's connects each socket first: what no route takes is refused there already, what a rule drops by send. */
  #refused(errno: Errno): string {
    const why = strerror(errno)
    if (errno === 'EPERM') return this.#style === 'debian' ? `send: ${why}` : `sendto: ${why}`
    return this.#style === 'debian'
      ? `connect: ${why}`
      : `can't connect to remote host (${formatIpv4(this.#trace.target)}): ${why}`
  }

  /** Sends the probe of this index; a sentence when the socket refuses. */
  #send(index: number): string | null {
    const { target, byIcmp, first, queries, size } = this.#trace
    const ttl = first + Math.floor(index / queries)
    const payload = Uint8Array.from({ length: Math.max(0, size - ipv4.HEADER - 8) }, (_, at) => 0x40 + (at & 0x3f))
    this.#probes.push({ sent: this.#self.now(), answer: null, expired: false })
    if (byIcmp) {
      const errno = this.#inbox.socket.echo(this.#self.pid & 0xffff, (this.#base + index) & 0xffff, payload, target, {
        ttl,
        dontFragment: this.#trace.dontFragment,
        tos: this.#trace.tos,
        source: this.#trace.source,
      })
      return errno === null ? null : this.#refused(errno)
    }
    const own = this.#socket
    const socket = own ?? this.#self.udp()
    socket.ttl = ttl
    socket.dontFragment = own !== null || this.#trace.dontFragment
    socket.tos = this.#trace.tos
    if (own === null && this.#trace.source !== ANY) socket.bind(this.#trace.source, 0)
    const errno = socket.sendTo(payload, target, (this.#base + index) & 0xffff)
    if (own === null) {
      this.#self.disclaim(socket)
      socket.close()
    }
    return errno === null ? null : this.#refused(errno)
  }

  /** Which probe this event is about; null when it is none of ours. */
  #indexOf(event: IcmpEvent): number | null {
    const { target, byIcmp } = this.#trace
    if (event.kind === 'reply') {
      return byIcmp && event.identifier === (this.#self.pid & 0xffff) ? this.#indexAt(event.sequence) : null
    }
    if (event.destination !== target || event.type === icmp.REDIRECT) return null
    if (byIcmp) {
      const ours = event.protocol === ipv4.IPPROTO_ICMP && icmp.identifier(event.quote, 0) === (this.#self.pid & 0xffff)
      return ours ? this.#indexAt(icmp.sequence(event.quote, 0)) : null
    }
    if (event.protocol !== ipv4.IPPROTO_UDP) return null
    return this.#indexAt(u16(event.quote, 2))
  }

  /** The probe with this port or sequence number, of those that were sent. */
  #indexAt(mark: number): number | null {
    const index = (mark - this.#base) & 0xffff
    return index < this.#probes.length ? index : null
  }

  /** Until the probe of this index is answered or given up. */
  async #settle(index: number): Promise<void> {
    const probe = this.#probes[index]
    while (probe.answer === null && !probe.expired) {
      const left = probe.sent + this.#trace.wait - this.#self.now()
      if (left <= 0) {
        probe.expired = true
        return
      }
      await this.#inbox.wait(left)
      for (let event = this.#inbox.take(); event !== null; event = this.#inbox.take()) {
        this.#answered(event)
        // One socket gives one answer, and the next probe goes out before the next answer is read.
        if (this.#trace.byIcmp) break
      }
    }
  }

  #answered(event: IcmpEvent): void {
    const probe = this.#probes[this.#indexOf(event) ?? -1]
    if (probe === undefined || probe.answer !== null || probe.expired) return
    const trip = event.at - probe.sent
    if (event.kind === 'reply') probe.answer = { from: event.from, trip, mark: '', final: true }
    else {
      const expected = event.type === icmp.DESTINATION_UNREACHABLE && event.code === icmp.PORT_UNREACHABLE
      const final = event.type === icmp.DESTINATION_UNREACHABLE
      probe.answer = { from: event.from, trip, mark: final && !expected ? markOf(event.code, event.mtu) : '', final }
    }
  }

  async #print(index: number): Promise<void> {
    const { queries, first } = this.#trace
    const turn = index % queries
    const { answer } = this.#probes[index]
    const gap = this.#style === 'debian' ? ' ' : '  '
    let text = turn === 0 ? String(first + Math.floor(index / queries)).padStart(2) : ''
    if (turn === 0 && this.#style === 'debian') text += ' '
    if (answer === null) text += `${gap}*`
    else {
      const before = turn === 0 ? null : this.#addressBefore(index, turn)
      if (before !== answer.from) text += gap + (await this.#name(answer.from))
      text += `  ${milliseconds(answer.trip / 1000)} ms${answer.mark === '' ? '' : ` ${answer.mark}`}`
    }
    this.#self.out(turn === queries - 1 ? `${text}\n` : text)
  }

  /** The address printed last on this line. */
  #addressBefore(index: number, turn: number): Ipv4 | null {
    for (let at = index - 1; at >= index - turn; at--) {
      const { answer } = this.#probes[at]
      if (answer !== null) return answer.from
    }
    return null
  }

  async #name(address: Ipv4): Promise<string> {
    const text = formatIpv4(address)
    if (this.#trace.numeric) return text
    return `${(await reverse(this.#self, address)) ?? text} (${text})`
  }
}

function markOf(code: number, mtu: number): string {
  if (code === icmp.FRAGMENTATION_NEEDED) return `!F-${mtu}`
  const marks: Record<number, string> = { 0: '!N', 1: '!H', 2: '!P', 5: '!S', 10: '!X', 13: '!X' }
  return marks[code] ?? `!<${code}>`
}

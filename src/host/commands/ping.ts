/**
 * ping as in iputils 20221126, with its very own pace: it does not send once a second, it waits for its socket's
 * time-out (one second on the kernel's timer wheel) after the last thing that happened, then sends.
 */

import { strerror } from '../../net/errno.ts'
import { wheel } from '../../sim/jiffies.ts'
import { MILLISECOND, type Nanos, SECOND } from '../../sim/scheduler.ts'
import { formatIpv4, type Ipv4, tryParseIpv4 } from '../../wire/address.ts'
import * as icmp from '../../wire/icmp.ts'
import { getopt, has, type Options, valueOf } from '../getopt.ts'
import { type Process, type Program, SIGINT } from '../process.ts'
import { resolve, reverse } from '../resolver.ts'
import { type EchoReply, type IcmpFailure, IcmpInbox, quotesEcho } from './icmp-inbox.ts'
import { deviceNamed } from './ip-device.ts'
import { icmpText, milliseconds, percent, tripText } from './ping-text.ts'

const TIMEVAL = 16
/** MAXWAIT: how long to wait for a first answer, in milliseconds. */
const LINGER = 10_000

interface Settings {
  readonly target: Ipv4
  /** As in the first line and the statistics. */
  readonly hostname: string
  readonly numeric: boolean
  readonly count: number
  /** Milliseconds. */
  readonly interval: number
  readonly linger: number
  readonly deadline: number
  readonly size: number
  readonly ttl: number
  readonly tos: number
  readonly discover: 'do' | 'want' | 'dont'
  readonly quiet: boolean
  readonly stamps: boolean
  readonly source: Ipv4 | null
  /** ` from 10.244.1.2 eth0`; empty without -I. */
  readonly from: string
}

export const ping: Program = async (self) => {
  const found = getopt(self.args.slice(1), '4bBc:DfI:i:l:M:nOp:Q:qRs:t:T:UvVw:W:6hLS:m:d')
  if (found.problem !== null) {
    const { kind, option } = found.problem
    self.err(
      kind === 'unknown'
        ? `ping: invalid option -- '${option.replace(/^-+/, '')}'\n`
        : `ping: option requires an argument -- '${option.slice(1)}'\n`,
    )
    return 2
  }
  if (has(found, 'V')) {
    self.out('ping from iputils 20221126\n')
    return 0
  }
  for (const option of 'fR6lpTLSmdO') {
    if (!has(found, option)) continue
    self.err(`podwire: ping -${option} is not modelled\n`)
    return 2
  }
  const settings = await settingsOf(self, found)
  return typeof settings === 'number' ? settings : new Ping(self, settings).run()
}

/** An exit code when something is wrong with them. */
async function settingsOf(self: Process, found: Options): Promise<Settings | number> {
  const numbers = { c: 0, i: 1, s: 56, t: 64, Q: 0, w: 0, W: LINGER / 1000 }
  for (const [name, text] of found.options) {
    if (!(name in numbers)) continue
    const value = Number(text)
    const limits: Record<string, [number, number]> = { c: [1, 2 ** 53], s: [0, 65_507], t: [0, 255], Q: [0, 255] }
    const [least, most] = limits[name] ?? [0, 1_000_000]
    if (text === '' || Number.isNaN(value)) {
      self.err(`ping: invalid argument: '${text}'\n`)
      return 1
    }
    if (value < least || value > most) {
      self.err(`ping: invalid argument: '${text}': out of range: ${least} <= value <= ${most}\n`)
      return 1
    }
    numbers[name as keyof typeof numbers] = value
  }
  const discover = valueOf(found, 'M') ?? 'want'
  if (discover !== 'do' && discover !== 'want' && discover !== 'dont') {
    self.err(`ping: invalid -M argument: ${discover}\n`)
    return 1
  }
  if (found.rest.length === 0) {
    self.err('ping: usage error: Destination address required\n')
    return 1
  }
  if (found.rest.length > 1) {
    self.err('podwire: ping with several hops is not modelled\n')
    return 2
  }
  const name = found.rest[0]
  const literal = tryParseIpv4(name)
  const answer = await resolve(self, name)
  if ('error' in answer) {
    self.err(`ping: ${name}: ${answer.message}\n`)
    return 2
  }
  const target = answer.addresses[0]
  const route = self.netns.lookup(target)
  if (route === null || route.type === 'unreachable' || route.type === 'blackhole' || route.type === 'prohibit') {
    self.err(`ping: connect: ${strerror(route?.type === 'unreachable' ? 'EHOSTUNREACH' : 'ENETUNREACH')}\n`)
    return 2
  }
  if (route.type === 'broadcast' && !has(found, 'b')) {
    self.err('ping: Do you want to ping broadcast? Then -b. If not, check your local firewall rules\n')
    return 2
  }
  if (route.type === 'broadcast') self.err('WARNING: pinging broadcast address\n')
  const via = sourceOf(self, valueOf(found, 'I'))
  if (typeof via === 'string') {
    self.err(via)
    return 2
  }
  return {
    target,
    hostname: answer.canonical,
    numeric: literal !== null || has(found, 'n'),
    count: numbers.c,
    interval: Math.max(Math.round(numbers.i * 1000), 2),
    linger: numbers.W * 1000,
    deadline: numbers.w * 1000,
    size: numbers.s,
    ttl: numbers.t,
    tos: numbers.Q,
    discover,
    quiet: has(found, 'q'),
    stamps: has(found, 'D'),
    ...via,
  }
}

/** What -I means; a sentence when it means nothing. */
function sourceOf(self: Process, name: string | null): { source: Ipv4 | null; from: string } | string {
  if (name === null) return { source: null, from: '' }
  const address = tryParseIpv4(name)
  if (address !== null) {
    if (!self.netns.isLocal(address)) return `ping: bind: ${strerror('EADDRNOTAVAIL')}\n`
    return { source: address, from: ` from ${name} :` }
  }
  const device = deviceNamed(self.netns, name)
  if (device === null) return `ping: unknown iface: ${name}\n`
  const first = self.netns.addressesOf(device)[0]
  if (first === undefined) return { source: null, from: '' }
  return { source: first.address, from: ` from ${formatIpv4(first.address)} ${name}:` }
}

class Ping {
  readonly #self: Process
  readonly #settings: Settings
  readonly #identifier: number
  readonly #inbox: IcmpInbox
  readonly #seen = new Set<number>()
  #transmitted = 0
  #received = 0
  #repeats = 0
  #errors = 0
  #acknowledged = 0
  #pipe = 0
  /** Microseconds. */
  #sum = 0
  #squares = 0
  #least = Number.POSITIVE_INFINITY
  #most = 0
  #started: Nanos = 0
  /** When the last probe was sent; -1 before the first. */
  #sent: Nanos = -1
  #tokens = 0
  #exiting = false
  #named: Ipv4 | null = null
  #nameText = ''
  /** The alarm that ends it is set. */
  #alarmed = false

  constructor(self: Process, settings: Settings) {
    this.#self = self
    this.#settings = settings
    this.#identifier = self.world.random.below(65_536)
    this.#inbox = new IcmpInbox(self, (event) =>
      event.kind === 'reply'
        ? event.identifier === this.#identifier
        : quotesEcho(event, this.#identifier, settings.target),
    )
  }

  async run(): Promise<number> {
    const { target, hostname, from, size, count, deadline } = this.#settings
    const dots = from === '' ? `${size}(${size + 28}) bytes of data.` : `${from} ${size}(${size + 28}) bytes of data.`
    this.#self.out(`PING ${hostname} (${formatIpv4(target)})${from === '' ? ` ${dots}` : dots}\n`)
    this.#self.trap(SIGINT, () => this.#alarm())
    this.#started = this.#self.now()
    if (deadline > 0) this.#setAlarm(deadline)
    while (!this.#exiting) {
      if (count > 0 && this.#received + this.#errors >= count) break
      if (deadline > 0 && this.#errors > 0) break
      let next: number
      do next = this.#scheduleExit(this.#probe())
      while (next <= 0)
      await this.#receive(next)
    }
    return this.#finish()
  }

  #alarm(): void {
    this.#exiting = true
    this.#inbox.poke()
  }

  #setAlarm(delay: number): void {
    const { scheduler } = this.#self.world
    const timer = scheduler.call(delay * MILLISECOND, () => this.#alarm())
    this.#self.own({ close: () => scheduler.cancel(timer) })
  }

  /** pinger(): sends when it is time. Returns milliseconds until the next time. */
  #probe(): number {
    const { count, interval, deadline } = this.#settings
    if (this.#exiting || (count > 0 && this.#transmitted >= count && deadline === 0)) return 1000
    const now = this.#self.now()
    if (this.#sent >= 0) {
      const earned = Math.min(interval, Math.floor((now - this.#sent) / MILLISECOND + 0.5) + this.#tokens)
      if (earned < interval) return interval - earned
      this.#tokens = earned - interval
    }
    this.#sent = now
    if (this.#send()) return interval - this.#tokens
    this.#tokens = 0
    return interval
  }

  /** False after a local error, which counts as sent. */
  #send(): boolean {
    const { target, ttl, tos, discover, source } = this.#settings
    const errno = this.#inbox.socket.echo(this.#identifier, (this.#transmitted + 1) & 0xffff, this.#payload(), target, {
      ttl,
      tos,
      dontFragment: discover !== 'dont',
      forbidFragments: discover === 'do',
      ...(source === null ? {} : { source }),
    })
    this.#transmitted++
    if (errno === null) return true
    if (errno === 'EMSGSIZE') {
      this.#errors++
      this.#warn(`ping: local error: message too long, mtu=${this.#self.netns.mtuTo(target)}\n`)
    } else this.#warn(`ping: sendmsg: ${strerror(errno)}\n`)
    return false
  }

  #payload(): Uint8Array {
    const { size } = this.#settings
    const payload = Uint8Array.from({ length: size }, (_, index) => index & 0xff)
    if (size >= TIMEVAL) {
      const micros = Math.floor(this.#self.now() / 1000)
      const view = new DataView(payload.buffer)
      view.setBigUint64(0, BigInt(this.#self.runner.epochSeconds + Math.floor(micros / 1_000_000)), true)
      view.setBigUint64(8, BigInt(micros % 1_000_000), true)
    }
    return payload
  }

  /** When the last probe is out: how long to wait for answers. */
  #scheduleExit(next: number): number {
    const { count, interval, linger, deadline } = this.#settings
    if (count === 0 || this.#transmitted < count || deadline > 0 || this.#alarmed) return next
    this.#alarmed = true
    const wait = this.#received > 0 ? Math.max((2 * this.#most) / 1000, interval) : linger
    this.#setAlarm(wait)
    return Math.max(next, Math.floor(wait))
  }

  async #receive(next: number): Promise<void> {
    const { interval } = this.#settings
    // Below the interval ping polls (an hrtimer); otherwise recvmsg's own time-out is on the timer wheel.
    const now = this.#self.now()
    const least = Math.max(10, interval)
    const socketTimeout = wheel(now, Math.min(least, 1000) * MILLISECOND) - now
    await this.#inbox.wait(next < least ? next * MILLISECOND : socketTimeout)
    for (let event = this.#inbox.take(); event !== null; event = this.#inbox.take()) {
      if (event.kind === 'reply') await this.#replied(event)
      else await this.#failed(event)
      if (this.#inFlight() === 0) break
    }
  }

  async #replied(reply: EchoReply): Promise<void> {
    const { size, quiet } = this.#settings
    const { sequence } = reply
    const duplicate = this.#seen.has(sequence)
    this.#seen.add(sequence)
    if (duplicate) this.#repeats++
    else this.#received++
    this.#acknowledge(sequence)
    const timed = size >= TIMEVAL
    const trip = timed ? this.#trip(reply) : 0
    if (timed) {
      this.#sum += trip
      this.#squares += trip * trip
      this.#least = Math.min(this.#least, trip)
      this.#most = Math.max(this.#most, trip)
    }
    if (quiet) return
    const time = timed ? ` time=${tripText(trip)} ms` : ''
    const from = await this.#name(reply.from)
    this.#say(
      `${reply.length} bytes from ${from}: icmp_seq=${sequence} ttl=${reply.ttl}${time}${duplicate ? ' (DUP!)' : ''}\n`,
    )
  }

  /** Microseconds since the time that the payload carries. */
  #trip(reply: EchoReply): number {
    const view = new DataView(reply.payload.buffer, reply.payload.byteOffset)
    const seconds = Number(view.getBigUint64(0, true)) - this.#self.runner.epochSeconds
    return Math.max(0, Math.floor(reply.at / 1000) - seconds * 1_000_000 - Number(view.getBigUint64(8, true)))
  }

  async #failed(failure: IcmpFailure): Promise<void> {
    const sequence = icmp.sequence(failure.quote, 0)
    const { quiet } = this.#settings
    const redirect = failure.type === icmp.REDIRECT
    if (!redirect) {
      this.#acknowledge(sequence)
      this.#errors++
    }
    if (quiet) return
    const colon = redirect ? ':' : ''
    const text = icmpText(failure.type, failure.code, failure.mtu)
    const from = await this.#name(failure.from)
    this.#say(`From ${from}${colon} icmp_seq=${sequence} ${text}\n`)
  }

  /** pr_addr(): the name behind an address, looked up again only when another one comes. */
  async #name(address: Ipv4): Promise<string> {
    const text = formatIpv4(address)
    if (this.#settings.numeric) return text
    if (this.#named !== address) {
      this.#nameText = (await reverse(this.#self, address)) ?? text
      this.#named = address
    }
    return `${this.#nameText} (${text})`
  }

  #say(text: string): void {
    const stamp = this.#settings.stamps ? `[${(this.#self.runner.wallClock / 1000).toFixed(6)}] ` : ''
    this.#self.out(stamp + text)
  }

  #warn(text: string): void {
    if (!this.#settings.quiet) this.#self.err(text)
  }

  #acknowledge(sequence: number): void {
    const behind = (this.#transmitted - sequence) & 0xffff
    if (behind > 0x7fff) return
    this.#pipe = Math.max(this.#pipe, behind + 1)
    const ahead = (sequence - this.#acknowledged) & 0xffff
    if ((ahead > 0 && ahead < 0x8000) || ((this.#transmitted - this.#acknowledged) & 0xffff) > 0x7fff) {
      this.#acknowledged = sequence
    }
  }

  #inFlight(): number {
    const behind = (this.#transmitted - this.#acknowledged) & 0xffff
    return behind <= 0x7fff ? behind : this.#transmitted - this.#received - this.#errors
  }

  #finish(): number {
    const sent = this.#transmitted
    const elapsed = Math.floor((Math.max(this.#sent, this.#started) - this.#started + SECOND / 2000) / MILLISECOND)
    let text = `\n--- ${this.#settings.hostname} ping statistics ---\n`
    text += `${sent} packets transmitted, ${this.#received} received`
    if (this.#repeats > 0) text += `, +${this.#repeats} duplicates`
    if (this.#errors > 0) text += `, +${this.#errors} errors`
    if (sent > 0) text += `, ${percent(sent - this.#received, sent)}% packet loss, time ${elapsed}ms`
    text += '\n'
    const tail: string[] = []
    if (this.#received > 0 && this.#settings.size >= TIMEVAL) tail.push(`rtt min/avg/max/mdev = ${this.#trips()} ms`)
    if (this.#pipe > 1) tail.push(`pipe ${this.#pipe}`)
    this.#self.out(`${text}${tail.join(', ')}\n`)
    const { deadline, count } = this.#settings
    return this.#received === 0 || (deadline > 0 && this.#received < count) ? 1 : 0
  }

  #trips(): string {
    const total = this.#received + this.#repeats
    const average = Math.floor(this.#sum / total)
    const variance = Math.max(0, Math.floor((this.#squares - Math.floor((this.#sum * this.#sum) / total)) / total))
    return [this.#least, average, this.#most, Math.floor(Math.sqrt(variance))].map(milliseconds).join('/')
  }
}

/**
 * ping as in iputils 20221126, with its very own pace: it does not send once a second, it waits for its socket's
 * time-out (one second on the kernel's timer wheel) after the last thing that happened, then sends.
 */
import { strerror } from '../../net/errno.ts'
import { wheel } from '../../sim/jiffies.ts'
import { MILLISECOND, type Nanos, SECOND } from '../../sim/scheduler.ts'
import { formatIpv4, type Ipv4 } from '../../wire/address.ts'
import * as icmp from '../../wire/icmp.ts'
import { type Process, SIGINT } from '../process.ts'
import { reverse } from '../resolver.ts'
import { type EchoReply, type IcmpFailure, IcmpInbox, quotesEcho } from './icmp-inbox.ts'
import { tool } from './ip-words.ts'
import { pingSettings, type Settings } from './ping-options.ts'
import { icmpText, milliseconds, OptionsText, percent, tripText } from './ping-text.ts'

const TIMEVAL = 16
/** No payload is longer: what is asked for beyond is never sent, and nobody says so. */
const LARGEST = 65_507
/** MIN_INTERVAL_MS: the pace of a flood that nobody answers. */
const LEAST_INTERVAL = 10

export const ping = tool(async (self) => {
  const settings = await pingSettings(self)
  return typeof settings === 'number' ? settings : new Ping(self, settings).run()
})

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
  /** Milliseconds: of -i, or what -A has found. */
  #interval: number
  /** The smoothed round trip, eightfold, in microseconds; 0 before the first. */
  #smoothed = 0
  readonly #optionsText: OptionsText
  /** The alarm that ends it is set. */
  #alarmed = false

  constructor(self: Process, settings: Settings) {
    this.#self = self
    this.#settings = settings
    this.#identifier = settings.identifier ?? self.world.random.below(65_536)
    this.#interval = settings.interval
    this.#optionsText = new OptionsText((address) => this.#name(address))
    this.#inbox = new IcmpInbox(self, (event) =>
      event.kind === 'reply'
        ? event.identifier === this.#identifier
        : quotesEcho(event, this.#identifier, settings.target),
    )
    // Whoever pings a broadcast address has asked to (-b).
    this.#inbox.socket.broadcast = true
  }

  async run(): Promise<number> {
    const { target, hostname, from, size, count, deadline, ipOptions } = this.#settings
    const whole = size + 28 + (ipOptions === null ? 0 : 40)
    this.#self.out(`PING ${hostname} (${formatIpv4(target)})${from} ${size}(${whole}) bytes of data.\n`)
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
    const { count, deadline, preload, outstanding, quiet, flood } = this.#settings
    const interval = this.#interval
    if (this.#exiting || (count > 0 && this.#transmitted >= count && deadline === 0)) return 1000
    const now = this.#self.now()
    if (this.#sent < 0) this.#tokens = interval * (preload - 1)
    else {
      const passed = Math.floor((now - this.#sent) / MILLISECOND + 0.5)
      // A flood that sees no answers keeps to a hundred packets a second.
      if (interval === 0 && passed < LEAST_INTERVAL && this.#inFlight() >= preload) return LEAST_INTERVAL - passed
      const earned = Math.min(interval * preload, passed + this.#tokens)
      if (earned < interval) return interval - earned
      this.#tokens = earned - interval
    }
    this.#sent = now
    if (outstanding && this.#transmitted > 0 && !this.#seen.has(this.#transmitted & 0xffff))
      this.#say(`no answer yet for icmp_seq=${this.#transmitted & 0xffff}\n`)
    if (this.#send()) {
      if (flood && !quiet) this.#self.out('.')
      return interval - this.#tokens
    }
    this.#tokens = 0
    return Math.max(interval, LEAST_INTERVAL)
  }

  /** False after a local error, which counts as sent. */
  #send(): boolean {
    const { target, ttl, tos, discover, source, size, mark, ipOptions, flood, quiet } = this.#settings
    if (size > LARGEST) {
      this.#transmitted++
      return false
    }
    const errno = this.#inbox.socket.echo(this.#identifier, (this.#transmitted + 1) & 0xffff, this.#payload(), target, {
      tos,
      ...(ttl === null ? {} : { ttl }),
      ...(mark === null ? {} : { mark }),
      ...(ipOptions === null ? {} : { options: ipOptions }),
      ...(discover === null ? {} : { dontFragment: discover !== 'dont' }),
      forbidFragments: discover === 'do',
      ...(source === null ? {} : { source }),
    })
    this.#transmitted++
    if (errno === null) return true
    if (errno === 'EMSGSIZE') {
      this.#errors++
      this.#warn(`ping: local error: message too long, mtu=${this.#self.netns.mtuTo(target)}\n`)
    } else if (flood && !quiet) this.#self.out('E')
    else this.#warn(`ping: sendmsg: ${strerror(errno)}\n`)
    return false
  }

  #payload(): Uint8Array {
    const { size, pattern } = this.#settings
    const at = pattern === null ? (index: number) => index & 0xff : (index: number) => pattern[index % pattern.length]
    const payload = Uint8Array.from({ length: size }, (_, index) => at(index))
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
    const { count, linger, deadline } = this.#settings
    const interval = this.#interval
    if (count === 0 || this.#transmitted < count || deadline > 0 || this.#alarmed) return next
    this.#alarmed = true
    const wait = this.#received > 0 ? Math.max((2 * this.#most) / 1000, interval) : linger
    this.#setAlarm(wait)
    return Math.max(next, Math.floor(wait))
  }

  async #receive(next: number): Promise<void> {
    const interval = this.#interval
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
    const { size, quiet, adaptive, flood, audible, verbose } = this.#settings
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
      this.#smoothed += this.#smoothed === 0 ? trip * 8 : trip - Math.floor(this.#smoothed / 8)
      // update_interval: as fast as answers come, one in flight.
      if (adaptive) this.#interval = Math.floor((Math.floor(this.#smoothed / 8) + 500) / 1000)
    }
    if (quiet) return
    if (flood) {
      this.#self.out('\b \b')
      return
    }
    const time = timed ? ` time=${tripText(trip)} ms` : ''
    const from = await this.#name(reply.from)
    const ident = verbose ? ` ident=${reply.identifier}` : ''
    const options = await this.#optionsText.of(reply.options)
    this.#say(
      `${reply.length} bytes from ${from}: icmp_seq=${sequence}${ident} ttl=${reply.ttl}${time}` +
        `${duplicate ? ' (DUP!)' : ''}${audible ? '\x07' : ''}${options}\n`,
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
    if (this.#settings.flood) {
      if (!redirect) this.#self.out('\bE')
      return
    }
    const colon = redirect ? ':' : ''
    const hop = redirect ? `(New nexthop: ${await this.#name(failure.gateway)})` : ''
    const text = `${icmpText(failure.type, failure.code, failure.mtu)}${hop}`
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
    const { flood, adaptive } = this.#settings
    if (this.#received > 0 && sent > 1 && (this.#interval === 0 || flood || adaptive)) {
      const gap = Math.floor((Math.max(this.#sent, this.#started) - this.#started) / 1000 / (sent - 1))
      tail.push(`ipg/ewma ${milliseconds(gap)}/${milliseconds(Math.floor(this.#smoothed / 8))} ms`)
    }
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

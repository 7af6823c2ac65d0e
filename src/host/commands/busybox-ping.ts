/** ping as in BusyBox: `seq=0`, one probe a second by the clock, ICMP errors not reported. */
import { strerror } from '../../net/errno.ts'
import { type Nanos, SECOND } from '../../sim/scheduler.ts'
import { formatIpv4, type Ipv4, tryParseIpv4 } from '../../wire/address.ts'
import { getopt, has, valueOf } from '../getopt.ts'
import { type Process, type Program, SIGINT } from '../process.ts'
import { resolve } from '../resolver.ts'
import { type EchoReply, IcmpInbox } from './icmp-inbox.ts'
import { milliseconds } from './ping-text.ts'

interface Settings {
  readonly host: string
  readonly target: Ipv4
  /** 0: without end. */
  readonly count: number
  readonly size: number
  readonly interval: Nanos
  /** After the last probe. */
  readonly linger: Nanos
  readonly deadline: Nanos
  readonly ttl: number
  readonly source: Ipv4 | null
  readonly quiet: boolean
}

export const busyboxPing: Program = async (self) => {
  const found = getopt(self.args.slice(1), 'qvAc:i:t:w:W:s:I:p:4')
  const hosts = found.rest
  if (found.problem !== null || hosts.length !== 1) {
    if (found.problem !== null) {
      const letter = found.problem.option.replace(/^-+/, '')
      const what = found.problem.kind === 'unknown' ? 'unrecognized option' : 'option requires an argument --'
      self.err(`ping: ${what}: ${letter}\n`)
    }
    self.err('BusyBox v1.36.1 multi-call binary.\n\nUsage: ping [OPTIONS] HOST\n')
    return 1
  }
  if (has(found, 'A') || has(found, 'p')) {
    self.err(`podwire: ping -${has(found, 'A') ? 'A' : 'p'} is not modelled\n`)
    return 2
  }
  const number = (name: string, otherwise: number) => Number(valueOf(found, name) ?? otherwise)
  for (const name of 'citwWs') {
    if (number(name, 1) >= 0) continue
    self.err(`ping: invalid number '${valueOf(found, name)}'\n`)
    return 1
  }
  const host = hosts[0]
  const answer = await resolve(self, host)
  if ('error' in answer) {
    self.err(`ping: bad address '${host}'\n`)
    return 1
  }
  const via = valueOf(found, 'I')
  const device = via === null ? undefined : self.netns.devices.get(via)
  const source =
    via === null ? null : (tryParseIpv4(via) ?? (device && self.netns.addressesOf(device)[0]?.address) ?? null)
  if (via !== null && source === null) {
    self.err(`ping: can't bind to interface ${via}: No such device\n`)
    return 1
  }
  return new BusyboxPing(self, {
    host,
    target: answer.addresses[0],
    count: number('c', 0),
    size: number('s', 56),
    interval: number('i', 1) * SECOND,
    linger: number('W', 10) * SECOND,
    deadline: number('w', 0) * SECOND,
    ttl: number('t', self.netns.defaultTtl),
    source,
    quiet: has(found, 'q'),
  }).run()
}

class BusyboxPing {
  readonly #self: Process
  readonly #settings: Settings
  readonly #identifier: number
  readonly #inbox: IcmpInbox
  /** When each sequence number was sent. */
  readonly #sentAt = new Map<number, Nanos>()
  readonly #seen = new Set<number>()
  #transmitted = 0
  #received = 0
  #repeats = 0
  #sum = 0
  #least = Number.POSITIVE_INFINITY
  #most = 0
  #interrupted = false

  constructor(self: Process, settings: Settings) {
    this.#self = self
    this.#settings = settings
    this.#identifier = self.pid & 0xffff
    this.#inbox = new IcmpInbox(self, (event) => event.kind === 'reply' && event.identifier === this.#identifier)
    this.#inbox.socket.broadcast = true
  }

  async run(): Promise<number> {
    const { host, target, size, count, interval, linger, deadline } = this.#settings
    this.#self.out(`PING ${host} (${formatIpv4(target)}): ${size} data bytes\n`)
    this.#self.trap(SIGINT, () => {
      this.#interrupted = true
      this.#inbox.poke()
    })
    const began = this.#self.now()
    let next = began
    let over = deadline > 0 ? began + deadline : Number.POSITIVE_INFINITY
    while (!this.#interrupted) {
      const now = this.#self.now()
      if (now >= over || (count > 0 && this.#received >= count)) break
      if (now >= next && (count === 0 || this.#transmitted < count)) {
        const refused = this.#send()
        if (refused !== null) return refused
        next = now + interval
        if (this.#transmitted === count) {
          // With an answer so far it waits twice the longest round trip, at least a second; else all of -W.
          const wait = this.#received > 0 ? Math.max(2 * this.#most, SECOND) : linger
          over = Math.min(over, now + wait)
        }
        continue
      }
      const waiting = count > 0 && this.#transmitted >= count
      await this.#inbox.wait((waiting ? over : Math.min(next, over)) - now)
      for (let event = this.#inbox.take(); event !== null; event = this.#inbox.take()) {
        if (event.kind === 'reply') this.#replied(event)
      }
    }
    return this.#finish()
  }

  /** An exit code when the socket refuses. */
  #send(): number | null {
    const { target, size, ttl, source } = this.#settings
    const payload = new Uint8Array(size)
    // Four bytes of monotonic microseconds, in the machine's byte order.
    if (size >= 4) new DataView(payload.buffer).setUint32(0, Math.floor(this.#self.now() / 1000) >>> 0, true)
    const sequence = this.#transmitted & 0xffff
    this.#sentAt.set(sequence, this.#self.now())
    const options = source === null ? { ttl } : { ttl, source }
    const errno = this.#inbox.socket.echo(this.#identifier, sequence, payload, target, options)
    if (errno !== null) {
      this.#self.err(`ping: sendto: ${strerror(errno)}\n`)
      return 1
    }
    this.#transmitted++
    return null
  }

  #replied(reply: EchoReply): void {
    const { sequence } = reply
    const sent = this.#sentAt.get(sequence)
    if (sent === undefined) return
    const trip = reply.at - sent
    this.#sum += trip
    this.#least = Math.min(this.#least, trip)
    this.#most = Math.max(this.#most, trip)
    const duplicate = this.#seen.has(sequence)
    this.#seen.add(sequence)
    if (duplicate) this.#repeats++
    else this.#received++
    if (this.#settings.quiet) return
    const time = this.#settings.size >= 4 ? ` time=${milliseconds(trip / 1000)} ms` : ''
    const from = formatIpv4(reply.from)
    this.#self.out(
      `${reply.length} bytes from ${from}: seq=${sequence} ttl=${reply.ttl}${time}${duplicate ? ' (DUP!)' : ''}\n`,
    )
  }

  #finish(): number {
    const sent = this.#transmitted
    let text = `\n--- ${this.#settings.host} ping statistics ---\n`
    text += `${sent} packets transmitted, ${this.#received} packets received, `
    if (this.#repeats > 0) text += `${this.#repeats} duplicates, `
    text += `${sent === 0 ? 0 : Math.floor(((sent - this.#received) * 100) / sent)}% packet loss\n`
    if (this.#received > 0 && this.#settings.size >= 4) {
      const average = this.#sum / (this.#received + this.#repeats)
      const trips = [this.#least, average, this.#most].map((trip) => milliseconds(trip / 1000))
      text += `round-trip min/avg/max = ${trips.join('/')} ms\n`
    }
    this.#self.out(text)
    return this.#received === 0 ? 1 : 0
  }
}

/**
 * The single-host test door: one host's TCP in virtual time, driven by requests and answering with events. Requests
 * that make system calls are in socket-calls.ts. A request that cannot be done changes nothing and says so.
 */
import { Fifo } from '../../link/qdisc.ts'
import { missingForValue } from '../../net/sysctl-unused.ts'
import { SECOND } from '../../sim/scheduler.ts'
import { type Answer, Calls } from './calls.ts'
import { Fields, Unsupported } from './fields.ts'
import { Host } from './host.ts'
import { SocketCalls } from './socket-calls.ts'

/** An event as it goes out: one line of JSON. */
export type HarnessEvent = Readonly<Record<string, unknown>>

const MICROSECOND = 1000
const LEAST_MTU = 68
const LARGEST_PACKET = 65_535
const LONGEST_ADVANCE = 100 * 86_400 * 1e6

export class TcpHarness {
  #host: Host | null = null
  #calls: SocketCalls | null = null
  #sleeping: Calls | null = null
  #events: HarnessEvent[] = []

  /** Takes one line; returns what happened, `done` last. */
  request(line: string): HarnessEvent[] {
    this.#events = []
    let id = 0
    let refused: string | null = null
    try {
      const fields = parsed(line)
      if (Number.isSafeInteger(fields.id)) id = fields.id as number
      else throw new Unsupported(`id is a whole number, not ${JSON.stringify(fields.id)}`)
      this.#perform(id, new Fields(fields))
    } catch (error) {
      if (!(error instanceof Unsupported)) throw error
      refused = error.message
    }
    const done = { ev: 'done', id, now_us: this.#now() }
    this.#events.push(refused === null ? done : { ...done, unsupported: true, msg: refused })
    return this.#events
  }

  /** Zero between requests: no packet is on its way inside the host. */
  get framesInUse(): number {
    return this.#host?.world.frames.inUse ?? 0
  }

  #perform(id: number, fields: Fields): void {
    const op = fields.text('op')
    if (op === 'init') return this.#init(fields)
    const host = this.#host
    if (host === null || this.#calls === null) throw new Unsupported(`${op}: init comes first`)
    // Requests take no time here. A kernel that is asked the same has milliseconds between them.
    host.sockets.pause()
    switch (op) {
      case 'sysctl':
        this.#sysctl(host, fields)
        break
      case 'link':
        this.#link(host, fields)
        break
      case 'advance':
        return this.#advance(host, fields.integer('us', 1, LONGEST_ADVANCE))
      case 'inject':
        this.#inject(host, fields)
        break
      default:
        this.#calls.make(id, op, fields)
    }
    this.#settle(host)
  }

  #init(fields: Fields): void {
    const local = fields.address('local_ip')
    fields.address('remote_ip')
    const prefix = fields.integer('prefix_len', 0, 32)
    const mtu = fields.integerOr('mtu', 1500, LEAST_MTU, LARGEST_PACKET)
    const seed = fields.integerOr('seed', 1, 0, 0x7fffffff)
    const host = new Host(seed, local, prefix, mtu, (packet) => this.#sent(packet))
    const sleeping = new Calls(host.world, (call, answer) => this.#answered(call, answer))
    this.#host = host
    this.#sleeping = sleeping
    this.#calls = new SocketCalls(host, sleeping)
  }

  #sysctl({ netns }: Host, fields: Fields): void {
    const given = fields.text('name').replaceAll('/', '.')
    const name = given.startsWith('net.') ? given : `net.ipv4.${given}`
    const value = String(fields.raw('value') ?? '')
    if (netns.sysctl.get(name) === null) throw new Unsupported(`${name} is not modelled`)
    const missing = missingForValue(name, value.trim(), netns.sysctl.get(name) ?? '')
    if (missing !== null) throw new Unsupported(`${name}: ${missing} is not modelled`)
    if (!netns.sysctl.set(name, value)) throw new Unsupported(`${name} does not take ${JSON.stringify(value)}`)
  }

  /** Segments leave one by one, whatever `gso` says; they add up to the same. */
  #link({ device }: Host, fields: Fields): void {
    fields.flag('gso')
    if (!fields.has('tx')) return
    const tx = fields.text('tx')
    if (tx === 'pass') device.qdisc = null
    else if (tx === 'qdisc_drop') device.qdisc = new Fifo(device, 'pfifo', 0)
    else throw new Unsupported(`tx ${tx} is not modelled`)
  }

  #inject({ device }: Host, fields: Fields): void {
    const packet = fields.bytes('hex')
    const segmentSize = fields.integerOr('gso_size', 0, 0, LARGEST_PACKET)
    if (packet.length > LARGEST_PACKET) throw new Unsupported(`a datagram has at most ${LARGEST_PACKET} bytes`)
    device.write(packet, segmentSize)
  }

  /** Time moves on, at most to the first instant at which something is seen. */
  #advance(host: Host, microseconds: number): void {
    const { scheduler } = host.world
    const target = scheduler.now + microseconds * MICROSECOND
    while (scheduler.next <= target) {
      scheduler.run(scheduler.next)
      this.#settle(host)
      if (this.#events.length > 0) return
    }
    scheduler.run(target)
  }

  /** All that happens without time passing. */
  #settle({ world }: Host): void {
    const { scheduler } = world
    for (;;) {
      const before = this.#events.length
      this.#sleeping?.retry()
      if (scheduler.next <= scheduler.now) scheduler.run(scheduler.now)
      else if (this.#events.length === before) return
    }
  }

  #sent(packet: Uint8Array): void {
    const hex = Buffer.from(packet.buffer, packet.byteOffset, packet.length).toString('hex')
    this.#events.push({ ev: 'tx', t_us: this.#now(), hex })
  }

  #answered(call: number, { ret, err, extras }: Answer): void {
    const event = { ev: 'return', call, t_us: this.#now(), ret }
    this.#events.push(err === undefined ? { ...event, ...extras } : { ...event, err, ...extras })
  }

  #now(): number {
    return this.#host === null ? 0 : Math.floor((this.#host.world.scheduler.now * 1e6) / SECOND)
  }
}

function parsed(line: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (error) {
    throw new Unsupported(`this line is not JSON: ${(error as Error).message}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Unsupported('a request is one JSON object on one line')
  }
  return value as Record<string, unknown>
}

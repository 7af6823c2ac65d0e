/**
 * Scripts for the test door. A line that begins with `>` or `=` is what is expected; all others are done:
 *
 *   L = socket [nonblock] · bind L 8080 · listen L 5 · A = accept L · connect C 80 · connect C unspec
 *   send A 1000 [FLAGS] · recv A 100 [FLAGS] · shutdown A wr · close A · nonblock A
 *   set A NAME VALUE · get A NAME · ioctl A NAME · poll A POLLIN|POLLOUT MS · info A FIELD... · sysctl NAME VALUE
 *   < S 0 win 65535 <mss 1460>     a segment arrives (`<40001` from another port, `< icmp 3 1` an error,
 *                                  `gro 1460` at its end: an aggregate of such segments)
 *   wait 300                       so many milliseconds, with what happens in them
 *   > P. 1:101 ack 1               a segment left; in a wait with the milliseconds since it began: `> +204 …`
 *   = 100                          what the call returned; `= ...` it sleeps; `= recv A: 5` a sleeper returned
 *
 *   open A [ts|plain] [far] [ecn]  a connection that the peer opens: listener L, port 8080, accepted as A
 *   dial C [ts|plain] [far]        a connection that we open to port 80; `far`: the handshake takes 50 ms, `distant`:
 *                                  900 ms, `ecn`: with ECN
 *   link pass|qdisc_drop           the local queue takes packets, or refuses them
 *
 * Calls that return 0 at once say nothing. `windows off` leaves windows out of what is compared.
 */
import { build, buildIcmp, type Flow, LOCAL, print, REMOTE } from './packet.ts'

export interface DoorEvent {
  readonly ev: string
  readonly [key: string]: unknown
}

/** Somebody who answers requests: podwire in this process, or a kernel behind a pipe. */
export type Ask = (request: Record<string, unknown>) => Promise<readonly DoorEvent[]> | readonly DoorEvent[]

export interface Case {
  readonly name: string
  /** RFC or kernel: where the expectations come from. */
  readonly from: string
  readonly lines: readonly string[]
}

/** Cases begin with `== name`, then `from …`. */
export function parseCases(text: string): Case[] {
  return text
    .split(/^== /m)
    .slice(1)
    .map((part) => {
      const [name, ...rest] = part.split('\n').map((line) => line.trimEnd())
      const lines = rest.filter((line) => line.trim() !== '' && !line.startsWith('#'))
      const from = lines[0]?.startsWith('from ') ? (lines.shift() as string).slice(5) : ''
      return { name: name.trim(), from, lines }
    })
}

export function isExpectation(line: string): boolean {
  return line.startsWith('> ') || line.startsWith('= ') || /^>\d+ /.test(line)
}

const shutdowns: Record<string, string> = { rd: 'SHUT_RD', wr: 'SHUT_WR', rdwr: 'SHUT_RDWR' }

/** Milliseconds after which something counts as done by a timer. */
const AT_ONCE = 12

export class Player {
  readonly #ask: Ask
  #id = 0
  readonly #handles = new Map<string, number>()
  readonly #flows = new Map<number, Flow>()
  readonly #calls = new Map<
    number,
    { readonly text: string; readonly name: string | null; readonly wants: readonly string[] }
  >()
  #current = 40_000
  #listenPort = 8080
  #windows = true
  #waitFrom = -1
  /** Where the line of the present wait stands. */
  #waitLine = 0
  readonly transcript: string[] = []

  constructor(ask: Ask) {
    this.#ask = ask
  }

  /** Does all lines that are not expectations; returns them with what happened. */
  async play(lines: readonly string[]): Promise<string[]> {
    const mtu = Number(lines.find((line) => line.startsWith('mtu '))?.slice(4) ?? 1500)
    await this.#request({ op: 'init', local_ip: LOCAL, remote_ip: REMOTE, prefix_len: 16, mtu, seed: 1 }, '', null, [])
    for (const line of lines) {
      if (isExpectation(line)) continue
      this.transcript.push(line)
      if (!line.startsWith('mtu ')) await this.#line(line)
    }
    return this.transcript
  }

  async #line(line: string): Promise<void> {
    const arrival = /^<(\d*) (.*)$/.exec(line)
    if (arrival !== null) return this.#arrive(arrival[1], arrival[2])
    const named = /^(\w+) = (.*)$/.exec(line)
    const name = named?.[1] ?? null
    const text = named?.[2] ?? line
    const [verb, ...words] = text.split(/\s+/)
    if (verb === 'windows') {
      this.#windows = words[0] !== 'off'
      return
    }
    if (verb === 'open' || verb === 'dial') return this.#prelude(verb, words[0], words.slice(1))
    if (verb === 'wait') return this.#wait(Number(words[0]))
    await this.#request(this.#call(verb, words), `${verb} ${words[0] ?? ''}`, name, words.slice(1))
  }

  /** A handshake that is not what the case is about. */
  async #prelude(verb: string, name: string, kinds: readonly string[]): Promise<void> {
    const plain = kinds.includes('plain')
    const stamps = kinds.includes('ts')
    const options = plain ? 'mss 1460' : `mss 1460,${stamps ? 'sackOK,TS 100' : 'nop,nop,sackOK'},nop,wscale 7`
    const stamp = stamps ? ' <nop,nop,TS 101>' : ''
    const window = plain ? 65_535 : 512
    const far = kinds.includes('distant') ? ['wait 900'] : kinds.includes('far') ? ['wait 50'] : []
    const passive = [
      ...(kinds.includes('ecn') ? ['sysctl tcp_ecn 1'] : []),
      'L = socket',
      'bind L 8080',
      'listen L 5',
      `< ${kinds.includes('ecn') ? 'SEW' : 'S'} 0 win 65535 <${options}>`,
      ...far,
      `< . 1 ack 1 win ${window}${stamp}`,
      `${name} = accept L`,
    ]
    const synAck = `< S. 0 ack 1 win 65535 <${options}>`
    const active = [`${name} = socket nonblock`, `connect ${name} 80`, ...far, synAck]
    const kept = this.transcript.length
    for (const line of verb === 'open' ? passive : active) await this.#line(line)
    this.transcript.length = kept
  }

  async #arrive(port: string, text: string): Promise<void> {
    if (port !== '') this.#current = Number(port)
    const flow = this.#flow(this.#current)
    const packet = text.startsWith('icmp') ? buildIcmp(text, flow) : build(text, flow)
    const aggregate = / gro (\d+)/.exec(text)
    const sizes = aggregate === null ? {} : { gso_size: Number(aggregate[1]) }
    await this.#request({ op: 'inject', hex: packet.toString('hex'), ...sizes }, '', null, [])
  }

  async #wait(milliseconds: number): Promise<void> {
    this.#waitLine = this.transcript.length - 1
    let from = -1
    let left = milliseconds * 1000
    while (left > 0) {
      const events = await this.#events({ op: 'advance', us: left })
      const now = Number(events.at(-1)?.now_us)
      if (from < 0) {
        from = this.#last
        this.#waitFrom = from
      }
      this.#print(events, null)
      left = from + milliseconds * 1000 - now
    }
    this.#waitFrom = -1
  }

  #last = 0

  async #events(request: Record<string, unknown>): Promise<readonly DoorEvent[]> {
    const before = this.#now
    const events = await this.#ask({ id: ++this.#id, ...request })
    this.#last = before
    this.#now = Number(events.at(-1)?.now_us ?? 0)
    return events
  }

  #now = 0

  async #request(
    request: Record<string, unknown>,
    text: string,
    name: string | null,
    wants: readonly string[],
  ): Promise<void> {
    const call = this.#id + 1
    if (text !== '') this.#calls.set(call, { text, name, wants })
    const events = await this.#events(request)
    this.#print(events, call)
    const slept = text !== '' && !events.some((each) => each.ev === 'return' && each.call === call)
    const asleep =
      slept &&
      this.#calls.has(call) &&
      request.op !== 'sysctl' &&
      request.op !== 'link' &&
      events.at(-1)?.unsupported !== true
    if (asleep) this.transcript.push('= ...')
  }

  #print(events: readonly DoorEvent[], call: number | null): void {
    for (const event of events) {
      const since = Math.round((Number(event.t_us) - this.#waitFrom) / 1000)
      const at = this.#waitFrom < 0 || since <= AT_ONCE ? '' : `+${since} `
      // What a timer of a jiffy or two does belongs to what was done before the wait.
      const wait = this.#waitFrom >= 0 && at === '' ? this.transcript.splice(this.#waitLine, 1) : []
      if (event.ev === 'tx') this.#printPacket(Buffer.from(String(event.hex), 'hex'), at)
      else if (event.ev === 'return') this.#printReturn(event, call, at)
      else if (event.unsupported === true) this.transcript.push(`= unsupported: ${event.msg}`)
      if (wait.length > 0) {
        this.#waitLine = this.transcript.length
        this.transcript.push(...wait)
      }
    }
  }

  #printPacket(packet: Buffer, at: string): void {
    const before = this.#current
    const [text, flow] = print(packet, (port) => this.#flow(port), this.#windows)
    if (flow !== null) this.#current = flow.remotePort
    this.transcript.push(`>${flow !== null && flow.remotePort !== before ? flow.remotePort : ''} ${at}${text}`)
  }

  #printReturn(event: DoorEvent, call: number | null, at: string): void {
    const made = this.#calls.get(Number(event.call))
    if (made === undefined) return
    this.#calls.delete(Number(event.call))
    const late = event.call !== call
    if (made.name !== null && Number(event.ret) >= 0) this.#handles.set(made.name, Number(event.ret))
    const parts: string[] = []
    if (event.err !== undefined) parts.push(String(event.err))
    else if (made.name !== null) parts.push(made.name)
    else parts.push(String(event.ret))
    if (event.inq !== undefined) parts.push(`inq ${event.inq}`)
    if (event.value !== undefined) parts[0] = shown(event.value)
    if (Array.isArray(event.revents))
      parts.push(event.revents.map((each: string[]) => [...each].sort().join('|') || '-').join(' '))
    const info = event.info as Record<string, number> | undefined
    if (info !== undefined)
      parts.splice(0, 1, ...made.wants.map((field) => `${field} ${info[`tcpi_${field}`] ?? info[field]}`))
    const text = parts.join(' ')
    if (late) this.transcript.push(`= ${at}${made.text}: ${text}`)
    else if (text !== '0' && (made.name === null || event.err !== undefined)) this.transcript.push(`= ${text}`)
    else if (/^(recv|send|get|ioctl)/.test(made.text)) this.transcript.push(`= ${text}`)
  }

  #flow(remotePort: number): Flow {
    let flow = this.#flows.get(remotePort)
    if (flow === undefined) {
      flow = { remotePort, localPort: this.#listenPort, isn: 0, stamp: 0, last: null }
      this.#flows.set(remotePort, flow)
    }
    return flow
  }

  #handle(name: string): number {
    return this.#handles.get(name) ?? -1
  }

  #call(verb: string, words: readonly string[]): Record<string, unknown> {
    const fd = this.#handle(words[0])
    switch (verb) {
      case 'socket':
        return { op: 'socket', nonblock: words[0] === 'nonblock' }
      case 'bind':
        if (Number(words[1]) !== 0) this.#listenPort = Number(words[1])
        return { op: 'bind', fd, ip: words[2] ?? '0.0.0.0', port: Number(words[1]) }
      case 'listen':
        return { op: 'listen', fd, backlog: Number(words[1]) }
      case 'accept':
        return { op: 'accept', fd, nonblock: words[1] === 'nonblock' }
      case 'connect':
        if (words[1] === 'unspec') return { op: 'connect', fd, unspec: true }
        this.#current = Number(words[1])
        return { op: 'connect', fd, ip: words[2] ?? REMOTE, port: Number(words[1]) }
      case 'send':
        return { op: 'send', fd, len: Number(words[1]), flags: words.slice(2) }
      case 'recv':
        return { op: 'recv', fd, len: Number(words[1]), flags: words.slice(2) }
      case 'shutdown':
        return { op: 'shutdown', fd, how: shutdowns[words[1]] }
      case 'close':
        return { op: 'close', fd }
      case 'nonblock':
        return { op: 'set_nonblock', fd, on: words[1] !== 'off' }
      case 'set':
        return { op: 'setsockopt', fd, level: level(words[1]), name: words[1], value: value(words[1], words[2]) }
      case 'get':
        return { op: 'getsockopt', fd, level: level(words[1]), name: words[1] }
      case 'ioctl':
        return { op: 'ioctl', fd, name: words[1] }
      case 'poll':
        return { op: 'poll', fds: [{ fd, events: words[1].split('|') }], timeout_ms: Number(words[2] ?? 0) }
      case 'info':
        return { op: 'tcp_info', fd }
      case 'link':
        return { op: 'link', tx: words[0] }
      case 'sysctl':
        return { op: 'sysctl', name: words[0], value: words.slice(1).join(' ') }
      default:
        throw new Error(`${verb}?`)
    }
  }
}

function level(name: string): string {
  return name.startsWith('SO_') ? 'SOL_SOCKET' : name.startsWith('IP_') ? 'SOL_IP' : 'SOL_TCP'
}

function value(name: string, word: string): unknown {
  if (name === 'SO_LINGER') {
    const [onoff, linger] = word.split('/').map(Number)
    return { onoff, linger }
  }
  if (name.endsWith('TIMEO')) return { tv_sec: Math.floor(Number(word) / 1000), tv_usec: (Number(word) % 1000) * 1000 }
  return /^-?\d+$/.test(word) ? Number(word) : word
}

function shown(given: unknown): string {
  return typeof given === 'object' && given !== null ? Object.values(given).join('/') : String(given)
}

/** Lines that differ; times may be a few jiffies and a sixteenth off (two clocks, and the timer wheel's rounding). */
export function firstDifference(expected: readonly string[], seen: readonly string[]): string | null {
  for (let i = 0; i < Math.max(expected.length, seen.length); i++) {
    if (!alike(expected[i] ?? '(nothing)', seen[i] ?? '(nothing)')) {
      return `after ${seen[i - 1] ?? 'the start'}\n  expected ${expected[i] ?? '(nothing)'}\n  but      ${seen[i] ?? '(nothing)'}`
    }
  }
  return null
}

function alike(expected: string, seen: string): boolean {
  if (expected === seen || ratesAlike(expected, seen)) return true
  const time = /^([>=]\d* )\+(\d+) (.*)$/
  const [a, b] = [time.exec(expected), time.exec(seen)]
  if (a === null || b === null || a[1] !== b[1] || a[3] !== b[3]) return false
  return Math.abs(Number(a[2]) - Number(b[2])) <= 10 + Number(a[2]) / 16
}

/** Rates are divided by times, which on a living kernel are some milliseconds longer: they may be an eighth off. */
function ratesAlike(expected: string, seen: string): boolean {
  const rate = /(?<=_rate )\d+/g
  const [a, b] = [expected.match(rate), seen.match(rate)]
  if (a === null || b === null || expected.replace(rate, '') !== seen.replace(rate, '')) return false
  return a.every((each, i) => Math.abs(Number(each) - Number(b[i])) <= Number(each) / 8)
}

/**
 * A frame as one line of text that is the same whenever the network did the same: everything is in it but what the
 * kernel draws at random (README.md lists it). It reads bytes by itself, without podwire's own parsers.
 */
import { createHash } from 'node:crypto'
import type { SeenFrame } from './frames.ts'

export interface Line {
  /** Frames with the same key are compared in their order. */
  readonly flow: string
  readonly text: string
}

const ETH = 14
const VXLAN_PORTS = new Set([8472, 4789])
const [ICMP, IGMP, TCP, UDP] = [1, 2, 6, 17]
const ECHO_TYPES = new Set([0, 8])
/** Destination unreachable, source quench, redirect, time exceeded, parameter problem: they quote a packet. */
const QUOTING = new Set([3, 4, 5, 11, 12])
/** iputils puts the time of day into the first 16 bytes of an echo's data. */
const TIMEVAL = 16
const TCP_FLAGS = 'FSRPAUEC'

/** What was seen of one direction of a TCP connection or UDP flow. */
interface Stream {
  /** Its socket counts ids by itself: TCP's do, and UDP's that are connected, which clients' are. */
  readonly connected: boolean
  sequence: number | null
  id: number | null
}

/** One interface's frames, in order. */
export class Describer {
  readonly #fixedPorts: ReadonlySet<number>
  readonly #labels = new Map<string, string>()
  readonly #counts = new Map<string, number>()
  readonly #streams = new Map<string, Stream>()
  /** Unicast ARP requests whose answers are still to come. */
  readonly #revalidating = new Set<string>()

  /** Ports that the case names; all others are ephemeral. */
  constructor(fixedPorts: ReadonlySet<number>) {
    this.#fixedPorts = fixedPorts
  }

  /** Null for chatter that is not compared: IGMP, and neighbours being asked again by unicast. */
  describe({ bytes, length }: SeenFrame): Line | null {
    const said = this.#ethernet(bytes, 0, bytes.length)
    return said === null ? null : { flow: said.flow, text: `${length} ${said.text}` }
  }

  #ethernet(bytes: Uint8Array, at: number, end: number): Line | null {
    if (end - at < ETH) return { flow: 'short', text: hex(bytes, at, end) }
    const macs = `${mac(bytes, at + 6)}>${mac(bytes, at)}`
    const type = u16(bytes, at + 12)
    if (type === 0x0806) return this.#arp(bytes, at, end, macs)
    if (type !== 0x0800)
      return { flow: `type ${type}`, text: `${macs} type ${type.toString(16)} ${digest(bytes, at + ETH, end)}` }
    const said = this.#ip(bytes, at + ETH, end, false)
    return said === null ? null : { flow: said.flow, text: `${macs} ${said.text}` }
  }

  #arp(bytes: Uint8Array, at: number, end: number, macs: string): Line | null {
    const body = at + ETH
    const operation = u16(bytes, body + 6)
    const [sender, target] = [ip(bytes, body + 14), ip(bytes, body + 24)]
    const broadcast = mac(bytes, at) === 'ff:ff:ff:ff:ff:ff'
    if (operation === 1 && !broadcast) {
      this.#revalidating.add(`${sender} ${target}`)
      return null
    }
    if (operation === 2 && this.#revalidating.delete(`${target} ${sender}`)) return null
    const text = `${macs} ARP ${operation} ${mac(bytes, body + 8)} ${sender} ${mac(bytes, body + 18)} ${target}`
    return {
      flow: `arp ${[sender, target].sort().join(' ')}`,
      text: `${text} ${hex(bytes, body, body + 6)} ${hex(bytes, body + 28, end)}`,
    }
  }

  /** `quoted`: inside an ICMP error, where the packet may be cut off. */
  #ip(bytes: Uint8Array, at: number, limit: number, quoted: boolean): Line | null {
    const header = (bytes[at] & 15) * 4
    const total = u16(bytes, at + 2)
    const end = Math.min(limit, at + total)
    const whole = at + total <= limit
    const protocol = bytes[at + 9]
    if (protocol === IGMP) return null
    const [source, destination] = [ip(bytes, at + 12), ip(bytes, at + 16)]
    const fragment = u16(bytes, at + 6)
    const inFragments = (fragment & 0x3fff) !== 0
    const body = at + header
    const ports = protocol === TCP || protocol === UDP
    const visible = ports && (fragment & 0x1fff) === 0 && end - body >= 8
    const from = visible ? `${source}:${this.#port(protocol, source, u16(bytes, body))}` : source
    const to = visible ? `${destination}:${this.#port(protocol, destination, u16(bytes, body + 2))}` : destination
    const [near, far] = visible ? [u16(bytes, body), u16(bytes, body + 2)] : [0, 0]
    const connected = protocol === TCP || from.includes('#')
    const key = `${protocol} ${source}:${near} ${destination}:${far}`
    const stream = visible && !inFragments ? this.#stream(key, connected) : null
    const reverse = this.#streams.get(`${protocol} ${destination}:${far} ${source}:${near}`)
    const head = [
      `${source}>${destination}`,
      `ttl ${bytes[at + 8]} tos ${bytes[at + 1]} len ${total} frag ${fragment.toString(16)}`,
      `id ${this.#id(u16(bytes, at + 4), fragment, stream, `${source} ${destination} ${protocol}`)}`,
    ]
    if (header > 20) head.push(`options ${hex(bytes, at + 20, body)}`)
    if (sum(bytes, at, body) !== 0xffff) head.push('BAD IP SUM')
    if (limit > end && !quoted) head.push(`trailer ${hex(bytes, end, limit)}`)
    const place = { bytes, at: body, end, quoted, inFragments, sound: whole && !inFragments && !quoted }
    const pseudo = sum(bytes, at + 12, at + 20) + protocol + (end - body)
    let said: Line
    if (inFragments && (fragment & 0x1fff) !== 0) {
      said = { flow: '', text: `data ${digest(bytes, body, end)}` }
    } else if (protocol === ICMP) said = this.#icmp(place, [source, destination])
    else if (protocol === UDP && visible) said = this.#udp(place, pseudo, from, to)
    else if (protocol === TCP && stream !== null) said = this.#tcp(place, pseudo, stream, reverse, from, to)
    else said = { flow: `ip ${protocol}`, text: `proto ${protocol} ${digest(bytes, body, end)}` }
    const pair = [source, destination].sort().join(' ')
    const flow = inFragments ? `fragments ${pair} ${protocol}` : said.flow
    return { flow, text: `${head.join(' ')} ${said.text}` }
  }

  #icmp(place: Place, pair: readonly [string, string]): Line {
    const { bytes, at, end, sound, inFragments } = place
    const [type, code] = [bytes[at], bytes[at + 1]]
    const wrong = sound && sum(bytes, at, end) !== 0xffff ? ' BAD ICMP SUM' : ''
    if (ECHO_TYPES.has(type)) {
      const id = this.#label(`echo ${[...pair].sort().join(' ')}`, u16(bytes, at + 4))
      const data = end - at - 8
      // A ping with less than a time's room sends none.
      const from = data >= TIMEVAL ? at + 8 + TIMEVAL : at + 8
      const text = `ICMP ${type}/${code} id ${id} seq ${u16(bytes, at + 6)} data ${data} ${digest(bytes, from, end)}${wrong}`
      return { flow: `echo ${[...pair].sort().join(' ')} ${id}`, text }
    }
    const rest = `ICMP ${type}/${code} ${hex(bytes, at + 4, at + 8)}${wrong}`
    if (!QUOTING.has(type) || inFragments || end - at < 28) {
      return { flow: `icmp ${type}`, text: `${rest} ${digest(bytes, at + 8, end)}` }
    }
    const quote = this.#ip(bytes, at + 8, end, true)
    return { flow: `error ${pair.join('>')}`, text: `${rest} quote ${end - at - 8} {${quote?.text ?? 'igmp'}}` }
  }

  #udp(place: Place, pseudo: number, from: string, to: string): Line {
    const { bytes, at, end, sound, quoted } = place
    const length = u16(bytes, at + 4)
    const checksum = u16(bytes, at + 6)
    const wrong = sound && checksum !== 0 && fold(pseudo + sum(bytes, at, end)) !== 0xffff ? ' BAD UDP SUM' : ''
    const none = checksum === 0 ? ' no sum' : ''
    if (VXLAN_PORTS.has(u16(bytes, at + 2)) && !quoted) {
      const inner = this.#ethernet(bytes, at + 16, end)
      const outer = `VXLAN ${u16(bytes, at + 2)} len ${length} ${hex(bytes, at + 8, at + 16)}${wrong}${none}`
      return { flow: `vxlan ${inner?.flow}`, text: `${outer} {${inner?.text}}` }
    }
    const text = `UDP ${from}>${to} len ${length}${wrong}${none} data ${digest(bytes, at + 8, end)}`
    return { flow: `udp ${[from, to].sort().join(' ')}`, text }
  }

  #tcp(place: Place, pseudo: number, stream: Stream, reverse: Stream | undefined, from: string, to: string): Line {
    const { bytes, at, end, sound, quoted } = place
    const sequence = u32(bytes, at + 4)
    const flow = `tcp ${from}>${to}`
    if (end - at < 20) return { flow, text: `TCP ${from}>${to} ${this.#sequence(stream, sequence)} cut off` }
    const header = (bytes[at + 12] >> 4) * 4
    const flags = [...TCP_FLAGS].filter((_, bit) => bytes[at + 13] & (1 << bit)).join('')
    const wrong = sound && fold(pseudo + sum(bytes, at, end)) !== 0xffff ? ' BAD TCP SUM' : ''
    const acknowledged = this.#acknowledgment(reverse, u32(bytes, at + 8), flags)
    // A reset of a connection that never was carries 0 itself, not a number of a stream.
    const seq = sequence === 0 && flags.includes('R') ? 'zero' : this.#sequence(stream, sequence)
    const options =
      header > 20 && !(quoted && end - at < header) ? this.#options(bytes, at + 20, at + header, reverse) : ''
    const window = `win ${u16(bytes, at + 14)} urg ${u16(bytes, at + 18)}`
    const data = `data ${Math.max(0, end - at - header)} ${digest(bytes, at + header, end)}`
    return {
      flow,
      text: `TCP ${from}>${to} ${flags} seq ${seq} ack ${acknowledged} ${window} [${options}] ${data}${wrong}`,
    }
  }

  #options(bytes: Uint8Array, from: number, end: number, reverse: Stream | undefined): string {
    const said: string[] = []
    for (let at = from; at < end; ) {
      const kind = bytes[at]
      if (kind <= 1) {
        said.push(kind === 0 ? 'end' : 'nop')
        at++
        continue
      }
      const length = Math.max(2, bytes[at + 1])
      if (kind === 8) said.push(`TS ${u32(bytes, at + 6) === 0 ? 'no echo' : 'echo'}`)
      else if (kind === 5) {
        const edges = []
        for (let edge = at + 2; edge < at + length; edge += 4)
          edges.push(this.#acknowledgment(reverse, u32(bytes, edge), 'A'))
        said.push(`SACK ${edges.join('-')}`)
      } else said.push(`${kind}:${hex(bytes, at + 2, at + length)}`)
      at += length
    }
    return said.join(',')
  }

  #sequence(stream: Stream, sequence: number): number {
    stream.sequence ??= sequence
    return (sequence - stream.sequence) >>> 0
  }

  #acknowledgment(reverse: Stream | undefined, acknowledged: number, flags: string): string {
    if (!flags.includes('A')) return `none ${acknowledged}`
    if (reverse === undefined || reverse.sequence === null) return 'of the unseen'
    return String((acknowledged - reverse.sequence) >>> 0)
  }

  /** 0 is exact; per-socket ids count from the first; shared counters are chance, but fragments belong together. */
  #id(id: number, fragment: number, stream: Stream | null, key: string): string {
    if ((fragment & 0x3fff) !== 0) return this.#label(`fragments ${key}`, id)
    if ((fragment & 0x4000) === 0) return 'any'
    if (id === 0) return '0'
    if (stream === null || !stream.connected) return 'any'
    stream.id ??= id
    return `+${(id - stream.id) & 0xffff}`
  }

  #port(protocol: number, address: string, port: number): string {
    if (this.#fixedPorts.has(port) || VXLAN_PORTS.has(port)) return String(port)
    return this.#label(`p ${protocol} ${address}`, port)
  }

  #stream(key: string, connected: boolean): Stream {
    const known = this.#streams.get(key)
    if (known !== undefined) return known
    const made: Stream = { connected, sequence: null, id: null }
    this.#streams.set(key, made)
    return made
  }

  /** Numbers of one kind by their order of appearance. */
  #label(kind: string, value: number): string {
    const key = `${kind} ${value}`
    const known = this.#labels.get(key)
    if (known !== undefined) return known
    const count = (this.#counts.get(kind) ?? 0) + 1
    this.#counts.set(kind, count)
    this.#labels.set(key, `#${count}`)
    return `#${count}`
  }
}

interface Place {
  readonly bytes: Uint8Array
  readonly at: number
  readonly end: number
  readonly quoted: boolean
  readonly inFragments: boolean
  /** Whole and unfragmented: its checksum can be proved. */
  readonly sound: boolean
}

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 8) | bytes[at + 1]
}

function u32(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0
}

function hex(bytes: Uint8Array, at: number, end: number): string {
  return Buffer.from(bytes.subarray(at, Math.max(at, end))).toString('hex')
}

function mac(bytes: Uint8Array, at: number): string {
  return hex(bytes, at, at + 6).replace(/..(?=.)/g, '$&:')
}

function ip(bytes: Uint8Array, at: number): string {
  return bytes.subarray(at, at + 4).join('.')
}

/** The bytes themselves when they are few. */
function digest(bytes: Uint8Array, at: number, end: number): string {
  if (end <= at) return '-'
  if (end - at <= 48) return hex(bytes, at, end)
  const hash = createHash('sha1').update(bytes.subarray(at, end)).digest('hex').slice(0, 12)
  return `${hex(bytes, at, at + 24)}… ${end - at} bytes ${hash}`
}

function sum(bytes: Uint8Array, from: number, end: number): number {
  let total = 0
  for (let at = from; at < end; at += 2) total += (bytes[at] << 8) | (at + 1 < end ? bytes[at + 1] : 0)
  return fold(total)
}

function fold(total: number): number {
  let folded = total
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 65_536)
  return folded
}

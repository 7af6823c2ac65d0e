/** What two recordings of the same commands do differently: packet by packet, place by place. */
import { deviceName, ipOf, placeName, type SharedNames } from './diff-names.ts'
import { type Side, sideOf } from './diff-pairs.ts'
import { depth } from './headers.ts'
import { endsOf, type Stop, stopsOf } from './journey.ts'
import type { Reason, Recording, SeenFrame } from './recording.ts'

/** A difference in words, and the packets that show it. */
export interface Difference {
  /** Where: `w1.example.com`; null: the packet as a whole. */
  readonly place: string | null
  readonly text: string
  /** What kind of decision; null: of headers and ways, or not known. */
  readonly kind: string | null
  /** How many pairs of packets show it. */
  count: number
  /** Of the first pair: its flow, and its first frames. */
  readonly flow: string
  readonly frames: readonly [a: number, b: number]
}

export interface Unpaired {
  readonly flow: string
  readonly side: 'A' | 'B'
  readonly count: number
  /** The first one's first frame. */
  readonly frame: number
}

export interface RecordingDiff {
  /** The same frames, byte by byte. */
  readonly identical: boolean
  readonly pairs: number
  readonly differing: number
  /** Of ways and headers: what a capture shows. */
  readonly ways: readonly Difference[]
  /** Of what was decided. */
  readonly decisions: readonly Difference[]
  readonly unpaired: readonly Unpaired[]
  readonly others: readonly [a: number, b: number]
}

export function diffOf(a: Recording, b: Recording): RecordingDiff {
  const [left, right] = [sideOf(a), sideOf(b)]
  const ways = new Differences()
  const decisions = new Differences()
  const unpaired: Unpaired[] = []
  let pairs = 0
  let differing = 0
  for (const key of new Set([...left.flows.keys(), ...right.flows.keys()])) {
    const [of, as] = [left.flows.get(key)?.packets ?? [], right.flows.get(key)?.packets ?? []]
    const both = Math.min(of.length, as.length)
    for (let i = 0; i < both; i++) {
      pairs++
      const before = ways.total + decisions.total
      compare(new Way(left, of[i]), new Way(right, as[i]), key, ways, decisions)
      if (ways.total + decisions.total > before) differing++
    }
    if (of.length > both) unpaired.push({ flow: key, side: 'A', count: of.length - both, frame: of[both][0].number })
    if (as.length > both) unpaired.push({ flow: key, side: 'B', count: as.length - both, frame: as[both][0].number })
  }
  return {
    identical: areIdentical(a, b),
    pairs,
    differing,
    ways: ways.list(),
    decisions: decisions.list(),
    unpaired,
    others: [left.others, right.others],
  }
}

/** Same differences of several packets are one. */
class Differences {
  total = 0
  readonly #known = new Map<string, Difference>()

  add(place: string | null, text: string, flow: string, frames: readonly [number, number], kind: string | null): void {
    this.total++
    const key = `${place} ${text}`
    const known = this.#known.get(key)
    if (known === undefined) this.#known.set(key, { place, text, kind, count: 1, flow, frames })
    else known.count++
  }

  /** What settles a packet's fate first; the most frequent first. */
  list(): Difference[] {
    return [...this.#known.values()].sort((x, y) => weight(x.kind) - weight(y.kind) || y.count - x.count)
  }
}

/** Kinds of decisions, the weighty ones first. */
const weights = [
  'drop',
  'socket',
  'nat',
  'ipvs',
  'tunnel',
  'route',
  'bridge',
  'icmp',
  'neighbour',
  'arp',
  'conntrack',
  'rule',
]

function weight(kind: string | null): number {
  const at = kind === null ? 0 : weights.indexOf(kind)
  return at < 0 ? weights.length : at
}

/** A packet's way, by shared names. */
class Way {
  readonly names: SharedNames
  readonly first: number
  readonly places = new Map<string, Stop[]>()
  readonly reasons = new Map<string, Reason[]>()
  readonly ends: string[] = []

  constructor({ recording, names }: Side, frames: readonly SeenFrame[]) {
    this.names = names
    this.first = frames[0].number
    const stops = stopsOf(recording, frames)
    for (const end of endsOf(stops)) {
      const at = end.where === null ? '' : `${this.#placeOf(recording, end.where)}: `
      this.ends.push(`${at}${names.text(end.sentence)}`)
    }
    for (const stop of stops) {
      const place = placeName(recording.interfaces[stop.frame.interface].place)
      push(this.places, place, stop)
      for (const reason of [...stop.before, ...stop.after]) {
        const at = reason.where === null ? place : this.#placeOf(recording, reason.where)
        push(this.reasons, at, reason)
      }
    }
    this.#devices = recording
  }

  readonly #devices: Recording

  /** `veth, cni0, flannel.1, eth0`. */
  devices(place: string): string {
    const stops = this.places.get(place) ?? []
    return stops.map(({ frame }) => deviceName(this.#devices.interfaces[frame.interface].device)).join(', ')
  }

  last(place: string): Stop | null {
    return this.places.get(place)?.at(-1) ?? null
  }

  #placeOf(recording: Recording, where: string): string {
    const found = recording.interfaces.find(({ name, place }) => name === where && place !== where)
    return placeName(found?.place ?? where)
  }
}

function compare(a: Way, b: Way, flow: string, ways: Differences, decisions: Differences): void {
  const frames = [a.first, b.first] as const
  for (const place of new Set([...a.places.keys(), ...b.places.keys()])) {
    const [there, here] = [a.places.has(place), b.places.has(place)]
    if (there !== here) {
      ways.add(place, there ? 'A passes here, B does not' : 'B passes here, A does not', flow, frames, null)
      continue
    }
    for (const text of waysAt(a, b, place)) ways.add(place, text, flow, frames, null)
  }
  for (const place of new Set([...a.reasons.keys(), ...b.reasons.keys()])) {
    for (const { text, kind } of decisionsAt(a, b, place)) decisions.add(place, text, flow, frames, kind)
  }
  const [ended, ends] = [a.ends.join('; '), b.ends.join('; ')]
  if (ended !== ends) ways.add(null, `A ends ${ended || 'unknown'}, B ends ${ends || 'unknown'}`, flow, frames, null)
}

function* waysAt(a: Way, b: Way, place: string): Generator<string> {
  const [of, as] = [a.devices(place), b.devices(place)]
  if (of !== as) yield `A passes ${of}; B passes ${as}`
  const [x, y] = [a.last(place), b.last(place)]
  if (x === null || y === null || x.headers === null || y.headers === null) return
  const tunnels = depth(x.headers) - depth(y.headers)
  const bytes = Math.abs(x.headers.length - y.headers.length)
  if (tunnels !== 0) {
    const [inside, outside] = tunnels > 0 ? ['A', 'B'] : ['B', 'A']
    yield `${inside} is in VXLAN when it was last seen here, ${outside} is not (${bytes} bytes fewer)`
  }
  const [p, q] = [ipOf(x.headers), ipOf(y.headers)]
  if (p === null || q === null) return
  if (p.ttl !== q.ttl) yield `A has TTL ${p.ttl} when it was last seen here, B has ${q.ttl}`
  const from = [a.names.endpoint(p.source, p.sourcePort), b.names.endpoint(q.source, q.sourcePort)]
  if (from[0] !== from[1]) yield `A has the source ${from[0]} when it was last seen here, B has ${from[1]}`
  const to = [a.names.endpoint(p.destination, p.destinationPort), b.names.endpoint(q.destination, q.destinationPort)]
  if (to[0] !== to[1]) yield `A has the destination ${to[0]} when it was last seen here, B has ${to[1]}`
  if (p.tos !== q.tos) yield `A has TOS ${p.tos} when it was last seen here, B has ${q.tos}`
}

function* decisionsAt(a: Way, b: Way, place: string): Generator<{ text: string; kind: string | null }> {
  const kinds = (way: Way) =>
    new Map((way.reasons.get(place) ?? []).map(({ sentence, kind }) => [way.names.text(sentence), kind]))
  const [of, as] = [kinds(a), kinds(b)]
  for (const [text, kind] of of) if (!as.has(text)) yield { text: `only A: ${text}`, kind }
  for (const [text, kind] of as) if (!of.has(text)) yield { text: `only B: ${text}`, kind }
}

function areIdentical(a: Recording, b: Recording): boolean {
  return (
    a.frames.length === b.frames.length &&
    a.frames.every((frame, i) => {
      const { bytes, time } = b.frames[i]
      return (
        time === frame.time &&
        bytes.length === frame.bytes.length &&
        bytes.every((byte, at) => byte === frame.bytes[at])
      )
    })
  )
}

function push<T>(lists: Map<string, T[]>, key: string, value: T): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [value])
  else list.push(value)
}

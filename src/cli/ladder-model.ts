/** A ladder diagram: who stands in it, and what went from one to the other, in the order of time. */
import type { FileInterface, FilePacket } from '../capture/capture-file.ts'
import { type Headers, innermost, protocolWord } from '../wire/headers.ts'

export type LadderBy = 'host' | 'interface'

/** An arrow, or, where both ends are one lifeline, a note there. */
export interface Rung {
  /** Seconds since the first frame. */
  readonly time: number
  /** The frame's number in the file. */
  readonly frame: number
  readonly packetId: number | null
  /** Indices of lifelines. */
  readonly from: number
  readonly to: number
  /** In one word: `TCP`. */
  readonly protocol: string
  readonly text: string
  /** tcpdump's whole line. */
  readonly full: string
  /** Why the frame went no further; null where it did, or where the file does not say. */
  readonly drop: string | null
}

/** A frame of the file, with what is shown of it. */
export interface LadderFrame {
  readonly packet: FilePacket
  readonly number: number
  readonly from: FileInterface
  readonly headers: Headers
  /** tcpdump's text, without time. */
  readonly text: string
}

export interface Ladder {
  readonly title: string
  readonly lifelines: readonly string[]
  readonly rungs: readonly Rung[]
}

/** What stands between two sightings of one packet. */
interface Journey {
  /** Of the last sighting. */
  readonly lifeline: number
  readonly text: string
}

/** Takes frames in the order of the file. */
export class LadderBuilder {
  readonly #by: LadderBy
  readonly #names: ReadonlyMap<string, string>
  readonly #lifelines = new Map<string, number>()
  readonly #rungs: Rung[] = []
  #start: number | null = null
  /** By host: the packets that are shown. By interface: where each was last. */
  readonly #journeys = new Map<number, Journey>()
  /** The rung of each packet, by its id, for a drop that a later interface tells. */
  readonly #rungOf = new Map<number, number>()

  constructor(by: LadderBy, names: ReadonlyMap<string, string>) {
    this.#by = by
    this.#names = names
  }

  get size(): number {
    return this.#rungs.length
  }

  take(frame: LadderFrame): void {
    if (this.#by === 'host') this.#betweenHosts(frame)
    else this.#betweenInterfaces(frame)
  }

  ladder(title: string): Ladder {
    return { title, lifelines: [...this.#lifelines.keys()], rungs: this.#rungs }
  }

  #betweenHosts(frame: LadderFrame): void {
    const { packet } = frame
    const id = packet.packetId
    const shown = id === null ? undefined : this.#rungOf.get(id)
    if (shown !== undefined) {
      // The same packet at another interface: only its end is news.
      const drop = dropOf(packet)
      if (drop !== null) this.#rungs[shown] = { ...this.#rungs[shown], drop }
      return
    }
    const headers = innermost(frame.headers)
    const [source, destination] = endsOf(headers)
    const from = this.#lifeline(this.#names.get(source) ?? source)
    const to = this.#lifeline(this.#names.get(destination) ?? destination)
    if (id !== null) this.#rungOf.set(id, this.#rungs.length)
    this.#add(frame, from, to, infoOf(frame.text, headers))
  }

  /** An arrow from the interface that saw the packet before, as far as the file numbers packets. */
  #betweenInterfaces(frame: LadderFrame): void {
    const { packet, from: seen, text } = frame
    const here = this.#lifeline(seen.name ?? `interface ${packet.interface}`)
    const id = packet.packetId
    const before = id === null ? undefined : this.#journeys.get(id)
    const inside = lastLine(text)
    const changed = before === undefined || before.text !== inside
    const way = packet.direction === null ? '' : `${packet.direction}: `
    const said = `${way}${tunnelText(frame.headers)}${changed ? inside : 'unchanged'}`
    this.#add(frame, before?.lifeline ?? here, here, said)
    if (id !== null) this.#journeys.set(id, { lifeline: here, text: inside })
  }

  #add(frame: LadderFrame, from: number, to: number, text: string): void {
    const { packet, number, headers } = frame
    const now = packet.seconds + packet.nanos / 1e9
    this.#start ??= now
    this.#rungs.push({
      time: now - this.#start,
      frame: number,
      packetId: packet.packetId,
      from,
      to,
      protocol: protocolWord(innermost(headers)),
      text,
      full: frame.text,
      drop: dropOf(packet),
    })
  }

  #lifeline(name: string): number {
    const known = this.#lifelines.get(name)
    if (known !== undefined) return known
    const number = this.#lifelines.size
    this.#lifelines.set(name, number)
    return number
  }
}

function endsOf({ ip, arp, sourceMac, destinationMac }: Headers): [string, string] {
  if (ip !== null) return [ip.source, ip.destination]
  if (arp !== null) return [arp.sender, arp.target]
  return [sourceMac ?? 'unknown', destinationMac ?? 'unknown']
}

/** The line among the frame's comments that tells its end. */
function dropOf({ comments }: FilePacket): string | null {
  for (const comment of comments) {
    const line = comment.split('\n').find((each) => each.startsWith('dropped'))
    if (line !== undefined) return line
  }
  return null
}

/** The tunnel that the frame is in, if it is in one. */
function tunnelText({ ip, vni }: Headers): string {
  return ip === null || vni === null ? '' : `VXLAN ${vni}, ${ip.source} > ${ip.destination}: `
}

/** Of a tunnelled frame, the frame inside. */
function lastLine(text: string): string {
  return text.slice(text.lastIndexOf('\n') + 1)
}

/** tcpdump's text without the addresses, which the ends of the arrow tell, and without what is seldom asked about. */
export function infoOf(text: string, { sourcePort, destinationPort }: Headers): string {
  const inside = lastLine(text)
  const parts = /^IP6? \S+ > \S+: (.*)$/.exec(inside)
  if (parts === null) return inside.replace(/^ARP, /, '').replace(/, length [0-9]+$/, '')
  const ports = sourcePort === null ? '' : `${sourcePort} > ${destinationPort}: `
  return (
    ports +
    parts[1]
      .replace(/, win [0-9]+/, '')
      .replace(/, options \[[^\]]*\]/, '')
      .replace(/^Flags /, '')
  )
}

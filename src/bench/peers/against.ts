/** Who is measured beside podwire, by the words of `--against`. */
import { constants } from 'node:os'
import type { Measurement } from '../measure.ts'
import type { Point } from '../points.ts'
import { KernelPeer } from './kernel.ts'
import { sharedCore } from './machine.ts'
import { Ns3Peer } from './ns3.ts'
import { measurePeer, type Opened, type Peer } from './peer.ts'

const known: Readonly<Record<string, () => Peer>> = {
  kernel: () => new KernelPeer('kernel', true),
  'kernel-nft': () => new KernelPeer('kernel-nft', false),
  ns3: () => new Ns3Peer('ns3', false),
  'ns3-checksums': () => new Ns3Peer('ns3-checksums', true),
}

const STOPPED_BY = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export const peerNames: readonly string[] = Object.keys(known)

/** Peers of one run; nothing of theirs stays behind when it ends, however it does. */
export class Peers {
  readonly #peers: readonly Peer[]
  readonly #stop = (signal: NodeJS.Signals) => {
    this.close()
    process.exit(128 + constants.signals[signal])
  }

  private constructor(peers: readonly Peer[]) {
    this.#peers = peers
  }

  /** @throws RangeError for a word that is none, or when one cannot be measured here. */
  static async named(words: readonly string[], points: readonly Point[]): Promise<Peers> {
    for (const word of words) {
      if (!Object.hasOwn(known, word)) {
        throw new RangeError(`podwire: --against knows ${peerNames.join(', ')}, not ${word}`)
      }
    }
    const peers = [...new Set(words)].map((word) => known[word]())
    if (peers.length > 0 && !points.some((point) => peers.some((peer) => peer.has(point)))) {
      const none = peers.map(({ name }) => name).join(' and ')
      throw new RangeError(`podwire: --against: ${none} can do nothing like the points that are named`)
    }
    const all = new Peers(peers)
    all.#listen()
    try {
      for (const peer of peers) await peer.ready(points)
    } catch (error) {
      all.close()
      throw error
    }
    return all
  }

  get names(): readonly string[] {
    return this.#peers.map(({ name }) => name)
  }

  /** Where there are peers, everybody has the same core; else the machine's scheduler decides. */
  get core(): number | undefined {
    return this.#peers.length === 0 ? undefined : sharedCore()
  }

  get descriptions(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.#peers.map(({ name, description }) => [name, description]))
  }

  /** Those that have the point, ready for its rounds. */
  async open(point: Point): Promise<OpenedPeers> {
    const opened: [Peer, Opened][] = []
    for (const peer of this.#peers) {
      if (point.counterpart !== null && peer.has(point)) opened.push([peer, await peer.open(point, point.counterpart)])
    }
    return new OpenedPeers(point, opened)
  }

  /** At once. */
  close(): void {
    for (const signal of STOPPED_BY) process.off(signal, this.#stop)
    for (const peer of this.#peers) peer.close()
  }

  #listen(): void {
    if (this.#peers.length === 0) return
    for (const signal of STOPPED_BY) process.once(signal, this.#stop)
  }
}

export class OpenedPeers {
  readonly #point: Point
  readonly #opened: readonly [Peer, Opened][]

  constructor(point: Point, opened: readonly [Peer, Opened][]) {
    this.#point = point
    this.#opened = opened
  }

  /** One round. */
  async measure(seconds: number, tell: (peer: string, measurement: Measurement) => void): Promise<void> {
    for (const [peer, opened] of this.#opened) {
      tell(peer.name, await measurePeer(peer, this.#point, opened, seconds))
    }
  }

  close(): void {
    for (const [, opened] of this.#opened) opened.close()
  }
}

/** What `podwire bench` measures: one line a point. To add one, add a line. */
import { Bulk } from './bulk.ts'
import { Connections } from './connections.ts'
import type { Load } from './load.ts'
import { bridge, type Network, overlay, routed, service } from './networks.ts'
import { Pods } from './pods.ts'
import { Traffic } from './traffic.ts'

/** What a scale point varies: the x axis of a plot. */
export interface Axis {
  readonly name: 'rules' | 'Services' | 'pods' | 'nodes' | 'frame size'
  readonly value: number
}

/** What another forwarder must do to have done the same. */
export interface Counterpart {
  readonly traffic: 'there' | 'there and back' | 'tcp' | 'connections'
  /** A network like the load's own. */
  readonly network: (flowCache: boolean) => Network
  /** How many Services are called; the first one's address is the network's target. */
  readonly services: number
}

export interface Point {
  /** Unique, and the same in every version: baselines are compared by it. */
  readonly id: string
  /** What it is selected by: W1 to W6, or the word of a scale. */
  readonly workload: string
  readonly title: string
  /** Bytes of an Ethernet frame. */
  readonly frame: number
  /** Cables that one frame crosses. */
  readonly hops: number
  /** Where it lies in a plot, and on which of its lines. */
  readonly axis: Axis | null
  /** Seconds until V8 has compiled what there is to compile. */
  readonly warm: number
  readonly load: (flowCache: boolean) => Load
  /** Null where no other does the like. */
  readonly counterpart: Counterpart | null
}

const SIZES = [64, 1450]

/** A point without what it is called by. */
type Made = Omit<Point, 'id' | 'workload'>

/** `network`: with the flow cache, or without. */
function udp(title: string, hops: number, traffic: 'there' | 'there and back', network: Counterpart['network']) {
  return (frame: number, axis: Axis | null = null): Made => {
    const load = (cache: boolean) => new Traffic(network(cache), frame, traffic === 'there and back')
    return { title, frame, hops, axis, warm: 1.5, load, counterpart: { traffic, network, services: 1 } }
  }
}

const bridged = udp('bridge', 2, 'there', bridge)
const route = udp('route', 2, 'there', routed)
const served = udp('service', 2, 'there and back', service)
const tunnelled = udp('overlay', 4, 'there and back', overlay)

function named(workload: string, name: string | number, made: Made): Point {
  return { id: `${workload}/${name}`, workload, ...made }
}

function connections(mode: 'iptables' | 'nftables', count: number): Point {
  const network = (cache: boolean) => service(cache, { count, mode })
  return named('W6', `${mode}/${count}`, {
    title: mode,
    frame: 64,
    hops: 2,
    axis: { name: 'Services', value: count },
    warm: 1,
    load: (cache) => new Connections(network(cache), count, 64),
    counterpart: { traffic: 'connections', network, services: count },
  })
}

/** As Linux has it, a bridge holds at most 1,024 ports. */
const PODS_A_NODE = 1000

function pods(count: number): Point {
  const nodes = Math.ceil(count / PODS_A_NODE)
  return named('pods', count, {
    title: 'pods',
    frame: 64,
    hops: nodes > 1 ? 4 : 2,
    axis: { name: 'pods', value: count },
    warm: 1,
    load: (cache) => new Pods(nodes, Math.ceil(count / nodes), 64, cache),
    counterpart: null,
  })
}

export const points: readonly Point[] = [
  ...SIZES.map((frame) => named('W1', frame, bridged(frame))),
  ...SIZES.map((frame) => named('W2', frame, route(frame))),
  ...SIZES.map((frame) => named('W3', frame, served(frame))),
  ...SIZES.map((frame) => named('W4', frame, tunnelled(frame))),
  named('W5', 'tcp', {
    title: 'tcp',
    frame: 1450,
    hops: 4,
    axis: null,
    warm: 3,
    load: (cache) => new Bulk(overlay(cache)),
    counterpart: { traffic: 'tcp', network: overlay, services: 1 },
  }),
  ...[10, 100, 1000, 10_000].map((count) => connections('iptables', count)),
  ...[10, 100, 1000, 10_000].map((count) => connections('nftables', count)),
  ...[64, 128, 256, 512, 1024, 1450].map((value) =>
    named('size', value, { ...tunnelled(value, { name: 'frame size', value }), title: 'frame size' }),
  ),
  ...[1, 10, 100, 1000, 10_000].map((value) => {
    const made = udp('rules', 2, 'there', (cache) => routed(cache, value))
    return named('rules', value, { ...made(64, { name: 'rules', value }), warm: 1 })
  }),
  ...[10, 100, 1000, 5000].map(pods),
  ...[2, 10, 50, 200].map((value) =>
    named('nodes', value, {
      title: 'nodes',
      frame: 64,
      hops: 4,
      axis: { name: 'nodes', value },
      warm: 1,
      load: (cache) => new Pods(value, 1, 64, cache),
      counterpart: null,
    }),
  ),
]

/** The words by which points are chosen. */
export const workloads: readonly string[] = [...new Set(points.map(({ workload }) => workload))]

/** By workload (`W4`), or by id (`W4/64`); all without a word. @throws RangeError for an unknown one. */
export function choose(words: readonly string[]): readonly Point[] {
  if (words.length === 0) return points
  for (const word of words) {
    if (!points.some((point) => chosen(point, word))) {
      throw new RangeError(
        `podwire: bench has no workload ${word}: ${workloads.join(', ')}, or one point such as W4/64`,
      )
    }
  }
  return points.filter((point) => words.some((word) => chosen(point, word)))
}

function chosen(point: Point, word: string): boolean {
  const typed = word.toLowerCase()
  return point.workload.toLowerCase() === typed || point.id.toLowerCase() === typed
}

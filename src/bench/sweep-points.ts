/** The workloads of `podwire bench` with parameters. */
import { Bulk } from './bulk.ts'
import { Connections } from './connections.ts'
import type { Load } from './load.ts'
import { bridge, overlay, routed, service } from './networks.ts'
import { Pods } from './pods.ts'
import type { Point } from './points.ts'
import type { Values } from './sweep-values.ts'
import { Traffic } from './traffic.ts'

interface Adjustable {
  /** Numbers with their bounds, and what they are when not said. */
  readonly numbers: Readonly<Record<string, readonly [lowest: number, highest: number, usual: number]>>
  readonly words: Readonly<Record<string, readonly string[]>>
  readonly hops: number
  readonly warm: number
  readonly load: (value: (name: string) => number, word: (name: string) => string, cache: boolean) => Load
}

const frame = [60, 1450, 64] as const

export const adjustable: Readonly<Record<string, Adjustable>> = {
  W1: {
    numbers: { frame },
    words: {},
    hops: 2,
    warm: 1,
    load: (value, _, cache) => new Traffic(bridge(cache), value('frame'), false),
  },
  W2: {
    numbers: { frame, rules: [0, 1_000_000, 0] },
    words: {},
    hops: 2,
    warm: 1,
    load: (value, _, cache) => new Traffic(routed(cache, value('rules')), value('frame'), false),
  },
  W3: {
    numbers: { frame, services: [1, 60_000, 1] },
    words: { mode: ['iptables', 'nftables'] },
    hops: 2,
    warm: 1,
    load: (value, word, cache) => {
      const services = { count: value('services'), mode: word('mode') as 'iptables' | 'nftables' }
      return new Traffic(service(cache, services), value('frame'), true)
    },
  },
  W4: {
    numbers: { frame },
    words: {},
    hops: 4,
    warm: 1,
    load: (value, _, cache) => new Traffic(overlay(cache), value('frame'), true),
  },
  W5: { numbers: {}, words: {}, hops: 4, warm: 3, load: (_value, _word, cache) => new Bulk(overlay(cache)) },
  W6: {
    numbers: { frame, services: [1, 60_000, 1000] },
    words: { mode: ['iptables', 'nftables'] },
    hops: 2,
    warm: 1,
    load: (value, word, cache) => {
      const services = { count: value('services'), mode: word('mode') as 'iptables' | 'nftables' }
      return new Connections(service(cache, services), services.count, value('frame'))
    },
  },
  pods: {
    numbers: { frame, nodes: [1, 1000, 1], pods: [2, 1000, 10] },
    words: {},
    hops: 4,
    warm: 1,
    load: (value, _, cache) => new Pods(value('nodes'), value('pods'), value('frame'), cache),
  },
}

/** With parameters that have been checked. */
export function sweptPoint(name: string, parameters: Values): Point {
  const { numbers, words, hops, warm, load } = adjustable[name]
  const value = (key: string) => Number(parameters[key] ?? numbers[key][2])
  const word = (key: string) => String(parameters[key] ?? words[key][0])
  return {
    id: name,
    workload: name,
    title: name,
    frame: numbers.frame === undefined ? 1450 : value('frame'),
    hops,
    axis: null,
    warm,
    load: (cache) => load(value, word, cache),
    counterpart: null,
  }
}

/**
 * The order in which a hook asks, when nf_tables has base chains beside iptables' tables: by priority, and at the same
 * priority the one first that was registered last (nf_hook_entries_grow). All nat chains are asked together, by
 * nf_nat's own hook at its own priority (nf_nat_register_fn).
 */
import type { Chain } from './chain.ts'
import { Hook, type TableName } from './hook.ts'
import type { NftChain } from './nft-objects.ts'
import type { NftRuleset } from './nft-ruleset.ts'
import type { Ruleset } from './ruleset.ts'

export const Step = { CHAIN: 0, CONNTRACK: 1, DESTINATION_NAT: 2, SOURCE_NAT: 3, CONFIRM: 4, BALANCE: 5 } as const

export interface NftStep {
  readonly kind: number
  /** A base chain of iptables, or of nft. */
  readonly tables: Chain | null
  readonly nft: NftChain | null
}

interface Placed extends NftStep {
  readonly priority: number
  /** Of a chain of iptables: its table's bit among an nft chain's neighbours. */
  readonly bit: number
}

const CONNTRACK = -200
const NAT_DESTINATION = -100
const NAT_SOURCE = 100
/** IPVS: behind DNAT of what is sent, and before SNAT of what comes in or passes (ip_vs_ops). */
const BALANCE: readonly (readonly [hook: Hook, priority: number])[] = [
  [Hook.OUTPUT, NAT_DESTINATION + 1],
  [Hook.INPUT, NAT_SOURCE - 2],
  [Hook.FORWARD, NAT_SOURCE - 1],
]
const HOOKS = [Hook.PREROUTING, Hook.INPUT, Hook.FORWARD, Hook.OUTPUT, Hook.POSTROUTING] as const

const TABLES: readonly (readonly [name: TableName, priority: number])[] = [
  ['raw', -300],
  ['mangle', -150],
  ['filter', 0],
  ['nat', NAT_DESTINATION],
]

/** The tables that there are, as bits. */
export function neighbours(rules: Ruleset, legacy: Ruleset): number {
  let bits = 0
  TABLES.forEach(([name], i) => {
    if (rules.peek(name) !== null) bits |= 1 << (2 * i)
    if (legacy.peek(name) !== null) bits |= 2 << (2 * i)
  })
  return bits
}

export interface NftOrder {
  readonly steps: (readonly NftStep[] | null)[]
  readonly choices: (readonly NftStep[])[]
  readonly tracks: boolean
  readonly filtersLate: boolean
}

const NONE: NftOrder = {
  steps: [null, null, null, null, null],
  choices: [[], [], [], [], []],
  tracks: false,
  filtersLate: false,
}

export function nftSteps(nft: NftRuleset, rules: Ruleset, legacy: Ruleset, tracking: boolean): NftOrder {
  if (!nft.active) return NONE
  const chains = [...nft.tables.values()]
    .filter(({ dormant }) => !dormant)
    .flatMap((table) => [...table.chains.values()])
  const tracks = chains.some((chain) => chain.rules.some((rule) => rule.program.tracks))
  const bases = chains.filter((chain) => chain.hook !== null)
  const nat = rules.peek('nat') !== null || legacy.peek('nat') !== null || bases.some(({ type }) => type === 'nat')
  const all = HOOKS.map((hook) => {
    const placed: Placed[] = [
      ...ofTables(rules, hook, 0),
      ...ofTables(legacy, hook, 1),
      ...bases.filter((chain) => chain.hook === hook).map(ofNft),
    ]
    return placed.sort(inOrder)
  })
  const choices = all.map((placed) => placed.filter(translates))
  const steps = all.map((placed, hook) => {
    const own = placed.filter((step) => !translates(step))
    const between = [...own, ...stations(hook as Hook, tracking || tracks, nat)]
    return between.sort((a, b) => a.priority - b.priority)
  })
  const filtersLate = all[Hook.POSTROUTING].some((step) => step.nft !== null && !translates(step))
  return { steps, choices, tracks, filtersLate }
}

function translates({ tables, nft, bit }: Placed): boolean {
  return nft === null ? tables !== null && bit >= 1 << 6 : nft.type === 'nat'
}

/** What is no chain: conntrack, nf_nat, IPVS. */
function stations(hook: Hook, tracks: boolean, nat: boolean): Placed[] {
  const station = (kind: number, priority: number): Placed => ({ kind, tables: null, nft: null, priority, bit: 0 })
  const entering = hook === Hook.PREROUTING || hook === Hook.OUTPUT
  const leaving = hook === Hook.INPUT || hook === Hook.POSTROUTING
  const placed: Placed[] = []
  if (entering && tracks) placed.push(station(Step.CONNTRACK, CONNTRACK))
  if (entering && nat) placed.push(station(Step.DESTINATION_NAT, NAT_DESTINATION))
  for (const [where, priority] of BALANCE) if (where === hook) placed.push(station(Step.BALANCE, priority))
  if (leaving && nat) placed.push(station(Step.SOURCE_NAT, NAT_SOURCE))
  if (leaving && tracks) placed.push(station(Step.CONFIRM, Number.POSITIVE_INFINITY))
  return placed
}

function ofTables(ruleset: Ruleset, hook: Hook, second: 0 | 1): Placed[] {
  return TABLES.flatMap(([name, priority], i) => {
    const tables = ruleset.peek(name)?.hooks[hook] ?? null
    if (tables === null) return []
    const source = name === 'nat' && (hook === Hook.INPUT || hook === Hook.POSTROUTING)
    return [
      { kind: Step.CHAIN, tables, nft: null, priority: source ? NAT_SOURCE : priority, bit: (1 + second) << (2 * i) },
    ]
  })
}

function ofNft(nft: NftChain): Placed {
  return { kind: Step.CHAIN, tables: null, nft, priority: nft.priority, bit: 0 }
}

function inOrder(a: Placed, b: Placed): number {
  if (a.priority !== b.priority) return a.priority - b.priority
  if (a.nft !== null && b.nft !== null) return b.nft.registered - a.nft.registered
  if (a.nft !== null) return (a.nft.neighbours & b.bit) !== 0 ? -1 : 1
  if (b.nft !== null) return (b.nft.neighbours & a.bit) !== 0 ? 1 : -1
  return a.bit - b.bit
}

/** What nf_tables keeps: tables, their chains, rules, sets and named objects. Handles count up as in the kernel. */
import { type Hook, Verdict } from './hook.ts'
import type { Statement } from './nft-ast.ts'
import type { NftProgram } from './nft-program.ts'
import type { NftSet } from './nft-set.ts'
import type { NamedObject } from './nft-state.ts'
import type { JumpTarget, SetOwner } from './nft-target.ts'

export type NftFamily = 'ip' | 'inet' | 'ip6' | 'arp' | 'bridge' | 'netdev'
/** In the order in which the ruleset is listed. */
export const nftFamilies: readonly NftFamily[] = ['ip', 'inet', 'ip6', 'arp', 'bridge', 'netdev']

export type NftChainType = 'filter' | 'nat' | 'route'

export class NftRule {
  readonly chain: NftChain
  handle = 0
  readonly statements: readonly Statement[]
  readonly program: NftProgram
  readonly comment: string
  /** Not yet committed: `list` in the same batch does not see it. */
  fresh = true

  constructor(chain: NftChain, statements: readonly Statement[], program: NftProgram, comment: string) {
    this.chain = chain
    this.statements = statements
    this.program = program
    this.comment = comment
  }
}

export class NftChain implements JumpTarget {
  readonly table: NftTable
  name: string
  handle = 0
  comment = ''
  /** Of a base chain. */
  type: NftChainType = 'filter'
  hook: Hook | null = null
  priority = 0
  policy: typeof Verdict.ACCEPT | typeof Verdict.DROP = Verdict.ACCEPT
  rules: NftRule[] = []
  /** Rules and elements that lead to it. */
  uses = 0
  /** When its hook was registered, by number; and which iptables tables were there then (bits by NftNeighbours). */
  registered = 0
  neighbours = 0

  constructor(table: NftTable, name: string) {
    this.table = table
    this.name = name
  }
}

export class NftTable implements SetOwner {
  readonly family: NftFamily
  readonly name: string
  readonly handle: number
  comment = ''
  dormant = false
  readonly chains = new Map<string, NftChain>()
  readonly sets = new Map<string, NftSet>()
  /** By kind and name. */
  readonly objects = new Map<string, NamedObject>()
  #handles = 0

  constructor(family: NftFamily, name: string, handle: number) {
    this.family = family
    this.name = name
    this.handle = handle
  }

  nextHandle(): number {
    return ++this.#handles
  }
}

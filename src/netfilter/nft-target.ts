/** Chains and tables, as far as rules and sets that belong to them are concerned: nft-objects.ts has them whole. */
import type { Hook } from './hook.ts'

/** Where a verdict leads. Every one is a chain. */
export interface JumpTarget {
  readonly name: string
  /** Null: nothing but rules leads there. */
  readonly hook: Hook | null
  /** Rules and elements that lead to it. */
  uses: number
}

/** Whose a set is. Every one is a table. */
export interface SetOwner {
  readonly family: string
  readonly name: string
}

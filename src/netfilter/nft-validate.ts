/** What the kernel checks of a table's chains as a whole (nft_table_validate): nobody goes round, and all is allowed. */
import { Hook } from './hook.ts'
import type { NatPart, Statement } from './nft-ast.ts'
import { NftRefused, Refusal } from './nft-error.ts'
import type { NftChain, NftTable } from './nft-objects.ts'

/** NFT_JUMP_STACK_SIZE */
const DEPTH = 16

const NAT_HOOKS: Readonly<Record<NatPart['kind'], readonly Hook[]>> = {
  snat: [Hook.POSTROUTING, Hook.INPUT],
  dnat: [Hook.PREROUTING, Hook.OUTPUT],
  masquerade: [Hook.POSTROUTING],
  redirect: [Hook.PREROUTING, Hook.OUTPUT],
}
const REJECT_HOOKS: readonly Hook[] = [Hook.INPUT, Hook.FORWARD, Hook.OUTPUT, Hook.PREROUTING]

/** @throws NftRefused */
export function validate(table: NftTable): void {
  for (const chain of table.chains.values()) {
    if (chain.hook !== null) walk(chain, chain, 1, new Map())
  }
}

/** `deepest`: how deep each chain was already looked into from this base chain. */
function walk(base: NftChain, chain: NftChain, depth: number, deepest: Map<NftChain, number>): void {
  if (depth > DEPTH) throw new NftRefused(Refusal.LOOP, 'all')
  if ((deepest.get(chain) ?? 0) >= depth) return
  deepest.set(chain, depth)
  for (const { statements, program } of chain.rules) {
    for (const statement of statements) if (!allowed(base, statement)) throw new NftRefused(Refusal.UNSUPPORTED, 'all')
    for (const next of program.chains) walk(base, next as NftChain, depth + 1, deepest)
    for (const set of program.sets) {
      if (!set.verdicts) continue
      for (const { chain: next } of set.elements()) if (next !== null) walk(base, next as NftChain, depth + 1, deepest)
    }
  }
}

function allowed({ type, hook }: NftChain, statement: Statement): boolean {
  if (hook === null) return true
  if (statement.k === 'nat') return type === 'nat' && NAT_HOOKS[statement.nat.kind].includes(hook)
  return statement.k !== 'reject' || REJECT_HOOKS.includes(hook)
}

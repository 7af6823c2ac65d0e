/** `nft list …`: tables, chains and sets with their headings (rule.c of nft 1.0.6). */
import { Hook, Verdict } from './hook.ts'
import type { NftChain, NftTable } from './nft-objects.ts'
import { formatRule } from './nft-print.ts'
import type { NftSet } from './nft-set.ts'
import { formatBytes, formatRate, setLines } from './nft-set-text.ts'
import type { NamedObject } from './nft-state.ts'
import type { SetOwner } from './nft-target.ts'
import type { PrintOptions } from './nft-value-text.ts'

export const HOOK_NAMES = ['prerouting', 'input', 'forward', 'output', 'postrouting'] as const

export const PRIORITIES: readonly (readonly [name: string, value: number, hooks: readonly Hook[] | null])[] = [
  ['raw', -300, null],
  ['mangle', -150, null],
  ['dstnat', -100, [Hook.PREROUTING]],
  ['filter', 0, null],
  ['security', 50, null],
  ['srcnat', 100, [Hook.POSTROUTING]],
]
/** How far from a name a priority may be to be printed by it. */
const NEAR = 10

export function listRuleset(tables: readonly NftTable[], options: PrintOptions): string {
  return tables.map((table) => listTable(table, options)).join('')
}

export function listTables(tables: readonly NftTable[]): string {
  return tables.map(({ family, name }) => `table ${family} ${name}\n`).join('')
}

export function listTable(table: NftTable, options: PrintOptions): string {
  const head: string[] = []
  if (table.dormant) head.push('\tflags dormant\n')
  if (table.comment !== '') head.push(`\tcomment "${table.comment}"\n`)
  const blocks = [
    ...[...table.objects.values()].map((object) => objectBlock(object, options)),
    ...[...table.sets.values()].map((set) => setBlock(set, options)),
    ...[...table.chains.values()].map((chain) => chainBlock(chain, options)),
  ]
  return `${opening(table, options)}${head.join('')}${blocks.join('\n')}}\n`
}

function opening({ family, name, handle }: NftTable, options: PrintOptions): string {
  return `table ${family} ${name} {${options.handles ? ` # handle ${handle}` : ''}\n`
}

function tail(handle: number, options: PrintOptions): string {
  return options.handles ? ` # handle ${handle}` : ''
}

/** Only the table's name stands around what was asked for, never its handle. */
function around(table: SetOwner, blocks: readonly string[]): string {
  return `table ${table.family} ${table.name} {\n${blocks.join('')}}\n`
}

export function listChain(chain: NftChain, options: PrintOptions): string {
  return around(chain.table, [chainBlock(chain, options)])
}

export function listSet(set: NftSet, options: PrintOptions): string {
  return around(set.table, [setBlock(set, options)])
}

/** Chains without their rules. */
export function listChains(tables: readonly NftTable[], options: PrintOptions): string {
  const block = (chain: NftChain) => `\tchain ${chain.name} {\n${heading(chain, options)}\t}\n`
  return tables.map((table) => around(table, [...table.chains.values()].map(block))).join('')
}

export function listKind(tables: readonly NftTable[], maps: boolean, options: PrintOptions): string {
  const wanted = (table: NftTable) => [...table.sets.values()].filter((set) => set.isMap === maps)
  return tables
    .map((table) =>
      around(
        table,
        wanted(table).map((set) => setBlock(set, options)),
      ),
    )
    .join('')
}

export function listObjects(
  tables: readonly NftTable[],
  kind: string,
  name: string | null,
  options: PrintOptions,
): string {
  const wanted = (table: NftTable) =>
    [...table.objects.values()].filter((each) => each.object.kind === kind && (name === null || each.name === name))
  return tables
    .map((table) =>
      around(
        table,
        wanted(table).map((object) => objectBlock(object, options)),
      ),
    )
    .join('')
}

function objectBlock({ name, handle, object, comment }: NamedObject, options: PrintOptions): string {
  let inside: string
  if (object.kind === 'counter') {
    inside = options.stateless ? '' : `packets ${object.state.packets} bytes ${object.state.bytes}`
  } else if (object.kind === 'limit') inside = formatRate(object.state)
  else {
    const { over, bytes, used } = object.state
    inside = `${over ? 'over ' : ''}${formatBytes(bytes)}${used === 0 || options.stateless ? '' : ` used ${formatBytes(used)}`}`
  }
  const said = comment === '' ? '' : `\t\tcomment "${comment}"\n`
  return `\t${object.kind} ${name} {${tail(handle, options)}\n${said}\t\t${inside}\n\t}\n`
}

export function setBlock(set: NftSet, options: PrintOptions): string {
  const lines = setLines(set, options).map((line) => `\t\t${line}\n`)
  return `\t${set.isMap ? 'map' : 'set'} ${set.name} {${tail(set.handle, options)}\n${lines.join('')}\t}\n`
}

function heading(chain: NftChain, options: PrintOptions): string {
  const said = chain.comment === '' ? '' : `\t\tcomment "${chain.comment}"\n`
  return chain.hook === null ? said : `${said}\t\t${formatHeading(chain, options)}\n`
}

/** `type filter hook input priority filter; policy accept;`; empty when the chain is no base chain. */
export function formatHeading(chain: NftChain, options: PrintOptions): string {
  if (chain.hook === null) return ''
  const policy = chain.policy === Verdict.DROP ? 'drop' : 'accept'
  const priority = options.numericPriority ? String(chain.priority) : formatPriority(chain.priority, chain.hook)
  const hook = HOOK_NAMES[chain.hook]
  return `type ${chain.type} hook ${hook} priority ${priority}; policy ${policy};`
}

function chainBlock(chain: NftChain, options: PrintOptions): string {
  const rules = chain.rules
    .filter((rule) => !rule.fresh)
    .map((rule) => `\t\t${formatRule(rule.statements, rule.comment, options)}${tail(rule.handle, options)}\n`)
  const handle = tail(chain.handle, options)
  return `\tchain ${chain.name} {${handle}\n${heading(chain, options)}${rules.join('')}\t}\n`
}

function formatPriority(priority: number, hook: Hook): string {
  for (const [name, value, hooks] of PRIORITIES) {
    const distance = priority - value
    if ((hooks !== null && !hooks.includes(hook)) || Math.abs(distance) > NEAR) continue
    if (distance === 0) return name
    return distance > 0 ? `${name} + ${distance}` : `${name} - ${-distance}`
  }
  return String(priority)
}

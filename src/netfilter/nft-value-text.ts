/** Values, intervals and verdicts, as `nft list` prints them. */
import { Verdict } from './hook.ts'
import type { JumpTarget } from './nft-target.ts'
import { type Datatype, formatValue, IFNAME, IPV4 } from './nft-type.ts'

/** What `nft list` was asked for. */
export interface PrintOptions {
  /** -a */
  readonly handles: boolean
  /** -s: without what changes with packets. */
  readonly stateless: boolean
  /** -t: without elements. */
  readonly terse: boolean
  /** -n, -y: priorities as numbers. */
  readonly numericPriority: boolean
  readonly now: number
  readonly deviceName: (index: number) => string | null
}

export function formatVerdict(verdict: Verdict, chain: JumpTarget | null): string {
  switch (verdict) {
    case Verdict.ACCEPT:
      return 'accept'
    case Verdict.DROP:
      return 'drop'
    case Verdict.RETURN:
      return 'return'
    case Verdict.JUMP:
      return `jump ${chain?.name}`
    case Verdict.GOTO:
      return `goto ${chain?.name}`
    default:
      return 'continue'
  }
}

export function formatOne(type: Datatype, value: bigint, options: PrintOptions, joint = ' | '): string {
  if (type.name === 'iface_index') {
    const name = options.deviceName(Number(value))
    return name === null ? String(value) : `"${name}"`
  }
  return formatValue(type, value, joint)
}

/** An address block is printed as one, names that begin alike with `*`. */
export function formatInterval(type: Datatype, low: bigint, high: bigint, options: PrintOptions): string {
  if (low === high) return formatOne(type, low, options)
  if (type === IFNAME) {
    const stem = formatValue(type, low)
    return `${stem.slice(0, -1)}*"`
  }
  const size = high - low + 1n
  if (type === IPV4 && (size & (size - 1n)) === 0n && low % size === 0n) {
    return `${formatOne(type, low, options)}/${type.bits - (size.toString(2).length - 1)}`
  }
  return `${formatOne(type, low, options)}-${formatOne(type, high, options)}`
}

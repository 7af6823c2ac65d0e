/**
 * A rule as the machine runs it: instructions of six integers, constants, and the sets and states they name. Values
 * stand in registers of 32 bits, the first byte of a value in front, as numbers of their own size.
 */
import type { Verdict } from './hook.ts'
import type { RejectWith } from './host.ts'
import { Base, CtKey, MetaKey } from './nft-ast.ts'
import type { NftSet } from './nft-set.ts'
import type { NftLimit, NftPlainCounter, NftQuota, NftTurn } from './nft-state.ts'
import type { JumpTarget } from './nft-target.ts'

export const Op = {
  IMMEDIATE: 0,
  META: 1,
  CT: 2,
  PAYLOAD: 3,
  COMPARE: 4,
  RANGE: 5,
  BITWISE: 6,
  SHIFT: 7,
  LOOKUP: 8,
  MAP: 9,
  VMAP: 10,
  DYNSET: 11,
  RANDOM: 12,
  TURN: 13,
  HASH: 14,
  FIB: 15,
  COUNTER: 16,
  LIMIT: 17,
  QUOTA: 18,
  SET_MARK: 19,
  SET_CT_MARK: 20,
  NAT: 21,
  REJECT: 22,
  LOG: 23,
  NOTRACK: 24,
  VERDICT: 25,
} as const

/** Integers of an instruction: operation, register, and four operands. */
export const STRIDE = 6
export const REGISTERS = 64

export const Compare = { EQ: 0, NE: 1, LT: 2, GT: 3, LE: 4, GE: 5 } as const

export interface NatStep {
  readonly kind: 'snat' | 'dnat' | 'masquerade' | 'redirect'
  /** Registers of the lowest and highest address and port; -1: none. */
  readonly address: number
  readonly lastAddress: number
  readonly port: number
  readonly lastPort: number
  readonly random: boolean
  readonly persistent: boolean
}

export interface LogStep {
  readonly prefix: string
  readonly level: number
  readonly flags: number
  /** -1: the kernel's log. */
  readonly group: number
}

export interface HashStep {
  /** What is hashed: first register, bytes of each part, and whether they lie in the host's order. */
  readonly parts: readonly { readonly at: number; readonly bytes: number; readonly host: boolean }[]
  readonly modulus: number
  readonly seed: number
  readonly offset: number
}

export interface DynsetStep {
  readonly set: NftSet
  readonly operation: 'add' | 'update' | 'delete'
  /** The register of a map's data; -1: none. */
  readonly data: number
  readonly timeout: number
  readonly counts: boolean
  readonly limit: NftLimit | null
}

export class NftProgram {
  readonly code: Int32Array
  readonly pool: Int32Array
  readonly sets: readonly NftSet[]
  readonly counters: readonly NftPlainCounter[]
  readonly limits: readonly NftLimit[]
  readonly quotas: readonly NftQuota[]
  readonly turns: readonly NftTurn[]
  readonly hashes: readonly HashStep[]
  readonly nats: readonly NatStep[]
  readonly logs: readonly LogStep[]
  readonly rejects: readonly RejectWith[]
  readonly dynsets: readonly DynsetStep[]
  readonly chains: readonly JumpTarget[]
  /** Does it need conntrack? */
  readonly tracks: boolean
  /** Do all packets of a flow fare alike, once its status is what it will be (see link/flow-cache.ts)? */
  get steady(): boolean {
    return this.#steady && !this.sets.some((set) => set.grows)
  }

  readonly #steady: boolean

  constructor(builder: ProgramBuilder) {
    this.code = Int32Array.from(builder.code)
    this.pool = Int32Array.from(builder.pool)
    this.sets = builder.sets
    this.counters = builder.counters
    this.limits = builder.limits
    this.quotas = builder.quotas
    this.turns = builder.turns
    this.hashes = builder.hashes
    this.nats = builder.nats
    this.logs = builder.logs
    this.rejects = builder.rejects
    this.dynsets = builder.dynsets
    this.chains = builder.chains
    this.tracks = builder.tracks
    this.#steady = isSteady(builder)
  }
}

/** Instructions in the making. */
export class ProgramBuilder {
  readonly code: number[] = []
  readonly pool: number[] = []
  readonly sets: NftSet[] = []
  readonly counters: NftPlainCounter[] = []
  readonly limits: NftLimit[] = []
  readonly quotas: NftQuota[] = []
  readonly turns: NftTurn[] = []
  readonly hashes: HashStep[] = []
  readonly nats: NatStep[] = []
  readonly logs: LogStep[] = []
  readonly rejects: RejectWith[] = []
  readonly dynsets: DynsetStep[] = []
  readonly chains: JumpTarget[] = []
  tracks = false
  #free = 0

  emit(op: number, register = 0, a = 0, b = 0, c = 0, d = 0): void {
    this.code.push(op, register, a, b, c, d)
  }

  /** Takes registers. Each statement begins anew with `release`. */
  take(words: number): number {
    const at = this.#free
    this.#free += words
    if (this.#free > REGISTERS) throw new Error('podwire bug: an nft rule needs too many registers')
    return at
  }

  release(): void {
    this.#free = 0
  }

  /** Where these constants stand. */
  constants(words: readonly number[]): number {
    const at = this.pool.length
    this.pool.push(...words)
    return at
  }

  verdict(verdict: Verdict, chain: JumpTarget | null): void {
    let index = -1
    if (chain !== null) index = this.chains.push(chain) - 1
    this.emit(Op.VERDICT, 0, verdict, index)
  }
}

const STEADY_META: readonly number[] = [
  ...[MetaKey.PROTOCOL, MetaKey.NFPROTO, MetaKey.L4PROTO, MetaKey.IIF, MetaKey.OIF, MetaKey.IIFNAME, MetaKey.OIFNAME],
  ...[MetaKey.IIFTYPE, MetaKey.OIFTYPE, MetaKey.MARK, MetaKey.CPU],
]
const STEADY_CT: readonly number[] = [
  ...[CtKey.STATE, CtKey.STATUS, CtKey.DIRECTION, CtKey.PROTOCOL, CtKey.L3PROTO],
  ...[CtKey.SADDR, CtKey.DADDR, CtKey.PROTO_SRC, CtKey.PROTO_DST],
]
const STEADY: readonly number[] = [
  ...[Op.IMMEDIATE, Op.COMPARE, Op.RANGE, Op.BITWISE, Op.SHIFT, Op.FIB, Op.COUNTER, Op.VERDICT],
]
/** Bytes of the IPv4 header from which on, and of the transport header up to which, all packets of a flow are alike. */
const PROTOCOL_AT = 9
const PORTS_END = 4

function isSteady(builder: ProgramBuilder): boolean {
  for (let at = 0; at < builder.code.length; at += STRIDE) {
    const [op, , a, b, c] = builder.code.slice(at, at + STRIDE)
    switch (op) {
      case Op.META:
        if (!STEADY_META.includes(a)) return false
        break
      case Op.CT:
        if (!STEADY_CT.includes(a)) return false
        break
      case Op.PAYLOAD: {
        const addresses = a === Base.NETWORK && (b >= PROTOCOL_AT + 3 || (b === PROTOCOL_AT && c === 1))
        if (!addresses && !(a === Base.TRANSPORT && b + c <= PORTS_END)) return false
        break
      }
      case Op.LOOKUP:
      case Op.MAP:
      case Op.VMAP: {
        const { flags, counts } = builder.sets[a]
        if (flags.dynamic || flags.timeout || counts) return false
        break
      }
      default:
        if (!STEADY.includes(op)) return false
    }
  }
  return true
}

/** A rule as it was written and evaluated: what is printed again, and what becomes a program. */
import type { Verdict } from './hook.ts'
import type { RejectWith } from './host.ts'
import type { NftSet } from './nft-set.ts'
import type { NamedObject, NftLimit, NftPlainCounter, NftQuota, NftTurn } from './nft-state.ts'
import type { JumpTarget } from './nft-target.ts'
import type { Datatype } from './nft-type.ts'

/** Keys of `meta`, as the machine knows them. */
export const MetaKey = {
  LENGTH: 0,
  PROTOCOL: 1,
  NFPROTO: 2,
  L4PROTO: 3,
  MARK: 4,
  IIF: 5,
  OIF: 6,
  IIFNAME: 7,
  OIFNAME: 8,
  IIFTYPE: 9,
  OIFTYPE: 10,
  PKTTYPE: 11,
  RANDOM: 12,
  CPU: 13,
} as const

export const CtKey = {
  STATE: 0,
  STATUS: 1,
  MARK: 2,
  DIRECTION: 3,
  PROTOCOL: 4,
  L3PROTO: 5,
  SADDR: 6,
  DADDR: 7,
  PROTO_SRC: 8,
  PROTO_DST: 9,
  PACKETS: 10,
  BYTES: 11,
  EXPIRATION: 12,
} as const

/** Where a payload begins. */
export const Base = { LINK: 0, NETWORK: 1, TRANSPORT: 2 } as const

/** Something that a packet, its flow or chance has. */
export type Field =
  | { readonly kind: 'meta'; readonly text: string; readonly key: number }
  /** `direction`: 0 original, 1 reply, -1 neither. */
  | { readonly kind: 'ct'; readonly text: string; readonly key: number; readonly direction: number }
  | {
      readonly kind: 'payload'
      readonly text: string
      readonly protocol: string
      readonly base: number
      readonly offset: number
      readonly bits: number
    }
  /** `address`: 0 source, 1 destination. `device`: 0 any, 1 iif, 2 oif. */
  | {
      readonly kind: 'fib'
      readonly text: string
      readonly address: number
      readonly device: number
      readonly mark: boolean
      readonly result: 'type' | 'exists'
    }
  | {
      readonly kind: 'numgen'
      readonly text: string
      readonly turn: NftTurn | null
      readonly modulus: number
      readonly offset: number
    }
  | {
      readonly kind: 'hash'
      readonly text: string
      /** Null: symhash. */
      readonly of: Expression | null
      readonly modulus: number
      readonly seed: number
      readonly offset: number
    }

export type Expression =
  | { readonly k: 'field'; readonly type: Datatype; readonly field: Field }
  | { readonly k: 'value'; readonly type: Datatype; readonly value: bigint }
  /** Both ends are inside; `prefix` when it was written so. */
  | { readonly k: 'range'; readonly type: Datatype; readonly low: bigint; readonly high: bigint }
  /** (left & mask) ^ xor */
  | {
      readonly k: 'bits'
      readonly type: Datatype
      readonly left: Expression
      readonly mask: bigint
      readonly xor: bigint
    }
  /** Positive: to the left. */
  | { readonly k: 'shift'; readonly type: Datatype; readonly left: Expression; readonly by: number }
  | { readonly k: 'concat'; readonly parts: readonly Expression[] }
  | { readonly k: 'map'; readonly key: Expression; readonly set: NftSet; readonly types: readonly Datatype[] }

export type Comparison = '==' | '!=' | '<' | '>' | '<=' | '>='

export interface NatPart {
  readonly kind: 'snat' | 'dnat' | 'masquerade' | 'redirect'
  /** `ip` is printed (inet, and maps that give ports). */
  readonly family: boolean
  readonly address: Expression | null
  readonly port: Expression | null
  readonly random: boolean
  readonly fullyRandom: boolean
  readonly persistent: boolean
}

export type Statement =
  | {
      readonly k: 'match'
      readonly left: Expression
      readonly op: Comparison
      readonly right: Expression
      /** How it is written: `==` is not printed unless it must be; `flags`: any of the bits; `!`: none of them. */
      readonly form: 'plain' | 'flags' | 'none'
    }
  | { readonly k: 'lookup'; readonly left: Expression; readonly set: NftSet; readonly not: boolean }
  | { readonly k: 'vmap'; readonly left: Expression; readonly set: NftSet }
  | { readonly k: 'verdict'; readonly verdict: Verdict; readonly chain: JumpTarget | null }
  | { readonly k: 'counter'; readonly state: NftPlainCounter }
  | { readonly k: 'limit'; readonly state: NftLimit }
  | { readonly k: 'quota'; readonly state: NftQuota }
  | { readonly k: 'object'; readonly object: NamedObject }
  | {
      readonly k: 'log'
      readonly prefix: string
      readonly level: number
      readonly flags: number
      readonly group: number
      readonly snaplen: number
      readonly threshold: number
    }
  | { readonly k: 'reject'; readonly how: RejectWith; readonly text: string }
  | { readonly k: 'nat'; readonly nat: NatPart }
  | { readonly k: 'notrack' }
  | { readonly k: 'set'; readonly key: 'meta mark' | 'ct mark'; readonly value: Expression }
  | {
      readonly k: 'dynset'
      readonly operation: 'add' | 'update' | 'delete'
      readonly set: NftSet
      readonly key: Expression
      readonly data: Expression | null
      /** Nanoseconds; 0: the set's own. */
      readonly timeout: number
      readonly counts: boolean
      readonly limit: NftLimit | null
    }

/** The types of what an expression gives, one behind the other. */
export function typesOf(expression: Expression): Datatype[] {
  if (expression.k === 'concat') return expression.parts.flatMap(typesOf)
  return expression.k === 'map' ? [...expression.types] : [expression.type]
}

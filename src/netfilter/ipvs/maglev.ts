/**
 * The scheduler mh (ip_vs_mh.c): Google's Maglev hashing. Every server fills the places of a table in an order of its
 * own; when one goes, few others change their places, so that most clients stay where they are.
 */
import type { Ipv4 } from '../../wire/address.ts'
import { takes } from './load.ts'
import { type RealServer, ScheduleFlag, type Scheduler, type VirtualService } from './service.ts'

/** A prime: CONFIG_IP_VS_MH_TAB_INDEX 12. */
const SIZE = 4093
/** Weights are cut to so many bits. */
const WEIGHT_BITS = 6
const KEY = [2_654_435_761n, 2_654_446_892n] as const
const WORD = (1n << 64n) - 1n

/** hsiphash_1u32 of a 64-bit kernel: SipHash-1-3, folded to 32 bits; both halves of the key are the same here. */
export function hsiphash(first: number, low: bigint, high: bigint): number {
  let v0 = 0x736f6d6570736575n ^ low
  let v1 = 0x646f72616e646f6dn ^ high
  let v2 = 0x6c7967656e657261n ^ low
  let v3 = 0x7465646279746573n ^ high
  const rotate = (value: bigint, by: bigint) => ((value << by) | (value >> (64n - by))) & WORD
  const round = () => {
    v0 = (v0 + v1) & WORD
    v1 = rotate(v1, 13n) ^ v0
    v0 = rotate(v0, 32n)
    v2 = (v2 + v3) & WORD
    v3 = rotate(v3, 16n) ^ v2
    v0 = (v0 + v3) & WORD
    v3 = rotate(v3, 21n) ^ v0
    v2 = (v2 + v1) & WORD
    v1 = rotate(v1, 17n) ^ v2
    v2 = rotate(v2, 32n)
  }
  const word = (4n << 56n) | BigInt(first >>> 0)
  v3 ^= word
  round()
  v0 ^= word
  v2 ^= 0xffn
  for (let i = 0; i < 3; i++) round()
  return Number((v0 ^ v1 ^ v2 ^ v3) & 0xffff_ffffn)
}

function hash(address: Ipv4, port: number, which: 0 | 1, offset = 0): number {
  return hsiphash((offset + port + address) | 0, KEY[which], KEY[which])
}

/** Where a server goes next in the table, by how far, and how many places it takes in turn. */
interface Walk {
  place: number
  readonly skip: number
  readonly turns: number
}

export class Maglev implements Scheduler {
  readonly name = 'mh'
  readonly #table = new Array<RealServer | null>(SIZE).fill(null)

  changed({ servers }: VirtualService): void {
    this.#table.fill(null)
    const divisor = servers.reduce((found, { lastWeight }) => greatestCommonDivisor(lastWeight, found), 0)
    if (divisor < 1) return
    const most = Math.max(...servers.map(({ lastWeight }) => lastWeight)) / divisor
    const shift = Math.max(32 - Math.clz32(most) - WEIGHT_BITS, 0)
    const walks = servers.map(
      ({ address, port, lastWeight }): Walk => ({
        place: hash(address, port, 0) % SIZE,
        skip: (hash(address, port, 1) % (SIZE - 1)) + 1,
        turns: (lastWeight / divisor) >> shift || (lastWeight === 0 ? 0 : 1),
      }),
    )
    let left = SIZE
    while (left > 0) {
      for (let i = 0; i < servers.length; i++) {
        for (let turn = 0; turn < walks[i].turns && left > 0; turn++, left--) this.#take(servers[i], walks[i])
      }
    }
  }

  choose({ flags }: VirtualService, source: Ipv4, sourcePort: number): RealServer | null {
    const port = (flags & ScheduleFlag.SECOND) === 0 ? 0 : sourcePort
    const first = hash(source, port, 0) % SIZE
    const server = this.#table[first]
    if (server === null || takes(server)) return server
    if ((flags & ScheduleFlag.FIRST) === 0) return null
    for (let i = 0; i < SIZE; i++) {
      const other = this.#table[hash(source, port, 0, (i + first) % SIZE) % SIZE]
      if (other !== null && takes(other)) return other
    }
    return null
  }

  /** The next place in the server's own order that nobody has. */
  #take(server: RealServer, walk: Walk): void {
    while (this.#table[walk.place] !== null) walk.place = (walk.place + walk.skip) % SIZE
    this.#table[walk.place] = server
  }
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}

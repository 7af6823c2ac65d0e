/**
 * SYN cookies (net/ipv4/syncookies.c): what a half-open connection would remember is put into the initial sequence number
 * and, when the peer stamps its segments, into the low bits of our first timestamp. Nothing is kept until the ACK returns.
 */

import type { World } from '../../link/world.ts'
import { SECOND } from '../../sim/scheduler.ts'
import type { Connection } from './connection.ts'
import type { Segment } from './segment.ts'

/** The segment sizes that two bits can name (msstab). */
const SIZES = [536, 1300, 1440, 1460] as const
/** A cookie's clock ticks once a minute; it is good for two ticks (MAX_SYNCOOKIE_AGE). */
const TICK = 60 * SECOND
const GOOD_TICKS = 2
const DATA_BITS = 24
const DATA_MASK = (1 << DATA_BITS) - 1
/** The low six bits of the timestamp: window scale (15: none), SACK, ECN. */
const STAMP_BITS = 6
const STAMP_MASK = (1 << STAMP_BITS) - 1
const NO_SCALE = 15
const STAMP_SACK = 1 << 4

export class Cookies {
  readonly #world: World
  /** Drawn when the first cookie is made (net_get_random_once). */
  #secrets: readonly [number, number] | null = null

  constructor(world: World) {
    this.#world = world
  }

  /** Makes the connection's first sequence number and timestamp a cookie. The peer's SYN has been negotiated with. */
  bake(connection: Connection, segment: Segment): void {
    let index = 0
    while (index < SIZES.length - 1 && SIZES[index + 1] <= connection.peerMss) index++
    const tick = this.#tick()
    const count = (tick << DATA_BITS) | 0
    const data = (this.#hash(segment, tick, 1) + index) & DATA_MASK
    connection.send.begin((this.#hash(segment, 0, 0) + segment.sequence + count + data) | 0)
    if (!connection.timestamps) return
    const options = (connection.scaling ? connection.sendScale : NO_SCALE) | (connection.sack ? STAMP_SACK : 0)
    const now = connection.clock()
    let stamp = (now & ~STAMP_MASK) | options
    if (((stamp - now) | 0) > 0) stamp = (stamp - (1 << STAMP_BITS)) | 0
    connection.clockOffset = (connection.clockOffset + stamp - now) | 0
  }

  /** The peer's segment size that the cookie of this ACK holds; 0: it is no cookie of ours. */
  check(segment: Segment): number {
    const cookie = (segment.acknowledgment - 1 - this.#hash(segment, 0, 0) - (segment.sequence - 1)) | 0
    const tick = this.#tick()
    const age = (tick - (cookie >>> DATA_BITS)) & 0xff
    if (age >= GOOD_TICKS) return 0
    const index = (cookie - this.#hash(segment, tick - age, 1)) & DATA_MASK
    return SIZES[index] ?? 0
  }

  /** The options that the echoed timestamp holds. */
  unpack(connection: Connection, segment: Segment): void {
    connection.peerMss = this.check(segment)
    connection.timestamps = connection.timestamps && segment.timestamps
    // Without a timestamp there was no room for them.
    const options = connection.timestamps ? segment.echo & STAMP_MASK : NO_SCALE
    connection.sack = connection.sack && (options & STAMP_SACK) !== 0
    connection.scaling = connection.scaling && (options & NO_SCALE) !== NO_SCALE
    connection.sendScale = connection.scaling ? options & NO_SCALE : 0
  }

  #tick(): number {
    return Math.floor(this.#world.scheduler.now / TICK)
  }

  #hash({ source, destination, sourcePort, destinationPort }: Segment, tick: number, secret: 0 | 1): number {
    const { random } = this.#world
    this.#secrets ??= [random.int32(), random.int32()]
    let hash = Math.imul(this.#secrets[secret] ^ source, 0x85ebca6b)
    hash = Math.imul(hash ^ (hash >>> 13) ^ destination, 0xc2b2ae35)
    hash = Math.imul(hash ^ (hash >>> 16) ^ ((sourcePort << 16) | destinationPort), 0x9e3779b1)
    hash = Math.imul(hash ^ (hash >>> 15) ^ tick, 0x85ebca6b)
    return hash ^ (hash >>> 16)
  }
}

/** What a journey makes of a frame's bytes, read off one frame that made it (see journey.ts). */
import { fold } from '../wire/checksum.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as udp from '../wire/udp.ts'
import type { Frame } from './frame.ts'

export const NETWORK = ethernet.HEADER
export const UDP_CHECKSUM = NETWORK + ipv4.HEADER + udp.CHECKSUM
const IP_CHECKSUM = NETWORK + ipv4.CHECKSUM
const ADDRESSES = NETWORK + ipv4.SOURCE
/** Of what the header's checksum is taken over, what distinguishes a flow: all but length, identification and itself. */
const FIXED = [0, 6, 8, 12, 14, 16, 18]

export interface Rewriting {
  /** The numbers that both functions are about. */
  readonly values: Int32Array
  /**
   * Is the frame of the flow, its header whole and valid, where that is asked, and are its checksums such that they change by
   * the same sum?
   */
  fits(values: Int32Array, frame: Frame): boolean
  rewrite(values: Int32Array, frame: Frame): void
}

const functions = new Map<string, Omit<Rewriting, 'values'>>()

/**
 * `before` (which may be longer) and `after`: one frame; `mask`: which bytes are the same for every frame of its flow; `headed`: there is an IPv4
 * header, and the packet ends where the frame does. Null: something else in it changed.
 */
export function rewritingOf(
  before: Uint8Array,
  after: Uint8Array,
  mask: Uint8Array,
  headed: boolean,
): Rewriting | null {
  const old = new DataView(before.buffer)
  const fresh = new DataView(after.buffer, after.byteOffset, after.length)
  const values: number[] = []
  const value = (number: number) => `values[${values.push(number) - 1}]`
  const asked: string[] = []
  const done: string[] = []
  for (let at = 0; at < mask.length; at += 4) {
    const bits = new DataView(mask.buffer).getInt32(at, true)
    if (bits === 0) continue
    const masked = bits === -1 ? '' : ` & ${bits}`
    asked.push(`(view.getInt32(start + ${at}, true)${masked}) === ${value(old.getInt32(at, true) & bits)}`)
  }
  if (headed) {
    const sum = FIXED.reduce((total, at) => total + old.getUint16(NETWORK + at), 0)
    asked.push(`whole(view, start, frame.end, ${value(fold(sum))})`)
  }
  for (let at = 0; at < after.length; at++) {
    if (before[at] === after[at]) continue
    if (headed && (at & ~1) === IP_CHECKSUM) {
      const gained = value(gain(old, fresh, IP_CHECKSUM))
      asked.push(`view.getUint16(start + ${IP_CHECKSUM}) !== 0xffff`)
      done.push(`patch(view, start + ${IP_CHECKSUM}, ${gained})`)
      at = IP_CHECKSUM + 1
    } else if (headed && (at & ~1) === UDP_CHECKSUM && ipv4.protocol(before, NETWORK) === ipv4.IPPROTO_UDP) {
      const gained = value(gain(old, fresh, UDP_CHECKSUM))
      asked.push(`view.getUint16(start + ${UDP_CHECKSUM}) !== 0`)
      done.push(`patchUdp(view, start + ${UDP_CHECKSUM}, ${gained})`)
      at = UDP_CHECKSUM + 1
    } else {
      const width = [4, 2, 1].find((bytes) => fixed(mask, at, bytes))
      if (width === undefined) return null
      const type = width === 1 ? 'Uint8' : width === 2 ? 'Uint16' : 'Int32'
      done.push(`view.set${type}(start + ${at}, ${value(fresh[`get${type}`](at))})`)
      at += width - 1
    }
  }
  // A datagram without a checksum keeps none: it does not show how one would change.
  const unsummed = headed && old.getUint16(UDP_CHECKSUM) === 0
  if (unsummed && before.subarray(ADDRESSES, UDP_CHECKSUM).some((byte, i) => byte !== after[ADDRESSES + i])) return null
  const key = `${asked.join(' && ') || 'true'}; ${done.join('; ')}`
  const known = functions.get(key) ?? written(asked, done, key)
  functions.set(key, known)
  return { values: Int32Array.from(values), ...known }
}

/** Are so many bytes from there on the same for every frame? */
function fixed(mask: Uint8Array, at: number, bytes: number): boolean {
  return at + bytes <= mask.length && mask.subarray(at, at + bytes).every((bits) => bits === 255)
}

/** What the sum behind a checksum gained. */
function gain(old: DataView, fresh: DataView, at: number): number {
  return fold((~fresh.getUint16(at) & 0xffff) + old.getUint16(at))
}

/**
 * A text for each kind of rewriting, so that V8 takes its numbers and places for constants (see walk.ts). Into the text go
 * numbers only.
 */
function written(asked: readonly string[], done: readonly string[], key: string): Omit<Rewriting, 'values'> {
  const make = new Function(
    'whole',
    'patch',
    'patchUdp',
    `/* ${key} */ return {
      fits: (values, frame) => { const { view, start } = frame; return ${asked.join(' && ') || 'true'} },
      rewrite: (values, frame) => { const { view, start } = frame; ${done.join('; ')} },
    }`,
  )
  return make(whole, patch, patchUdp) as Omit<Rewriting, 'values'>
}

/** Does the packet end at `end`, and is its header's checksum right? `sum`: of what is the same in the flow. */
function whole(view: DataView, start: number, end: number, sum: number): boolean {
  const at = start + NETWORK
  const total = view.getUint16(at + ipv4.TOTAL_LENGTH)
  const all = sum + total + view.getUint16(at + ipv4.IDENTIFICATION) + view.getUint16(at + ipv4.CHECKSUM)
  return at + total === end && fold(all) === 0xffff
}

/** RFC 1624, equation 3: both the field and what was gained are below 2^16, so one fold is enough. */
function patch(view: DataView, at: number, gained: number): void {
  const sum = (~view.getUint16(at) & 0xffff) + gained
  view.setUint16(at, ~((sum & 0xffff) + (sum >>> 16)))
}

/** ... of UDP, for which zero says that there is none (RFC 768). */
function patchUdp(view: DataView, at: number, gained: number): void {
  const sum = (~view.getUint16(at) & 0xffff) + gained
  const field = ~((sum & 0xffff) + (sum >>> 16)) & 0xffff
  view.setUint16(at, field === 0 ? 0xffff : field)
}

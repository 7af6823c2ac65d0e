/** Rules that write into sets (nft_dynset.c). */

import type { DynsetStep } from './nft-program.ts'
import { NftElement } from './nft-set.ts'
import { NftPlainCounter } from './nft-state.ts'
import type { Packet } from './packet.ts'

/** A packet found this element: what it counts. False: its limit says no. */
export function touch(element: NftElement, packet: Packet): boolean {
  if (element.counter !== null) {
    element.counter.packets++
    element.counter.bytes += packet.length
  }
  return element.limit === null || element.limit.holds(packet.world.scheduler.now, packet.length)
}

/** False: the set is full, or the element's limit says no. */
export function dynset(step: DynsetStep, registers: Int32Array, at: number, packet: Packet): boolean {
  const { set } = step
  const { now } = packet.world.scheduler
  let element = set.lookup(registers, at, now)
  if (step.operation === 'delete') {
    if (element === null) return false
    set.remove(element)
    return true
  }
  const timeout = step.timeout !== 0 ? step.timeout : set.timeout
  if (element !== null) {
    if (step.operation === 'update' && timeout !== 0) {
      element.timeout = timeout
      element.due = now + timeout
    }
    return touch(element, packet)
  }
  if (set.size !== 0 && set.count >= set.size) {
    set.expire(now)
    if (set.count >= set.size) return false
  }
  element = fresh(step, registers, at, now, timeout)
  const ended = set.find(element.low, element.high)
  if (ended !== null) set.remove(ended)
  set.insert(element)
  return touch(element, packet)
}

/** The first packet of its kind: the one time that something is made. */
function fresh(step: DynsetStep, registers: Int32Array, at: number, now: number, timeout: number): NftElement {
  const { set } = step
  const key = registers.slice(at, at + set.words)
  const element = new NftElement(key, key)
  if (set.data !== null && step.data >= 0) {
    const words = set.data.reduce((sum, part) => sum + part.words, 0)
    element.data = registers.slice(step.data, step.data + words)
  }
  if (timeout !== 0) {
    element.timeout = timeout
    element.due = now + timeout
  }
  if (step.counts || set.counts) element.counter = new NftPlainCounter()
  if (step.limit !== null) element.limit = step.limit.fresh(now)
  return element
}

/** What a topology may not ask for when several threads run it: said before anything is built. */

import { directionsOf } from '../topology/cable.ts'
import type { TopologyFile } from '../topology/schema.ts'
import type { LookAhead } from './exchange.ts'

function refuse(what: string): never {
  throw new RangeError(`podwire: ${what} is not modelled with --threads`)
}

/** How far threads may run ahead of each other: the least that a cable takes, each way. @throws RangeError */
export function lookAheadOf(topology: TopologyFile): LookAhead {
  let [toSwitch, fromSwitch] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  for (const { name, cable } of [...topology.hosts, ...topology.nodes]) {
    const directions = directionsOf(topology.underlay.cable, cable)
    for (const { delay = 0, jitter = 0, engine } of [directions.toSwitch, directions.fromSwitch]) {
      if (engine !== undefined) refuse(`the cable of ${name}, which duplicates, damages, reorders or correlates,`)
      if (Math.floor(delay - jitter) < 1) refuse(`the cable of ${name}, by which a frame may take no time at all,`)
    }
    toSwitch = Math.min(toSwitch, least(directions.toSwitch))
    fromSwitch = Math.min(fromSwitch, least(directions.fromSwitch))
  }
  if (topology.hosts.length + topology.nodes.length === 0) refuse('a topology without machines')
  return { toSwitch, fromSwitch }
}

function least({ delay = 0, jitter = 0 }: { readonly delay?: number; readonly jitter?: number }): number {
  return Math.floor(delay - jitter)
}

/**
 * A cable is pulled for all threads at once, and a frame of another one may be on its way; a fleet's machines are made when one thread
 * needs them. @throws RangeError
 */
export function refuseWhatCannotBeSplit(topology: TopologyFile): void {
  if (topology.cluster?.fleet !== undefined) refuse('a fleet (cluster.fleet)')
  for (const { link } of [...topology.events, ...topology.steps]) {
    if (link !== undefined) refuse(`pulling a cable (${link})`)
  }
}

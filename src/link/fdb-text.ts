/** A line of `bridge fdb show`: one entry of a bridge's forwarding database or of a tunnel's. */
import { SECOND } from '../sim/scheduler.ts'
import { formatIpv4, type Ipv4 } from '../wire/address.ts'
import { fdbVlan, formatFdbMac, UPDATED, USED } from './fdb.ts'

interface Named {
  readonly name: string
}

/** What of an entry its line says. */
export interface FdbFacts {
  readonly high: number
  readonly low: number
  readonly local: boolean
  readonly permanent: boolean
  readonly byHand: boolean
  readonly sticky: boolean
  readonly externLearn: boolean
  readonly times: Float64Array
}

const NO_TIMES = new Float64Array(2)

/** What is so now, for a line that is written later, if ever; of the entry's times nothing is kept. */
export function factsOf(entry: FdbFacts): FdbFacts {
  const { high, low, local, permanent, byHand, sticky, externLearn } = entry
  return { high, low, local, permanent, byHand, sticky, externLearn, times: NO_TIMES }
}

export type FdbState = 'permanent' | 'static' | ''

export interface FdbLine {
  readonly mac: string
  readonly device: Named
  readonly bridge: Named | null
  readonly destination: Ipv4 | null
  readonly netnsid: number | null
  /** 0: none. */
  readonly vlan: number
  readonly state: FdbState
  readonly flags: readonly string[]
  /** Seconds since it was last used to send, and since it was last heard; null where nobody counts. */
  readonly ages: readonly [used: number, updated: number] | null
}

/** What a listing says beside the entries themselves. */
export interface FdbDetails {
  readonly device: boolean
  readonly statistics: boolean
}

/** Without the end of its line; a line ends with a space when the entry has no state. */
export function fdbLineText(line: FdbLine, { device, statistics }: FdbDetails): string {
  const parts = [line.mac]
  if (device) parts.push(`dev ${line.device.name}`)
  if (line.destination !== null) parts.push(`dst ${formatIpv4(line.destination)}`)
  if (line.vlan !== 0) parts.push(`vlan ${line.vlan}`)
  if (line.netnsid !== null) parts.push(`link-netnsid ${line.netnsid}`)
  if (statistics && line.ages !== null) parts.push(`used ${line.ages.join('/')}`)
  parts.push(...(line.bridge === null ? ['self'] : []), ...line.flags)
  if (line.bridge !== null) parts.push(`master ${line.bridge.name}`)
  return `${parts.join(' ')} ${line.state}`
}

/** fdb_to_nud, for the states that are printed. */
function stateOf(entry: FdbFacts): FdbState {
  if (entry.local) return 'permanent'
  return entry.permanent && !entry.externLearn ? 'static' : ''
}

const NO_FLAGS: readonly string[] = []

function flagsOf(entry: FdbFacts): readonly string[] {
  if (!entry.externLearn && !entry.sticky) return NO_FLAGS
  return [...(entry.externLearn ? ['extern_learn'] : []), ...(entry.sticky ? ['sticky'] : [])]
}

function agesOf(entry: FdbFacts, now: number): [number, number] {
  const age = (which: number) => Math.floor((now - entry.times[which]) / SECOND)
  return [age(USED), age(UPDATED)]
}

/** An entry of a bridge; `device` is its port, or the bridge itself. */
export function bridgeFdbLine(bridge: Named, device: Named, entry: FdbFacts, now: number): FdbLine {
  return {
    mac: formatFdbMac(entry),
    device,
    bridge,
    destination: null,
    netnsid: null,
    vlan: fdbVlan(entry),
    state: stateOf(entry),
    flags: flagsOf(entry),
    ages: agesOf(entry, now),
  }
}

/**
 * An entry of a tunnel for the VTEP `destination`, whose outer packets travel in the namespace of this number; null: in
 * its own.
 */
export function tunnelFdbLine(
  device: Named,
  entry: FdbFacts,
  destination: Ipv4,
  netnsid: number | null,
  now: number,
): FdbLine {
  return {
    mac: formatFdbMac(entry),
    device,
    bridge: null,
    destination,
    netnsid,
    vlan: 0,
    state: entry.permanent ? (entry.byHand && !entry.local ? 'static' : 'permanent') : '',
    flags: flagsOf(entry),
    ages: agesOf(entry, now),
  }
}

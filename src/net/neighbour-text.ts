/** One neighbour as `ip neigh` prints it. */
import { formatIpv4, formatMac, type Ipv4, type Mac } from '../wire/address.ts'
import { isValid, type NeighbourState } from './neighbour-entry.ts'

/** What of a neighbour is printed. */
export interface NeighbourLine {
  readonly address: Ipv4
  readonly mac: Mac
  readonly state: NeighbourState
}

/** Without the space at its end. `device` is null in a listing of one device; `usage` is what -s says. */
export function neighbourLine({ address, mac, state }: NeighbourLine, device: string | null, usage = ''): string {
  const by = device === null ? '' : ` dev ${device}`
  const known = isValid(state) ? ` lladdr ${formatMac(mac)}` : ''
  return `${formatIpv4(address)}${by}${known}${usage}${state === 'NONE' ? '' : ` ${state}`}`
}

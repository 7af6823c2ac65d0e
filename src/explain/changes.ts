/** What a hop did to a packet's headers, field by field. */
import { depth, endpoint, type Headers, type IpHeader } from './headers.ts'

export interface Change {
  /** `destination`, `TTL`, `source MAC`, `encapsulation`. */
  readonly field: string
  /** Null: it is new. */
  readonly before: string | null
  /** Null: it is gone. */
  readonly after: string | null
}

/** In the order of the headers, the outer ones first. */
export function changesBetween(before: Headers, after: Headers): Change[] {
  const grown = depth(after) - depth(before)
  if (grown > 0 && after.inner !== null) {
    return [{ field: 'encapsulation', before: null, after: tunnelText(after) }, ...changesBetween(before, after.inner)]
  }
  if (grown < 0 && before.inner !== null) {
    return [{ field: 'encapsulation', before: tunnelText(before), after: null }, ...changesBetween(before.inner, after)]
  }
  const changes: Change[] = []
  const compare = (field: string, was: unknown, is: unknown) => {
    if (was === is) return
    changes.push({ field, before: textOf(was), after: textOf(is) })
  }
  compare('source MAC', before.sourceMac, after.sourceMac)
  compare('destination MAC', before.destinationMac, after.destinationMac)
  compare('VLAN', before.vlan, after.vlan)
  if (before.ip !== null && after.ip !== null) compareIp(before.ip, after.ip, compare)
  if (before.inner !== null && after.inner !== null) {
    compare('VNI', before.vni, after.vni)
    const inner = changesBetween(before.inner, after.inner)
    changes.push(...inner.map((change) => ({ ...change, field: `inner ${change.field}` })))
  }
  return changes
}

function compareIp(before: IpHeader, after: IpHeader, compare: (field: string, was: unknown, is: unknown) => void) {
  compare('source', endpoint(before.source, before.sourcePort), endpoint(after.source, after.sourcePort))
  compare(
    'destination',
    endpoint(before.destination, before.destinationPort),
    endpoint(after.destination, after.destinationPort),
  )
  compare('TTL', before.ttl, after.ttl)
  compare('TOS', before.tos, after.tos)
  compare('fragment', fragmentText(before), fragmentText(after))
}

function fragmentText(ip: IpHeader): string | null {
  if (ip.fragmentOffset === 0 && !ip.moreFragments) return null
  return `${ip.length} bytes from ${ip.fragmentOffset} on`
}

function textOf(value: unknown): string | null {
  return value === null || value === undefined ? null : String(value)
}

/** `VXLAN 1 in UDP 192.168.14.51:41233 → 192.168.14.52:8472 (50 bytes more)`. */
function tunnelText(outer: Headers): string {
  const { ip } = outer
  const more = outer.length - (outer.inner?.length ?? 0)
  if (ip === null) return `VXLAN ${outer.vni} (${more} bytes)`
  const from = endpoint(ip.source, ip.sourcePort)
  const to = endpoint(ip.destination, ip.destinationPort)
  return `VXLAN ${outer.vni} in UDP ${from} → ${to} (${more} bytes)`
}

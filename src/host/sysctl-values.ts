/** Every sysctl of a namespace, conntrack's included, by its dotted name: sysctl(8) and /proc/sys. */
import type { Netns } from '../net/netns.ts'

const CONNTRACK = 'net.netfilter.'
const BUCKETS = `${CONNTRACK}nf_conntrack_buckets`
const COUNT = `${CONNTRACK}nf_conntrack_count`

export function sysctlNames(netns: Netns): string[] {
  const tracking = netns.netfilter.conntrack.settings.names().map((name) => CONNTRACK + name)
  return [...new Set([...netns.sysctl.names(), ...tracking, COUNT])].sort()
}

/** Null when there is none of that name. */
export function sysctlValue(netns: Netns, name: string): string | null {
  if (name === COUNT) return String(netns.netfilter.conntrack.count)
  const tracking = name.startsWith(CONNTRACK) ? netns.netfilter.conntrack.settings.get(name) : null
  return tracking ?? netns.sysctl.get(name)
}

/** False: the kernel does not take this value. */
export function setSysctl(netns: Netns, name: string, value: string): boolean {
  if (name === COUNT || name === BUCKETS || netns.sysctl.readOnly(name)) return false
  if (name.startsWith(CONNTRACK) && !/^-?[0-9\s]+$/.test(value)) return false
  const tracked = name.startsWith(CONNTRACK) && netns.netfilter.conntrack.settings.set(name, value)
  return netns.sysctl.set(name, value) || tracked
}

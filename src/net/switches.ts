/** The sysctls of a namespace that are plain fields of it, or lie with its netfilter. */
import type { Netfilter } from '../netfilter/netfilter.ts'
import type { Sysctl } from './sysctl.ts'

interface Switched {
  readonly sysctl: Sysctl
  readonly netfilter: Netfilter
  forwarding: boolean
  defaultTtl: number
  discoversPathMtu: boolean
}

export function followSwitches(netns: Switched): void {
  netns.sysctl.watch((changed, value) => {
    if (changed.startsWith('net.netfilter.')) netns.netfilter.conntrack.settings.set(changed, value)
    if (changed.startsWith('net.ipv4.vs.')) netns.netfilter.ipvs.settings.set(changed, Number(value))
    if (changed === 'net.ipv4.ip_default_ttl') netns.defaultTtl = Number(value)
    if (changed === 'net.ipv4.ip_no_pmtu_disc') netns.discoversPathMtu = Number(value) === 0
    if (changed === 'net.ipv4.ip_forward') netns.forwarding = Number(value) !== 0
  })
}

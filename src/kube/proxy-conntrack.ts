/**
 * What kube-proxy does about connection tracking (pkg/proxy/conntrack, 1.32): UDP has no end, so an entry that is
 * used lives on and sends packets where no endpoint is any more. TCP's entries are left alone: the far end resets.
 */
import type { Flow } from '../netfilter/flow.ts'
import type { Netfilter } from '../netfilter/netfilter.ts'
import { type Ipv4, parseIpv4 } from '../wire/address.ts'
import type { ProxyService } from './proxy-services.ts'

const UDP = 17

/** Deletes UDP entries towards a Service that are not answered by one of its endpoints that serve. */
export function forgetStaleFlows(netfilter: Netfilter, services: readonly ProxyService[]): void {
  const portals = new Map<string, ReadonlySet<Ipv4>>()
  const nodePorts = new Map<number, ReadonlySet<Ipv4>>()
  for (const service of services) {
    if (service.protocol !== 'UDP') continue
    const serving = new Set(service.endpoints.map((endpoint) => parseIpv4(endpoint.address)))
    const { clusterIP, loadBalancerIPs = [], externalIPs = [], nodePort } = service
    for (const ip of [clusterIP, ...loadBalancerIPs, ...externalIPs])
      portals.set(key(parseIpv4(ip), service.port), serving)
    if (nodePort !== undefined) nodePorts.set(nodePort, serving)
  }
  if (portals.size === 0) return
  netfilter.conntrack.delete(({ original, reply }: Flow) => {
    if (original.protocol !== UDP) return false
    const serving =
      portals.get(key(original.destination, original.destinationPort)) ?? nodePorts.get(original.destinationPort)
    return serving !== undefined && !serving.has(reply.source)
  })
}

function key(address: Ipv4, port: number): string {
  return `${address}:${port}`
}

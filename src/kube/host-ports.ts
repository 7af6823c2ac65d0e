/** Ports of the node that pods ask for: what the scheduler keeps apart, and what portmap maps. */
import type { PortMapping } from './cni/portmap.ts'
import type { Pod } from './objects.ts'

/** Every container's ports with a hostPort. */
export function portMappings(pod: Pod): PortMapping[] {
  const containers = [...(pod.spec.initContainers ?? []), ...pod.spec.containers]
  return containers.flatMap((container) =>
    (container.ports ?? []).flatMap(({ hostPort, containerPort, protocol = 'TCP', hostIP = '' }) => {
      if (!hostPort) return []
      return [{ hostPort, containerPort, protocol: protocol.toLowerCase() as PortMapping['protocol'], hostIP }]
    }),
  )
}

/** Two that cannot be on one node: the same port and protocol, at the same address or at all of them. */
export function portsConflict(one: Pod, other: Pod): boolean {
  return portMappings(one).some((a) => portMappings(other).some((b) => conflict(a, b)))
}

function conflict(a: PortMapping, b: PortMapping): boolean {
  const everywhere = (ip: string) => ip === '' || ip === '0.0.0.0'
  const meet = everywhere(a.hostIP) || everywhere(b.hostIP) || a.hostIP === b.hostIP
  return a.hostPort === b.hostPort && a.protocol === b.protocol && meet
}

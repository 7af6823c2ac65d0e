/** Admission of Services: ClusterIPs and node ports, taken when a Service is stored and freed when it goes. */

import type { Random } from '../sim/random.ts'
import { ApiError } from './api-error.ts'
import { goText } from './causes.ts'
import { NodePorts, type ServiceAddresses } from './ipam.ts'
import type { Service } from './objects.ts'
import type { Store } from './store.ts'

export class ServiceAllocator {
  readonly #addresses: ServiceAddresses
  readonly #ports: NodePorts

  constructor(store: Store, addresses: ServiceAddresses, random: Random) {
    this.#addresses = addresses
    this.#ports = new NodePorts(random)
    store.admit('Service', (object, old) => this.#admit(object as Service, old as Service | null))
    store.listen('Service', (change) => {
      if (change.type === 'DELETED') this.#release(change.object as Service)
    })
  }

  #admit(service: Service, old: Service | null): void {
    const owner = ownerOf(service)
    if (service.spec.type === 'ExternalName') {
      if (old?.spec.clusterIP) this.#addresses.release(old.spec.clusterIP, owner)
      for (const field of [
        'clusterIP',
        'clusterIPs',
        'ipFamilies',
        'ipFamilyPolicy',
        'internalTrafficPolicy',
      ] as const) {
        delete service.spec[field]
      }
    } else this.#clusterIp(service, old, owner)
    this.#nodePorts(service, old, owner)
  }

  #clusterIp(service: Service, old: Service | null, owner: string): void {
    const { spec } = service
    // A replaced Service that names no address keeps the one it has.
    if (!spec.clusterIP && old?.spec.clusterIP) spec.clusterIP = old.spec.clusterIP
    if (!spec.clusterIP && spec.clusterIPs?.[0]) spec.clusterIP = spec.clusterIPs[0]
    if (!spec.clusterIP) {
      const address = this.#addresses.allocate(owner)
      if (address === null) {
        this.#refuse(service, 'spec.clusterIPs', goText([]), 'failed to allocate a serviceIP: range is full')
      }
      spec.clusterIP = address
    } else if (spec.clusterIP !== 'None' && spec.clusterIP !== old?.spec.clusterIP) {
      if (old?.spec.clusterIP) return
      const refusal = this.#addresses.claim(spec.clusterIP, owner)
      if (refusal !== null) this.#refuse(service, 'spec.clusterIPs', goText([spec.clusterIP]), refusal)
    }
    spec.clusterIPs = [spec.clusterIP]
  }

  #nodePorts(service: Service, old: Service | null, owner: string): void {
    const { spec } = service
    const wanted =
      spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false)
    const exposed = spec.type === 'NodePort' || spec.type === 'LoadBalancer'
    const ports = spec.ports ?? []
    if (!exposed) {
      // Back to ClusterIP: the API server drops the node ports that it gave itself.
      const dropped = old !== null && (old.spec.type === 'NodePort' || old.spec.type === 'LoadBalancer')
      if (dropped) for (const port of ports) delete port.nodePort
      if (dropped) delete spec.externalTrafficPolicy
      if (dropped) delete spec.allocateLoadBalancerNodePorts
    } else if (spec.type === 'NodePort') delete spec.allocateLoadBalancerNodePorts
    const before = old?.spec.ports ?? []
    const kept = new Set<string>()
    ports.forEach((port, i) => {
      if (wanted && !port.nodePort) {
        const same = before.find((p) => p.port === port.port && p.protocol === port.protocol)
        const found = same?.nodePort ?? this.#ports.allocate(port.protocol, owner)
        if (found === null) this.#refuse(service, `spec.ports[${i}].nodePort`, '0', 'range is full')
        port.nodePort = found
      }
      if (!exposed || !port.nodePort) return
      const refusal = this.#ports.claim(port.nodePort, port.protocol, owner)
      if (refusal !== null) this.#refuse(service, `spec.ports[${i}].nodePort`, String(port.nodePort), refusal)
      kept.add(`${port.nodePort}/${port.protocol}`)
    })
    this.#ports.keep(owner, kept)
  }

  #release(service: Service): void {
    const owner = ownerOf(service)
    if (service.spec.clusterIP) this.#addresses.release(service.spec.clusterIP, owner)
    this.#ports.keep(owner, new Set())
  }

  #refuse(service: Service, field: string, value: string, why: string): never {
    const owner = ownerOf(service)
    if (service.metadata.uid === undefined && service.spec.clusterIP)
      this.#addresses.release(service.spec.clusterIP, owner)
    const cause = { field, message: `Invalid value: ${value}: ${why}` }
    throw ApiError.invalid('Service', service.metadata.name, [cause])
  }
}

function ownerOf(service: Service): string {
  return `${service.metadata.namespace}/${service.metadata.name}`
}

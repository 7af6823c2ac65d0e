/**
 * Admission of Services (pkg/registry/core/service/storage): ClusterIPs, node ports and health-check ports, taken
 * when a Service is stored and freed when it goes; what an earlier type needed and the new one does not is dropped.
 */

import type { Random } from '../sim/random.ts'
import { ApiError } from './api-error.ts'
import { goText } from './causes.ts'
import { NodePorts, type PortRange, type ServiceAddresses } from './ipam.ts'
import { equal, type JsonMap } from './json.ts'
import type { Service, ServiceSpec } from './objects.ts'
import type { Store } from './store.ts'
import { isExternallyAccessible, needsHealthCheck } from './validation-service.ts'

export class ServiceAllocator {
  readonly #addresses: ServiceAddresses
  readonly #ports: NodePorts

  constructor(store: Store, addresses: ServiceAddresses, random: Random, range?: PortRange) {
    this.#addresses = addresses
    this.#ports = new NodePorts(random, range)
    store.admit('Service', (object, old) => this.#admit(object as Service, old as Service | null))
    store.listen('Service', ({ type, object }) => {
      if (type === 'DELETED') this.#release(object as Service)
      else this.#ports.keep(ownerOf(object as Service), portsOf(object as Service))
    })
  }

  #admit(service: Service, old: Service | null): void {
    const owner = ownerOf(service)
    // What an update took that was refused afterwards is free again.
    if (old !== null) this.#ports.keep(owner, portsOf(old))
    if (old !== null) dropUnneeded(service.spec, old.spec)
    if (old !== null && service.spec.type !== 'LoadBalancer') service.status.loadBalancer = {}
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
    const exposed = spec.type === 'NodePort' || spec.type === 'LoadBalancer'
    const wanted = exposed && (spec.type === 'NodePort' || spec.allocateLoadBalancerNodePorts !== false)
    // The same port of two protocols, such as DNS has it, gets one node port.
    const given = new Map<number, number>()
    const before = old?.spec.ports ?? []
    ;(spec.ports ?? []).forEach((port, i) => {
      if (!exposed) return
      const same = before.find((p) => p.port === port.port && p.protocol === port.protocol)
      if (wanted && !port.nodePort && same?.nodePort) port.nodePort = same.nodePort
      if (wanted && !port.nodePort) {
        const found = given.get(port.port) ?? this.#ports.allocate(owner)
        if (found === null) this.#refuse(service, `spec.ports[${i}].nodePort`, '0', 'range is full')
        port.nodePort = found
      }
      if (!port.nodePort) return
      const refusal = this.#ports.claim(port.nodePort, owner)
      if (refusal !== null) this.#refuse(service, `spec.ports[${i}].nodePort`, String(port.nodePort), refusal)
      given.set(port.port, port.nodePort)
    })
    this.#healthCheck(service, old, owner)
  }

  #healthCheck(service: Service, old: Service | null, owner: string): void {
    const { spec } = service
    if (!needsHealthCheck(spec as unknown as JsonMap)) return
    const before = old?.spec.healthCheckNodePort
    if (before && spec.healthCheckNodePort && spec.healthCheckNodePort !== before) {
      const why = 'cannot change healthCheckNodePort on loadBalancer service with externalTraffic=Local during update'
      this.#refuse(service, 'spec.healthCheckNodePort', String(spec.healthCheckNodePort), why)
    }
    const wanted = spec.healthCheckNodePort || before || null
    if (wanted === null) {
      const found = this.#ports.allocate(owner)
      if (found === null) this.#fail(service, 'failed to allocate a HealthCheck NodePort 0: range is full')
      spec.healthCheckNodePort = found
    } else {
      const mine = spec.ports?.some((port) => port.nodePort === wanted)
      const refusal = mine ? 'provided port is already allocated' : this.#ports.claim(wanted, owner)
      if (refusal !== null)
        this.#fail(service, `failed to allocate requested HealthCheck NodePort ${wanted}: ${refusal}`)
      spec.healthCheckNodePort = wanted
    }
  }

  #release(service: Service): void {
    const owner = ownerOf(service)
    if (service.spec.clusterIP) this.#addresses.release(service.spec.clusterIP, owner)
    this.#ports.keep(owner, new Set())
  }

  #refuse(service: Service, field: string, value: string, why: string): never {
    this.#undo(service)
    const cause = { field, message: `Invalid value: ${value}: ${why}` }
    throw ApiError.invalid('Service', service.metadata.name, [cause])
  }

  #fail(service: Service, why: string): never {
    this.#undo(service)
    throw new ApiError('InternalError', `Internal error occurred: ${why}`)
  }

  /** Nothing stays taken for a Service that was not created. */
  #undo(service: Service): void {
    if (service.metadata.uid !== undefined) return
    const owner = ownerOf(service)
    if (service.spec.clusterIP) this.#addresses.release(service.spec.clusterIP, owner)
    this.#ports.keep(owner, new Set())
  }
}

/** Fields that the new type has no use for go, unless somebody has just set them: those are for validation to refuse. */
function dropUnneeded(now: ServiceSpec, old: ServiceSpec): void {
  const exposed = (spec: ServiceSpec) => spec.type === 'NodePort' || spec.type === 'LoadBalancer'
  const balanced = (spec: ServiceSpec) => spec.type === 'LoadBalancer'
  const outside = (spec: ServiceSpec) => isExternallyAccessible(spec as unknown as JsonMap)
  const checked = (spec: ServiceSpec) => needsHealthCheck(spec as unknown as JsonMap)
  if (exposed(old) && !exposed(now)) {
    const before = new Set((old.ports ?? []).map((port) => port.nodePort))
    for (const port of now.ports ?? []) if (before.has(port.nodePort)) delete port.nodePort
  }
  const drop = (needs: (spec: ServiceSpec) => boolean, field: keyof ServiceSpec) => {
    if (needs(old) && !needs(now) && equal(now[field], old[field])) delete now[field]
  }
  drop(outside, 'externalTrafficPolicy')
  drop(checked, 'healthCheckNodePort')
  drop(balanced, 'allocateLoadBalancerNodePorts')
  drop(balanced, 'loadBalancerClass')
}

function portsOf({ spec }: Service): Set<number> {
  const ports = (spec.ports ?? []).map((port) => port.nodePort ?? 0)
  return new Set([...ports, spec.healthCheckNodePort ?? 0].filter((port) => port !== 0))
}

function ownerOf(service: Service): string {
  return `${service.metadata.namespace}/${service.metadata.name}`
}

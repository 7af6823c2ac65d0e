/** Which load balancer a cluster has, if any. */
import type { Scheduler } from '../../sim/scheduler.ts'
import { PlanError } from '../ipam.ts'
import type { KubeNode } from '../node.ts'
import type { Store } from '../store.ts'
import { tryParseRange } from './address-pool.ts'
import { MetalLb, type SpeakerNode } from './metallb.ts'
import { ServiceLb } from './service-lb.ts'

export interface LoadBalancerOptions {
  /** `metallb`: addresses of a pool, by ARP. `servicelb`: the nodes' own addresses. */
  readonly name: 'metallb' | 'servicelb'
  /** `192.168.14.240-192.168.14.250` or `192.168.14.240/28`, for MetalLB. */
  readonly pool?: readonly string[]
  /** Takes Services with this `loadBalancerClass` only; without one, those that name none. */
  readonly class?: string | undefined
}

/** @throws PlanError when the pool is none. */
export function startLoadBalancer(
  store: Store,
  scheduler: Scheduler,
  options: LoadBalancerOptions,
  nodes: ReadonlyMap<string, KubeNode>,
): MetalLb | ServiceLb {
  const loadBalancerClass = options.class ?? null
  if (options.name === 'servicelb') return new ServiceLb(store, scheduler, loadBalancerClass)
  const pool = options.pool ?? []
  if (pool.length === 0) throw new PlanError('the load balancer metallb needs a pool of addresses')
  for (const range of pool) {
    if (tryParseRange(range) === null) throw new PlanError(`${JSON.stringify(range)} is no range of addresses`)
  }
  const speakers = new Map<string, SpeakerNode>()
  for (const node of nodes.values()) {
    const { machine } = node
    const place = machine.addPlace('metallb-speaker', machine.netns, { hostname: machine.name, programs: new Map() })
    speakers.set(node.name, { name: node.name, place, device: node.underlay.name })
  }
  return new MetalLb(store, scheduler, { pool, loadBalancerClass, nodes: () => [...speakers.values()] })
}

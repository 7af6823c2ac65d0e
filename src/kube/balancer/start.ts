/** Which load balancer a cluster has, if any. */
import { type Image, parseReference } from '../../host/images/image.ts'
import type { Scheduler } from '../../sim/scheduler.ts'
import { PlanError } from '../ipam.ts'
import type { KubeNode } from '../node.ts'
import type { KubeObject } from '../objects.ts'
import type { Store } from '../store.ts'
import { tryParseRange } from './address-pool.ts'
import { MetalLb } from './metallb.ts'
import { metalLbImages, metalLbObjects } from './metallb-objects.ts'
import { ServiceLb } from './service-lb.ts'

export interface LoadBalancerOptions {
  /** `metallb`: addresses of a pool, by ARP. `servicelb`: the nodes' own addresses. */
  readonly name: 'metallb' | 'servicelb'
  /** `192.168.14.240-192.168.14.250` or `192.168.14.240/28`, for MetalLB. */
  readonly pool?: readonly string[]
  /** Takes Services with this `loadBalancerClass` only; without one, those that name none. */
  readonly class?: string | undefined
}

/** What a load balancer brings into the cluster. */
export interface LoadBalancer {
  /** The image of one of its pods; null when the reference is none of them. */
  image(reference: string): Image | null
  readonly objects: readonly KubeObject[]
  /** Pods that it has on a cluster with so many nodes. */
  pods(nodes: number): number
}

/** @throws PlanError when the pool is none. */
export function startLoadBalancer(
  store: Store,
  scheduler: Scheduler,
  options: LoadBalancerOptions,
  nodes: ReadonlyMap<string, KubeNode>,
): LoadBalancer {
  const loadBalancerClass = options.class ?? null
  if (options.name === 'servicelb') {
    new ServiceLb(store, scheduler, loadBalancerClass)
    return { image: () => null, objects: [], pods: () => 0 }
  }
  const pool = options.pool ?? []
  if (pool.length === 0) throw new PlanError('the load balancer metallb needs a pool of addresses')
  for (const range of pool) {
    if (tryParseRange(range) === null) throw new PlanError(`${JSON.stringify(range)} is no range of addresses`)
  }
  const metallb = new MetalLb(store, scheduler, { pool, loadBalancerClass })
  const images = metalLbImages((self) => {
    const node = [...nodes.values()].find(({ machine }) => machine === self.place.machine)
    return node === undefined ? null : { node: node.name, process: self, device: node.underlay.name }
  }, metallb)
  return {
    image: (reference) => images.get(parseReference(reference).name) ?? null,
    objects: metalLbObjects(),
    pods: (count) => 1 + count,
  }
}

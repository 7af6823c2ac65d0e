/** The controller manager, and the scheduler beside it. */
import type { Scheduler } from '../../sim/scheduler.ts'
import { PodScheduler } from '../scheduler.ts'
import type { Store } from '../store.ts'
import { DaemonSetController } from './daemonset.ts'
import { DeploymentController } from './deployment.ts'
import { EndpointsController } from './endpoints.ts'
import { EndpointSliceController } from './endpointslice.ts'
import { GarbageCollector } from './garbage.ts'
import { NamespaceController } from './namespace.ts'
import { ReplicaSetController } from './replicaset.ts'
import { StatefulSetController } from './statefulset.ts'

/** Those that a fleet asks for what it brings along. */
export interface Controllers {
  readonly deployments: DeploymentController
  readonly replicaSets: ReplicaSetController
  readonly endpoints: EndpointsController
  readonly slices: EndpointSliceController
}

export function startControllers(store: Store, scheduler: Scheduler): Controllers {
  new NamespaceController(store, scheduler)
  new GarbageCollector(store, scheduler)
  const deployments = new DeploymentController(store, scheduler)
  const replicaSets = new ReplicaSetController(store, scheduler)
  new DaemonSetController(store, scheduler)
  new StatefulSetController(store, scheduler)
  const endpoints = new EndpointsController(store, scheduler)
  const slices = new EndpointSliceController(store, scheduler)
  new PodScheduler(store, scheduler)
  return { deployments, replicaSets, endpoints, slices }
}

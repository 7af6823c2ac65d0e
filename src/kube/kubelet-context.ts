/** What the workers of a kubelet share. */
import type { Place } from '../host/place.ts'
import type { Nanos, Scheduler } from '../sim/scheduler.ts'
import type { EventRecorder } from './events.ts'
import type { DnsSettings } from './pod-environment.ts'
import type { ContainerRuntime } from './runtime.ts'
import type { Store } from './store.ts'

export interface KubeletContext {
  readonly node: string
  readonly hostIp: string
  readonly store: Store
  readonly scheduler: Scheduler
  readonly runtime: ContainerRuntime
  readonly events: EventRecorder
  readonly dns: DnsSettings
  /** Where probes run. */
  readonly probes: Place
  /** Looks at the pod again after the delay. */
  wake(uid: string, delay: Nanos): void
}

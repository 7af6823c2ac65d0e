/**
 * kube-proxy on one node: watches Services and EndpointSlices, has its mode write the rules anew when something has
 * changed, and forgets UDP flows that would go on to endpoints that are gone.
 */

import type { Machine } from '../host/machine.ts'
import type { Netns } from '../net/netns.ts'
import { type Scheduler, Timer } from '../sim/scheduler.ts'
import { EventRecorder } from './events.ts'
import { equal } from './json.ts'
import { PROXY_DELAY, PROXY_PERIOD } from './latency.ts'
import { forgetStaleFlows } from './proxy-conntrack.ts'
import { ServiceHealth } from './proxy-health.ts'
import { IptablesMode } from './proxy-iptables.ts'
import type { ProxyMode, ProxyModeName, ProxyModeOptions } from './proxy-mode.ts'
import { type ProxyService, placeOf, proxyServices } from './proxy-services.ts'
import type { Store } from './store.ts'

export interface KubeProxyOptions extends ProxyModeOptions {
  readonly mode: ProxyModeName
}

export class KubeProxy {
  readonly #store: Store
  readonly #scheduler: Scheduler
  readonly #netns: Netns
  readonly #options: KubeProxyOptions
  readonly #timer: Timer
  readonly #mode: ProxyMode
  readonly #health: ServiceHealth
  #services: readonly ProxyService[] = []
  #last = Number.NEGATIVE_INFINITY

  constructor(store: Store, machine: Machine, options: KubeProxyOptions) {
    const { netns } = machine
    this.#store = store
    this.#scheduler = machine.world.scheduler
    this.#netns = netns
    this.#options = options
    this.#mode = modeOf(options.mode, netns, options)
    const place = machine.addPlace('kube-proxy', netns, { hostname: machine.name, programs: new Map() })
    this.#health = new ServiceHealth(store, place, new EventRecorder(store, 'kube-proxy', options.node))
    this.#timer = new Timer({ run: () => this.sync() })
  }

  /** Writes the rules of what there is now, and follows changes from then on. */
  start(): void {
    const { sysctl } = this.#netns
    sysctl.set('net.netfilter.nf_conntrack_tcp_timeout_established', '86400')
    sysctl.set('net.netfilter.nf_conntrack_tcp_timeout_close_wait', '3600')
    this.#mode.start()
    this.sync()
    this.#store.listen('Service', () => this.#changed())
    this.#store.listen('EndpointSlice', () => this.#changed())
    this.#store.listen('Node', ({ object, old }) => {
      if (object.metadata.name !== this.#options.node) return
      if (!equal(object.metadata.labels ?? {}, old?.metadata.labels ?? {})) this.#changed()
    })
  }

  /** What the rules were last made of. */
  get services(): readonly ProxyService[] {
    return this.#services
  }

  /** Writes the rules now. */
  sync(): void {
    this.#last = this.#scheduler.now
    const { node } = this.#options
    const services = proxyServices(this.#store, node)
    this.#mode.sync(services, placeOf(this.#store, node))
    forgetStaleFlows(this.#netns.netfilter, services)
    this.#health.sync(services)
    this.#services = services
  }

  #changed(): void {
    if (this.#timer.armed) return
    const soonest = Math.max(this.#scheduler.now + PROXY_DELAY, this.#last + PROXY_PERIOD)
    this.#scheduler.at(this.#timer, soonest)
  }
}

function modeOf(name: ProxyModeName, netns: Netns, options: ProxyModeOptions): ProxyMode {
  switch (name) {
    case 'iptables':
      return new IptablesMode(netns, options)
  }
}

/**
 * kube-proxy on one node: watches Services and EndpointSlices, has its mode write the rules anew when something has
 * changed, and forgets UDP flows that would go on to endpoints that are gone.
 */

import type { Machine } from '../host/machine.ts'
import type { Process, Program } from '../host/process.ts'
import type { Netns } from '../net/netns.ts'
import { type Scheduler, Timer } from '../sim/scheduler.ts'
import { EventRecorder } from './events.ts'
import { equal } from './json.ts'
import { PROXY_BURST, PROXY_DELAY, PROXY_PERIOD, PROXY_WATCH } from './latency.ts'
import { forgetStaleFlows } from './proxy-conntrack.ts'
import { ServiceHealth, serveProxyHealth } from './proxy-health.ts'
import { IptablesMode } from './proxy-iptables.ts'
import { IpvsMode } from './proxy-ipvs.ts'
import type { ProxyMode, ProxyModeName, ProxyModeOptions } from './proxy-mode.ts'
import { NftablesMode } from './proxy-nftables.ts'
import { type ProxyService, placeOf, proxyServices } from './proxy-services.ts'
import type { ServiceSelection } from './service-selection.ts'
import type { Store } from './store.ts'

export interface KubeProxyOptions extends ProxyModeOptions {
  readonly mode: ProxyModeName
  /** Services that may wait for their rules; none unless it is said. */
  readonly selection?: ServiceSelection
}

/** The program of kube-proxy's pods: it lives as long as its container. */
export function kubeProxy(find: (machine: Process['place']['machine']) => KubeProxy | null): Program {
  return async (self) => {
    const proxy = find(self.place.machine)
    if (proxy === null) return self.forever()
    proxy.start(self)
    try {
      return await self.forever()
    } finally {
      proxy.stop()
    }
  }
}

export class KubeProxy {
  readonly #store: Store
  readonly #scheduler: Scheduler
  readonly #netns: Netns
  readonly #options: KubeProxyOptions
  readonly #timer: Timer
  readonly #watch: Timer
  readonly #events: EventRecorder
  readonly #ends: (() => void)[] = []
  #mode: ProxyMode
  #health: ServiceHealth | null = null
  #services: readonly ProxyService[] = []
  #last = Number.NEGATIVE_INFINITY
  /** Syncs that may be done at once; one more each period. */
  #tokens = PROXY_BURST

  constructor(store: Store, machine: Machine, options: KubeProxyOptions) {
    const { netns } = machine
    this.#store = store
    this.#scheduler = machine.world.scheduler
    this.#netns = netns
    this.#options = options
    this.#events = new EventRecorder(store, 'kube-proxy', options.node)
    this.#mode = modeOf(options.mode, netns, options)
    this.#timer = new Timer({ run: () => this.#attempt() })
    this.#watch = new Timer({ run: () => this.#look() })
  }

  /** Writes the rules of what there is now, and follows changes from then on. */
  start(self: Process): void {
    const { sysctl } = this.#netns
    sysctl.set('net.netfilter.nf_conntrack_tcp_timeout_established', '86400')
    sysctl.set('net.netfilter.nf_conntrack_tcp_timeout_close_wait', '3600')
    this.#mode = modeOf(this.#options.mode, this.#netns, this.#options)
    this.#health = new ServiceHealth(this.#store, self, this.#events)
    serveProxyHealth(self, this.#options.mode, () => this.#last)
    this.#mode.start()
    this.#tokens = PROXY_BURST
    this.sync()
    this.#ends.push(
      this.#store.listen('Service', () => this.#changed()),
      this.#store.listen('EndpointSlice', () => this.#changed()),
      this.#store.listen('Node', ({ object, old }) => {
        if (object.metadata.name !== this.#options.node) return
        if (!equal(object.metadata.labels ?? {}, old?.metadata.labels ?? {})) this.#changed()
      }),
    )
    const { selection } = this.#options
    if (selection !== undefined) {
      this.#netns.netfilter.onNewFlow = (destination) => {
        if (selection.ask(destination)) this.#write()
      }
    }
    const since = selection === undefined ? 0 : this.#scheduler.now % PROXY_WATCH
    this.#scheduler.after(this.#watch, PROXY_WATCH - since)
  }

  /** Its rules stay, and follow nothing any more. */
  stop(): void {
    this.writeAll()
    for (const end of this.#ends.splice(0)) end()
    this.#scheduler.cancel(this.#timer)
    this.#scheduler.cancel(this.#watch)
    this.#health = null
  }

  /** What the rules were last made of. */
  get services(): readonly ProxyService[] {
    return this.#services
  }

  /** Writes the rules now. */
  sync(): void {
    this.#last = this.#scheduler.now
    this.#write()
  }

  /** The node has rules for all Services from now on, whether somebody has asked for them or not. */
  writeAll(): void {
    if (this.#options.selection?.askAll() === true) this.#write()
  }

  #write(): void {
    const { node, selection } = this.#options
    const services = proxyServices(this.#store, node, selection)
    this.#mode.sync(services, placeOf(this.#store, node), selection?.waiting ?? 0)
    forgetStaleFlows(this.#netns.netfilter, services)
    this.#health?.sync(services)
    this.#services = services
  }

  #changed(): void {
    if (!this.#timer.armed) this.#scheduler.after(this.#timer, PROXY_DELAY)
  }

  /** Two changes in a row are written as they come, further ones once a second (minSyncPeriod, BoundedFrequencyRunner). */
  #attempt(): void {
    const { now } = this.#scheduler
    const gained = (now - this.#last) / PROXY_PERIOD
    this.#tokens = Math.min(PROXY_BURST, this.#tokens + gained)
    if (this.#tokens < 1) return void this.#scheduler.at(this.#timer, this.#last + PROXY_PERIOD)
    this.#tokens--
    this.sync()
  }

  /** Has somebody flushed what is ours? */
  #look(): void {
    this.#scheduler.after(this.#watch, PROXY_WATCH)
    if (this.#mode.intact?.() === false) this.sync()
  }
}

function modeOf(name: ProxyModeName, netns: Netns, options: ProxyModeOptions): ProxyMode {
  switch (name) {
    case 'iptables':
      return new IptablesMode(netns, options)
    case 'ipvs':
      return new IpvsMode(netns, options)
    case 'nftables':
      return new NftablesMode(netns, options)
  }
}

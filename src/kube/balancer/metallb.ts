/**
 * MetalLB in layer-2 mode. Its controller gives each Service of type LoadBalancer an address of a pool; its speakers,
 * one on each node, agree without a word which of them answers ARP for it. No device has the address: kube-proxy's
 * rules on that node take the packets.
 */
import { l2announce } from '../../host/commands/apps/announce.ts'
import { type Process, SIGKILL } from '../../host/process.ts'
import { sha256Hex } from '../../host/sha256.ts'
import { type Nanos, type Scheduler, SECOND, Timer } from '../../sim/scheduler.ts'
import { formatIpv4, tryParseIpv4 } from '../../wire/address.ts'
import { keyOf, splitKey, WorkQueue } from '../controllers/queue.ts'
import { EventRecorder } from '../events.ts'
import { canonical } from '../json.ts'
import type { Service } from '../objects.ts'
import { SERVICE_NAME } from '../slices.ts'
import type { Store } from '../store.ts'
import { AddressPool, PoolError, type PoolRequest, wantedAddress } from './address-pool.ts'
import { ingressOf, isMine, nodesWithEndpoints, portsOf, setIngress, usableNodes } from './balanced.ts'

/** A speaker, while its pod runs. */
export interface Speaker {
  readonly node: string
  readonly process: Process
  /** On the clients' network. */
  readonly device: string
}

export interface MetalLbOptions {
  readonly pool: readonly string[]
  readonly loadBalancerClass: string | null
}

interface Announcement {
  readonly node: string
  readonly process: Process
}

/** memberlist's probe interval on a LAN, and the time until who does not answer is held for dead. */
const PING: Nanos = SECOND
const SUSPICION: Nanos = 4 * SECOND

const SHARED = ['metallb.io/allow-shared-ip', 'metallb.universe.tf/allow-shared-ip']
const ADDRESSES = ['metallb.io/loadBalancerIPs', 'metallb.universe.tf/loadBalancerIPs']
const POOL_USED = 'metallb.io/ip-allocated-from-pool'

export class MetalLb {
  readonly #store: Store
  readonly #scheduler: Scheduler
  readonly #options: MetalLbOptions
  readonly #pool: AddressPool
  readonly #controller: EventRecorder
  readonly #queue: WorkQueue
  readonly #watch: Timer
  /** Speakers that do not answer, and since when. */
  readonly #silent = new Map<string, Nanos>()
  readonly #speakers = new Map<string, Speaker>()
  readonly #announced = new Map<string, Announcement>()
  /** The speaker of each Service, for its events. */
  readonly #assigned = new Map<string, string>()

  constructor(store: Store, scheduler: Scheduler, options: MetalLbOptions) {
    this.#store = store
    this.#scheduler = scheduler
    this.#options = options
    this.#pool = new AddressPool(options.pool)
    this.#controller = new EventRecorder(store, 'metallb-controller')
    this.#queue = new WorkQueue(scheduler, (key) => (key === '' ? this.#elect() : this.#sync(key)))
    store.listen('Service', ({ object }) => this.#queue.add(keyOf(object)))
    store.listen('EndpointSlice', ({ object }) => {
      if (object.metadata.labels?.[SERVICE_NAME] !== undefined) this.#queue.add('')
    })
    store.listen('Node', () => this.#queue.add(''))
    this.#watch = new Timer({ run: () => this.#look() })
    scheduler.after(this.#watch, PING)
  }

  /**
   * Speakers ask after each other (memberlist). podwire sends none of these packets: a speaker without carrier is
   * missed after as long as it would be.
   */
  #look(): void {
    const scheduler = this.#scheduler
    scheduler.after(this.#watch, PING)
    for (const { node: name, process, device } of this.#speakers.values()) {
      const reachable = process.netns.devices.get(device)?.carrier === true
      const since = this.#silent.get(name)
      if (reachable) {
        if (this.#silent.delete(name)) this.#queue.add('')
      } else if (since === undefined) this.#silent.set(name, scheduler.now)
      else if (scheduler.now - since >= SUSPICION) this.#queue.add('')
    }
  }

  #lost(name: string): boolean {
    const since = this.#silent.get(name)
    return since !== undefined && this.#scheduler.now - since >= SUSPICION
  }

  join(speaker: Speaker): void {
    this.#speakers.set(speaker.node, speaker)
    this.#queue.add('')
  }

  /** What it announced has ended with it. */
  leave(node: string): void {
    this.#speakers.delete(node)
    for (const [ip, announcement] of this.#announced) if (announcement.node === node) this.#announced.delete(ip)
    this.#queue.add('')
  }

  /** The node that answers for an address; null when nobody does. */
  speakerOf(address: string): string | null {
    return this.#announced.get(address)?.node ?? null
  }

  #sync(key: string): void {
    const [namespace, name] = splitKey(key)
    const service = this.#store.get<Service>('Service', namespace, name)
    if (service !== null && isMine(service, this.#options.loadBalancerClass)) this.#assign(service, key)
    else {
      if (this.#pool.release(key)) this.#retry()
      if (service !== null) this.#unmark(service)
    }
    this.#queue.add('')
  }

  #assign(service: Service, key: string): void {
    const present = ingressOf(service)[0]?.ip
    const request: PoolRequest = {
      owner: key,
      ports: portsOf(service),
      sharingKey: annotation(service, SHARED) ?? '',
      backend: service.spec.externalTrafficPolicy === 'Local' ? canonical(service.spec.selector ?? {}) : '',
    }
    try {
      const wanted = wantedAddress(annotation(service, ADDRESSES) ?? service.spec.loadBalancerIP)
      const kept = present === undefined ? null : tryParseIpv4(present)
      if (kept !== null && this.#pool.holds(kept) && (wanted === null || wanted === kept)) {
        return this.#pool.claim(kept, request)
      }
      if (this.#pool.release(key)) this.#retry()
      const address = wanted ?? this.#pool.allocate(request)
      if (wanted !== null) this.#pool.claim(wanted, request)
      const ip = formatIpv4(address)
      this.#controller.normal(service, 'IPAllocated', `Assigned IP ["${ip}"]`)
      const marked = this.#store.modify(service, ({ metadata }) => {
        metadata.annotations = { ...metadata.annotations, [POOL_USED]: 'default' }
      })
      setIngress(this.#store, marked, [{ ip, ipMode: 'VIP' }])
    } catch (error) {
      if (!(error instanceof PoolError)) throw error
      this.#controller.warning(service, 'AllocationFailed', `Failed to allocate IP for "${key}": ${error.message}`)
      setIngress(this.#store, service, [])
    }
  }

  /** It is no load balancer any more. */
  #unmark(service: Service): void {
    if (service.metadata.annotations?.[POOL_USED] === undefined) return
    this.#store.modify(service, ({ metadata }) => delete metadata.annotations?.[POOL_USED])
  }

  /** An address or a port has become free: those that wait may have it. */
  #retry(): void {
    for (const service of this.#store.list<Service>('Service')) {
      const waits = isMine(service, this.#options.loadBalancerClass) && ingressOf(service).length === 0
      if (waits) this.#queue.add(keyOf(service))
    }
  }

  /** Every speaker comes to the same result; who is it now starts to answer, who was it stops. */
  #elect(): void {
    const owners = new Map<string, string>()
    const assigned = new Map<string, string>()
    for (const service of this.#store.list<Service>('Service')) {
      const ip = ingressOf(service)[0]?.ip
      if (ip === undefined || !isMine(service, this.#options.loadBalancerClass)) continue
      const node = this.#ownerOf(service, ip)
      if (node === null) continue
      owners.set(ip, node)
      assigned.set(keyOf(service), node)
    }
    for (const [ip, { node, process }] of this.#announced) {
      if (owners.get(ip) === node) continue
      process.kill(SIGKILL)
      this.#announced.delete(ip)
    }
    for (const [ip, node] of owners) if (!this.#announced.has(ip)) this.#announce(ip, node)
    for (const [key, node] of assigned) if (this.#assigned.get(key) !== node) this.#tell(key, node)
    this.#assigned.clear()
    for (const [key, node] of assigned) this.#assigned.set(key, node)
  }

  /** Of the nodes that may, the one whose name and the address hash to the least. */
  #ownerOf(service: Service, ip: string): string | null {
    const serving = nodesWithEndpoints(this.#store, service)
    if (serving.size === 0) return null
    const local = service.spec.externalTrafficPolicy === 'Local'
    const names = usableNodes(this.#store)
      .map((node) => node.metadata.name)
      .filter((name) => this.#speakers.has(name) && !this.#lost(name) && (!local || serving.has(name)))
    const ranked = names.map((name) => ({ name, rank: sha256Hex(`${name}#${ip}`) }))
    return ranked.sort((a, b) => (a.rank < b.rank ? -1 : 1))[0]?.name ?? null
  }

  #announce(ip: string, name: string): void {
    const speaker = this.#speakers.get(name)
    if (speaker === undefined) return
    const { process } = speaker.process.fork(l2announce, ['speaker', speaker.device, ip])
    this.#announced.set(ip, { node: name, process })
  }

  #tell(key: string, node: string): void {
    const service = this.#store.get<Service>('Service', ...splitKey(key))
    if (service === null) return
    const message = `announcing from node "${node}" with protocol "layer2"`
    new EventRecorder(this.#store, 'metallb-speaker', node).normal(service, 'nodeAssigned', message)
  }
}

function annotation(service: Service, names: readonly string[]): string | undefined {
  return names.map((name) => service.metadata.annotations?.[name]).find((value) => value !== undefined)
}

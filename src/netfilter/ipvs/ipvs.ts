/**
 * IP Virtual Server of one network namespace (net/netfilter/ipvs): the virtual services with their real servers, and
 * the connections. `ipvsadm` and kube-proxy change it, `Balancer` (balancer.ts) sends packets by it.
 *
 * Sources: ip_vs_ctl.c, ip_vs_conn.c, ip_vs_core.c, ip_vs_xmit.c, ip_vs_nfct.c of Linux 6.1. No kernel with ip_vs was at
 * hand when this was written, so what packets meet here was read, not measured.
 */
import { configurationChanged } from '../../link/flow-cache.ts'
import type { World } from '../../link/world.ts'
import type { Ipv4 } from '../../wire/address.ts'
import type { FlowTable } from '../flow-table.ts'
import { type Connection, ConnectionTable } from './connection.ts'
import { Conntracked } from './conntracked.ts'
import { makeScheduler } from './schedulers.ts'
import { RealServer, type ServerSpec, type ServiceSpec, VirtualService } from './service.ts'
import { IpvsSettings } from './settings.ts'
import { Statistics } from './statistics.ts'

/** What the kernel answers when it does not do what it was asked. */
export type IpvsErrno = 'EEXIST' | 'ENOENT' | 'ESRCH' | 'EINVAL' | 'ERANGE'

/** How a service is named: by firewall mark, or by protocol, address and port. */
export type ServiceName = Pick<ServiceSpec, 'protocol' | 'address' | 'port' | 'mark'>

/** ip_vs_conn_tab_size; podwire's own table grows. */
export const TABLE_SIZE = 4096

export class Ipvs {
  readonly settings = new IpvsSettings()
  readonly connections: ConnectionTable
  readonly conntracked: Conntracked
  readonly statistics: Statistics
  /** There was a service: packets are looked at from now on (ipvs->enable). */
  enabled = false
  /** Called when the first service is there. */
  onEnable: () => void = () => {}
  readonly #world: World
  #services = 0
  #marks = 0
  /** Services for any port. */
  #anyPort = 0
  #buckets: (VirtualService | null)[] = new Array<VirtualService | null>(256).fill(null)
  /** Deleted servers that connections still lead to; they come back with their counters (ip_vs_trash_get_dest). */
  readonly #trash = new Set<RealServer>()

  constructor(world: World, flows: FlowTable) {
    this.#world = world
    this.connections = new ConnectionTable(world.scheduler)
    this.conntracked = new Conntracked(flows)
    this.statistics = new Statistics(world.scheduler)
    this.connections.onEnd = (connection) => this.#ended(connection)
  }

  // ── services and servers ─────────────────────────────────────────────

  get services(): VirtualService[] {
    const all: VirtualService[] = []
    for (const head of this.#buckets) for (let each = head; each !== null; each = each.next) all.push(each)
    return all
  }

  /** The service of exactly this name. */
  service({ protocol, address, port, mark }: ServiceName): VirtualService | null {
    return mark !== 0 ? this.#byMark(mark) : this.#exact(protocol, address, port)
  }

  addService(spec: ServiceSpec): IpvsErrno | null {
    const refused = this.#refusal(spec)
    if (refused !== null) return refused
    if (this.service(spec) !== null) return 'EEXIST'
    const scheduler = makeScheduler(spec.scheduler, this.#world)
    if (scheduler === null) return 'ENOENT'
    const service = new VirtualService(spec, scheduler, this.#world.scheduler)
    if (this.#services >= this.#buckets.length) this.#grow()
    this.#hang(service)
    this.#services++
    configurationChanged()
    if (service.mark !== 0) this.#marks++
    else if (service.port === 0) this.#anyPort++
    if (!this.enabled) {
      this.enabled = true
      this.onEnable()
    }
    return null
  }

  editService(spec: ServiceSpec): IpvsErrno | null {
    const refused = this.#refusal(spec)
    if (refused !== null) return refused
    const service = this.service(spec)
    if (service === null) return 'ESRCH'
    const scheduler =
      service.scheduler.name === spec.scheduler ? service.scheduler : makeScheduler(spec.scheduler, this.#world)
    if (scheduler === null) return 'ENOENT'
    service.settle(spec)
    if (scheduler !== service.scheduler) {
      service.scheduler = scheduler
      scheduler.changed(service, false, -1)
    }
    return null
  }

  deleteService(name: ServiceName): IpvsErrno | null {
    const service = this.service(name)
    if (service === null) return 'ESRCH'
    for (const server of [...service.servers]) this.#drop(service, server)
    this.#unhang(service)
    this.#services--
    if (service.mark !== 0) this.#marks--
    else if (service.port === 0) this.#anyPort--
    return null
  }

  /** `ipvsadm -C`. */
  flush(): void {
    for (const service of this.services) this.deleteService(service)
  }

  addServer(name: ServiceName, spec: ServerSpec): IpvsErrno | null {
    const service = this.service(name)
    if (service === null) return 'ESRCH'
    if (spec.weight < 0 || spec.lower > spec.upper) return 'ERANGE'
    if (service.server(spec.address, spec.port) !== null) return 'EEXIST'
    const server = this.#recover(service, spec) ?? this.#fresh(service, spec)
    set(server, spec, true)
    server.available = true
    service.servers.unshift(server)
    service.scheduler.changed(service, true, 0)
    return null
  }

  editServer(name: ServiceName, spec: ServerSpec): IpvsErrno | null {
    const service = this.service(name)
    if (service === null) return 'ESRCH'
    if (spec.weight < 0 || spec.lower > spec.upper) return 'ERANGE'
    const server = service.server(spec.address, spec.port)
    if (server === null) return 'ENOENT'
    set(server, spec, false)
    service.scheduler.changed(service, false, -1)
    return null
  }

  deleteServer(name: ServiceName, address: Ipv4, port: number): IpvsErrno | null {
    const service = this.service(name)
    if (service === null) return 'ESRCH'
    const server = service.server(address, port)
    if (server === null) return 'ENOENT'
    this.#drop(service, server)
    return null
  }

  /** `ipvsadm -Z`: of one service, or of all and the totals. */
  zero(name: ServiceName | null): IpvsErrno | null {
    const one = name === null ? null : this.service(name)
    if (name !== null && one === null) return 'ESRCH'
    for (const service of one === null ? this.services : [one]) {
      service.statistics.clear()
      for (const server of service.servers) server.statistics.clear()
    }
    if (one === null) this.statistics.clear()
    return null
  }

  /** Is this a real server of any service (ip_vs_has_real_service)? */
  hasServer(protocol: number, address: Ipv4, port: number): boolean {
    return this.services.some((service) => {
      if (service.protocol !== protocol) return false
      return service.servers.some((server) => server.address === address && server.port === port)
    })
  }

  /** Who serves a packet (ip_vs_service_find): by its mark, by address and port, by address alone. */
  find(mark: number, protocol: number, address: Ipv4, port: number): VirtualService | null {
    if (mark !== 0 && this.#marks > 0) {
      const marked = this.#byMark(mark)
      if (marked !== null) return marked
    }
    const exact = this.#exact(protocol, address, port)
    return exact !== null || this.#anyPort === 0 ? exact : this.#exact(protocol, address, 0)
  }

  // ── connections ──────────────────────────────────────────────────────

  /** A new connection (ip_vs_conn_new, ip_vs_bind_dest). */
  connect(connection: Connection): void {
    const { server } = connection
    if (connection.template) server.persistent++
    else server.inactive++
    server.filled()
    if (!connection.once) this.connections.insert(connection)
  }

  /** A connection for one packet ends with it. */
  finish(connection: Connection): void {
    this.#ended(connection)
  }

  #ended(connection: Connection): void {
    const { server } = connection
    if (connection.tracked) this.conntracked.drop(connection)
    if (connection.template) server.persistent--
    else if (connection.inactive) server.inactive--
    else server.active--
    server.emptied()
    if (server.idle) this.#trash.delete(server)
  }

  // ── the table ────────────────────────────────────────────────────────

  #refusal({ mark, port, persistence, protocol }: ServiceSpec): IpvsErrno | null {
    if (mark === 0 && protocol === 0) return 'EINVAL'
    return mark === 0 && port === 0 && persistence === 0 ? 'EINVAL' : null
  }

  #fresh(service: VirtualService, spec: ServerSpec): RealServer {
    return new RealServer(service, spec.address, spec.port, this.#world.scheduler)
  }

  #recover(wanted: VirtualService, spec: ServerSpec): RealServer | null {
    const { protocol, address, port, mark } = wanted
    for (const server of this.#trash) {
      const { service } = server
      if (server.address !== spec.address || server.port !== spec.port || service.mark !== mark) continue
      if (service.protocol !== protocol) continue
      if (mark === 0 && (service.address !== address || service.port !== port)) continue
      this.#trash.delete(server)
      server.service = wanted
      return server
    }
    return null
  }

  #drop(service: VirtualService, server: RealServer): void {
    const place = service.servers.indexOf(server)
    service.servers.splice(place, 1)
    server.available = false
    if (!server.idle) this.#trash.add(server)
    service.scheduler.changed(service, false, place)
  }

  #exact(protocol: number, address: Ipv4, port: number): VirtualService | null {
    let each = this.#buckets[placeOf(protocol, address, port) & (this.#buckets.length - 1)]
    while (each !== null) {
      if (each.address === address && each.port === port && each.protocol === protocol && each.mark === 0) return each
      each = each.next
    }
    return null
  }

  #byMark(mark: number): VirtualService | null {
    let each = this.#buckets[placeOf(0, mark as Ipv4, 0) & (this.#buckets.length - 1)]
    while (each !== null && each.mark !== mark) each = each.next
    return each
  }

  #hang(service: VirtualService): void {
    const bucket = bucketOf(service) & (this.#buckets.length - 1)
    service.next = this.#buckets[bucket]
    this.#buckets[bucket] = service
  }

  #unhang(service: VirtualService): void {
    const bucket = bucketOf(service) & (this.#buckets.length - 1)
    let before: VirtualService | null = null
    let at = this.#buckets[bucket]
    while (at !== null && at !== service) {
      before = at
      at = at.next
    }
    if (at === null) return
    if (before === null) this.#buckets[bucket] = service.next
    else before.next = service.next
    service.next = null
  }

  #grow(): void {
    const all = this.services
    this.#buckets = new Array<VirtualService | null>(this.#buckets.length * 4).fill(null)
    for (const service of all) this.#hang(service)
  }
}

function set(server: RealServer, spec: ServerSpec, fresh: boolean): void {
  server.weight = spec.weight
  if (spec.weight !== 0 || fresh) server.lastWeight = spec.weight
  server.forward = spec.forward
  if (spec.upper === 0 || spec.upper > server.upper) server.overloaded = false
  server.upper = spec.upper
  server.lower = spec.lower
}

function bucketOf({ protocol, address, port, mark }: VirtualService): number {
  return mark === 0 ? placeOf(protocol, address, port) : placeOf(0, mark as Ipv4, 0)
}

function placeOf(protocol: number, address: Ipv4, port: number): number {
  const hash = Math.imul(address ^ (address >>> 15), 0x9e3779b1) ^ Math.imul(port + (protocol << 16), 0x85ebca6b)
  return hash ^ (hash >>> 15)
}

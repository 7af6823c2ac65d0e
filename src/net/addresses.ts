/**
 * A namespace's IPv4 addresses (net/ipv4/devinet.c) and the routes that come and go with them
 * (fib_add_ifaddr, fib_del_ifaddr of net/ipv4/fib_frontend.c).
 */
import type { NetDevice } from '../link/device.ts'
import type { World } from '../link/world.ts'
import type { AddressType } from '../netfilter/host.ts'
import type { Nanos, Timer } from '../sim/scheduler.ts'
import { ANY, BROADCAST, broadcastOf, cidrOf, contains, type Ipv4, isLoopback, isMulticast } from '../wire/address.ts'
import { type AddressOptions, type DeviceAddress, scopeNumber } from './device-address.ts'
import type { Fib } from './fib.ts'
import type { InetDevice } from './inet-device.ts'
import type { Notices } from './notices.ts'
import { route } from './route.ts'

/** What addresses touch of their namespace. */
export interface AddressHost {
  readonly world: World
  readonly loopback: NetDevice
  readonly fib: Fib
  /** The device lost the address: what was masqueraded behind it ends. */
  endFlowsBehind(device: NetDevice, address: Ipv4): void
  inet(device: NetDevice): InetDevice
  /** Null while nobody listens. */
  readonly notices: Notices | null
}

const NONE: readonly DeviceAddress[] = []

export class Addresses {
  readonly #host: AddressHost
  /** By device as they came; on each device the wider scopes stand last (inet_insert_ifa). */
  #all: DeviceAddress[] = []
  /** The same by device, made when it is asked for: of which `#all` it was made. */
  readonly #byDevice = new Map<NetDevice, DeviceAddress[]>()
  #grouped: DeviceAddress[] | null = null
  readonly #locals = new Set<number>()
  /** Which of 256 hashes of addresses are ours at all, a bit each: nearly every source on the way is told apart by this. */
  readonly #hashes = new Int32Array(8)
  #expiry: Map<DeviceAddress, Timer> | null = null

  constructor(host: AddressHost) {
    this.#host = host
  }

  has(address: Ipv4): boolean {
    const hash = hash8(address)
    return ((this.#hashes[hash >> 5] >>> hash) & 1) !== 0 && this.#locals.has(address)
  }

  all(): readonly DeviceAddress[] {
    return this.#all
  }

  /** inet_addr_type, and with a device inet_addr_type_dev_table. */
  type(address: Ipv4, device: NetDevice | null): AddressType {
    if (address === ANY || address === BROADCAST) return 'BROADCAST'
    if (isMulticast(address)) return 'MULTICAST'
    const found = this.#host.fib.local.lookup(address)
    // With a device named, another device's address is just somebody's.
    if (device !== null && found?.device !== device) return 'UNICAST'
    if (found?.type === 'local') return 'LOCAL'
    return found?.type === 'broadcast' ? 'BROADCAST' : 'UNICAST'
  }

  /** inet_select_addr; null: there is none. */
  select(device: NetDevice, peer: Ipv4): Ipv4 | null {
    let first: Ipv4 | null = null
    for (const own of this.of(device)) {
      // 127.0.0.1 is nobody's idea of us: a scope of `host` is never chosen.
      if (own.secondary || own.scope === 'host') continue
      if (contains(cidrOf(own.address, own.prefix), peer)) return own.address
      first ??= own.address
    }
    if (first !== null) return first
    return this.#all.find((own) => own.scope === 'global')?.address ?? null
  }

  of(device: NetDevice): readonly DeviceAddress[] {
    if (this.#grouped !== this.#all) this.#group()
    return this.#byDevice.get(device) ?? NONE
  }

  /** On a device with thousands of addresses (kube-ipvs0) nothing is made anew for one more. */
  #insert(own: DeviceAddress): void {
    const place = this.#placeOf(own)
    this.of(own.device)
    const siblings = this.#byDevice.get(own.device)
    if (siblings === undefined) this.#byDevice.set(own.device, [own])
    else siblings.splice(place === this.#all.length ? siblings.length : siblings.indexOf(this.#all[place]), 0, own)
    this.#all.splice(place, 0, own)
  }

  #group(): void {
    this.#grouped = this.#all
    this.#byDevice.clear()
    for (const own of this.#all) {
      const others = this.#byDevice.get(own.device)
      if (others === undefined) this.#byDevice.set(own.device, [own])
      else others.push(own)
    }
  }

  /** Both stand in one network that the device has an address in (inet_addr_onlink). */
  sameNetwork(device: NetDevice, a: Ipv4, b: Ipv4): boolean {
    return this.#all.some((own) => {
      const network = cidrOf(own.peer, own.prefix)
      return own.device === device && contains(network, a) && contains(network, b)
    })
  }

  /** `ip addr add`. `broadcast`: undefined for the network's last (`brd +`), null for none. */
  add(
    device: NetDevice,
    address: Ipv4,
    prefix: number,
    broadcast: Ipv4 | null | undefined,
    options: AddressOptions,
  ): void {
    const peer = options.peer ?? address
    const network = cidrOf(peer, prefix)
    const brd = broadcast === undefined ? (prefix < 31 ? broadcastOf(network) : null) : broadcast
    const scope = options.scope ?? (isLoopback(address) ? 'host' : 'global')
    const twin = (other: DeviceAddress) => other.prefix === prefix && contains(network, other.peer)
    const own: DeviceAddress = {
      device,
      address,
      prefix,
      broadcast: brd,
      scope,
      secondary: this.of(device).some(twin),
      label: options.label ?? device.name,
      peer,
      metric: options.metric ?? 0,
      noPrefixRoute: options.noPrefixRoute ?? false,
      validUntil: options.validUntil ?? Number.POSITIVE_INFINITY,
      preferredUntil: options.preferredUntil ?? options.validUntil ?? Number.POSITIVE_INFINITY,
    }
    this.#insert(own)
    this.#locals.add(address)
    const hash = hash8(address)
    this.#hashes[hash >> 5] |= 1 << hash
    this.#host.notices?.address(own, false)
    this.#addLocal(own)
    if (device.up) {
      this.connect(own)
      this.#host.fib.revive(device)
    }
    this.#watch(own)
  }

  /** `ip addr change` of an address that is there: only its lifetimes are new. False when it is not there. */
  renew(device: NetDevice, address: Ipv4, prefix: number, validUntil: Nanos, preferredUntil: Nanos): boolean {
    const at = this.#all.findIndex((o) => o.device === device && o.address === address && o.prefix === prefix)
    if (at < 0) return false
    this.#replace(this.#all[at], { validUntil, preferredUntil })
    return true
  }

  /** The device has a new name, and its addresses new labels: the first the bare name (inetdev_changename). */
  relabel(device: NetDevice): void {
    this.of(device).forEach((own, at) => {
      const colon = own.label.indexOf(':')
      const rest = colon < 0 ? `:${at + 1}` : own.label.slice(colon)
      this.#replace(own, { label: at === 0 ? device.name : device.name + rest })
    })
  }

  /**
   * `ip addr del` (__inet_del_ifa). With a primary address its secondaries go, unless promote_secondaries makes the
   * first of them primary. Without a prefix the first address that matches. False when there is none.
   */
  remove(device: NetDevice, address: Ipv4, prefix?: number, peer?: Ipv4): boolean {
    const own = this.of(device).find(
      (o) =>
        o.address === address &&
        (prefix === undefined || o.prefix === prefix) &&
        (peer === undefined || o.peer === peer),
    )
    if (own === undefined) return false
    const network = cidrOf(own.peer, own.prefix)
    const others = own.secondary
      ? []
      : this.of(device).filter((o) => o.secondary && o.prefix === own.prefix && contains(network, o.peer))
    const promote = others.length > 0 && this.#host.inet(device).promoteSecondaries
    if (promote) {
      const last = broadcastOf(network)
      this.#host.fib.local.remove(
        (r) =>
          r.device === device &&
          r.type === 'broadcast' &&
          (r.destination.network === last || r.destination.network === own.broadcast),
      )
      for (const other of others) this.#removeLocal(other)
    } else {
      for (const other of others) this.#take(other)
    }
    this.#take(own)
    if (promote) this.#promote(others)
    // Without an address the device speaks no IPv4: its routes go, unannounced (fib_disable_ip).
    if (this.of(device).length === 0) this.#host.fib.withdraw(device)
    return true
  }

  /** fib_add_ifaddr: the routes that come with an address while its device is up. */
  connect(own: DeviceAddress): void {
    const { device, address, prefix, secondary, broadcast, peer } = own
    const { loopback, fib } = this.#host
    const { local, main } = fib
    const network = cidrOf(peer, prefix)
    const source = this.#sourceOf(own)
    const shared = { device, source, protocol: 'kernel' } as const
    const announce = (to: Ipv4) =>
      local.append(
        route({ ...shared, type: 'broadcast', destination: cidrOf(to, 32), scope: 'link', metric: own.metric }),
      )
    const last = prefix < 31 ? broadcastOf(network) : null
    if (broadcast !== null && broadcast !== last && broadcast !== -1) announce(broadcast)
    if (secondary || (prefix === 32 && peer === address)) return
    if (!own.noPrefixRoute) {
      if (device === loopback) local.append(route({ ...shared, destination: network, type: 'local', scope: 'host' }))
      else main.append(route({ ...shared, destination: network, scope: 'link', metric: own.metric }))
    }
    if (last !== null) announce(last)
  }

  #placeOf(own: DeviceAddress): number {
    const scope = scopeNumber(own.scope)
    const before = this.#all.findIndex((o) => o.device === own.device && !own.secondary && scopeNumber(o.scope) < scope)
    return before < 0 ? this.#all.length : before
  }

  #sourceOf(own: DeviceAddress): Ipv4 {
    if (!own.secondary) return own.address
    const network = cidrOf(own.peer, own.prefix)
    const primary = this.of(own.device).find(
      (o) => !o.secondary && o.prefix === own.prefix && contains(network, o.peer),
    )
    return primary?.address ?? own.address
  }

  #addLocal(own: DeviceAddress): void {
    const { device } = own
    const destination = cidrOf(own.address, 32)
    const source = this.#sourceOf(own)
    this.#host.fib.local.append(
      route({ type: 'local', destination, device, source, scope: 'host', protocol: 'kernel' }),
    )
  }

  #removeLocal(own: DeviceAddress): void {
    const { device, address } = own
    this.#host.fib.local.remove(
      (r) =>
        r.device === device && r.type === 'local' && r.destination.prefix === 32 && r.destination.network === address,
    )
  }

  /** One address goes, with the routes that it brought. */
  #take(own: DeviceAddress): void {
    this.#host.endFlowsBehind(own.device, own.address)
    const { device, address, prefix, secondary } = own
    const { fib, notices, world } = this.#host
    const timer = this.#expiry?.get(own)
    if (timer !== undefined) world.scheduler.cancel(timer)
    this.#expiry?.delete(own)
    this.#all = this.#all.filter((o) => o !== own)
    if (!this.#all.some((o) => o.address === address)) this.#locals.delete(address)
    notices?.address(own, true)
    if (!secondary) {
      const network = cidrOf(own.peer, prefix)
      const connected = (to: { network: Ipv4; prefix: number }) =>
        to.network === network.network && to.prefix === prefix
      fib.main.remove(
        (r) => r.protocol === 'kernel' && r.device === device && r.source === address && connected(r.destination),
      )
      fib.local.remove(
        (r) => r.device === device && r.source === address && !(r.type === 'local' && r.destination.prefix === 32),
      )
    }
    if (!this.#all.some((o) => o.device === device && o.address === address)) this.#removeLocal(own)
    // Routes that prefer a source which is nobody's any more (fib_sync_down_addr).
    if (!this.#locals.has(address)) fib.remove((r) => r.source === address)
  }

  #promote(others: readonly DeviceAddress[]): void {
    const [first, ...rest] = others
    const primary = this.#replace(first, { secondary: false })
    this.#addLocal(primary)
    if (primary.device.up) this.connect(primary)
    for (const other of rest) this.#addLocal(other)
  }

  #replace(own: DeviceAddress, fields: Partial<DeviceAddress>): DeviceAddress {
    const { notices, world } = this.#host
    const timer = this.#expiry?.get(own)
    if (timer !== undefined) world.scheduler.cancel(timer)
    this.#expiry?.delete(own)
    const changed = { ...own, ...fields }
    this.#all = this.#all.map((o) => (o === own ? changed : o))
    notices?.address(changed, false)
    this.#watch(changed)
    return changed
  }

  /** check_lifetime: an address is deprecated first, and removed when its time has come. */
  #watch(own: DeviceAddress): void {
    const { scheduler } = this.#host.world
    const next = own.preferredUntil > scheduler.now ? Math.min(own.preferredUntil, own.validUntil) : own.validUntil
    if (next === Number.POSITIVE_INFINITY) return
    const due = () => {
      this.#expiry?.delete(own)
      if (own.validUntil <= scheduler.now) return void this.remove(own.device, own.address, own.prefix)
      this.#host.notices?.address(own, false)
      this.#watch(own)
    }
    this.#expiry ??= new Map()
    this.#expiry.set(own, scheduler.call(Math.max(0, next - scheduler.now), due))
  }
}

function hash8(address: Ipv4): number {
  return (address ^ (address >>> 8) ^ (address >>> 16)) & 255
}

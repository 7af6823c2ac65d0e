/**
 * What IPv4 knows of a device (struct in_device): its switches net.ipv4.conf.DEVICE.*, and what they come to
 * together with net.ipv4.conf.all.* (include/linux/inetdevice.h), as plain fields for the path of a frame.
 */
import type { NetDevice } from '../link/device.ts'
import { NeighbourParameters } from './neighbour-parameters.ts'

/** The names below net.ipv4.conf.DEVICE, and what a new namespace has for `default` (ipv4_devconf_dflt). */
const defaults: Readonly<Record<string, number>> = {
  accept_local: 0,
  accept_redirects: 1,
  accept_source_route: 1,
  arp_accept: 0,
  arp_announce: 0,
  arp_evict_nocarrier: 1,
  arp_filter: 0,
  arp_ignore: 0,
  arp_notify: 0,
  bc_forwarding: 0,
  bootp_relay: 0,
  disable_policy: 0,
  disable_xfrm: 0,
  drop_gratuitous_arp: 0,
  drop_unicast_in_l2_multicast: 0,
  force_igmp_version: 0,
  forwarding: 0,
  igmpv2_unsolicited_report_interval: 10_000,
  igmpv3_unsolicited_report_interval: 1000,
  ignore_routes_with_linkdown: 0,
  log_martians: 0,
  mc_forwarding: 0,
  medium_id: 0,
  promote_secondaries: 0,
  proxy_arp: 0,
  proxy_arp_pvlan: 0,
  route_localnet: 0,
  rp_filter: 0,
  secure_redirects: 1,
  send_redirects: 1,
  shared_media: 1,
  src_valid_mark: 0,
  tag: 0,
}

export const confNames: readonly string[] = Object.keys(defaults)

/** No entries of devinet_conf_proc but of ipv4_doint_and_flush: what `default` says of these reaches new devices only. */
const ofNewDevices: ReadonlySet<string> = new Set([
  'disable_policy',
  'disable_xfrm',
  'drop_unicast_in_l2_multicast',
  'forwarding',
  'promote_secondaries',
  'route_localnet',
])

/** Only a multicast routing daemon switches it. */
export const READ_ONLY = 'mc_forwarding'

const builtIn: ReadonlyMap<string, number> = new Map(Object.entries(defaults))
/** lo is behind no policy (loopback_setup's inetdev_init). */
const builtInLoopback: ReadonlyMap<string, number> = new Map(
  Object.entries({ ...defaults, disable_policy: 1, disable_xfrm: 1 }),
)

/** struct ipv4_devconf: what is different here from what a kernel has built in. */
export class Devconf {
  #builtIn = builtIn
  #changed: Map<string, number> | null = null
  /** What was set here, and does not follow `default` any more. */
  #own: Set<string> | null = null
  #detached = false

  get(name: string): number {
    return this.find(name) ?? 0
  }

  /** Undefined: there is no such name. */
  find(name: string): number | undefined {
    return this.#changed?.get(name) ?? this.#builtIn.get(name)
  }

  set(name: string, value: number): void {
    this.#changed ??= new Map()
    this.#changed.set(name, value)
  }

  /** Begins with what another has. */
  copy(from: Devconf): void {
    this.#changed = from.#changed === null ? null : new Map(from.#changed)
  }

  /** Begins with what lo has, whatever others begin with. */
  ofLoopback(): void {
    this.#builtIn = builtInLoopback
    for (const name of ['disable_policy', 'disable_xfrm']) this.#changed?.delete(name)
  }

  /** Does the name follow `default` no more? */
  owns(name: string): boolean {
    return this.#detached || this.#own?.has(name) === true
  }

  own(name: string): void {
    this.#own ??= new Set()
    this.#own.add(name)
  }

  /** From now on nothing here follows `default`. */
  detach(): void {
    this.#detached = true
    this.#own = null
  }
}

export class InetDevice {
  readonly device: NetDevice
  readonly conf = new Devconf()
  readonly neighbours: NeighbourParameters
  /** IN_DEV_FORWARD: what comes in here may go on. */
  forwarding = false
  /** RFC 3704: 0 off, 1 strict, 2 loose; the larger of `all` and the device's. */
  rpFilter = 0
  acceptLocal = false
  acceptSourceRoute = false
  acceptRedirects = true
  secureRedirects = true
  sendRedirects = true
  sharedMedia = true
  routeLocalnet = false
  logMartians = false
  srcValidMark = false
  bcForwarding = false
  promoteSecondaries = false
  ignoreRoutesWithLinkdown = false
  dropUnicastInL2Multicast = false
  arpIgnore = 0
  arpAnnounce = 0
  arpAccept = 0
  arpNotify = false
  arpFilter = false
  arpEvictNocarrier = true
  proxyArp = false
  proxyArpPvlan = false
  dropGratuitousArp = false
  mediumId = 0

  constructor(device: NetDevice, neighbours: NeighbourParameters) {
    this.device = device
    this.neighbours = neighbours
  }

  /** Something changed here or in `all`. */
  settle(all: Devconf): void {
    const { conf } = this
    const either = (name: string) => conf.get(name) !== 0 || all.get(name) !== 0
    const both = (name: string) => conf.get(name) !== 0 && all.get(name) !== 0
    const larger = (name: string) => Math.max(conf.get(name), all.get(name))
    this.forwarding = conf.get('forwarding') !== 0
    this.rpFilter = larger('rp_filter')
    this.acceptLocal = either('accept_local')
    this.acceptSourceRoute = both('accept_source_route')
    // A host listens to redirects if either says so, a router if both do.
    this.acceptRedirects = this.forwarding ? both('accept_redirects') : either('accept_redirects')
    this.secureRedirects = either('secure_redirects')
    this.sendRedirects = either('send_redirects')
    this.sharedMedia = either('shared_media')
    this.routeLocalnet = either('route_localnet')
    this.logMartians = either('log_martians')
    this.srcValidMark = either('src_valid_mark')
    this.bcForwarding = both('bc_forwarding')
    this.promoteSecondaries = either('promote_secondaries')
    this.ignoreRoutesWithLinkdown = either('ignore_routes_with_linkdown')
    this.dropUnicastInL2Multicast = either('drop_unicast_in_l2_multicast')
    this.arpIgnore = larger('arp_ignore')
    this.arpAnnounce = larger('arp_announce')
    this.arpAccept = larger('arp_accept')
    this.arpNotify = larger('arp_notify') > 0
    this.arpFilter = either('arp_filter')
    this.arpEvictNocarrier = both('arp_evict_nocarrier')
    this.proxyArp = either('proxy_arp')
    this.proxyArpPvlan = either('proxy_arp_pvlan')
    this.dropGratuitousArp = either('drop_gratuitous_arp')
    this.mediumId = conf.get('medium_id')
  }
}

/** The devices of a namespace as IPv4 sees them, with `all` and `default`: net.ipv4.conf and net.ipv4.neigh. */
export class InetDevices {
  readonly all = new Devconf()
  readonly initial = new Devconf()
  readonly neighbours = new NeighbourParameters(0)
  /** By interface index. */
  readonly byIndex: (InetDevice | undefined)[] = []
  #byName = new Map<string, InetDevice>()

  constructor() {
    // Source routes are off unless both say yes (devinet_init_net's ipv4_devconf).
    this.all.set('accept_source_route', 0)
  }

  /** NETDEV_REGISTER (inetdev_init): the device begins with what `default` has. `chance` is from 0 to 1. */
  adopt(device: NetDevice, chance: number): InetDevice {
    const parameters = new NeighbourParameters(chance)
    parameters.copy(this.neighbours)
    const made = new InetDevice(device, parameters)
    made.conf.copy(this.initial)
    if (device.kind === 'loopback') made.conf.ofLoopback()
    made.settle(this.all)
    this.byIndex[device.index] = made
    device.inet = made
    this.#byName.set(device.name, made)
    return made
  }

  release(device: NetDevice): void {
    this.byIndex[device.index] = undefined
    device.inet = null
    this.#byName.delete(device.name)
  }

  rename(device: NetDevice, old: string): void {
    const known = this.#byName.get(old)
    if (known === undefined) return
    this.#byName.delete(old)
    this.#byName.set(device.name, known)
  }

  /** An address was set by hand: from now on the device goes its own way (ipv4_devconf_setall). */
  detach(device: NetDevice): void {
    const known = this.byIndex[device.index]
    if (known === undefined) return
    known.conf.detach()
    known.neighbours.detach()
  }

  /** The `DEVICE` of a sysctl's name; null: there is none. */
  conf(name: string): Devconf | null {
    if (name === 'all') return this.all
    if (name === 'default') return this.initial
    return this.#byName.get(name)?.conf ?? null
  }

  parameters(name: string): NeighbourParameters | null {
    return name === 'default' ? this.neighbours : (this.#byName.get(name)?.neighbours ?? null)
  }

  /** devinet_conf_proc. */
  set(conf: Devconf, name: string, value: number): void {
    if (name === 'forwarding' && value !== conf.get(name)) this.#forward(conf, value)
    conf.set(name, value)
    if (!ofNewDevices.has(name)) {
      conf.own(name)
      if (conf === this.initial) {
        for (const { conf: each } of this.#byName.values()) if (!each.owns(name)) each.set(name, value)
      }
    }
    for (const each of this.#byName.values()) each.settle(this.all)
  }

  setParameter(parameters: NeighbourParameters, name: string, value: number): void {
    parameters.set(name, value)
    if (parameters !== this.neighbours) return
    for (const { neighbours: each } of this.#byName.values()) each.follow(this.neighbours, name)
  }

  names(): string[] {
    const devices = [...this.#byName.keys()].map(quoted)
    const confs = ['all', 'default', ...devices].flatMap((each) => confNames.map((n) => `net.ipv4.conf.${each}.${n}`))
    const own = devices.flatMap((each) => NeighbourParameters.names.map((n) => `net.ipv4.neigh.${each}.${n}`))
    const initial = NeighbourParameters.defaultNames.map((n) => `net.ipv4.neigh.default.${n}`)
    return [...confs, ...own, ...initial]
  }

  /** inet_forward_change: `all` is a master switch, and a router does not listen to redirects. */
  #forward(conf: Devconf, value: number): void {
    if (conf !== this.all) return
    this.all.set('accept_redirects', value === 0 ? 1 : 0)
    this.initial.set('forwarding', value)
    for (const { conf: each } of this.#byName.values()) each.set('forwarding', value)
  }
}

/** A device's name inside a sysctl's: sysctl(8) writes its dots as slashes. */
export function quoted(name: string): string {
  return name.replaceAll('.', '/')
}

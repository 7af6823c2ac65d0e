/**
 * kube-proxy's ipvs mode (pkg/proxy/ipvs, 1.32): every address of a Service stands on the device kube-ipvs0, which is down
 * and carries nothing, so that the local table leads its packets to INPUT, where IPVS takes them.
 */
import { Dummy } from '../link/dummy.ts'
import type { Netns } from '../net/netns.ts'
import type { Ipvs, ServiceName } from '../netfilter/ipvs/ipvs.ts'
import { Forward, ScheduleFlag, type ServiceSpec } from '../netfilter/ipvs/service.ts'
import { contains, formatIpv4, type Ipv4, isLoopback, parseCidr, parseIpv4 } from '../wire/address.ts'
import { IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipv4.ts'
import { nodePortIps } from './proxy-iptables.ts'
import { GracefulTermination } from './proxy-ipvs-grace.ts'
import { type Barred, writeIpvsRules } from './proxy-ipvs-rules.ts'
import { ProxySets } from './proxy-ipvs-sets.ts'
import type { ProxyMode, ProxyModeOptions } from './proxy-mode.ts'
import { ensureKubeletRules } from './proxy-rules.ts'
import {
  isExternalLocal,
  isInternalLocal,
  type ProxyEndpoint,
  type ProxyPlace,
  type ProxyService,
  reachable,
} from './proxy-services.ts'

const DEVICE = 'kube-ipvs0'
/** Seconds, of a Service that does not say. */
const STICKY = 10_800

export class IpvsMode implements ProxyMode {
  readonly #netns: Netns
  readonly #options: ProxyModeOptions
  readonly #ipvs: Ipvs
  readonly #sets: ProxySets
  readonly #leaving: GracefulTermination
  readonly #scheduler: string
  /** Of this round: services that are wanted, addresses for kube-ipvs0, and what the node may not use. */
  #active = new Set<string>()
  #bound = new Set<Ipv4>()
  #barred: Barred[] = []

  constructor(netns: Netns, options: ProxyModeOptions) {
    this.#netns = netns
    this.#options = options
    this.#ipvs = netns.netfilter.ipvs
    this.#sets = new ProxySets(netns.netfilter)
    this.#leaving = new GracefulTermination(netns.world.scheduler, this.#ipvs)
    this.#scheduler = options.ipvs?.scheduler ?? 'rr'
  }

  start(): void {
    const { sysctl } = this.#netns
    sysctl.hasIpvs = true
    sysctl.set('net.ipv4.vs.conntrack', '1')
    // conn_reuse_mode is left alone since Linux 5.9.
    sysctl.set('net.ipv4.vs.expire_nodest_conn', '1')
    sysctl.set('net.ipv4.vs.expire_quiescent_template', '1')
    sysctl.set('net.ipv4.ip_forward', '1')
    if (this.#options.ipvs?.strictARP === true) {
      sysctl.set('net.ipv4.conf.all.arp_ignore', '1')
      sysctl.set('net.ipv4.conf.all.arp_announce', '2')
    }
    ensureKubeletRules(this.#netns)
  }

  sync(services: readonly ProxyService[], place: ProxyPlace): void {
    const device = this.#device()
    this.#sets.ensure()
    this.#active = new Set()
    this.#bound = new Set()
    this.#barred = []
    const already = new Set(this.#netns.addressesOf(device).map(({ address }) => address))
    const nodeAddresses = this.#nodeAddresses()
    const nodePorts = nodePortIps(this.#netns, this.#options) ?? [...nodeAddresses]
    for (const service of services) {
      if (service.protocol === 'SCTP') continue
      this.#loopback(service)
      const { cluster, local } = reachable(service, place)
      const choose = (only: boolean) => (only && local.length > 0 ? local : cluster)
      const inside = choose(isInternalLocal(service))
      const outside = choose(isExternalLocal(service))
      const bind = (address: Ipv4) => {
        if (!already.has(address)) this.#netns.addAddress(device, address, 32, null)
        already.add(address)
        this.#bound.add(address)
      }
      this.#clusterIp(service, inside, bind)
      this.#external(service, outside, nodeAddresses, bind)
      if (service.nodePort !== undefined) {
        this.#nodePort(
          service,
          outside,
          nodePorts.filter((address) => !isLoopback(address)),
        )
      }
      if (service.healthCheckNodePort !== undefined) {
        this.#sets.want('KUBE-HEALTH-CHECK-NODE-PORT', String(service.healthCheckNodePort))
      }
    }
    for (const address of this.#bound) this.#sets.want('KUBE-IPVS-IPS', formatIpv4(address))
    this.#sets.apply()
    writeIpvsRules(this.#netns.netfilter, this.#sets, this.#options.clusterCIDR, this.#barred)
    for (const address of already) if (!this.#bound.has(address)) this.#netns.removeAddress(device, address)
    for (const service of this.#ipvs.services) if (!this.#active.has(keyOf(service))) this.#ipvs.deleteService(service)
  }

  /** EnsureDummyDevice. */
  #device(): Dummy {
    const found = this.#netns.devices.get(DEVICE)
    if (found instanceof Dummy) return found
    const { random } = this.#netns.world
    const mac = Uint8Array.from({ length: 6 }, () => random.below(256))
    mac[0] = (mac[0] & 0xfe) | 2
    const device = new Dummy(this.#netns.world, DEVICE, mac)
    this.#netns.adopt(device)
    return device
  }

  /** All addresses of the node but those of kube-ipvs0 and 127.0.0.0/8. */
  #nodeAddresses(): Set<Ipv4> {
    const found = new Set<Ipv4>()
    for (const device of this.#netns.devices.values()) {
      if (device.name === DEVICE) continue
      for (const { address } of this.#netns.addressesOf(device)) if (!isLoopback(address)) found.add(address)
    }
    return found
  }

  /** A pod that reaches itself by a Service must see another source than its own. */
  #loopback(service: ProxyService): void {
    for (const { address, port, local } of service.endpoints) {
      if (local) this.#sets.want('KUBE-LOOP-BACK', `${address},${lower(service)}:${port},${address}`)
    }
  }

  #clusterIp(service: ProxyService, endpoints: readonly ProxyEndpoint[], bind: (address: Ipv4) => void): void {
    const { clusterIP, port } = service
    const address = parseIpv4(clusterIP)
    this.#sets.want('KUBE-CLUSTER-IP', `${clusterIP},${lower(service)}:${port}`)
    this.#serve(service, address, port, endpoints)
    bind(address)
  }

  #external(
    service: ProxyService,
    endpoints: readonly ProxyEndpoint[],
    nodeAddresses: ReadonlySet<Ipv4>,
    bind: (address: Ipv4) => void,
  ): void {
    const { externalIPs = [], loadBalancerIPs = [], port } = service
    const onlyLocal = isExternalLocal(service)
    for (const text of externalIPs) {
      this.#sets.want(onlyLocal ? 'KUBE-EXTERNAL-IP-LOCAL' : 'KUBE-EXTERNAL-IP', `${text},${lower(service)}:${port}`)
    }
    for (const text of loadBalancerIPs) {
      const entry = `${text},${lower(service)}:${port}`
      this.#sets.want('KUBE-LOAD-BALANCER', entry)
      if (onlyLocal) this.#sets.want('KUBE-LOAD-BALANCER-LOCAL', entry)
      this.#guard(service, text, entry)
    }
    for (const text of [...externalIPs, ...loadBalancerIPs]) {
      const address = parseIpv4(text)
      this.#serve(service, address, port, endpoints)
      // An address that is on another device of the node stays there.
      if (!nodeAddresses.has(address)) bind(address)
    }
  }

  /** loadBalancerSourceRanges: who else asks is dropped, and the node itself unless it is in one of them. */
  #guard({ sourceRanges = [], protocol, port }: ProxyService, address: string, entry: string): void {
    if (sourceRanges.length === 0) return
    this.#sets.want('KUBE-LOAD-BALANCER-FW', entry)
    for (const range of sourceRanges)
      this.#sets.want('KUBE-LOAD-BALANCER-SOURCE-CIDR', `${entry},${range.replace(/\/32$/, '')}`)
    const node = parseIpv4(this.#options.nodeIP)
    if (sourceRanges.some((range) => contains(parseCidr(range), node))) {
      this.#sets.want('KUBE-LOAD-BALANCER-SOURCE-IP', `${entry},${address}`)
    } else this.#barred.push({ address, protocol: protocol.toLowerCase(), port })
  }

  #nodePort(service: ProxyService, endpoints: readonly ProxyEndpoint[], addresses: readonly Ipv4[]): void {
    const { nodePort, protocol } = service
    if (nodePort === undefined || addresses.length === 0 || protocol === 'SCTP') return
    this.#sets.want(`KUBE-NODE-PORT-${protocol}`, String(nodePort))
    if (isExternalLocal(service)) this.#sets.want(`KUBE-NODE-PORT-LOCAL-${protocol}`, String(nodePort))
    for (const address of addresses) this.#serve(service, address, nodePort, endpoints)
  }

  /** syncService and syncEndpoint: one virtual service with its real servers. */
  #serve(service: ProxyService, address: Ipv4, port: number, endpoints: readonly ProxyEndpoint[]): void {
    const sticky = service.sessionAffinity === 'ClientIP' ? (service.sessionAffinityTimeout ?? STICKY) : 0
    const spec: ServiceSpec = {
      protocol: service.protocol === 'TCP' ? IPPROTO_TCP : IPPROTO_UDP,
      address,
      port,
      mark: 0,
      scheduler: this.#scheduler,
      persistence: sticky,
      netmask: -1 as Ipv4,
      onePacket: false,
      // What kube-proxy calls FlagSourceHash.
      flags: this.#scheduler === 'mh' ? ScheduleFlag.SECOND : 0,
    }
    this.#active.add(keyOf(spec))
    const present = this.#ipvs.service(spec)
    if (present === null) this.#ipvs.addService(spec)
    else if (present.persistence !== sticky || present.scheduler.name !== this.#scheduler) this.#ipvs.editService(spec)
    this.#servers(spec, endpoints)
  }

  #servers(spec: ServiceSpec, endpoints: readonly ProxyEndpoint[]): void {
    const service = this.#ipvs.service(spec)
    if (service === null) return
    const wanted = new Set<string>()
    for (const endpoint of endpoints) {
      const address = parseIpv4(endpoint.address)
      const { port } = endpoint
      wanted.add(`${address}:${port}`)
      if (service.server(address, port) !== null) {
        if (!this.#leaving.has(spec, address, port)) continue
        this.#leaving.takeBack(spec, address, port)
      }
      this.#ipvs.addServer(spec, { address, port, weight: 1, forward: Forward.MASQUERADE, upper: 0, lower: 0 })
    }
    for (const server of [...service.servers]) {
      if (wanted.has(`${server.address}:${server.port}`)) continue
      if (!this.#leaving.has(spec, server.address, server.port)) this.#leaving.remove(spec, server)
    }
  }
}

function lower({ protocol }: ProxyService): string {
  return protocol.toLowerCase()
}

function keyOf({ protocol, address, port, mark }: ServiceName): string {
  return `${protocol} ${address}:${port} ${mark}`
}

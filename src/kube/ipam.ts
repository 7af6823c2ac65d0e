/**
 * Address plans: the pod CIDR split among nodes, the Service CIDR and node ports, and host-local's addresses for
 * pods. What is refused ip-num explains; what goes on from here are plain numbers.
 */
import { IPv4CidrRange } from 'ip-num'
import type { Random } from '../sim/random.ts'
import {
  type Cidr,
  compareIpv4,
  contains,
  formatCidr,
  formatIpv4,
  type Ipv4,
  nth,
  tryParseCidr,
  tryParseIpv4,
} from '../wire/address.ts'

/** An address plan that cannot work; the message is for the person who wrote it. */
export class PlanError extends Error {
  override readonly name = 'PlanError'
}

function networkOf(what: string, text: string): Cidr {
  const parsed = text.includes('/') ? tryParseCidr(text) : null
  if (parsed === null) {
    const said = `${what} ${JSON.stringify(text)} is not a network in CIDR notation, such as 10.244.0.0/16`
    throw new PlanError(`${said}${faultOf(text)}`)
  }
  const first = formatCidr(parsed)
  if (first !== text) throw new PlanError(`${what} ${text} has host bits set: the network is ${first}`)
  return parsed
}

/** What is wrong with the text, behind a colon; nothing where ip-num would take it. */
function faultOf(text: string): string {
  try {
    IPv4CidrRange.fromCidr(text)
    return ''
  } catch (error) {
    return `: ${(error as Error).message}`
  }
}

/** Refuses networks that share addresses. Each has a name for the message. */
export function checkDisjoint(networks: readonly { readonly what: string; readonly cidr: string }[]): void {
  const parsed = networks.map(({ what, cidr }) => ({ what, cidr, network: networkOf(what, cidr) }))
  parsed.forEach((a, i) => {
    for (const b of parsed.slice(i + 1)) {
      if (contains(a.network, b.network.network) || contains(b.network, a.network.network)) {
        throw new PlanError(`${a.what} ${a.cidr} and ${b.what} ${b.cidr} overlap`)
      }
    }
  })
}

/** A node's part may be so many bits longer than the cluster's network (ipam's clusterSubnetMaxDiff). */
const MOST_BITS = 16

/** Gives each node its part of the cluster's pod network, lowest first, as the controller manager does. */
export class PodCidrs {
  readonly #cluster: string
  readonly #network: Cidr
  readonly #prefix: number
  /** How many parts there are. */
  readonly #count: number
  /** Parts that have been given out, by number; and those where a wanted network lies. */
  readonly #given = new Set<number>()
  readonly #spoilt = new Set<number>()
  /** Networks that were wanted, with what they cover. */
  readonly #wanted: { readonly text: string; readonly cidr: Cidr }[] = []
  /** Before it, all parts are taken. */
  #next = 0

  constructor(cluster: string, nodePrefix = 24) {
    this.#network = networkOf('podCIDR', cluster)
    const { prefix } = this.#network
    if (nodePrefix < prefix || nodePrefix > 30) {
      throw new PlanError(`podCIDR ${cluster} cannot be split into /${nodePrefix} networks for nodes`)
    }
    if (nodePrefix - prefix > MOST_BITS) {
      const most = 2 ** MOST_BITS
      throw new PlanError(`podCIDR ${cluster} has more than ${most} /${nodePrefix} networks: take a longer prefix`)
    }
    this.#cluster = cluster
    this.#prefix = nodePrefix
    this.#count = 2 ** (nodePrefix - prefix)
  }

  /** Takes the wanted network, or the first free one. @throws PlanError */
  allocate(node: string, wanted: string | null): string {
    if (wanted === null) {
      while (this.#given.has(this.#next) || this.#spoilt.has(this.#next)) this.#next++
      if (this.#next >= this.#count) {
        throw new PlanError(
          `podCIDR ${this.#cluster} is exhausted: all ${this.#count} networks are taken, none is left for node ${node}`,
        )
      }
      this.#given.add(this.#next)
      return this.#textOf(this.#next)
    }
    const cidr = networkOf(`podCIDR of node ${node}`, wanted)
    if (cidr.prefix < this.#network.prefix || !contains(this.#network, cidr.network)) {
      throw new PlanError(`podCIDR ${wanted} of node ${node} lies outside the cluster's ${this.#cluster}`)
    }
    const other = this.#overlaps(cidr)
    if (other) throw new PlanError(`podCIDR ${wanted} of node ${node} overlaps ${other}, which another node has`)
    this.#wanted.push({ text: wanted, cidr })
    const { first, last } = this.#covered(cidr)
    for (let part = first; part <= last; part++) this.#spoilt.add(part)
    return wanted
  }

  #overlaps(mine: Cidr): string | null {
    const near = this.#wanted.find(({ cidr }) => contains(mine, cidr.network) || contains(cidr, mine.network))
    if (near !== undefined) return near.text
    const { first, last } = this.#covered(mine)
    for (let part = first; part <= last; part++) if (this.#given.has(part)) return this.#textOf(part)
    return null
  }

  /** The parts that share addresses with a network inside the cluster's. */
  #covered({ network, prefix }: Cidr): { first: number; last: number } {
    const first = Math.floor(((network - this.#network.network) >>> 0) / 2 ** (32 - this.#prefix))
    return { first, last: first + (prefix >= this.#prefix ? 0 : 2 ** (this.#prefix - prefix) - 1) }
  }

  #textOf(part: number): string {
    return `${formatIpv4(nth(this.#network, part * 2 ** (32 - this.#prefix)))}/${this.#prefix}`
  }
}

/** Without leading zeros, which Kubernetes has always read as decimal: `10.96.0.011` is 10.96.0.11. */
export function sloppyIp(text: string): string {
  return /^\d+(\.\d+){3}$/.test(text) ? text.split('.').map(Number).join('.') : text
}

/** ClusterIPs: random ones from the upper band, so that hand-picked low addresses seldom collide. */
export class ServiceAddresses {
  readonly #cidr: Cidr
  readonly #random: Random
  readonly #taken = new Map<Ipv4, string>()

  constructor(cidr: string, random: Random) {
    this.#cidr = networkOf('serviceCIDR', cidr)
    this.#random = random
  }

  /** Null when it worked, else Kubernetes' sentence. */
  claim(address: string, owner: string): string | null {
    const ip = tryParseIpv4(sloppyIp(address))
    if (ip === null || !contains(this.#cidr, ip)) {
      return `failed to allocate IP ${address}: the provided IP (${address}) is not in the valid range. The range of valid IPs is ${formatCidr(this.#cidr)}`
    }
    const holder = this.#taken.get(ip)
    if (holder !== undefined && holder !== owner)
      return `failed to allocate IP ${address}: provided IP is already allocated`
    this.#taken.set(ip, owner)
    return null
  }

  /** Null when the range is exhausted. */
  allocate(owner: string): string | null {
    const size = 2 ** (32 - this.#cidr.prefix)
    const band = Math.min(Math.max(16, size / 16), 256)
    return this.#pick(owner, band, size - 1) ?? this.#pick(owner, 1, Math.min(band, size - 1))
  }

  release(address: string, owner: string): void {
    const ip = tryParseIpv4(sloppyIp(address))
    if (ip !== null && this.#taken.get(ip) === owner) this.#taken.delete(ip)
  }

  /** A random free offset from `low` up to, not including, `high`. */
  #pick(owner: string, low: number, high: number): string | null {
    if (high <= low) return null
    const start = this.#random.below(high - low)
    for (let i = 0; i < high - low; i++) {
      const ip = nth(this.#cidr, low + ((start + i) % (high - low)))
      if (this.#taken.has(ip)) continue
      this.#taken.set(ip, owner)
      return formatIpv4(ip)
    }
    return null
  }
}

export interface PortRange {
  readonly first: number
  readonly last: number
}

/** --service-node-port-range unless it is said otherwise. */
const NODE_PORTS: PortRange = { first: 30_000, last: 32_767 }

/** `30000-32767`; undefined stays what kube-apiserver has. @throws PlanError */
export function parsePortRange(text: string | undefined): PortRange | undefined {
  if (text === undefined) return undefined
  const [, first, last] = /^(\d+)-(\d+)$/.exec(text) ?? []
  const range = { first: Number(first), last: Number(last) }
  if (!(range.first >= 1 && range.first <= range.last && range.last <= 65_535)) {
    throw new PlanError(`${JSON.stringify(text)} is no range of ports, such as 30000-32767`)
  }
  return range
}

/** Node ports. A port is one Service's, whatever the protocol. */
export class NodePorts {
  readonly #random: Random
  readonly #range: PortRange
  /** Given to those who do not ask come from here up, while there is one (KEP-3668). */
  readonly #dynamic: number
  readonly #taken = new Map<number, string>()

  constructor(random: Random, range: PortRange = NODE_PORTS) {
    this.#random = random
    this.#range = range
    const count = range.last - range.first + 1
    this.#dynamic = count <= 16 ? 0 : Math.min(Math.max(16, Math.floor(count / 32)), 128)
  }

  /** Null when it worked, else Kubernetes' sentence. */
  claim(port: number, owner: string): string | null {
    const { first, last } = this.#range
    if (port < first || port > last) {
      return `provided port is not in the valid range. The range of valid ports is ${first}-${last}`
    }
    const holder = this.#taken.get(port)
    if (holder !== undefined && holder !== owner) return 'provided port is already allocated'
    this.#taken.set(port, owner)
    return null
  }

  /** Null when all are taken. */
  allocate(owner: string): number | null {
    const { first, last } = this.#range
    const count = last - first + 1
    const start = this.#random.below(count - this.#dynamic)
    for (let i = 0; i < count; i++) {
      const port = first + ((this.#dynamic + start + i) % count)
      if (this.#taken.has(port)) continue
      this.#taken.set(port, owner)
      return port
    }
    return null
  }

  /** Frees what the owner holds, except these. */
  keep(owner: string, ports: ReadonlySet<number>): void {
    for (const [port, holder] of this.#taken) if (holder === owner && !ports.has(port)) this.#taken.delete(port)
  }
}

/**
 * The CNI plug-in host-local: addresses of one node's pods in order, starting behind the last one given out, so
 * that a freed address rests as long as possible. The first address is the gateway's.
 */
export class HostLocal {
  readonly #subnet: Cidr
  readonly #taken = new Map<Ipv4, string>()
  #last: Ipv4

  constructor(subnet: Cidr) {
    this.#subnet = subnet
    this.#last = nth(subnet, 1)
  }

  get gateway(): Ipv4 {
    return nth(this.#subnet, 1)
  }

  /** @throws PlanError in host-local's words when none is left. */
  allocate(owner: string): Ipv4 {
    const first = 2
    const count = 2 ** (32 - this.#subnet.prefix) - 1 - first
    const start = ((this.#last - this.#subnet.network) | 0) + 1 - first
    for (let i = 0; i < count; i++) {
      const address = nth(this.#subnet, first + ((start + i) % count))
      if (this.#taken.has(address)) continue
      this.#taken.set(address, owner)
      this.#last = address
      return address
    }
    const low = formatIpv4(nth(this.#subnet, 1))
    const high = formatIpv4(nth(this.#subnet, count + first - 1))
    throw new PlanError(`no IP addresses available in range set: ${low}-${high}`)
  }

  /** A certain address: for pinned labs. False when somebody has it. */
  claim(address: Ipv4, owner: string): boolean {
    if (this.#taken.has(address) || !contains(this.#subnet, address)) return false
    this.#taken.set(address, owner)
    if (compareIpv4(address, this.#last) > 0) this.#last = address
    return true
  }

  release(owner: string): void {
    for (const [address, holder] of this.#taken) if (holder === owner) this.#taken.delete(address)
  }
}

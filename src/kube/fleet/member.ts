/** The nodes of a fleet, as plain facts: what is drawn for a node depends on its name alone. */
import { Random } from '../../sim/random.ts'
import { type Cidr, formatIpv4, type Ipv4, mask, nth, parseCidr, parseIpv4 } from '../../wire/address.ts'
import type { FlannelBackend, PeerDirectory } from '../cni/flannel.ts'
import { type CniPeer, randomMac } from '../cni/plugin.ts'
import { fnv1a } from '../controllers/template-hash.ts'
import { PlanError, type PodCidrs } from '../ipam.ts'

export interface Member {
  readonly name: string
  readonly ip: string
  readonly podCIDR: string
  /** 32 hexadecimal digits. */
  readonly id: string
  readonly peer: CniPeer
}

/** The seed of what is drawn for this name, whenever that is. */
export function seedOf(seed: number, name: string): number {
  return fnv1a(`${seed} ${name}`)
}

export interface MemberOptions {
  readonly nodes: number
  /** What the nodes' names begin with. */
  readonly name: string
  readonly firstIp: string
}

/** `fleet-0001`, `fleet-0002`, …: their names are in their order. */
export function membersOf(options: MemberOptions, seed: number, cidrs: PodCidrs, backend: FlannelBackend): Member[] {
  const { nodes, name: front, firstIp } = options
  const digits = String(nodes).length
  const first: Cidr = { network: parseIpv4(firstIp), prefix: 32 }
  return Array.from({ length: nodes }, (_, i): Member => {
    const name = `${front}${String(i + 1).padStart(digits, '0')}`
    const random = new Random(seedOf(seed, name))
    const publicIp = nth(first, i)
    const podCIDR = cidrs.allocate(name, null)
    const vtepMac = backend === 'vxlan' ? randomMac(random) : null
    const peer = { name, podCidr: parseCidr(podCIDR), publicIp, vtepMac }
    return { name, ip: formatIpv4(publicIp), podCIDR, id: random.hex(32), peer }
  })
}

/** The members as flanneld finds them. */
export class Directory implements PeerDirectory {
  readonly #members: readonly Member[]
  readonly #byName = new Map<string, number>()
  readonly #byNetwork = new Map<Ipv4, number>()
  readonly #mask: Ipv4
  readonly #left = new Set<number>()

  constructor(members: readonly Member[]) {
    this.#members = members
    this.#mask = mask(members[0].peer.podCidr.prefix)
    members.forEach(({ name, peer }, i) => {
      if (this.#byName.has(name)) throw new PlanError(`two nodes are called ${name}`)
      this.#byName.set(name, i)
      this.#byNetwork.set(peer.podCidr.network, i)
    })
  }

  get size(): number {
    return this.#members.length
  }

  numberOf(address: Ipv4): number {
    return this.#byNetwork.get((address & this.#mask) as Ipv4) ?? -1
  }

  numberOfName(name: string): number {
    return this.#byName.get(name) ?? -1
  }

  peer(number: number): CniPeer | null {
    return this.#left.has(number) ? null : this.#members[number].peer
  }

  /** The node was deleted. */
  leave(name: string): void {
    this.#left.add(this.numberOfName(name))
  }
}

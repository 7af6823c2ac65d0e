/** A load balancer's addresses (MetalLB's allocator): who has which, and which ports of a shared one. */
import { compareIpv4, formatIpv4, type Ipv4, nth, parseCidr, tryParseIpv4 } from '../../wire/address.ts'

/** What a Service asks of the pool. */
export interface PoolRequest {
  /** `namespace/name` */
  readonly owner: string
  /** `80/TCP` */
  readonly ports: readonly string[]
  /** Services with the same key may have one address, if their ports differ; empty: alone. */
  readonly sharingKey: string
  /** With externalTrafficPolicy Local, those that share must have the same pods. */
  readonly backend: string
}

/** Why an address was not given, in MetalLB's words. */
export class PoolError extends Error {
  override readonly name = 'PoolError'
}

export class AddressPool {
  readonly #ranges: readonly (readonly [Ipv4, Ipv4])[]
  readonly #users = new Map<Ipv4, PoolRequest[]>()

  /** `192.168.14.240-192.168.14.250` or `192.168.14.240/28`. */
  constructor(ranges: readonly string[]) {
    this.#ranges = ranges.map(parseRange)
  }

  holds(address: Ipv4): boolean {
    return this.#ranges.some(([low, high]) => compareIpv4(low, address) <= 0 && compareIpv4(address, high) <= 0)
  }

  /** A certain address. @throws PoolError */
  claim(address: Ipv4, request: PoolRequest): void {
    if (!this.holds(address)) throw new PoolError(`["${formatIpv4(address)}"] is not allowed in config`)
    const others = (this.#users.get(address) ?? []).filter((user) => user.owner !== request.owner)
    const refusing = others.find((user) => !mayShare(user, request))
    if (refusing !== undefined) {
      const list = others.map((user) => user.owner).join(',')
      throw new PoolError(`can't change sharing key for "${request.owner}", address also in use by ${list}`)
    }
    for (const port of request.ports) {
      const [number, protocol] = port.split('/')
      if (!others.some((user) => user.ports.includes(port))) continue
      throw new PoolError(`port ${protocol.toLowerCase()}/${number} is already in use on "${formatIpv4(address)}"`)
    }
    this.release(request.owner, address)
    this.#users.set(address, [...others, request])
  }

  /** The first address that can be had. @throws PoolError */
  allocate(request: PoolRequest): Ipv4 {
    for (const [low, high] of this.#ranges) {
      const count = (high >>> 0) - (low >>> 0) + 1
      for (let i = 0; i < count; i++) {
        const address = nth({ network: low, prefix: 0 }, i)
        try {
          this.claim(address, request)
          return address
        } catch (error) {
          if (!(error instanceof PoolError)) throw error
        }
      }
    }
    throw new PoolError('no available IPs')
  }

  /** Gives back what the owner has, but for one address. True when there was something. */
  release(owner: string, except: Ipv4 | null = null): boolean {
    let freed = false
    for (const [address, users] of this.#users) {
      if (address === except || !users.some((user) => user.owner === owner)) continue
      freed = true
      const left = users.filter((user) => user.owner !== owner)
      if (left.length === 0) this.#users.delete(address)
      else this.#users.set(address, left)
    }
    return freed
  }
}

function mayShare(one: PoolRequest, other: PoolRequest): boolean {
  return one.sharingKey !== '' && one.sharingKey === other.sharingKey && one.backend === other.backend
}

/** Null when the text is neither a range nor a network. */
export function tryParseRange(text: string): readonly [Ipv4, Ipv4] | null {
  const [low, high, ...more] = text.split('-').map((part) => part.trim())
  if (more.length > 0) return null
  if (high === undefined) return /^[\d.]+\/\d+$/.test(low) ? tryNetwork(low) : null
  const [first, last] = [tryParseIpv4(low), tryParseIpv4(high)]
  return first === null || last === null || compareIpv4(first, last) > 0 ? null : [first, last]
}

function tryNetwork(text: string): readonly [Ipv4, Ipv4] | null {
  try {
    const cidr = parseCidr(text)
    return [cidr.network, nth(cidr, 2 ** (32 - cidr.prefix) - 1)]
  } catch {
    return null
  }
}

function parseRange(text: string): readonly [Ipv4, Ipv4] {
  const range = tryParseRange(text)
  if (range === null) throw new RangeError(`${JSON.stringify(text)} is no range of addresses`)
  return range
}

/** The address that a Service asks for; null when it does not. @throws PoolError when it is none. */
export function wantedAddress(text: string | undefined): Ipv4 | null {
  if (!text) return null
  const address = tryParseIpv4(text.split(',')[0].trim())
  if (address === null) throw new PoolError(`invalid spec.loadBalancerIP "${text}"`)
  return address
}

/** `-m ipvs`: is the packet IPVS's, and of which virtual service (xt_ipvs)? */
import { formatIpv4, type Ipv4 } from '../wire/address.ts'
import { u16 } from '../wire/bytes.ts'
import { IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipv4.ts'
import { NetfilterError } from './error.ts'
import { bang, Match } from './match.ts'
import type { Packet } from './packet.ts'
import { servicePort } from './services.ts'
import { isReply } from './status.ts'
import { parseNetwork, prefixOf, type Words } from './words.ts'

const protocols: Readonly<Record<string, number>> = { tcp: IPPROTO_TCP, udp: IPPROTO_UDP, sctp: 132 }
const METHODS = ['GATE', 'IPIP', 'MASQ'] as const

interface Wanted<T> {
  readonly value: T
  readonly not: boolean
}

export class IpvsMatch extends Match {
  readonly name = 'ipvs'
  #property: Wanted<true> | null = null
  #protocol: Wanted<number> | null = null
  #address: Wanted<readonly [address: Ipv4, mask: Ipv4]> | null = null
  #port: Wanted<number> | null = null
  #reply: boolean | null = null
  #method: Wanted<string> | null = null

  override option(name: string, words: Words, not: boolean): boolean {
    switch (name) {
      case '--ipvs':
        this.#property = { value: true, not }
        return true
      case '--vproto':
        this.#protocol = { value: protocolOf(words.value(name)), not }
        return true
      case '--vaddr':
        this.#address = { value: parseNetwork(words.value(name)), not }
        return true
      case '--vport':
        this.#port = { value: portOf(words.value(name)), not }
        return true
      case '--vdir': {
        const word = words.value(name).toUpperCase()
        if (word !== 'ORIGINAL' && word !== 'REPLY') throw new NetfilterError(`Bad vdir value "${word}"`)
        this.#reply = (word === 'REPLY') !== not
        return true
      }
      case '--vmethod': {
        const value = words.value(name).toUpperCase()
        if (!METHODS.some((each) => each === value)) throw new NetfilterError(`Bad vmethod "${value}"`)
        this.#method = { value, not }
        return true
      }
      case '--vportctl':
        throw new NetfilterError('podwire: --vportctl is not modelled')
      default:
        return false
    }
  }

  override check(): void {
    const any = this.#property ?? this.#protocol ?? this.#address ?? this.#port ?? this.#reply ?? this.#method
    if (any === null) throw new NetfilterError('IPVS: At least one option is required')
  }

  override test(packet: Packet): boolean {
    const { frame, protocol } = packet
    const only = this.#protocol ?? this.#address ?? this.#port ?? this.#reply ?? this.#method
    if (only === null) return frame.balanced !== (this.#property?.not ?? false)
    if (!frame.balanced || packet.ipvs === null || !packet.carries(4)) return false
    if (this.#protocol !== null && (protocol === this.#protocol.value) === this.#protocol.not) return false
    const { bytes, transport, source, destination } = packet
    // ip_vs_fill_iph_skb with inverse: the connection is found by a packet on its way to the real server.
    const found = packet.ipvs.connections.findOut(
      protocol,
      source,
      u16(bytes, transport),
      destination,
      u16(bytes, transport + 2),
    )
    if (found === null) return false
    if (this.#port !== null && (found.virtualPort === this.#port.value) === this.#port.not) return false
    if (this.#reply !== null && isReply(frame.trackedInfo) !== this.#reply) return false
    if (this.#method !== null && (this.#method.value === 'MASQ') === this.#method.not) return false
    if (this.#address === null) return true
    const [address, mask] = this.#address.value
    return (((found.virtual & mask) | 0) === address) !== this.#address.not
  }

  override save(): string {
    return this.#text('--')
  }

  override list(): string {
    return this.#text('')
  }

  #text(prefix: string): string {
    const parts: string[] = []
    const put = (given: Wanted<unknown> | null, text: string) => {
      if (given !== null) parts.push(`${bang(given.not)}${prefix}${text}`)
    }
    const alone = this.#protocol ?? this.#address ?? this.#port ?? this.#reply ?? this.#method
    if (alone === null) put(this.#property, 'ipvs')
    put(this.#protocol, `vproto ${this.#protocol?.value}`)
    if (this.#address !== null) {
      const [address, mask] = this.#address.value
      const bits = prefixOf(mask)
      const behind = bits === 32 ? '' : `/${bits ?? formatIpv4(mask)}`
      put(this.#address, `vaddr ${formatIpv4(address)}${behind}`)
    }
    put(this.#port, `vport ${this.#port?.value}`)
    if (this.#reply !== null) parts.push(`${prefix}vdir ${this.#reply ? 'REPLY' : 'ORIGINAL'}`)
    put(this.#method, `vmethod ${this.#method?.value}`)
    return parts.join(' ')
  }
}

function protocolOf(text: string): number {
  const number = /^[0-9]+$/.test(text) ? Number(text) : (protocols[text.toLowerCase()] ?? -1)
  if (number < 0 || number > 255) throw new NetfilterError(`unknown protocol "${text}" specified`)
  return number
}

function portOf(text: string): number {
  const port = /^[0-9]+$/.test(text) ? Number(text) : (servicePort(text) ?? -1)
  if (port < 0 || port > 65_535) throw new NetfilterError(`invalid port/service \`${text}' specified`)
  return port
}

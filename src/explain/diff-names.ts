/**
 * Names that two recordings share. Chance gives pods, veths, MACs, Services and ephemeral ports other names in each run; what
 * stays is who they belong to.
 */
import { tryParseIpv4 } from '../wire/address.ts'
import { type Headers, headersOf, type IpHeader, icmpName, innermost, protocolName } from './headers.ts'
import type { Recording } from './recording.ts'

/** Linux's ip_local_port_range, and the ports that NAT draws. */
const EPHEMERAL = 32_768

export class SharedNames {
  /** Who sent from this address first. */
  readonly #owners = new Map<string, string>()
  /** Addresses that nobody sends from before NAT: Services, in the order in which they appear. */
  readonly #others = new Map<string, string>()

  readonly #given: Recording['names']

  constructor(recording: Recording) {
    this.#given = recording.names
    for (const frame of recording.frames) {
      const { place, device } = recording.interfaces[frame.interface]
      const headers = headersOf(frame.bytes)
      if (frame.direction !== 'out' || headers === null || device.startsWith('veth') || place === 'switch') continue
      const source = headers.ip?.source ?? headers.arp?.sender
      if (source === undefined || source === '0.0.0.0') continue
      const pod = place.includes('/')
      // A router's interfaces send for others, too; a pod's send for itself.
      if (pod || (!this.#owners.has(source) && headers.arp !== null)) this.#owners.set(source, placeName(place))
    }
  }

  address(address: string): string {
    const owner = this.#owners.get(address)
    if (owner !== undefined) return owner
    const known = this.#others.get(address)
    if (known !== undefined) return known
    const parsed = tryParseIpv4(address)
    const given = parsed === null ? undefined : this.#given.get(parsed)
    const name = given ?? `address ${this.#others.size + 1}`
    this.#others.set(address, name)
    return name
  }

  endpoint(address: string, port: number | null): string {
    const owner = this.address(address)
    if (port === null) return owner
    return port >= EPHEMERAL ? `${owner}:…` : `${owner}:${port}`
  }

  /** `TCP default/client → 10.96.0.10:80`: what all connections of this kind share. */
  flow(ip: IpHeader): string {
    const name = ip.icmp === null ? protocolName(ip.protocol) : `ICMP ${icmpName(ip.icmp)}`
    return `${name} ${this.endpoint(ip.source, ip.sourcePort)} → ${this.endpoint(ip.destination, ip.destinationPort)}`
  }

  /** A sentence or an entry without what chance chose. */
  text(text: string): string {
    return text
      .replace(/\b\d{1,3}(\.\d{1,3}){3}\b/g, (address) => this.address(address))
      .replace(/\b[0-9a-f]{2}(:[0-9a-f]{2}){5}\b/g, 'MAC')
      .replace(/\bveth[0-9a-f]+\b/g, 'veth')
      .replace(/(:|[sd]port[= ]|id )(\d{5})\b/g, (whole, before, port) =>
        Number(port) < EPHEMERAL ? whole : `${before}…`,
      )
      .replace(/\b\d+(\.\d+)? (ns|µs|ms|s)\b/g, 'a while')
      .replace(/(-\w{8,10})?-\w{5}\b(?= |$|\/)/g, (whole) => (/\d/.test(whole) ? '-*' : whole))
  }
}

/** One connection among those of the same name: its end that chance chose. */
export function instanceOf(ip: IpHeader): string {
  const drawn = (address: string, port: number | null) =>
    port !== null && port >= EPHEMERAL ? `${address}:${port}` : ''
  const ends = [drawn(ip.source, ip.sourcePort), drawn(ip.destination, ip.destinationPort)]
  return `${ends.join(' ')} ${ip.icmp?.identifier}`
}

/** Pods of a workload are alike: `default/web-84779574f-5dwjr` is `default/web-*`. */
export function placeName(place: string): string {
  return place.replace(/-[a-z0-9]{8,10}-[a-z0-9]{5}$/, '-*').replace(/(-[bcdfghjklmnpqrstvwxz2456789]{5})$/, '-*')
}

export function deviceName(device: string): string {
  return /^veth[0-9a-f]/.test(device) ? 'veth' : device
}

export function ipOf(headers: Headers | null): IpHeader | null {
  return headers === null ? null : innermost(headers).ip
}

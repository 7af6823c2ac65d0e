/** The elements of IP sets, in memory and in text. */
import { formatIpv4, type Ipv4, ipv4, mask, tryParseIpv4 } from '../wire/address.ts'
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipv4.ts'
import { type IpSet, type ListEntry, SetElement, type SetOptions } from './ipset.ts'
import { servicePort } from './services.ts'

/** A sentence of ipset's. `usage`: exit code 2 and the hint at the help. */
export class SetError extends Error {
  readonly usage: boolean

  constructor(sentence: string, usage = false) {
    super(sentence)
    this.usage = usage
  }
}

const BAD_PREFIX = 'The value of the CIDR parameter of the IP address is invalid'
export const OUT_OF_RANGE = 'Element is out of the range of the set'
/** Added to a device's number when the set means the bridge's port. */
const PHYSICAL = 1 << 20

const protocolNumbers: Readonly<Record<string, number>> = {
  icmp: IPPROTO_ICMP,
  tcp: IPPROTO_TCP,
  udp: IPPROTO_UDP,
  sctp: 132,
  udplite: 136,
  igmp: 2,
  gre: 47,
  esp: 50,
  ah: 51,
  ospf: 89,
  vrrp: 112,
}
/** Only these have ports; others are written with port 0. */
const ported: readonly number[] = [IPPROTO_TCP, IPPROTO_UDP, 132, 136]

function prefixIn(text: string, least: number): number {
  if (!/^[0-9]+$/.test(text)) throw new SetError(`Syntax error: '${text}' is invalid as number`)
  if (Number(text) > 32) throw new SetError(`Syntax error: '${text}' is out of range 0-32`)
  if (Number(text) < least) throw new SetError(BAD_PREFIX)
  return Number(text)
}

function addressIn(text: string): Ipv4 {
  const address = tryParseIpv4(text)
  if (address === null) throw new SetError(`Syntax error: cannot parse ${text}: resolving to IPv4 address failed`)
  return address
}

function plainAddress(text: string): Ipv4 {
  if (/[/-]/.test(text)) throw new SetError(`Syntax error: plain IP address must be supplied: ${text}`)
  return addressIn(text)
}

/** The first and the last address of `a`, `a/n` or `a-b`. */
function range(text: string): [first: number, last: number] {
  const slash = text.indexOf('/')
  if (slash >= 0) {
    const bits = mask(prefixIn(text.slice(slash + 1), 1))
    const network = addressIn(text.slice(0, slash)) & bits
    return [network >>> 0, (network | ~bits) >>> 0]
  }
  const cut = text.indexOf('-')
  if (cut < 0) return [addressIn(text) >>> 0, addressIn(text) >>> 0]
  const [a, b] = [addressIn(text.slice(0, cut)) >>> 0, addressIn(text.slice(cut + 1)) >>> 0]
  return a <= b ? [a, b] : [b, a]
}

/** The range of a bitmap of addresses, as `create` has it. */
export function bitmapRange(text: string): [low: number, high: number] {
  if (!/[/-]/.test(text)) throw new SetError(`Syntax error: IP/cidr or IP-IP range must be specified: ${text}`)
  return range(text)
}

/** A number, or the name of a service; the complaint names both tries. */
function portIn(text: string, protocol: string): number {
  const port = /^[0-9]+$/.test(text) ? Number(text) : (servicePort(text) ?? -1)
  if (port >= 0 && port <= 65_535) return port
  if (port > 65_535) throw new SetError(`Syntax error: '${text}' is out of range 0-65535`)
  throw new SetError(
    `Syntax error: '${text}' is invalid as number\nSyntax error: '${protocol}' is invalid as number\ncannot parse '${text}' as a ${protocol} port`,
  )
}

/** `tcp:80`, `80`, `udp:53-55`, `icmp:8/0`, `gre:0`. */
function portsIn(text: string): [protocol: number, low: number, high: number] {
  const colon = text.indexOf(':')
  const name = colon < 0 ? 'tcp' : text.slice(0, colon).toLowerCase()
  const protocol = protocolNumbers[name] ?? (/^[0-9]+$/.test(name) && Number(name) < 256 ? Number(name) : -1)
  if (protocol < 0) throw new SetError(`Syntax error: cannot parse '${name}' as a protocol`)
  const value = text.slice(colon + 1)
  if (protocol === IPPROTO_ICMP) {
    if (value === 'echo-request' || value === 'ping') return [protocol, 0x800, 0x800]
    if (value === 'echo-reply' || value === 'pong') return [protocol, 0, 0]
    const parts = /^([0-9]{1,3})\/([0-9]{1,3})$/.exec(value)
    if (parts === null) throw new SetError(`podwire: ICMP type ${value} in a set is not modelled`)
    const both = (Number(parts[1]) << 8) | Number(parts[2])
    return [protocol, both, both]
  }
  const cut = value.indexOf('-')
  const low = portIn(cut < 0 ? value : value.slice(0, cut), name)
  const high = cut < 0 ? low : portIn(value.slice(cut + 1), name)
  if (!ported.includes(protocol) && (low !== 0 || high !== 0)) {
    throw new SetError(`Syntax error: Protocol ${name} can be used with pseudo port value 0 only.`)
  }
  return low <= high ? [protocol, low, high] : [protocol, high, low]
}

/** More than this at once is not added. */
const MOST = 1 << 20

/** The elements that the words of `ipset add` mean: one, or all of a range. */
export function parseElements(set: IpSet, text: string): SetElement[] {
  const { options, type } = set
  if (type === 'bitmap:port') {
    const [, low, high] = portsIn(text)
    if (low < options.low || high > options.high) throw new SetError(OUT_OF_RANGE)
    return steps(low, high).map((port) => new SetElement(ipv4(0), 0, 0, port))
  }
  const parts = text.split(',')
  if (type === 'bitmap:ip,mac') return [macElement(options, parts)]
  if (set.dimension >= 2 && parts.length < 2) {
    throw new SetError(`Syntax error: Second element is missing from ${text}.`)
  }
  if (set.dimension >= 3 && parts.length < 3) throw new SetError(`Syntax error: Third element is missing from ${text}.`)
  const [head, second, third] = parts
  if (type === 'hash:net,iface') return netsIn(head, 0).map(([net, bits]) => deviceElement(set, net, bits, second))
  const [protocol, low, high] = set.dimension >= 2 ? portsIn(second) : [0, 0, 0]
  const ends = endsOf(type, third)
  const found: SetElement[] = []
  for (const [address, prefix] of addresses(set, head)) {
    for (const port of steps(low, high)) {
      for (const [end, bits] of ends) found.push(new SetElement(ipv4(address), prefix, protocol, port, end | 0, bits))
    }
  }
  return found
}

/** The third parts. */
function endsOf(type: string, text: string): [address: number, prefix: number][] {
  if (type === 'hash:ip,port,ip') return [[plainAddress(text), 0]]
  return type === 'hash:ip,port,net' ? netsIn(text, 1) : [[0, 0]]
}

function macElement({ low, high }: SetOptions, [head, mac]: string[]): SetElement {
  const address = plainAddress(head)
  if (address >>> 0 < low || address >>> 0 > high) throw new SetError(OUT_OF_RANGE)
  const element = new SetElement(address, 0, 0, 0)
  if (mac === undefined) return element
  if (!/^[0-9a-f]{1,2}(:[0-9a-f]{1,2}){5}$/i.test(mac)) {
    throw new SetError(`Syntax error: cannot parse '${mac}' as ethernet address`)
  }
  const bytes = mac.split(':').map((part) => Number.parseInt(part, 16))
  element.macHigh = (bytes[0] << 16) | (bytes[1] << 8) | bytes[2]
  element.macLow = (bytes[3] << 16) | (bytes[4] << 8) | bytes[5]
  return element
}

function deviceElement(set: IpSet, network: number, prefix: number, text: string): SetElement {
  const physical = text.startsWith('physdev:')
  const name = physical ? text.slice(8) : text
  if (name.length > 15) throw new SetError(`Syntax error: interface name '${name}' is longer than 15 characters`)
  const number = set.devices.get(name) ?? set.devices.size + 1
  set.devices.set(name, number)
  return new SetElement(ipv4(network), prefix, 0, 0, physical ? number + PHYSICAL : number)
}

function addresses(set: IpSet, text: string): [address: number, prefix: number][] {
  if (set.type.startsWith('hash:net')) return netsIn(text, 1)
  const [first, last] = range(text)
  if (last - first >= MOST) throw new SetError('podwire: a range of so many addresses is not modelled')
  const { low, high, netmask } = set.options
  if (set.type === 'bitmap:ip' && (first < low || last > high)) throw new SetError(OUT_OF_RANGE)
  const bits = mask(netmask)
  return [...new Set(steps(first, last).map((address) => address & bits))].map((address) => [address, 0])
}

/** A network, or the networks that a range is made of (hash_net's range walk). */
function netsIn(text: string, least: number): [network: number, prefix: number][] {
  const slash = text.indexOf('/')
  if (slash >= 0) {
    const prefix = prefixIn(text.slice(slash + 1), least)
    return [[addressIn(text.slice(0, slash)) & mask(prefix), prefix]]
  }
  let [from, last] = range(text)
  const found: [number, number][] = []
  while (from <= last) {
    let prefix = 32
    while (prefix > 1 && from % 2 ** (33 - prefix) === 0 && from + 2 ** (33 - prefix) - 1 <= last) prefix--
    found.push([from | 0, prefix])
    from += 2 ** (32 - prefix)
  }
  return found
}

function steps(low: number, high: number): number[] {
  return Array.from({ length: high - low + 1 }, (_, i) => low + i)
}

function portText(protocol: number, port: number): string {
  if (protocol === IPPROTO_ICMP) {
    if (port === 0x800) return 'icmp:echo-request'
    if (port === 0) return 'icmp:echo-reply'
    return `icmp:${port >> 8}/${port & 0xff}`
  }
  for (const [name, number] of Object.entries(protocolNumbers)) if (number === protocol) return `${name}:${port}`
  return `${protocol}:${port}`
}

function macText({ macHigh, macLow }: SetElement): string {
  const digits = macHigh.toString(16).padStart(6, '0') + macLow.toString(16).padStart(6, '0')
  return (digits.toUpperCase().match(/../g) ?? []).join(':')
}

function networkText(address: number, prefix: number): string {
  return prefix === 32 ? formatIpv4(ipv4(address)) : `${formatIpv4(ipv4(address))}/${prefix}`
}

/** Without its extensions: `10.0.0.0/24,tcp:80`. */
export function formatKey(set: IpSet, element: SetElement): string {
  const { address, prefix, protocol, port, second, prefix2 } = element
  switch (set.type) {
    case 'bitmap:port':
      return String(port)
    case 'bitmap:ip,mac':
      return element.macHigh < 0 ? formatIpv4(address) : `${formatIpv4(address)},${macText(element)}`
    case 'hash:net':
      return networkText(address, prefix)
    case 'hash:net,port':
      return `${networkText(address, prefix)},${portText(protocol, port)}`
    case 'hash:net,iface': {
      const number = second & (PHYSICAL - 1)
      const name = [...set.devices].find(([, each]) => each === number)?.[0] ?? ''
      return `${networkText(address, prefix)},${second >= PHYSICAL ? 'physdev:' : ''}${name}`
    }
    case 'hash:ip,port':
      return `${formatIpv4(address)},${portText(protocol, port)}`
    case 'hash:ip,port,ip':
      return `${formatIpv4(address)},${portText(protocol, port)},${formatIpv4(ipv4(second))}`
    case 'hash:ip,port,net':
      return `${formatIpv4(address)},${portText(protocol, port)},${networkText(second, prefix2)}`
    default:
      return formatIpv4(address)
  }
}

/** What stands behind an element: by name, in the order in which it is printed. */
export function extensionsOf(
  { timeout, counters }: SetOptions,
  element: SetElement | ListEntry,
  now: number,
): [name: string, value: string][] {
  const found: [string, string][] = []
  if (timeout !== null) {
    const left = element.expires === 0 ? 0 : Math.max(1, Math.floor((element.expires - now) / 1_000_000_000))
    found.push(['timeout', String(left)])
  }
  if (element instanceof SetElement && element.nomatch) found.push(['nomatch', ''])
  if (counters) found.push(['packets', String(element.packets)], ['bytes', String(element.bytes)])
  if (element.comment !== '') found.push(['comment', `"${element.comment}"`])
  return found
}

/** What one member of a set is called, and what is said of it. */
export interface Member {
  readonly key: string
  readonly extensions: readonly (readonly [name: string, value: string])[]
}

/** As `ipset list` and `ipset save` print it. */
export function formatMember({ key, extensions }: Member): string {
  return [key, ...extensions.map(([name, value]) => (value === '' ? name : `${name} ${value}`))].join(' ')
}

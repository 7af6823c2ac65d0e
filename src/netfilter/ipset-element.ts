/** The elements of IP sets, in memory and in text. */
import { formatIpv4, type Ipv4, ipv4, mask, tryParseIpv4 } from '../wire/address.ts'
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipv4.ts'
import { type IpSet, SetElement } from './ipset.ts'
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

const protocolNumbers: Readonly<Record<string, number>> = {
  icmp: IPPROTO_ICMP,
  tcp: IPPROTO_TCP,
  udp: IPPROTO_UDP,
  sctp: 132,
  udplite: 136,
}

function prefixIn(text: string): number {
  if (!/^[0-9]+$/.test(text)) throw new SetError(`Syntax error: '${text}' is invalid as number`)
  if (Number(text) > 32) throw new SetError(`Syntax error: '${text}' is out of range 0-32`)
  if (Number(text) === 0) throw new SetError(BAD_PREFIX)
  return Number(text)
}

function addressIn(text: string): Ipv4 {
  const address = tryParseIpv4(text)
  if (address === null) throw new SetError(`Syntax error: cannot parse ${text}: resolving to IPv4 address failed`)
  return address
}

/** The first and the last address of `a`, `a/n` or `a-b`. */
function range(text: string): [first: number, last: number] {
  const slash = text.indexOf('/')
  if (slash >= 0) {
    const bits = mask(prefixIn(text.slice(slash + 1)))
    const network = addressIn(text.slice(0, slash)) & bits
    return [network >>> 0, (network | ~bits) >>> 0]
  }
  const cut = text.indexOf('-')
  if (cut < 0) return [addressIn(text) >>> 0, addressIn(text) >>> 0]
  const [a, b] = [addressIn(text.slice(0, cut)) >>> 0, addressIn(text.slice(cut + 1)) >>> 0]
  return a <= b ? [a, b] : [b, a]
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

/** `tcp:80`, `80`, `udp:53-55`, `icmp:8/0`. */
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
  return low <= high ? [protocol, low, high] : [protocol, high, low]
}

/** More than this at once is not added. */
const MOST = 1 << 20

/** The elements that the words of `ipset add` mean: one, or all of a range. */
export function parseElements(set: IpSet, text: string): SetElement[] {
  if (set.type === 'bitmap:port') {
    const [, low, high] = portsIn(text)
    const { options } = set
    if (low < options.low || high > options.high) throw new SetError('Element is out of the range of the set')
    return steps(low, high).map((port) => new SetElement(ipv4(0), 0, 0, port))
  }
  const comma = text.indexOf(',')
  if (set.dimension === 2 && comma < 0) throw new SetError(`Syntax error: Second element is missing from ${text}.`)
  const head = set.dimension === 2 ? text.slice(0, comma) : text
  const [protocol, low, high] = set.dimension === 2 ? portsIn(text.slice(comma + 1)) : [0, 0, 0]
  const found: SetElement[] = []
  for (const [address, prefix] of addresses(set, head)) {
    for (const port of steps(low, high)) found.push(new SetElement(ipv4(address), prefix, protocol, port))
  }
  return found
}

function addresses(set: IpSet, text: string): [address: number, prefix: number][] {
  if (set.nets) {
    const slash = text.indexOf('/')
    if (slash < 0 && text.includes('-'))
      throw new SetError('podwire: a range of addresses in a set of networks is not modelled')
    const prefix = slash < 0 ? 32 : prefixIn(text.slice(slash + 1))
    const address = addressIn(slash < 0 ? text : text.slice(0, slash))
    return [[address & mask(prefix), prefix]]
  }
  const [first, last] = range(text)
  if (last - first >= MOST) throw new SetError('podwire: a range of so many addresses is not modelled')
  const bits = mask(set.options.netmask)
  return [...new Set(steps(first, last).map((address) => address & bits))].map((address) => [address, 0])
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

/** Without its extensions: `10.0.0.0/24,tcp:80`. */
export function formatKey(set: IpSet, element: SetElement): string {
  if (set.type === 'bitmap:port') return String(element.port)
  const { address, prefix, protocol, port } = element
  let text = formatIpv4(address)
  if (set.nets && prefix !== 32) text += `/${prefix}`
  return set.dimension === 2 ? `${text},${portText(protocol, port)}` : text
}

/** As `ipset list` and `ipset save` print it. */
export function formatElement(set: IpSet, element: SetElement, now: number): string {
  const { timeout, counters } = set.options
  let text = formatKey(set, element)
  if (timeout !== null) {
    const left = element.expires === 0 ? 0 : Math.max(1, Math.floor((element.expires - now) / 1_000_000_000))
    text += ` timeout ${left}`
  }
  if (element.nomatch) text += ' nomatch'
  if (counters) text += ` packets ${element.packets} bytes ${element.bytes}`
  if (element.comment !== '') text += ` comment "${element.comment}"`
  return text
}

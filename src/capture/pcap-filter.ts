/**
 * pcap-filter(7): which frames a capture wants. Primitives are `[protocol] [direction] [type] id`; what is left
 * out of one is taken from the one before (`port 80 or 443`). `and` and `or` bind alike, from the left.
 */
import { type Ipv4, mask, tryParseCidr, tryParseIpv4 } from '../wire/address.ts'
import * as ethernet from '../wire/ethernet.ts'
import { startsArithmetic, takeComparison } from './filter-arithmetic.ts'
import {
  addressTest,
  beyondCapture,
  etherType,
  type FilterDirection,
  type FrameTest,
  groupTest,
  ip6Protocol,
  ipProtocol,
  isIp,
  isIp6,
  macTest,
  portTest,
  vxlanTest,
} from './filter-packet.ts'
import { FilterCursor, FilterError, filterWords } from './filter-words.ts'

/** What is captured: that decides what may be asked. */
export interface FilterContext {
  /** Packets behind a cooked header, as on `any`: they have no Ethernet destination. */
  readonly cooked: boolean
  /** Not from a file: then the kernel knows which way a frame went. */
  readonly live: boolean
}

/** An expression's test; the empty one lets everything pass. @throws FilterError */
export function compileFilter(text: string, context: FilterContext = { cooked: false, live: true }): FrameTest {
  const words = filterWords(text)
  if (words === null) throw new FilterError()
  if (words.length === 0) return () => true
  const test = new Parser(new FilterCursor(words), context).whole()
  return (bytes, at, end, outgoing, length) => {
    try {
      return test(bytes, at, end, outgoing, length)
    } catch (error) {
      if (error === beyondCapture) return false
      throw error
    }
  }
}

const protocolNumbers: Readonly<Record<string, number>> = {
  icmp: 1,
  igmp: 2,
  tcp: 6,
  udp: 17,
  esp: 50,
  ah: 51,
  sctp: 132,
  igrp: 9,
  pim: 103,
  vrrp: 112,
  carp: 112,
  icmp6: 58,
}
const etherNumbers: Readonly<Record<string, number>> = {
  ip: ethernet.ETH_P_IP,
  arp: ethernet.ETH_P_ARP,
  rarp: 0x8035,
  ip6: ethernet.ETH_P_IPV6,
}
const protocols = [
  'ether',
  'ip',
  'ip6',
  'arp',
  'rarp',
  'tcp',
  'udp',
  'icmp',
  'igmp',
  'sctp',
  'icmp6',
  'igrp',
  'pim',
  'vrrp',
  'carp',
  'esp',
  'ah',
]
const types = ['host', 'net', 'port', 'portrange', 'proto'] as const
type IdType = (typeof types)[number]

const ports: Readonly<Record<string, number>> = { domain: 53, http: 80, https: 443, ssh: 22, bootps: 67, bootpc: 68 }

interface Qualifiers {
  readonly protocol: string | null
  readonly direction: FilterDirection
  readonly type: IdType
}

class Parser {
  readonly #cursor: FilterCursor
  readonly #context: FilterContext
  #last: Qualifiers | null = null
  /** Bytes of VLAN tags in front of what is asked about: `vlan` moves all that follows. */
  #shift = 0

  constructor(cursor: FilterCursor, context: FilterContext) {
    this.#cursor = cursor
    this.#context = context
  }

  whole(): FrameTest {
    const test = this.#expression()
    if (!this.#cursor.done) throw new FilterError()
    return test
  }

  #expression(): FrameTest {
    let test = this.#term()
    for (;;) {
      const left = test
      if (this.#cursor.accept('and', '&&')) {
        const right = this.#term()
        test = (bytes, at, end, outgoing, length) =>
          left(bytes, at, end, outgoing, length) && right(bytes, at, end, outgoing, length)
      } else if (this.#cursor.accept('or', '||')) {
        const right = this.#term()
        test = (bytes, at, end, outgoing, length) =>
          left(bytes, at, end, outgoing, length) || right(bytes, at, end, outgoing, length)
      } else return test
    }
  }

  #term(): FrameTest {
    const cursor = this.#cursor
    if (cursor.accept('not', '!')) {
      const test = this.#term()
      return (bytes, at, end, outgoing, length) => !test(bytes, at, end, outgoing, length)
    }
    if (startsArithmetic(cursor)) return this.#shifted(takeComparison(cursor))
    if (cursor.accept('(')) {
      const test = this.#expression()
      if (!cursor.accept(')')) throw new FilterError()
      return test
    }
    if (cursor.peek() === 'vlan') return this.#vlan()
    return this.#shifted(this.#primitive())
  }

  #shifted(test: FrameTest): FrameTest {
    const shift = this.#shift
    if (shift === 0) return test
    return (bytes, at, end, outgoing, length = end - at) => test(bytes, at + shift, end, outgoing, length)
  }

  /** `vlan [id]`: a tag is there (with this number), and what follows is asked behind it. */
  #vlan(): FrameTest {
    const cursor = this.#cursor
    cursor.take()
    const number = cursor.is('number') ? Number(cursor.take().text) : null
    if (number !== null && number > 4095) throw new FilterError(`VLAN tag ${number} greater than maximum 4095`)
    const tagged = [0x8100, 0x88a8, 0x9100].map(etherType)
    const test = this.#shifted((bytes, at, end) => {
      if (!tagged.some((each) => each(bytes, at, end))) return false
      if (number === null) return true
      if (at + 16 > end) throw beyondCapture
      return (((bytes[at + 14] << 8) | bytes[at + 15]) & 0xfff) === number
    })
    this.#shift += 4
    return test
  }

  #primitive(): FrameTest {
    const cursor = this.#cursor
    if (!cursor.is('name')) return this.#identified(this.#last ?? { protocol: null, direction: 'either', type: 'host' })
    if (cursor.peek() === 'less' || cursor.peek() === 'greater') return this.#length()
    if (cursor.accept('vxlan')) return vxlanTest(cursor.is('number') ? Number(cursor.take().text) : null)
    let protocol: string | null = null
    if (protocols.includes(cursor.peek())) protocol = cursor.take().text
    const direction = this.#direction()
    const type = types.find((each) => each === cursor.peek()) ?? null
    if (type !== null) cursor.take()
    if (direction === null && type === null) {
      if (cursor.accept('broadcast')) return groupTest(protocol, true)
      if (cursor.accept('multicast')) return groupTest(protocol, false)
      if (protocol !== null && !this.#isId()) return this.#bare(protocol)
      if (protocol === null) return this.#unqualified()
    }
    this.#last = { protocol, direction: direction ?? 'either', type: type ?? 'host' }
    return this.#identified(this.#last)
  }

  /** A name where a qualifier or an address should be. */
  #unqualified(): FrameTest {
    const word = this.#cursor.peek()
    if (this.#last !== null && this.#last.type === 'port' && word in ports) return this.#identified(this.#last)
    if (word === 'inbound' || word === 'outbound') return this.#way(this.#cursor.take().text === 'outbound')
    if (word === 'gateway') throw new FilterError("'gateway' requires a name")
    if (word === 'ifname') throw new FilterError('ifname supported only on PF linktype')
    if (['mpls', 'geneve', 'pppoed', 'pppoes', 'ifindex', 'stp', 'llc', 'iso', 'atalk', 'decnet'].includes(word)) {
      throw new FilterError(`podwire: the filter word ${word} is not modelled`)
    }
    throw new FilterError()
  }

  #way(out: boolean): FrameTest {
    if (!this.#context.live && !this.#context.cooked)
      throw new FilterError('inbound/outbound not supported on Ethernet when reading savefiles')
    return (_, __, ___, outgoing) => outgoing === out
  }

  #isId(): boolean {
    return this.#cursor.is('address', 'net', 'mac', 'number', 'range')
  }

  #direction(): FilterDirection | null {
    const cursor = this.#cursor
    const first = cursor.peek()
    if (first !== 'src' && first !== 'dst') return null
    cursor.take()
    const join = cursor.peek()
    if ((join === 'or' || join === 'and') && cursor.peek(1) === (first === 'src' ? 'dst' : 'src')) {
      cursor.take()
      cursor.take()
      return join === 'or' ? 'either' : 'both'
    }
    return first
  }

  #length(): FrameTest {
    const less = this.#cursor.take().text === 'less'
    const limit = Number(this.#cursor.take().text)
    if (Number.isNaN(limit)) throw new FilterError()
    return (_, at, end, __, length) => (less ? (length ?? end - at) <= limit : (length ?? end - at) >= limit)
  }

  #bare(protocol: string): FrameTest {
    switch (protocol) {
      case 'ip':
        return isIp
      case 'arp':
        return etherType(ethernet.ETH_P_ARP)
      case 'rarp':
        return etherType(0x8035)
      case 'ip6':
        return isIp6
      case 'ether':
        throw new FilterError()
      default:
        return protocolTest(null, protocol)
    }
  }

  #identified({ protocol, direction, type }: Qualifiers): FrameTest {
    const { kind, text } = this.#cursor.take()
    if (type === 'proto') {
      if (protocol === 'arp' || protocol === 'rarp')
        throw new FilterError(`${protocol} does not encapsulate another protocol`)
      if (protocol !== null && !['ip', 'ip6', 'ether'].includes(protocol))
        throw new FilterError(`'${protocol} proto' is bogus`)
      // Names that are words of the filter language themselves must be escaped.
      if (kind === 'name' && !text.startsWith('\\') && (protocols.includes(text) || text === 'vlan'))
        throw new FilterError()
      return protocolTest(protocol, text.replace(/^\\/, ''))
    }
    if (type === 'port' || type === 'portrange') {
      if (protocol !== null && !['tcp', 'udp', 'sctp'].includes(protocol))
        throw new FilterError(`illegal qualifier of '${type}'`)
      const [low, high] = portsOf(kind, text, type)
      const transport = protocol === null ? null : protocolNumbers[protocol]
      return portTest(direction, transport, low, high)
    }
    if (kind === 'mac') {
      if (protocol !== 'ether' || type !== 'host')
        throw new FilterError('ethernet address used in non-ether expression')
      return macTest(
        direction,
        Uint8Array.from(text.split(':'), (octet) => Number.parseInt(octet, 16)),
      )
    }
    if (protocol === 'ether') throw new FilterError(kind === 'address' ? 'illegal link layer address' : undefined)
    if (protocol !== null && !['ip', 'arp', 'rarp'].includes(protocol))
      throw new FilterError(`'${protocol}' modifier applied to ${protocol === 'ip6' ? 'ip ' : ''}${type}`)
    return this.#network(direction, protocol as 'ip' | 'arp' | 'rarp' | null, type, kind, text)
  }

  #network(
    direction: FilterDirection,
    family: 'ip' | 'arp' | 'rarp' | null,
    type: IdType,
    kind: string,
    text: string,
  ): FrameTest {
    // `host 10.244.1` means the network.
    if (type === 'host' && !(kind === 'address' && text.split('.').length < 4)) {
      const address = tryParseIpv4(text)
      if (address === null)
        throw new FilterError(kind === 'name' ? `unknown host '${text}'` : `invalid IPv4 address '${text}'`)
      return addressTest(direction, family, address, -1)
    }
    // `net 10.244` means 10.244.0.0/16.
    const octets = text.split('/')[0].split('.')
    const full = [...octets, '0', '0', '0'].slice(0, 4).join('.')
    let prefix = octets.length * 8
    if (text.includes('/')) prefix = Number(text.split('/')[1])
    else if (this.#cursor.accept('mask')) prefix = prefixOfMask(this.#cursor.take().text)
    if (prefix > 32) throw new FilterError('mask length must be <= 32')
    if (kind !== 'name' && octets.some((octet) => Number(octet) > 255))
      throw new FilterError(`invalid IPv4 address '${text}'`)
    const cidr = tryParseCidr(`${full}/${prefix}`)
    if (cidr === null) throw new FilterError(`unknown network '${text}'`)
    if (cidr.network !== (tryParseIpv4(full) as Ipv4))
      throw new FilterError(`non-network bits set in "${full}/${prefix}"`)
    return addressTest(direction, family, cidr.network, mask(prefix))
  }
}

function prefixOfMask(text: string): number {
  const parsed = tryParseIpv4(text)
  if (parsed === null) throw new FilterError()
  return Math.clz32(~parsed)
}

function protocolTest(family: string | null, text: string): FrameTest {
  const number = (family === 'ether' ? etherNumbers[text] : protocolNumbers[text]) ?? Number(text)
  if (Number.isNaN(number)) throw new FilterError(`unknown ${family === 'ether' ? 'ether' : 'ip'} proto '${text}'`)
  if (family === 'ether') return etherType(number)
  if (family === 'ip' || number === 1 || number === 2) return ipProtocol(number)
  if (family === 'ip6' || number === 58) return ip6Protocol(number)
  const [four, six] = [ipProtocol(number), ip6Protocol(number)]
  return (bytes, at, end) => four(bytes, at, end) || six(bytes, at, end)
}

function portsOf(kind: string, text: string, type: IdType): [number, number] {
  const [low, high] = kind === 'range' ? text.split('-').map(Number) : [ports[text] ?? Number(text), 0]
  if (Number.isNaN(low)) throw new FilterError(`unknown port '${text}'`)
  if (kind === 'range' && type === 'port') throw new FilterError()
  const top = kind === 'range' ? high : low
  if (low > 65_535 || top > 65_535) throw new FilterError(`illegal port number ${Math.max(low, top)} > 65535`)
  return low <= top ? [low, top] : [top, low]
}

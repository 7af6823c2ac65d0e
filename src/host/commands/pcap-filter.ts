/**
 * pcap-filter(7): which frames a capture wants. Primitives are `[protocol] [direction] [type] id`; what is left
 * out of one is taken from the one before (`port 80 or 443`). `and` and `or` bind alike, from the left.
 */
import { type Ipv4, mask, tryParseCidr, tryParseIpv4 } from '../../wire/address.ts'
import * as ethernet from '../../wire/ethernet.ts'
import { startsArithmetic, takeComparison } from './tcpdump-arithmetic.ts'
import {
  addressTest,
  etherType,
  type FilterDirection,
  type FrameTest,
  groupTest,
  ipProtocol,
  isIp,
  macTest,
  portTest,
  vxlanTest,
} from './tcpdump-packet.ts'
import { FilterCursor, FilterError, filterWords } from './tcpdump-words.ts'

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
  const parser = new Parser(new FilterCursor(words), context)
  return parser.whole()
}

const protocolNumbers: Readonly<Record<string, number>> = {
  icmp: 1,
  igmp: 2,
  tcp: 6,
  udp: 17,
  esp: 50,
  ah: 51,
  sctp: 132,
}
const protocols = ['ether', 'ip', 'ip6', 'arp', 'rarp', 'tcp', 'udp', 'icmp', 'igmp', 'sctp']
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
    if (startsArithmetic(cursor)) return takeComparison(cursor)
    if (cursor.accept('(')) {
      const test = this.#expression()
      if (!cursor.accept(')')) throw new FilterError()
      return test
    }
    return this.#primitive()
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
    if (word === 'vlan' || word === 'gateway' || word === 'mpls') {
      throw new FilterError(`podwire: the filter word ${word} is not modelled`)
    }
    throw new FilterError(word === '' ? undefined : `unknown host '${word}'`)
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
        return etherType(ethernet.ETH_P_IPV6)
      case 'ether':
        throw new FilterError()
      default:
        return ipProtocol(protocolNumbers[protocol])
    }
  }

  #identified({ protocol, direction, type }: Qualifiers): FrameTest {
    const { kind, text } = this.#cursor.take()
    if (type === 'proto') return protocolTest(protocol, text.replace(/^\\/, ''))
    if (type === 'port' || type === 'portrange') {
      if (protocol !== null && protocol !== 'tcp' && protocol !== 'udp' && protocol !== 'ip') throw new FilterError()
      const [low, high] = portsOf(kind, text, type)
      const transport = protocol === null || protocol === 'ip' ? null : protocolNumbers[protocol]
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
    if (protocol === 'ether') throw new FilterError()
    const family = protocol === 'ip' || protocol === 'arp' ? protocol : null
    const test = this.#network(direction, family, type, kind, text)
    if (protocol === null || family !== null) return test
    const wanted = this.#bare(protocol)
    return (bytes, at, end) => wanted(bytes, at, end) && test(bytes, at, end)
  }

  #network(
    direction: FilterDirection,
    family: 'ip' | 'arp' | null,
    type: IdType,
    kind: string,
    text: string,
  ): FrameTest {
    if (type === 'host') {
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
  const number = protocolNumbers[text] ?? Number(text)
  if (Number.isNaN(number)) throw new FilterError(`unknown ip proto '${text}'`)
  return family === 'ether' ? etherType(number) : ipProtocol(number)
}

function portsOf(kind: string, text: string, type: IdType): [number, number] {
  const [low, high] = kind === 'range' ? text.split('-').map(Number) : [ports[text] ?? Number(text), 0]
  if (Number.isNaN(low)) throw new FilterError(`unknown port '${text}'`)
  if (kind === 'range' && type === 'port') throw new FilterError()
  const top = kind === 'range' ? high : low
  if (low > 65_535 || top > 65_535) throw new FilterError(`illegal port number ${Math.max(low, top)} > 65535`)
  return [low, top]
}

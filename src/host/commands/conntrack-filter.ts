/** Which flows conntrack's options mean. */
import type { Flow } from '../../netfilter/flow.ts'
import { Status } from '../../netfilter/status.ts'
import { tcpStateNames } from '../../netfilter/tcp-track.ts'
import { contains, type Ipv4, tryParseCidr, tryParseIpv4 } from '../../wire/address.ts'
import { type Given, looseNumber, NAME, usage } from './conntrack-options.ts'
import { ToolError } from './ip-words.ts'

export type FlowTest = (flow: Flow) => boolean

/** What -u takes; UNSET is none of them. */
const statusBits: Readonly<Record<string, number>> = {
  ASSURED: Status.ASSURED,
  SEEN_REPLY: Status.SEEN_REPLY,
  FIXED_TIMEOUT: Status.FIXED_TIMEOUT,
  EXPECTED: Status.EXPECTED,
  SRC_NAT: Status.SRC_NAT,
  DST_NAT: Status.DST_NAT,
  // Flow tables: no flow of podwire's is in one.
  OFFLOAD: 1 << 14,
  HW_OFFLOAD: 1 << 15,
  UNSET: 0,
}

export function statusOf(text: string): number {
  let bits = 0
  for (const word of text.split(',')) {
    if (!Object.hasOwn(statusBits, word)) throw usage(`Bad parameter \`${word}'`)
    bits |= statusBits[word]
  }
  return bits
}

export function stateOf(text: string): number {
  // conntrack's own list of names ends with one that shares its number with the last.
  const state = text === 'LISTEN' ? 9 : tcpStateNames.indexOf(text)
  if (state < 0) throw usage(`unknown TCP state \`${text}'`)
  return state
}

/** `VALUE[/MASK]` */
export function markOf(text: string): { value: number; mask: number } {
  const [value, mask] = text.split('/')
  return { value: looseNumber(value) | 0, mask: mask === undefined ? -1 : looseNumber(mask) | 0 }
}

export function portOf(text: string): number {
  return looseNumber(text) & 0xffff
}

/** Null for an address of IPv6: no flow has it. */
function addressTest(text: string, of: (flow: Flow) => number): FlowTest {
  const [address, bits] = text.split('/')
  if (isIpv6(address)) return () => false
  if (tryParseIpv4(address) === null) throw usage(`Invalid IP address \`${address}'`)
  const cidr = tryParseCidr(bits === undefined || bits === '' ? `${address}/32` : text)
  if (cidr === null) throw usage('Invalid netmask')
  return (flow) => contains(cidr, of(flow) as Ipv4)
}

/** Good enough to tell an address of IPv6 from a typing error. */
function isIpv6(text: string): boolean {
  return text.includes(':') && /^[0-9a-f:.]+$/i.test(text)
}

/** `ADDRESS[:PORT]` of -n and -g. */
export function natPlace(text: string, option: string): { address: Ipv4; port: number } {
  const [head, port] = text.split(':')
  if (head.includes('/')) throw usage(`CIDR notation unavailable for \`--${option}'`)
  const address = tryParseIpv4(head)
  if (address === null) throw usage(`Invalid IP address \`${head}'`)
  if (port !== undefined && !/^[0-9]+$/.test(port)) throw usage(`Invalid port \`${port}'`)
  return { address, port: port === undefined ? 0 : Number(port) & 0xffff }
}

/** The address that a NATed flow has behind NAT. */
function natTest(value: string, bit: number, option: string, of: (flow: Flow) => number): FlowTest {
  if (value === '') return (flow) => flow.has(bit)
  const { address } = natPlace(value, option)
  return (flow) => flow.has(bit) && of(flow) === address
}

/** One test for an option; null when the option asks nothing of flows. */
function testOf(name: string, value: string, command: string): FlowTest | null {
  const port = portOf(value)
  switch (name) {
    case 's':
      return addressTest(value, (flow) => flow.original.source)
    case 'd':
      return addressTest(value, (flow) => flow.original.destination)
    case 'r':
      return addressTest(value, (flow) => flow.reply.source)
    case 'q':
      return addressTest(value, (flow) => flow.reply.destination)
    case 'sport':
    case 'icmp-id':
      return (flow) => flow.original.sourcePort === port
    case 'dport':
      return (flow) => flow.original.destinationPort === port
    case 'reply-port-src':
      return (flow) => flow.reply.sourcePort === port
    case 'reply-port-dst':
      return (flow) => flow.reply.destinationPort === port
    case 'icmp-type':
      return (flow) => flow.original.destinationPort >> 8 === (port & 255)
    case 'icmp-code':
      return (flow) => (flow.original.destinationPort & 255) === (port & 255)
    case 'state': {
      const state = stateOf(value)
      return command === 'U' ? null : (flow) => flow.tcp?.state === state
    }
    case 'n':
      return natTest(value, Status.SRC_NAT, 'src-nat', (flow) => flow.reply.destination)
    case 'g':
      return natTest(value, Status.DST_NAT, 'dst-nat', (flow) => flow.reply.source)
    case 'j': {
      const source = natTest(value, Status.SRC_NAT, 'any-nat', (flow) => flow.reply.destination)
      const destination = natTest(value, Status.DST_NAT, 'any-nat', (flow) => flow.reply.source)
      return (flow) => source(flow) || destination(flow)
    }
    case 'f':
      return value === 'ipv4' ? null : () => false
    case 'w':
    case '(':
    case ')':
      return looseNumber(value) === 0 ? null : () => false
    case 'u': {
      const bits = statusOf(value)
      if (command === 'U') return null
      if (bits === 0 && command === 'L') throw new ToolError(`${NAME}: Operation failed: invalid parameters`, 1)
      return (flow) => (flow.status & bits) === bits
    }
    case 'm': {
      const { value: mark, mask } = markOf(value)
      return command === 'U' ? null : (flow) => (flow.mark & mask) === mark
    }
    default:
      return null
  }
}

export function filterOf({ command, options, protocol }: Given): FlowTest {
  const tests: FlowTest[] = protocol === null ? [] : [(flow) => flow.protocol === protocol]
  for (const [name, value] of options) {
    const test = testOf(name, value, command)
    if (test !== null) tests.push(test)
  }
  return (flow) => tests.every((test) => test(flow))
}

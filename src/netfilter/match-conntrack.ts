/** `-m conntrack` and its elder `-m state`: what the packet is to its flow, and how the flow looks. */

import { SECOND } from '../sim/scheduler.ts'
import { formatIpv4, type Ipv4 } from '../wire/address.ts'
import { missingOption, NetfilterError } from './error.ts'
import type { Flow } from './flow.ts'
import { bang, Match } from './match.ts'
import { CtState, type Packet } from './packet.ts'
import { isReply, Status } from './status.ts'
import { formatPorts, parseNetwork, parseNumber, parsePorts, parseProtocol, prefixOf, type Words } from './words.ts'

/** In the order in which iptables prints them. */
const states: readonly (readonly [string, number])[] = [
  ['INVALID', CtState.INVALID],
  ['NEW', CtState.NEW],
  ['RELATED', CtState.RELATED],
  ['ESTABLISHED', CtState.ESTABLISHED],
  ['UNTRACKED', CtState.UNTRACKED],
  ['SNAT', CtState.SNAT],
  ['DNAT', CtState.DNAT],
]
const statuses: readonly (readonly [string, number])[] = [
  ['EXPECTED', Status.EXPECTED],
  ['SEEN_REPLY', Status.SEEN_REPLY],
  ['ASSURED', Status.ASSURED],
  ['CONFIRMED', Status.CONFIRMED],
]

function parseBits(text: string, names: readonly (readonly [string, number])[], option: string): number {
  let bits = 0
  for (const word of text.split(',')) {
    const found = names.find(([name]) => name === word.toUpperCase())
    if (found === undefined) throw new NetfilterError(`Bad ${option} "${word}"`)
    bits |= found[1]
  }
  return bits
}

function formatBits(bits: number, names: readonly (readonly [string, number])[]): string {
  return names
    .filter(([, bit]) => (bits & bit) !== 0)
    .map(([name]) => name)
    .join(',')
}

/** Any of these: something is known of the flow (what `--ctstatus NONE` denies). */
const SEEN = Status.EXPECTED | Status.SEEN_REPLY | Status.ASSURED | Status.CONFIRMED

/** One more condition than the state: rare, so a list of small objects. */
interface Condition {
  readonly option: string
  readonly not: boolean
  readonly text: string
  holds(flow: Flow, packet: Packet): boolean
}

/** The order in which iptables-save prints them. */
const order = [
  '--ctproto',
  '--ctorigsrc',
  '--ctorigdst',
  '--ctreplsrc',
  '--ctrepldst',
  '--ctorigsrcport',
  '--ctorigdstport',
  '--ctreplsrcport',
  '--ctrepldstport',
  '--ctstatus',
  '--ctexpire',
  '--ctdir',
]

export class ConntrackMatch extends Match {
  readonly name: 'conntrack' | 'state'
  /** Bits of `CtState`; 0 when the state is not asked for. */
  states = 0
  statesNot = false
  #conditions: Condition[] = []

  constructor(name: 'conntrack' | 'state') {
    super()
    this.name = name
  }

  override get tracks(): boolean {
    return true
  }

  override get steady(): boolean {
    return this.#conditions.every(({ option }) => option !== '--ctexpire')
  }

  /** Nothing but a state is asked for: the rule tests it by itself, as a bit. */
  get onlyStates(): boolean {
    return this.#conditions.length === 0
  }

  override get shareable(): boolean {
    return true
  }

  override option(name: string, words: Words, not: boolean): boolean {
    if (name === '--ctstate' || name === '--state') {
      if ((name === '--state') !== (this.name === 'state')) return false
      this.states = parseBits(words.value(name), states, this.name === 'state' ? 'state' : 'ctstate')
      this.statesNot = not
      return true
    }
    if (this.name === 'state' || !order.includes(name)) return false
    this.#conditions.push(condition(name, words.value(name), not))
    this.#conditions.sort((a, b) => order.indexOf(a.option) - order.indexOf(b.option))
    return true
  }

  override check(): void {
    if (this.states !== 0 || !this.onlyStates) return
    if (this.name === 'state') throw missingOption('state', '--state')
    throw new NetfilterError('conntrack: At least one option is required')
  }

  override test(packet: Packet): boolean {
    if (this.states !== 0 && ((packet.states & this.states) !== 0) === this.statesNot) return false
    if (this.#conditions.length === 0) return true
    const flow = packet.flow
    if (flow === null) return false
    for (let i = 0; i < this.#conditions.length; i++) {
      const asked = this.#conditions[i]
      if (asked.holds(flow, packet) === asked.not) return false
    }
    return true
  }

  override save(): string {
    const parts = this.#conditions.map(({ option, not, text }) => `${bang(not)}${option} ${text}`)
    const option = this.name === 'state' ? '--state' : '--ctstate'
    if (this.states !== 0) parts.unshift(`${bang(this.statesNot)}${option} ${formatBits(this.states, states)}`)
    return parts.join(' ')
  }

  override list(): string {
    const parts = this.#conditions.map(({ option, not, text }) => `${bang(not)}${option.slice(2)} ${text}`)
    const word = this.name === 'state' ? 'state' : 'ctstate'
    if (this.states !== 0) parts.unshift(`${bang(this.statesNot)}${word} ${formatBits(this.states, states)}`)
    return parts.join(' ')
  }
}

function condition(option: string, text: string, not: boolean): Condition {
  switch (option) {
    case '--ctproto': {
      const protocol = parseProtocol(text)
      return { option, not, text: String(protocol), holds: (flow) => flow.protocol === protocol }
    }
    case '--ctorigsrc':
      return address(option, text, not, (flow) => flow.original.source)
    case '--ctorigdst':
      return address(option, text, not, (flow) => flow.original.destination)
    case '--ctreplsrc':
      return address(option, text, not, (flow) => flow.reply.source)
    case '--ctrepldst':
      return address(option, text, not, (flow) => flow.reply.destination)
    case '--ctorigsrcport':
      return port(option, text, not, (flow) => flow.original.sourcePort)
    case '--ctorigdstport':
      return port(option, text, not, (flow) => flow.original.destinationPort)
    case '--ctreplsrcport':
      return port(option, text, not, (flow) => flow.reply.sourcePort)
    case '--ctrepldstport':
      return port(option, text, not, (flow) => flow.reply.destinationPort)
    case '--ctstatus': {
      if (text.toUpperCase() === 'NONE') {
        return { option, not, text: 'NONE', holds: (flow) => (flow.status & SEEN) === 0 }
      }
      const bits = parseBits(text, statuses, 'ctstatus')
      return { option, not, text: formatBits(bits, statuses), holds: (flow) => flow.has(bits) }
    }
    case '--ctexpire': {
      const [low, high] = parseRange(text)
      const seconds = (flow: Flow, packet: Packet) =>
        Math.max(0, Math.floor((flow.due - packet.world.scheduler.now) / SECOND))
      return {
        option,
        not,
        text: formatPorts(low, high),
        holds: (flow, packet) => seconds(flow, packet) >= low && seconds(flow, packet) <= high,
      }
    }
    default: {
      if (text !== 'ORIGINAL' && text !== 'REPLY') {
        throw new NetfilterError(`conntrack: Bad value for "--ctdir" option: "${text}"`)
      }
      const reply = text === 'REPLY'
      return { option, not, text, holds: (_flow, packet) => isReply(packet.frame.trackedInfo) === reply }
    }
  }
}

/** `30` or `30:60`, in seconds. */
function parseRange(text: string): [low: number, high: number] {
  const [low, high] = text.split(':')
  const from = low === '' ? 0 : parseNumber(low, '--ctexpire', 0, 0xffffffff, 'conntrack')
  if (high === undefined) return [from, from]
  return [from, high === '' ? 0xffffffff : parseNumber(high, '--ctexpire', 0, 0xffffffff, 'conntrack')]
}

function address(option: string, text: string, not: boolean, of: (flow: Flow) => Ipv4): Condition {
  const [network, mask] = parseNetwork(text)
  const prefix = prefixOf(mask)
  const behind = prefix === 32 ? '' : `/${prefix ?? formatIpv4(mask)}`
  return { option, not, text: formatIpv4(network) + behind, holds: (flow) => (of(flow) & mask) === network }
}

function port(option: string, text: string, not: boolean, of: (flow: Flow) => number): Condition {
  const [low, high] = parsePorts(text)
  return { option, not, text: formatPorts(low, high), holds: (flow) => of(flow) >= low && of(flow) <= high }
}

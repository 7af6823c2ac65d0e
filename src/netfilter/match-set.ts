/** `-m set` and `-j SET`: rules that ask IP sets, and rules that fill them (xt_set). */

import type { Decision } from '../link/decision.ts'
import { journal } from '../link/flow-cache.ts'
import { type Ipv4, ipv4, mask } from '../wire/address.ts'
import * as ethernet from '../wire/ethernet.ts'
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipv4.ts'
import { NetfilterError } from './error.ts'
import { Hook, Verdict } from './hook.ts'
import { Found, IpSet, type IpSets, SetElement, type SetPlace, type SetQuery } from './ipset.ts'
import { SetDecision } from './ipset-decisions.ts'
import { bang, Match } from './match.ts'
import type { Packet } from './packet.ts'
import { Target } from './target.ts'
import { parseNumber, refuseNot, type Words } from './words.ts'

const IPPROTO_SCTP = 132
const IPPROTO_UDPLITE = 136
const SECOND = 1_000_000_000

/** A set and the sides of the packet it is asked with. */
class Question implements SetQuery {
  readonly place: SetPlace
  /** For each dimension: the source? */
  readonly sources: readonly boolean[]
  address = 0 as Ipv4
  protocol = 0
  port = 0
  second = 0
  macHigh = -1
  macLow = -1

  constructor(place: SetPlace, sources: readonly boolean[]) {
    this.place = place
    this.sources = sources
  }

  /** Reads what the set is about; false when the packet has it not. */
  read(packet: Packet, set: IpSet): boolean {
    const { sources } = this
    if (sources.length < set.dimension) return false
    this.protocol = 0
    this.port = 0
    this.second = 0
    if (set.type === 'bitmap:port') {
      if (!this.#readPort(packet, sources[0]) || packet.protocol === IPPROTO_ICMP) return false
      this.address = ipv4(0)
      this.protocol = 0
      return true
    }
    this.address = sources[0] ? packet.source : packet.destination
    switch (set.type) {
      case 'hash:net,iface': {
        const device = sources[1] ? packet.input : packet.output
        this.second = device === null ? -1 : (set.devices.get(device.name) ?? -1)
        return device !== null
      }
      case 'bitmap:ip,mac':
        return this.#readMac(packet, sources[1])
      case 'hash:ip,port,ip':
      case 'hash:ip,port,net':
        this.second = sources[2] ? packet.source : packet.destination
        return this.#readPort(packet, sources[1])
      default:
        return set.dimension === 1 || this.#readPort(packet, sources[1])
    }
  }

  /** A frame that came in still has its Ethernet header in front. */
  #readMac({ bytes, network, hook }: Packet, source: boolean): boolean {
    const at = network - ethernet.HEADER
    if (at < 0 || hook === Hook.OUTPUT || hook === Hook.POSTROUTING) return false
    const mac = source ? at + 6 : at
    this.macHigh = (bytes[mac] << 16) | (bytes[mac + 1] << 8) | bytes[mac + 2]
    this.macLow = (bytes[mac + 3] << 16) | (bytes[mac + 4] << 8) | bytes[mac + 5]
    return this.macHigh !== 0 || this.macLow !== 0
  }

  /** ip_set_get_ip4_port: the type and the code of ICMP are its port; a protocol without ports has 0. */
  #readPort(packet: Packet, source: boolean): boolean {
    const { protocol, bytes, transport } = packet
    this.protocol = protocol
    const ported =
      protocol === IPPROTO_TCP || protocol === IPPROTO_UDP || protocol === IPPROTO_SCTP || protocol === IPPROTO_UDPLITE
    if (!ported && protocol !== IPPROTO_ICMP) return true
    if (!packet.carries(4)) return false
    const at = ported && !source ? transport + 2 : transport
    this.port = (bytes[at] << 8) | bytes[at + 1]
    return true
  }

  get text(): string {
    return `${this.place.name} ${this.sources.map((source) => (source ? 'src' : 'dst')).join(',')}`
  }
}

function parseQuestion(sets: IpSets, option: string, words: Words): Question {
  const name = words.value(option)
  const sides = words.peek()
  if (sides === '' || sides.startsWith('-')) throw new NetfilterError(`${option} requires two args.`)
  words.next()
  if (name.length > 31) throw new NetfilterError(`setname \`${name}' too long, max 31 characters.`)
  const place = sets.find(name)
  if (place === null) throw new NetfilterError(`Set ${name} doesn't exist.\n`)
  const sources = sides.split(',').map((side) => {
    if (side === 'src' || side === 'dst') return side === 'src'
    throw new NetfilterError("You must spefify (the comma separated list of) 'src' or 'dst'.")
  })
  if (sources.length > 6) throw new NetfilterError('Too many dirs in a set match.')
  return new Question(place, sources)
}

type Comparison = 'eq' | 'ne' | 'lt' | 'gt'

/** What an element's counter is compared with, the packet at hand counted already. */
class CountTest {
  readonly #what: string
  readonly #how: Comparison
  readonly #value: number

  constructor(what: string, how: Comparison, value: number) {
    this.#what = what
    this.#how = how
    this.#value = value
  }

  holds(count: number): boolean {
    switch (this.#how) {
      case 'eq':
        return count === this.#value
      case 'ne':
        return count !== this.#value
      case 'lt':
        return count < this.#value
      default:
        return count > this.#value
    }
  }

  get text(): string {
    const not = this.#how === 'ne'
    return `${bang(not)}--${this.#what}-${not ? 'eq' : this.#how} ${this.#value}`
  }
}

export class SetMatch extends Match {
  readonly name = 'set'
  #sets: IpSets
  #question: Question | null = null
  #not = false
  #returnNomatch = false
  #updates = true
  #subUpdates = true
  /** While traced: where the last packet was found. */
  #found: SetDecision | null = null
  readonly #counts: { packets: CountTest | null; bytes: CountTest | null } = { packets: null, bytes: null }

  constructor(sets: IpSets) {
    super()
    this.#sets = sets
  }

  get place(): SetPlace | null {
    return this.#question === null ? null : this.#question.place
  }

  override option(name: string, words: Words, not: boolean): boolean {
    if (name === '--match-set' || name === '--set') {
      if (this.#question !== null) throw new NetfilterError('--match-set can be specified only once')
      this.#question = parseQuestion(this.#sets, name, words)
      this.#not = not
      return true
    }
    if (name === '--return-nomatch') {
      refuseNot(not, name)
      this.#returnNomatch = true
    } else if (name === '--update-counters') this.#updates = !not
    else if (name === '--update-subcounters') this.#subUpdates = !not
    else if (!this.#count(name, words, not)) return false
    return true
  }

  /** `--packets-eq`, `--bytes-lt` and their like. */
  #count(name: string, words: Words, not: boolean): boolean {
    const parts = /^--(packets|bytes)-(eq|lt|gt)$/.exec(name)
    if (parts === null) return false
    const what = parts[1] as 'packets' | 'bytes'
    if (this.#counts[what] !== null) throw new NetfilterError(`only one of the --${what}-[eq|lt|gt] is allowed`)
    if (not && parts[2] !== 'eq') throw new NetfilterError(`${name} option cannot be inverted`)
    const text = words.value(name)
    if (!/^(0x[0-9a-f]+|[0-9]+)$/i.test(text)) throw new NetfilterError(`Cannot parse ${text} as a counter value`)
    const value = Number(text)
    this.#counts[what] = new CountTest(what, not ? 'ne' : (parts[2] as Comparison), value)
    return true
  }

  override check(): void {
    if (this.#question === null) throw new NetfilterError("You must specify `--match-set' with proper arguments")
  }

  override test(packet: Packet): boolean {
    const question = this.#question
    this.#found = null
    if (question === null) return false
    const { set } = question.place
    if (set instanceof IpSet) return this.#ask(question, question.place, set, packet) !== this.#not
    const { now } = packet.world.scheduler
    const { entries, options } = set
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i]
      const member = entry.place.set
      if ((entry.expires !== 0 && entry.expires <= now) || !(member instanceof IpSet)) continue
      if (!this.#ask(question, entry.place, member, packet)) continue
      if (options.counters && this.#updates) {
        entry.packets++
        entry.bytes += packet.length
      }
      return !this.#not
    }
    return this.#not
  }

  override further(): Decision | null {
    return this.#found
  }

  #ask(question: Question, place: SetPlace, set: IpSet, packet: Packet): boolean {
    if (!question.read(packet, set)) return false
    const found = set.test(question, packet.world.scheduler.now)
    const wanted = this.#returnNomatch && set.nets ? Found.NOMATCH : Found.YES
    const { hit } = set
    if (found === Found.NO || hit === null) return false
    if (set.type === 'bitmap:ip,mac' && hit.macHigh < 0) {
      hit.macHigh = question.macHigh
      hit.macLow = question.macLow
    }
    if (set.options.counters) {
      if (found === Found.YES && this.#updates && this.#subUpdates) {
        hit.packets++
        hit.bytes += packet.length
      }
      const { packets, bytes } = this.#counts
      if ((packets !== null && !packets.holds(hit.packets)) || (bytes !== null && !bytes.holds(hit.bytes))) return false
    }
    if (journal.open && found === wanted) this.#found = new SetDecision(place.name, set, hit)
    return found === wanted
  }

  override save(): string {
    let text = `${bang(this.#not)}--match-set ${this.#question?.text}`
    if (this.#returnNomatch) text += ' --return-nomatch'
    if (!this.#updates) text += ' ! --update-counters'
    if (!this.#subUpdates) text += ' ! --update-subcounters'
    for (const count of [this.#counts.packets, this.#counts.bytes]) if (count !== null) text += ` ${count.text}`
    return text
  }

  override list(): string {
    return this.save().replaceAll('--', '')
  }
}

export class SetTarget extends Target {
  readonly name = 'SET'
  #sets: IpSets
  #add: Question | null = null
  #del: Question | null = null
  #exist = false
  #timeout: number | null = null

  constructor(sets: IpSets) {
    super()
    this.#sets = sets
  }

  get places(): (SetPlace | null)[] {
    return [this.#add === null ? null : this.#add.place, this.#del === null ? null : this.#del.place]
  }

  override option(name: string, words: Words, not: boolean): boolean {
    if (name === '--add-set') this.#add = parseQuestion(this.#sets, name, words)
    else if (name === '--del-set') this.#del = parseQuestion(this.#sets, name, words)
    else if (name === '--exist') this.#exist = true
    else if (name === '--timeout') this.#timeout = parseNumber(words.value(name), name, 0, 2_147_483)
    else if (name.startsWith('--map-')) throw new NetfilterError(`podwire: target SET ${name} is not modelled`)
    else return false
    refuseNot(not, name)
    return true
  }

  override check(): void {
    if (this.#add === null && this.#del === null) {
      throw new NetfilterError("You must specify either `--add-set' or `--del-set' or `--map-set'")
    }
  }

  override apply(packet: Packet): Verdict {
    const { now } = packet.world.scheduler
    if (this.#add !== null) each(this.#add, packet, (set, question) => this.#put(question, set, now))
    if (this.#del !== null) each(this.#del, packet, (set, question) => take(question, set, now))
    return Verdict.CONTINUE
  }

  #put(question: Question, set: IpSet, now: number): boolean {
    const { timeout, low, high } = set.options
    if (set.type === 'bitmap:port' && (question.port < low || question.port > high)) return false
    if (set.type.startsWith('bitmap:ip') && outside(question.address >>> 0, low, high)) return false
    const seconds = timeout === null ? 0 : (this.#timeout ?? timeout)
    const expires = seconds === 0 ? 0 : now + seconds * SECOND
    const element = elementOf(question, set)
    const old = set.find(element.address, element.key, element.second, now)
    if (old !== null) {
      if (this.#exist) old.expires = expires
      return this.#exist
    }
    element.expires = expires
    return set.add(element, now)
  }

  override save(): string {
    let text = ''
    if (this.#add !== null) text += `--add-set ${this.#add.text}`
    if (this.#exist) text += ' --exist'
    if (this.#timeout !== null) text += ` --timeout ${this.#timeout}`
    if (this.#del !== null) text += `${text === '' ? '' : ' '}--del-set ${this.#del.text}`
    return text
  }

  override list(): string {
    return `SET ${this.save().replaceAll('--', '')}`
  }
}

/** Does it to the set, or to the first set of a list that takes it. */
function each(question: Question, packet: Packet, act: (set: IpSet, question: Question) => boolean): void {
  const { set } = question.place
  if (set instanceof IpSet) {
    if (question.read(packet, set)) act(set, question)
    return
  }
  for (const { place } of set.entries) {
    if (place.set instanceof IpSet && question.read(packet, place.set) && act(place.set, question)) return
  }
}

function take(question: Question, set: IpSet, now: number): boolean {
  const element = elementOf(question, set)
  const old = set.find(element.address, element.key, element.second, now)
  if (old !== null) set.delete(old)
  return old !== null
}

function outside(value: number, low: number, high: number): boolean {
  return value < low || value > high
}

/** What the packet would be in the set. */
function elementOf(question: Question, set: IpSet): SetElement {
  const { address, protocol, port, second } = question
  if (set.type === 'bitmap:port') return new SetElement(ipv4(0), 0, 0, port)
  const bits = set.nets ? set.narrowest : set.options.netmask
  if (set.type === 'hash:ip,port,net') return new SetElement(address, 0, protocol, port, second & mask(bits), bits)
  const element = new SetElement(ipv4(address & mask(bits)), set.nets ? bits : 0, protocol, port, second)
  if (set.type !== 'bitmap:ip,mac') return element
  element.macHigh = question.macHigh
  element.macLow = question.macLow
  return element
}

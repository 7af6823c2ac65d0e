/** `-m set` and `-j SET`: rules that ask IP sets, and rules that fill them (xt_set). */

import { type Ipv4, ipv4, mask } from '../wire/address.ts'
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipv4.ts'
import { NetfilterError } from './error.ts'
import { Verdict } from './hook.ts'
import { Found, type IpSet, type IpSets, keyOf, SetElement, type SetPlace } from './ipset.ts'
import { bang, Match } from './match.ts'
import type { Packet } from './packet.ts'
import { Target } from './target.ts'
import { parseNumber, refuseNot, type Words } from './words.ts'

const IPPROTO_SCTP = 132
const SECOND = 1_000_000_000

/** A set and the sides of the packet it is asked with. */
class Question {
  readonly place: SetPlace
  /** For each dimension: the source? */
  readonly sources: readonly boolean[]
  address = 0 as Ipv4
  protocol = 0
  port = 0

  constructor(place: SetPlace, sources: readonly boolean[]) {
    this.place = place
    this.sources = sources
  }

  /** Reads address, protocol and port; false when the packet has not what the set is about. */
  read(packet: Packet, set: IpSet): boolean {
    if (this.sources.length < set.dimension) return false
    this.protocol = 0
    this.port = 0
    if (set.type === 'bitmap:port') {
      if (!this.#readPort(packet, this.sources[0]) || packet.protocol === IPPROTO_ICMP) return false
      this.address = ipv4(0)
      this.protocol = 0
      return true
    }
    this.address = this.sources[0] ? packet.source : packet.destination
    return set.dimension === 1 || this.#readPort(packet, this.sources[1])
  }

  /** ip_set_get_ip4_port: the type and the code of ICMP are its port. */
  #readPort(packet: Packet, source: boolean): boolean {
    const { protocol, bytes, transport } = packet
    if (!packet.carries(4)) return false
    this.protocol = protocol
    if (protocol === IPPROTO_TCP || protocol === IPPROTO_UDP || protocol === IPPROTO_SCTP) {
      const at = source ? transport : transport + 2
      this.port = (bytes[at] << 8) | bytes[at + 1]
      return true
    }
    this.port = (bytes[transport] << 8) | bytes[transport + 1]
    return protocol === IPPROTO_ICMP
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

export class SetMatch extends Match {
  readonly name = 'set'
  #sets: IpSets
  #question: Question | null = null
  #not = false
  #returnNomatch = false
  #updates = true

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
    } else if (name === '--return-nomatch') {
      refuseNot(not, name)
      this.#returnNomatch = true
    } else if (name === '--update-counters') this.#updates = !not
    else if (/^--(packets|bytes)-(eq|lt|gt)$|^--update-subcounters$/.test(name)) {
      throw new NetfilterError(`podwire: match set ${name} is not modelled`)
    } else return false
    return true
  }

  override check(): void {
    if (this.#question === null) throw new NetfilterError("You must specify `--match-set' with proper arguments")
  }

  override test(packet: Packet): boolean {
    const question = this.#question
    if (question === null) return false
    const { set } = question.place
    if (!question.read(packet, set)) return this.#not
    const { now } = packet.world.scheduler
    const found = set.test(question.address, question.protocol, question.port, now)
    const wanted = this.#returnNomatch && set.nets ? Found.NOMATCH : Found.YES
    if (set.options.counters && found === Found.YES && this.#updates && set.hit !== null) {
      set.hit.packets++
      set.hit.bytes += packet.length
    }
    return (found === wanted) !== this.#not
  }

  override save(): string {
    let text = `${bang(this.#not)}--match-set ${this.#question?.text}`
    if (this.#returnNomatch) text += ' --return-nomatch'
    if (!this.#updates) text += ' ! --update-counters'
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
    if (this.#add !== null) this.#put(this.#add, packet, now)
    if (this.#del !== null) {
      const { set } = this.#del.place
      if (this.#del.read(packet, set)) {
        const element = lookUp(this.#del, set, now)
        if (element !== null) set.delete(element)
      }
    }
    return Verdict.CONTINUE
  }

  #put(question: Question, packet: Packet, now: number): void {
    const { set } = question.place
    if (!question.read(packet, set)) return
    const { port } = question
    if (set.type === 'bitmap:port' && (port < set.options.low || port > set.options.high)) return
    const { timeout } = set.options
    const seconds = timeout === null ? 0 : (this.#timeout ?? timeout)
    const expires = seconds === 0 ? 0 : now + seconds * SECOND
    const old = lookUp(question, set, now)
    if (old !== null) {
      if (this.#exist) old.expires = expires
      return
    }
    const prefix = set.nets ? set.narrowest : 0
    const element = new SetElement(cut(question.address, set), prefix, question.protocol, port)
    element.expires = expires
    set.add(element, now)
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

/** The address as the set keeps it when it comes from a packet. */
function cut(address: Ipv4, set: IpSet): Ipv4 {
  if (set.type === 'bitmap:port') return ipv4(0)
  const bits = set.nets ? set.narrowest : set.options.netmask
  return bits === 32 ? address : ipv4(address & mask(bits))
}

function lookUp(question: Question, set: IpSet, now: number): SetElement | null {
  return set.find(
    cut(question.address, set),
    keyOf(set.nets ? set.narrowest : 0, question.protocol, question.port),
    now,
  )
}

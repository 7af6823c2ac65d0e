/** `-m icmp --icmp-type 3/4`: the type and code of an ICMP message. */
import { missingOption, NetfilterError } from './error.ts'
import { bang, Match } from './match.ts'
import type { Packet } from './packet.ts'
import type { Words } from './words.ts'

/** Names that iptables takes for ICMP types, the one that it prints first; -1: any code. */
const icmpNames: Readonly<Record<string, readonly [type: number, code: number]>> = {
  any: [255, -1],
  'echo-reply': [0, -1],
  pong: [0, -1],
  'destination-unreachable': [3, -1],
  'network-unreachable': [3, 0],
  'host-unreachable': [3, 1],
  'protocol-unreachable': [3, 2],
  'port-unreachable': [3, 3],
  'fragmentation-needed': [3, 4],
  'source-route-failed': [3, 5],
  'network-unknown': [3, 6],
  'host-unknown': [3, 7],
  'network-prohibited': [3, 9],
  'host-prohibited': [3, 10],
  'TOS-network-unreachable': [3, 11],
  'TOS-host-unreachable': [3, 12],
  'communication-prohibited': [3, 13],
  'host-precedence-violation': [3, 14],
  'precedence-cutoff': [3, 15],
  'source-quench': [4, -1],
  redirect: [5, -1],
  'network-redirect': [5, 0],
  'host-redirect': [5, 1],
  'TOS-network-redirect': [5, 2],
  'TOS-host-redirect': [5, 3],
  'echo-request': [8, -1],
  ping: [8, -1],
  'router-advertisement': [9, -1],
  'router-solicitation': [10, -1],
  'time-exceeded': [11, -1],
  'ttl-exceeded': [11, -1],
  'ttl-zero-during-transit': [11, 0],
  'ttl-zero-during-reassembly': [11, 1],
  'parameter-problem': [12, -1],
  'ip-header-bad': [12, 0],
  'required-option-missing': [12, 1],
  'timestamp-request': [13, -1],
  'timestamp-reply': [14, -1],
  'address-mask-request': [17, -1],
  'address-mask-reply': [18, -1],
}

export class IcmpMatch extends Match {
  readonly name = 'icmp'
  #type = -1
  #code = -1
  #not = false

  override option(name: string, words: Words, not: boolean): boolean {
    if (name !== '--icmp-type') return false
    const text = words.value(name)
    const named = nameOf(text)
    const numbers = /^([0-9]{1,3})(?:\/([0-9]{1,3}))?$/.exec(text)
    if (named !== null) [this.#type, this.#code] = icmpNames[named]
    else {
      const [type, code] = numbers === null ? [256, -1] : [Number(numbers[1]), Number(numbers[2] ?? -1)]
      if (numbers === null || type > 255 || code > 255) throw new NetfilterError(`Unknown ICMP type \`${text}'`)
      this.#type = type
      this.#code = code
    }
    this.#not = not
    return true
  }

  override check(protocol: number): void {
    if (this.#type < 0) throw missingOption('icmp', '--icmp-type')
    if (protocol !== 1) throw new NetfilterError("ICMP match requires '-p icmp'")
  }

  override test(packet: Packet): boolean {
    if (!packet.carries(4)) return false
    const { bytes, transport } = packet
    const found =
      this.#type === 255 || (bytes[transport] === this.#type && (this.#code < 0 || bytes[transport + 1] === this.#code))
    return found !== this.#not
  }

  override save(): string {
    if (this.#type === 255) return `${bang(this.#not)}--icmp-type any`
    return `${bang(this.#not)}--icmp-type ${this.#type}${this.#code < 0 ? '' : `/${this.#code}`}`
  }

  override list(numeric: boolean): string {
    const not = this.#not ? '!' : ''
    if (!numeric) {
      for (const [name, [type, code]] of Object.entries(icmpNames)) {
        if (type === this.#type && code === this.#code) return `icmp ${not}${name}`
      }
    }
    const code = this.#code < 0 ? '' : ` code ${this.#code}`
    return this.#not ? `icmp !type ${this.#type}${code}` : `icmptype ${this.#type}${code}`
  }
}

/** The name that the word is the beginning of, or null. */
function nameOf(word: string): string | null {
  const lower = word.toLowerCase()
  const names = Object.keys(icmpNames)
  const found = names.find((name) => name.toLowerCase() === lower)
  if (found !== undefined) return found
  const likely = word === '' ? [] : names.filter((name) => name.toLowerCase().startsWith(lower))
  return likely.length === 1 ? likely[0] : null
}

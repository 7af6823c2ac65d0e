/** SNAT, DNAT, MASQUERADE, REDIRECT: they choose a flow's new address once; nat.ts does the rest. */
import { formatIpv4, type Ipv4, LOOPBACK, tryParseIpv4 } from '../wire/address.ts'
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipv4.ts'
import { NetfilterError } from './error.ts'
import { Hook, type TableName, Verdict } from './hook.ts'
import { NatRange } from './nat.ts'
import { Manip } from './nat-rewrite.ts'
import type { Packet } from './packet.ts'
import { Target } from './target.ts'
import { formatPorts, parsePorts, refuseNot, type Words } from './words.ts'

abstract class NatTarget extends Target {
  override readonly tables: readonly TableName[] = ['nat']
  protected readonly range = new NatRange()
  #random = ''
  #fully = false

  override get tracks(): boolean {
    return true
  }

  override option(name: string, words: Words, not: boolean): boolean {
    if (name === '--random' && this.randomizes) this.#random = ' --random'
    else if (name === '--random-fully' && this.fully) this.#fully = true
    else if (name === '--persistent' && this.persists) this.range.persistent = true
    else if (!this.destination(name, words)) return false
    refuseNot(not, name)
    this.range.random = this.#random !== '' || this.#fully
    return true
  }

  protected get randomizes(): boolean {
    return true
  }

  protected get fully(): boolean {
    return true
  }

  protected get persists(): boolean {
    return false
  }

  /** `--to-…`; false when the option is another. */
  protected abstract destination(name: string, words: Words): boolean

  override check(protocol: number): void {
    if (this.range.hasPort && protocol !== IPPROTO_TCP && protocol !== IPPROTO_UDP && protocol !== IPPROTO_ICMP) {
      throw new NetfilterError(`${this.name}: need TCP or UDP (-p) with a port specification`)
    }
  }

  /** Behind the address or the ports, as they are printed. */
  protected get flags(): string {
    return `${this.#random}${this.#fully ? ' --random-fully' : ''}${this.range.persistent ? ' --persistent' : ''}`
  }

  protected parsePortRange(text: string, option: string): void {
    const [low, high] = parsePorts(text, option, '-')
    if (low === 0) throw new NetfilterError(`${option}: port "${text}" is out of range`)
    this.range.lowPort = low
    this.range.highPort = high
    this.range.hasPort = true
  }

  protected get ports(): string {
    return this.range.hasPort ? formatPorts(this.range.lowPort, this.range.highPort, '-') : ''
  }
}

/** `-j DNAT --to-destination a[-b][:p[-q]]` and `-j SNAT --to-source …`. */
export class AddressTarget extends NatTarget {
  readonly name: 'SNAT' | 'DNAT'
  override readonly hooks: readonly Hook[]
  #manip: Manip

  constructor(name: 'SNAT' | 'DNAT') {
    super()
    this.name = name
    this.#manip = name === 'SNAT' ? Manip.SOURCE : Manip.DESTINATION
    this.hooks = name === 'SNAT' ? [Hook.POSTROUTING, Hook.INPUT] : [Hook.PREROUTING, Hook.OUTPUT]
  }

  protected override get fully(): boolean {
    return this.name === 'SNAT'
  }

  protected override get persists(): boolean {
    return true
  }

  get #option(): string {
    return this.name === 'SNAT' ? '--to-source' : '--to-destination'
  }

  protected override destination(name: string, words: Words): boolean {
    if (name !== this.#option) return false
    const text = words.value(name)
    const colon = text.indexOf(':')
    const addresses = colon < 0 ? text : text.slice(0, colon)
    if (colon >= 0) this.parsePortRange(text.slice(colon + 1), name)
    if (addresses === '') return true
    const ends = addresses.split('-').map(tryParseIpv4)
    if (ends.length > 2 || ends.includes(null)) throw new NetfilterError(`${this.name}: bad IP address "${addresses}"`)
    this.range.hasAddress = true
    this.range.lowAddress = ends[0] as Ipv4
    this.range.highAddress = (ends[1] ?? ends[0]) as Ipv4
    return true
  }

  override check(protocol: number): void {
    if (!this.range.hasAddress && !this.range.hasPort) {
      throw new NetfilterError(`${this.name}: option "${this.#option}" must be specified`)
    }
    super.check(protocol)
  }

  override apply(packet: Packet): Verdict {
    const flow = packet.flow
    if (flow === null) return Verdict.CONTINUE
    packet.nat.bind(flow, this.#manip, this.range)
    return Verdict.ACCEPT
  }

  #to(): string {
    const { hasAddress, lowAddress, highAddress, hasPort } = this.range
    let text = hasAddress ? formatIpv4(lowAddress) : ''
    if (hasAddress && highAddress !== lowAddress) text += `-${formatIpv4(highAddress)}`
    return hasPort ? `${text}:${this.ports}` : text
  }

  override save(): string {
    return `${this.#option} ${this.#to()}${this.flags}`
  }

  override list(): string {
    return `to:${this.#to()}${this.flags.replaceAll(' --', ' ')}`
  }
}

/** `-j MASQUERADE`: SNAT to the address of the device that the packet leaves by. */
export class MasqueradeTarget extends NatTarget {
  readonly name = 'MASQUERADE'
  override readonly hooks: readonly Hook[] = [Hook.POSTROUTING]

  protected override destination(name: string, words: Words): boolean {
    if (name !== '--to-ports') return false
    this.parsePortRange(words.value(name), name)
    return true
  }

  override apply(packet: Packet): Verdict {
    const { flow, output } = packet
    if (flow === null || output === null) return Verdict.CONTINUE
    // A DHCP client's packet: from nowhere yet.
    if (packet.source === 0) return Verdict.ACCEPT
    const address = packet.host.selectSource(output, packet.destination)
    if (address === null) return Verdict.DROP
    this.range.hasAddress = true
    this.range.lowAddress = address
    this.range.highAddress = address
    packet.nat.bind(flow, Manip.SOURCE, this.range)
    flow.masquerade = output
    return Verdict.ACCEPT
  }

  override save(): string {
    return `${this.range.hasPort ? `--to-ports ${this.ports}` : ''}${this.flags}`.trimStart()
  }

  override list(): string {
    return `${this.range.hasPort ? `masq ports: ${this.ports}` : ''}${this.flags.replaceAll(' --', ' ')}`.trimStart()
  }
}

/** `-j REDIRECT --to-ports 8080`: DNAT to this host itself. */
export class RedirectTarget extends NatTarget {
  readonly name = 'REDIRECT'
  override readonly hooks: readonly Hook[] = [Hook.PREROUTING, Hook.OUTPUT]

  protected override get fully(): boolean {
    return false
  }

  protected override destination(name: string, words: Words): boolean {
    if (name !== '--to-ports' && name !== '--to-port') return false
    this.parsePortRange(words.value(name), name)
    return true
  }

  override apply(packet: Packet): Verdict {
    const flow = packet.flow
    if (flow === null) return Verdict.CONTINUE
    let address: Ipv4 | null = LOOPBACK
    if (packet.hook === Hook.PREROUTING) address = packet.input === null ? null : packet.host.addressOf(packet.input)
    if (address === null) return Verdict.DROP
    this.range.hasAddress = true
    this.range.lowAddress = address
    this.range.highAddress = address
    packet.nat.bind(flow, Manip.DESTINATION, this.range)
    return Verdict.ACCEPT
  }

  override save(): string {
    return `${this.range.hasPort ? `--to-ports ${this.ports}` : ''}${this.flags}`.trimStart()
  }

  override list(): string {
    return `${this.range.hasPort ? `redir ports ${this.ports}` : ''}${this.flags.replaceAll(' --', ' ')}`.trimStart()
  }
}

/** SNAT, DNAT, MASQUERADE, REDIRECT: they choose a flow's new address once; nat.ts does the rest. */
import { formatIpv4, type Ipv4, LOOPBACK, tryParseIpv4 } from '../wire/address.ts'
import { IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipv4.ts'
import { missingOption, NetfilterError } from './error.ts'
import { Hook, type TableName, Verdict } from './hook.ts'
import { NatRange } from './nat.ts'
import { Manip } from './nat-rewrite.ts'
import type { Packet } from './packet.ts'
import { servicePort } from './services.ts'
import { Target } from './target.ts'
import { formatPorts, parseNetwork, prefixOf, refuseNot, type Words } from './words.ts'

const DCCP = 33
const SCTP = 132

export abstract class NatTarget extends Target {
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
    if (
      this.range.hasPort &&
      protocol !== IPPROTO_TCP &&
      protocol !== IPPROTO_UDP &&
      protocol !== SCTP &&
      protocol !== DCCP
    ) {
      throw new NetfilterError('Need TCP, UDP, SCTP or DCCP with port specification')
    }
  }

  /** Behind the address or the ports, as they are printed. */
  protected get flags(): string {
    return `${this.#random}${this.#fully ? ' --random-fully' : ''}${this.range.persistent ? ' --persistent' : ''}`
  }

  /** `80`, `80-90` and, where a shifted range makes sense, `80-90/5080`. */
  protected parsePortRange(text: string): void {
    const [ports, base] = text.split('/')
    const ends = ports.split('-')
    const low = natPort(ends[0])
    const high = ends.length > 1 ? natPort(ends[1]) : low
    if (low > high) throw new NetfilterError(`Port range \`${text}' funky`)
    this.range.lowPort = low
    this.range.highPort = high
    this.range.hasPort = true
    if (base !== undefined) this.range.basePort = natPort(base)
  }

  get #base(): string {
    return this.range.basePort === 0 ? '' : `/${this.range.basePort}`
  }

  protected get ports(): string {
    return this.range.hasPort ? formatPorts(this.range.lowPort, this.range.highPort, '-') + this.#base : ''
  }
}

function natPort(text: string): number {
  const port = /^[0-9]+$/.test(text) ? Number(text) : (servicePort(text) ?? 0)
  if (port < 1 || port > 65_535) throw new NetfilterError(`Port \`${text}' not valid`)
  return port
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

  override get shareable(): boolean {
    return true
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
    if (colon >= 0) this.parsePortRange(text.slice(colon + 1))
    if (addresses === '') return true
    const ends = addresses.split('-').map(tryParseIpv4)
    if (ends.length > 2 || ends.includes(null)) throw new NetfilterError(`Bad IP address "${addresses}"`)
    this.range.hasAddress = true
    this.range.lowAddress = ends[0] as Ipv4
    this.range.highAddress = (ends[1] ?? ends[0]) as Ipv4
    return true
  }

  override check(protocol: number): void {
    if (!this.range.hasAddress && !this.range.hasPort) {
      throw missingOption(this.name, this.#option)
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

  /** The range is written before each use. */
  override get shareable(): boolean {
    return true
  }

  protected override destination(name: string, words: Words): boolean {
    if (name !== '--to-ports') return false
    this.parsePortRange(words.value(name))
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
    this.parsePortRange(words.value(name))
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

/** `-j NETMAP --to 10.1.0.0/16`: the network is exchanged, the host bits stay. */
export class NetmapTarget extends NatTarget {
  readonly name = 'NETMAP'
  override readonly hooks: readonly Hook[] = [Hook.PREROUTING, Hook.INPUT, Hook.OUTPUT, Hook.POSTROUTING]
  #network: Ipv4 | null = null
  #mask = -1 as Ipv4

  protected override get randomizes(): boolean {
    return false
  }

  protected override get fully(): boolean {
    return false
  }

  protected override destination(name: string, words: Words): boolean {
    if (name !== '--to') return false
    ;[this.#network, this.#mask] = parseNetwork(words.value(name))
    return true
  }

  override check(): void {
    if (this.#network === null) throw missingOption('NETMAP', '--to')
  }

  override apply(packet: Packet): Verdict {
    const flow = packet.flow
    if (flow === null || this.#network === null) return Verdict.CONTINUE
    const toHere = packet.hook === Hook.PREROUTING || packet.hook === Hook.OUTPUT
    const present = toHere ? packet.destination : packet.source
    const address = (this.#network | (present & ~this.#mask)) as Ipv4
    this.range.hasAddress = true
    this.range.lowAddress = address
    this.range.highAddress = address
    packet.nat.bind(flow, toHere ? Manip.DESTINATION : Manip.SOURCE, this.range)
    return Verdict.ACCEPT
  }

  get #to(): string {
    return `${formatIpv4(this.#network ?? (0 as Ipv4))}/${prefixOf(this.#mask) ?? formatIpv4(this.#mask)}`
  }

  override save(): string {
    return `--to ${this.#to}`
  }

  override list(): string {
    return `to:${this.#to}`
  }
}

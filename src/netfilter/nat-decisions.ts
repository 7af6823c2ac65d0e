/** What NAT did to a packet, for whoever traces (see link/decision.ts). */
import type { Decision, DecisionKind } from '../link/decision.ts'
import type { Frame } from '../link/frame.ts'
import type { Ipv4 } from '../wire/address.ts'
import { u16 } from '../wire/bytes.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import { IPPROTO_ICMP } from '../wire/ipv4.ts'
import { FlowDecision } from './conntrack-decisions.ts'
import type { Flow } from './flow.ts'
import { type Hook, hookNames } from './hook.ts'
import { Manip } from './nat-rewrite.ts'
import { placeText } from './tuple-text.ts'

/** A packet at a hook, as far as NAT needs it (see packet.ts). */
export interface Translatable {
  readonly frame: Frame
  readonly bytes: Uint8Array
  readonly network: number
  readonly transport: number
  readonly end: number
  readonly hook: Hook
  tell(decision: Decision): void
  readAddresses(): void
}

/** One half of a packet: an address and a port, or an ICMP identifier. */
class Half {
  readonly #protocol: number
  readonly #address: Ipv4
  readonly #port: number

  constructor(bytes: Uint8Array, network: number, end: number, manip: Manip) {
    this.#protocol = ipv4.protocol(bytes, network)
    this.#address = manip === Manip.SOURCE ? ipv4.source(bytes, network) : ipv4.destination(bytes, network)
    let at = network + ipv4.headerLength(bytes, network)
    if (this.#protocol === IPPROTO_ICMP) at += icmp.IDENTIFIER
    else if (manip === Manip.DESTINATION) at += 2
    this.#port = at + 2 > end || ipv4.fragmentOffset(bytes, network) !== 0 ? -1 : u16(bytes, at)
  }

  text(identifier: boolean): string {
    const { address, port } = { address: this.#address, port: this.#port }
    if (this.#protocol === IPPROTO_ICMP)
      return `${placeText(IPPROTO_ICMP, address, 0)}${identifier ? ` id ${port}` : ''}`
    return placeText(port < 0 ? 0 : this.#protocol, address, port)
  }

  /** Does an ICMP query have another identifier than this? */
  renumbered(other: Half): boolean {
    return this.#protocol === IPPROTO_ICMP && this.#port !== other.#port
  }
}

/** How a flow came to its port. */
export const Picked = { NONE: 0, TAKEN: 1, RANDOM: 2 } as const
export type Picked = (typeof Picked)[keyof typeof Picked]

/** Why the packet is rewritten as it is. */
export const Because = {
  /** A rule chose just now. */
  RULE: 0,
  /** No rule did, but the place was another flow's. */
  TAKEN: 1,
  /** It goes the way of the flow's first packet. */
  FIRST: 2,
} as const
export type Because = (typeof Because)[keyof typeof Because]

/** An address and a port became others. */
export class Translated extends FlowDecision {
  override readonly kind: DecisionKind = 'nat'
  readonly #hook: number
  readonly #manip: Manip
  readonly #reply: boolean
  readonly #because: Because
  readonly #picked: Picked
  readonly #before: Half
  #after: Half

  /** Before the packet is rewritten. */
  constructor(packet: Translatable, flow: Flow, reply: boolean, manip: Manip, because: Because, picked: Picked) {
    super(flow)
    this.#hook = packet.hook
    this.#manip = manip
    this.#reply = reply
    this.#because = because
    this.#picked = picked
    this.#before = new Half(packet.bytes, packet.network, packet.end, manip)
    this.#after = this.#before
  }

  /** Behind it. */
  settle({ bytes, network, end }: Translatable): this {
    this.#after = new Half(bytes, network, end, this.#manip)
    return this
  }

  override sentence(): string {
    const half = this.#manip === Manip.SOURCE ? 'source' : 'destination'
    const renumbered = this.#before.renumbered(this.#after)
    const change = `${half} ${this.#before.text(renumbered)} becomes ${this.#after.text(renumbered)}`
    return `NAT at ${hookNames[this.#hook]}: ${change}, ${this.#why()}`
  }

  #why(): string {
    if (this.#reply) return "undoing what the flow's first packet was given"
    if (this.#because === Because.FIRST) return "as for the flow's first packet"
    const picked = this.#picked
    const port = picked === Picked.TAKEN ? 'a free port, since the old one is taken' : 'a port drawn by chance'
    if (this.#because === Because.TAKEN) return port
    return `as the rule chose${picked === Picked.NONE ? '' : `, and ${port}`}`
  }
}

/** An ICMP error, and the packet that it quotes. */
export class ErrorTranslated extends FlowDecision {
  override readonly kind: DecisionKind = 'nat'
  readonly #hook: number
  readonly #manip: Manip
  readonly #before: Half
  readonly #quoteBefore: Half
  #after: Half
  #quoteAfter: Half
  #right = true

  constructor(packet: Translatable, flow: Flow, manip: Manip) {
    super(flow)
    this.#hook = packet.hook
    this.#manip = manip
    this.#before = this.#outer(packet)
    this.#quoteBefore = this.#quoted(packet)
    this.#after = this.#before
    this.#quoteAfter = this.#quoteBefore
  }

  settle(packet: Translatable, right: boolean): this {
    this.#after = this.#outer(packet)
    this.#quoteAfter = this.#quoted(packet)
    this.#right = right
    return this
  }

  #outer({ bytes, network, end }: Translatable): Half {
    return new Half(bytes, network, end, this.#manip)
  }

  #quoted({ bytes, transport, end }: Translatable): Half {
    const opposite = this.#manip === Manip.SOURCE ? Manip.DESTINATION : Manip.SOURCE
    return new Half(bytes, transport + icmp.HEADER, end, opposite)
  }

  override sentence(): string {
    if (!this.#right) return `NAT at ${hookNames[this.#hook]} drops a redirect about a flow that is translated`
    const [outer, inner] = this.#manip === Manip.SOURCE ? ['source', 'destination'] : ['destination', 'source']
    const renumbered = this.#quoteBefore.renumbered(this.#quoteAfter)
    const quote = `${inner} ${this.#quoteBefore.text(renumbered)} becomes ${this.#quoteAfter.text(renumbered)}`
    const own = `${outer} ${this.#before.text(false)} becomes ${this.#after.text(false)}`
    return `NAT at ${hookNames[this.#hook]}, in an ICMP error: ${own}, and in the packet it quotes ${quote}`
  }
}

/** A masqueraded flow that now leaves by another device (nf_nat_oif_changed). */
export class Strayed extends FlowDecision {
  override readonly kind: DecisionKind = 'nat'

  override sentence(): string {
    const was = this.flow.masquerade === null ? '' : ` ${this.flow.masquerade.name}`
    return `NAT drops the packet and forgets its flow, which was masqueraded behind${was} and now leaves by another device`
  }
}

/** What connection tracking decided about a packet, for whoever traces (see link/decision.ts). */
import { Decision, type DecisionKind } from '../link/decision.ts'
import { IPPROTO_ICMP } from '../wire/ipv4.ts'
import type { Flow, Tuple } from './flow.ts'
import { FlowSnapshot } from './flow-snapshot.ts'
import { flowProtocolName, formatSteady } from './flow-text.ts'
import { Status } from './status.ts'
import { tcpStateNames } from './tcp-track.ts'
import { placeText } from './tuple-text.ts'

/** `tcp 10.244.1.2:40000 > 10.96.0.10:80` */
export function tupleWords({ protocol, source, destination, sourcePort, destinationPort }: Tuple): string {
  const name = flowProtocolName(protocol)
  const shown = name === 'unknown' ? `protocol ${protocol}` : name
  const ends = `${placeText(protocol, source, sourcePort)} > ${placeText(protocol, destination, destinationPort)}`
  return `${shown} ${ends}${protocol === IPPROTO_ICMP ? ` id ${sourcePort}` : ''}`
}

/** A decision with the flow as it was then: `conntrack -L` shows it while it is in the table. */
export abstract class FlowDecision extends Decision {
  readonly kind: DecisionKind = 'conntrack'
  readonly #snapshot: FlowSnapshot

  constructor(flow: Flow) {
    super()
    this.#snapshot = new FlowSnapshot(flow)
  }

  /** As it was. */
  protected get flow(): Flow {
    return this.#snapshot.flow
  }

  override entry(): string | null {
    return this.flow.has(Status.CONFIRMED) && !this.flow.has(Status.DYING) ? formatSteady(this.flow) : null
  }

  override command(): string | null {
    return this.entry() === null ? null : 'conntrack -L'
  }
}

/** What the packet was to its flow. */
export class Tracked extends FlowDecision {
  readonly #reply: boolean
  /** TCP's state before this segment. */
  readonly #before: number
  readonly #first: boolean

  constructor(flow: Flow, reply: boolean, before: number, first: boolean) {
    super(flow)
    this.#reply = reply
    this.#before = before
    this.#first = first
  }

  override sentence(): string {
    const { flow } = this
    const tuple = this.#reply ? flow.reply : flow.original
    if (this.#first) {
      return `conntrack begins a flow, ${tupleWords(tuple)}, which is in the table once the packet leaves this node`
    }
    const side = this.#reply ? 'reply' : 'original'
    const known = flow.has(Status.CONFIRMED) ? 'knows' : 'has seen'
    return `conntrack ${known} the flow: ${side} direction, ${tupleWords(tuple)}${this.#change()}`
  }

  #change(): string {
    const { tcp } = this.flow
    if (this.flow.has(Status.DYING)) return ', which is over and leaves the table'
    if (tcp === null || tcp.state === this.#before) return ''
    return `, ${tcpStateNames[this.#before]} becomes ${tcpStateNames[tcp.state]}`
  }
}

/** An ICMP error about a flow's packet. */
export class Related extends FlowDecision {
  override sentence(): string {
    return `conntrack finds the quoted packet's flow, so the error is RELATED to ${tupleWords(this.flow.original)}`
  }
}

/** The packet is of no flow, or is let through unjudged. */
export class Unjudged extends Decision {
  readonly kind: DecisionKind = 'conntrack'
  readonly #what: string

  constructor(what: string) {
    super()
    this.#what = what
  }

  override sentence(): string {
    return `conntrack ${this.#what}`
  }

  /** `why` in the kernel's own words. */
  static invalid(why: string): Unjudged {
    return new Unjudged(`finds the packet INVALID${why === '' ? '' : `: ${why}`}`)
  }
}

/** A new flow is on its way out of the hooks. */
export class Confirmed extends FlowDecision {
  override sentence(): string {
    return 'conntrack confirms the flow: it is in the table from now on'
  }
}

/** A new flow found its place taken. */
export class Clash extends FlowDecision {
  readonly #how: string

  constructor(flow: Flow, how: string) {
    super(flow)
    this.#how = how
  }

  override sentence(): string {
    return `conntrack finds the new flow's place taken: ${this.#how}`
  }
}

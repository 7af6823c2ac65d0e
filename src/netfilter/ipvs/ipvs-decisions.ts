/** What IPVS decided about a packet, for whoever traces (see link/decision.ts). Spelled as `ipvsadm -Ln` and `-Lnc` print. */
import { Decision, type DecisionKind } from '../../link/decision.ts'
import type { Ipv4 } from '../../wire/address.ts'
import { placeText } from '../tuple-text.ts'
import type { Connection } from './connection.ts'
import type { RealServer, VirtualService } from './service.ts'
import { stateName } from './states.ts'
import { formatHead, formatServer, formatWay, NUMERIC, type Way } from './text.ts'

/** Why a scheduler takes the server that it takes. */
const REASONS: Readonly<Record<string, string>> = {
  rr: 'whose turn it is',
  wrr: 'whose turn it is, by weight',
  lc: 'which has the fewest connections',
  wlc: 'which has the fewest connections for its weight',
  sed: 'where the shortest delay is expected',
  nq: 'which is idle, or where the shortest delay is expected',
  fo: 'which has the highest weight',
  ovf: 'which has the highest weight and is not full',
  twos: 'the less busy of two that were drawn',
  sh: "by a hash of the client's address",
  dh: 'by a hash of the destination',
  mh: "by Maglev's table",
  lblc: 'which serves this destination',
  lblcr: 'which serves this destination',
}

/** A service takes the packet. */
export class ServiceFound extends Decision {
  readonly kind: DecisionKind = 'ipvs'
  readonly #head: string
  readonly #servers: boolean

  /** `serves`: is there a server to have it? */
  constructor(service: VirtualService, serves: boolean) {
    super()
    this.#head = formatHead(service, NUMERIC)
    this.#servers = serves
  }

  override sentence(): string {
    if (this.#servers) return 'IPVS has a virtual service for the packet'
    return 'IPVS has a virtual service for the packet and no real server: the answer is ICMP port unreachable'
  }

  override entry(): string {
    return this.#head
  }

  override command(): string {
    return 'ipvsadm -Ln'
  }
}

/** A new connection has its server. */
export class ServerChosen extends Decision {
  readonly kind: DecisionKind = 'ipvs'
  readonly #row: string
  readonly #scheduler: string
  readonly #remembered: boolean

  /** `remembered`: the client's earlier connections led there (persistence). */
  constructor(server: RealServer, scheduler: string, remembered: boolean) {
    super()
    this.#row = formatServer(server, NUMERIC)
    this.#scheduler = scheduler
    this.#remembered = remembered
  }

  override sentence(): string {
    if (this.#remembered) return 'IPVS sends the client to the real server of its earlier connections (persistence)'
    const why = REASONS[this.#scheduler]
    return `IPVS's scheduler ${this.#scheduler} takes the real server ${why ?? 'of its choice'}`
  }

  override entry(): string {
    return this.#row
  }

  override command(): string {
    return 'ipvsadm -Ln'
  }
}

function still(connection: Connection): Way {
  const { protocol, template, assured, state, client, clientPort, virtual, virtualPort } = connection
  const { destination, destinationPort } = connection
  return { protocol, template, assured, state, client, clientPort, virtual, virtualPort, destination, destinationPort }
}

/** A packet of a connection, and where it goes now. */
export class Balanced extends Decision {
  readonly kind: DecisionKind = 'ipvs'
  readonly #way: Way
  readonly #listed: boolean
  readonly #before: number
  readonly #answers: boolean
  readonly #error: boolean

  /** `before`: its state before this packet. `error`: the packet is an ICMP error about the connection. */
  constructor(connection: Connection, before: number, answers: boolean, error: boolean) {
    super()
    this.#way = still(connection)
    this.#listed = !connection.once && !connection.gone
    this.#before = before
    this.#answers = answers
    this.#error = error
  }

  override sentence(): string {
    const { protocol, virtual, virtualPort, destination, destinationPort } = this.#way
    const outside = this.#text(protocol, virtual, virtualPort)
    const inside = this.#text(protocol, destination, destinationPort)
    const state = stateName(this.#way)
    const before = stateName({ ...this.#way, state: this.#before })
    const change = before === state ? '' : `, ${before} becomes ${state}`
    const way = this.#answers ? `source ${inside} becomes ${outside}` : `destination ${outside} becomes ${inside}`
    return `IPVS ${this.#error ? 'translates an ICMP error about its connection' : 'knows the connection'}: ${way}${change}`
  }

  #text(protocol: number, address: Ipv4, port: number): string {
    return placeText(this.#error ? 0 : protocol, address, port)
  }

  override entry(): string | null {
    return this.#listed ? formatWay(this.#way, NUMERIC.endpoint) : null
  }

  override command(): string | null {
    return this.#listed ? 'ipvsadm -Lnc' : null
  }
}

/** IPVS lets nobody have the packet. */
export class Refused extends Decision {
  readonly kind: DecisionKind = 'ipvs'
  readonly #why: string

  constructor(why: string) {
    super()
    this.#why = why
  }

  override sentence(): string {
    return `IPVS ${this.#why}`
  }
}

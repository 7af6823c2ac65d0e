/** What a VXLAN tunnel decides about frames, for whoever traces (see link/decision.ts). */

import { Decision } from '../link/decision.ts'
import type { NetDevice } from '../link/device.ts'
import type { FdbEntry } from '../link/fdb.ts'
import { type FdbFacts, type FdbLine, factsOf, fdbLineText, tunnelFdbLine } from '../link/fdb-text.ts'
import { outerNetnsid } from '../net/lower-link.ts'
import { formatIpv4, formatMac, type Ipv4 } from '../wire/address.ts'

interface Tunnel extends NetDevice {
  readonly vni: number
  readonly port: number
}

abstract class TunnelDecision extends Decision {
  override readonly kind = 'tunnel'
  protected readonly device: string
  protected readonly vni: number

  constructor(tunnel: Tunnel) {
    super()
    this.device = tunnel.name
    this.vni = tunnel.vni
  }

  override command(): string | null {
    return `bridge fdb show dev ${this.device}`
  }
}

/** An entry of the FDB, as it was. */
abstract class EntryDecision extends TunnelDecision {
  protected readonly remote: Ipv4
  readonly #facts: FdbFacts
  readonly #netnsid: number | null

  constructor(tunnel: Tunnel, entry: FdbEntry<Ipv4>) {
    super(tunnel)
    this.remote = entry.port
    this.#facts = factsOf(entry)
    this.#netnsid = outerNetnsid(tunnel)
  }

  protected get line(): FdbLine {
    return tunnelFdbLine({ name: this.device }, this.#facts, this.remote, this.#netnsid, 0)
  }

  override entry(): string {
    return fdbLineText(this.line, { device: false, statistics: false }).trimEnd()
  }
}

/** The FDB named the VTEP that has the destination: the frame travels on inside UDP. */
export class Encapsulates extends EntryDecision {
  readonly #sourcePort: number
  readonly #port: number

  constructor(tunnel: Tunnel, entry: FdbEntry<Ipv4>, sourcePort: number) {
    super(tunnel, entry)
    this.#sourcePort = sourcePort
    this.#port = tunnel.port
  }

  override sentence(): string {
    const to = `${formatIpv4(this.remote)}, UDP port ${this.#port}`
    return `encapsulated to ${to}, from port ${this.#sourcePort} (a hash of the inner flow), with VNI ${this.vni}`
  }
}

/** Nobody is known to have the destination. */
export class NoPeer extends TunnelDecision {
  readonly #mac: string

  constructor(tunnel: Tunnel, bytes: Uint8Array, at: number) {
    super(tunnel)
    this.#mac = formatMac(bytes.slice(at, at + 6))
  }

  override sentence(): string {
    return `${this.device} has no entry for ${this.#mac}, and none for all (00:00:00:00:00:00): no peer to send it to`
  }
}

/** The inner frame came out. */
export class Decapsulates extends TunnelDecision {
  readonly #from: Ipv4

  constructor(tunnel: Tunnel, from: Ipv4) {
    super(tunnel)
    this.#from = from
  }

  override sentence(): string {
    return `decapsulated: VNI ${this.vni} is ${this.device}'s, the peer is ${formatIpv4(this.#from)}`
  }

  override entry(): string {
    return `vxlan id ${this.vni}`
  }

  override command(): string {
    return `ip -d link show dev ${this.device}`
  }
}

/** Who sent it is behind that peer from now on. */
export class TunnelLearnt extends EntryDecision {
  override sentence(): string {
    return `learnt: ${this.line.mac} is behind the peer that sent it`
  }
}

/** A tunnel with `proxy` answers ARP itself. */
export class AnswersArp extends TunnelDecision {
  /** The packet that asked. */
  readonly packet: number
  readonly #target: Ipv4

  constructor(tunnel: Tunnel, packet: number, target: Ipv4) {
    super(tunnel)
    this.packet = packet
    this.#target = target
  }

  override sentence(): string {
    return `answers packet ${this.packet}: ${this.device} knows the neighbour ${formatIpv4(this.#target)} (proxy)`
  }

  override command(): string {
    return `ip neigh show ${formatIpv4(this.#target)}`
  }
}

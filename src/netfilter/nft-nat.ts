/** snat, dnat, masquerade and redirect of nf_tables (nft_nat.c, nft_masq.c, nft_redir.c): nat.ts does the rest. */
import { type Ipv4, LOOPBACK } from '../wire/address.ts'
import type { Flow } from './flow.ts'
import { Hook, Verdict } from './hook.ts'
import { NatRange } from './nat.ts'
import { Manip } from './nat-rewrite.ts'
import type { NatStep } from './nft-program.ts'
import type { Packet } from './packet.ts'

/** nf_nat takes the packet as it is: the rule is left for the next one. */
const BREAK = -1

export class NftNat {
  readonly #range = new NatRange()

  /** A verdict, or -1. */
  apply(step: NatStep, registers: Int32Array, packet: Packet): number {
    const flow = packet.frame.tracked as Flow | null
    if (flow === null) return BREAK
    const range = this.#range
    range.random = step.random
    range.persistent = step.persistent
    range.hasPort = step.port >= 0
    if (range.hasPort) {
      range.lowPort = registers[step.port]
      range.highPort = registers[step.lastPort]
    }
    range.hasAddress = step.address >= 0
    if (range.hasAddress) {
      range.lowAddress = registers[step.address] as Ipv4
      range.highAddress = registers[step.lastAddress] as Ipv4
    }
    switch (step.kind) {
      case 'masquerade':
        return this.#masquerade(packet, flow)
      case 'redirect':
        return this.#redirect(packet, flow)
      default:
        packet.nat.bind(flow, step.kind === 'snat' ? Manip.SOURCE : Manip.DESTINATION, range)
        return Verdict.ACCEPT
    }
  }

  #masquerade(packet: Packet, flow: Flow): Verdict {
    const { output } = packet
    // A DHCP client's packet: from nowhere yet.
    if (output === null || packet.source === 0) return Verdict.ACCEPT
    const address = packet.host.selectSource(output, packet.destination)
    if (address === null) return Verdict.DROP
    this.#to(address)
    packet.nat.bind(flow, Manip.SOURCE, this.#range)
    flow.masquerade = output
    return Verdict.ACCEPT
  }

  #redirect(packet: Packet, flow: Flow): Verdict {
    let address: Ipv4 | null = LOOPBACK
    if (packet.hook === Hook.PREROUTING) address = packet.input === null ? null : packet.host.addressOf(packet.input)
    if (address === null) return Verdict.DROP
    this.#to(address)
    packet.nat.bind(flow, Manip.DESTINATION, this.#range)
    return Verdict.ACCEPT
  }

  #to(address: Ipv4): void {
    this.#range.hasAddress = true
    this.#range.lowAddress = address
    this.#range.highAddress = address
  }
}

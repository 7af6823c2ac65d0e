/** What a VXLAN device does to a frame of a known flow, to be done once more (see link/flow-cache.ts). */
import { journal, SharedStep } from '../link/flow-cache.ts'
import type { Frame } from '../link/frame.ts'
import { next } from '../net/ip-steps.ts'
import { ANY, type Ipv4 } from '../wire/address.ts'
import { u16 } from '../wire/bytes.ts'
import { add, finish, fold, pseudoHeader } from '../wire/checksum.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as udp from '../wire/udp.ts'
import * as vxlan from '../wire/vxlan.ts'

interface Encapsulator {
  readonly vni: number
  readonly port: number
  readonly local: Ipv4
  readonly underlay: { nextId(source: Ipv4, destination: Ipv4, protocol: number, count?: number): number }
  encapsulate(frame: Frame, local: Ipv4, remote: Ipv4, sourcePort: number): number
}

/**
 * Its outer headers but for IP's, which the next step writes. The outer checksum is taken over the inner frame, whose own
 * checksums are right: its IP header sums to nothing, its segment to the complement of the pseudo-header.
 */
export class Encapsulated extends SharedStep {
  readonly #device: Encapsulator
  readonly #local: Ipv4
  readonly #remote: Ipv4
  readonly #sourcePort: number
  /** From where the frame began to the inner segment, and whether that is UDP's, which may have no checksum. */
  readonly #segment: number
  readonly #udp: boolean
  /** The sums of the VXLAN and inner Ethernet headers, and of the inner pseudo-header without the length. */
  readonly #headers: number
  readonly #pseudo: number

  constructor(device: Encapsulator, frame: Frame, local: Ipv4, remote: Ipv4, sourcePort: number) {
    super()
    const { bytes, start } = frame
    const at = start + ethernet.HEADER
    const protocol = ipv4.protocol(bytes, at)
    this.#device = device
    this.#local = local
    this.#remote = remote
    this.#sourcePort = sourcePort
    this.#segment = ethernet.HEADER + ipv4.HEADER
    this.#udp = protocol === ipv4.IPPROTO_UDP
    this.#headers = fold(vxlan.sum(device.vni) + add(0, bytes, start, ethernet.HEADER))
    this.#pseudo = pseudoHeader(ipv4.source(bytes, at), ipv4.destination(bytes, at), protocol, 0)
  }

  override again(frame: Frame): void {
    const { bytes, end } = frame
    const segment = frame.start + this.#segment
    const device = this.#device
    if (this.#udp && u16(bytes, segment + udp.CHECKSUM) === 0) {
      next.id = device.encapsulate(frame, this.#local, this.#remote, this.#sourcePort)
      return
    }
    vxlan.write(bytes, frame.push(vxlan.HEADER), device.vni)
    frame.sourceChosen = device.local === ANY
    const sum = this.#headers + finish(this.#pseudo + end - segment)
    const at = frame.push(udp.HEADER)
    udp.writeSummed(bytes, at, end, this.#local, this.#remote, this.#sourcePort, device.port, sum)
    next.id = device.underlay.nextId(this.#local, this.#remote, ipv4.IPPROTO_UDP)
  }

  override leave(packets: number): void {
    this.#device.underlay.nextId(this.#local, this.#remote, ipv4.IPPROTO_UDP, packets)
  }
}

/** The inner frame came out; `frame.start` is where it begins. */
export class Decapsulated extends SharedStep {
  constructor(frame: Frame) {
    super()
    journal.cover(frame.start - vxlan.HEADER, vxlan.HEADER)
    // The device lets go of what it sent itself.
    journal.cover(frame.start, ethernet.HEADER)
  }

  override again(frame: Frame): void {
    // Behind the UDP header, which the step before left it at.
    frame.start = frame.transport + udp.HEADER + vxlan.HEADER
  }
}

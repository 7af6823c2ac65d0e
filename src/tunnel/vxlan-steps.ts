/** What a VXLAN device does to a frame of a known flow, to be done once more (see link/flow-cache.ts). */
import { journal, Step, scope } from '../link/flow-cache.ts'
import type { Frame } from '../link/frame.ts'
import { next } from '../net/ip-steps.ts'
import type { Ipv4, Mac } from '../wire/address.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as udp from '../wire/udp.ts'
import * as vxlan from '../wire/vxlan.ts'

interface Encapsulator {
  encapsulate(frame: Frame, local: Ipv4, remote: Ipv4, sourcePort: number): number
}

/** Its outer headers but for IP's, which the next step writes. */
export class Encapsulated extends Step {
  readonly #device: Encapsulator
  readonly #local: Ipv4
  readonly #remote: Ipv4
  readonly #sourcePort: number

  constructor(device: Encapsulator, local: Ipv4, remote: Ipv4, sourcePort: number) {
    super()
    this.#device = device
    this.#local = local
    this.#remote = remote
    this.#sourcePort = sourcePort
  }

  override again(frame: Frame): void {
    next.id = this.#device.encapsulate(frame, this.#local, this.#remote, this.#sourcePort)
  }
}

/** The inner frame came out; `frame.start` is where it begins. */
export class Decapsulated extends Step {
  readonly #device: { readonly mac: Mac }
  readonly #mac: Mac
  readonly #offset: number

  constructor(frame: Frame, device: { readonly mac: Mac }) {
    super()
    this.#device = device
    this.#mac = device.mac
    this.#offset = journal.offset(frame.start)
    journal.cover(frame.start - vxlan.HEADER, vxlan.HEADER)
  }

  override holds(frame: Frame): boolean {
    const inner = frame.start + this.#offset
    const whole = vxlan.valid(frame.bytes, inner - vxlan.HEADER, scope.end) && ethernet.valid(inner, scope.end)
    return whole && this.#device.mac === this.#mac
  }

  override again(frame: Frame): void {
    // Behind the UDP header, which the step before left it at.
    frame.start = frame.transport + udp.HEADER + vxlan.HEADER
    frame.scrub()
  }
}

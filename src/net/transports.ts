/** The transport protocols of a namespace: sockets register theirs. */
import { IPPROTO_UDP } from '../wire/ipv4.ts'
import type { Transport } from './namespace.ts'

/** Of the transports that there are, UDP has the highest number. */
const PROTOCOLS = IPPROTO_UDP + 1

export class Transports {
  readonly #all = new Array<Transport | null>(PROTOCOLS).fill(null)

  /** Null: nobody speaks the protocol here. */
  of(protocol: number): Transport | null {
    return protocol < PROTOCOLS ? this.#all[protocol] : null
  }

  set(protocol: number, transport: Transport): void {
    this.#all[protocol] = transport
  }
}

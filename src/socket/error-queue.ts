/** The errors of a socket with IP_RECVERR (ip_icmp_error of net/ipv4/ip_sockglue.c), until recvmsg(MSG_ERRQUEUE) takes them. */
import type { Frame } from '../link/frame.ts'
import type { Errno } from '../net/errno.ts'
import { truesize } from '../net/neighbour-entry.ts'
import type { Ipv4 } from '../wire/address.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as udp from '../wire/udp.ts'

/** struct sock_extended_err, and what the datagram carried as far as the error quotes it. */
export interface QueuedError {
  readonly errno: Errno
  readonly type: number
  readonly code: number
  /** The next hop's MTU of fragmentation needed, otherwise 0. */
  readonly info: number
  /** Who sent the error. */
  readonly offender: Ipv4
  /** Where the datagram went. */
  readonly address: Ipv4
  readonly port: number
  readonly payload: Uint8Array
}

/** net.core.rmem_default, in bytes. */
const MOST = 212_992

export class ErrorQueue {
  #errors: QueuedError[] = []
  #weight = 0

  /** The errno of the oldest; null when there is none. */
  get next(): Errno | null {
    return this.#errors.at(0)?.errno ?? null
  }

  /** The frame's network and transport are the quoted headers. What finds no room is lost. */
  push(errno: Errno, type: number, code: number, info: number, offender: Ipv4, frame: Frame): void {
    const { bytes, network, transport, end } = frame
    const payload = bytes.slice(Math.min(transport + udp.HEADER, end), end)
    if (this.#weight + truesize(payload.length) >= MOST) return
    this.#weight += truesize(payload.length)
    const address = ipv4.destination(bytes, network)
    const port = udp.destinationPort(bytes, transport)
    this.#errors.push({ errno, type, code, info, offender, address, port, payload })
  }

  shift(): QueuedError | null {
    const found = this.#errors.shift() ?? null
    if (found !== null) this.#weight -= truesize(found.payload.length)
    return found
  }
}

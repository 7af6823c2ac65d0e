/** What sockets did with a packet, or why they sent it, for whoever traces (see link/decision.ts). */
import { Decision, type DecisionKind } from '../link/decision.ts'
import { ANY, formatIpv4, type Ipv4 } from '../wire/address.ts'

function place(address: Ipv4, port: number): string {
  return `${formatIpv4(address)}:${port === 0 ? '*' : port}`
}

/** Two ends, as they stand side by side in a line of ss(8). */
export class Ends {
  readonly #letter: 't' | 'u'
  readonly #local: Ipv4
  readonly #localPort: number
  readonly #remote: Ipv4
  readonly #remotePort: number

  constructor(protocol: 'tcp' | 'udp', local: Ipv4, localPort: number, remote: Ipv4 = ANY, remotePort = 0) {
    this.#letter = protocol === 'tcp' ? 't' : 'u'
    this.#local = local
    this.#localPort = localPort
    this.#remote = remote
    this.#remotePort = remotePort
  }

  get entry(): string {
    return `${place(this.#local, this.#localPort)} ${place(this.#remote, this.#remotePort)}`
  }

  /** So narrow that no other socket widens the columns. */
  get command(): string {
    if (this.#remotePort === 0) return `ss -H${this.#letter}ln sport = :${this.#localPort}`
    return `ss -H${this.#letter}an src ${place(this.#local, this.#localPort)} dst ${place(this.#remote, this.#remotePort)}`
  }
}

/** A decision of, or about, a socket. */
export class SocketDecision extends Decision {
  readonly kind: DecisionKind = 'socket'
  readonly #ends: Ends | null
  readonly #sentence: string

  /** `ends`: null when no socket is there, or none any more. */
  constructor(sentence: string, ends: Ends | null) {
    super()
    this.#sentence = sentence
    this.#ends = ends
  }

  override sentence(): string {
    return this.#sentence
  }

  override entry(): string | null {
    return this.#ends === null ? null : this.#ends.entry
  }

  override command(): string | null {
    return this.#ends === null ? null : this.#ends.command
  }
}

/** `1 byte`, `2 bytes`. */
export function byteCount(bytes: number): string {
  return bytes === 1 ? '1 byte' : `${bytes} bytes`
}

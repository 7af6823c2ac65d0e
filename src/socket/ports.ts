/**
 * The ports of one protocol in one namespace: who has bound which (inet_hashtables.c's bind buckets). A port is
 * bound for one address or for all of them; two containers in one pod share these tables.
 */
import type { Netns } from '../net/netns.ts'
import { ANY, type Ipv4 } from '../wire/address.ts'

/** What holds a port. */
export interface PortHolder {
  readonly localAddress: Ipv4
  readonly localPort: number
  /** SO_REUSEADDR, SO_REUSEPORT: both sides must have said it. */
  readonly reuse: boolean
  readonly reusePort?: boolean
}

/** What a socket says about sharing its port. */
export type Reuse = Pick<PortHolder, 'reuse' | 'reusePort'>

export const NO_REUSE: Reuse = { reuse: false }

const NOBODY: readonly never[] = []

export class Ports<Holder extends PortHolder> {
  #byPort: Map<number, Holder[]> | null = null

  /** Everybody on this port, for any address. The list is not to be kept. */
  at(port: number): readonly Holder[] {
    return this.#byPort?.get(port) ?? NOBODY
  }

  /** Is the port taken for this address? */
  conflicts(address: Ipv4, port: number, { reuse, reusePort = false }: Reuse): boolean {
    const holders = this.at(port)
    for (let i = 0; i < holders.length; i++) {
      const other = holders[i]
      const overlap = address === ANY || other.localAddress === ANY || other.localAddress === address
      if (overlap && !(reuse && other.reuse) && !(reusePort && other.reusePort === true)) return true
    }
    return false
  }

  /** May a socket that holds this port not listen on it, because of another one that listens? */
  taken(address: Ipv4, port: number, own: Holder): boolean {
    return this.at(port).some((other) => {
      if (other === own || (other.reuse && own.reuse)) return false
      const overlap = address === ANY || other.localAddress === ANY || other.localAddress === address
      return overlap && !(own.reusePort === true && other.reusePort === true)
    })
  }

  add(holder: Holder): void {
    this.#byPort ??= new Map()
    const holders = this.#byPort.get(holder.localPort)
    if (holders === undefined) this.#byPort.set(holder.localPort, [holder])
    else holders.push(holder)
  }

  remove(holder: Holder): void {
    const holders = this.#byPort?.get(holder.localPort)
    if (holders === undefined) return
    const at = holders.indexOf(holder)
    if (at >= 0) holders.splice(at, 1)
    if (holders.length === 0) this.#byPort?.delete(holder.localPort)
  }

  all(): Holder[] {
    const all: Holder[] = []
    for (const holders of this.#byPort?.values() ?? []) all.push(...holders)
    return all
  }
}

/** Tries the ports of ip_local_port_range from a random one on; 0 when `free` refuses them all. */
export function chooseEphemeral(netns: Netns, free: (port: number) => boolean): number {
  const range = (netns.sysctl.get('net.ipv4.ip_local_port_range') ?? '').split('\t')
  const low = Number(range[0]) || 32768
  const high = Number(range[1]) || 60999
  const count = high - low + 1
  const first = netns.world.random.below(count)
  for (let i = 0; i < count; i++) {
    const port = low + ((first + i) % count)
    if (free(port)) return port
  }
  return 0
}

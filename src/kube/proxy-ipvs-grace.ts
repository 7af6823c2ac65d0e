/**
 * Real servers on their way out (pkg/proxy/ipvs/graceful_termination.go): a TCP endpoint that went keeps its connections
 * with weight 0 until the last of them has ended; once a minute kube-proxy looks. UDP's go at once.
 */
import type { Ipvs, ServiceName } from '../netfilter/ipvs/ipvs.ts'
import { Forward, type RealServer } from '../netfilter/ipvs/service.ts'
import { type Scheduler, SECOND, Timer } from '../sim/scheduler.ts'
import type { Ipv4 } from '../wire/address.ts'
import { IPPROTO_TCP } from '../wire/ipv4.ts'

const INTERVAL = 60 * SECOND

interface Leaving {
  readonly service: ServiceName
  readonly address: Ipv4
  readonly port: number
}

export class GracefulTermination {
  readonly #scheduler: Scheduler
  readonly #ipvs: Ipvs
  readonly #list = new Map<string, Leaving>()
  readonly #timer: Timer
  readonly #began: number

  constructor(scheduler: Scheduler, ipvs: Ipvs) {
    this.#scheduler = scheduler
    this.#ipvs = ipvs
    this.#began = scheduler.now
    this.#timer = new Timer({ run: () => this.#look() })
  }

  has(service: ServiceName, address: Ipv4, port: number): boolean {
    return this.#list.has(keyOf(service, address, port))
  }

  /** GracefulDeleteRS. */
  remove(service: ServiceName, { address, port }: RealServer): void {
    const leaving = { service, address, port }
    if (this.#gone(leaving)) return
    const quiet = { address, port, weight: 0, forward: Forward.MASQUERADE, upper: 0, lower: 0 }
    this.#ipvs.editServer(service, quiet)
    this.#list.set(keyOf(service, address, port), leaving)
    if (!this.#timer.armed) this.#wait()
  }

  /** MoveRSOutofGracefulDeleteList: the endpoint is back, and is added anew. */
  takeBack(service: ServiceName, address: Ipv4, port: number): void {
    this.#ipvs.deleteServer(service, address, port)
    this.#list.delete(keyOf(service, address, port))
  }

  #gone({ service, address, port }: Leaving): boolean {
    this.#ipvs.connections.purge()
    const server = this.#ipvs.service(service)?.server(address, port) ?? null
    if (server === null) return true
    if (service.protocol === IPPROTO_TCP && server.active + server.inactive > 0) return false
    this.#ipvs.deleteServer(service, address, port)
    return true
  }

  #look(): void {
    for (const [key, leaving] of this.#list) if (this.#gone(leaving)) this.#list.delete(key)
    if (this.#list.size > 0) this.#wait()
  }

  /** Every minute since kube-proxy began; nobody looks while the list is empty. */
  #wait(): void {
    const { now } = this.#scheduler
    const rounds = Math.floor((now - this.#began) / INTERVAL) + 1
    this.#scheduler.at(this.#timer, this.#began + rounds * INTERVAL)
  }
}

function keyOf({ protocol, address, port }: ServiceName, server: Ipv4, serverPort: number): string {
  return `${protocol} ${address}:${port} ${server}:${serverPort}`
}

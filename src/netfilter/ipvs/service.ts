/** Virtual services and their real servers (struct ip_vs_service and ip_vs_dest). */
import type { Scheduler as Clock } from '../../sim/scheduler.ts'
import type { Ipv4 } from '../../wire/address.ts'
import { Statistics } from './statistics.ts'

/** How a real server is reached (IP_VS_CONN_F_*). */
export const Forward = { MASQUERADE: 0, TUNNEL: 2, ROUTE: 3 } as const
export type Forward = (typeof Forward)[keyof typeof Forward]

/** IP_VS_SVC_F_SCHED*: what the three flags mean is the scheduler's. */
export const ScheduleFlag = { FIRST: 8, SECOND: 16, THIRD: 32 } as const

/** What a user says of a virtual service (struct ip_vs_service_user). */
export interface ServiceSpec {
  /** 0 with a firewall mark. */
  readonly protocol: number
  readonly address: Ipv4
  readonly port: number
  /** 0: it is named by protocol, address and port. */
  readonly mark: number
  readonly scheduler: string
  /** Seconds; 0: it is not persistent. */
  readonly persistence: number
  readonly netmask: Ipv4
  /** UDP: each packet chooses anew. */
  readonly onePacket: boolean
  /** Bits of `ScheduleFlag`. */
  readonly flags: number
}

/** What a user says of a real server (struct ip_vs_dest_user). */
export interface ServerSpec {
  readonly address: Ipv4
  readonly port: number
  readonly weight: number
  readonly forward: Forward
  /** Connections above which it gets no more, and below which it does again; 0: no limit. */
  readonly upper: number
  readonly lower: number
}

/** Chooses among the servers of one virtual service, and hears of every change of them. */
export interface Scheduler {
  readonly name: string
  /** A server came (at place 0), or went from a place, or (place -1) has another weight or limit. */
  changed(service: VirtualService, added: boolean, place: number): void
  choose(service: VirtualService, source: Ipv4, sourcePort: number, destination: Ipv4): RealServer | null
}

export class RealServer {
  readonly address: Ipv4
  readonly port: number
  /** Another one after it came back to a service that was made anew. */
  service: VirtualService
  readonly statistics: Statistics
  weight = 1
  /** The last one that was not 0. */
  lastWeight = 1
  forward: Forward = Forward.MASQUERADE
  upper = 0
  lower = 0
  active = 0
  inactive = 0
  persistent = 0
  /** IP_VS_DEST_F_AVAILABLE: it has not been deleted since. */
  available = true
  overloaded = false

  constructor(service: VirtualService, address: Ipv4, port: number, clock: Clock) {
    this.service = service
    this.address = address
    this.port = port
    this.statistics = new Statistics(clock)
  }

  /** Does no connection and no template lead here? */
  get idle(): boolean {
    return this.active === 0 && this.inactive === 0 && this.persistent === 0
  }

  /** After a connection came (ip_vs_bind_dest). */
  filled(): void {
    if (this.upper !== 0 && this.active + this.inactive >= this.upper) this.overloaded = true
  }

  /** After a connection went (ip_vs_unbind_dest). */
  emptied(): void {
    const connections = this.active + this.inactive
    if (this.lower !== 0) {
      if (connections < this.lower) this.overloaded = false
    } else if (this.upper === 0 || connections * 4 < this.upper * 3) this.overloaded = false
  }
}

export class VirtualService {
  readonly protocol: number
  readonly address: Ipv4
  readonly port: number
  readonly mark: number
  readonly statistics: Statistics
  /** The last one added stands first, as the kernel's list has them. */
  servers: RealServer[] = []
  scheduler: Scheduler
  persistence = 0
  netmask = -1 as Ipv4
  onePacket = false
  flags = 0
  /** Chain of its bucket. */
  next: VirtualService | null = null

  constructor(spec: ServiceSpec, scheduler: Scheduler, clock: Clock) {
    this.protocol = spec.protocol
    this.address = spec.address
    this.port = spec.port
    this.mark = spec.mark
    this.scheduler = scheduler
    this.statistics = new Statistics(clock)
    this.settle(spec)
  }

  settle(spec: ServiceSpec): void {
    this.persistence = spec.persistence
    this.netmask = spec.netmask
    this.onePacket = spec.onePacket
    this.flags = spec.flags
  }

  server(address: Ipv4, port: number): RealServer | null {
    return this.servers.find((each) => each.address === address && each.port === port) ?? null
  }
}

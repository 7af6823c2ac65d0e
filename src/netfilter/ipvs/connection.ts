/**
 * IPVS's connections (ip_vs_conn.c): which real server a client's packets go to. They hang in buckets by protocol,
 * client address and port, which a packet names in both directions. A template stands for all connections of a client
 * (or of its network) while a persistent service remembers it.
 */
import { type Scheduler, SECOND, Timer } from '../../sim/scheduler.ts'
import type { Ipv4 } from '../../wire/address.ts'
import { hashOf } from '../tuple.ts'
import type { RealServer } from './service.ts'

/** A connection past its end is invisible at once, and swept within a second. */
const SWEEP = SECOND
/** A template that still controls connections lives on for so long. */
const LATER = 60 * SECOND
/** What a template that leads nowhere any more is called. */
const INVALID_PORT = 0xffff

export class Connection {
  protocol: number
  readonly client: Ipv4
  clientPort: number
  /** The address that the client speaks to; of a template for a firewall mark, the mark. */
  readonly virtual: Ipv4
  virtualPort: number
  /** Where it is sent instead. */
  readonly destination: Ipv4
  destinationPort: number
  readonly server: RealServer
  readonly template: boolean
  /** A number of `TcpState`. */
  state = 0
  /** A template some of whose connections were established (IP_VS_CTPL_S_ASSURED). */
  assured = false
  /** Counted as inactive (IP_VS_CONN_F_INACTIVE). */
  inactive = true
  /** No answer was seen, and none is expected: they take another way (IP_VS_CONN_F_NOOUTPUT). */
  unanswered: boolean
  /** It keeps conntrack's entry (IP_VS_CONN_F_NFCT). */
  tracked: boolean
  /** It lives for one packet (IP_VS_CONN_F_ONE_PACKET). */
  readonly once: boolean
  /** The template that it follows; and of a template, how many follow. */
  control: Connection | null = null
  controls = 0
  /** Nanoseconds. */
  timeout = 3 * SECOND
  due = 0
  /** Chain of its bucket. */
  next: Connection | null = null
  newer: Connection | null = null
  older: Connection | null = null
  gone = false

  constructor(
    protocol: number,
    client: Ipv4,
    clientPort: number,
    virtual: Ipv4,
    virtualPort: number,
    server: RealServer,
    destinationPort: number,
    kind: { template: boolean; once: boolean; tracked: boolean },
  ) {
    this.protocol = protocol
    this.client = client
    this.clientPort = clientPort
    this.virtual = virtual
    this.virtualPort = virtualPort
    this.server = server
    this.destination = server.address
    this.destinationPort = destinationPort
    this.template = kind.template
    this.once = kind.once
    this.tracked = kind.tracked
    this.unanswered = server.forward !== 0
  }
}

export class ConnectionTable {
  count = 0
  /** Told of each connection that ends. */
  onEnd: (connection: Connection) => void = () => {}
  readonly #scheduler: Scheduler
  readonly #timer: Timer
  #buckets: (Connection | null)[] = new Array<Connection | null>(256).fill(null)
  #newest: Connection | null = null
  #oldest: Connection | null = null

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
    this.#timer = new Timer({ run: () => this.#sweep() })
  }

  /** The connection that a client's packet belongs to (ip_vs_conn_in_get). */
  findIn(protocol: number, client: Ipv4, clientPort: number, virtual: Ipv4, virtualPort: number): Connection | null {
    let each = this.#first(protocol, client, clientPort)
    while (each !== null) {
      if (
        each.clientPort === clientPort &&
        each.virtualPort === virtualPort &&
        each.client === client &&
        each.virtual === virtual &&
        each.protocol === protocol &&
        !each.template
      )
        return this.#lives(each) ? each : null
      each = each.next
    }
    return null
  }

  /** The connection that a real server's packet belongs to (ip_vs_conn_out_get). */
  findOut(protocol: number, client: Ipv4, clientPort: number, server: Ipv4, serverPort: number): Connection | null {
    let each = this.#first(protocol, client, clientPort)
    while (each !== null) {
      if (
        each.clientPort === clientPort &&
        each.destinationPort === serverPort &&
        each.client === client &&
        each.destination === server &&
        each.protocol === protocol &&
        !each.template
      )
        return this.#lives(each) ? each : null
      each = each.next
    }
    return null
  }

  /** ip_vs_ct_in_get. */
  findTemplate(protocol: number, client: Ipv4, virtual: Ipv4, virtualPort: number): Connection | null {
    let each = this.#first(protocol, client, 0)
    while (each !== null) {
      if (
        each.template &&
        each.virtualPort === virtualPort &&
        each.client === client &&
        each.virtual === virtual &&
        each.protocol === protocol
      )
        return this.#lives(each) ? each : null
      each = each.next
    }
    return null
  }

  insert(connection: Connection): void {
    if (this.count >= this.#buckets.length) this.#grow()
    this.#hang(connection)
    connection.older = this.#newest
    if (this.#newest === null) this.#oldest = connection
    else this.#newest.newer = connection
    this.#newest = connection
    this.count++
    this.touch(connection)
    this.hasten(connection)
  }

  /** ip_vs_conn_put: it was used, and lives on from now. */
  touch(connection: Connection): void {
    connection.due = this.#scheduler.now + connection.timeout
  }

  /** Sees to it that the sweep comes early enough for a connection whose end has moved nearer. */
  hasten(connection: Connection): void {
    if (!this.#timer.armed || connection.due + SWEEP < this.#scheduler.dueOf(this.#timer)) {
      this.#scheduler.at(this.#timer, connection.due)
    }
  }

  /** ip_vs_conn_expire_now; what still controls others stays. */
  expire(connection: Connection): void {
    if (connection.gone) return
    if (connection.controls > 0) {
      connection.timeout = LATER
      this.touch(connection)
      return
    }
    connection.gone = true
    this.#unhang(connection)
    if (connection.newer === null) this.#newest = connection.older
    else connection.newer.older = connection.older
    if (connection.older === null) this.#oldest = connection.newer
    else connection.older.newer = connection.newer
    this.count--
    if (this.count === 0) this.#scheduler.cancel(this.#timer)
    const { control } = connection
    if (control !== null) {
      connection.control = null
      control.controls--
      // A template that no connection was ever established by is of no use without them.
      if (!control.assured && control.controls === 0) this.expire(control)
    }
    this.onEnd(connection)
  }

  /** ip_vs_check_template: its server is gone, so nobody shall find it; it ends in its time. */
  invalidate(template: Connection): void {
    if (template.virtualPort === INVALID_PORT) return
    this.#unhang(template)
    template.virtualPort = INVALID_PORT
    template.destinationPort = INVALID_PORT
    template.clientPort = 0
    this.#hang(template)
  }

  /** Living ones, newest first. */
  list(): Connection[] {
    this.purge()
    const all: Connection[] = []
    for (let each = this.#newest; each !== null; each = each.older) all.push(each)
    return all
  }

  /** Ends those past their time; when the next one ends. */
  purge(): number {
    const { now } = this.#scheduler
    let earliest = Number.POSITIVE_INFINITY
    let each = this.#oldest
    while (each !== null) {
      const newer: Connection | null = each.newer
      if (each.due <= now) this.expire(each)
      if (!each.gone && each.due < earliest) earliest = each.due
      each = newer
    }
    return earliest
  }

  #sweep(): void {
    const earliest = this.purge()
    if (this.count === 0) return
    const soonest = this.#scheduler.now + SWEEP
    this.#scheduler.at(this.#timer, earliest > soonest ? earliest : soonest)
  }

  #lives(connection: Connection): boolean {
    if (connection.due > this.#scheduler.now) return true
    this.expire(connection)
    return !connection.gone
  }

  #first(protocol: number, client: Ipv4, clientPort: number): Connection | null {
    return this.#buckets[hashOf(protocol, client, 0 as Ipv4, clientPort, 0) & (this.#buckets.length - 1)]
  }

  #hang(connection: Connection): void {
    const { protocol, client, clientPort } = connection
    const bucket = hashOf(protocol, client, 0 as Ipv4, clientPort, 0) & (this.#buckets.length - 1)
    connection.next = this.#buckets[bucket]
    this.#buckets[bucket] = connection
  }

  #unhang(connection: Connection): void {
    const { protocol, client, clientPort } = connection
    const bucket = hashOf(protocol, client, 0 as Ipv4, clientPort, 0) & (this.#buckets.length - 1)
    let before: Connection | null = null
    let at = this.#buckets[bucket]
    while (at !== null && at !== connection) {
      before = at
      at = at.next
    }
    if (at === null) return
    if (before === null) this.#buckets[bucket] = connection.next
    else before.next = connection.next
    connection.next = null
  }

  #grow(): void {
    this.#buckets = new Array<Connection | null>(this.#buckets.length * 4).fill(null)
    for (let each = this.#oldest; each !== null; each = each.newer) this.#hang(each)
  }
}

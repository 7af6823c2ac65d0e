/**
 * W6: the first packet of a connection, to a node with so many Services, chosen all over the list. W3's network; every
 * frame is a flow that conntrack has not seen, so the nat table is asked each time.
 */

import { HEADROOM } from '../link/frame.ts'
import type { World } from '../link/world.ts'
import type { Netns } from '../net/netns.ts'
import { parseIpv4 } from '../wire/address.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as udp from '../wire/udp.ts'
import type { Load } from './load.ts'
import { BACKEND_PORT, type Network, SERVICE_PORT, serviceAddress } from './networks.ts'
import { BATCH, Sink, warm } from './traffic.ts'

/** A prime, so that neighbouring connections call distant Services. */
const STRIDE = 7919
const FIRST_PORT = 1024
/** So many connections until the node forgets them all, as `conntrack -F` does; below nf_conntrack_max. */
export const CONNECTIONS = 60_000
const CLIENT = parseIpv4('10.244.1.2')

export class Connections implements Load {
  readonly world: World
  readonly #network: Network
  readonly #node: Netns
  readonly #services: number
  readonly #frame: Uint8Array
  readonly #sink: Sink
  sent = 0
  #made = 0

  /** `services`: of the network's node. */
  constructor(network: Network, services: number, size: number) {
    this.#network = network
    this.world = network.world
    this.#node = network.between[0]
    this.#services = services
    this.#frame = new Uint8Array(size)
    warm(this.#network, this.#network.backend)
    const { aDevice, bDevice, b, backend, aNextHop } = this.#network
    ethernet.write(this.#frame, 0, aNextHop, aDevice.mac, ethernet.ETH_P_IP)
    this.#sink = new Sink(this.world, b, backend, BACKEND_PORT)
    bDevice.receiver = this.#sink
  }

  get received(): number {
    return this.#sink.received
  }

  get bad(): number {
    return this.#sink.bad
  }

  get tired(): boolean {
    return this.#made >= CONNECTIONS - BATCH
  }

  rest(): void {
    this.#node.netfilter.conntrack.flush()
    this.#made = 0
  }

  batch(): void {
    const { scheduler } = this.world
    for (let i = 0; i < BATCH; i++) this.#first()
    this.sent += BATCH
    scheduler.run(scheduler.now + 1_000_000)
  }

  #first(): void {
    const connection = this.#made++
    const to = serviceAddress((connection * STRIDE) % this.#services)
    const frame = this.world.frames.take()
    const size = this.#frame.length
    frame.bytes.set(this.#frame, HEADROOM)
    frame.end = HEADROOM + size
    const at = HEADROOM + ethernet.HEADER
    const transport = at + ipv4.HEADER
    udp.write(frame.bytes, transport, frame.end, CLIENT, to, FIRST_PORT + connection, SERVICE_PORT)
    ipv4.write(frame.bytes, at, size - ethernet.HEADER, CLIENT, to, ipv4.IPPROTO_UDP, 64, 0, 1, ipv4.DF)
    frame.summed = true
    this.#network.aDevice.send(frame)
  }
}

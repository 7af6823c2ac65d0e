/** W5: one TCP connection from A to the Service through W4's path, as much as it takes; every payload byte is checked. */
import type { World } from '../link/world.ts'
import { MICROSECOND, Timer } from '../sim/scheduler.ts'
import { Sockets } from '../socket/sockets.ts'
import type { TcpSocket } from '../socket/tcp/socket.ts'
import { ANY, parseIpv4 } from '../wire/address.ts'
import type { Load } from './load.ts'
import { BACKEND_PORT, type Network, SERVICE_PORT, VIP } from './networks.ts'

const CHUNK = 65_536
/** Of virtual time. */
const STEP = 1_000_000
/** From one write to the next: 52 Gbit/s at most. */
const WRITING = 10 * MICROSECOND

export class Bulk implements Load {
  readonly world: World
  bad = 0
  bytes = 0
  readonly #network: Network

  constructor(network: Network) {
    this.#network = network
    this.world = network.world
    this.#serve()
    this.#call()
  }

  get received(): number {
    return this.#network.bDevice.rxPackets + this.#network.aDevice.rxPackets
  }

  batch(): void {
    this.world.scheduler.run(this.world.scheduler.now + STEP)
  }

  #serve(): void {
    const server = Sockets.of(this.#network.b).tcp()
    server.bind(ANY, BACKEND_PORT)
    const listener = server.listen(16)
    if (typeof listener === 'string') throw new Error(`W5: listen: ${listener}`)
    const inbox = new Uint8Array(CHUNK)
    listener.onAccept = (socket: TcpSocket) => {
      socket.onReadable = () => {
        for (let length = socket.read(inbox); length > 0; length = socket.read(inbox)) {
          if (inbox[0] !== (this.bytes & 255) || inbox[length - 1] !== ((this.bytes + length - 1) & 255)) this.bad++
          this.bytes += length
        }
      }
    }
  }

  #call(): void {
    const client = Sockets.of(this.#network.a).tcp()
    // The pattern repeats every 256 bytes, so a chunk may begin anywhere in it.
    const outbox = Uint8Array.from({ length: CHUNK + 256 }, (_, i) => i)
    let sent = 0
    // As a real client does: one write, then the time that a program needs for the next. Without it everything that the
    // windows allow would leave in one instant, and the bench would measure the processor's cache.
    const next = new Timer({
      run: () => {
        sent += client.write(outbox, sent & 255, CHUNK)
        this.world.scheduler.after(next, WRITING)
      },
    })
    client.onConnect = () => this.world.scheduler.after(next, 0)
    client.connect(parseIpv4(VIP), SERVICE_PORT)
  }
}

/**
 * IPVS between real sockets: a client, a director with virtual services, two real servers behind it.
 *
 *   client 10.0.0.2 ── 10.0.0.1 director 10.1.1.1 ── 10.1.1.2 one
 *                                        10.1.2.1 ── 10.1.2.2 two
 */
import { expect } from 'vitest'
import { Netns } from '../../src/net/netns.ts'
import type { Ipvs } from '../../src/netfilter/ipvs/ipvs.ts'
import { Forward, type ServiceSpec } from '../../src/netfilter/ipvs/service.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import { Sockets } from '../../src/socket/sockets.ts'
import type { TcpSocket } from '../../src/socket/tcp/socket.ts'
import { formatIpv4, type Ipv4, parseIpv4 } from '../../src/wire/address.ts'
import { defaultRoute, join, newWorld } from './network.ts'

export const VIP = parseIpv4('10.0.0.1')
export const ONE = parseIpv4('10.1.1.2')
export const TWO = parseIpv4('10.1.2.2')
export const TCP = 6
export const UDP = 17

export class Balanced {
  readonly world = newWorld()
  readonly client = new Netns(this.world, 'client')
  readonly director = new Netns(this.world, 'director')
  readonly one = new Netns(this.world, 'one')
  readonly two = new Netns(this.world, 'two')
  readonly ipvs: Ipvs

  constructor() {
    const { world, client, director, one, two } = this
    join(world, client, '10.0.0.2/24', director, '10.0.0.1/24', ['eth0', 'out'])
    join(world, one, '10.1.1.2/24', director, '10.1.1.1/24', ['eth0', 'in1'])
    join(world, two, '10.1.2.2/24', director, '10.1.2.1/24', ['eth0', 'in2'])
    director.sysctl.set('net.ipv4.ip_forward', '1')
    defaultRoute(client, '10.0.0.1')
    defaultRoute(one, '10.1.1.1')
    defaultRoute(two, '10.1.2.1')
    this.ipvs = director.netfilter.ipvs
    director.sysctl.hasIpvs = true
  }

  run(seconds = 0.5): void {
    this.world.scheduler.run(this.world.scheduler.now + seconds * SECOND)
  }

  /** Everything ends, and no frame is left. */
  end(): void {
    this.run(1000)
    expect(this.world.frames.inUse).toBe(0)
  }

  /** A round-robin service for TCP port 80 unless it is told otherwise. */
  add(spec: Partial<ServiceSpec> = {}, servers: readonly Ipv4[] = [ONE, TWO], port = 8080): ServiceSpec {
    const service: ServiceSpec = {
      protocol: TCP,
      address: VIP,
      port: 80,
      mark: 0,
      scheduler: 'rr',
      persistence: 0,
      netmask: -1 as Ipv4,
      onePacket: false,
      flags: 0,
      ...spec,
    }
    expect(this.ipvs.addService(service)).toBeNull()
    for (const address of servers) {
      const server = { address, port, weight: 1, forward: Forward.MASQUERADE, upper: 0, lower: 0 }
      expect(this.ipvs.addServer(service, server)).toBeNull()
    }
    return service
  }

  /** Answers every connection with its namespace's name; whom it heard from. */
  serve(netns: Netns, port = 8080): string[] {
    const heard: string[] = []
    const socket = Sockets.of(netns).tcp()
    socket.bind(0 as Ipv4, port)
    const listener = socket.listen(16)
    if (typeof listener === 'string') throw new Error(listener)
    listener.onAccept = (peer) => {
      heard.push(formatIpv4(peer.remoteAddress))
      peer.write(new TextEncoder().encode(netns.name))
    }
    return heard
  }

  /** The same for datagrams. */
  echo(netns: Netns, port: number): void {
    const socket = Sockets.of(netns).udp()
    socket.bind(0 as Ipv4, port)
    socket.onDatagram = (_payload, from, fromPort) => {
      socket.sendTo(new TextEncoder().encode(netns.name), from, fromPort)
    }
  }

  connect(from: Netns = this.client, to: Ipv4 = VIP, port = 80): TcpSocket {
    const socket = Sockets.of(from).tcp()
    socket.connect(to, port)
    return socket
  }

  read(socket: TcpSocket): string {
    const bytes = new Uint8Array(100)
    const length = socket.read(bytes)
    return new TextDecoder().decode(bytes.subarray(0, Math.max(0, length)))
  }

  /** Who answers one connection, or what went wrong. */
  ask(from: Netns = this.client, to: Ipv4 = VIP, port = 80): string {
    const socket = this.connect(from, to, port)
    let error: string | null = null
    socket.onClose = (why) => {
      error = why
    }
    this.run()
    const answer = this.read(socket)
    socket.close()
    this.run(0.1)
    return error ?? answer
  }
}

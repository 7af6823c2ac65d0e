/**
 * Where drops are provoked: a host of two cables, with bare ends into which any bytes can be put.
 *
 *   far ── eth0 host 10.9.0.2          eth1 10.9.1.2 ── beyond
 */
import { expect } from 'vitest'
import { type DropReasonName, dropReasonNames } from '../../src/link/drop-reason.ts'
import { Veth } from '../../src/link/veth.ts'
import type { World } from '../../src/link/world.ts'
import { Netns } from '../../src/net/netns.ts'
import { type Route, route } from '../../src/net/route.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import { Sockets } from '../../src/socket/sockets.ts'
import { type Mac, parseCidr, parseIpv4, parseMac } from '../../src/wire/address.ts'
import * as ethernet from '../../src/wire/ethernet.ts'
import { inEthernet, inIpv4 } from '../support/packets.ts'
import { frameOf, Inbox, testWorld } from '../support/world.ts'

export const HOST = parseIpv4('10.9.0.2')
export const PEER = parseIpv4('10.9.0.1')
export const FAR_MAC = parseMac('02:00:00:00:00:0a')
export const HOST_MAC = parseMac('02:00:00:00:00:0b')
const NEXT_MAC = parseMac('02:00:00:00:01:0b')
const BEYOND_MAC = parseMac('02:00:00:00:01:0c')

export class Site {
  readonly world: World = testWorld()
  readonly host: Netns
  readonly eth0: Veth
  readonly eth1: Veth
  readonly far: Veth
  readonly beyond: Veth
  /** `reason in place`, in their order. */
  readonly drops: string[] = []

  constructor() {
    const { world } = this
    this.host = new Netns(world, 'host')
    ;[this.eth0, this.far] = Veth.pair(world, 'eth0', HOST_MAC, 'far', FAR_MAC)
    ;[this.eth1, this.beyond] = Veth.pair(world, 'eth1', NEXT_MAC, 'beyond', BEYOND_MAC)
    for (const end of [this.far, this.beyond]) {
      end.receiver = new Inbox(world)
      end.up = true
    }
    for (const [device, address] of [
      [this.eth0, HOST],
      [this.eth1, parseIpv4('10.9.1.2')],
    ] as const) {
      this.host.adopt(device)
      this.host.addAddress(device, address, 24)
      this.host.setUp(device)
    }
    this.host.neighbours.add(this.eth0, PEER, FAR_MAC, 'PERMANENT')
    Sockets.of(this.host)
    world.frames.dropTap = (_frame, reason, where) => this.drops.push(`${dropReasonNames[reason]} in ${where}`)
  }

  set(name: string, value: number | string): void {
    this.host.sysctl.set(name, String(value))
  }

  forwards(): void {
    this.set('net.ipv4.ip_forward', 1)
  }

  route(destination: string, fields: Partial<Route>): void {
    this.host.main.add(route({ ...fields, destination: parseCidr(destination) }))
  }

  rule(rule: string): void {
    this.host.netfilter.iptables(rule.split(' '))
  }

  run(seconds = 0.1): void {
    this.world.scheduler.run(this.world.scheduler.now + seconds * SECOND)
  }

  /** The bytes of a frame come in by eth0. */
  arrives(bytes: Uint8Array): void {
    this.far.send(frameOf(this.world, bytes))
    this.run()
  }

  /** An IPv4 packet of the peer, for the host itself unless told otherwise. */
  ip(
    protocol: number,
    rest: Uint8Array,
    to = '10.9.0.2',
    fields: { ttl?: number; fragment?: number; id?: number } = {},
  ) {
    this.packet(inIpv4(PEER, parseIpv4(to), protocol, rest, { fragment: 0, ...fields }))
  }

  packet(bytes: Uint8Array, to: Mac = HOST_MAC): void {
    this.arrives(inEthernet(to, FAR_MAC, ethernet.ETH_P_IP, bytes))
  }

  end(): void {
    this.run(700)
    expect(this.world.frames.inUse).toBe(0)
  }
}

/** What is done, and where exactly frames end because of it. */
export interface Scene {
  readonly where: string
  play(site: Site): void
}

export type Scenes = Partial<Record<DropReasonName, Scene>>

export function scene(where: string, play: (site: Site) => void): Scene {
  return { where, play }
}

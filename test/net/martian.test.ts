/** Martians. Which packets are, and what the log says, was seen on a Linux 6.18 kernel with the same packets. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { NetDevice } from '../../src/link/device.ts'
import type { World } from '../../src/link/world.ts'
import { Netns } from '../../src/net/netns.ts'
import { route } from '../../src/net/route.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import { parseCidr, parseIpv4 } from '../../src/wire/address.ts'
import * as ethernet from '../../src/wire/ethernet.ts'
import * as icmp from '../../src/wire/icmp.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import { join, newWorld } from './network.ts'

let world: World
let host: Netns
let eth0: NetDevice
let far: NetDevice

beforeEach(() => {
  world = newWorld()
  host = new Netns(world, 'host')
  const [a, b] = join(world, host, '10.77.0.2/24', new Netns(world, 'peer'), '10.77.0.1/24')
  eth0 = a
  far = b
  host.sysctl.set('net.ipv4.conf.eth0.log_martians', '1')
})

afterEach(() => {
  world.scheduler.run(world.scheduler.now + 10 * SECOND)
  expect(world.frames.inUse).toBe(0)
})

/** An echo request comes in by eth0; what the log says of it. */
function arrives(source: string, destination: string): string[] {
  const frame = world.frames.take()
  const message = frame.start
  frame.end = message + icmp.HEADER + 8
  frame.bytes.fill(0x61, message, frame.end)
  icmp.write(frame.bytes, message, frame.end, icmp.ECHO_REQUEST, 0, 1, 1)
  const at = frame.push(ipv4.HEADER)
  const total = frame.end - at
  ipv4.write(frame.bytes, at, total, parseIpv4(source), parseIpv4(destination), ipv4.IPPROTO_ICMP, 64, 0, 1, 0)
  ethernet.write(frame.bytes, frame.push(ethernet.HEADER), eth0.mac, far.mac, ethernet.ETH_P_IP)
  const before = host.kernelLog.list().length
  far.send(frame)
  world.scheduler.run(world.scheduler.now + SECOND)
  return host.kernelLog
    .list()
    .slice(before)
    .map(({ text }) => text)
}

function set(values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) host.sysctl.set(`net.ipv4.conf.eth0.${name}`, String(value))
}

function header(): string {
  const bytes = [...eth0.mac, ...far.mac, 8, 0].map((byte) => byte.toString(16).padStart(2, '0'))
  return `ll header: 00000000: ${bytes.join(' ')}`
}

const source = (from: string, to: string) => [`IPv4: martian source ${to} from ${from}, on dev eth0`, header()]
const destination = (from: string, to: string) => [`IPv4: martian destination ${to} from ${from}, dev eth0`]

describe('of a host without reverse path filter', () => {
  it.each([
    ['127.0.0.5', '10.77.0.2', source],
    ['10.77.0.1', '127.0.0.1', destination],
    ['127.0.0.5', '127.0.0.1', destination],
    ['10.77.0.2', '10.77.0.2', source],
    ['10.77.0.255', '10.77.0.2', null],
    ['0.0.0.0', '10.77.0.2', source],
    ['0.1.2.3', '10.77.0.2', null],
    ['10.77.0.1', '0.0.0.0', destination],
    ['224.1.1.1', '10.77.0.2', source],
    ['255.255.255.255', '10.77.0.2', source],
    ['240.0.0.1', '10.77.0.2', null],
    ['10.77.0.1', '240.0.0.1', null],
    ['99.1.1.1', '10.77.0.2', null],
    // No route is asked for what is not for us and not to be forwarded.
    ['10.77.0.2', '8.8.8.8', null],
    ['127.0.0.1', '8.8.8.8', source],
    ['224.0.0.1', '8.8.8.8', source],
    ['10.77.0.2', '10.77.0.255', source],
    ['10.77.0.2', '255.255.255.255', source],
    ['127.0.0.1', '255.255.255.255', source],
    ['127.0.0.5', '255.255.255.255', null],
    ['0.0.0.0', '10.77.0.255', source],
    ['0.0.0.0', '0.0.0.0', null],
    ['0.0.0.0', '255.255.255.255', null],
    ['224.0.0.1', '255.255.255.255', source],
  ] as const)('%s to %s', (from, to, said) => {
    expect(arrives(from, to)).toEqual(said === null ? [] : said(from, to))
    expect(host.counters.ipReversePathFilter).toBe(0)
  })
})

describe('with the strict reverse path filter', () => {
  it.each([
    ['99.1.1.1', '10.77.0.2', 1],
    ['99.1.1.1', '10.77.0.255', 1],
    ['127.0.0.9', '255.255.255.255', 0],
    ['10.77.0.255', '10.77.0.2', 0],
    ['10.77.0.2', '10.77.0.2', 0],
  ] as const)('%s to %s; what has no way back is counted, %i', (from, to, counted) => {
    set({ rp_filter: 1 })
    expect(arrives(from, to)).toEqual(source(from, to))
    expect(host.counters.ipReversePathFilter).toBe(counted)
  })

  it('our own address is let in by accept_local, and loopback is still not behind eth0', () => {
    set({ rp_filter: 1, accept_local: 1, route_localnet: 1 })
    expect(arrives('10.77.0.2', '10.77.0.2')).toEqual([])
    expect(arrives('127.0.0.5', '10.77.0.2')).toEqual(source('127.0.0.5', '10.77.0.2'))
  })
})

it('route_localnet lets loopback in, but for the address that is really here', () => {
  set({ route_localnet: 1 })
  expect(arrives('127.0.0.1', '10.77.0.2')).toEqual(source('127.0.0.1', '10.77.0.2'))
  expect(arrives('127.0.0.5', '10.77.0.2')).toEqual([])
  expect(arrives('10.77.0.1', '127.0.0.1')).toEqual([])
})

it('a router asks of what it forwards, not of what it has no way for', () => {
  set({ forwarding: 1 })
  expect(arrives('10.77.0.2', '8.8.8.8')).toEqual([])
  const gateway = parseIpv4('10.77.0.77')
  host.main.add(route({ destination: parseCidr('8.8.8.0/24'), gateway, device: eth0 }))
  expect(arrives('10.77.0.2', '8.8.8.8')).toEqual(source('10.77.0.2', '8.8.8.8'))
})

it('says nothing without log_martians, and no more than the network may say', () => {
  set({ log_martians: 0 })
  expect(arrives('127.0.0.5', '10.77.0.2')).toEqual([])
  host.sysctl.set('net.ipv4.conf.all.log_martians', '1')
  host.sysctl.set('net.core.message_cost', '60')
  for (let i = 0; i < 12; i++) expect(arrives('127.0.0.5', '10.77.0.2').length).toBe(i < 10 ? 2 : 0)
})

it('a table without room for another neighbour says so', () => {
  for (const number of [1, 2, 3]) host.sysctl.set(`net.ipv4.neigh.default.gc_thresh${number}`, '2')
  for (let last = 10; last < 14; last++) {
    const frame = world.frames.take()
    frame.end = frame.start + 8
    host.send(frame, parseIpv4('10.77.0.2'), parseIpv4(`10.77.0.${last}`), ipv4.IPPROTO_UDP, 64, 0, 1, 0)
  }
  expect(host.kernelLog.list().map(({ text }) => text)).toEqual([
    'neighbour: arp_cache: neighbor table overflow!',
    'neighbour: arp_cache: neighbor table overflow!',
  ])
})

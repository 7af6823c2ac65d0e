/** What a host does with ICMP messages, and what it counts: as a Linux 6.18 kernel did with the same messages. */

import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { procFile } from '../../src/host/proc.ts'
import type { NetDevice } from '../../src/link/device.ts'
import type { World } from '../../src/link/world.ts'
import { Netns } from '../../src/net/netns.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import { Sockets } from '../../src/socket/sockets.ts'
import { parseIpv4 } from '../../src/wire/address.ts'
import { checksum } from '../../src/wire/checksum.ts'
import * as ethernet from '../../src/wire/ethernet.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import { bytesOf, hexOf } from '../support/bytes.ts'
import { join, newWorld } from './network.ts'

let world: World
let host: Netns
let peer: Netns
let far: NetDevice
let eth0: NetDevice

beforeEach(() => {
  world = newWorld()
  // 12:34:56 UT.
  world.epochSeconds = 1_767_225_600 + 45_296
  host = new Netns(world, 'host')
  peer = new Netns(world, 'peer')
  const [a, b] = join(world, host, '10.77.0.2/24', peer, '10.77.0.1/24')
  eth0 = a
  far = b
  Sockets.of(host)
})

afterEach(() => {
  world.scheduler.run(world.scheduler.now + 40 * SECOND)
  expect(world.frames.inUse).toBe(0)
})

/** The message comes in by eth0; the ICMP messages that go out, as `type code id sequence data` in hexadecimal. */
function hears(message: string, destination = '10.77.0.2', sound = true): string[] {
  const heard: string[] = []
  far.tap = (frame, _device, direction) => {
    if (direction === 'in' && frame.bytes[frame.start + 23] === ipv4.IPPROTO_ICMP) {
      heard.push(hexOf(frame.bytes.slice(frame.start + 34, frame.end)))
    }
  }
  const bytes = bytesOf(message)
  if (sound) {
    bytes.fill(0, 2, 4)
    const sum = checksum(bytes, 0, bytes.length)
    bytes[2] = sum >> 8
    bytes[3] = sum
  }
  const frame = world.frames.take(bytes.length)
  frame.end = frame.start + bytes.length
  frame.bytes.set(bytes, frame.start)
  const at = frame.push(ipv4.HEADER)
  const [from, to] = [parseIpv4('10.77.0.1'), parseIpv4(destination)]
  ipv4.write(frame.bytes, at, frame.end - at, from, to, ipv4.IPPROTO_ICMP, 64, 0, 1, 0)
  ethernet.write(frame.bytes, frame.push(ethernet.HEADER), eth0.mac, far.mac, ethernet.ETH_P_IP)
  far.send(frame)
  world.scheduler.run(world.scheduler.now + SECOND)
  far.tap = null
  return heard.map((each) => `${each.slice(0, 4)} ${each.slice(8)}`)
}

/** Of /proc/net/snmp: what is not 0. */
function counted(title: string): Record<string, number> {
  const lines = (procFile(host, '/proc/net/snmp') ?? '').split('\n').filter((line) => line.startsWith(`${title}: `))
  if (lines.length === 0) return {}
  const [names, values] = lines.map((line) => line.split(' ').slice(1))
  return Object.fromEntries(names.map((name, i) => [name, Number(values[i])] as const).filter(([, value]) => value > 0))
}

/** 10.77.0.2 to somebody, UDP from 4660 to 22136, as an error quotes it. */
function quoted(destination: string, payload = '12345678000c0000'): string {
  const bytes = new Uint8Array(ipv4.HEADER + payload.length / 2)
  const [from, to] = [parseIpv4('10.77.0.2'), parseIpv4(destination)]
  ipv4.write(bytes, 0, bytes.length, from, to, ipv4.IPPROTO_UDP, 64, 0, 1, 0)
  bytes.set(bytesOf(payload), ipv4.HEADER)
  return hexOf(bytes)
}

const TS = '0d00000000070009'
/** 12:34:56 in milliseconds, and what passes on the wire and while ARP asks. */
const NOON = 45_296_000

describe('requests', () => {
  it('a timestamp is answered with the time of day, twice', () => {
    const [answer] = hears(`${TS}0001e2400000000000000000`)
    expect(answer).toBe(`0e00 000700090001e240${NOON.toString(16).padStart(8, '0').repeat(2)}`)
    world.scheduler.run(world.scheduler.now + 1.5 * SECOND)
    const later = (NOON + 2500).toString(16).padStart(8, '0')
    expect(hears(`${TS}0001e240`)).toEqual([`0e00 000700090001e240${later}${later}`])
    expect(hears(`0d01000000070009${'0001e240'.repeat(4)}`)[0]).toMatch(/^0e00 000700090001e240/)
    // The replies count as echo replies.
    expect(counted('IcmpMsg')).toEqual({ InType13: 3, OutType0: 3 })
    expect(counted('Icmp')).toEqual({ InMsgs: 3, InTimestamps: 3, OutMsgs: 3, OutEchoReps: 3 })
  })

  it('one that is too short is an error', () => {
    expect(hears(`${TS}616263`)).toEqual([])
    expect(counted('Icmp')).toEqual({ InMsgs: 1, InErrors: 1, InTimestamps: 1 })
  })

  it('of what is sent to all, only echos and timestamps are answered, and only if asked to', () => {
    expect(hears(`${TS}0001e240`, '10.77.0.255')).toEqual([])
    expect(hears('0800000000070009', '10.77.0.255')).toEqual([])
    expect(hears('0f00000000070009', '10.77.0.255')).toEqual([])
    expect(hears('110000000007000900000000', '10.77.0.255')).toEqual([])
    expect(counted('Icmp')).toEqual({ InMsgs: 4, InErrors: 3, InEchos: 1, InTimestamps: 1, InAddrMasks: 1 })
    host.sysctl.set('net.ipv4.icmp_echo_ignore_broadcasts', '0')
    expect(hears(`${TS}0001e240`, '10.77.0.255')[0]).toMatch(/^0e00 000700090001e240/)
    expect(hears('0800000000070009', '10.77.0.255')).toEqual(['0000 00070009'])
  })

  it('an echo comes back with its code; icmp_echo_ignore_all keeps quiet about echos only', () => {
    expect(hears('0805000000070009aabb')).toEqual(['0005 00070009aabb'])
    host.sysctl.set('net.ipv4.icmp_echo_ignore_all', '1')
    expect(hears('0800000000070009')).toEqual([])
    expect(hears(`${TS}0001e240`).length).toBe(1)
    expect(counted('Icmp')).toEqual({ InMsgs: 3, InEchos: 2, InTimestamps: 1, OutMsgs: 2, OutEchoReps: 2 })
  })

  it.each([
    ['address mask', '110000000007000900000000', 'InAddrMasks', 17, 0],
    ['information request', '0f00000000070009', null, 15, 0],
    ['type 99', '6300000000070009', null, 99, 1],
    ['type 1', '0100000000070009', null, 1, 0],
    ['source quench without a packet', '0400000000070009', 'InSrcQuenchs', 4, 1],
    ['router advertisement', '0900000000070009', null, 9, 0],
    ['extended echo', '2a00000000070009', null, 42, 0],
  ] as const)('%s is only counted', (_name, message, counter, type, errors) => {
    expect(hears(message)).toEqual([])
    const expected: Record<string, number> = { InMsgs: 1 }
    if (errors > 0) expected.InErrors = errors
    if (counter !== null) expected[counter] = 1
    expect(counted('Icmp')).toEqual(expected)
    expect(counted('IcmpMsg')).toEqual({ [`InType${type}`]: 1 })
  })

  it('a wrong checksum is counted twice, a message without its header once', () => {
    hears('0800000000070009', '10.77.0.2', false)
    hears('080000000007')
    expect(counted('Icmp')).toEqual({ InMsgs: 2, InErrors: 2, InCsumErrors: 1 })
  })
})

describe('errors', () => {
  it.each([
    ['about a datagram of nobody', `0301000000000000${quoted('10.77.0.1')}`, 1],
    ['about a broadcast', `0301000000000000${quoted('10.77.0.255')}`, 1],
    ['that quotes two bytes of UDP', `0301000000000000${quoted('10.77.0.1', '1234')}`, 1],
    ['that quotes no whole IP header', `0301000000000000${'45'.repeat(12)}`, 1],
    ['of an unknown code', `0310000000000000${quoted('10.77.0.1')}`, 0],
    ['parameter problem', `0c00000014000000${quoted('10.77.0.1')}`, 1],
    ['a redirect that quotes nothing', '0500000000010002616263', 1],
    ['type 7', '0700000000010002616263', 0],
  ] as const)('%s', (_name, message, errors) => {
    expect(hears(message)).toEqual([])
    expect(counted('Icmp').InErrors ?? 0).toBe(errors)
    expect(host.kernelLog.list()).toEqual([])
  })

  it('icmp_ignore_bogus_error_responses=0: one about a broadcast is told, and not believed', () => {
    host.sysctl.set('net.ipv4.icmp_ignore_bogus_error_responses', '0')
    hears(`0301000000000000${quoted('10.77.0.255')}`)
    hears(`0301000000000000${quoted('10.77.0.1')}`)
    expect(counted('Icmp')).toEqual({ InMsgs: 2, InErrors: 1, InDestUnreachs: 2 })
    expect(host.kernelLog.list().map(({ text }) => text)).toEqual([
      'icmp: 10.77.0.1 sent an invalid ICMP type 3, code 1 error to a broadcast: 10.77.0.255 on eth0',
    ])
  })

  it('a parameter problem reaches the socket that sent the datagram', () => {
    const socket = Sockets.of(host).udp()
    const errors: string[] = []
    socket.onError = (errno) => errors.push(errno)
    socket.bind(parseIpv4('10.77.0.2'), 0x1234)
    socket.connect(parseIpv4('10.77.0.1'), 0x5678)
    hears(`0c00000014000000${quoted('10.77.0.1')}`)
    hears(`0400000000000000${quoted('10.77.0.1')}`)
    expect(errors).toEqual(['EPROTO'])
    socket.close()
  })

  it('come from the address the packet came in by, with icmp_errors_use_inbound_ifaddr', () => {
    const [other, behind] = join(world, host, '10.78.0.2/24', peer, '10.78.0.1/24', ['eth1', 'eth1'])
    host.sysctl.set('net.ipv4.ip_forward', '1')
    const sources: string[] = []
    behind.tap = (frame, _device, direction) => {
      const at = frame.start + 26
      if (direction === 'in' && frame.bytes[frame.start + 23] === 1)
        sources.push([...frame.bytes.slice(at, at + 4)].join('.'))
    }
    const ask = (destination: string, ttl: number) => {
      const frame = world.frames.take()
      frame.end = frame.start + 12
      frame.bytes.set(bytesOf('12345678000c000061626364'), frame.start)
      const at = frame.push(ipv4.HEADER)
      const [from, to] = [parseIpv4('10.78.0.1'), parseIpv4(destination)]
      ipv4.write(frame.bytes, at, frame.end - at, from, to, ipv4.IPPROTO_UDP, ttl, 0, 1, 0)
      ethernet.write(frame.bytes, frame.push(ethernet.HEADER), eth0.mac, far.mac, ethernet.ETH_P_IP)
      far.send(frame)
      world.scheduler.run(world.scheduler.now + 5 * SECOND)
      return sources.splice(0)
    }
    expect(ask('9.9.9.9', 9)).toEqual(['10.78.0.2'])
    expect(ask('10.77.0.88', 1)).toEqual(['10.78.0.2'])
    host.sysctl.set('net.ipv4.icmp_errors_use_inbound_ifaddr', '1')
    expect(ask('9.9.9.9', 9)).toEqual(['10.77.0.2'])
    expect(ask('10.77.0.88', 1)).toEqual(['10.77.0.2'])
    // What was for us is answered from the address it was for.
    expect(ask('10.78.0.2', 9)).toEqual(['10.78.0.2'])
    expect(other.up).toBe(true)
  })
})

it('takes any bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.boolean(), (bytes, sound) => {
      hears(hexOf(bytes), '10.77.0.2', sound && bytes.length >= 4)
      hears(hexOf(bytes), '10.77.0.255', sound && bytes.length >= 4)
    }),
    { numRuns: 300 },
  )
})

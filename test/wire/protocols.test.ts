/**
 * Three tests for each protocol: bytes that Linux sent are read field by field, the writer makes the same bytes
 * in a buffer full of 0xa5, and what is too short or contradicts itself is refused.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatIpv4, formatMac, parseIpv4, parseMac } from '../../src/wire/address.ts'
import * as arp from '../../src/wire/arp.ts'
import { viewOf } from '../../src/wire/bytes.ts'
import * as ethernet from '../../src/wire/ethernet.ts'
import * as icmp from '../../src/wire/icmp.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import * as tcp from '../../src/wire/tcp.ts'
import * as udp from '../../src/wire/udp.ts'
import * as vxlan from '../../src/wire/vxlan.ts'
import { bytesOf, dirty, hexOf } from '../support/bytes.ts'

const client = parseIpv4('10.244.1.2')
const service = parseIpv4('10.96.0.80')

describe('Ethernet', () => {
  const real = bytesOf('0a580af40103 0a580af40102 0800')

  test('reads', () => {
    expect(ethernet.valid(0, real.length)).toBe(true)
    expect(formatMac(real, ethernet.DESTINATION)).toBe('0a:58:0a:f4:01:03')
    expect(formatMac(real, ethernet.SOURCE)).toBe('0a:58:0a:f4:01:02')
    expect(ethernet.type(real, 0)).toBe(ethernet.ETH_P_IP)
    expect(ethernet.isGroup(real, 0)).toBe(false)
    expect(ethernet.isBroadcast(bytesOf('ffffffffffff'), 0)).toBe(true)
    expect(ethernet.isGroup(bytesOf('01005e000016'), 0)).toBe(true)
    expect(ethernet.isBroadcast(bytesOf('fffffffffffe'), 0)).toBe(false)
  })

  test('writes', () => {
    const bytes = dirty(14)
    ethernet.write(bytes, 0, parseMac('0a:58:0a:f4:01:03'), parseMac('0a:58:0a:f4:01:02'), ethernet.ETH_P_IP)
    expect(hexOf(bytes)).toBe(hexOf(real))
  })

  test('refuses what is short', () => {
    expect(ethernet.valid(0, 13)).toBe(false)
  })
})

describe('ARP', () => {
  const real = bytesOf('0001 0800 06 04 0002 5254c0a80e0c c0a80e0c 5254c0a80e0b c0a80e0b')

  test('reads', () => {
    expect(arp.valid(real, 0, real.length)).toBe(true)
    expect(arp.operation(real, 0)).toBe(arp.REPLY)
    expect(formatMac(real, arp.SENDER_MAC)).toBe('52:54:c0:a8:0e:0c')
    expect(formatIpv4(arp.sender(real, 0))).toBe('192.168.14.12')
    expect(formatMac(real, arp.TARGET_MAC)).toBe('52:54:c0:a8:0e:0b')
    expect(formatIpv4(arp.target(real, 0))).toBe('192.168.14.11')
  })

  test('writes', () => {
    const bytes = dirty(28)
    const [sender, target] = [parseMac('52:54:c0:a8:0e:0c'), parseMac('52:54:c0:a8:0e:0b')]
    arp.write(bytes, 0, arp.REPLY, sender, parseIpv4('192.168.14.12'), target, parseIpv4('192.168.14.11'))
    expect(hexOf(bytes)).toBe(hexOf(real))
  })

  test('refuses what is short, or about something other than IPv4 over Ethernet', () => {
    expect(arp.valid(real, 0, 27)).toBe(false)
    for (const at of [1, 3, 4, 5]) {
      const other = real.slice()
      other[at] ^= 1
      expect(arp.valid(other, 0, other.length)).toBe(false)
    }
  })
})

describe('IPv4', () => {
  const real = bytesOf('4500 003c a664 4000 4006 7db2 0af40102 0a600050')
  const total = 60

  test('reads', () => {
    const packet = new Uint8Array(total)
    packet.set(real)
    expect(ipv4.valid(packet, 0, total)).toBe(true)
    expect(ipv4.headerLength(real, 0)).toBe(20)
    expect(ipv4.totalLength(real, 0)).toBe(total)
    expect(ipv4.tos(real, 0)).toBe(0)
    expect(ipv4.identification(real, 0)).toBe(0xa664)
    expect(ipv4.dontFragment(real, 0)).toBe(true)
    expect(ipv4.isFragment(real, 0)).toBe(false)
    expect(ipv4.ttl(real, 0)).toBe(64)
    expect(ipv4.protocol(real, 0)).toBe(ipv4.IPPROTO_TCP)
    expect(ipv4.source(real, 0)).toBe(client)
    expect(ipv4.destination(real, 0)).toBe(service)
  })

  test('reads a fragment', () => {
    const last = bytesOf('4500 001b acdd 00b2 4001 b467 0af40102 0af40202 88898a8b8c8d8e')
    expect(ipv4.valid(last, 0, last.length)).toBe(true)
    expect(ipv4.isFragment(last, 0)).toBe(true)
    expect(ipv4.fragmentOffset(last, 0)).toBe(1424)
    expect(ipv4.dontFragment(last, 0)).toBe(false)
  })

  test('writes', () => {
    const bytes = dirty(20)
    ipv4.write(bytes, 0, total, client, service, ipv4.IPPROTO_TCP, 64, 0, 0xa664, ipv4.DF)
    expect(hexOf(bytes)).toBe(hexOf(real))
  })

  test('changes a field and keeps the checksum right', () => {
    const pod = parseIpv4('10.244.2.2')
    const changes: ((bytes: Uint8Array) => void)[] = [
      (bytes) => ipv4.decrementTtl(viewOf(bytes), 0),
      (bytes) => ipv4.setSource(bytes, 0, pod),
      (bytes) => ipv4.setDestination(bytes, 0, pod),
      (bytes) => ipv4.setLengthAndFragment(bytes, 0, 40, ipv4.MF | 3),
    ]
    const packet = new Uint8Array(total)
    packet.set(real)
    for (const change of changes) {
      change(packet)
      expect(ipv4.valid(packet, 0, total)).toBe(true)
    }
    expect(ipv4.ttl(packet, 0)).toBe(63)
    expect(ipv4.source(packet, 0)).toBe(pod)
    expect(ipv4.destination(packet, 0)).toBe(pod)
    expect(ipv4.totalLength(packet, 0)).toBe(40)
    expect(ipv4.fragmentOffset(packet, 0)).toBe(24)
  })

  test('refuses what is short, contradicts itself or has a wrong checksum', () => {
    const packet = new Uint8Array(total)
    packet.set(real)
    expect(ipv4.valid(packet, 0, 19)).toBe(false)
    expect(ipv4.valid(packet, 0, 59)).toBe(false)
    for (const [at, value] of [
      [0, 0x65],
      [0, 0x44],
      [3, 19],
      [8, 63],
      [10, 0],
    ]) {
      const wrong = packet.slice()
      wrong[at] = value
      expect(ipv4.valid(wrong, 0, total)).toBe(false)
    }
  })
})

describe('ICMP', () => {
  const real = bytesOf(`0800 4cf0 1e90 0001 c553016b00000000feec080000000000
    101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637`)

  test('reads', () => {
    expect(icmp.valid(real, 0, real.length)).toBe(true)
    expect(icmp.type(real, 0)).toBe(icmp.ECHO_REQUEST)
    expect(icmp.code(real, 0)).toBe(0)
    expect(icmp.identifier(real, 0)).toBe(7824)
    expect(icmp.sequence(real, 0)).toBe(1)
    expect(icmp.isError(icmp.ECHO_REQUEST)).toBe(false)
    expect(icmp.isError(icmp.TIME_EXCEEDED)).toBe(true)
  })

  test('writes', () => {
    const bytes = dirty(real.length)
    bytes.set(real.subarray(8), 8)
    icmp.write(bytes, 0, bytes.length, icmp.ECHO_REQUEST, 0, 7824, 1)
    expect(hexOf(bytes)).toBe(hexOf(real))
  })

  test('refuses what is short or has a wrong checksum', () => {
    expect(icmp.valid(real, 0, 7)).toBe(false)
    expect(icmp.valid(real, 0, real.length - 1)).toBe(false)
  })
})

describe('UDP', () => {
  const real = bytesOf(`bd33 14e9 0028 7fd5
    00070e151c232a31383f464d545b626970777e858c939aa1a8afb6bdc4cbd2d9`)

  test('reads', () => {
    expect(udp.valid(real, 0, real.length)).toBe(true)
    expect(udp.sourcePort(real, 0)).toBe(48_435)
    expect(udp.destinationPort(real, 0)).toBe(5353)
    expect(udp.length(real, 0)).toBe(40)
    expect(udp.checksumOk(real, 0, client, service)).toBe(true)
  })

  test('writes', () => {
    const bytes = dirty(real.length)
    bytes.set(real.subarray(8), 8)
    udp.write(bytes, 0, bytes.length, client, service, 48_435, 5353)
    expect(hexOf(bytes)).toBe(hexOf(real))
  })

  test('takes a zero checksum for none, and never sends one that it computed', () => {
    const without = real.slice()
    without.fill(0, udp.CHECKSUM, udp.CHECKSUM + 2)
    expect(udp.checksumOk(without, 0, client, service)).toBe(true)
    // The two bytes of data are chosen so that the sum is ffff.
    const bytes = new Uint8Array(10)
    udp.write(bytes, 0, 10, client, service, 1, 2)
    bytes.set([bytes[6], bytes[7]], 8)
    udp.write(bytes, 0, 10, client, service, 1, 2)
    expect(hexOf(bytes.subarray(6, 8))).toBe('ffff')
    expect(udp.checksumOk(bytes, 0, client, service)).toBe(true)
  })

  test('refuses what is short, and knows a wrong checksum', () => {
    expect(udp.valid(real, 0, 7)).toBe(false)
    expect(udp.valid(real, 0, 39)).toBe(false)
    expect(udp.valid(bytesOf('0001 0002 0007 0000'), 0, 8)).toBe(false)
    const wrong = real.slice()
    wrong[20] ^= 1
    expect(udp.checksumOk(wrong, 0, client, service)).toBe(false)
  })
})

describe('TCP', () => {
  const real = bytesOf(`90ca 0050 1f30b525 00000000 a002 fd5c 4042 0000
    0204 0582 0402 080a 78d715a6 00000000 01 030307`)

  test('reads', () => {
    expect(tcp.valid(real, 0, real.length)).toBe(true)
    expect(tcp.sourcePort(real, 0)).toBe(37_066)
    expect(tcp.destinationPort(real, 0)).toBe(80)
    expect(tcp.sequence(real, 0)).toBe(523_285_797)
    expect(tcp.acknowledgment(real, 0)).toBe(0)
    expect(tcp.headerLength(real, 0)).toBe(40)
    expect(tcp.flags(real, 0)).toBe(tcp.SYN)
    expect(tcp.window(real, 0)).toBe(64_860)
    expect(tcp.urgent(real, 0)).toBe(0)
    expect(tcp.checksumOk(real, 0, real.length, client, service)).toBe(true)
  })

  test('writes', () => {
    const bytes = dirty(real.length)
    bytes.set(real.subarray(20), 20)
    tcp.write(bytes, 0, bytes.length, 40, client, service, 37_066, 80, 523_285_797, 0, tcp.SYN, 64_860)
    expect(hexOf(bytes)).toBe(hexOf(real))
  })

  test('refuses what is short, and knows a wrong checksum', () => {
    expect(tcp.valid(real, 0, 19)).toBe(false)
    expect(tcp.valid(real, 0, 39)).toBe(false)
    const wrong = real.slice()
    wrong[12] = 0x40
    expect(tcp.valid(wrong, 0, wrong.length)).toBe(false)
    expect(tcp.checksumOk(wrong, 0, wrong.length, client, service)).toBe(false)
  })

  test('orders sequence numbers on a circle', () => {
    expect(tcp.before(0xfffffff0 | 0, 5)).toBe(true)
    expect(tcp.after(5, 0xfffffff0 | 0)).toBe(true)
    expect(tcp.before(5, 5)).toBe(false)
    const number = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
    fc.assert(
      fc.property(number, fc.integer({ min: 1, max: 2 ** 31 - 1 }), (from, distance) => {
        const to = (from + distance) | 0
        return tcp.before(from, to) && tcp.after(to, from) && !tcp.before(to, from)
      }),
    )
  })
})

describe('VXLAN', () => {
  const real = bytesOf('08000000 00000100')

  test('reads', () => {
    expect(vxlan.valid(real, 0, 8)).toBe(true)
    expect(vxlan.vni(real, 0)).toBe(1)
    expect(vxlan.vni(bytesOf('08000000 ffffff00'), 0)).toBe(0xffffff)
  })

  test('writes', () => {
    const bytes = dirty(8)
    vxlan.write(bytes, 0, 1)
    expect(hexOf(bytes)).toBe(hexOf(real))
  })

  test('refuses what is short or has reserved bits set', () => {
    expect(vxlan.valid(real, 0, 7)).toBe(false)
    for (const at of [0, 1, 2, 3, 7]) {
      const wrong = real.slice()
      wrong[at] ^= 0x08
      expect(vxlan.valid(wrong, 0, 8)).toBe(false)
    }
  })
})

test('any bytes are valid or not, and nothing throws', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(90), (bytes, end) => {
      const stop = Math.min(end, bytes.length)
      for (const protocol of [arp, ipv4, icmp, udp, tcp, vxlan]) {
        expect(typeof protocol.valid(bytes, 0, stop)).toBe('boolean')
      }
    }),
  )
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { changesBetween } from '../../src/explain/changes.ts'
import { headersOf, summary } from '../../src/explain/headers.ts'
import { parseIpv4 } from '../../src/wire/address.ts'
import * as ethernet from '../../src/wire/ethernet.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import * as packets from '../support/packets.ts'

const { alice, bob } = packets
const node1 = parseIpv4('192.168.14.51')
const node2 = parseIpv4('192.168.14.52')

function datagram(ttl = 64, to = bob.address, port = 53): Uint8Array {
  const udp = packets.datagram(alice.address, to, 4000, port, packets.payload(20))
  const ip = packets.inIpv4(alice.address, to, ipv4.IPPROTO_UDP, udp, { ttl })
  return packets.inEthernet(bob.mac, alice.mac, ethernet.ETH_P_IP, ip)
}

function tunnelled(inner: Uint8Array): Uint8Array {
  return packets.inVxlan({ mac: bob.mac, address: node2 }, { mac: alice.mac, address: node1 }, 8472, 1, inner)
}

const between = (before: Uint8Array, after: Uint8Array) => {
  const [was, is] = [headersOf(before), headersOf(after)]
  if (was === null || is === null) throw new Error('no headers')
  return changesBetween(was, is)
}

describe('what a hop changed', () => {
  it('is nothing for the same headers', () => {
    expect(between(datagram(), datagram())).toEqual([])
    expect(between(tunnelled(datagram()), tunnelled(datagram()))).toEqual([])
  })

  it('is each field that differs', () => {
    expect(between(datagram(64, parseIpv4('10.96.0.10')), datagram(63, bob.address, 1053))).toEqual([
      { field: 'destination', before: '10.96.0.10:53', after: '10.244.1.3:1053' },
      { field: 'TTL', before: '64', after: '63' },
    ])
  })

  it('is a tunnel around the packet, and what else changed inside', () => {
    const tunnel = 'VXLAN 1 in UDP 192.168.14.51:45921 → 192.168.14.52:8472 (50 bytes)'
    expect(between(datagram(64), tunnelled(datagram(63)))).toEqual([
      { field: 'encapsulation', before: null, after: tunnel },
      { field: 'TTL', before: '64', after: '63' },
    ])
    expect(between(tunnelled(datagram()), datagram())).toEqual([
      { field: 'encapsulation', before: tunnel, after: null },
    ])
    expect(between(tunnelled(datagram(64)), tunnelled(datagram(63)))).toEqual([
      { field: 'inner TTL', before: '64', after: '63' },
    ])
  })
})

describe('a summary', () => {
  it('is of what the tunnel holds', () => {
    expect(summary(headersOf(tunnelled(datagram())))).toBe('DNS query 10.244.1.2:4000 → 10.244.1.3:53')
    expect(summary(headersOf(datagram(64, bob.address, 80)))).toBe('UDP 10.244.1.2:4000 → 10.244.1.3:80')
  })
})

it('any bytes have a summary, and can be compared', () => {
  const any = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.uint8Array({ maxLength: 120 }).map((tail) => {
      const whole = tunnelled(datagram())
      whole.set(tail.subarray(0, whole.length - 14), 14)
      return whole
    }),
    fc.nat(140).map((length) => tunnelled(datagram()).subarray(0, length)),
  )
  fc.assert(
    fc.property(any, any, (a, b) => {
      const [was, is] = [headersOf(a), headersOf(b)]
      expect(summary(was).length).toBeGreaterThan(5)
      if (was !== null && is !== null) changesBetween(was, is)
    }),
  )
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  BROADCAST,
  broadcastOf,
  cidrOf,
  compareIpv4,
  contains,
  formatCidr,
  formatIpv4,
  formatMac,
  ipv4,
  isLoopback,
  isMulticast,
  macOf,
  mask,
  nth,
  parseCidr,
  parseIpv4,
  parseMac,
  sameMac,
  tryParseCidr,
  tryParseInterfaceAddress,
  tryParseIpv4,
  tryParseMac,
} from '../../src/wire/address.ts'

const address = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }).map(ipv4)

describe('an IPv4 address', () => {
  test('is a signed number, first octet highest', () => {
    expect(parseIpv4('10.244.1.2')).toBe(0x0af40102)
    expect(parseIpv4('255.255.255.255')).toBe(BROADCAST)
    expect(formatIpv4(parseIpv4('192.168.14.11'))).toBe('192.168.14.11')
  })

  test('survives text and back', () => {
    fc.assert(fc.property(address, (value) => parseIpv4(formatIpv4(value)) === value))
  })

  test.each(['', '10.1.2', '10.1.2.3.4', '256.1.1.1', '01.2.3.4', '1.2.3.-4', '1.2.3.4 ', 'a.b.c.d', '1..2.3'])(
    'is not %j',
    (text) => {
      expect(tryParseIpv4(text)).toBeNull()
      expect(() => parseIpv4(text)).toThrow('is not an IPv4 address')
    },
  )

  test('sorts as an unsigned number', () => {
    const sorted = ['200.0.0.1', '10.0.0.1', '127.0.0.1'].map(parseIpv4).sort(compareIpv4).map(formatIpv4)
    expect(sorted).toEqual(['10.0.0.1', '127.0.0.1', '200.0.0.1'])
  })

  test('knows its kind', () => {
    expect(isMulticast(parseIpv4('224.0.0.22'))).toBe(true)
    expect(isMulticast(parseIpv4('240.0.0.1'))).toBe(false)
    expect(isLoopback(parseIpv4('127.8.9.10'))).toBe(true)
    expect(isLoopback(parseIpv4('128.0.0.1'))).toBe(false)
  })
})

describe('a network', () => {
  test('drops the host bits that its text has', () => {
    expect(formatCidr(parseCidr('10.244.1.77/24'))).toBe('10.244.1.0/24')
    expect(formatCidr(parseCidr('10.0.0.7'))).toBe('10.0.0.7/32')
    expect(tryParseInterfaceAddress('10.244.1.77/24')).toEqual({ address: parseIpv4('10.244.1.77'), prefix: 24 })
    expect(['10.0.0.0/33', '10.0.0.0/', '10.0.0/8', '/8'].map(tryParseCidr)).toEqual([null, null, null, null])
  })

  test('has a mask, a broadcast address and numbered hosts', () => {
    expect(formatIpv4(mask(0))).toBe('0.0.0.0')
    expect(formatIpv4(mask(20))).toBe('255.255.240.0')
    expect(formatIpv4(mask(32))).toBe('255.255.255.255')
    expect(formatIpv4(broadcastOf(parseCidr('10.244.1.0/24')))).toBe('10.244.1.255')
    expect(formatIpv4(nth(parseCidr('10.244.1.0/24'), 2))).toBe('10.244.1.2')
  })

  test('contains exactly the addresses between its first and its last', () => {
    fc.assert(
      fc.property(address, fc.integer({ min: 0, max: 32 }), address, (base, prefix, other) => {
        const cidr = cidrOf(base, prefix)
        const inside = other >>> 0 >= cidr.network >>> 0 && other >>> 0 <= broadcastOf(cidr) >>> 0
        return contains(cidr, other) === inside && contains(cidr, base)
      }),
    )
  })
})

describe('a MAC address', () => {
  test('survives text and back', () => {
    expect(formatMac(parseMac('0A:58:0a:f4:01:02'))).toBe('0a:58:0a:f4:01:02')
    expect(formatMac(macOf(0x0a, 0x58, parseIpv4('10.244.1.2')))).toBe('0a:58:0a:f4:01:02')
    expect(['', '0a:58', '0a-58-0a-f4-01-02', '0a:58:0a:f4:01:0g'].map(tryParseMac)).toEqual([null, null, null, null])
    expect(() => parseMac('nonsense')).toThrow('is not a MAC address')
  })

  test('is compared byte by byte', () => {
    const one = parseMac('0a:58:0a:f4:01:02')
    for (let i = 0; i < 6; i++) {
      const other = one.slice()
      other[i] ^= 1
      expect(sameMac(one, 0, other, 0)).toBe(false)
    }
    expect(sameMac(one, 0, one.slice(), 0)).toBe(true)
  })
})

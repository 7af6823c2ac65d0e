import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type DnsMessage, dnsMessage, ipv6Bytes } from '../../src/host/dns-message.ts'
import { encodeMessage } from '../../src/host/dns-writer.ts'
import { decodeMessage } from '../../src/host/resolver.ts'
import { parseIpv4 } from '../../src/wire/address.ts'
import { hexOf } from '../support/bytes.ts'

const address = parseIpv4('10.96.0.80')
const hello: DnsMessage = dnsMessage({
  id: 0x3786,
  response: true,
  authoritative: true,
  recursionDesired: true,
  questions: [{ name: 'hello.default.svc.cluster.local', type: 'A', class: 'IN' }],
  answers: [{ name: 'hello.default.svc.cluster.local', ttl: 30, data: { type: 'A', address } }],
})

describe('writing messages', () => {
  it('points back to the name of the question when compressing: 65 bytes', () => {
    const bytes = encodeMessage(hello, { compress: true })
    const question = '0568656c6c6f0764656661756c740373766307636c7573746572056c6f63616c0000010001'
    expect(hexOf(bytes)).toBe(`378685000001000100000000${question}c00c000100010000001e00040a600050`)
    expect(bytes).toHaveLength(65)
  })

  it('writes every name out otherwise: 96 bytes', () => {
    expect(encodeMessage(hello)).toHaveLength(96)
  })

  it('points into the middle of names', () => {
    const names = { primary: 'ns.dns.cluster.local', mailbox: 'hostmaster.cluster.local' }
    const times = { serial: 1, refresh: 7200, retry: 1800, expire: 86400, minimum: 30 }
    const denial = dnsMessage({
      questions: [{ name: 'nosuch.cluster.local', type: 'A', class: 'IN' }],
      authorities: [{ name: 'cluster.local', ttl: 30, data: { type: 'SOA', ...names, ...times } }],
    })
    const bytes = encodeMessage(denial, { compress: true })
    expect(hexOf(bytes.subarray(38, 40))).toBe('c013') // "cluster.local" stands 7 bytes into the name at 12
    expect(decodeMessage(bytes)).toEqual(denial)
  })

  it('refuses names that cannot exist', () => {
    const asking = (name: string) => dnsMessage({ questions: [{ name, type: 'A', class: 'IN' }] })
    expect(() => encodeMessage(asking(`${'a'.repeat(64)}.local`))).toThrow(RangeError)
    expect(() => encodeMessage(asking('a..b'))).toThrow(RangeError)
    expect(() => encodeMessage(asking('abcdefg.'.repeat(32).slice(0, -1)))).toThrow(RangeError)
  })
})

describe('reading messages', () => {
  it('reads what was written, compressed or not', () => {
    const target = 'a-1.web.default.svc.cluster.local'
    const message = dnsMessage({
      id: 7,
      response: true,
      questions: [{ name: 'x.cluster.local', type: 'ANY', class: 'IN' }],
      answers: [
        { name: 'x.cluster.local', ttl: 5, data: { type: 'CNAME', target } },
        { name: target, ttl: 5, data: { type: 'AAAA', address: 'fd00:10:96::80' } },
        { name: target, ttl: 5, data: { type: 'SRV', priority: 0, weight: 33, port: 80, target } },
        { name: 'x.cluster.local', ttl: 5, data: { type: 'TXT', texts: ['1.1.0', 'b'] } },
        { name: 'x.cluster.local', ttl: 5, data: { type: 'MX', preference: 10, target } },
        { name: 'x.cluster.local', ttl: 5, data: { type: 'OTHER', code: 65, bytes: Uint8Array.of(1, 2, 3) } },
      ],
      edns: { size: 1232, version: 0, dnssecOk: true, options: [{ code: 10, bytes: Uint8Array.of(1, 2) }] },
    })
    expect(decodeMessage(encodeMessage(message))).toEqual(message)
    expect(decodeMessage(encodeMessage(message, { compress: true }))).toEqual(message)
  })

  it('takes any bytes without failing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.boolean(), (noise, likely) => {
        const header = Uint8Array.of(0, 1, 0x81, 0, 0, 1, 0, 1, 0, 0, 0, 1)
        const bytes = likely ? Uint8Array.of(...header, ...noise) : noise
        const message = decodeMessage(bytes)
        expect(message === null || message.questions.length < 100).toBe(true)
      }),
      { numRuns: 3000 },
    )
  })

  it('survives one wrong byte anywhere', () => {
    const bytes = encodeMessage(hello, { compress: true })
    for (let at = 0; at < bytes.length; at++) {
      for (const value of [0, 1, 0x3f, 0x40, 0xc0, 0xff]) {
        const broken = Uint8Array.from(bytes)
        broken[at] = value
        expect(() => decodeMessage(broken)).not.toThrow()
      }
    }
  })

  it('reads IPv6 addresses in text', () => {
    expect(hexOf(ipv6Bytes('fd00:10:96::80') ?? new Uint8Array(0))).toBe('fd000010009600000000000000000080')
    expect(ipv6Bytes('::')).toEqual(new Uint8Array(16))
    for (const wrong of ['1::2::3', '1:2:3', '12345::', '10.96.0.80', '1:2:3:4:5:6:7:8:9'])
      expect(ipv6Bytes(wrong)).toBeNull()
  })
})

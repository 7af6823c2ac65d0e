import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { dnsMessage } from '../../src/host/dns-message.ts'
import { recordLine } from '../../src/host/dns-text.ts'
import { encodeMessage } from '../../src/host/dns-writer.ts'
import { nameServerReply, nameTable, parseRecord } from '../../src/host/name-server.ts'
import { decodeMessage } from '../../src/host/resolver.ts'

const table = nameTable({
  'www.example.com': ['203.0.113.10', '2001:db8::1'],
  'docs.example.com': 'CNAME www.example.com',
  'deep.x.example.com': '60 203.0.113.11',
  'example.com': ['MX 10 mail.example.com', 'TXT hello world', 'SRV 0 5 443 www.example.com'],
})

function ask(name: string, type = 'A') {
  const query = encodeMessage(dnsMessage({ id: 5, recursionDesired: true, questions: [{ name, type, class: 'IN' }] }))
  const reply = decodeMessage(nameServerReply(table, query, 'udp') as Uint8Array)
  if (reply === null) throw new Error('no reply')
  const lines = [...reply.answers, ...reply.authorities].map((record) =>
    recordLine(record)
      .trimEnd()
      .replaceAll(/[\t ]+/g, ' '),
  )
  return { rcode: reply.rcode, ra: reply.recursionAvailable, aa: reply.authoritative, lines }
}

describe('a name server outside', () => {
  it('answers with what it has, behind aliases too, in the spelling of the question', () => {
    expect(ask('WWW.example.com')).toEqual({
      rcode: 0,
      ra: true,
      aa: false,
      lines: ['WWW.example.com. 300 IN A 203.0.113.10'],
    })
    expect(ask('docs.example.com').lines).toEqual([
      'docs.example.com. 300 IN CNAME www.example.com.',
      'www.example.com. 300 IN A 203.0.113.10',
    ])
    expect(ask('example.com', 'MX').lines).toEqual(['example.com. 300 IN MX 10 mail.example.com.'])
    expect(ask('10.113.0.203.in-addr.arpa', 'PTR').lines).toEqual([
      '10.113.0.203.in-addr.arpa. 300 IN PTR www.example.com.',
    ])
  })

  it('denies with the SOA of the zone, or of the root', () => {
    const zone = 'example.com. 300 IN SOA ns.example.com. hostmaster.example.com. 2026010100 1800 900 604800 300'
    expect(ask('nosuch.example.com')).toMatchObject({ rcode: 3, lines: [zone] })
    expect(ask('x.example.com')).toMatchObject({ rcode: 0, lines: [zone] })
    expect(ask('www.example.com', 'TXT')).toMatchObject({ rcode: 0, lines: [zone] })
    expect(ask('a.b.cluster.local')).toMatchObject({ rcode: 3 })
    expect(ask('a.b.cluster.local').lines[0]).toMatch(/^\. 300 IN SOA a\.root-servers\.net\. /)
  })

  it('knows a record when it sees one', () => {
    for (const good of ['10.0.0.1', '60 A 10.0.0.1', 'aaaa ::1', 'CNAME x.', 'MX 1 x', 'TXT "a b"', 'PTR x', 'NS x'])
      expect(parseRecord('n', good), good).not.toBeNull()
    for (const bad of ['', 'A', 'A x', 'CNAME', 'MX x', '10.0.0.1 10.0.0.2', 'SRV 1 x', 'LOC 1', '10.0.0.256'])
      expect(parseRecord('n', bad), bad).toBeNull()
  })

  it('takes any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const reply = nameServerReply(table, bytes, 'udp')
        expect(reply === null || reply.length <= 1232).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })
})

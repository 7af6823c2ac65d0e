import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DnsMessage, dnsMessage } from '../../../src/host/dns-message.ts'
import { recordLine } from '../../../src/host/dns-text.ts'
import { encodeMessage } from '../../../src/host/dns-writer.ts'
import { decodeMessage } from '../../../src/host/resolver.ts'
import { type DnsLab, dnsLab } from './lab.ts'

const SOA =
  'cluster.local.\t\t30\tIN\tSOA\tns.dns.cluster.local. hostmaster.cluster.local. 1700000000 7200 1800 86400 30\n'

let net: DnsLab
beforeAll(() => {
  net = dnsLab()
  net.start()
})
afterAll(() => net.end())

function query(name: string, type = 'A', fields: Partial<DnsMessage> = {}): Uint8Array {
  return encodeMessage(
    dnsMessage({ id: 1, recursionDesired: true, questions: [{ name, type, class: 'IN' }], ...fields }),
  )
}

async function ask(name: string, type = 'A', fields: Partial<DnsMessage> = {}) {
  const bytes = await net.exchange(query(name, type, fields))
  const message = bytes === null ? null : decodeMessage(bytes)
  if (bytes === null || message === null) throw new Error('no reply')
  return {
    message,
    size: bytes.length,
    answers: message.answers.map((record) =>
      recordLine(record)
        .trimEnd()
        .replaceAll(/[\t ]+/g, ' '),
    ),
    authorities: message.authorities.map(recordLine),
  }
}

async function addresses(name: string): Promise<string[]> {
  return (await ask(name)).answers.map((line) => line.split(' ').at(-1) as string)
}

describe('Services', () => {
  it('answers with the cluster address, uncompressed because it fits', async () => {
    const { message, answers, size } = await ask('hello.default.svc.cluster.local')
    expect(answers).toEqual(['hello.default.svc.cluster.local. 30 IN A 10.96.0.80'])
    expect(message).toMatchObject({ authoritative: true, recursionDesired: true, recursionAvailable: false, rcode: 0 })
    expect(size).toBe(96)
  })

  it('answers in the case of the question', async () => {
    expect((await ask('Hello.default.svc.CLUSTER.local')).answers[0]).toMatch(/^Hello\.default\.svc\.CLUSTER\.local\. /)
  })

  it('has no IPv6 addresses: no data, but the name exists', async () => {
    const { message, authorities, size } = await ask('hello.default.svc.cluster.local', 'AAAA')
    expect(message).toMatchObject({ rcode: 0, answers: [] })
    expect(authorities).toEqual([SOA])
    expect(size).toBe(49 + 93)
  })

  it('denies names that do not exist', async () => {
    for (const name of [
      'nosuch.default.svc.cluster.local',
      'hello.nosuch.svc.cluster.local',
      'hello.svc.cluster.local',
      'hello.cluster.local',
      'a.b.c.hello.default.svc.cluster.local',
      'empty.default.svc.cluster.local',
    ]) {
      const { message, authorities } = await ask(name)
      expect([name, message.rcode, message.authoritative, authorities]).toEqual([name, 3, true, [SOA]])
    }
  })

  it('has nothing at the names in between', async () => {
    for (const name of ['cluster.local', 'svc.cluster.local', 'default.svc.cluster.local']) {
      expect((await ask(name)).message).toMatchObject({ rcode: 0, answers: [] })
    }
    expect((await ask('cluster.local', 'SOA')).message.answers.map(recordLine)).toEqual([SOA])
  })

  it('gives every ready endpoint of a headless Service, in changing order', async () => {
    const seen = new Set<string>()
    for (let i = 0; i < 20; i++) {
      const found = await addresses('db.default.svc.cluster.local')
      expect([...found].sort()).toEqual(['10.244.1.3', '10.244.2.3'])
      seen.add(found.join())
    }
    expect(seen.size).toBe(2)
    expect(await addresses('written.default.svc.cluster.local')).toEqual(['192.168.123.234'])
  })

  it('knows endpoints by host name or dashed address', async () => {
    expect(await addresses('db-0.db.default.svc.cluster.local')).toEqual(['10.244.1.3'])
    expect(await addresses('10-244-2-3.db.default.svc.cluster.local')).toEqual(['10.244.2.3'])
    expect(await addresses('10-244-1-2.hello.default.svc.cluster.local')).toEqual(['10.244.1.2'])
    expect((await ask('10-244-1-3.db.default.svc.cluster.local')).message.rcode).toBe(3)
  })

  it('resolves dashed pod addresses, taken or not', async () => {
    expect(await addresses('10-9-8-7.default.pod.cluster.local')).toEqual(['10.9.8.7'])
    expect((await ask('10-9-8.default.pod.cluster.local')).message.rcode).toBe(3)
    expect((await ask('10-9-8-7.nosuch.pod.cluster.local')).message.rcode).toBe(3)
  })

  it('gives ports and targets with SRV', async () => {
    const { answers, message } = await ask('_http._tcp.db.default.svc.cluster.local', 'SRV')
    const name = '_http._tcp.db.default.svc.cluster.local.'
    expect(answers.sort()).toEqual([
      `${name} 30 IN SRV 0 50 8080 10-244-2-3.db.default.svc.cluster.local.`,
      `${name} 30 IN SRV 0 50 8080 db-0.db.default.svc.cluster.local.`,
    ])
    expect(message.additionals).toHaveLength(2)
    expect((await ask('_http._tcp.hello.default.svc.cluster.local', 'SRV')).answers).toEqual([
      '_http._tcp.hello.default.svc.cluster.local. 30 IN SRV 0 100 80 hello.default.svc.cluster.local.',
    ])
    expect((await ask('_http._udp.hello.default.svc.cluster.local', 'SRV')).message.rcode).toBe(3)
  })

  it('points back from addresses', async () => {
    const target = async (name: string) => (await ask(name, 'PTR')).answers.map((line) => line.split(' ').at(-1))
    expect(await target('80.0.96.10.in-addr.arpa')).toEqual(['hello.default.svc.cluster.local.'])
    expect(await target('3.1.244.10.in-addr.arpa')).toEqual(['db-0.db.default.svc.cluster.local.'])
    expect(await target('2.1.244.10.in-addr.arpa')).toEqual(['10-244-1-2.hello.default.svc.cluster.local.'])
    expect((await ask('1.1.1.1.in-addr.arpa', 'PTR')).message).toMatchObject({ rcode: 3, authoritative: false })
  })

  it('gives an alias for ExternalName, with the address outside', async () => {
    const alias = 'numbers.default.svc.cluster.local. 30 IN CNAME raw.example.com.'
    expect((await ask('numbers.default.svc.cluster.local')).answers).toEqual([
      alias,
      'raw.example.com. 30 IN A 203.0.113.10',
    ])
    expect((await ask('numbers.default.svc.cluster.local', 'AAAA')).answers).toEqual([alias])
    expect((await ask('lost.default.svc.cluster.local')).message).toMatchObject({
      rcode: 0,
      answers: [{ data: { type: 'CNAME' } }],
    })
    expect(await addresses('other-name.default.svc.cluster.local')).toEqual([
      'hello.default.svc.cluster.local.',
      '10.96.0.80',
    ])
  })
})

describe('names outside the cluster', () => {
  it('come from what the topology declares, and the second time out of the cache, with aa', async () => {
    const { message, answers } = await ask('www.example.com')
    expect(answers).toEqual(['www.example.com. 30 IN A 203.0.113.11'])
    expect(message).toMatchObject({ authoritative: false, recursionAvailable: true })
    expect((await ask('www.example.com')).message).toMatchObject({ authoritative: true, recursionAvailable: true })
    expect((await ask('raw.example.com', 'AAAA')).message).toMatchObject({ rcode: 0, answers: [], authorities: [] })
  })

  it('do not exist otherwise', async () => {
    expect((await ask('nosuch')).message).toMatchObject({ rcode: 3, authorities: [], recursionAvailable: true })
    expect((await ask('notcluster.local')).message.authoritative).toBe(false)
  })
})

describe('size', () => {
  it('compresses what would not fit, and cuts what still does not', async () => {
    const { message, size } = await ask('many.default.svc.cluster.local')
    expect(message.truncated).toBe(true)
    // 12 header + 36 question, then 16 for each address
    expect(message.answers).toHaveLength(Math.floor((512 - 48) / 16))
    expect(size).toBeLessThanOrEqual(512)
  })

  it('respects what the client takes, and sends its OPT record back', async () => {
    const cookie = { code: 10, bytes: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) }
    const unknown = { code: 65001, bytes: Uint8Array.of(1) }
    const edns = { size: 1232, version: 0, dnssecOk: false, options: [cookie, unknown] }
    const { message } = await ask('many.default.svc.cluster.local', 'A', { edns })
    expect(message.truncated).toBe(false)
    expect(message.answers).toHaveLength(40)
    expect(message.edns).toEqual({ ...edns, options: [cookie] })
  })

  it('has no limit in TCP', async () => {
    const bytes = await net.exchangeTcp(query('many.default.svc.cluster.local'))
    expect(bytes).toHaveLength(48 + 40 * 46)
  })
})

describe('strange queries', () => {
  const rcodeOf = async (bytes: Uint8Array) => {
    const reply = await net.exchange(bytes)
    return reply === null ? null : reply[3] & 15
  }

  it('are refused as CoreDNS refuses them', async () => {
    const name = 'hello.default.svc.cluster.local'
    expect(await rcodeOf(Uint8Array.of(1, 2, 3))).toBeNull()
    expect(await rcodeOf(query(name, 'A', { response: true }))).toBeNull()
    expect(await rcodeOf(query(name, 'A', { opcode: 2 }))).toBe(4)
    expect(await rcodeOf(query(name, 'A', { questions: [] }))).toBe(1)
    expect(await rcodeOf(query(name).slice(0, 20))).toBe(1)
    expect(await rcodeOf(query(name).slice(0, 12))).toBe(2)
    expect(await rcodeOf(query(name, 'AXFR'))).toBe(5)
    expect((await ask(name, 'TYPE65')).message).toMatchObject({ rcode: 0, answers: [] })
    expect((await ask(name, 'ANY')).message).toMatchObject({ rcode: 0, answers: [] })
    expect((await ask(name, 'MX')).message).toMatchObject({ rcode: 0, answers: [] })
  })

  it('of another class are answered where forward lets them in, and refused where it does not', async () => {
    // EnableChaos in core/dnsserver/server.go: chaos and forward open a server for all classes.
    const question = { name: 'hello.default.svc.cluster.local', type: 'A', class: 'CH' }
    expect(await rcodeOf(query(question.name, 'A', { questions: [question] }))).toBe(0)
    const closed = dnsLab({ corefile: '. {\n kubernetes cluster.local\n}\n' })
    closed.start()
    const reply = await closed.exchange(query(question.name, 'A', { questions: [question] }))
    expect((reply as Uint8Array)[3] & 15).toBe(5)
    await closed.end()
  })

  it('about TXT and SOA never deny a name', async () => {
    // The plugin looks nothing up for them (plugin/kubernetes: Services, ServeDNS).
    for (const type of ['TXT', 'SOA'])
      expect((await ask('nosuch.default.svc.cluster.local', type)).message).toMatchObject({ rcode: 0, answers: [] })
    expect((await ask('dns-version.cluster.local', 'TXT')).message.answers[0].data).toMatchObject({ texts: ['1.1.0'] })
  })

  it('never stop the server', async () => {
    const good = query('hello.default.svc.cluster.local')
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), fc.nat(good.length), async (noise, at) => {
        const bytes = Uint8Array.of(...good.slice(0, at), ...noise)
        expect((await net.exchange(bytes, 1_000_000))?.length ?? 512).toBeLessThanOrEqual(512)
      }),
      { numRuns: 1000 },
    )
  })
})

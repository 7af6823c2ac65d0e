import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type DnsMessage, dnsMessage, encodeMessage } from '../../src/host/dns-message.ts'
import { recordLine } from '../../src/host/dns-text.ts'
import { decodeMessage } from '../../src/host/resolver.ts'
import { coreDnsReply } from '../../src/kube/coredns.ts'
import { type ObjectSource, StoreRecords } from '../../src/kube/coredns-records.ts'
import { CoreDnsZone } from '../../src/kube/coredns-zone.ts'
import type { KubeObject } from '../../src/kube/objects.ts'
import { Random } from '../../src/sim/random.ts'
import { parseIpv4 } from '../../src/wire/address.ts'

const SOA =
  'cluster.local.\t\t30\tIN\tSOA\tns.dns.cluster.local. hostmaster.cluster.local. 1700000000 7200 1800 86400 30\n'

function object(kind: string, namespace: string | null, name: string, rest: object = {}, labels = {}): KubeObject {
  return { apiVersion: 'v1', kind, metadata: { name, labels, ...(namespace === null ? {} : { namespace }) }, ...rest }
}

const http = { name: 'http', protocol: 'TCP', port: 80, targetPort: 8080 }

function slice(
  service: string,
  endpoints: object[],
  ports: object[] = [{ name: 'http', protocol: 'TCP', port: 8080 }],
) {
  const labels = { 'kubernetes.io/service-name': service }
  return object('EndpointSlice', 'default', `${service}-x`, { addressType: 'IPv4', endpoints, ports }, labels)
}

const many = Array.from({ length: 40 }, (_, i) => ({ addresses: [`10.244.9.${i + 1}`], conditions: { ready: true } }))

const objects: readonly KubeObject[] = [
  object('Namespace', null, 'default'),
  object('Namespace', null, 'kube-system'),
  object('Service', 'kube-system', 'kube-dns', {
    spec: { type: 'ClusterIP', clusterIP: '10.96.0.10', ports: [{ name: 'dns', protocol: 'UDP', port: 53 }] },
  }),
  object('Service', 'default', 'hello', { spec: { type: 'ClusterIP', clusterIP: '10.96.0.80', ports: [http] } }),
  slice('hello', [{ addresses: ['10.244.1.2'], conditions: { ready: true } }]),
  object('Service', 'default', 'db', { spec: { type: 'ClusterIP', clusterIP: 'None', ports: [http] } }),
  slice('db', [
    { addresses: ['10.244.1.3'], conditions: { ready: true }, hostname: 'db-0' },
    { addresses: ['10.244.2.3'], conditions: { ready: true } },
    { addresses: ['10.244.2.4'], conditions: { ready: false } },
  ]),
  object('Service', 'default', 'many', { spec: { type: 'ClusterIP', clusterIP: 'None', ports: [http] } }),
  slice('many', many),
  object('Service', 'default', 'empty', { spec: { type: 'ClusterIP', clusterIP: 'None', ports: [http] } }),
  object('Service', 'default', 'numbers', { spec: { type: 'ExternalName', externalName: 'raw.example.com' } }),
  object('Service', 'default', 'lost', { spec: { type: 'ExternalName', externalName: 'nosuch.example.com' } }),
  object('Service', 'default', 'other-name', {
    spec: { type: 'ExternalName', externalName: 'hello.default.svc.cluster.local' },
  }),
  object('Service', 'default', 'written', { spec: { type: 'ClusterIP', clusterIP: 'None', ports: [http] } }),
  object('Endpoints', 'default', 'written', {
    subsets: [{ addresses: [{ ip: '192.168.123.234' }], ports: [{ port: 80 }] }],
  }),
]

const source: ObjectSource = {
  get: (kind, namespace, name) =>
    objects.find(
      (known) =>
        known.kind === kind && known.metadata.name === name && (known.metadata.namespace ?? null) === namespace,
    ) ?? null,
  list: (kind, namespace = null) =>
    objects.filter((known) => known.kind === kind && (namespace === null || known.metadata.namespace === namespace)),
}

const records = new StoreRecords(source, {
  upstream: (name) => (name === 'raw.example.com' ? [parseIpv4('203.0.113.10')] : null),
  serial: () => 1_700_000_000,
})
const zone = new CoreDnsZone(records, new Random(1))

function query(name: string, type = 'A', fields: Partial<DnsMessage> = {}): Uint8Array {
  return encodeMessage(
    dnsMessage({ id: 1, recursionDesired: true, questions: [{ name, type, class: 'IN' }], ...fields }),
  )
}

function ask(name: string, type = 'A', fields: Partial<DnsMessage> = {}) {
  const bytes = coreDnsReply(zone, query(name, type, fields), 'udp')
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

function addresses(name: string): string[] {
  return ask(name).answers.map((line) => line.split(' ').at(-1) as string)
}

describe('Services', () => {
  it('answers with the cluster address, uncompressed because it fits', () => {
    const { message, answers, size } = ask('hello.default.svc.cluster.local')
    expect(answers).toEqual(['hello.default.svc.cluster.local. 30 IN A 10.96.0.80'])
    expect(message).toMatchObject({ authoritative: true, recursionDesired: true, recursionAvailable: false, rcode: 0 })
    expect(size).toBe(96)
  })

  it('answers in the case of the question', () => {
    expect(ask('Hello.default.svc.CLUSTER.local').answers[0]).toMatch(/^Hello\.default\.svc\.CLUSTER\.local\. /)
  })

  it('has no IPv6 addresses: no data, but the name exists', () => {
    const { message, authorities, size } = ask('hello.default.svc.cluster.local', 'AAAA')
    expect(message).toMatchObject({ rcode: 0, answers: [] })
    expect(authorities).toEqual([SOA])
    expect(size).toBe(49 + 93)
  })

  it('denies names that do not exist', () => {
    for (const name of [
      'nosuch.default.svc.cluster.local',
      'hello.nosuch.svc.cluster.local',
      'hello.svc.cluster.local',
      'hello.cluster.local',
      'a.b.c.hello.default.svc.cluster.local',
      'empty.default.svc.cluster.local',
    ]) {
      const { message, authorities } = ask(name)
      expect([name, message.rcode, message.authoritative, authorities]).toEqual([name, 3, true, [SOA]])
    }
  })

  it('has nothing at the names in between', () => {
    for (const name of ['cluster.local', 'svc.cluster.local', 'default.svc.cluster.local']) {
      expect(ask(name).message).toMatchObject({ rcode: 0, answers: [] })
    }
    expect(ask('cluster.local', 'SOA').message.answers.map(recordLine)).toEqual([SOA])
  })

  it('gives every ready endpoint of a headless Service, in changing order', () => {
    const seen = new Set<string>()
    for (let i = 0; i < 20; i++) {
      const found = addresses('db.default.svc.cluster.local')
      expect([...found].sort()).toEqual(['10.244.1.3', '10.244.2.3'])
      seen.add(found.join())
    }
    expect(seen.size).toBe(2)
    expect(addresses('written.default.svc.cluster.local')).toEqual(['192.168.123.234'])
  })

  it('knows endpoints by host name or dashed address', () => {
    expect(addresses('db-0.db.default.svc.cluster.local')).toEqual(['10.244.1.3'])
    expect(addresses('10-244-2-3.db.default.svc.cluster.local')).toEqual(['10.244.2.3'])
    expect(addresses('10-244-1-2.hello.default.svc.cluster.local')).toEqual(['10.244.1.2'])
    expect(ask('10-244-1-3.db.default.svc.cluster.local').message.rcode).toBe(3)
  })

  it('resolves dashed pod addresses, taken or not', () => {
    expect(addresses('10-9-8-7.default.pod.cluster.local')).toEqual(['10.9.8.7'])
    expect(ask('10-9-8.default.pod.cluster.local').message.rcode).toBe(3)
    expect(ask('10-9-8-7.nosuch.pod.cluster.local').message.rcode).toBe(3)
  })

  it('gives ports and targets with SRV', () => {
    const { answers, message } = ask('_http._tcp.db.default.svc.cluster.local', 'SRV')
    const name = '_http._tcp.db.default.svc.cluster.local.'
    expect(answers.sort()).toEqual([
      `${name} 30 IN SRV 0 50 8080 10-244-2-3.db.default.svc.cluster.local.`,
      `${name} 30 IN SRV 0 50 8080 db-0.db.default.svc.cluster.local.`,
    ])
    expect(message.additionals).toHaveLength(2)
    expect(ask('_http._tcp.hello.default.svc.cluster.local', 'SRV').answers).toEqual([
      '_http._tcp.hello.default.svc.cluster.local. 30 IN SRV 0 100 80 hello.default.svc.cluster.local.',
    ])
    expect(ask('_http._udp.hello.default.svc.cluster.local', 'SRV').message.rcode).toBe(3)
  })

  it('points back from addresses', () => {
    const target = (name: string) => ask(name, 'PTR').answers.map((line) => line.split(' ').at(-1))
    expect(target('80.0.96.10.in-addr.arpa')).toEqual(['hello.default.svc.cluster.local.'])
    expect(target('3.1.244.10.in-addr.arpa')).toEqual(['db-0.db.default.svc.cluster.local.'])
    expect(target('2.1.244.10.in-addr.arpa')).toEqual(['10-244-1-2.hello.default.svc.cluster.local.'])
    expect(ask('1.1.1.1.in-addr.arpa', 'PTR').message).toMatchObject({ rcode: 3, authoritative: false })
  })

  it('gives an alias for ExternalName, with the address outside', () => {
    const alias = 'numbers.default.svc.cluster.local. 30 IN CNAME raw.example.com.'
    expect(ask('numbers.default.svc.cluster.local').answers).toEqual([alias, 'raw.example.com. 30 IN A 203.0.113.10'])
    expect(ask('numbers.default.svc.cluster.local', 'AAAA').answers).toEqual([alias])
    expect(ask('lost.default.svc.cluster.local').message).toMatchObject({
      rcode: 0,
      answers: [{ data: { type: 'CNAME' } }],
    })
    expect(addresses('other-name.default.svc.cluster.local')).toEqual([
      'hello.default.svc.cluster.local.',
      '10.96.0.80',
    ])
  })
})

describe('names outside the cluster', () => {
  it('come from what the topology declares, without aa', () => {
    const { message, answers } = ask('raw.example.com')
    expect(answers).toEqual(['raw.example.com. 30 IN A 203.0.113.10'])
    expect(message).toMatchObject({ authoritative: false, recursionAvailable: true })
    expect(ask('raw.example.com', 'AAAA').message).toMatchObject({ rcode: 0, answers: [], authorities: [] })
  })

  it('do not exist otherwise', () => {
    expect(ask('nosuch').message).toMatchObject({ rcode: 3, authorities: [], recursionAvailable: true })
    expect(ask('notcluster.local').message.authoritative).toBe(false)
  })
})

describe('size', () => {
  it('compresses what would not fit, and cuts what still does not', () => {
    const { message, size } = ask('many.default.svc.cluster.local')
    expect(message.truncated).toBe(true)
    // 12 header + 36 question, then 16 for each address
    expect(message.answers).toHaveLength(Math.floor((512 - 48) / 16))
    expect(size).toBeLessThanOrEqual(512)
  })

  it('respects what the client takes, and sends its OPT record back', () => {
    const cookie = { code: 10, bytes: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) }
    const unknown = { code: 65001, bytes: Uint8Array.of(1) }
    const edns = { size: 1232, version: 0, dnssecOk: false, options: [cookie, unknown] }
    const { message } = ask('many.default.svc.cluster.local', 'A', { edns })
    expect(message.truncated).toBe(false)
    expect(message.answers).toHaveLength(40)
    expect(message.edns).toEqual({ ...edns, options: [cookie] })
  })

  it('has no limit in TCP', () => {
    const bytes = coreDnsReply(zone, query('many.default.svc.cluster.local'), 'tcp')
    expect(bytes).toHaveLength(48 + 40 * 46)
  })
})

describe('strange queries', () => {
  const rcodeOf = (bytes: Uint8Array) => {
    const reply = coreDnsReply(zone, bytes, 'udp')
    return reply === null ? null : reply[3] & 15
  }

  it('are refused as CoreDNS refuses them', () => {
    const name = 'hello.default.svc.cluster.local'
    expect(rcodeOf(Uint8Array.of(1, 2, 3))).toBeNull()
    expect(rcodeOf(query(name, 'A', { response: true }))).toBeNull()
    expect(rcodeOf(query(name, 'A', { opcode: 2 }))).toBe(4)
    expect(rcodeOf(query(name, 'A', { questions: [] }))).toBe(1)
    expect(rcodeOf(query(name).slice(0, 20))).toBe(1)
    expect(rcodeOf(query(name, 'A', { questions: [{ name, type: 'A', class: 'CH' }] }))).toBe(5)
    expect(ask(name, 'TYPE65').message).toMatchObject({ rcode: 0, answers: [] })
  })

  it('never stop the server', () => {
    const good = query('hello.default.svc.cluster.local')
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(good.length), (noise, at) => {
        const bytes = Uint8Array.of(...good.slice(0, at), ...noise)
        expect(coreDnsReply(zone, bytes, 'udp')?.length ?? 512).toBeLessThanOrEqual(512)
      }),
      { numRuns: 2000 },
    )
  })
})

import { describe, expect, it } from 'vitest'
import { defaultLabZone } from '../../src/host/commands/dns-server.ts'
import { hostSources, parseHosts, parseResolvConf } from '../../src/host/dns-config.ts'
import { type DnsMessage, dnsMessage } from '../../src/host/dns-message.ts'
import { encodeMessage } from '../../src/host/dns-writer.ts'
import { type Resolved, type ResolveOptions, resolve, reverse } from '../../src/host/resolver.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import { formatIpv4, parseIpv4 } from '../../src/wire/address.ts'
import { labServer, POD_RESOLV_CONF, runWith, type Server } from '../support/resolving.ts'

const lab = labServer(defaultLabZone)

function textOf(found: Resolved): string {
  return 'error' in found ? found.error : `${found.canonical} ${found.addresses.map(formatIpv4).join(' ')}`
}

async function lookUp(name: string, server: Server = lab, options: ResolveOptions = {}, files = {}) {
  const program = async (self: Parameters<typeof resolve>[0]) => {
    self.out(textOf(await resolve(self, name, options)))
    return 0
  }
  const run = await runWith(program, ['test'], server, { '/etc/resolv.conf': POD_RESOLV_CONF, ...files })
  return { ...run, queries: run.asked.map((query) => query.text) }
}

/** A server that answers every question with these fields. */
function saying(fields: (query: DnsMessage) => Partial<DnsMessage> | null): Server {
  return (_bytes, query) => {
    const said = fields(query)
    if (said === null) return null
    return encodeMessage(dnsMessage({ id: query.id, response: true, questions: query.questions, ...said }))
  }
}

describe('configuration', () => {
  it('reads resolv.conf', () => {
    const config = parseResolvConf(`# comment\n${POD_RESOLV_CONF}options timeout:2 attempts:9\n`)
    expect(config).toEqual({
      nameservers: [parseIpv4('10.96.0.10')],
      search: ['default.svc.cluster.local', 'svc.cluster.local', 'cluster.local'],
      ndots: 5,
      timeout: 2,
      attempts: 5,
      flags: [],
    })
    expect(parseResolvConf('options rotate use-vc foo\noptions edns0 rotate\n').flags).toEqual([
      'rotate',
      'use-vc',
      'edns0',
    ])
  })

  it('falls back to this host and to its own domain', () => {
    const config = parseResolvConf('', 'node1.example.com')
    expect(config.nameservers.map(formatIpv4)).toEqual(['127.0.0.1'])
    expect(config.search).toEqual(['example.com'])
    expect(config.ndots).toBe(1)
  })

  it('reads hosts and nsswitch.conf', () => {
    expect(parseHosts('127.0.0.1\tlocalhost # me\n::1 ip6-localhost\n\n10.0.0.1\n')).toEqual([
      { address: parseIpv4('127.0.0.1'), text: '127.0.0.1', names: ['localhost'] },
      { address: null, text: '::1', names: ['ip6-localhost'] },
    ])
    expect(hostSources('passwd: files\nhosts: files mdns4 [NOTFOUND=return] dns\n')).toEqual(['files', 'mdns4', 'dns'])
  })
})

describe('glibc', () => {
  it('asks for A and AAAA from one connected socket, back to back', async () => {
    const { output, asked, queries } = await lookUp('web')
    expect(output).toBe('web.default.svc.cluster.local 10.96.0.80')
    expect(queries).toEqual(['#1 A web.default.svc.cluster.local 47', '#1 AAAA web.default.svc.cluster.local 47'])
    expect(asked.every((query) => query.at === 0 && query.connected && query.dontFragment)).toBe(true)
    expect(asked[0].bytes.slice(2, 4)).toEqual(Uint8Array.of(1, 0)) // only RD
  })

  it('walks the search list and tries the bare name last, each from a new socket', async () => {
    const { output, queries } = await lookUp('nosuch.example')
    expect(output).toBe('EAI_NONAME')
    expect(queries).toEqual([
      '#1 A nosuch.example.default.svc.cluster.local 58',
      '#1 AAAA nosuch.example.default.svc.cluster.local 58',
      '#2 A nosuch.example.svc.cluster.local 50',
      '#2 AAAA nosuch.example.svc.cluster.local 50',
      '#3 A nosuch.example.cluster.local 46',
      '#3 AAAA nosuch.example.cluster.local 46',
      '#4 A nosuch.example 32',
      '#4 AAAA nosuch.example 32',
    ])
  })

  it('asks an absolute name, or one with enough dots, as it is', async () => {
    expect((await lookUp('example.com.')).queries).toEqual(['#1 A example.com 29', '#1 AAAA example.com 29'])
    const single = { '/etc/resolv.conf': POD_RESOLV_CONF.replace('ndots:5', 'ndots:1') }
    const { queries } = await lookUp('example.com', lab, { family: 4 }, single)
    expect(queries).toEqual(['#1 A example.com 29'])
  })

  it('goes on through the list when enough dots did not help', async () => {
    const single = { '/etc/resolv.conf': POD_RESOLV_CONF.replace('ndots:5', 'ndots:1') }
    const { output, queries } = await lookUp('web.default', lab, { family: 4 }, single)
    expect(output).toBe('web.default.svc.cluster.local 10.96.0.80')
    expect(queries.map((text) => text.split(' ')[2])).toEqual([
      'web.default',
      'web.default.default.svc.cluster.local',
      'web.default.svc.cluster.local',
    ])
  })

  it('tries twice, five seconds each, and then not the rest of the list', async () => {
    const { output, queries, took } = await lookUp('web', () => null, { family: 4 })
    expect(output).toBe('EAI_AGAIN')
    expect(queries).toEqual([
      '#1 A web.default.svc.cluster.local 47',
      '#1 A web.default.svc.cluster.local 47',
      '#2 A web 21',
      '#2 A web 21',
    ])
    expect(took).toBe(20 * SECOND)
  })

  it('asks one after the other, five seconds later, when one of the pair stays unanswered', async () => {
    let lost = 0
    const { output, queries, asked } = await lookUp('web', (bytes, query) =>
      query.questions[0].type === 'AAAA' && lost++ === 0 ? null : lab(bytes, query),
    )
    expect(output).toBe('web.default.svc.cluster.local 10.96.0.80')
    expect(queries.map((text) => text.slice(0, 7))).toEqual(['#1 A we', '#1 AAAA', '#1 A we', '#1 AAAA'])
    expect(asked[2].at).toBe(5 * SECOND)
    expect(asked[3].at).toBeGreaterThan(5 * SECOND)
  })

  it('follows aliases to the canonical name', async () => {
    const address = parseIpv4('203.0.113.10')
    const server = saying((query) => ({
      answers: [
        { name: query.questions[0].name, ttl: 30, data: { type: 'CNAME', target: 'Example.com' } },
        ...(query.questions[0].type === 'A'
          ? [{ name: 'example.com', ttl: 30, data: { type: 'A' as const, address } }]
          : []),
      ],
    }))
    expect((await lookUp('numbers', server)).output).toBe('Example.com 203.0.113.10')
  })

  it('takes SERVFAIL for trouble, not for an answer', async () => {
    const { output, queries } = await lookUp(
      'web',
      saying(() => ({ rcode: 2 })),
      { family: 4 },
    )
    expect(output).toBe('EAI_AGAIN')
    expect(queries.filter((text) => text.includes('web.default.svc'))).toHaveLength(2)
  })

  it('moves on after a name without addresses', async () => {
    const { output, queries } = await lookUp(
      'web',
      saying(() => ({})),
      { family: 4 },
    )
    expect(output).toBe('EAI_NODATA')
    expect(queries).toHaveLength(4)
  })

  it('believes /etc/hosts first, and literal addresses always', async () => {
    const hosts = { '/etc/hosts': '10.244.1.2 client client.local\n' }
    const found = await lookUp('CLIENT', lab, {}, hosts)
    expect(found.output).toBe('client 10.244.1.2')
    expect(found.queries).toEqual([])
    expect((await lookUp('10.1.2.3')).output).toBe('10.1.2.3 10.1.2.3')
  })

  it('sends nothing for a name that cannot exist', async () => {
    const { output, queries } = await lookUp(`${'a'.repeat(64)}.`)
    expect(output).toBe('EAI_NONAME')
    expect(queries).toEqual([])
  })

  it('ignores replies to other questions', async () => {
    const { output } = await lookUp('web.', (bytes, query) => {
      const reply = lab(bytes, query)
      if (reply !== null) reply[1] ^= 1
      return reply
    })
    expect(output).toBe('EAI_AGAIN')
  })
})

describe('musl', () => {
  const options: ResolveOptions = { libc: 'musl' }

  it('asks from a socket that is not connected, with AD set', async () => {
    const { output, asked, queries } = await lookUp('web', lab, options)
    expect(output).toBe('web.default.svc.cluster.local 10.96.0.80')
    expect(queries).toEqual(['#1 A web.default.svc.cluster.local 47', '#1 AAAA web.default.svc.cluster.local 47'])
    expect(asked[0].connected).toBe(false)
    expect(asked[0].bytes.slice(2, 4)).toEqual(Uint8Array.of(1, 0x20))
  })

  it('is what an Alpine image has', async () => {
    const { asked } = await lookUp('web', lab, {}, { '/etc/alpine-release': '3.20.0\n' })
    expect(asked[0].connected).toBe(false)
  })

  it('passes over a search line that is too long for it', async () => {
    const search = Array.from({ length: 12 }, (_, i) => `a-rather-long-domain-${i}.example`).join(' ')
    const files = { '/etc/resolv.conf': `nameserver 10.96.0.10\nsearch ${search}\n` }
    const { queries } = await lookUp('web', lab, { libc: 'musl', family: 4 }, files)
    expect(queries).toHaveLength(1)
    expect((await lookUp('web', lab, { libc: 'glibc', family: 4 }, files)).queries).toHaveLength(13)
  })

  it('does not search at all for a name with ndots dots', async () => {
    const { output, queries } = await lookUp('a.b.c.d.e.f', lab, options)
    expect(output).toBe('EAI_NONAME')
    expect(queries).toHaveLength(2)
  })

  it('ends the search at a name without addresses', async () => {
    const { output, queries } = await lookUp(
      'web',
      saying(() => ({})),
      options,
    )
    expect(output).toBe('EAI_NODATA')
    expect(queries).toHaveLength(2)
  })

  it('asks again after half of its five seconds', async () => {
    const { output, asked, took } = await lookUp('web', () => null, { ...options, family: 4 })
    expect(output).toBe('EAI_AGAIN')
    expect(asked.map((query) => query.at)).toEqual([0, 2.5 * SECOND])
    expect(took).toBe(5 * SECOND)
  })
})

describe('reverse', () => {
  it('asks for the PTR record without the search list', async () => {
    const server = saying((query) => ({
      answers: [
        { name: query.questions[0].name, ttl: 30, data: { type: 'PTR', target: 'web.default.svc.cluster.local' } },
      ],
    }))
    const { output, asked } = await runWith(
      async (self) => {
        self.out((await reverse(self, parseIpv4('10.96.0.80'))) ?? 'nothing')
        return 0
      },
      ['test'],
      server,
    )
    expect(output).toBe('web.default.svc.cluster.local')
    expect(asked.map((query) => query.text)).toEqual(['#1 PTR 80.0.96.10.in-addr.arpa 41'])
  })
})

/** Plugins by what they do to questions on the wire, and what CoreDNS writes. */
import { describe, expect, it } from 'vitest'
import { dnsMessage } from '../../../src/host/dns-message.ts'
import { encodeMessage } from '../../../src/host/dns-writer.ts'
import { fingerprint, parseCorefile } from '../../../src/kube/coredns/corefile.ts'
import { defaultCorefile } from '../../../src/kube/system-objects.ts'
import { SECOND } from '../../../src/sim/scheduler.ts'
import { type DnsLab, type DnsLabOptions, dnsLab } from './lab.ts'

const ZONE = '203.0.113.5 www.example.org mail.example.org\n203.0.113.6 two.example.org\n203.0.113.7 two.example.org'

/** The name server outside is CoreDNS too, with a hosts file and its log on. */
function lab(options: DnsLabOptions = {}): DnsLab & { start(): ReturnType<DnsLab['start']> } {
  const net = dnsLab({ resolv: 'nameserver 10.0.0.53\n', upstream: {}, ...options })
  const { place } = net.outside
  place.files.set('/etc/coredns/Corefile', `. {\n hosts {\n ${ZONE}\n }\n log\n}\n`)
  place.spawn(['sh', '-c', 'coredns > /var/log/dns'], { out: () => {}, err: () => {} })
  return net
}

async function answers(net: DnsLab, words: string): Promise<string[]> {
  const { output } = await net.run(`dig @10.0.0.2 +noall +answer +cookie ${words}`)
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.replaceAll(/[\t ]+/g, ' '))
}

const simple = (...lines: string[]) => `. {\n${lines.map((line) => ` ${line}\n`).join('')}}\n`

describe('the Corefile', () => {
  it('has the fingerprint that real CoreDNS prints for it', () => {
    // Both are in the logs of many real clusters: kubeadm's Corefile up to 1.32, and since 1.33.
    const since = defaultCorefile('cluster.local')
    const before = since.replace(/cache 30 \{[^}]*\}/, 'cache 30')
    const print = (text: string) => fingerprint(parseCorefile(text, 'Corefile')).slice(0, 32)
    expect(print(before)).toBe('591cf328cccc12bc490481273e738df5')
    expect(print(since)).toBe('1b226df79860026c6a52e67daa10d7f0')
  })

  it.each([
    ['. {\n foo\n}', "/etc/coredns/Corefile:2 - Error during parsing: Unknown directive 'foo'"],
    [
      '. {\n template IN A\n}',
      '/etc/coredns/Corefile:2 - Error during parsing: podwire: the template plugin is not modelled',
    ],
    ['. {\n errors', "/etc/coredns/Corefile:2 - Error during parsing: Unexpected EOF, expected '}'"],
    [
      '. {\n forward .\n}',
      "plugin/forward: /etc/coredns/Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending after '.'",
    ],
    ['. {\n forward . nosuch\n}', 'plugin/forward: not an IP address or file: "nosuch"'],
    [
      '. {\n forward . 1.1.1.1 {\n  policy best\n }\n}',
      "plugin/forward: /etc/coredns/Corefile:3 - Error during parsing: unknown policy 'best'",
    ],
    [
      '. {\n kubernetes cluster.local {\n  ttl 4000\n }\n}',
      'plugin/kubernetes: /etc/coredns/Corefile:3 - Error during parsing: ttl must be in range [0, 3600]: 4000',
    ],
    [
      '. {\n cache {\n  prefetch 10\n }\n}',
      "plugin/cache: /etc/coredns/Corefile:3 - Error during parsing: podwire: cache's prefetch is not modelled",
    ],
    [
      'tls://. {\n errors\n}',
      '/etc/coredns/Corefile:2 - Error during parsing: podwire: serving tls:// is not modelled',
    ],
  ])('refuses %j', async (corefile, complaint) => {
    const net = lab({ corefile })
    expect(await net.runner.until(net.start().exit)).toBe(1)
    expect(net.log()).toBe(`${complaint}\n`)
    await net.end()
  })

  it('is said to run', async () => {
    const net = lab()
    net.start()
    await net.runner.runFor(SECOND)
    expect(net.log()).toMatch(
      /^\.:53\n\[INFO\] plugin\/reload: Running configuration SHA512 = 1b226df7[0-9a-f]{120}\nCoreDNS-1\.11\.3\nlinux\/amd64, go1\.21\.11, a6338e9\n$/,
    )
    await net.end()
  })

  it('is read again when it has changed, and kept when the new one is wrong', async () => {
    const net = lab()
    net.start()
    net.files.set('/etc/coredns/Corefile', simple('hosts {', '10.9.9.9 new.example', '}', 'reload'))
    await net.runner.runFor(46 * SECOND)
    expect(net.log()).toMatch(
      /\n\[INFO\] Reloading\n\.:53\n\[INFO\] plugin\/reload: Running .*\n\[INFO\] Reloading complete\n$/,
    )
    expect(await answers(net, 'new.example')).toEqual(['new.example. 3600 IN A 10.9.9.9'])
    net.files.set('/etc/coredns/Corefile', simple('nonsense'))
    await net.runner.runFor(46 * SECOND)
    expect(net.log()).toMatch(
      /\[ERROR\] Restart failed: .*Unknown directive 'nonsense'\n\[ERROR\] plugin\/reload: .*\n$/,
    )
    expect(await answers(net, 'new.example')).toEqual(['new.example. 3600 IN A 10.9.9.9'])
    await net.end()
  })
})

describe('forward', () => {
  it('asks the name server that resolv.conf names, from one socket as long as it is warm', async () => {
    const net = lab()
    net.start()
    await net.runner.runFor(SECOND)
    const sent: string[] = []
    await net.run('tcpdump -ni eth0 -c 4 udp port 53 > /tmp/dump & sleep 0.1', net.outside)
    expect(await answers(net, 'www.example.org')).toEqual(['www.example.org. 30 IN A 203.0.113.5'])
    expect(await answers(net, 'mail.example.org')).toEqual(['mail.example.org. 30 IN A 203.0.113.5'])
    await net.runner.runFor(SECOND)
    const dump = (await net.run('cat /tmp/dump', net.outside)).output
    for (const line of dump.split('\n'))
      sent.push(...(/10\.0\.0\.2\.(\d+) > 10\.0\.0\.53\.53/.exec(line)?.slice(1) ?? []))
    expect(sent).toHaveLength(2)
    expect(new Set(sent).size).toBe(1)
    await net.end()
  })

  it('gives the client SERVFAIL when nobody answers, and says why', async () => {
    const net = lab({ corefile: simple('errors', 'log', 'forward . 10.0.0.77') })
    net.start()
    const query = encodeMessage(
      dnsMessage({ id: 7, recursionDesired: true, questions: [{ name: 'a.example', type: 'A', class: 'IN' }] }),
    )
    const reply = await net.exchange(query, 20 * SECOND)
    expect((reply as Uint8Array)[3] & 15).toBe(2)
    expect(net.log()).toMatch(
      /\[ERROR\] plugin\/errors: 2 a\.example\. A: read udp 10\.0\.0\.2:\d+->10\.0\.0\.77:53: (i\/o timeout|read: no route to host)\n/,
    )
    expect(net.log()).toMatch(/\[INFO\] 10\.0\.0\.1:\d+ - 7 "A IN a\.example\. udp 27 false 512" - - 0 [\d.]+s\n/)
    await net.end()
  })

  it('goes round or in order, and over TCP when told', async () => {
    const corefile = simple('forward . 10.0.0.53 10.0.0.53:53 {', 'policy sequential', 'force_tcp', '}')
    const net = lab({ corefile })
    net.start()
    expect(await answers(net, 'www.example.org')).toEqual(['www.example.org. 3600 IN A 203.0.113.5'])
    const log = (await net.run('cat /var/log/dns', net.outside)).output
    expect(log).toMatch(/"A IN www\.example\.org\. tcp \d+ false 65535" NOERROR qr,aa,rd 64 /)
    await net.end()
  })

  it('finds out that it forwards to itself', async () => {
    const net = lab({ corefile: simple('loop', 'forward . 127.0.0.1') })
    expect(await net.runner.until(net.start().exit)).toBe(1)
    expect(net.log()).toMatch(
      /\[FATAL\] plugin\/loop: Loop \(127\.0\.0\.1:\d+ -> :53\) detected for zone "\.", see https:\/\/coredns\.io\/plugins\/loop#troubleshooting\. Query: "HINFO \d{19}\.\d{19}\."\n$/,
    )
    await net.end()
  })

  it('serves a stub domain of its own server block', async () => {
    const corefile = `. {\n kubernetes cluster.local\n}\nexample.org:53 {\n forward . 10.0.0.53\n}\n`
    const net = lab({ corefile })
    net.start()
    expect(await answers(net, 'www.example.org')).toEqual(['www.example.org. 3600 IN A 203.0.113.5'])
    expect(await answers(net, 'hello.default.svc.cluster.local')).toEqual([
      'hello.default.svc.cluster.local. 5 IN A 10.96.0.80',
    ])
    expect((await net.run('dig @10.0.0.2 www.example.net')).output).toContain('status: SERVFAIL')
    await net.end()
  })
})

describe('cache', () => {
  it('counts down in whole seconds and forgets', async () => {
    const net = lab({ corefile: simple('cache 30', 'forward . 10.0.0.53', 'log') })
    net.start()
    expect(await answers(net, 'www.example.org')).toEqual(['www.example.org. 30 IN A 203.0.113.5'])
    await net.runner.runFor(10.5 * SECOND)
    expect(await answers(net, 'WWW.example.org')).toEqual(['www.example.org. 20 IN A 203.0.113.5'])
    await net.runner.runFor(20 * SECOND)
    expect(await answers(net, 'www.example.org')).toEqual(['www.example.org. 30 IN A 203.0.113.5'])
    const asked = (await net.run('cat /var/log/dns', net.outside)).output
    expect(asked.match(/www\.example\.org/gi)).toHaveLength(2)
    await net.end()
  })

  it('keeps denials of the cluster, unless it is told not to', async () => {
    const corefile = simple('cache 30', 'kubernetes cluster.local {', 'ttl 30', '}')
    const net = lab({ corefile })
    net.start()
    const authority = async () =>
      (await net.run('dig @10.0.0.2 +noall +authority nosuch.default.svc.cluster.local')).output.split(/\s+/)[1]
    expect(await authority()).toBe('30')
    await net.runner.runFor(5 * SECOND)
    expect(await authority()).toBe('25')
    net.files.set('/etc/coredns/Corefile', defaultCorefile('cluster.local'))
    await net.end()
    const other = lab()
    other.start()
    const again = async () =>
      (await other.run('dig @10.0.0.2 +noall +authority nosuch.default.svc.cluster.local')).output.split(/\s+/)[1]
    expect(await again()).toBe('30')
    await other.runner.runFor(5 * SECOND)
    expect(await again()).toBe('30')
    await other.end()
  })
})

describe('hosts, rewrite, chaos', () => {
  it('answers from its lines, backwards too, and passes on what it has not', async () => {
    const corefile = simple(
      'hosts {',
      '10.1.1.1 a.example b.example',
      'ttl 60',
      'fallthrough',
      '}',
      'forward . 10.0.0.53',
    )
    const net = lab({ corefile })
    net.start()
    expect(await answers(net, 'A.example')).toEqual(['a.example. 60 IN A 10.1.1.1'])
    expect(await answers(net, '-x 10.1.1.1')).toEqual([
      '1.1.1.10.in-addr.arpa. 60 IN PTR a.example.',
      '1.1.1.10.in-addr.arpa. 60 IN PTR b.example.',
    ])
    expect(await answers(net, 'www.example.org')).toEqual(['www.example.org. 3600 IN A 203.0.113.5'])
    await net.end()
  })

  it.each([
    ['name exact old.example hello.default.svc.cluster.local', 'old.example', 'old.example. 5 IN A 10.96.0.80'],
    [
      'name suffix .svc.old .svc.cluster.local answer auto',
      'hello.default.svc.old',
      'hello.default.svc.old. 5 IN A 10.96.0.80',
    ],
    [
      'name suffix .svc.old .svc.cluster.local',
      'hello.default.svc.old',
      'hello.default.svc.cluster.local. 5 IN A 10.96.0.80',
    ],
    [
      'name regex (.*)\\.x\\.example {1}.default.svc.cluster.local',
      'hello.x.example',
      'hello.default.svc.cluster.local. 5 IN A 10.96.0.80',
    ],
    ['type AAAA A', '-t aaaa hello.default.svc.cluster.local', 'hello.default.svc.cluster.local. 5 IN A 10.96.0.80'],
  ])('rewrites %s', async (rule, words, line) => {
    const net = lab({ corefile: simple(`rewrite ${rule}`, 'kubernetes cluster.local') })
    net.start()
    expect(await answers(net, words)).toEqual([line])
    await net.end()
  })

  it('tells its version to those who ask in class CH', async () => {
    const net = lab({ corefile: simple('chaos') })
    net.start()
    expect(await answers(net, '-c ch -t txt version.bind')).toEqual(['version.bind. 0 CH TXT "CoreDNS-1.11.3"'])
    await net.end()
  })
})

describe('kubernetes', () => {
  it.each([
    ['pods disabled', '10-244-1-2.default.pod.cluster.local', []],
    [
      'pods verified',
      '10-244-1-2.default.pod.cluster.local',
      ['10-244-1-2.default.pod.cluster.local. 5 IN A 10.244.1.2'],
    ],
    ['pods verified', '10-244-1-9.default.pod.cluster.local', []],
    [
      'pods insecure',
      '10-244-1-9.default.pod.cluster.local',
      ['10-244-1-9.default.pod.cluster.local. 5 IN A 10.244.1.9'],
    ],
    [
      'endpoint_pod_names',
      'db-x7.db.default.svc.cluster.local',
      ['db-x7.db.default.svc.cluster.local. 5 IN A 10.244.2.3'],
    ],
    ['namespaces kube-system', 'hello.default.svc.cluster.local', []],
    ['ttl 17', 'hello.default.svc.cluster.local', ['hello.default.svc.cluster.local. 17 IN A 10.96.0.80']],
    ['noendpoints', 'db.default.svc.cluster.local', []],
  ])('with %s', async (line, name, expected) => {
    const net = lab({ corefile: simple('kubernetes cluster.local {', line, '}') })
    net.start()
    expect(await answers(net, name)).toEqual(expected)
    await net.end()
  })

  it('finds the address behind an ExternalName by asking outside', async () => {
    const { object } = await import('./lab.ts')
    const objects = [
      object('Service', 'default', 'site', { spec: { type: 'ExternalName', externalName: 'www.example.org' } }),
    ]
    const net = lab({ objects })
    net.start()
    expect(await answers(net, 'site.default.svc.cluster.local')).toEqual([
      'site.default.svc.cluster.local. 30 IN CNAME www.example.org.',
      'www.example.org. 30 IN A 203.0.113.5',
    ])
    await net.end()
  })
})

describe('log', () => {
  it('writes a line for each question as CoreDNS does', async () => {
    const net = lab({ corefile: simple('log', 'kubernetes cluster.local {', 'ttl 30', '}') })
    net.start()
    await net.run('dig @10.0.0.2 +noedns hello.default.svc.cluster.local')
    await net.run('dig @10.0.0.2 +bufsize=1232 +dnssec +nocookie nosuch.default.svc.cluster.local')
    const lines = net.log().split('\n')
    expect(lines.at(-3)).toMatch(
      /^\[INFO\] 10\.0\.0\.1:\d+ - \d+ "A IN hello\.default\.svc\.cluster\.local\. udp 49 false 512" NOERROR qr,aa,rd 96 0\.00009s$/,
    )
    expect(lines.at(-2)).toMatch(
      /^\[INFO\] 10\.0\.0\.1:\d+ - \d+ "A IN nosuch\.default\.svc\.cluster\.local\. udp 61 true 1232" NXDOMAIN qr,aa,rd 143 0\.00009s$/,
    )
    await net.end()
  })
})

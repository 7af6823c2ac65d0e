import { describe, expect, it } from 'vitest'
import { defaultLabZone, labReply, parseLabZone } from '../../src/host/commands/dns-server.ts'
import { busyboxNslookup, dig, getent, host, nslookup } from '../../src/host/commands/dns-tools.ts'
import { type DnsMessage, dnsMessage } from '../../src/host/dns-message.ts'
import { encodeMessage } from '../../src/host/dns-writer.ts'
import type { Program } from '../../src/host/process.ts'
import { MILLISECOND, SECOND } from '../../src/sim/scheduler.ts'
import { hexOf } from '../support/bytes.ts'
import { labServer, runWith, type Server } from '../support/resolving.ts'

const lab = labServer(defaultLabZone)
const WEB = 'web.default.svc.cluster.local'
const NO_RECURSION = ';; Got recursion not available from 10.96.0.10\n'
const BIND_SERVER = 'Server:\t\t10.96.0.10\nAddress:\t10.96.0.10#53\n\n'
const BUSYBOX_SERVER = 'Server:\t\t10.96.0.10\nAddress:\t10.96.0.10:53\n\n'

const programs: Readonly<Record<string, Program>> = { nslookup, dig, getent, host, 'busybox-nslookup': busyboxNslookup }

async function run(line: string, server: Server = lab, files?: Record<string, string>) {
  const args = line.split(' ')
  const result = await runWith(programs[args[0]], args, server, files)
  return { ...result, queries: result.asked.map((query) => query.text) }
}

/** A server that knows one answer for each type. */
function knowing(fields: (query: DnsMessage) => Partial<DnsMessage>): Server {
  return (_bytes, query) =>
    encodeMessage(
      dnsMessage({ id: query.id, response: true, authoritative: true, questions: query.questions, ...fields(query) }),
    )
}

describe('nslookup', () => {
  it('asks for A, then for AAAA, from two sockets without DF', async () => {
    const { output, code, queries, asked } = await run('nslookup web')
    expect(output).toBe(`${NO_RECURSION}${BIND_SERVER}Name:\t${WEB}\nAddress: 10.96.0.80\n${NO_RECURSION}\n`)
    expect(code).toBe(0)
    expect(queries).toEqual([`#1 A ${WEB} 47`, `#2 AAAA ${WEB} 47`])
    expect(asked[1].at).toBeGreaterThan(asked[0].at)
    expect(asked.some((query) => query.dontFragment)).toBe(false)
    expect(hexOf(asked[0].bytes.slice(2, 4))).toBe('0100')
  })

  it('walks the search list on NXDOMAIN', async () => {
    const { output, code, queries } = await run('nslookup nosuch')
    expect(output).toBe(`${NO_RECURSION.repeat(3)}${BIND_SERVER}** server can't find nosuch: NXDOMAIN\n\n`)
    expect(code).toBe(1)
    expect(queries).toEqual([
      '#1 A nosuch.default.svc.cluster.local 50',
      '#2 A nosuch.svc.cluster.local 42',
      '#3 A nosuch.cluster.local 38',
      '#4 A nosuch 24',
    ])
  })

  it('marks answers from outside', async () => {
    const { output, queries } = await run('nslookup example.com')
    const answer = 'Non-authoritative answer:\nName:\texample.com\nAddress: 203.0.113.10\n\n'
    expect(output).toBe(NO_RECURSION.repeat(3) + BIND_SERVER + answer)
    expect(queries.slice(3)).toEqual(['#4 A example.com 29', '#5 AAAA example.com 29'])
  })

  it('prints both families', async () => {
    const zone = parseLabZone(`{"${WEB}": "10.96.0.80,fd00:10:96::80"}`)
    if (zone === null) throw new Error('the zone is right')
    const { output } = await run('nslookup web', labServer(zone))
    const [first, second] = ['10.96.0.80', 'fd00:10:96::80'].map((address) => `Name:\t${WEB}\nAddress: ${address}\n`)
    expect(output).toBe(`${NO_RECURSION}${BIND_SERVER}${first}${NO_RECURSION}${second}\n`)
  })

  it('looks addresses up backwards', async () => {
    const server = knowing((query) => ({
      recursionAvailable: true,
      answers: [{ name: query.questions[0].name, ttl: 30, data: { type: 'PTR', target: WEB } }],
    }))
    const { output, queries } = await run('nslookup 10.96.0.80', server)
    expect(output).toBe(`80.0.96.10.in-addr.arpa\tname = ${WEB}.\n\n`)
    expect(queries).toEqual(['#1 PTR 80.0.96.10.in-addr.arpa 41'])
  })

  it('takes a type and a server', async () => {
    const data = { type: 'SRV', priority: 0, weight: 100, port: 80, target: WEB } as const
    const server = knowing((query) => ({ answers: [{ name: query.questions[0].name, ttl: 30, data }] }))
    const { output } = await run('nslookup -type=srv web 10.1.1.1', server)
    const header = 'Server:\t\t10.1.1.1\nAddress:\t10.1.1.1#53\n\n'
    expect(output).toBe(`;; Got recursion not available from 10.1.1.1\n${header}${WEB}\tservice = 0 100 80 ${WEB}.\n\n`)
  })

  it('says when there is no address of either kind', async () => {
    const { output, code } = await run(
      `nslookup ${WEB}.`,
      knowing(() => ({ recursionAvailable: true })),
    )
    expect(output).toBe(`${BIND_SERVER}*** Can't find ${WEB}: No answer\n\n`)
    expect(code).toBe(0)
  })

  it('gives up after three tries of five seconds', async () => {
    const { output, code, took } = await run('nslookup web', () => null)
    const timeout = ';; communications error to 10.96.0.10#53: timed out\n'
    expect(output).toBe(`${timeout.repeat(3)};; no servers could be reached\n\n`)
    expect(code).toBe(1)
    expect(took).toBe(15 * SECOND)
  })
})

describe('busybox nslookup', () => {
  it('asks for A and AAAA at once from one socket', async () => {
    const { output, code, queries, asked } = await run(`busybox-nslookup ${WEB}`)
    expect(output).toBe(`${BUSYBOX_SERVER}Name:\t${WEB}\nAddress: 10.96.0.80\n\n\n`)
    expect(code).toBe(0)
    expect(queries).toEqual([`#1 A ${WEB} 47`, `#1 AAAA ${WEB} 47`])
    expect(asked.every((query) => query.at < MILLISECOND && query.dontFragment)).toBe(true)
  })

  it('does not search for a name with a dot in it', async () => {
    const { output, code, queries } = await run('busybox-nslookup web.default')
    const failure = "** server can't find web.default: NXDOMAIN\n\n"
    expect(output).toBe(BUSYBOX_SERVER + failure.repeat(2))
    expect(code).toBe(1)
    expect(queries).toHaveLength(2)
  })

  it('asks for every search domain of a name without dots, and not for the bare name', async () => {
    const { output, code, queries } = await run('busybox-nslookup web')
    expect(queries.map((text) => text.replace(/ [0-9]+$/, ''))).toEqual([
      `#1 A ${WEB}`,
      '#1 A web.svc.cluster.local',
      '#1 A web.cluster.local',
      `#1 AAAA ${WEB}`,
      '#1 AAAA web.svc.cluster.local',
      '#1 AAAA web.cluster.local',
    ])
    expect(output).toContain(`Name:\t${WEB}\nAddress: 10.96.0.80\n`)
    expect(output).toContain("** server can't find web.svc.cluster.local: NXDOMAIN\n")
    expect(code).toBe(1)
  })

  it('gives up after five seconds', async () => {
    const { output, asked, took } = await run(`busybox-nslookup ${WEB}`, () => null)
    expect(output).toBe(';; connection timed out; no servers could be reached\n\n')
    expect(asked.map((query) => Math.round(query.at / MILLISECOND))).toEqual([0, 0, 2500, 2500])
    expect(took).toBe(5 * SECOND)
  })
})

const GOT_ANSWER = `;; Got answer:
;; WARNING: .local is reserved for Multicast DNS
;; You are currently testing what happens when an mDNS query is leaked to DNS
`
const NO_RECURSION_FLAG = ';; WARNING: recursion requested but not available\n'
const OPT = ';; OPT PSEUDOSECTION:\n; EDNS: version: 0, flags:; udp: 1232\n'

describe('dig', () => {
  it('prints everything', async () => {
    const { output, asked } = await run(`dig ${WEB}`)
    const id = (asked[0].bytes[0] << 8) | asked[0].bytes[1]
    expect(output).toBe(`
; <<>> DiG 9.18.49-1~deb12u3-Debian <<>> ${WEB}
;; global options: +cmd
${GOT_ANSWER};; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: ${id}
;; flags: qr aa rd; QUERY: 1, ANSWER: 1, AUTHORITY: 0, ADDITIONAL: 1
${NO_RECURSION_FLAG}
${OPT};; QUESTION SECTION:
;${WEB}.\tIN\tA

;; ANSWER SECTION:
${WEB}. 30 IN\tA\t10.96.0.80

;; Query time: 1 msec
;; SERVER: 10.96.0.10#53(10.96.0.10) (UDP)
;; WHEN: Sat Nov 21 08:20:07 UTC 2026
;; MSG SIZE  rcvd: 103

`)
  })

  it('sends EDNS with a cookie, AD, and no DF', async () => {
    const { asked } = await run(`dig ${WEB}`)
    expect(asked[0].text).toBe(`#1 A ${WEB} 70`)
    expect(asked[0].dontFragment).toBe(false)
    expect(hexOf(asked[0].bytes.slice(2, 12))).toBe('01200001000000000001')
    expect(hexOf(asked[0].bytes.slice(47, 62))).toBe('00002904d000000000000c000a0008')
  })

  it('searches when told to, and prints what is wanted', async () => {
    const { output, asked } = await run('dig +search +noall +answer +comments web')
    const id = (asked[0].bytes[0] << 8) | asked[0].bytes[1]
    expect(output).toBe(`${GOT_ANSWER};; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: ${id}
;; flags: qr aa rd; QUERY: 1, ANSWER: 1, AUTHORITY: 0, ADDITIONAL: 1
${NO_RECURSION_FLAG}
${OPT};; ANSWER SECTION:
${WEB}. 30 IN\tA\t10.96.0.80

`)
  })

  it('aligns short names, and takes a server', async () => {
    const { output } = await run('dig @10.96.0.10 example.com +noall +answer')
    expect(output).toBe('example.com.\t\t30\tIN\tA\t203.0.113.10\n')
    expect((await run('dig @10.96.0.10 example.com')).output).toContain('\n; (1 server found)\n')
    expect((await run('dig www.google.com')).output).toContain('\n;www.google.com.\t\t\tIN\tA\n')
  })

  it('prints the denial of a name', async () => {
    const { output, code } = await run('dig nosuch.cluster.local')
    expect(output).toContain('status: NXDOMAIN')
    expect(output).toContain(`;; AUTHORITY SECTION:
cluster.local.\t\t30\tIN\tSOA\tns.dns.cluster.local. hostmaster.cluster.local. 1700000000 7200 1800 86400 30
`)
    expect(code).toBe(0)
  })

  it('has a short form, types, and reverse lookups', async () => {
    expect((await run(`dig +short ${WEB}`)).output).toBe('10.96.0.80\n')
    expect((await run('dig -x 10.96.0.80 +short')).queries).toEqual(['#1 PTR 80.0.96.10.in-addr.arpa 64'])
    expect((await run(`dig ${WEB} SRV +noedns`)).queries).toEqual([`#1 SRV ${WEB} 47`])
    expect((await run(`dig -t aaaa ${WEB} +nocookie`)).queries).toEqual([`#1 AAAA ${WEB} 58`])
  })

  it('says that a server sent its cookie back', async () => {
    const { output } = await run(
      `dig ${WEB}`,
      knowing((query) => ({ edns: query.edns })),
    )
    expect(output).toMatch(/; COOKIE: [0-9a-f]{16} \(echoed\)\n/)
  })

  it('gives up with exit code 9', async () => {
    const { output, code } = await run('dig +time=1 +tries=2 web', () => null)
    const timeout = ';; communications error to 10.96.0.10#53: timed out\n'
    const banner = '\n; <<>> DiG 9.18.49-1~deb12u3-Debian <<>> +time=1 +tries=2 web\n;; global options: +cmd\n'
    expect(output).toBe(`${timeout.repeat(2)}${banner};; no servers could be reached\n`)
    expect(code).toBe(9)
  })

  it('names what it does not model', async () => {
    expect((await run(`dig +trace ${WEB}`)).output).toContain('podwire: dig +trace is not modelled\n')
  })
})

describe('host', () => {
  it('asks for A, AAAA and MX', async () => {
    const { output, code, queries } = await run('host web')
    expect(output).toBe(`${WEB} has address 10.96.0.80\n`)
    expect(code).toBe(0)
    expect(queries).toEqual([`#1 A ${WEB} 47`, `#2 AAAA ${WEB} 47`, `#3 MX ${WEB} 47`])
  })

  it('says what is not there', async () => {
    const { output, code } = await run('host nosuch')
    expect(output).toBe('Host nosuch not found: 3(NXDOMAIN)\n')
    expect(code).toBe(1)
    expect((await run(`host -t srv ${WEB}`)).output).toBe(`${WEB} has no SRV record\n`)
    expect((await run('host 192.0.2.1')).output).toBe('Host 1.2.0.192.in-addr.arpa. not found: 3(NXDOMAIN)\n')
  })

  it('names the server it was given', async () => {
    const header = 'Using domain server:\nName: 10.96.0.10\nAddress: 10.96.0.10#53\nAliases: \n\n'
    expect((await run('host web 10.96.0.10')).output).toBe(`${header}${WEB} has address 10.96.0.80\n`)
  })
})

describe('getent', () => {
  it('ahostsv4 asks for A only', async () => {
    const { output, queries } = await run('getent ahostsv4 web')
    expect(output).toBe(`10.96.0.80      STREAM ${WEB}\n10.96.0.80      DGRAM  \n10.96.0.80      RAW    \n`)
    expect(queries).toEqual([`#1 A ${WEB} 47`])
  })

  it('ahosts asks for what the host has addresses of: IPv4', async () => {
    expect((await run('getent ahosts web')).queries).toEqual([`#1 A ${WEB} 47`])
  })

  it('hosts asks for IPv6 along the whole list first', async () => {
    const { output, queries } = await run('getent hosts web')
    expect(output).toBe(`10.96.0.80      ${WEB}\n`)
    expect(queries).toEqual([
      `#1 AAAA ${WEB} 47`,
      '#2 AAAA web.svc.cluster.local 39',
      '#3 AAAA web.cluster.local 35',
      '#4 AAAA web 21',
      `#5 A ${WEB} 47`,
    ])
  })

  it('prints the hosts file, and nothing for unknown names', async () => {
    const files = { '/etc/hosts': '127.0.0.1\tlocalhost\n10.244.1.2\tclient\n' }
    expect((await run('getent hosts', lab, files)).output).toBe('127.0.0.1       localhost\n10.244.1.2      client\n')
    expect(await run('getent hosts nosuch')).toMatchObject({ output: '', code: 2 })
  })
})

describe('the laboratory server', () => {
  const reply = (name: string, type: string, edns = false) => {
    const extra = edns ? { edns: { size: 1232, version: 0, dnssecOk: false, options: [] } } : {}
    const questions = [{ name, type, class: 'IN' }]
    const query = dnsMessage({ id: 0x3786, recursionDesired: true, questions, ...extra })
    return labReply(defaultLabZone, encodeMessage(query))
  }

  it('answers with the lengths of the laboratory', () => {
    expect(reply(WEB, 'A')).toHaveLength(92)
    expect(reply(WEB, 'A', true)).toHaveLength(103)
    expect(reply(WEB, 'AAAA')).toHaveLength(140)
    expect(reply('nosuch.default.svc.cluster.local', 'A')).toHaveLength(143)
    expect(reply('nosuch', 'A')).toHaveLength(24)
    expect(reply('example.com', 'A')).toHaveLength(56)
  })

  it('answers with its bytes', () => {
    const name = '037765620764656661756c740373766307636c7573746572056c6f63616c00'
    const answer = `${name}00010001${name}000100010000001e00040a600050`
    expect(hexOf(reply(WEB, 'A', true) ?? new Uint8Array(0))).toBe(
      `378685000001000100000001${answer}00002904d0000000000000`,
    )
    expect(hexOf(reply('nosuch', 'A') ?? new Uint8Array(0)).slice(0, 8)).toBe('37868183')
  })

  it('is silent about noise, and picky about its zone', () => {
    expect(labReply(defaultLabZone, Uint8Array.of(1, 2, 3))).toBeNull()
    expect(parseLabZone('{"a": "10.0.0.1"')).toBeNull()
    expect(parseLabZone('{"a": "ten"}')).toBeNull()
    expect(parseLabZone(`{"${WEB.toUpperCase()}": ["10.0.0.1"]}`)?.get(WEB)).toEqual(['10.0.0.1'])
  })
})

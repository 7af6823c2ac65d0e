import { afterEach, describe, expect, it } from 'vitest'
import { Hook, Netfilter, NetfilterError } from '../../src/netfilter/netfilter.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import { ACK, SYN } from '../../src/wire/tcp.ts'
import { Box } from './box.ts'
import { KUBE_RULES } from './kube-rules.ts'

let box = new Box()
afterEach(() => expect(box.world.frames.inUse).toBe(0))

const A = '10.244.1.2:4000'
const B = '10.244.2.2:80'

/** Does a packet pass FORWARD of a filter table whose only rule drops what `spec` matches? */
function dropped(spec: string, frame = box.tcp(A, B, SYN)): boolean {
  box.netfilter.restore(`*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD ${spec} -j DROP\nCOMMIT\n`)
  const passed = box.forward(frame)
  if (passed) box.world.frames.consume(frame)
  return !passed
}

describe('matches', () => {
  it.each([
    ['-s 10.244.1.0/24', true],
    ['! -s 10.244.1.0/24', false],
    ['-s 10.244.1.0/255.255.255.0 ! -d 10.244.2.3', true],
    ['-p tcp', true],
    ['! -p tcp', false],
    ['-p udp', false],
    ['-i cni0', true],
    ['-i cni+ -o flannel.1', true],
    ['! -i cni+', false],
    ['! -o eth0', true],
    ['-f', false],
    ['-p tcp --dport 80', true],
    ['-p tcp --dport 81:', false],
    ['-p tcp ! --dport 81', true],
    ['-p tcp --sport 3000:5000 --dport http', true],
    ['-p tcp --syn', true],
    ['-p tcp ! --syn', false],
    ['-p tcp --tcp-flags SYN,ACK SYN,ACK', false],
    ['-p tcp -m multiport --dports 22,80,8000:9000', true],
    ['-p tcp -m multiport ! --dports 22,80', false],
    ['-p tcp -m multiport --ports 4000', true],
    ['-m mark --mark 0x0', true],
    ['-m mark ! --mark 0x0/0x4000', false],
    ['-m addrtype --dst-type LOCAL', false],
    ['-m addrtype ! --dst-type LOCAL', true],
    ['-m addrtype --src-type UNICAST,LOCAL', true],
    ['-m conntrack --ctstate NEW', true],
    ['-m conntrack ! --ctstate NEW', false],
    ['-m conntrack --ctorigdst 10.244.2.0/24 --ctorigdstport 80', true],
    ['-m conntrack --ctstate NEW --ctproto 17', false],
    ['-m conntrack --ctdir REPLY', false],
    ['-m state --state ESTABLISHED', false],
    ['-m physdev --physdev-is-bridged', false],
    ['-m physdev ! --physdev-is-bridged', true],
    ['-m comment --comment "any thing"', true],
    ['-m statistic --mode random --probability 1.0', true],
    ['-m statistic --mode random --probability 0', false],
  ])('%s: %s', (spec, expected) => {
    expect(dropped(spec)).toBe(expected)
  })

  it('sees bridge ports', () => {
    const frame = box.tcp(A, B, SYN)
    frame.bridgeInput = box.eth0
    frame.bridgeOutput = box.flannel
    expect(dropped('-m physdev --physdev-in eth0 --physdev-out flannel+ --physdev-is-bridged', frame)).toBe(true)
  })

  it('sees ICMP types', () => {
    expect(dropped('-p icmp --icmp-type echo-request', box.echo('10.0.0.1', '10.0.0.2', 1))).toBe(true)
    expect(dropped('-p icmp --icmp-type 3/4', box.echo('10.0.0.1', '10.0.0.2', 1))).toBe(false)
    expect(dropped('-p icmp --icmp-type any', box.echo('10.0.0.1', '10.0.0.2', 1))).toBe(true)
  })

  it('finds no ports in a later fragment', () => {
    const frame = box.tcp(A, B, SYN)
    ipv4.setLengthAndFragment(frame.bytes, frame.network, 40, 5)
    expect(dropped('-p tcp --dport 80', frame)).toBe(false)
    const again = box.tcp(A, B, SYN)
    ipv4.setLengthAndFragment(again.bytes, again.network, 40, 5)
    expect(dropped('-f', again)).toBe(true)
  })

  it('statistic nth takes every third', () => {
    box.netfilter.restore('*filter\n-A FORWARD -m statistic --mode nth --every 3 --packet 1 -j DROP\nCOMMIT\n')
    const passed = [1, 2, 3, 4, 5, 6].map(() => box.through(box.udp(A, B)) !== null)
    expect(passed).toEqual([true, false, true, true, false, true])
  })

  it('limit lets a burst through and then the rate', () => {
    box.netfilter.restore(
      '*filter\n-A FORWARD -m limit --limit 1/second --limit-burst 2 -j ACCEPT\n-A FORWARD -j DROP\nCOMMIT\n',
    )
    const send = () => box.through(box.udp(A, B)) !== null
    expect([send(), send(), send()]).toEqual([true, true, false])
    box.world.scheduler.run(box.world.scheduler.now + SECOND)
    expect([send(), send()]).toEqual([true, false])
  })
})

describe('a Kubernetes node', () => {
  it('gives each endpoint its share of 300 connections', () => {
    box = new Box(KUBE_RULES)
    const share = new Map<string, number>()
    for (let i = 0; i < 300; i++) {
      const to = box.through(box.tcp(`10.244.1.2:${10_000 + i}`, '10.96.0.80:80', SYN))?.destination ?? ''
      share.set(to, (share.get(to) ?? 0) + 1)
    }
    expect([...share.keys()].sort()).toEqual(['10.244.1.3', '10.244.2.2'])
    for (const count of share.values()) expect(Math.abs(count - 150)).toBeLessThan(30)
  })

  it('spreads three endpoints evenly with 1/3, 1/2 and the rest', () => {
    const to = (n: number) => `-p tcp -j DNAT --to-destination 10.0.0.${n}:80`
    const chance = (p: string) => `-m statistic --mode random --probability ${p}`
    box = new Box(
      `*nat\n-A PREROUTING ${chance('0.3333333333')} ${to(1)}\n-A PREROUTING ${chance('0.5')} ${to(2)}\n-A PREROUTING ${to(3)}\nCOMMIT\n`,
    )
    const share = [0, 0, 0, 0]
    for (let i = 0; i < 300; i++) {
      const sent = box.through(box.tcp(`10.244.1.2:${10_000 + i}`, '10.96.0.80:80', SYN))
      share[Number(sent?.destination.slice(-1))]++
    }
    for (const count of share.slice(1)) expect(Math.abs(count - 100)).toBeLessThan(25)
    expect(box.netfilter.save()).toContain('--probability 0.33333333349')
  })

  it('session affinity keeps a client on its endpoint until the time is over', () => {
    box = new Box(KUBE_RULES)
    const visit = (client: string, port: number) =>
      box.through(box.tcp(`${client}:${port}`, '10.96.0.82:80', SYN))?.destination ?? ''
    const clients = Array.from({ length: 12 }, (_, i) => `10.244.1.${20 + i}`)
    const homes = clients.map((client) => visit(client, 1000))
    expect(new Set(homes).size).toBe(2)
    for (let port = 1001; port < 1006; port++) {
      box.world.scheduler.run(box.world.scheduler.now + 10_000 * SECOND)
      expect(clients.map((client) => visit(client, port))).toEqual(homes)
    }
    const later = clients.map((client) => {
      box.world.scheduler.run(box.world.scheduler.now + 10_801 * SECOND)
      return visit(client, 2000)
    })
    expect(later).not.toEqual(homes)
  })

  it('masquerades NodePort traffic and drops the mark again', () => {
    box = new Box(KUBE_RULES)
    const frame = box.tcp('192.168.14.1:5000', '192.168.14.11:30080', SYN)
    expect(box.forward(frame, box.eth0, box.flannel)).toBe(true)
    expect(frame.mark).toBe(0)
    box.world.frames.consume(frame)
    expect(box.flows()[0]).toMatch(/src=192.168.14.1 dst=192.168.14.11 .* dst=10.244.1.0 sport=8080/)
  })

  it('rejects a Service without endpoints, once per hook, and keeps no flow', () => {
    box = new Box(KUBE_RULES)
    expect(box.through(box.tcp(A, '10.96.0.81:80', SYN))).toBeNull()
    expect(box.rejected).toEqual(['icmp-port-unreachable'])
    expect(box.flows()).toEqual([])
  })

  it('counts as the kernel does', () => {
    box = new Box(KUBE_RULES)
    box.through(box.tcp(A, '10.96.0.80:80', SYN, { options: new Array(20).fill(1) }))
    box.through(box.tcp(A, '10.96.0.80:80', SYN, { options: new Array(20).fill(1) }))
    const text = box.netfilter.save({ counters: true })
    expect(text).toContain('[2:120] -A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD')
    expect(text).toContain('[1:60] -A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES')
    expect(text).toContain('[1:60] -A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG')
    expect(text).toMatch(/:PREROUTING ACCEPT \[2:120\]/)
    expect(text).toMatch(/:FORWARD ACCEPT \[0:0\]/)
  })
})

describe('chains', () => {
  it('jump comes back, goto does not, RETURN ends the chain', () => {
    box = new Box(
      '*filter\n:FORWARD DROP [0:0]\n:J - [0:0]\n:G - [0:0]\n-A FORWARD -p udp -j J\n-A FORWARD -p udp -j ACCEPT\n-A FORWARD -p tcp -g G\n-A FORWARD -p tcp -j ACCEPT\n-A J -j RETURN\n-A J -j DROP\n-A G -p udp -j ACCEPT\nCOMMIT\n',
    )
    expect(box.through(box.udp(A, B))).not.toBeNull()
    expect(box.through(box.tcp(A, B, SYN))).toBeNull()
    expect(box.netfilter.save()).toContain(':FORWARD DROP [1:40]')
  })

  it('MARK and CONNMARK carry marks to the flow and back', () => {
    box = new Box(
      '*mangle\n-A PREROUTING -m conntrack --ctstate NEW -j MARK --set-mark 0x5\n-A PREROUTING -m conntrack --ctstate NEW -j CONNMARK --save-mark\n-A PREROUTING -m conntrack --ctdir REPLY -j CONNMARK --restore-mark\n-A PREROUTING -m mark --mark 0x5 -j MARK --or-mark 0x10\nCOMMIT\n',
    )
    box.through(box.udp(A, B))
    const answer = box.udp(B, A)
    box.forward(answer)
    expect(answer.mark).toBe(0x15)
    box.world.frames.consume(answer)
    expect(box.flows()[0]).toContain('mark=5 use=1')
  })

  it('LOG writes into the kernel log, NFLOG only for a reader', () => {
    const lines: string[] = []
    box = new Box('*filter\n-A FORWARD -j LOG --log-prefix "seen: "\n-A FORWARD -j NFLOG --nflog-group 3\nCOMMIT\n')
    box.through(box.tcp(A, B, SYN))
    expect(box.log.list().map(({ level, text }) => [level, text.slice(0, 25)])).toEqual([
      [4, 'seen: IN=cni0 OUT=flannel'],
    ])
    box.netfilter.onLog = (text, group) => lines.push(`${group} ${text}`)
    box.through(box.tcp(A, B, SYN | ACK))
    expect(box.log.list()[1]?.text).toBe(
      'seen: IN=cni0 OUT=flannel.1 MAC=db:db:db:db:db:db:db:db:db:db:db:db:08:00 SRC=10.244.1.2 DST=10.244.2.2 LEN=40 TOS=0x00 PREC=0x00 TTL=64 ID=1 DF PROTO=TCP SPT=4000 DPT=80 WINDOW=65535 RES=0x00 ACK SYN URGP=0 ',
    )
    expect(lines[0]?.startsWith('3 IN=cni0')).toBe(true)
  })

  it('is not active before anything is configured', () => {
    box = new Box()
    expect(box.filters).toBe(false)
    expect(new Netfilter(box.world, 'pod', box).run(Hook.INPUT, box.world.frames.take(), null, null)).toBe(true)
    box.world.frames.inUse = 0
  })
})

describe('what cannot be read says so', () => {
  it.each([
    ['-A FORWARD -j TPROXY --on-port 1', 'podwire: target TPROXY is not modelled'],
    ['-A FORWARD -m set --match-set x src -j DROP', "Set x doesn't exist.\n"],
    ['-A FORWARD -j NOWHERE-CHAIN', "Chain 'NOWHERE-CHAIN' does not exist"],
    ['-A FORWARD -p tcp --dport 99999 -j DROP', "invalid port/service `99999' specified"],
    ['-A FORWARD -s 10.0.0.300 -j DROP', "host/network `10.0.0.300' not found"],
    ['-A FORWARD -m conntrack --ctstate NEWISH -j DROP', 'Bad ctstate "NEWISH"'],
    ['-A FORWARD -m tcp --dport 80 -j DROP', "TCP match requires '-p tcp'"],
    ['-A FORWARD -j DNAT --to-destination 1.1.1.1', ' RULE_APPEND failed (Invalid argument): rule in chain FORWARD'],
    ['-A OUTPUT -i eth0 -j DROP', "Can't use -i with OUTPUT\n"],
    ['-A NOPE -j DROP', 'No chain/target/match by that name.'],
    ['-A FORWARD --frobnicate', 'unknown option "--frobnicate"'],
  ])('%s', (line, sentence) => {
    box = new Box('*filter\n-A FORWARD -p tcp -j ACCEPT\nCOMMIT\n')
    const before = box.netfilter.save()
    let error: unknown
    try {
      box.netfilter.restore(`*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -p udp -j DROP\n${line}\nCOMMIT\n`)
    } catch (thrown) {
      error = thrown
    }
    expect(error).toBeInstanceOf(NetfilterError)
    expect(error).toMatchObject({ line: 4, sentence, message: `line 4: ${sentence}` })
    expect(box.netfilter.save()).toBe(before)
  })
})

/** What nft's rules do to packets; how they stand among iptables' tables. Expectations: nf_tables of Linux 6.18. */
import { describe, expect, it } from 'vitest'
import { Hook } from '../../src/netfilter/netfilter.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import * as tcp from '../../src/wire/tcp.ts'
import { Box } from './box.ts'

function box(rules: string): Box {
  const made = new Box()
  load(made, rules)
  return made
}

function load(made: Box, rules: string): void {
  const devices = [made.cni0, made.eth0, made.flannel]
  devices.forEach((device, i) => {
    device.index = i + 1
  })
  const answer = made.netfilter.runNft({ name: 'test', text: rules }, () => devices)
  expect(answer.err).toBe('')
}

function listed(made: Box, what = 'list ruleset'): string {
  return made.netfilter.runNft({ name: '', text: what }, () => []).out
}

/** Through INPUT, from eth0; true when it arrives. */
function arrives(made: Box, from: string, to: string): boolean {
  const frame = made.tcp(from, to, tcp.SYN)
  const passed = made.netfilter.run(Hook.PREROUTING, frame, made.eth0, null)
    ? made.netfilter.run(Hook.INPUT, frame, made.eth0, null)
    : false
  if (passed) made.world.frames.consume(frame)
  expect(made.world.frames.inUse).toBe(0)
  return passed
}

const INPUT = 'type filter hook input priority 0; policy accept;'
const NODE = '192.168.14.11'

describe('rules of nft', () => {
  it('decide by verdict map, by set and by concatenation', () => {
    const made = box(`table ip t {
      set bad { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 172.16.0.1-172.16.0.9 }; }
      map ports { type inet_service : verdict; elements = { 22 : accept, 23 : drop, 80 : jump web, 81 : goto web }; }
      set pairs { type ipv4_addr . inet_service; elements = { 192.168.1.1 . 443 }; }
      chain web { ip saddr 192.168.1.9 drop; }
      chain c { ${INPUT}
        ip saddr @bad drop
        ip saddr . tcp dport @pairs accept
        tcp dport vmap @ports
        drop
      }
    }`)
    expect(arrives(made, '10.1.2.3:1000', `${NODE}:22`)).toBe(false)
    expect(arrives(made, '172.16.0.9:1000', `${NODE}:22`)).toBe(false)
    expect(arrives(made, '172.16.0.10:1000', `${NODE}:22`)).toBe(true)
    expect(arrives(made, '192.168.1.1:1000', `${NODE}:22`)).toBe(true)
    expect(arrives(made, '192.168.1.1:1000', `${NODE}:23`)).toBe(false)
    expect(arrives(made, '192.168.1.1:1000', `${NODE}:443`)).toBe(true)
    expect(arrives(made, '192.168.1.2:1000', `${NODE}:443`)).toBe(false)
    // Behind a jump the base chain goes on, behind a goto its policy decides.
    expect(arrives(made, '192.168.1.2:1000', `${NODE}:80`)).toBe(false)
    expect(arrives(made, '192.168.1.2:1000', `${NODE}:81`)).toBe(true)
    expect(arrives(made, '192.168.1.9:1000', `${NODE}:81`)).toBe(false)
  })

  it('count, limit and remember', () => {
    const made = box(`table ip t {
      set seen { type ipv4_addr; flags dynamic,timeout; timeout 30s; }
      chain c { ${INPUT}
        tcp dport 80 limit rate over 2/second burst 3 packets counter drop
        tcp dport 81 ip saddr @seen counter drop
        tcp dport 81 update @seen { ip saddr } counter
      }
    }`)
    const through = [1, 2, 3, 4, 5].map((port) => arrives(made, `192.168.1.1:${port}`, `${NODE}:80`))
    expect(through).toEqual([true, true, true, false, false])
    expect(arrives(made, '192.168.1.1:9', `${NODE}:81`)).toBe(true)
    expect(arrives(made, '192.168.1.1:9', `${NODE}:81`)).toBe(false)
    expect(listed(made)).toContain('elements = { 192.168.1.1 expires 30s }')
    made.world.scheduler.run(31 * SECOND)
    expect(arrives(made, '192.168.1.1:9', `${NODE}:81`)).toBe(true)
    expect(listed(made, 'list chain t c')).toContain('burst 3 packets counter packets 2 bytes 80 drop')
    expect(listed(made, 'list chain t c')).toContain('@seen counter packets 1 bytes 40 drop')
    expect(listed(made, 'list chain t c')).toContain('update @seen { ip saddr } counter packets 2 bytes 80')
  })

  it('translate by map and by turns; the first chain that binds is the last that is asked', () => {
    const made = box(`table ip t {
      chain late { type nat hook prerouting priority dstnat + 5; dnat to 10.244.9.9; }
      chain c { type nat hook prerouting priority dstnat;
        ip daddr 10.96.0.1 meta l4proto tcp dnat to numgen inc mod 2 map { 0 : 10.244.1.2 . 8080, 1 : 10.244.1.3 . 8081 }
        ip daddr 10.96.0.2 counter
      }
    }`)
    const sent = (port: number, to: string) => {
      const frame = made.tcp(`10.244.1.7:${port}`, to, tcp.SYN)
      made.netfilter.run(Hook.PREROUTING, frame, made.cni0, null)
      made.netfilter.run(Hook.POSTROUTING, frame, null, made.cni0)
      made.world.frames.consume(frame)
      return made.flows()[0]
    }
    expect(sent(1, '10.96.0.1:80')).toContain('src=10.244.1.2 dst=10.244.1.7 sport=8080')
    expect(sent(2, '10.96.0.1:80')).toContain('src=10.244.1.3 dst=10.244.1.7 sport=8081')
    expect(sent(3, '10.96.0.1:80')).toContain('src=10.244.1.2 dst=10.244.1.7 sport=8080')
    expect(sent(4, '10.96.0.2:80')).toContain('src=10.244.9.9 dst=10.244.1.7 sport=80')
  })

  it('stand among the tables of iptables by priority, and the younger before the older', () => {
    const rules = (priority: string) =>
      `table ip t { chain c { type filter hook input priority ${priority}; counter packets 0 bytes 0 drop; }; }`
    const seen = (made: Box) =>
      /-A INPUT/.test(made.netfilter.save({ counters: true })) &&
      made.netfilter.save({ counters: true }).includes('[1:40] -A INPUT')
    const older = new Box('*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j ACCEPT\nCOMMIT\n')
    load(older, rules('0'))
    expect([arrives(older, '192.168.1.1:1', `${NODE}:80`), seen(older)]).toEqual([false, false])
    const younger = box(rules('0'))
    younger.netfilter.restore('*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j ACCEPT\nCOMMIT\n')
    expect([arrives(younger, '192.168.1.1:1', `${NODE}:80`), seen(younger)]).toEqual([false, true])
    const behind = new Box('*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j ACCEPT\nCOMMIT\n')
    load(behind, rules('5'))
    expect([arrives(behind, '192.168.1.1:1', `${NODE}:80`), seen(behind)]).toEqual([false, true])
  })

  it('reject, and a dormant table does nothing', () => {
    const made = box(`table ip t { chain c { ${INPUT} tcp dport 80 reject; tcp dport 81 reject with tcp reset; }; }`)
    expect(arrives(made, '192.168.1.1:1', `${NODE}:80`)).toBe(false)
    expect(arrives(made, '192.168.1.1:1', `${NODE}:81`)).toBe(false)
    expect(made.rejected).toEqual(['icmp-port-unreachable', 'tcp-reset'])
    load(made, 'add table ip t { flags dormant; }')
    expect(arrives(made, '192.168.1.1:1', `${NODE}:80`)).toBe(true)
    load(made, 'flush ruleset')
    expect(arrives(made, '192.168.1.1:1', `${NODE}:80`)).toBe(true)
  })

  it('hash as the kernel does', () => {
    const count = (of: string) => Array.from({ length: 8 }, (_, i) => `${of} ${i} counter`).join('; ')
    const made = box(`table ip t { chain c { ${INPUT}
      ${count('jhash ip saddr mod 8 seed 0xdeadbeef')}
      ${count('jhash ip saddr . ip daddr mod 8 seed 0x1')}
    }; }`)
    made.local.add('10.9.9.9')
    for (const host of [1, 2, 3, 4]) arrives(made, `10.0.0.${host}:1`, '10.9.9.9:80')
    const counted = [...listed(made).matchAll(/ \d counter packets (\d)/g)].map(([, packets]) => Number(packets))
    // As counted by the same rules in Linux 6.18 for pings from these four.
    expect(counted).toEqual([1, 1, 1, 0, 0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 1])
  })
})

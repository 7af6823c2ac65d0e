/** The kernel's log. Texts and layouts are those of a Linux 6.18 kernel and of util-linux 2.38.1 after the same commands. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { linuxCommands } from '../../../src/host/commands/table.ts'
import type { Machine } from '../../../src/host/machine.ts'
import { KernelLog, LogLevel } from '../../../src/link/kernel-log.ts'
import { SECOND } from '../../../src/sim/scheduler.ts'
import { Box } from '../box.ts'

let box: Box
let node: Machine

beforeEach(() => {
  box = new Box(linuxCommands())
  node = box.machine('node1')
})

afterEach(() => {
  expect(box.world.frames.inUse).toBe(0)
})

/** Runs the lines one after the other, and gives what the last one prints. */
async function typed(...lines: string[]): Promise<string> {
  let out = ''
  for (const line of lines) {
    const said = await box.say(node.place, line)
    expect(said.err, line).toBe('')
    out = said.out
  }
  return out
}

async function fails(line: string): Promise<string> {
  const { code, out, err } = await box.say(node.place, line)
  expect(out, line).toBe('')
  return `${code} ${err}`
}

const CABLE = ['ip netns add other', 'ip link add kv0 type veth peer name kv1', 'ip link set kv1 netns other']
const BRIDGE = [...CABLE, 'ip link add kbr0 type bridge', 'ip link set kbr0 up']

describe('what devices say', () => {
  it('a bridge tells the states of its ports', async () => {
    await typed(...BRIDGE, 'ip link set kv0 master kbr0', 'ip link set kv0 up', 'dmesg -C')
    expect(await typed('ip netns exec other ip link set kv1 up', 'dmesg -tc')).toBe(
      'kbr0: port 1(kv0) entered blocking state\nkbr0: port 1(kv0) entered forwarding state\n',
    )
    expect(await typed('ip link set kv0 nomaster', 'dmesg -tc')).toBe(
      'kv0: left allmulticast mode\nkv0: left promiscuous mode\nkbr0: port 1(kv0) entered disabled state\n',
    )
    // The real one counts ports from the first free number; this one never counts back.
    expect(await typed('ip link set kv0 master kbr0', 'dmesg -tc')).toMatch(
      /^kbr0: port \d\(kv0\) entered blocking state\nkbr0: port \d\(kv0\) entered disabled state\nkv0: entered allmulticast mode\nkv0: entered promiscuous mode\nkbr0: port \d\(kv0\) entered blocking state\nkbr0: port \d\(kv0\) entered forwarding state\n$/,
    )
  })

  it.each([
    ['ip netns exec other ip link set kv1 down', ['disabled']],
    ['ip link set kbr0 down', ['disabled']],
    ['ip link set kbr0 down; dmesg -C; ip link set kbr0 up', ['blocking', 'forwarding']],
    ['ip link set kv0 down', ['disabled']],
    ['ip link set kv0 down; dmesg -C; ip link set kv0 up', ['blocking', 'forwarding']],
    ['bridge link set dev kv0 state 1', ['listening']],
    ['bridge link set dev kv0 state 0', ['disabled']],
    ['bridge link set dev kv0 state 4', ['blocking', 'forwarding']],
    ['bridge link set dev kv0 learning off flood off', []],
  ])('%s', async (line, states) => {
    await typed(...BRIDGE, 'ip link set kv0 up', 'ip netns exec other ip link set kv1 up')
    await typed('ip link set kv0 master kbr0', 'dmesg -C')
    const said = states.map((state) => `kbr0: port 1(kv0) entered ${state} state\n`).join('')
    expect(await typed(line, 'dmesg -t')).toBe(said)
  })

  it('a port goes away with its device', async () => {
    await typed(...BRIDGE, 'ip link set kv0 up', 'ip netns exec other ip link set kv1 up')
    await typed('ip link set kv0 master kbr0', 'dmesg -C')
    expect(await typed('ip netns exec other ip link del kv1', 'dmesg -t')).toBe(
      'kbr0: port 1(kv0) entered disabled state\nkv0 (unregistering): left allmulticast mode\n' +
        'kv0 (unregistering): left promiscuous mode\nkbr0: port 1(kv0) entered disabled state\n',
    )
  })

  it('promiscuity is told where it changes, which a port of a bridge is anyway', async () => {
    await typed(...BRIDGE, 'ip link set kv0 master kbr0', 'dmesg -C')
    await typed('ip link set kbr0 promisc on', 'ip netns exec other ip link set kv1 promisc on')
    await typed('ip link set kv0 promisc on', 'ip link set kv0 promisc off', 'ip link set kbr0 promisc off')
    await typed('ip netns exec other ip link set kv1 allmulticast on', 'ip link set kv0 allmulticast on')
    expect(await typed('ip netns exec other ip link set kv1 promisc off', 'dmesg -t')).toBe(
      'kbr0: entered promiscuous mode\nkv1: entered promiscuous mode\nkbr0: left promiscuous mode\n' +
        'kv1: entered allmulticast mode\nkv1: left promiscuous mode\n',
    )
  })

  it('a new name', async () => {
    expect(await typed(...CABLE, 'dmesg -C', 'ip link set kv0 name kv9', 'dmesg -t')).toBe('kv9: renamed from kv0\n')
    await typed('dmesg -C', 'ip link set kv9 up', 'ip link set kv9 name kv8')
    expect(await typed('dmesg -t')).toBe('kv8: renamed from kv9 (while UP)\n')
  })
})

describe('what rules say', () => {
  const WIRED = [
    ...CABLE,
    'ip addr add 10.77.0.2/24 dev kv0',
    'ip link set kv0 up',
    'ip netns exec other ip addr add 10.77.0.1/24 dev kv1',
    'ip netns exec other ip link set kv1 up',
    'ip link set kv0 address 82:a6:08:ce:1e:b3',
    'ip netns exec other ip link set kv1 address 5a:92:48:ec:e7:35',
  ]

  it('LOG writes with its level and prefix, from the machine itself', async () => {
    await typed(...WIRED, 'iptables -A INPUT -p icmp -j LOG --log-prefix "in: " --log-level info')
    await typed('iptables -A OUTPUT -p icmp -j LOG --log-prefix "out: " --log-ip-options', 'dmesg -C')
    await typed('iptables -t mangle -A POSTROUTING -j LOG --log-prefix "post:" --log-level 7')
    await typed('iptables -t raw -A PREROUTING -j LOG --log-level alert --log-macdecode')
    const text = await typed('ip netns exec other ping -c1 10.77.0.2', 'dmesg -xt')
    expect(text.replace(/ID=\d+/g, 'ID=n')).toBe(
      'kern  :alert : IN=kv0 OUT= MACSRC=5a:92:48:ec:e7:35 MACDST=82:a6:08:ce:1e:b3 MACPROTO=0800 SRC=10.77.0.1 DST=10.77.0.2 LEN=84 TOS=0x00 PREC=0x00 TTL=64 ID=n DF PROTO=ICMP TYPE=8 CODE=0 ID=n SEQ=1 \n' +
        'kern  :info  : in: IN=kv0 OUT= MAC=82:a6:08:ce:1e:b3:5a:92:48:ec:e7:35:08:00 SRC=10.77.0.1 DST=10.77.0.2 LEN=84 TOS=0x00 PREC=0x00 TTL=64 ID=n DF PROTO=ICMP TYPE=8 CODE=0 ID=n SEQ=1 \n' +
        'kern  :warn  : out: IN= OUT=kv0 SRC=10.77.0.2 DST=10.77.0.1 LEN=84 TOS=0x00 PREC=0x00 TTL=64 ID=n PROTO=ICMP TYPE=0 CODE=0 ID=n SEQ=1 \n' +
        'kern  :debug : post:IN= OUT=kv0 SRC=10.77.0.2 DST=10.77.0.1 LEN=84 TOS=0x00 PREC=0x00 TTL=64 ID=n PROTO=ICMP TYPE=0 CODE=0 ID=n SEQ=1 \n',
    )
  })

  it('LOG is silent in other namespaces until nf_log_all_netns', async () => {
    await typed(...WIRED, 'ip netns exec other iptables -A INPUT -p icmp -j LOG', 'dmesg -C')
    expect(await typed('ping -c1 10.77.0.1', 'dmesg')).toBe('')
    await typed('sysctl -w net.netfilter.nf_log_all_netns=1', 'ping -c1 10.77.0.1')
    expect(await typed('dmesg')).toContain('IN=kv1 OUT= MAC=')
    expect(await box.say(node.place, 'ip netns exec other sysctl net.netfilter.nf_log_all_netns')).toMatchObject({
      err: 'sysctl: cannot stat /proc/sys/net/netfilter/nf_log_all_netns: No such file or directory\n',
    })
  })

  it('a full conntrack table, with the number of the namespace where it is not the machine’s own', async () => {
    await typed(...WIRED, 'iptables -A INPUT -m conntrack --ctstate NEW -j ACCEPT', 'dmesg -C')
    await typed('sysctl -w net.netfilter.nf_conntrack_max=1', 'ip netns exec other ping -c1 10.77.0.2')
    await box.say(node.place, 'ip netns exec other ping -c1 -W1 10.77.0.2')
    expect(await typed('dmesg -tx')).toBe('kern  :warn  : nf_conntrack: nf_conntrack: table full, dropping packet\n')
  })

  it.each([
    ['INPUT -p udp -j REJECT --reject-with tcp-reset', 'ipt_REJECT: TCP_RESET invalid for non-tcp'],
    [
      'PREROUTING -t mangle -p tcp -j TCPMSS --clamp-mss-to-pmtu',
      'xt_TCPMSS: path-MTU clamping only supported in FORWARD, OUTPUT and POSTROUTING hooks',
    ],
    ['INPUT -t mangle -j TCPMSS --set-mss 1000', 'x_tables: ip_tables: TCPMSS target: only valid for protocol 6'],
    [
      'INPUT -t nat -j MASQUERADE',
      'x_tables: ip_tables: MASQUERADE target: used from hooks INPUT, but only usable from POSTROUTING',
    ],
    ['INPUT -j DNAT --to-destination 1.1.1.1', 'x_tables: ip_tables: DNAT target: only valid in nat table, not filter'],
    [
      'PREROUTING -t nat -j SNAT --to-source 1.1.1.1',
      'x_tables: ip_tables: SNAT target: used from hooks PREROUTING, but only usable from INPUT/POSTROUTING',
    ],
    [
      'OUTPUT -m mac --mac-source 02:00:00:00:00:01 -j DROP',
      'x_tables: ip_tables: mac match: used from hooks OUTPUT, but only valid from PREROUTING/INPUT/FORWARD',
    ],
    [
      'INPUT -m addrtype --limit-iface-out --src-type LOCAL -j DROP',
      'xt_addrtype: output interface limitation not valid in PREROUTING and INPUT',
    ],
  ])('iptables -A %s is refused, and the log has the reason', async (rule, reason) => {
    expect(await fails(`iptables -A ${rule}`)).toMatch(
      /^4 iptables v1.8.9 \(nf_tables\): {2}RULE_APPEND failed \(Invalid argument\)/,
    )
    expect(await typed('dmesg -xt')).toBe(`kern  :info  : ${reason}\n`)
  })
})

describe('dmesg', () => {
  function write(): void {
    const log = node.netns.kernelLog
    box.world.scheduler.call(5.123456789 * SECOND, () => log.print(LogLevel.WARNING, 'first'))
    box.world.scheduler.call(5.2 * SECOND, () => log.print(LogLevel.INFO, 'second "quoted" \x01'))
    box.world.scheduler.call(75.5 * SECOND, () => log.print(LogLevel.INFO, 'third'))
  }

  beforeEach(async () => {
    write()
    await box.runner.runFor(80 * SECOND)
  })

  it.each([
    ['', '[    5.123456] first\n[    5.200000] second "quoted" \\x01\n[   75.500000] third\n'],
    ['-t', 'first\nsecond "quoted" \\x01\nthird\n'],
    ['-l warn', '[    5.123456] first\n'],
    ['--level=info,err -t', 'second "quoted" \\x01\nthird\n'],
    ['-l 4 -t', 'first\n'],
    ['-u', ''],
    ['-f kern -t -l warn', 'first\n'],
    ['-x -l warn', 'kern  :warn  : [    5.123456] first\n'],
    ['-r -l warn', '<4>[    5.123456] first\n'],
    [
      '-d',
      '[    5.123456 <    0.000000>] first\n[    5.200000 <    0.076544>] second "quoted" \\x01\n[   75.500000 <   70.300000>] third\n',
    ],
    ['-dt -l info', '[<    0.000000>] second "quoted" \\x01\n[<   70.300000>] third\n'],
    ['--time-format delta -l warn', '[<    0.000000>] first\n'],
    [
      '-T',
      '[Thu Jan  1 00:00:05 2026] first\n[Thu Jan  1 00:00:05 2026] second "quoted" \\x01\n[Thu Jan  1 00:01:15 2026] third\n',
    ],
    ['-dT -l warn', '[Thu Jan  1 00:00:05 2026 <    0.000000>] first\n'],
    ['-e', '[Jan 1 00:00] first\n[  +0.076544] second "quoted" \\x01\n[Jan 1 00:01] third\n'],
    ['-H -l warn', '[Jan 1 00:00] first\n'],
    ['-tT -l warn', '[Thu Jan  1 00:00:05 2026] first\n'],
    ['--time-format iso -l warn', '2026-01-01T00:00:05,123456+00:00 first\n'],
    [
      '-J -l warn',
      '{\n   "dmesg": [\n      {\n         "pri": 4,\n         "time":     5.123456,\n         "msg": "first"\n      }\n   ]\n}\n',
    ],
    [
      '-Jx -l warn',
      '{\n   "dmesg": [\n      {\n         "fac": "kern",\n         "pri": "warn",\n         "time":     5.123456,\n         "msg": "first"\n      }\n   ]\n}\n',
    ],
    ['-J -l emerg', ''],
    ['-V', 'dmesg from util-linux 2.38.1\n'],
    ['-L=never -l warn', '[    5.123456] first\n'],
  ])('dmesg %s', async (options, text) => {
    expect(await typed(`dmesg ${options}`)).toBe(text)
  })

  it.each([
    ['-l foo', "1 dmesg: unknown level 'foo'\n"],
    ['-l warn,99', "1 dmesg: unknown level '99'\n"],
    ['-f foo', "1 dmesg: unknown facility 'foo'\n"],
    ['-z', "1 dmesg: invalid option -- 'z'\nTry 'dmesg --help' for more information.\n"],
    ['--frob', "1 dmesg: unrecognized option '--frob'\nTry 'dmesg --help' for more information.\n"],
    ['-l', "1 dmesg: option requires an argument -- 'l'\nTry 'dmesg --help' for more information.\n"],
    ['x', "1 dmesg: bad usage\nTry 'dmesg --help' for more information.\n"],
    [
      '-cC',
      '1 dmesg: mutually exclusive arguments: --clear --console-off --console-on --read-clear --console-level --raw\n',
    ],
    ['-rT', '1 dmesg: mutually exclusive arguments: --ctime --raw\n'],
    ['-rt', '1 dmesg: mutually exclusive arguments: --raw --notime\n'],
    ['--time-format foo', '1 dmesg: unknown time format: foo\n'],
    ['-Lfoo', "1 dmesg: unsupported color mode: 'foo'\n"],
    ['-F x', '2 podwire: dmesg --file is not modelled\n'],
    ['-n err', '2 podwire: dmesg --console-level is not modelled\n'],
    ['--since yesterday', '2 podwire: dmesg --since is not modelled\n'],
  ])('dmesg %s is refused', async (options, text) => {
    expect(await fails(`dmesg ${options}`)).toBe(text)
  })

  it('-w goes on, -W begins now, -c forgets what it has shown', async () => {
    const log = node.netns.kernelLog
    box.world.scheduler.call(2 * SECOND, () => log.print(LogLevel.ERR, 'later'))
    expect((await box.say(node.place, 'timeout 3 dmesg -wt')).out).toBe('first\nsecond "quoted" \\x01\nthird\nlater\n')
    box.world.scheduler.call(2 * SECOND, () => log.print(LogLevel.ERR, 'later still'))
    expect((await box.say(node.place, 'timeout 3 dmesg -Wt')).out).toBe('later still\n')
    expect(await typed('dmesg -c -t -l err')).toBe('later\nlater still\n')
    expect(await typed('dmesg')).toBe('')
  })

  it('programs write by /dev/kmsg', async () => {
    expect(await typed('dmesg -C', 'echo mark > /dev/kmsg', 'echo "<3>bad" > /dev/kmsg', 'dmesg -xt')).toBe(
      'user  :warn  : mark\nuser  :err   : bad\n',
    )
    expect(await typed('busybox dmesg -r')).toMatch(/^<12>\[ {3}[\d.]+\] mark\n<11>\[/)
  })

  it('a container may not look', async () => {
    const pod = node.addPlace('pod', node.netns, { hostname: 'pod', programs: linuxCommands(), confined: true })
    const said = await box.say(pod, 'dmesg')
    expect(said).toMatchObject({ code: 1, out: '', err: 'dmesg: read kernel buffer failed: Operation not permitted\n' })
    expect((await box.say(pod, 'busybox dmesg')).err).toBe('dmesg: klogctl: Operation not permitted\n')
  })
})

describe('the ring', () => {
  it('is bounded, and the oldest make room', () => {
    const log = new KernelLog(box.world.scheduler)
    for (let i = 0; i < 10_000; i++) log.print(LogLevel.INFO, `message ${i}`)
    expect(log.list().length).toBe(4096)
    expect(log.list()[0].text).toBe('message 5904')
    for (let i = 0; i < 500; i++) log.print(LogLevel.INFO, 'x'.repeat(2000))
    expect(log.list().length).toBeLessThan(140)
    expect(log.list()[0].text.length).toBe(976)
  })

  it('takes ten messages of the network in five seconds, and says how many it did not', async () => {
    const log = node.netns.kernelLog
    const ask = () => (log.allows() ? log.print(LogLevel.WARNING, 'yes') : undefined)
    for (let i = 0; i < 30; i++) ask()
    expect(await typed('dmesg -tc')).toBe('yes\n'.repeat(10))
    await box.runner.runFor(5.1 * SECOND)
    ask()
    expect(await typed('dmesg -tc')).toBe('net_ratelimit: 20 callbacks suppressed\nyes\n')
    await typed('sysctl -w net.core.message_cost=0')
    for (let i = 0; i < 30; i++) ask()
    expect(await typed('dmesg -tc')).toBe('yes\n'.repeat(30))
  })
})

/** Policy routing. The texts are those of iproute2 6.1 on a Linux 6.18 kernel. */
import { describe, expect, it } from 'vitest'
import { Node } from './node.ts'

const INITIAL = '0:\tfrom all lookup local\n32766:\tfrom all lookup main\n32767:\tfrom all lookup default\n'

describe('ip rule', () => {
  it('prints what was added, by priority, each new one before the second', async () => {
    const node = new Node()
    expect(await node.prints('ip rule')).toBe(INITIAL)
    for (const words of [
      'from 10.1.0.0/16 table 100',
      'to 10.2.0.1 lookup 200 pref 1000',
      'iif eth0 fwmark 0x10/0xff lookup main',
      'fwmark 5 table 7',
      'oif cni0 tos 0x10 table local',
      'not from 10.9.0.0/24 to 10.8.0.0/24 table 5',
      'ipproto tcp sport 80 dport 1000-2000 table 6',
      'ipproto 47 table 6',
      'from 1.2.3.4 blackhole',
      'from 1.2.3.5 unreachable pref 50',
      'from 1.2.3.6 type prohibit',
      'pref 70 goto 1000',
      'pref 71 nop',
      'pref 72 goto 99999',
      'from 5.5.5.5 table main suppress_prefixlength 0',
      'iif nodev lookup 9',
    ]) {
      await node.prints(`ip rule add ${words}`)
    }
    expect(await node.prints('ip rule')).toBe(`0:	from all lookup local
47:	from all iif nodev [detached] lookup 9
48:	from 5.5.5.5 lookup main suppress_prefixlength 0
49:	from 1.2.3.6 prohibit
50:	from 1.2.3.5 unreachable
70:	from all goto 1000
71:	from all nop
72:	from all goto 99999 [unresolved]
993:	from 1.2.3.4 blackhole
994:	from all ipproto gre lookup 6
995:	from all ipproto tcp sport 80 dport 1000-2000 lookup 6
996:	not from 10.9.0.0/24 to 10.8.0.0/24 lookup 5
997:	from all tos 0x10 oif cni0 lookup local
998:	from all fwmark 0x5 lookup 7
999:	from all fwmark 0x10/0xff iif eth0 lookup main
1000:	from all to 10.2.0.1 lookup 200
32765:	from 10.1.0.0/16 lookup 100
32766:	from all lookup main
32767:	from all lookup default
`)
    expect(await node.prints('ip -d rule show pref 32766')).toBe('32766:\tfrom all lookup main proto kernel\n')
    expect(await node.prints('ip -d rule show table 100')).toBe('32765:\tfrom 10.1.0.0/16 lookup 100 proto unspec\n')
    expect(await node.prints('ip rule list fwmark 5')).toBe('998:\tfrom all fwmark 0x5 lookup 7\n')
    expect(await node.prints('ip -j rule show pref 995')).toBe(
      '[{"priority":995,"src":"all","ipproto":"tcp","sport":80,"dport_start":1000,"dport_end":2000,"table":"6"}]\n',
    )
    await node.prints('ip rule del table 200')
    await node.prints('ip rule del fwmark 5')
    expect(await node.fails('ip rule del fwmark 5')).toBe('2 RTNETLINK answers: No such file or directory')
    await node.prints('ip rule flush')
    expect(await node.prints('ip rule')).toBe('0:\tfrom all lookup local\n')
  })

  it('refuses what iproute2 and the kernel refuse', async () => {
    const node = new Node()
    await node.prints('ip rule add from 10.1.0.0/16 table 100 pref 5')
    for (const [words, answer] of [
      ['add from 10.1.0.0/16 table 100 pref 5', '2 RTNETLINK answers: File exists'],
      ['add from x table 100', '1 Error: any valid prefix is expected rather than "x".'],
      ['add table foo', '255 Error: argument "foo" is wrong: invalid table ID'],
      ['add pref x', '255 Error: argument "x" is wrong: preference value is invalid'],
      ['add fwmark zz', '255 Error: argument "zz" is wrong: fwmark value is invalid'],
      ['add bogus 5', '255 Error: argument "bogus" is wrong: Failed to parse rule type'],
      ['add', '1 "ip rule add" requires arguments.'],
      ['del', '1 "ip rule del" requires arguments.'],
      ['add from 1.1.1.1 dport 5-3', '2 Error: Invalid dport range.'],
      ['add tos 0x13', '2 Error: Invalid dsfield (tos): ECN bits must be 0.'],
      ['foo', '255 Command "foo" is unknown, try "ip rule help".'],
      ['list foo', '1 Error: inet prefix is expected rather than "foo".'],
      ['add uidrange 0-5', '2 podwire: ip rule uidrange is not modelled'],
    ]) {
      expect((await node.fails(`ip rule ${words}`)).trim()).toBe(answer)
    }
  })
})

describe('tables by number', () => {
  it('are there once they hold a route, and are listed by the low byte of their number', async () => {
    const node = new Node()
    expect(await node.fails('ip route show table default')).toBe(
      '2 Error: ipv4: FIB table does not exist.\nDump terminated',
    )
    expect(await node.fails('ip route del 10.7.0.0/16 table 101')).toBe('2 Error: FIB table does not exist.')
    await node.prints('ip route add 14.3.0.0/16 dev eth0 table 5000')
    await node.prints('ip route add default via 192.168.14.2 table 100')
    await node.prints('ip route add throw 14.66.0.0/16 table 100')
    expect(await node.prints('ip route show table 100')).toBe(
      'default via 192.168.14.2 dev eth0 \nthrow 14.66.0.0/16 \n',
    )
    expect((await node.prints('ip route show table all')).split('\n').slice(0, 4)).toEqual([
      'default via 192.168.14.2 dev eth0 table 100 ',
      'throw 14.66.0.0/16 table 100 ',
      '14.3.0.0/16 dev eth0 table 5000 scope link ',
      'default via 192.168.14.1 dev eth0 ',
    ])
  })

  it('answer for what their rules name', async () => {
    const node = new Node()
    await node.prints('sysctl -w net.ipv4.ip_forward=1').catch(() => '')
    await node.prints('ip route add default via 192.168.14.2 table 77')
    await node.prints('ip route add throw 14.66.0.0/16 table 77')
    await node.prints('ip rule add fwmark 7 table 77')
    await node.prints('ip rule add fwmark 9 unreachable')
    await node.prints('ip rule add fwmark 10 blackhole')
    await node.prints('ip rule add fwmark 11 prohibit')
    const get = (words: string) => node.prints(`ip route get ${words}`)
    expect(await get('9.8.0.1')).toBe('9.8.0.1 via 192.168.14.1 dev eth0 src 192.168.14.11 uid 0 \n    cache \n')
    expect(await get('9.8.0.1 mark 7')).toBe(
      '9.8.0.1 via 192.168.14.2 dev eth0 table 77 src 192.168.14.11 mark 7 uid 0 \n    cache \n',
    )
    // throw: the next rule is asked.
    expect(await get('14.66.0.1 mark 7')).toBe(
      '14.66.0.1 via 192.168.14.1 dev eth0 src 192.168.14.11 mark 7 uid 0 \n    cache \n',
    )
    expect(await get('9.8.0.1 from 10.244.1.2 iif cni0 mark 7')).toBe(
      '9.8.0.1 from 10.244.1.2 via 192.168.14.2 dev eth0 table 77 mark 7 \n    cache iif cni0 \n',
    )
    expect(await node.fails('ip route get 9.8.0.1 mark 9')).toBe('2 RTNETLINK answers: Network is unreachable')
    expect(await node.fails('ip route get 9.8.0.1 mark 10')).toBe('2 RTNETLINK answers: Invalid argument')
    expect(await node.fails('ip route get 9.8.0.1 mark 11')).toBe('2 RTNETLINK answers: Permission denied')
    expect(await get('9.8.0.1 fibmatch')).toBe('default via 192.168.14.1 dev eth0 \n')
  })
})

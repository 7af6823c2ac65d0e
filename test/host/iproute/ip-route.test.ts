import { describe, expect, it } from 'vitest'
import { parseIpv4 } from '../../../src/wire/address.ts'
import { Node } from './node.ts'

describe('ip route show', () => {
  it('prints the main table, and all tables', async () => {
    const node = new Node()
    const main = 'default via 10.244.1.1 dev eth0 \n10.244.1.0/24 dev eth0 proto kernel scope link src 10.244.1.2 \n'
    for (const line of ['ip route', 'ip r', 'ip ro', 'ip route list table main']) {
      expect(await node.prints(line, node.podPlace)).toBe(main)
    }
    expect(await node.prints('ip route show table all', node.podPlace)).toBe(
      main +
        'local 10.244.1.2 dev eth0 table local proto kernel scope host src 10.244.1.2 \n' +
        'broadcast 10.244.1.255 dev eth0 table local proto kernel scope link src 10.244.1.2 \n' +
        'local 127.0.0.0/8 dev lo table local proto kernel scope host src 127.0.0.1 \n' +
        'local 127.0.0.1 dev lo table local proto kernel scope host src 127.0.0.1 \n' +
        'broadcast 127.255.255.255 dev lo table local proto kernel scope link src 127.0.0.1 \n',
    )
  })

  it('leaves out what was asked for', async () => {
    const node = new Node()
    expect(await node.prints('ip route show dev eth0')).toBe(
      'default via 192.168.14.1 \n192.168.14.0/24 proto kernel scope link src 192.168.14.11 \n',
    )
    expect(await node.prints('ip route show proto kernel dev cni0')).toBe('10.244.1.0/24 scope link src 10.244.1.1 \n')
    expect(await node.prints('ip route show match 10.244.1.77')).toBe(
      'default via 192.168.14.1 dev eth0 \n10.244.1.0/24 dev cni0 proto kernel scope link src 10.244.1.1 \n',
    )
    expect(await node.prints('ip route show root 10.0.0.0/8')).toBe(
      '10.244.1.0/24 dev cni0 proto kernel scope link src 10.244.1.1 \n',
    )
    expect(await node.prints('ip -d route show default')).toBe(
      'unicast default via 192.168.14.1 dev eth0 proto boot scope global \n',
    )
    expect(JSON.parse(await node.prints('ip -j route show default'))).toEqual([
      { dst: 'default', gateway: '192.168.14.1', dev: 'eth0', flags: [] },
    ])
  })
})

describe('ip route flush', () => {
  it('reports with -s', async () => {
    const node = new Node()
    expect(await node.prints('ip -s route flush cache')).toBe('*** IPv4 routing cache is flushed.\n')
    expect(await node.prints('ip -s route flush 10.99.0.0/16')).toBe('Nothing to flush.\n')
    await node.prints('ip route add 10.99.0.0/16 dev cni0')
    expect(await node.prints('ip -s -s route flush 10.99.0.0/16')).toBe(
      '10.99.0.0/16 dev cni0 scope link \n\n*** Round 1, deleting 1 entries ***\n*** Flush is complete after 1 round ***\n',
    )
  })
})

describe('ip route add, replace, del', () => {
  it('takes the routes of Flannel and Calico', async () => {
    const node = new Node()
    await node.prints('ip route add 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink')
    await node.prints('ip route add blackhole 10.244.3.0/26 proto 80')
    await node.prints('ip route add 10.244.3.2 dev cni0')
    await node.prints('ip route add 14.0.0.0/8 via 192.168.14.1 metric 100 mtu lock 1400 proto static')
    expect(await node.prints('ip route')).toBe(
      'default via 192.168.14.1 dev eth0 \n' +
        '10.244.1.0/24 dev cni0 proto kernel scope link src 10.244.1.1 \n' +
        '10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink \n' +
        'blackhole 10.244.3.0/26 proto 80 \n' +
        '10.244.3.2 dev cni0 scope link \n' +
        '14.0.0.0/8 via 192.168.14.1 dev eth0 proto static metric 100 mtu lock 1400 \n' +
        '192.168.14.0/24 dev eth0 proto kernel scope link src 192.168.14.11 \n',
    )
    await node.prints('ip route replace 10.244.2.0/24 via 192.168.14.12')
    expect(await node.prints('ip route show 10.244.2.0/24')).toBe('10.244.2.0/24 via 192.168.14.12 dev eth0 \n')
    await node.prints('ip route del 10.244.2.0/24')
    await node.prints('ip route flush proto static')
    expect(await node.prints('ip route show root 14.0.0.0/8')).toBe('')
  })

  it('refuses what the kernel refuses', async () => {
    const node = new Node()
    expect(await node.fails('ip route add default via 192.168.14.2')).toBe('2 RTNETLINK answers: File exists')
    expect(await node.fails('ip route add 10.0.0.0/8 via 1.1.1.1')).toBe('2 Error: Nexthop has invalid gateway.')
    expect(await node.fails('ip route add 10.0.0.0/8 dev eth9')).toBe('1 Cannot find device "eth9"')
    expect(await node.fails('ip route add 10.0.0.1/8 dev eth0')).toBe(
      '2 Error: Invalid prefix for given prefix length.',
    )
    expect(await node.fails('ip route add 16.0.0.0/8 dev eth0 src 9.9.9.9')).toBe('2 Error: Invalid prefsrc address.')
    expect(await node.fails('ip route add x via 192.168.14.1')).toBe(
      '1 Error: any valid prefix is expected rather than "x".',
    )
    expect(await node.fails('ip route add default via x')).toBe(
      '1 Error: any valid address is expected rather than "x".',
    )
    expect(await node.fails('ip route del 99.0.0.0/8')).toBe('2 RTNETLINK answers: No such process')
    expect(await node.fails('ip route foo')).toBe('255 Command "foo" is unknown, try "ip route help".')
    expect(await node.fails('ip route flush')).toBe('1 "ip route flush" requires arguments.')
    expect(await node.fails('ip route show table 44')).toBe('2 Error: ipv4: FIB table does not exist.\nDump terminated')
  })
})

describe('ip route get', () => {
  it('answers as the look-up of packets would', async () => {
    const node = new Node()
    expect(await node.prints('ip route get 8.8.8.8')).toBe(
      '8.8.8.8 via 192.168.14.1 dev eth0 src 192.168.14.11 uid 0 \n    cache \n',
    )
    expect(await node.prints('ip route get 10.244.1.2')).toBe('10.244.1.2 dev cni0 src 10.244.1.1 uid 0 \n    cache \n')
    expect(await node.prints('ip route get 10.244.1.1')).toBe(
      'local 10.244.1.1 dev lo src 10.244.1.1 uid 0 \n    cache <local> \n',
    )
    expect(await node.prints('ip route get 10.244.1.255')).toBe(
      'broadcast 10.244.1.255 dev cni0 src 10.244.1.1 uid 0 \n    cache <local,brd> \n',
    )
  })

  it('asks for packets that came in by a device', async () => {
    const node = new Node()
    const line = 'ip route get 8.8.8.8 from 10.244.1.2 iif cni0'
    expect(await node.fails(line)).toBe('2 RTNETLINK answers: No route to host')
    await node.run('sysctl -w net.ipv4.ip_forward=1')
    expect(await node.prints(line)).toBe('8.8.8.8 from 10.244.1.2 via 192.168.14.1 dev eth0 \n    cache iif cni0 \n')
  })

  it('tells apart no route, blackhole, unreachable and prohibited', async () => {
    const node = new Node()
    await node.prints('ip route del default')
    await node.prints('ip route add blackhole 11.0.0.0/8')
    await node.prints('ip route add unreachable 12.0.0.0/8')
    await node.prints('ip route add prohibit 13.0.0.0/8')
    expect(await node.fails('ip route get 9.1.1.1')).toBe('2 RTNETLINK answers: Network is unreachable')
    expect(await node.fails('ip route get 11.1.1.1')).toBe('2 RTNETLINK answers: Invalid argument')
    expect(await node.fails('ip route get 12.1.1.1')).toBe('2 RTNETLINK answers: No route to host')
    expect(await node.fails('ip route get 13.1.1.1')).toBe('2 RTNETLINK answers: Permission denied')
  })

  it('shows a learnt path MTU while it holds', async () => {
    const node = new Node()
    node.node.netns.learnPathMtu(parseIpv4('8.8.8.8'), 1400)
    await node.runner.runFor(2e9)
    expect(await node.prints('ip route get 8.8.8.8')).toBe(
      '8.8.8.8 via 192.168.14.1 dev eth0 src 192.168.14.11 uid 0 \n    cache expires 598sec mtu 1400 \n',
    )
  })
})

import { describe, expect, it } from 'vitest'
import { Node } from './node.ts'

describe('ip addr', () => {
  it('shows a pod as CNI left it', async () => {
    const node = new Node()
    const text =
      '1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000\n' +
      '    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00\n' +
      '    inet 127.0.0.1/8 scope host lo\n' +
      '       valid_lft forever preferred_lft forever\n' +
      '2: eth0@if5: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue state UP group default qlen 1000\n' +
      '    link/ether 0a:58:0a:f4:01:02 brd ff:ff:ff:ff:ff:ff link-netnsid 0\n' +
      '    inet 10.244.1.2/24 brd 10.244.1.255 scope global eth0\n' +
      '       valid_lft forever preferred_lft forever\n'
    for (const line of ['ip addr', 'ip a', 'ip address show', 'ip addr sh']) {
      expect(await node.prints(line, node.podPlace)).toBe(text)
    }
    expect(await node.prints('ip -4 addr show dev eth0', node.podPlace)).toBe(
      [`${text.split('\n')[4]} link-netnsid 0`].concat(text.split('\n').slice(6)).join('\n'),
    )
  })

  it('leaves the broadcast out where there is none', async () => {
    const node = new Node()
    expect(await node.prints('ip addr show flannel.1')).toContain('    inet 10.244.1.0/32 scope global flannel.1\n')
  })

  it('has brief, one-line and JSON forms', async () => {
    const node = new Node()
    expect(await node.prints('ip -br addr', node.podPlace)).toBe(
      'lo               UNKNOWN        127.0.0.1/8 \neth0@if5         UP             10.244.1.2/24 \n',
    )
    expect(await node.prints('ip -o -4 addr show eth0', node.podPlace)).toBe(
      '2: eth0    inet 10.244.1.2/24 brd 10.244.1.255 scope global eth0\\       valid_lft forever preferred_lft forever\n',
    )
    const [eth0] = JSON.parse(await node.prints('ip -j addr show eth0', node.podPlace))
    expect(eth0.addr_info).toEqual([
      {
        family: 'inet',
        local: '10.244.1.2',
        prefixlen: 24,
        broadcast: '10.244.1.255',
        scope: 'global',
        label: 'eth0',
        valid_life_time: 4294967295,
        preferred_life_time: 4294967295,
      },
    ])
  })

  it('adds and deletes, with the routes that come and go', async () => {
    const node = new Node()
    await node.prints('ip addr add 10.9.0.1/24 dev eth0')
    await node.prints('ip addr add 10.9.0.2/24 brd + dev eth0')
    expect(await node.prints('ip addr show to 10.9.0.0/24')).toContain(
      '    inet 10.9.0.1/24 scope global eth0\n       valid_lft forever preferred_lft forever\n' +
        '    inet 10.9.0.2/24 brd 10.9.0.255 scope global secondary eth0\n',
    )
    expect(await node.prints('ip route show 10.9.0.0/24')).toBe(
      '10.9.0.0/24 dev eth0 proto kernel scope link src 10.9.0.1 \n',
    )
    await node.prints('ip addr del 10.9.0.1/24 dev eth0')
    const bare = await node.run('ip addr del 192.168.14.11 dev eth0')
    expect(bare.code).toBe(0)
    expect(bare.err).toContain('Explicitly specify the prefix length (192.168.14.11/32) to avoid this warning.\n')
    await node.prints('ip addr flush dev eth0')
    expect(await node.prints('ip -4 addr show eth0')).toBe('')
    expect(await node.prints('ip route show dev eth0 proto kernel')).toBe('')
  })

  it('refuses what the kernel refuses', async () => {
    const node = new Node()
    expect(await node.fails('ip addr add 192.168.14.11/24 dev eth0')).toBe('2 Error: ipv4: Address already assigned.')
    expect(await node.fails('ip addr del 9.9.9.9/24 dev eth0')).toBe('2 Error: ipv4: Address not found.')
    expect(await node.fails('ip addr add 1.2.3.300/24 dev eth0')).toBe(
      '1 Error: any valid prefix is expected rather than "1.2.3.300/24".',
    )
    expect(await node.fails('ip addr add 1.2.3.4/24')).toBe('1 Not enough information: "dev" argument is required.')
    expect(await node.fails('ip addr add 1.2.3.4/24 dev eth9')).toBe('1 Cannot find device "eth9"')
    expect(await node.fails('ip addr add 1.2.3.4/24 dev eth0 foo')).toBe(
      '255 Error: either "local" is duplicate, or "foo" is a garbage.',
    )
    expect(await node.fails('ip addr flush')).toBe('1 Flush requires arguments.')
    expect(await node.fails('ip addr add fd00::1/64 dev eth0')).toBe(
      '2 podwire: ip with IPv6 addresses is not modelled',
    )
  })
})

import { describe, expect, it } from 'vitest'
import { Node } from './node.ts'

const LO = '1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000\n'
const LO_MAC = '    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00\n'

describe('ip link show', () => {
  it('lists the devices of a node with their peers, masters and namespaces', async () => {
    const node = new Node()
    expect(await node.prints('ip link')).toBe(
      LO +
        LO_MAC +
        '2: eth0@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP mode DEFAULT group default qlen 1000\n' +
        '    link/ether 52:54:c0:a8:0e:0b brd ff:ff:ff:ff:ff:ff link-netnsid 0\n' +
        '3: flannel.1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000\n' +
        '    link/ether 06:f1:0a:f4:01:00 brd ff:ff:ff:ff:ff:ff\n' +
        '4: cni0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue state UP mode DEFAULT group default qlen 1000\n' +
        '    link/ether 0a:58:0a:f4:01:01 brd ff:ff:ff:ff:ff:ff\n' +
        '5: vethpod@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue master cni0 state UP mode DEFAULT group default qlen 1000\n' +
        '    link/ether fe:58:0a:f4:01:02 brd ff:ff:ff:ff:ff:ff link-netnsid 1\n',
    )
  })

  it('shows what -d knows about a tunnel, a bridge and its port', async () => {
    const node = new Node()
    const queues = (count: number) =>
      `addrgenmode eui64 numtxqueues ${count} numrxqueues ${count} gso_max_size 65536 gso_max_segs 65535 ` +
      'tso_max_size 524280 tso_max_segs 65535 gro_max_size 65536 \n'
    const limits = ' promiscuity 0  allmulti 0 minmtu 68 maxmtu 65535 \n'
    expect(await node.prints('ip -d link show lo')).toBe(
      LO + `${LO_MAC.trimEnd()} promiscuity 0  allmulti 0 minmtu 0 maxmtu 0 ${queues(1)}`,
    )
    expect((await node.prints('ip -d link show flannel.1')).split('\n').slice(1).join('\n')).toBe(
      `    link/ether 06:f1:0a:f4:01:00 brd ff:ff:ff:ff:ff:ff${limits}` +
        '    vxlan id 1 local 192.168.14.11 dev eth0 srcport 0 0 dstport 8472 nolearning ttl auto ageing 300 ' +
        `udpcsum noudp6zerocsumtx noudp6zerocsumrx ${queues(1)}`,
    )
    expect((await node.prints('ip -d link show vethpod')).split('\n').slice(1).join('\n')).toBe(
      '    link/ether fe:58:0a:f4:01:02 brd ff:ff:ff:ff:ff:ff link-netnsid 1 promiscuity 1  allmulti 1 minmtu 68 maxmtu 65535 \n' +
        '    veth \n' +
        '    bridge_slave state forwarding priority 32 cost 2 hairpin on guard off root_block off fastleave off ' +
        'learning on flood on port_id 0x8001 port_no 0x1 designated_port 32769 designated_cost 0 ' +
        'designated_bridge 8000.a:58:a:f4:1:1 designated_root 8000.a:58:a:f4:1:1 hold_timer    0.00 ' +
        'message_age_timer    0.00 forward_delay_timer    0.00 topology_change_ack 0 config_pending 0 proxy_arp off ' +
        'proxy_arp_wifi off mcast_router 1 mcast_fast_leave off mcast_flood on bcast_flood on mcast_to_unicast off ' +
        'neigh_suppress off group_fwd_mask 0 group_fwd_mask_str 0x0 vlan_tunnel off isolated off locked off ' +
        queues(2),
    )
    expect(await node.prints('ip -d link show cni0')).toContain(
      '    bridge forward_delay 1500 hello_time 200 max_age 2000 ageing_time 30000 stp_state 0 priority 32768 ' +
        'vlan_filtering 0 bridge_id 8000.a:58:a:f4:1:1 designated_root 8000.a:58:a:f4:1:1 root_port 0 ',
    )
  })

  it('follows carrier and administrative state', async () => {
    const node = new Node()
    await node.prints('ip link set eth0 down', node.podPlace)
    expect(await node.prints('ip link show vethpod')).toContain(
      '5: vethpod@if2: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1450 qdisc noqueue master cni0 state DOWN ',
    )
    expect(await node.prints('ip link show cni0')).toContain('4: cni0: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1450 ')
    expect(await node.prints('ip route show dev cni0')).toContain(
      '10.244.1.0/24 proto kernel scope link src 10.244.1.1 linkdown \n',
    )
    expect(await node.prints('ip link show eth0', node.podPlace)).toContain(
      '2: eth0@if5: <BROADCAST,MULTICAST> mtu 1450 qdisc noqueue state DOWN ',
    )
  })

  it('has brief, one-line, statistics and JSON forms', async () => {
    const node = new Node()
    expect(await node.prints('ip -br link show type veth')).toBe(
      'eth0@if2         UP             52:54:c0:a8:0e:0b <BROADCAST,MULTICAST,UP,LOWER_UP> \n' +
        'vethpod@if2      UP             fe:58:0a:f4:01:02 <BROADCAST,MULTICAST,UP,LOWER_UP> \n',
    )
    expect(await node.prints('ip -o link show lo')).toBe(`${LO.trimEnd()}\\${LO_MAC}`)
    expect(await node.prints('ip -s link show lo')).toBe(
      `${LO}${LO_MAC}` +
        '    RX:  bytes packets errors dropped  missed   mcast           \n' +
        '             0       0      0       0       0       0 \n' +
        '    TX:  bytes packets errors dropped carrier collsns           \n' +
        '             0       0      0       0       0       0 \n',
    )
    const [eth0] = JSON.parse(await node.prints('ip -j link show eth0', node.podPlace))
    expect(eth0).toMatchObject({
      ifindex: 2,
      link_index: 5,
      ifname: 'eth0',
      mtu: 1450,
      operstate: 'UP',
      link_netnsid: 0,
    })
    expect(await node.prints('ip -j -p rule')).toContain('[ {\n        "priority": 0,\n        "src": "all",\n')
  })
})

describe('ip link add, set, del', () => {
  it('makes cables, whose ends show each other while they share a namespace', async () => {
    const node = new Node()
    await node.prints('ip link add a0 type veth peer name b0')
    expect(await node.prints('ip -br link show a0')).toContain('a0@b0            DOWN  ')
    expect(await node.prints('ip link show b0')).toMatch(
      /^6: b0@a0: <BROADCAST,MULTICAST,M-DOWN> mtu 1500 qdisc noop state DOWN /,
    )
    await node.prints('ip link set a0 up')
    expect(await node.prints('ip link show a0')).toContain('<NO-CARRIER,BROADCAST,MULTICAST,UP,M-DOWN>')
    expect(await node.prints('ip link show a0')).toContain('state LOWERLAYERDOWN')
    await node.prints('ip link set b0 up')
    expect(await node.prints('ip link show a0')).toContain('<BROADCAST,MULTICAST,UP,LOWER_UP>')
    await node.prints('ip link del b0')
    expect(await node.fails('ip link show a0')).toBe('1 Device "a0" does not exist.')
  })

  it('makes bridges that take the address of their first port', async () => {
    const node = new Node()
    await node.prints('ip link add br9 type bridge')
    await node.prints('ip link add x0 address 02:00:00:00:00:01 mtu 1400 type veth peer name x1')
    await node.prints('ip link set dev x0 master br9')
    expect(await node.prints('ip link show br9')).toContain('link/ether 02:00:00:00:00:01 ')
    expect(await node.prints('ip link show master br9')).toContain(
      'x0@x1: <BROADCAST,MULTICAST,M-DOWN> mtu 1400 qdisc noop master br9 state DOWN',
    )
    await node.prints('ip link set x0 nomaster')
    expect(await node.prints('ip link show master br9')).toBe('')
  })

  it('moves devices between named namespaces', async () => {
    const node = new Node()
    await node.prints('ip netns add blue')
    await node.prints('ip link add a0 type veth peer name eth0 netns blue')
    expect(await node.prints('ip netns')).toBe('blue (id: 2)\n')
    expect(await node.prints('ip link show a0')).toContain('a0@if2: ')
    expect(await node.prints('ip -n blue -br link')).toMatch(/^lo {15}DOWN .*\neth0@if6 {9}DOWN /)
    await node.prints('ip netns exec blue ip link set lo up')
    expect(await node.prints('ip -n blue addr show lo')).toContain('    inet 127.0.0.1/8 scope host lo\n')
    await node.prints('ip link set a0 netns blue')
    expect(await node.prints('ip -n blue -br link')).toContain('a0@eth0 ')
    expect(await node.fails('ip -n red link')).toBe(
      '255 Cannot open network namespace "red": No such file or directory',
    )
  })

  it('says what is wrong in the words of ip and the kernel', async () => {
    const node = new Node()
    expect(await node.fails('ip foo')).toBe('1 Object "foo" is unknown, try "ip help".')
    expect(await node.fails('ip link foo')).toBe('255 Command "foo" is unknown, try "ip link help".')
    expect(await node.fails('ip link show eth9')).toBe('1 Device "eth9" does not exist.')
    expect(await node.fails('ip link set eth9 up')).toBe('1 Cannot find device "eth9"')
    expect(await node.fails('ip link set eth0 mtu x')).toBe('255 Error: argument "x" is wrong: Invalid "mtu" value')
    expect(await node.fails('ip link set eth0 mtu')).toBe('255 Command line is not complete. Try option "help"')
    expect(await node.fails('ip link set eth0 foo')).toBe(
      '255 Error: either "dev" is duplicate, or "foo" is a garbage.',
    )
    expect(await node.fails('ip link add cni0 type bridge')).toBe('2 RTNETLINK answers: File exists')
    expect(await node.fails('ip link add x type foo')).toBe('2 Error: Unknown device type.')
    expect(await node.fails('ip link add x type ipvlan')).toBe('2 podwire: ip link type ipvlan is not modelled')
    expect(await node.fails('ip link del lo')).toBe('2 RTNETLINK answers: Operation not supported')
    // IPv6 is off: there is nothing of it to list.
    expect(await node.prints('ip -6 addr')).toBe('')
    expect(await node.prints('ip -6 route')).toBe('')
    expect(await node.fails('ip -x link')).toBe('255 Option "-x" is unknown, try "ip -help".')
  })
})

/** Ports, their flags and a bridge's own settings: texts of iproute2 6.1 on Linux 6.18; VLANs by iproute2's source only. */
import { describe, expect, it } from 'vitest'
import { Node } from './node.ts'

const HEAD = '5: vethpod@eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 master cni0 '

describe('bridge link set', () => {
  it('sets every flag, and shows it', async () => {
    const node = new Node()
    for (const flag of [
      'guard on',
      'root_block on',
      'fastleave on',
      'learning off',
      'flood off',
      'mcast_flood off',
      'bcast_flood off',
      'mcast_to_unicast on',
      'isolated on',
      'neigh_suppress on',
      'locked on',
      'vlan_tunnel on',
      'mcast_router 2',
      'cost 10',
      'priority 5',
    ]) {
      await node.prints(`bridge link set dev vethpod ${flag}`)
    }
    expect(await node.prints('bridge -d link')).toBe(
      `${HEAD}state forwarding priority 5 cost 10 \n` +
        '    hairpin on guard on root_block on fastleave on learning off flood off mcast_flood off bcast_flood off ' +
        'mcast_router 2 mcast_to_unicast on neigh_suppress on vlan_tunnel on isolated on locked on \n',
    )
    expect(await node.prints('ip -d link show vethpod')).toContain(
      ' port_id 0x1401 port_no 0x1 designated_port 5121 designated_cost 0 ',
    )
    const [{ linkinfo }] = JSON.parse(await node.prints('ip -j -d link show vethpod'))
    expect(linkinfo.info_slave_data).toMatchObject({ priority: 5, cost: 10, id: '0x1401', locked: true })
  })

  it('sets states; without spanning tree a blocking port forwards at once', async () => {
    const node = new Node()
    for (const [given, shown] of [
      ['0', 'disabled'],
      ['1', 'listening'],
      ['learning', 'learning'],
      ['blocking', 'forwarding'],
    ]) {
      await node.prints(`bridge link set dev vethpod state ${given}`)
      expect(await node.prints('bridge link')).toContain(` state ${shown} `)
    }
    await node.prints('bridge link set dev vethpod state 0')
    expect(await node.prints('ip link show cni0')).toContain('<NO-CARRIER,BROADCAST,MULTICAST,UP>')
  })

  it('refuses what the kernel refuses, and says what is not modelled', async () => {
    const node = new Node()
    const set = (what: string) => node.fails(`bridge link set dev vethpod ${what}`)
    expect(await set('cost 70000')).toBe('255 RTNETLINK answers: Numerical result out of range')
    expect(await set('priority 64')).toBe('255 RTNETLINK answers: Numerical result out of range')
    expect(await set('state foo')).toBe('255 Error: invalid STP port state')
    expect(await set('state 9')).toBe('255 RTNETLINK answers: Invalid argument')
    expect(await set('foo on')).toMatch(/^255 Usage: bridge link set dev DEV /)
    expect(await set('self')).toBe('255 RTNETLINK answers: Operation not supported')
    expect(await set('hwmode vepa')).toBe('255 RTNETLINK answers: Operation not supported')
    expect(await set('backup_port eth0')).toBe('255 RTNETLINK answers: No such file or directory')
    expect(await set('backup_port vethpod')).toBe('2 podwire: bridge link set backup_port is not modelled')
    expect(await set('mab on')).toMatch(/^255 Usage: bridge link set dev DEV /)
    await node.prints('bridge link set dev vethpod learning_sync on nobackup_port')
    await node.prints('ip link set eth0 down', node.podPlace)
    expect(await set('state 3')).toBe('255 RTNETLINK answers: Network is down')
  })
})

describe('ip link set type bridge', () => {
  it('ages, calls iptables, and has a priority', async () => {
    const node = new Node()
    await node.prints('ip link set cni0 type bridge ageing_time 100 nf_call_iptables 1 priority 100')
    const shown = await node.prints('ip -d link show cni0')
    expect(shown).toContain(' ageing_time 100 stp_state 0 priority 100 vlan_filtering 0 bridge_id 0064.a:58:a:f4:1:1 ')
    expect(shown).toContain(' nf_call_iptables 1 nf_call_ip6tables 0 ')
    await node.ping(node.pod, '10.244.1.1')
    await node.runner.runFor(2e9)
    expect(await node.prints('bridge fdb show br cni0 dynamic')).toBe('')
    expect(await node.fails('ip link set cni0 type bridge stp_state 1')).toBe(
      '2 podwire: spanning tree (stp_state 1) is not modelled',
    )
    expect(await node.fails('ip link set cni0 type bridge ageing_time x')).toBe(
      '255 Error: argument "x" is wrong: invalid ageing_time',
    )
    expect(await node.fails('ip link set vethpod type bridge ageing_time 3')).toBe(
      '2 RTNETLINK answers: Operation not supported',
    )
  })

  it('a new bridge takes the lowest MAC and the least MTU of its ports, and zeros when the last one goes', async () => {
    const node = new Node()
    await node.prints('ip link add br9 type bridge')
    for (const [name, mac, mtu] of [
      ['x1', '02:00:00:00:00:09', 1400],
      ['x0', '02:00:00:00:00:03', 1500],
    ]) {
      await node.prints(`ip link add ${name} address ${mac} mtu ${mtu} type veth peer name p${name}`)
      await node.prints(`ip link set ${name} master br9`)
    }
    const shown = () => node.prints('ip link show br9')
    expect(await shown()).toMatch(/ mtu 1400 .*link\/ether 02:00:00:00:00:03 /s)
    await node.prints('ip link set x1 address 02:00:00:00:00:01')
    expect(await shown()).toContain('link/ether 02:00:00:00:00:01 ')
    await node.prints('ip link set x1 nomaster')
    await node.prints('ip link set x0 nomaster')
    expect(await shown()).toMatch(/ mtu 1500 .*link\/ether 00:00:00:00:00:00 /s)
  })
})

// This kernel has no 8021q: the texts below are iproute2's by its documentation, not by comparison.
describe('VLANs (not compared with a kernel)', () => {
  it('ip link type vlan', async () => {
    const node = new Node()
    await node.prints('ip link add link eth0 name eth0.10 type vlan id 10')
    expect(await node.prints('ip -d link show eth0.10')).toMatch(
      /: eth0.10@eth0: <BROADCAST,MULTICAST> mtu 1500 .*\n {4}link\/ether 52:54:c0:a8:0e:0b .*\n {4}vlan protocol 802.1Q id 10 <REORDER_HDR> addrgenmode /,
    )
    expect(await node.fails('ip link add link eth0 name v type vlan id 10')).toBe('2 RTNETLINK answers: File exists')
    expect(await node.fails('ip link add link eth0 name v type vlan id 4095')).toBe('2 Error: 8021q: Invalid VLAN id.')
    await node.prints('ip link set eth0.10 up')
    await node.prints('ip link set eth0 down')
    expect(await node.prints('ip link show eth0.10')).toContain('<BROADCAST,MULTICAST,M-DOWN>')
    expect(await node.fails('ip link set eth0.10 up')).toBe('2 RTNETLINK answers: Network is down')
    await node.prints('ip link del eth0.10')
    expect(await node.fails('ip link show eth0.10')).toBe('1 Device "eth0.10" does not exist.')
  })

  it('bridge vlan', async () => {
    const node = new Node()
    await node.prints('ip link set cni0 type bridge vlan_filtering 1')
    await node.prints('bridge vlan add dev vethpod vid 10-12')
    await node.prints('bridge vlan add dev cni0 vid 7 self')
    expect(await node.prints('bridge vlan show dev vethpod')).toBe(
      'port              vlan-id  \nvethpod           1 PVID Egress Untagged\n                  10\n                  11\n                  12\n',
    )
    expect(await node.prints('bridge -c vlan')).toBe(
      'port              vlan-id  \ncni0              1 PVID Egress Untagged\n                  7\n' +
        'vethpod           1 PVID Egress Untagged\n                  10-12\n',
    )
    expect(JSON.parse(await node.prints('bridge -j -c vlan show dev vethpod'))).toEqual([
      {
        ifname: 'vethpod',
        vlans: [
          { vlan: 1, flags: ['PVID', 'Egress Untagged'] },
          { vlan: 10, vlanEnd: 12 },
        ],
      },
    ])
    await node.ping(node.pod, '10.244.1.1')
    expect(await node.prints('bridge fdb show br cni0 dynamic')).toBe(
      '0a:58:0a:f4:01:02 dev vethpod vlan 1 master cni0 \n',
    )
    await node.prints('bridge vlan del dev vethpod vid 1')
    expect(await node.prints('bridge fdb show br cni0 dynamic')).toBe('')
    expect(await node.fails('bridge vlan add dev vethpod vid 5000')).toBe('255 Invalid VLAN ID "5000"')
    expect(await node.fails('bridge vlan add dev vethpod vid 2-4 pvid')).toBe(
      '255 pvid cannot be configured for a vlan range',
    )
    expect(await node.fails('bridge vlan add dev vethpod vid 9-4')).toBe('255 Invalid VLAN range "9-4"')
    expect(await node.fails('bridge vlan add dev eth0 vid 5')).toBe('255 RTNETLINK answers: Operation not supported')
    expect(await node.fails('bridge vlan add dev vethpod')).toBe('255 Device and VLAN ID are required arguments.')
  })
})

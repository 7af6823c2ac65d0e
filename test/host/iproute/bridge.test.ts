import { describe, expect, it } from 'vitest'
import { parseIpv4, parseMac } from '../../../src/wire/address.ts'
import { Node } from './node.ts'

const groups = (device: string) =>
  `33:33:00:00:00:01 dev ${device} self permanent\n01:00:5e:00:00:01 dev ${device} self permanent\n`

describe('bridge fdb', () => {
  it('lists groups, tunnel peers, and what the bridge has learnt', async () => {
    const node = new Node()
    node.tunnel.fdb.add(parseMac('06:f1:0a:f4:02:00'), parseIpv4('192.168.14.12'))
    await node.ping(node.pod, '10.244.1.1')
    expect(await node.prints('bridge fdb show')).toBe(
      groups('eth0') +
        '06:f1:0a:f4:02:00 dev flannel.1 dst 192.168.14.12 self permanent\n' +
        '33:33:00:00:00:01 dev cni0 self permanent\n' +
        '01:00:5e:00:00:6a dev cni0 self permanent\n' +
        '33:33:00:00:00:6a dev cni0 self permanent\n' +
        '01:00:5e:00:00:01 dev cni0 self permanent\n' +
        '0a:58:0a:f4:01:01 dev cni0 master cni0 permanent\n' +
        '0a:58:0a:f4:01:02 dev vethpod master cni0 \n' +
        'fe:58:0a:f4:01:02 dev vethpod master cni0 permanent\n' +
        groups('vethpod'),
    )
    expect(await node.prints('bridge fdb show br cni0 dynamic')).toBe('0a:58:0a:f4:01:02 dev vethpod master cni0 \n')
    expect(await node.prints('bridge fdb show dev vethpod')).toContain('0a:58:0a:f4:01:02 master cni0 \n')
    expect(await node.prints('bridge fdb', node.podPlace)).toBe(groups('eth0'))
    await node.runner.runFor(330e9)
    expect(await node.prints('bridge fdb show br cni0 dynamic')).toBe('')
  })

  it('is changed by hand', async () => {
    const node = new Node()
    await node.prints('bridge fdb append 06:f1:0a:f4:02:00 dev flannel.1 dst 192.168.14.12')
    expect(await node.fails('bridge fdb add 06:f1:0a:f4:02:00 dev flannel.1 dst 192.168.14.13')).toBe(
      '255 RTNETLINK answers: File exists',
    )
    await node.prints('bridge fdb replace 06:f1:0a:f4:02:00 dev flannel.1 dst 192.168.14.13')
    expect(await node.prints('bridge fdb show dev flannel.1')).toBe(
      '06:f1:0a:f4:02:00 dst 192.168.14.13 self permanent\n',
    )
    await node.prints('bridge fdb del 06:f1:0a:f4:02:00 dev flannel.1')
    expect(await node.fails('bridge fdb del 06:f1:0a:f4:02:00 dev flannel.1')).toBe(
      '255 RTNETLINK answers: No such file or directory',
    )
    await node.prints('bridge fdb add 2:0:0:0:0:77 dev vethpod master static')
    expect(await node.prints('bridge fdb show br cni0')).toContain('02:00:00:00:00:77 dev vethpod master cni0 static\n')
  })

  it('refuses what makes no sense', async () => {
    const node = new Node()
    expect(await node.fails('bridge fdb show br br9')).toBe('255 Cannot find bridge device "br9"')
    expect(await node.fails('bridge fdb show dev eth9')).toBe('255 Cannot find device "eth9"')
    expect(await node.fails('bridge fdb add 1:2:3:4:5:6')).toBe('255 Device and address are required arguments.')
    expect(await node.fails('bridge fdb add x dev eth0')).toBe('255 Invalid mac address x')
    expect(await node.fails('bridge foo')).toBe('255 Object "foo" is unknown, try "bridge help".')
  })
})

describe('bridge link', () => {
  it('shows ports and their flags', async () => {
    const node = new Node()
    const line =
      '5: vethpod@eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 master cni0 state forwarding priority 32 cost 2 \n'
    expect(await node.prints('bridge link')).toBe(line)
    const flags = (learning: string, flood: string, isolated: string) =>
      `    hairpin on guard off root_block off fastleave off learning ${learning} flood ${flood} mcast_flood on ` +
      'bcast_flood on mcast_router 1 mcast_to_unicast off neigh_suppress off vlan_tunnel off ' +
      `isolated ${isolated} locked off \n`
    expect(await node.prints('bridge -d link')).toBe(line + flags('on', 'on', 'off'))
    await node.prints('bridge link set dev vethpod isolated on learning off flood off')
    expect(await node.prints('bridge -d link show dev vethpod')).toBe(line + flags('off', 'off', 'on'))
    expect(node.bridge.ports[0]).toMatchObject({ isolated: true, learning: false, flooding: false, hairpin: true })
  })

  it('refuses what makes no sense', async () => {
    const node = new Node()
    expect(await node.fails('bridge link set dev vethpod hairpin foo')).toBe(
      '234 Error: argument of "hairpin" must be one of "off", "on", not "foo"',
    )
    expect(await node.fails('bridge link set dev eth0 hairpin on')).toBe(
      '255 RTNETLINK answers: Operation not supported',
    )
    expect(await node.fails('bridge link set dev eth9 hairpin on')).toBe('255 Cannot find bridge device "eth9"')
  })
})

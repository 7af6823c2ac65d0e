/** Flags, names, groups and queue lengths of devices. Texts and frames are those of iproute2 6.1 on Linux 6.18. */
import { afterEach, describe, expect, it } from 'vitest'
import type { Frame } from '../../../src/link/frame.ts'
import { Node } from './node.ts'

let lab: Node

afterEach(() => {
  expect(lab.world.frames.inUse).toBe(0)
})

const HEAD =
  '5: vethpod@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue master cni0 state UP mode DEFAULT'
const LINK = '    link/ether fe:58:0a:f4:01:02 brd ff:ff:ff:ff:ff:ff link-netnsid 1\n'

describe('ip link set', () => {
  it('gives an alias, a group and a queue length, and shows them', async () => {
    lab = new Node()
    await lab.prints('ip link set vethpod alias uplink-1 group 5 txqueuelen 500')
    expect(await lab.prints('ip link show vethpod')).toBe(`${HEAD} group 5 qlen 500\n${LINK}    alias uplink-1\n`)
    expect(await lab.prints('ip addr show vethpod')).not.toContain('alias')
    const [shown] = JSON.parse(await lab.prints('ip -j link show vethpod'))
    expect(shown).toMatchObject({ group: '5', txqlen: 500, ifalias: 'uplink-1' })
    await lab.prints('ip link set vethpod qlen 0')
    expect(await lab.prints('ip -o link show vethpod')).toBe(
      `${HEAD} group 5 \\${LINK.trimEnd()}\\    alias uplink-1\n`,
    )
    expect(JSON.parse(await lab.prints('ip -j link show vethpod'))[0]).not.toHaveProperty('txqlen')
    expect(await lab.prints('ip -br link show group 5')).toBe(
      'vethpod@if2      UP             fe:58:0a:f4:01:02 <BROADCAST,MULTICAST,UP,LOWER_UP> \n',
    )
    await lab.prints('ip link set group 5 down')
    expect(await lab.prints('ip -br link show vethpod')).toContain(' DOWN ')
    await lab.prints('ip link set vethpod group default')
    expect(await lab.prints('ip link show group 5')).toBe('')
  })

  it('has its queue length as the limit of a fifo, 1000 when there was none', async () => {
    lab = new Node()
    await lab.prints('ip link set eth0 qlen 7')
    await lab.prints('tc qdisc add dev eth0 root pfifo')
    expect(await lab.prints('tc qdisc show dev eth0')).toContain(' limit 7p')
    await lab.prints('tc qdisc del dev eth0 root')
    await lab.prints('ip link set eth0 qlen 0')
    await lab.prints('tc qdisc add dev eth0 root pfifo')
    expect(await lab.prints('tc qdisc show dev eth0')).toContain(' limit 1000p')
    expect(await lab.prints('ip link show eth0')).toContain(' qlen 1000\n')
  })

  it('turns flags on and off, in the order that ip prints them in', async () => {
    lab = new Node()
    await lab.prints('ip link set eth0 arp off allmulticast on promisc on dynamic on trailers off')
    expect(await lab.prints('ip -d link show eth0')).toMatch(
      /<BROADCAST,MULTICAST,NOARP,ALLMULTI,PROMISC,DYNAMIC,NOTRAILERS,UP,LOWER_UP>.*\n.* promiscuity 1 {2}allmulti 1 /,
    )
    expect(await lab.prints('ifconfig eth0')).toMatch(
      /^eth0: flags=-27677<UP,BROADCAST,NOTRAILERS,RUNNING,NOARP,PROMISC,ALLMULTI,MULTICAST,DYNAMIC> {2}mtu/,
    )
    await lab.prints('ip link set eth0 multicast off')
    expect(await lab.prints('ifconfig -s eth0')).toMatch(/ ABdPNORU\n$/)
    await lab.prints('ifconfig eth0 arp multicast -allmulti -promisc -dynamic trailers')
    expect(await lab.prints('ip link show eth0')).toContain('<BROADCAST,MULTICAST,UP,LOWER_UP>')
  })

  it('refuses in the words of ip and of the kernel', async () => {
    lab = new Node()
    for (const [given, said] of [
      ['arp maybe', '1 Error: argument of "arp" must be "on" or "off", not "maybe"'],
      ['arp', '255 Command line is not complete. Try option "help"'],
      ['promisc maybe', '1 Error: argument of "promisc" must be "on" or "off", not "maybe"'],
      ['txqueuelen x', '255 Error: argument "x" is wrong: Invalid "txqueuelen" value'],
      ['group foo', '255 Error: argument "foo" is wrong: Invalid "group" value'],
      ['carrier off', '2 RTNETLINK answers: Operation not supported'],
      ['protodown on', '2 Error: Protodown not supported by device.'],
      ['vrf red', '255 Error: argument "red" is wrong: Not a valid VRF name'],
      ['mtu 1400 mtu 1300', '255 Error: duplicate "mtu": "1300" is the second value.'],
      ['index 9', '255 index can be used only when creating devices or when moving device to another netns.'],
      ['mode dormant', '2 podwire: ip link set mode is not modelled'],
      ['gso_max_size 9', '2 podwire: ip link set gso_max_size is not modelled'],
    ]) {
      expect(await lab.fails(`ip link set eth0 ${given}`), given).toBe(said)
    }
    expect(await lab.fails('ip link set group 5')).toBe('0 ')
    expect(await lab.fails(`ip link set eth0 alias ${'a'.repeat(256)}`)).toBe(
      '2 RTNETLINK answers: Numerical result out of range',
    )
  })

  it('pulls the carrier of a dummy', async () => {
    lab = new Node()
    await lab.prints('ip link add d0 type dummy')
    await lab.prints('ip link set d0 up')
    await lab.prints('ip link set d0 carrier off')
    expect(await lab.prints('ip link show d0')).toContain(': <NO-CARRIER,BROADCAST,NOARP,UP>')
    await lab.prints('ip link set d0 carrier on')
    expect(await lab.prints('ip link show d0')).toContain(': <BROADCAST,NOARP,UP,LOWER_UP>')
  })
})

describe('ip link set arp off', () => {
  /** Destination MACs of what the node sends by eth0, with the EtherType. */
  function watch(): string[] {
    const seen: string[] = []
    const eth0 = lab.node.netns.devices.get('eth0')
    if (eth0 === undefined) throw new Error('no eth0')
    eth0.tap = (frame: Frame, _device, direction) => {
      if (direction === 'in') return
      const { bytes, start } = frame
      seen.push(Buffer.from(bytes.subarray(start, start + 14)).toString('hex'))
    }
    return seen
  }

  const OWN = '5254c0a80e0b'

  it('sends to the own address, broadcasts too, and neither asks nor answers', async () => {
    lab = new Node()
    await lab.ping(lab.node.netns, '192.168.14.1')
    await lab.prints('ip neigh add 192.168.14.77 lladdr 02:00:00:00:00:77 dev eth0')
    await lab.prints('ip link set eth0 arp off')
    expect(await lab.prints('ip neigh show dev eth0 nud all')).toBe('')
    const seen = watch()
    await lab.ping(lab.node.netns, '192.168.14.1')
    await lab.ping(lab.node.netns, '192.168.14.255')
    const far = lab.gateway.devices.get('p-node1')
    if (far === undefined) throw new Error('no far end')
    lab.gateway.neighbours.flush(far)
    await lab.ping(lab.gateway, '192.168.14.11')
    expect(seen).toEqual([`${OWN}${OWN}0800`, `${OWN}${OWN}0800`])
    expect(await lab.prints('ip neigh show nud noarp dev eth0')).toContain(
      '192.168.14.1 lladdr 52:54:c0:a8:0e:0b NOARP \n',
    )
    expect(await lab.prints('ip neigh show dev eth0')).toBe('')
    await lab.runner.runFor(5e9)
  })

  it('still sends to neighbours that were set by hand, and forgets them when ARP is back', async () => {
    lab = new Node()
    await lab.prints('ip link set eth0 arp off')
    await lab.prints('ip neigh add 192.168.14.1 lladdr 52:54:c0:a8:0e:01 dev eth0')
    const seen = watch()
    await lab.ping(lab.node.netns, '192.168.14.1')
    expect(seen).toEqual([`5254c0a80e01${OWN}0800`])
    await lab.prints('ip link set eth0 arp on')
    expect(await lab.prints('ip neigh show dev eth0 nud all')).toBe('')
    await lab.ping(lab.node.netns, '192.168.14.1')
    expect(seen.slice(1)).toEqual([`ffffffffffff${OWN}0806`, `5254c0a80e01${OWN}0800`])
  })
})

describe('ip link property', () => {
  it('gives further names, by which the device is found', async () => {
    lab = new Node()
    await lab.prints('ip link property add dev vethpod altname pod-of-the-lesson altname p2')
    expect(await lab.prints('ip link show p2')).toBe(
      `${HEAD} group default qlen 1000\n${LINK}    altname pod-of-the-lesson\n    altname p2\n`,
    )
    expect(JSON.parse(await lab.prints('ip -j addr show p2'))[0].altnames).toEqual(['pod-of-the-lesson', 'p2'])
    await lab.prints('ip route add 10.77.0.0/16 dev pod-of-the-lesson')
    expect(await lab.prints('ip route show 10.77.0.0/16')).toContain(' dev vethpod ')
    expect(await lab.fails('ip link property add dev eth0 altname p2')).toBe('2 RTNETLINK answers: File exists')
    expect(await lab.fails('ip link property add dev eth0 altname cni0')).toBe('2 RTNETLINK answers: File exists')
    expect(await lab.fails('ip link set eth0 name p2')).toBe('2 RTNETLINK answers: File exists')
    await lab.prints('ip link property del dev vethpod altname p2')
    expect(await lab.fails('ip link show p2')).toBe('1 Device "p2" does not exist.')
    expect(await lab.fails('ip link property del dev vethpod altname p2')).toBe(
      '2 RTNETLINK answers: No such file or directory',
    )
    expect(await lab.fails('ip link property foo')).toBe('255 Operator required')
    expect(await lab.fails('ip link property add altname x')).toBe(
      '255 Not enough of information: "dev" argument is required.',
    )
  })
})

describe('ip -s -s link', () => {
  it('has the errors below their titles', async () => {
    lab = new Node()
    expect(await lab.prints('ip -s -s link show lo')).toContain(
      '    RX errors:  length    crc   frame    fifo overrun\n' +
        '                     0      0       0       0       0 \n',
    )
  })
})

import { describe, expect, it } from 'vitest'
import { Cabled } from './cabled.ts'
import { Node } from './node.ts'

/** The first hop of several is all that route(8) knows; expectations are net-tools' and the kernel's. */
describe('route with routes of many kinds', () => {
  it('shows, adds in front, and refuses', async () => {
    const host = await Cabled.up(2)
    for (const words of [
      '10.9.0.0/16 metric 4 mtu 1400 nexthop via 10.0.1.2 nexthop via 10.0.2.2',
      '10.8.0.0/16 nexthop dev e2 nexthop via 10.0.1.2',
      '10.7.0.0/16 via 10.0.1.1',
      'default via 10.0.1.2',
      'throw 10.5.0.0/16',
      'local 10.3.0.1/32 dev lo table main',
    ]) {
      await host.do(`ip route add ${words}`)
    }
    expect(await host.types('route -n')).toBe(
      'Kernel IP routing table\n' +
        'Destination     Gateway         Genmask         Flags Metric Ref    Use Iface\n' +
        '0.0.0.0         10.0.1.2        0.0.0.0         UG    0      0        0 e1\n' +
        '10.0.1.0        0.0.0.0         255.255.255.0   U     0      0        0 e1\n' +
        '10.0.2.0        0.0.0.0         255.255.255.0   U     0      0        0 e2\n' +
        '10.3.0.1        0.0.0.0         255.255.255.255 UH    0      0        0 lo\n' +
        '10.5.0.0        0.0.0.0         255.255.0.0     U     0      0        0 *\n' +
        '10.7.0.0        10.0.1.1        255.255.0.0     UG    0      0        0 e1\n' +
        '10.8.0.0        0.0.0.0         255.255.0.0     U     0      0        0 e2\n' +
        '10.9.0.0        10.0.1.2        255.255.0.0     UG    4      0        0 e1\n',
    )
    expect(await host.types('route add default gw 10.0.1.2')).toBe('SIOCADDRT: File exists (7)')
    for (const unreachable of ['gw 1.2.3.4', 'gw 10.0.1.255', 'gw 10.0.2.2 dev e1', 'gw 10.9.0.1']) {
      expect(await host.types(`route add -net 10.21.0.0/16 ${unreachable}`)).toBe(
        'SIOCADDRT: Network is unreachable (7)',
      )
    }
    await host.do('route add default gw 10.0.1.9')
    await host.do('route add -net 10.20.0.0/16 gw 10.0.1.1')
    expect(await host.types('ip route show default')).toBe(
      'default via 10.0.1.9 dev e1 \ndefault via 10.0.1.2 dev e1 \n',
    )
    expect(await host.types('ip route show 10.20.0.0/16')).toBe('10.20.0.0/16 via 10.0.1.1 dev e1 scope link \n')
    expect(await host.types('route del -net 10.9.0.0/16 gw 10.0.2.2')).toBe('SIOCDELRT: No such process (7)')
    await host.do('route del -net 10.9.0.0/16 gw 10.0.1.2 metric 4')
    expect(await host.types('ip route show 10.9.0.0/16')).toBe('')
  })
})

describe('ifconfig', () => {
  it("prints net-tools' layout", async () => {
    const node = new Node()
    await node.ping(node.pod, '10.244.1.1')
    expect(await node.prints('ifconfig', node.podPlace)).toBe(
      'eth0: flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 1450\n' +
        '        inet 10.244.1.2  netmask 255.255.255.0  broadcast 10.244.1.255\n' +
        '        ether 0a:58:0a:f4:01:02  txqueuelen 1000  (Ethernet)\n' +
        '        RX packets 3  bytes 182 (182.0 B)\n' +
        '        RX errors 0  dropped 0  overruns 0  frame 0\n' +
        '        TX packets 2  bytes 140 (140.0 B)\n' +
        '        TX errors 0  dropped 0 overruns 0  carrier 0  collisions 0\n' +
        '\n' +
        'lo: flags=73<UP,LOOPBACK,RUNNING>  mtu 65536\n' +
        '        inet 127.0.0.1  netmask 255.0.0.0\n' +
        '        loop  txqueuelen 1000  (Local Loopback)\n' +
        '        RX packets 0  bytes 0 (0.0 B)\n' +
        '        RX errors 0  dropped 0  overruns 0  frame 0\n' +
        '        TX packets 0  bytes 0 (0.0 B)\n' +
        '        TX errors 0  dropped 0 overruns 0  carrier 0  collisions 0\n' +
        '\n',
    )
  })

  it("prints busybox's layout", async () => {
    const node = new Node()
    node.podPlace.netns.devices.get('eth0')!.rxBytes = 1528
    expect(await node.prints('busybox-ifconfig', node.podPlace)).toBe(
      'eth0      Link encap:Ethernet  HWaddr 0A:58:0A:F4:01:02  \n' +
        '          inet addr:10.244.1.2  Bcast:10.244.1.255  Mask:255.255.255.0\n' +
        '          UP BROADCAST RUNNING MULTICAST  MTU:1450  Metric:1\n' +
        '          RX packets:0 errors:0 dropped:0 overruns:0 frame:0\n' +
        '          TX packets:0 errors:0 dropped:0 overruns:0 carrier:0\n' +
        '          collisions:0 txqueuelen:1000 \n' +
        '          RX bytes:1528 (1.4 KiB)  TX bytes:0 (0.0 B)\n' +
        '\n' +
        'lo        Link encap:Local Loopback  \n' +
        '          inet addr:127.0.0.1  Mask:255.0.0.0\n' +
        '          UP LOOPBACK RUNNING  MTU:65536  Metric:1\n' +
        '          RX packets:0 errors:0 dropped:0 overruns:0 frame:0\n' +
        '          TX packets:0 errors:0 dropped:0 overruns:0 carrier:0\n' +
        '          collisions:0 txqueuelen:1000 \n' +
        '          RX bytes:0 (0.0 B)  TX bytes:0 (0.0 B)\n' +
        '\n',
    )
  })

  it('sets devices up', async () => {
    const node = new Node()
    await node.prints('ip link add a0 type veth peer name b0')
    await node.prints('ifconfig a0 10.8.0.1 netmask 255.255.255.0 mtu 1300 up')
    expect(await node.prints('ifconfig a0')).toMatch(
      /^a0: flags=4099<UP,BROADCAST,MULTICAST> {2}mtu 1300\n {8}inet 10\.8\.0\.1 {2}netmask 255\.255\.255\.0 {2}broadcast 10\.8\.0\.255\n/,
    )
    await node.prints('ifconfig a0 down')
    expect(await node.prints('ifconfig')).not.toContain('a0:')
    expect(await node.prints('ifconfig -a')).toContain('a0: flags=4098<BROADCAST,MULTICAST>  mtu 1300\n')
    expect(await node.fails('ifconfig eth9')).toBe('1 eth9: error fetching interface information: Device not found')
    expect(await node.fails('ifconfig eth9 mtu 1300')).toBe('1 SIOCSIFMTU: No such device')
    expect(await node.fails('ifconfig eth0:1 10.1.1.1')).toBe(
      '2 podwire: ifconfig with the alias eth0:1 is not modelled',
    )
  })
})

describe('route', () => {
  it('prints and changes the main table', async () => {
    const node = new Node()
    await node.prints('route add -net 10.77.0.0 netmask 255.255.0.0 gw 192.168.14.9')
    await node.prints('route add -host 10.79.0.1 dev eth0')
    await node.prints('route add -net 10.50.0.0/16 reject')
    expect(await node.prints('route -n')).toBe(
      'Kernel IP routing table\n' +
        'Destination     Gateway         Genmask         Flags Metric Ref    Use Iface\n' +
        '0.0.0.0         192.168.14.1    0.0.0.0         UG    0      0        0 eth0\n' +
        '10.50.0.0       -               255.255.0.0     !     0      -        0 -\n' +
        '10.77.0.0       192.168.14.9    255.255.0.0     UG    0      0        0 eth0\n' +
        '10.79.0.1       0.0.0.0         255.255.255.255 UH    0      0        0 eth0\n' +
        '10.244.1.0      0.0.0.0         255.255.255.0   U     0      0        0 cni0\n' +
        '192.168.14.0    0.0.0.0         255.255.255.0   U     0      0        0 eth0\n',
    )
    expect(await node.prints('route')).toContain('default         192.168.14.1    0.0.0.0         UG ')
    await node.prints('route del -net 10.77.0.0/16')
    expect(await node.fails('route del -net 10.77.0.0/16')).toBe('7 SIOCDELRT: No such process')
    expect(await node.fails('route add default gw 3.3.3.3')).toBe('7 SIOCADDRT: Network is unreachable')
    expect(await node.fails('route add -net 10.1.2.3 netmask 255.255.255.0 dev eth0')).toMatch(
      /^3 route: netmask doesn't match route address\nUsage: inet_route /,
    )
  })
})

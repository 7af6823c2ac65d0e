/** What the kernel and iproute2 6.1 say of routes with several next hops, line by line. */
import { describe, expect, it } from 'vitest'
import { Sockets } from '../../../src/socket/sockets.ts'
import { parseIpv4 } from '../../../src/wire/address.ts'
import { Cabled } from './cabled.ts'

const three = 'nexthop via 10.0.1.2 dev e1 weight 1 nexthop via 10.0.2.2 dev e2 weight 2 nexthop via 10.0.3.2 dev e3'

describe('ip route add … nexthop', () => {
  it('is shown with a line for each hop', async () => {
    const host = await Cabled.up()
    await host.do(`ip route add 10.9.0.0/16 ${three}`)
    const hops =
      '\tnexthop via 10.0.1.2 dev e1 weight 1 \n' +
      '\tnexthop via 10.0.2.2 dev e2 weight 2 \n' +
      '\tnexthop via 10.0.3.2 dev e3 weight 1 \n'
    expect(await host.types('ip route show 10.9.0.0/16')).toBe(`10.9.0.0/16 \n${hops}`)
    expect(await host.types('ip -d route show 10.9.0.0/16')).toBe(
      `unicast 10.9.0.0/16 proto boot scope global \n${hops}`,
    )
    expect(await host.types('ip -o route show 10.9.0.0/16')).toBe(
      `10.9.0.0/16 \\${hops.trimEnd().replaceAll('\n', '\\')} \n`,
    )
    expect(await host.types('ip -j route show 10.9.0.0/16')).toBe(
      '[{"dst":"10.9.0.0/16","flags":[],"nexthops":[' +
        '{"gateway":"10.0.1.2","dev":"e1","weight":1,"flags":[]},' +
        '{"gateway":"10.0.2.2","dev":"e2","weight":2,"flags":[]},' +
        '{"gateway":"10.0.3.2","dev":"e3","weight":1,"flags":[]}]}]\n',
    )
    expect(await host.types('ip route get fibmatch 10.9.1.1')).toBe(`10.9.0.0/16 \n${hops}`)
    for (const nowhere of ['dev e2', 'via 10.0.2.2', 'scope link']) {
      expect(await host.types(`ip route show 10.9.0.0/16 ${nowhere}`)).toBe('')
    }
    await host.do(
      'ip route replace 10.9.0.0/16 proto static src 10.0.1.1 mtu 1400 nexthop via 10.0.1.2 weight 256 ' +
        'nexthop dev e2 nexthop via 10.0.3.77 dev e3 onlink',
    )
    expect(await host.types('ip route show 10.9.0.0/16')).toBe(
      '10.9.0.0/16 proto static src 10.0.1.1 mtu 1400 \n' +
        '\tnexthop via 10.0.1.2 dev e1 weight 256 \n' +
        '\tnexthop dev e2 weight 1 \n' +
        '\tnexthop via 10.0.3.77 dev e3 weight 1 onlink \n',
    )
    // One hop is no multipath.
    await host.do('ip route replace 10.9.0.0/16 nexthop via 10.0.1.2')
    expect(await host.types('ip route show 10.9.0.0/16')).toBe('10.9.0.0/16 via 10.0.1.2 dev e1 \n')
  })

  it.each([
    ['nexthop via 10.0.1.2 weight 0', 'Error: argument "0" is wrong: "weight" is invalid (255)'],
    ['nexthop via 10.0.1.2 weight 257', 'Error: argument "257" is wrong: "weight" is invalid (255)'],
    ['nexthop via 10.0.1.2 dev nosuch', 'Cannot find device "nosuch"\nError: cannot parse nexthop (255)'],
    ['nexthop via 10.0.1.2 dev e1 metric 3', 'Error: "nexthop" or end of line is expected instead of "metric" (255)'],
    ['nexthop via 10.0.1.2 nexthop', 'Error: unexpected end of line after "nexthop" (255)'],
    ['nexthop via 10.0.1.2 nexthop via 172.16.1.1 dev e2', 'Error: Nexthop has invalid gateway. (2)'],
    ['nexthop weight 3', 'RTNETLINK answers: No such device (2)'],
    [
      'via 10.0.1.2 nexthop via 10.0.2.2 nexthop via 10.0.3.2',
      'Error: Nexthop gateway does not match RTA_GATEWAY or RTA_VIA. (2)',
    ],
    ['dev e1 nexthop via 10.0.2.2 nexthop via 10.0.3.2', 'Error: Nexthop device index does not match RTA_OIF. (2)'],
    ['scope host nexthop dev e1 nexthop dev e2', 'Error: Route with host scope can not have multiple nexthops. (2)'],
    ['nexthop via 10.0.1.2 realms 3 nexthop via 10.0.2.2', 'podwire: ip route nexthop realms is not modelled (2)'],
    ['nhid 5', 'podwire: ip route nhid is not modelled (2)'],
  ])('refuses %s', async (words, said) => {
    const host = await Cabled.up()
    expect(await host.types(`ip route add 10.9.0.0/16 ${words}`)).toBe(said)
    expect(await host.types('ip route show 10.9.0.0/16')).toBe('')
  })

  it('keeps apart what differs, and deletes by hops but not by weights', async () => {
    const host = await Cabled.up()
    await host.do(`ip route add 10.9.0.0/16 ${three}`)
    expect(await host.types('ip route add 10.9.0.0/16 via 10.0.1.2')).toBe('RTNETLINK answers: File exists (2)')
    expect(await host.types(`ip route append 10.9.0.0/16 ${three}`)).toBe('RTNETLINK answers: File exists (2)')
    await host.do(`ip route append 10.9.0.0/16 ${three} weight 7`)
    expect((await host.types('ip route show 10.9.0.0/16')).match(/nexthop/g)).toHaveLength(6)
    expect(await host.types('ip route del 10.9.0.0/16 nexthop via 10.0.1.2')).toBe(
      'RTNETLINK answers: No such process (2)',
    )
    await host.do('ip route del 10.9.0.0/16 nexthop via 10.0.1.2 nexthop dev e2 nexthop weight 9')
    await host.do('ip route del 10.9.0.0/16 via 10.0.1.2')
    expect(await host.types('ip route show 10.9.0.0/16')).toBe('')
  })

  it('is announced', async () => {
    const host = await Cabled.up()
    let heard = ''
    const monitor = host.host.place.spawn(['ip', 'monitor', 'route'], {
      out: (text) => {
        heard += text
      },
      err: () => {},
      stdin: '',
    })
    await host.runner.runFor(1e9)
    await host.do('ip route add 10.9.0.0/16 nexthop via 10.0.1.2 nexthop via 10.0.2.2')
    await host.do('ip link set e3 down')
    await host.do('ip route del 10.9.0.0/16')
    monitor.process.kill(15)
    const route = '10.9.0.0/16 \n\tnexthop via 10.0.1.2 dev e1 weight 1 \n\tnexthop via 10.0.2.2 dev e2 weight 1 \n'
    expect(heard).toBe(`${route}Deleted ${route}`)
  })
})

describe('the hops of a route', () => {
  it('die with their devices, and live again', async () => {
    const host = await Cabled.up()
    await host.do('ip route add default nexthop via 10.0.1.2 nexthop via 10.0.2.2')
    const shown = async () => (await host.types('ip route show default')).split('\n').slice(1, -1)
    const [first, second] = ['\tnexthop via 10.0.1.2 dev e1 weight 1 ', '\tnexthop via 10.0.2.2 dev e2 weight 1 ']
    await host.do('ip link set p1 down')
    expect(await shown()).toEqual([`${first}linkdown `, second])
    await host.do('ip link set e1 down')
    expect(await shown()).toEqual([`${first}dead linkdown `, second])
    expect(await host.goesBy('10.55.5.5 from 10.0.1.1')).toBe('e2')
    await host.do('ip link set e1 up')
    await host.do('ip link set p1 up')
    expect(await shown()).toEqual([first, second])
    await host.do('ip addr del 10.0.1.1/24 dev e1')
    expect(await shown()).toEqual([`${first}dead linkdown `, second])
    await host.do('ip addr add 10.0.1.1/24 dev e1')
    expect(await shown()).toEqual([first, second])
    await host.do('ip link del e1')
    expect(await shown()).toEqual([])
  })

  it('go with the last of their devices', async () => {
    const host = await Cabled.up()
    await host.do('ip route add default nexthop via 10.0.1.2 nexthop via 10.0.2.2')
    await host.do('ip link set e1 down')
    await host.do('ip link set e2 down')
    expect(await host.types('ip route show default')).toBe('')
  })

  it('are ignored without carrier, if that is said', async () => {
    const host = await Cabled.up()
    await host.do(`ip route add 10.9.0.0/16 ${three}`)
    await host.do('ip link set p2 down')
    // Both were said by the kernel; the second when it had shared the flows among the first and the third.
    expect(await host.goesBy('10.9.183.14 from 172.16.238.199 iif e1')).toBe('')
    await host.do('sysctl -qw net.ipv4.ip_forward=1')
    expect(await host.goesBy('10.9.183.14 from 172.16.238.199 iif e1')).toBe('e2')
    await host.do('sysctl -qw net.ipv4.conf.all.ignore_routes_with_linkdown=1')
    expect(await host.types('ip route show 10.9.0.0/16')).toContain(
      '\tnexthop via 10.0.2.2 dev e2 weight 2 dead linkdown \n',
    )
    expect(await host.types('ip route show 10.0.2.0/24')).toBe(
      '10.0.2.0/24 dev e2 proto kernel scope link src 10.0.2.1 dead linkdown \n',
    )
    expect(await host.types('ip route get 10.0.2.9')).toBe('RTNETLINK answers: Network is unreachable (2)')
    await host.do('ip link set p3 down')
    expect(await host.goesBy('10.9.183.14 from 172.16.238.199 iif e1')).toBe('e1')
  })

  it('are chosen anew, without ports, for what OUTPUT sends elsewhere', async () => {
    const host = await Cabled.up(4)
    await host.do('sysctl -qw net.ipv4.fib_multipath_hash_policy=1')
    await host.do(`ip route add 10.9.0.0/16 ${three}`)
    await host.do('ip route add default via 10.0.4.2')
    const { netns } = host.host
    const seen: string[] = []
    for (const i of [1, 2, 3, 4]) {
      await host.do(`ip neigh add 10.0.${i}.2 lladdr 02:00:00:00:02:0${i} dev e${i}`)
      const device = netns.devices.get(`e${i}`)
      if (device !== undefined) {
        device.tap = ({ bytes, start }, _device, direction) => {
          if (direction === 'out' && bytes[start + 23] === 17) seen.push(device.name)
        }
      }
    }
    for (let n = 1; n <= 8; n++) {
      await host.do(`iptables -t nat -A OUTPUT -d 192.0.2.${n} -j DNAT --to-destination 10.9.1.${n}`)
      const socket = Sockets.of(netns).udp()
      socket.bind(parseIpv4('10.0.4.1'), 6000 + n)
      socket.sendTo(Uint8Array.of(1), parseIpv4(`192.0.2.${n}`), 53)
      socket.close()
    }
    expect(seen.join(' ')).toBe('e2 e2 e1 e2 e3 e1 e2 e1')
    await host.runner.runFor(200e9)
    expect(host.world.frames.inUse).toBe(0)
  })

  it('that do not answer are passed over, if that is said', async () => {
    const host = await Cabled.up()
    await host.do(`ip route add 10.9.0.0/16 ${three}`)
    const asked = ['10.9.1.1', '10.9.1.2', '10.9.1.3', '10.9.1.4', '10.9.1.5', '10.9.1.9']
    const hops = async () => {
      const devices: string[] = []
      for (const each of asked) devices.push(await host.goesBy(each))
      return devices.join(' ')
    }
    expect(await hops()).toBe('e2 e1 e3 e3 e1 e2')
    await host.do('sysctl -qw net.ipv4.fib_multipath_use_neigh=1')
    await host.do('ip neigh add 10.0.2.2 dev e2 nud failed')
    await host.do('ip neigh add 10.0.1.2 dev e1 lladdr 02:00:00:00:00:09 nud stale')
    expect(await hops()).toBe('e3 e1 e3 e3 e1 e3')
  })
})

/** `fib_multipath_hash_policy` (3: with `fields`), the question, and the gateway that the kernel chose. */
const chosen: [number, number, string, string][] = [
  [0, 7, '10.9.183.14 from 172.16.238.199 iif e1', '10.0.2.2'],
  [0, 7, '10.8.80.57', '10.0.3.2'],
  [0, 7, '10.9.52.127 from 172.16.6.188 iif e2 ipproto tcp sport 14204 dport 26749', '10.0.1.2'],
  [0, 7, '10.9.93.199 ipproto udp sport 52242 dport 4715', '10.0.2.2'],
  [0, 7, '10.8.227.64 ipproto icmp', '10.0.3.2'],
  [0, 7, '10.8.107.110 from 10.0.2.1 ipproto tcp sport 10911 dport 18960', '10.0.3.2'],
  [1, 7, '10.9.179.88 from 172.16.230.94 iif e1', '10.0.2.2'],
  [1, 7, '10.8.85.101', '10.0.3.2'],
  [1, 7, '10.9.40.213 from 172.16.87.158 iif e2 ipproto tcp sport 51143 dport 61357', '10.0.2.2'],
  [1, 7, '10.9.154.138 ipproto udp sport 10488 dport 38434', '10.0.2.2'],
  [1, 7, '10.9.92.112 ipproto icmp', '10.0.3.2'],
  [1, 7, '10.9.115.84 from 10.0.2.1 ipproto tcp sport 8751 dport 7264', '10.0.2.2'],
  [2, 7, '10.8.117.136 from 172.16.43.203 iif e1', '10.0.3.2'],
  [2, 7, '10.8.170.219', '10.0.3.2'],
  [2, 7, '10.8.63.62 from 172.16.112.158 iif e2 ipproto tcp sport 42320 dport 54025', '10.0.3.2'],
  [2, 7, '10.8.68.149 ipproto udp sport 11999 dport 40018', '10.0.3.2'],
  [2, 7, '10.8.211.82 ipproto icmp', '10.0.3.2'],
  [2, 7, '10.8.194.36 from 10.0.1.1 ipproto tcp sport 37428 dport 37700', '10.0.1.2'],
  [3, 7, '10.8.22.220 from 172.16.138.2 iif e1', '10.0.3.2'],
  [3, 7, '10.9.210.86', '10.0.3.2'],
  [3, 7, '10.9.48.36 from 172.16.121.231 iif e2 ipproto tcp sport 52639 dport 32189', '10.0.1.2'],
  [3, 7, '10.8.241.27 ipproto udp sport 3307 dport 32599', '10.0.3.2'],
  [3, 1, '10.9.165.146 from 172.16.17.17 iif e1', '10.0.3.2'],
  [3, 1, '10.8.14.62', '10.0.3.2'],
  [3, 1, '10.9.223.132 from 172.16.8.60 iif e2 ipproto tcp sport 34567 dport 28109', '10.0.2.2'],
  [3, 1, '10.8.185.103 ipproto udp sport 816 dport 10702', '10.0.3.2'],
  [3, 48, '10.8.75.213 from 172.16.185.246 iif e1', '10.0.3.2'],
  [3, 48, '10.8.145.146', '10.0.3.2'],
  [3, 48, '10.9.211.157 from 172.16.7.71 iif e2 ipproto tcp sport 60897 dport 46929', '10.0.1.2'],
  [3, 48, '10.8.36.19 ipproto udp sport 63036 dport 62713', '10.0.3.2'],
  [3, 55, '10.9.165.93 from 172.16.52.94 iif e1', '10.0.1.2'],
  [3, 55, '10.8.100.105', '10.0.3.2'],
  [3, 55, '10.8.125.206 from 172.16.238.97 iif e2 ipproto tcp sport 369 dport 7704', '10.0.3.2'],
  [3, 55, '10.9.67.1 ipproto udp sport 63092 dport 22453', '10.0.2.2'],
  [3, 4, '10.9.186.146 from 172.16.1.171 iif e1', '10.0.3.2'],
  [3, 4, '10.8.234.39', '10.0.3.2'],
  [3, 4, '10.9.76.100 from 172.16.9.192 iif e2 ipproto tcp sport 54283 dport 32364', '10.0.3.2'],
  [3, 4, '10.9.234.69 ipproto udp sport 5064 dport 60305', '10.0.3.2'],
  [3, 63, '10.9.141.247 from 172.16.73.190 iif e1', '10.0.3.2'],
  [3, 63, '10.9.12.129', '10.0.3.2'],
  [3, 63, '10.8.134.224 from 172.16.90.153 iif e2 ipproto tcp sport 8999 dport 37069', '10.0.3.2'],
  [3, 63, '10.8.181.63 ipproto udp sport 2838 dport 45465', '10.0.3.2'],
  [3, 4095, '10.8.209.168 from 172.16.49.80 iif e1', '10.0.3.2'],
  [3, 4095, '10.9.210.209', '10.0.2.2'],
  [3, 4095, '10.8.20.48 from 172.16.208.27 iif e2 ipproto tcp sport 30263 dport 27273', '10.0.3.2'],
  [3, 4095, '10.8.115.215 ipproto udp sport 37027 dport 35465', '10.0.3.2'],
  [3, 64, '10.9.99.16 from 172.16.0.125 iif e1', '10.0.2.2'],
  [3, 64, '10.9.213.144', '10.0.2.2'],
  [3, 64, '10.9.174.167 from 172.16.7.41 iif e2 ipproto tcp sport 37810 dport 32411', '10.0.2.2'],
  [3, 64, '10.8.247.238 ipproto udp sport 14901 dport 35078', '10.0.3.2'],
]

describe('ip route get', () => {
  it.each(chosen)('policy %i, fields %i: %s', async (policy, fields, question, gateway) => {
    const host = await Cabled.up()
    await host.do('sysctl -qw net.ipv4.ip_forward=1')
    await host.do(`sysctl -qw net.ipv4.fib_multipath_hash_policy=${policy}`)
    await host.do(`sysctl -qw net.ipv4.fib_multipath_hash_fields=${fields}`)
    await host.do(`ip route add 10.9.0.0/16 ${three}`)
    await host.do(
      'ip route add 10.8.0.0/16 src 10.0.2.1 nexthop via 10.0.1.2 dev e1 weight 7 nexthop via 10.0.1.3 ' +
        'nexthop via 10.0.3.2 dev e3 weight 100',
    )
    expect(await host.types(`ip route get ${question}`)).toContain(` via ${gateway} dev `)
  })
})

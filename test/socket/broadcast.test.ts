/** Broadcasts, missing checksums and error queues. What the calls return is what a Linux 6.18 kernel returned. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { procFile } from '../../src/host/proc.ts'
import type { World } from '../../src/link/world.ts'
import { Netns } from '../../src/net/netns.ts'
import { route } from '../../src/net/route.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import { Sockets } from '../../src/socket/sockets.ts'
import type { UdpSocket } from '../../src/socket/udp.ts'
import { ANY, formatIpv4, parseCidr, parseIpv4 } from '../../src/wire/address.ts'
import { defaultRoute, join, newWorld, watch } from '../net/network.ts'

let world: World
let a: Netns
let b: Netns
let seen: string[]

beforeEach(() => {
  world = newWorld()
  a = new Netns(world, 'a')
  b = new Netns(world, 'b')
  const [eth0] = join(world, a, '10.77.0.1/24', b, '10.77.0.2/24')
  seen = watch(eth0)
  Sockets.of(b)
})

afterEach(() => {
  for (const each of [a, b]) Sockets.of(each).closeAll()
  world.scheduler.run(world.scheduler.now + 10 * SECOND)
  expect(world.frames.inUse).toBe(0)
})

const text = (word: string) => new TextEncoder().encode(word)
const address = parseIpv4

function run(seconds = 1): void {
  world.scheduler.run(world.scheduler.now + seconds * SECOND)
}

/** What the socket hears, as `text from port`. */
function hearing(netns: Netns, where: string, port: number): string[] {
  const heard: string[] = []
  const socket = Sockets.of(netns).udp()
  socket.reuse = true
  expect(socket.bind(address(where), port)).toBe(null)
  socket.onDatagram = (payload, from) => heard.push(`${new TextDecoder().decode(payload)} from ${formatIpv4(from)}`)
  return heard
}

function socketOf(netns: Netns, broadcast = false): UdpSocket {
  const socket = Sockets.of(netns).udp()
  socket.broadcast = broadcast
  return socket
}

describe('without SO_BROADCAST', () => {
  it('nobody may speak to all', () => {
    expect(socketOf(a).sendTo(text('x'), address('10.77.0.255'), 9)).toBe('EACCES')
    expect(socketOf(a).connect(address('10.77.0.255'), 9)).toBe('EACCES')
    expect(socketOf(a).sendTo(text('x'), address('255.255.255.255'), 9)).toBe('ENETUNREACH')
    const bound = socketOf(a)
    bound.bind(address('10.77.0.1'), 0)
    expect(bound.sendTo(text('x'), address('255.255.255.255'), 9)).toBe('EACCES')
    expect(Sockets.of(a).icmp().echo(1, 1, new Uint8Array(8), address('10.77.0.255'))).toBe('EACCES')
    defaultRoute(a, '10.77.0.2')
    expect(socketOf(a).sendTo(text('x'), address('255.255.255.255'), 9)).toBe('EACCES')
    expect(seen).toEqual([])
  })
})

describe('with SO_BROADCAST', () => {
  it('all sockets of the port hear it that are bound to no other address, the sender’s too', () => {
    const heard = ['0.0.0.0', '10.77.0.255', '10.77.0.2'].map((where) => hearing(b, where, 9))
    const own = hearing(a, '0.0.0.0', 9)
    const socket = socketOf(a, true)
    expect(socket.sendTo(text('hello'), address('10.77.0.255'), 9)).toBe(null)
    run()
    expect(heard).toEqual([['hello from 10.77.0.1'], ['hello from 10.77.0.1'], []])
    expect(own).toEqual(['hello from 10.77.0.1'])
    // The copy for ourselves is not on the wire, and not captured.
    expect(seen.length).toBe(1)
    expect(seen[0]).toMatch(/^IP 10\.77\.0\.1\.\d+ > 10\.77\.0\.255\.9: UDP, length 5$/)
    const counters = procFile(b, '/proc/net/netstat') ?? ''
    const [names, values] = counters.split('\n').filter((line) => line.startsWith('IpExt: '))
    expect(values.split(' ')[names.split(' ').indexOf('InBcastPkts')]).toBe('1')
    expect(values.split(' ')[names.split(' ').indexOf('InBcastOctets')]).toBe('33')
  })

  it('nobody who hears it answers that there is no such port', () => {
    socketOf(a, true).sendTo(text('hello'), address('10.77.0.255'), 9)
    run()
    expect(seen.length).toBe(1)
  })

  it('255.255.255.255 leaves where the source address is, or where the default route leads', () => {
    const heard = hearing(b, '0.0.0.0', 9)
    expect(socketOf(a, true).sendTo(text('one'), address('255.255.255.255'), 9)).toBe('ENETUNREACH')
    const socket = socketOf(a, true)
    socket.bind(address('10.77.0.1'), 0)
    expect(socket.sendTo(text('two'), address('255.255.255.255'), 9)).toBe(null)
    run()
    defaultRoute(a, '10.77.0.2')
    expect(socketOf(a, true).sendTo(text('three'), address('255.255.255.255'), 9)).toBe(null)
    run()
    expect(heard).toEqual(['two from 10.77.0.1', 'three from 10.77.0.1'])
    expect(seen.length).toBe(2)
  })

  it('the network’s first address is nobody’s: it is asked for by ARP', () => {
    expect(socketOf(a).sendTo(text('x'), address('10.77.0.0'), 9)).toBe(null)
    run(5)
    expect(seen[0]).toMatch(/^ARP, Request who-has 10\.77\.0\.0 tell 10\.77\.0\.1/)
  })
})

describe('bc_forwarding', () => {
  let far: Netns
  let beyond: string[]

  beforeEach(() => {
    far = new Netns(world, 'far')
    const [, end] = join(world, b, '10.79.0.2/24', far, '10.79.0.1/24', ['eth1', 'eth0'])
    beyond = watch(end)
    a.main.add(
      route({
        destination: parseCidr('10.79.0.0/24'),
        gateway: address('10.77.0.2'),
        device: a.devices.get('eth0') ?? null,
      }),
    )
    defaultRoute(far, '10.79.0.2')
    b.sysctl.set('net.ipv4.ip_forward', '1')
    far.sysctl.set('net.ipv4.icmp_echo_ignore_broadcasts', '0')
  })

  function ping(to: string): void {
    const socket = Sockets.of(a).icmp()
    socket.broadcast = true
    expect(socket.echo(7, 1, new Uint8Array(8), address(to))).toBe(null)
    run(2)
    socket.close()
  }

  it('needs both all and the device; then the other network hears it, and the router does not', () => {
    ping('10.79.0.255')
    b.sysctl.set('net.ipv4.conf.all.bc_forwarding', '1')
    ping('10.79.0.255')
    expect(beyond).toEqual([])
    b.sysctl.set('net.ipv4.conf.eth0.bc_forwarding', '1')
    b.sysctl.set('net.ipv4.icmp_echo_ignore_broadcasts', '0')
    ping('10.79.0.255')
    const echo = beyond.filter((line) => line.includes('ICMP'))
    expect(echo).toEqual([
      'IP 10.77.0.1 > 10.79.0.255: ICMP echo request, id 7, seq 1, length 16',
      'IP 10.79.0.1 > 10.77.0.1: ICMP echo reply, id 7, seq 1, length 16',
    ])
    expect(seen.at(-1)).toBe('IP 10.79.0.1 > 10.77.0.1: ICMP echo reply, id 7, seq 1, length 16')
    expect(b.counters.icmpIn[8]).toBe(2)
  })

  it('what was broadcast on its own network is not heard any more', () => {
    b.sysctl.set('net.ipv4.icmp_echo_ignore_broadcasts', '0')
    b.sysctl.set('net.ipv4.conf.all.bc_forwarding', '1')
    b.sysctl.set('net.ipv4.conf.eth0.bc_forwarding', '1')
    ping('10.77.0.255')
    expect(seen).toEqual(['IP 10.77.0.1 > 10.77.0.255: ICMP echo request, id 7, seq 1, length 16'])
  })
})

describe('SO_NO_CHECK', () => {
  it('sends zeros, which are taken without a look, and stay zeros through NAT', () => {
    const sums: string[] = []
    const eth0 = b.devices.get('eth0')
    if (eth0 === undefined) throw new Error('no eth0')
    eth0.tap = (frame) => {
      if (frame.bytes[frame.start + 23] === 17)
        sums.push(String((frame.bytes[frame.start + 40] << 8) | frame.bytes[frame.start + 41]))
    }
    a.netfilter.iptables('-t nat -A POSTROUTING -p udp -j SNAT --to-source 10.77.0.1:5000'.split(' '))
    const heard = hearing(b, '10.77.0.2', 9)
    const socket = socketOf(a)
    socket.noChecksum = true
    socket.sendTo(text('bare'), address('10.77.0.2'), 9)
    run()
    expect(heard).toEqual(['bare from 10.77.0.1'])
    expect(sums).toEqual(['0'])
  })
})

describe('IP_RECVERR', () => {
  function queue(socket: UdpSocket): string[] {
    const list: string[] = []
    for (let each = socket.receiveError(); each !== null; each = socket.receiveError()) {
      const { errno, type, code, info, offender, address: to, port, payload } = each
      list.push(
        `${new TextDecoder().decode(payload)} ${formatIpv4(to)}:${port} ${errno} ${type} ${code} ${info} ${formatIpv4(offender)}`,
      )
    }
    return list
  }

  it('an unconnected socket has each error in a queue, and the last one pending', () => {
    const socket = socketOf(a)
    socket.receiveErrors = true
    expect(socket.sendTo(text('one'), address('10.77.0.2'), 999)).toBe(null)
    run()
    expect(socket.sendTo(text('two'), address('10.77.0.2'), 998)).toBe('ECONNREFUSED')
    run()
    expect(socket.sendTo(text('three'), address('10.77.0.2'), 997)).toBe(null)
    run()
    expect(socket.takeError()).toBe('ECONNREFUSED')
    expect(socket.takeError()).toBe(null)
    expect(queue(socket)).toEqual([
      'one 10.77.0.2:999 ECONNREFUSED 3 3 0 10.77.0.2',
      'three 10.77.0.2:997 ECONNREFUSED 3 3 0 10.77.0.2',
    ])
    expect(socket.takeError()).toBe(null)
    expect(socket.sendTo(text('four'), address('10.77.0.2'), 996)).toBe(null)
    run()
    expect(queue(socket)).toEqual(['four 10.77.0.2:996 ECONNREFUSED 3 3 0 10.77.0.2'])
    expect(socket.takeError()).toBe(null)
  })

  it('without it an unconnected socket hears nothing, a connected one the error alone', () => {
    const socket = socketOf(a)
    socket.sendTo(text('one'), address('10.77.0.2'), 999)
    run()
    expect(socket.takeError()).toBe(null)
    socket.connect(address('10.77.0.2'), 999)
    socket.send(text('two'))
    run()
    expect(socket.receiveError()).toBe(null)
    expect(socket.send(text('three'))).toBe('ECONNREFUSED')
    expect(socket.send(text('four'))).toBe(null)
    expect(ANY).toBe(0)
  })

  it('the queue is bounded by the receive buffer', () => {
    b.sysctl.set('net.ipv4.icmp_ratelimit', '0')
    b.sysctl.set('net.ipv4.icmp_ratemask', '0')
    const socket = socketOf(a)
    socket.receiveErrors = true
    for (let i = 0; i < 400; i++) {
      socket.takeError()
      socket.sendTo(text('x'), address('10.77.0.2'), 999)
      run(0.01)
    }
    expect(queue(socket).length).toBe(255)
  })
})

/**
 * What a virtual service does to packets. There was no kernel with ip_vs to compare with; what is expected here was read
 * in its sources (see src/netfilter/ipvs).
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { tcpStateNames } from '../../src/netfilter/ipvs/states.ts'
import { Count } from '../../src/netfilter/ipvs/statistics.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import { Sockets } from '../../src/socket/sockets.ts'
import { type Ipv4, parseIpv4 } from '../../src/wire/address.ts'
import { Balanced, ONE, TWO, UDP, VIP } from './balanced.ts'
import { watch } from './network.ts'

let lab: Balanced

beforeEach(() => {
  lab = new Balanced()
})

afterEach(() => lab.end())

describe('a virtual service by masquerading', () => {
  it('takes turns: the server that was added last is the first of the list', () => {
    lab.add()
    lab.serve(lab.one)
    lab.serve(lab.two)
    expect([lab.ask(), lab.ask(), lab.ask(), lab.ask()]).toEqual(['two', 'one', 'two', 'one'])
  })

  it('shows the server the lab.client, and the client the service; the TTL counts down as on a router', () => {
    lab.add()
    const heard = lab.serve(lab.two)
    lab.run(0)
    const device = lab.client.devices.get('eth0')
    const inside = lab.two.devices.get('eth0')
    if (device === undefined || inside === undefined) throw new Error('no device')
    const outer = watch(device)
    const inner = watch(inside)
    expect(lab.ask()).toBe('two')
    expect(heard).toEqual(['10.0.0.2'])
    const tcp = (lines: string[]) => lines.filter((line) => line.includes('Flags'))
    expect(tcp(outer)[1]).toMatch(/10\.0\.0\.1\.80 > 10\.0\.0\.2\.\d+: Flags \[S\.\]/)
    expect(tcp(inner)[0]).toMatch(/10\.0\.0\.2\.\d+ > 10\.1\.2\.2\.8080: Flags \[S\]/)
    expect(tcp(inner)[1]).toMatch(/10\.1\.2\.2\.8080 > 10\.0\.0\.2\.\d+: Flags \[S\.\]/)
  })

  it('follows the connection: SYN_RECV, ESTABLISHED, CLOSE_WAIT or FIN_WAIT, and counts it as active until then', () => {
    lab.add({}, [ONE])
    lab.serve(lab.one)
    const states: string[] = []
    const note = () => {
      const [connection] = lab.ipvs.connections.list()
      const { active, inactive } = connection.server
      states.push(`${tcpStateNames[connection.state]} ${connection.timeout / SECOND} ${active}/${inactive}`)
    }
    const socket = lab.connect()
    for (let i = 0; i < 100 && lab.ipvs.connections.count === 0; i++)
      lab.world.scheduler.run(lab.world.scheduler.now + 1000)
    note()
    lab.run()
    note()
    expect(lab.read(socket)).toBe('one')
    socket.close()
    lab.run()
    note()
    expect(states).toEqual(['SYN_RECV 60 1/0', 'ESTABLISHED 900 1/0', 'CLOSE_WAIT 60 0/1'])
    lab.run(58)
    expect(lab.ipvs.connections.list()).toHaveLength(1)
    lab.run(3)
    expect(lab.ipvs.connections.list()).toHaveLength(0)
  })

  it('refuses by ICMP port unreachable while no server is there', () => {
    lab.add({}, [])
    expect(lab.ask()).toBe('ECONNREFUSED')
    const socket = Sockets.of(lab.client).udp()
    lab.add({ protocol: UDP, port: 53 }, [])
    let error = ''
    socket.onError = (errno) => {
      error = errno
    }
    socket.connect(VIP, 53)
    socket.send(new Uint8Array(4))
    lab.run()
    expect(error).toBe('ECONNREFUSED')
    socket.close()
  })

  it('leaves other ports of the address to the host itself', () => {
    lab.add()
    lab.serve(lab.director, 22)
    expect(lab.ask(lab.client, VIP, 22)).toBe('director')
    expect(lab.ask(lab.client, VIP, 81)).toBe('ECONNREFUSED')
  })

  it('serves the director itself; its own packets pass OUTPUT again on their way out', () => {
    lab.add()
    lab.serve(lab.one)
    lab.serve(lab.two)
    lab.director.netfilter.iptables(['-A', 'OUTPUT', '-p', 'tcp', '--dport', '8080'])
    expect([lab.ask(lab.director), lab.ask(lab.director)]).toEqual(['two', 'one'])
    expect(lab.director.netfilter.list('filter', { chain: 'OUTPUT', verbose: true, exact: true })).toMatch(
      / [1-9]\d* +\d+ +tcp/,
    )
  })

  it('sends to a server on the director itself', () => {
    lab.add({}, [parseIpv4('10.1.1.1')])
    lab.serve(lab.director)
    expect(lab.ask()).toBe('director')
    expect(lab.ask(lab.director)).toBe('director')
  })

  it('says that a packet is too old or too long before it touches it', () => {
    lab.add({ protocol: UDP, port: 53 }, [ONE], 53)
    const lines = watch(lab.client.devices.get('eth0') as never)
    const socket = Sockets.of(lab.client).udp()
    socket.ttl = 1
    socket.connect(VIP, 53)
    socket.send(new Uint8Array(4))
    lab.run()
    socket.close()
    expect(lines.at(-1)).toContain('10.0.0.1 > 10.0.0.2: ICMP time exceeded in-transit')
  })

  it('UDP stays with its server for 300 s after the last datagram', () => {
    lab.add({ protocol: UDP, port: 53 }, [ONE, TWO], 53)
    lab.echo(lab.one, 53)
    lab.echo(lab.two, 53)
    const socket = Sockets.of(lab.client).udp()
    const heard: string[] = []
    socket.onDatagram = (payload) => void heard.push(new TextDecoder().decode(payload))
    socket.connect(VIP, 53)
    for (const pause of [1, 299, 301, 1]) {
      socket.send(new Uint8Array(4))
      lab.run(pause)
    }
    socket.close()
    expect(heard).toEqual(['two', 'two', 'two', 'one'])
  })

  it('translates the errors about what it sent on', () => {
    Sockets.of(lab.one)
    lab.add({ protocol: UDP, port: 53 }, [ONE], 5353)
    const lines = watch(lab.client.devices.get('eth0') as never)
    const socket = Sockets.of(lab.client).udp()
    let error = ''
    socket.onError = (errno) => {
      error = errno
    }
    socket.connect(VIP, 53)
    socket.send(new Uint8Array(4))
    lab.run()
    socket.close()
    expect(error).toBe('ECONNREFUSED')
    expect(lines.at(-1)).toContain('10.0.0.1 > 10.0.0.2: ICMP 10.0.0.1 udp port 53 unreachable')
  })

  it('and those that go to the server: a path that got narrower behind the client', () => {
    lab.add({}, [ONE])
    const socket = Sockets.of(lab.one).tcp()
    socket.bind(0 as Ipv4, 8080)
    const listener = socket.listen(16)
    if (typeof listener === 'string') throw new Error(listener)
    listener.onAccept = (peer) => void peer.write(new Uint8Array(5000))
    // The server's segments find the director's way to the client narrower than its own cable.
    const out = lab.director.devices.get('out')
    if (out === undefined) throw new Error('no device')
    const peer = lab.connect()
    out.mtu = 1000
    lab.run(2)
    expect(lab.read(peer).length).toBeGreaterThan(0)
    expect(lab.one.exceptions.get(parseIpv4('10.0.0.2'))?.mtu).toBe(1000)
    peer.close()
  })

  it('counts what passes', () => {
    const name = lab.add({}, [ONE])
    lab.serve(lab.one)
    lab.ask()
    lab.ask()
    const statistics = lab.ipvs.service(name)?.statistics
    expect(statistics?.count(Count.CONNECTIONS)).toBe(2)
    expect(statistics?.count(Count.IN_PACKETS)).toBeGreaterThan(6)
    expect(statistics?.count(Count.OUT_BYTES)).toBeGreaterThan(300)
    expect(lab.ipvs.statistics.count(Count.IN_PACKETS)).toBe(statistics?.count(Count.IN_PACKETS))
    lab.run(2)
    expect(statistics?.rate(Count.IN_PACKETS)).toBeGreaterThan(0)
    lab.run(100)
    expect(statistics?.rate(Count.IN_PACKETS)).toBe(0)
  })
})

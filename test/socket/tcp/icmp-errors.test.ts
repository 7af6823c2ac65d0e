import { expect, test } from 'vitest'
import { Veth } from '../../../src/link/veth.ts'
import { Netns } from '../../../src/net/netns.ts'
import { type Route, route } from '../../../src/net/route.ts'
import { Sockets } from '../../../src/socket/sockets.ts'
import type { TcpSocket } from '../../../src/socket/tcp/socket.ts'
import { type Ipv4, macOf, parseCidr, parseIpv4 } from '../../../src/wire/address.ts'
import { Pair, readAll, SERVER } from '../pair.ts'

const BEYOND = parseIpv4('10.9.0.2')

/** The client sends what is for 10.9.0.0/24 to the server, which does with it as the route says. */
function behind(pair: Pair, type: Route['type'] | null): void {
  const destination = parseCidr('10.9.0.0/24')
  pair.client.main.add(route({ destination, gateway: SERVER, device: pair.clientEnd }))
  pair.server.sysctl.set('net.ipv4.ip_forward', '1')
  if (type !== null) pair.server.main.add(route({ destination, type }))
}

for (const [type, errno] of [
  ['unreachable', 'EHOSTUNREACH'],
  ['prohibit', 'EHOSTUNREACH'],
  [null, 'ENETUNREACH'],
] as const) {
  test(`an unreachable that comes back ends connect() at once: ${type ?? 'no route'} is ${errno}`, () => {
    const pair = new Pair()
    behind(pair, type)
    const socket = Sockets.of(pair.client).tcp()
    let error: string | null = ''
    socket.onClose = (reason) => {
      error = reason
    }
    expect(socket.connect(BEYOND, 80)).toBe(null)
    pair.run(50)
    expect(error).toBe(errno)
    expect(pair.lines.length).toBe(2)
    pair.settle()
    expect(pair.world.frames.inUse).toBe(0)
  })
}

test('a host that does not answer ARP ends connect() with EHOSTUNREACH after three tries', () => {
  const pair = new Pair()
  const socket = Sockets.of(pair.client).tcp()
  let error: string | null = ''
  socket.onClose = (reason) => {
    error = reason
  }
  socket.connect(parseIpv4('10.0.0.77'), 80)
  pair.run(2900)
  expect(error).toBe('')
  pair.run(300)
  expect(error).toBe('EHOSTUNREACH')
  pair.settle()
  expect(pair.world.frames.inUse).toBe(0)
})

test('an error in an established connection is only remembered', () => {
  const pair = new Pair()
  behind(pair, null)
  const far = farHost(pair, 1450)
  let error: string | null = 'none'
  const socket = connectTo(pair, far)
  socket.onClose = (reason) => {
    error = reason
  }
  const cut = pair.server.main.list().find((found) => found.destination.network === parseIpv4('10.9.0.0'))
  pair.server.main.remove((found) => found === cut)
  socket.write(new Uint8Array(10))
  pair.run(150)
  expect(pair.lines.at(-1)).toBe('< icmp 3/0')
  expect(error).toBe('none')
  pair.server.main.add(cut as Route)
  pair.run(1000)
  expect(socket.info()).toMatchObject({ unacked: 0, bytesAcked: 11 })
})

test('an unreachable for what was sent again takes a step of the back-off back (RFC 6069)', () => {
  const pair = new Pair()
  behind(pair, null)
  const far = farHost(pair, 1450)
  const socket = connectTo(pair, far)
  pair.server.main.remove((found) => found.destination.network === parseIpv4('10.9.0.0'))
  pair.said()
  socket.write(new Uint8Array(10))
  pair.run(15_000)
  // Where the router's allowance lets it tell, the time-out does not double.
  const times = pair.times.filter((_, i) => pair.lines[i].startsWith('>'))
  const gaps = times.slice(1).map((time, i) => Math.round((time - times[i]) / 100) / 10)
  expect(gaps).toEqual([0.2, 0.2, 0.4, 0.8, 1.7, 1.7, 1.7, 3.5, 3.3])
})

test('fragmentation needed: smaller segments at once, and every byte arrives', () => {
  const pair = new Pair()
  behind(pair, null)
  const far = farHost(pair, 1300)
  let received = 0
  far.onAccept = (socket) => {
    socket.onReadable = () => {
      received += readAll(socket).length
    }
  }
  const socket = connectTo(pair, far)
  pair.said()
  socket.write(new Uint8Array(5000))
  pair.run(20)
  expect(received).toBe(5000)
  expect(socket.info()).toMatchObject({ mss: 1248, pathMtu: 1300 })
  const lines = pair.said()
  expect(lines.filter((line) => line === '< icmp 3/4').length).toBeGreaterThan(0)
  expect(lines[0]).toMatch(/^> \. 1:1399/)
  expect(lines).toContain('> . 1:1249 ack 1 win 507')
})

test('fragmentation needed: what was too long goes before anything new, so the peer sees no gap (Linux 6.18)', () => {
  const pair = new Pair()
  behind(pair, null)
  const far = farHost(pair, 1300)
  let received = 0
  far.onAccept = (socket) => {
    socket.onReadable = () => {
      received += readAll(socket).length
    }
  }
  const socket = connectTo(pair, far)
  pair.said()
  socket.write(new Uint8Array(20_000))
  pair.run(20)
  expect(received).toBe(20_000)
  const lines = pair.said()
  const sent = lines
    .slice(lines.indexOf('> . 1:1249 ack 1 win 507'))
    .flatMap((line) => /^> \S+ (\d+):/.exec(line)?.[1] ?? [])
  // Ten full segments were out when the first error came; the kernel cuts each of the two bursts anew.
  expect(sent.slice(0, 13).map(Number)).toEqual([
    1, 1249, 2497, 3745, 4993, 6241, 6991, 8239, 9487, 10735, 11983, 13231, 13981,
  ])
  expect(lines.filter((line) => line.includes('sack'))).toEqual([])
  expect(socket.info()).toMatchObject({ unacked: 0, mss: 1248 })
})

interface Far {
  address: Ipv4
  onAccept: (socket: TcpSocket) => void
}

/** A host behind the server, on a cable with this MTU at the server's end; it listens on port 80. */
function farHost(pair: Pair, mtu: number): Far {
  const far = new Netns(pair.world, 'far')
  const gateway = parseIpv4('10.9.0.1')
  const [a, b] = Veth.pair(pair.world, 'eth1', macOf(2, 1, gateway), 'eth0', macOf(2, 1, BEYOND))
  a.mtu = mtu
  for (const [netns, device, address] of [
    [pair.server, a, gateway],
    [far, b, BEYOND],
  ] as const) {
    netns.adopt(device)
    netns.setUp(device)
    netns.addAddress(device, address, 24)
  }
  far.main.add(route({ destination: parseCidr('0.0.0.0/0'), gateway, device: b }))
  const result: Far = { address: BEYOND, onAccept: () => {} }
  const socket = Sockets.of(far).tcp()
  socket.bind(0 as Ipv4, 80)
  const listener = socket.listen(8)
  if (typeof listener === 'string') throw new Error(listener)
  listener.onAccept = (accepted) => result.onAccept(accepted)
  return result
}

function connectTo(pair: Pair, far: Far): TcpSocket {
  const socket = Sockets.of(pair.client).tcp()
  expect(socket.connect(far.address, 80)).toBe(null)
  pair.run(50)
  expect(socket.state).toBe('ESTABLISHED')
  return socket
}

import { expect, test } from 'vitest'
import { Sockets } from '../../src/socket/sockets.ts'
import { ANY, LOOPBACK, parseIpv4 } from '../../src/wire/address.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import * as udp from '../../src/wire/udp.ts'
import { CLIENT, Pair, SERVER } from './pair.ts'

const hello = new TextEncoder().encode('hello')

test('a datagram and its answer, unchanged', () => {
  const pair = new Pair()
  const server = Sockets.of(pair.server).udp()
  expect(server.bind(ANY, 53)).toBe(null)
  server.onDatagram = (payload, from, port) => server.sendTo(payload, from, port)
  const client = Sockets.of(pair.client).udp()
  const heard: [string, number, number][] = []
  client.onDatagram = (payload, from, port) => heard.push([new TextDecoder().decode(payload), from, port])
  expect(client.sendTo(hello, SERVER, 53)).toBe(null)
  pair.run()
  expect(heard).toEqual([['hello', SERVER, 53]])
  expect(client.localPort).toBeGreaterThanOrEqual(32768)
  expect(client.localPort).toBeLessThanOrEqual(60999)
  pair.settle()
  expect(pair.world.frames.inUse).toBe(0)
})

test('a closed port: ECONNREFUSED for a connected socket, nothing for another', () => {
  const pair = new Pair()
  const connected = Sockets.of(pair.client).udp()
  const unconnected = Sockets.of(pair.client).udp()
  const errors: string[] = []
  connected.onError = (errno) => errors.push(`connected ${errno}`)
  unconnected.onError = (errno) => errors.push(`unconnected ${errno}`)
  connected.connect(SERVER, 9)
  connected.send(hello)
  unconnected.sendTo(hello, SERVER, 9)
  pair.run()
  expect(errors).toEqual(['connected ECONNREFUSED'])
  expect(pair.said()).toEqual(['> udp 5', '> udp 5', '< icmp 3/3', '< icmp 3/3'])
})

test('without onError, the next send returns the error, once', () => {
  const pair = new Pair()
  const socket = Sockets.of(pair.client).udp()
  socket.connect(SERVER, 9)
  socket.send(hello)
  pair.run()
  expect(socket.send(hello)).toBe('ECONNREFUSED')
  expect(socket.send(hello)).toBe(null)
})

test('a connected socket counts its identifications and hears only its peer', () => {
  const pair = new Pair()
  const server = Sockets.of(pair.server).udp()
  server.bind(ANY, 53)
  const stranger = Sockets.of(pair.server).udp()
  stranger.bind(ANY, 54)
  const client = Sockets.of(pair.client).udp()
  let heard = 0
  client.onDatagram = () => heard++
  client.connect(SERVER, 53)
  client.send(hello)
  client.send(hello)
  pair.run()
  const [first, second] = pair.packets.map((packet) => ipv4.identification(packet, 0))
  expect(second).toBe((first + 1) & 0xffff)
  server.sendTo(hello, CLIENT, client.localPort)
  stranger.sendTo(hello, CLIENT, client.localPort)
  pair.run()
  expect(heard).toBe(1)
})

test('DF by default, unless the datagram must be fragmented here; never without dontFragment', () => {
  const pair = new Pair()
  const received: number[] = []
  const server = Sockets.of(pair.server).udp()
  server.bind(ANY, 53)
  server.onDatagram = (payload) => received.push(payload.length)
  const socket = Sockets.of(pair.client).udp()
  socket.sendTo(hello, SERVER, 53)
  socket.sendTo(new Uint8Array(4000), SERVER, 53)
  socket.dontFragment = false
  socket.sendTo(hello, SERVER, 53)
  pair.run()
  expect(received).toEqual([5, 4000, 5])
  const fields = pair.packets.map((packet) => ipv4.fragmentField(packet, 0) & (ipv4.DF | ipv4.MF))
  expect(fields).toEqual([ipv4.DF, ipv4.MF, ipv4.MF, 0, 0])
  expect(socket.sendTo(new Uint8Array(65_508), SERVER, 53)).toBe('EMSGSIZE')
})

test('two programs of one namespace cannot bind the same port, unless both say reuse', () => {
  const pair = new Pair()
  const [a, b, c, d, e] = Array.from({ length: 5 }, () => Sockets.of(pair.server).udp())
  expect(a.bind(ANY, 53)).toBe(null)
  expect(b.bind(SERVER, 53)).toBe('EADDRINUSE')
  expect(c.bind(CLIENT, 53)).toBe('EADDRNOTAVAIL')
  expect(c.bind(SERVER, 54)).toBe(null)
  expect(d.bind(LOOPBACK, 54)).toBe(null)
  a.close()
  expect(b.bind(SERVER, 53)).toBe(null)
  e.reuse = true
  expect(e.bind(SERVER, 53)).toBe('EADDRINUSE')
})

test('no route is an error of the call', () => {
  const pair = new Pair()
  const socket = Sockets.of(pair.client).udp()
  expect(socket.sendTo(hello, parseIpv4('192.0.2.1'), 53)).toBe('ENETUNREACH')
  expect(socket.connect(parseIpv4('192.0.2.1'), 53)).toBe('ENETUNREACH')
  expect(socket.send(hello)).toBe('ENOTCONN')
})

test('a kernel port gets the frame itself, from its UDP header on', () => {
  const pair = new Pair()
  const seen: string[] = []
  const late = Sockets.of(pair.server).udp()
  const release = Sockets.of(pair.server).encapsulation(8472, (frame) => {
    seen.push(`${udp.length(frame.bytes, frame.start)} ${ipv4.source(frame.bytes, frame.network) === CLIENT}`)
    pair.world.frames.consume(frame)
  })
  expect(late.bind(ANY, 8472)).toBe('EADDRINUSE')
  const client = Sockets.of(pair.client).udp()
  client.sendTo(hello, SERVER, 8472)
  pair.run()
  release()
  client.sendTo(hello, SERVER, 8472)
  pair.run()
  expect(seen).toEqual(['13 true'])
  expect(pair.lines.at(-1)).toBe('< icmp 3/3')
  pair.settle()
  expect(pair.world.frames.inUse).toBe(0)
})

import { expect, test } from 'vitest'
import { Sockets } from '../../src/socket/sockets.ts'
import { parseIpv4 } from '../../src/wire/address.ts'
import * as icmp from '../../src/wire/icmp.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import { Pair, SERVER } from './pair.ts'

test('an echo request is answered, and the socket sees the reply', () => {
  const pair = new Pair()
  const socket = Sockets.of(pair.client).icmp()
  const replies: object[] = []
  socket.onMessage = ({ bytes, at, end, source, ttl }) => {
    const type = icmp.type(bytes, at)
    const id = icmp.identifier(bytes, at)
    replies.push({ type, id, sequence: icmp.sequence(bytes, at), length: end - at, ttl, source })
  }
  expect(socket.echo(7, 1, new Uint8Array(56), SERVER)).toBe(null)
  pair.run()
  expect(replies).toEqual([{ type: 0, id: 7, sequence: 1, length: 64, ttl: 64, source: SERVER }])
  expect(pair.said()).toEqual(['> icmp 8/0', '< icmp 0/0'])
  socket.close()
  pair.settle()
  expect(pair.world.frames.inUse).toBe(0)
})

test('ping -M do, want and dont', () => {
  const pair = new Pair()
  const socket = Sockets.of(pair.client).icmp()
  const large = new Uint8Array(1472)
  expect(socket.echo(7, 1, large, SERVER, { forbidFragments: true })).toBe('EMSGSIZE')
  expect(socket.echo(7, 2, large, SERVER)).toBe(null)
  expect(socket.echo(7, 3, new Uint8Array(8), SERVER)).toBe(null)
  expect(socket.echo(7, 4, new Uint8Array(8), SERVER, { dontFragment: false, ttl: 3, tos: 16 })).toBe(null)
  pair.run(0)
  pair.run()
  const sent = pair.packets.filter((packet) => ipv4.destination(packet, 0) === SERVER)
  expect(sent.map((packet) => ipv4.fragmentField(packet, 0) & (ipv4.DF | ipv4.MF))).toEqual([ipv4.MF, 0, ipv4.DF, 0])
  expect([ipv4.ttl(sent[3], 0), ipv4.tos(sent[3], 0)]).toEqual([3, 16])
})

test('no route is an error of the call', () => {
  const pair = new Pair()
  const socket = Sockets.of(pair.client).icmp()
  expect(socket.echo(1, 1, new Uint8Array(0), parseIpv4('192.0.2.1'))).toBe('ENETUNREACH')
})

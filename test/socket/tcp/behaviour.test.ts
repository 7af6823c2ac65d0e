import { expect, test } from 'vitest'
import { MILLISECOND } from '../../../src/sim/scheduler.ts'
import { Sockets } from '../../../src/socket/sockets.ts'
import type { TcpSocket } from '../../../src/socket/tcp/socket.ts'
import { i32 } from '../../../src/wire/bytes.ts'
import * as ipv4 from '../../../src/wire/ipv4.ts'
import { CLIENT, Pair, readAll, SERVER } from '../pair.ts'

/** A connection to a server that reads everything and says nothing. */
function toReader(pair: Pair): TcpSocket {
  pair.listen(80, (socket) => {
    socket.onReadable = () => {
      readAll(socket)
      if (socket.ended) socket.close()
    }
  })
  const client = pair.connect(80)
  pair.run()
  pair.said()
  return client
}

test('timestamps are milliseconds, and each side echoes the latest of the other', () => {
  const pair = new Pair({ delay: 5 * MILLISECOND })
  // So that the SYN need not wait for ARP.
  pair.client.neighbours.add(pair.clientEnd, SERVER, pair.serverEnd.mac, 'PERMANENT')
  pair.server.neighbours.add(pair.serverEnd, CLIENT, pair.clientEnd.mac, 'PERMANENT')
  pair.listen(80, () => {})
  pair.connect(80)
  pair.run()
  // Behind MSS and SACK permitted in a SYN, behind two nops elsewhere.
  const value = (packet: number, at: number) => i32(pair.packets[packet], 40 + at)
  const [syn, synAck, ack] = [value(0, 8), value(1, 8), value(2, 4)]
  expect(value(0, 12)).toBe(0)
  expect(value(1, 12)).toBe(syn)
  expect(value(2, 8)).toBe(synAck)
  expect(ack - syn).toBe(10)
})

test('identifications: random, then one more for each segment; SYN-ACK has none; always DF, TTL 64, TOS 0', () => {
  const pair = new Pair()
  const client = toReader(pair)
  client.write(new Uint8Array(3000))
  pair.run()
  const sent = pair.packets.filter((packet) => ipv4.source(packet, 0) === CLIENT)
  const ids = sent.map((packet) => ipv4.identification(packet, 0))
  expect(ids.map((id) => (id - ids[0]) & 0xffff)).toEqual([0, 1, 2])
  for (const packet of pair.packets) {
    expect([ipv4.ttl(packet, 0), ipv4.tos(packet, 0), ipv4.fragmentField(packet, 0)]).toEqual([64, 0, ipv4.DF])
  }
})

test('a burst and a write end with PSH, and a FIN that is queued in time rides on the last segment', () => {
  const pair = new Pair({ delay: MILLISECOND })
  const client = toReader(pair)
  client.write(new Uint8Array(20_000))
  client.close()
  pair.run()
  const sent = pair.said().filter((line) => line.startsWith('>'))
  expect(sent.slice(0, 2)).toEqual(['> . 1:1399 ack 1 win 507', '> . 1399:2797 ack 1 win 507'])
  // The first flight is two bursts of half a window.
  const pushed = sent.filter((line) => /P/.test(line))
  expect(pushed.slice(0, 2)).toEqual(['> P. 5593:6991 ack 1 win 507', '> P. 12583:13981 ack 1 win 507'])
  expect(pushed.at(-1)).toBe('> FP. 19573:20001 ack 1 win 507')
})

test('the first flight is ten segments; then each acknowledgment lets two go (slow start)', () => {
  const pair = new Pair({ delay: 10 * MILLISECOND })
  const client = toReader(pair)
  client.write(new Uint8Array(60_000))
  pair.run(15)
  expect(pair.said().length).toBe(10)
  pair.run(20)
  const lines = pair.said()
  expect(lines.filter((line) => line.startsWith('<')).length).toBe(10)
  expect(lines.filter((line) => line.startsWith('>')).length).toBe(20)
})

test('Nagle: a second small write waits for the first one to be acknowledged, unless noDelay', () => {
  for (const noDelay of [false, true]) {
    const pair = new Pair({ delay: 10 * MILLISECOND })
    const client = toReader(pair)
    client.noDelay = noDelay
    for (let i = 0; i < 3; i++) client.write(new Uint8Array(10))
    pair.run(5)
    expect(pair.said()).toEqual(
      noDelay
        ? ['> P. 1:11 ack 1 win 507', '> P. 11:21 ack 1 win 507', '> P. 21:31 ack 1 win 507']
        : ['> P. 1:11 ack 1 win 507'],
    )
    pair.run(100)
    if (!noDelay) expect(pair.said()).toContain('> P. 11:31 ack 1 win 507')
  }
})

test('once the window has stopped growing every second full segment is acknowledged', () => {
  const pair = new Pair({ delay: MILLISECOND })
  pair.server.sysctl.set('net.ipv4.tcp_moderate_rcvbuf', '0')
  const client = toReader(pair)
  client.write(new Uint8Array(40 * 1398))
  pair.run()
  client.write(new Uint8Array(10 * 1398))
  pair.said()
  pair.run(30)
  const acks = pair.said().filter((line) => line.startsWith('<'))
  expect(acks.length).toBe(5)
})

test('both connect to each other at once: one connection, opened by both', () => {
  const pair = new Pair({ delay: MILLISECOND })
  const a = Sockets.of(pair.client).tcp()
  const b = Sockets.of(pair.server).tcp()
  a.bind(CLIENT, 1000)
  b.bind(SERVER, 2000)
  let connects = 0
  a.onConnect = () => connects++
  b.onConnect = () => connects++
  a.connect(SERVER, 2000)
  b.connect(CLIENT, 1000)
  pair.run()
  expect(connects).toBe(2)
  expect([a.state, b.state]).toEqual(['ESTABLISHED', 'ESTABLISHED'])
  a.write(new Uint8Array(5))
  pair.run()
  expect(readAll(b).length).toBe(5)
})

test('options that sysctl turns off are neither offered nor answered', () => {
  const pair = new Pair()
  pair.server.sysctl.set('net.ipv4.tcp_timestamps', '0')
  pair.server.sysctl.set('net.ipv4.tcp_sack', '0')
  pair.client.sysctl.set('net.ipv4.tcp_window_scaling', '0')
  pair.listen(80, () => {})
  pair.connect(80).onConnect = () => {}
  pair.run()
  expect(pair.said()).toEqual([
    '> S 0 win 64860 <mss 1410,sackOK,TS>',
    '< S. 0 ack 1 win 64860 <mss 1410>',
    '> . 1 ack 1 win 64860',
  ])
})

test('ephemeral ports are in their range, and no two connections to one server share one', () => {
  const pair = new Pair()
  pair.client.sysctl.set('net.ipv4.ip_local_port_range', '40000 40009')
  const ports = new Set<number>()
  for (let i = 0; i < 10; i++) ports.add(pair.connect(80).localPort)
  expect([...ports].sort()).toEqual(Array.from({ length: 10 }, (_, i) => 40_000 + i))
  expect(Sockets.of(pair.client).tcp().connect(SERVER, 80)).toBe('EADDRNOTAVAIL')
})

test('two worlds with one seed say the same, byte for byte', () => {
  const [one, two] = [0, 1].map(() => {
    const pair = new Pair({ seed: 42, loss: 0.05 })
    const client = toReader(pair)
    client.write(new Uint8Array(30_000))
    pair.settle()
    return pair.packets
  })
  expect(one).toEqual(two)
})

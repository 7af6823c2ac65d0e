import { expect, test } from 'vitest'
import { MILLISECOND } from '../../../src/sim/scheduler.ts'
import { Sockets } from '../../../src/socket/sockets.ts'
import type { TcpSocket } from '../../../src/socket/tcp/socket.ts'
import { parseIpv4 } from '../../../src/wire/address.ts'
import * as ipv4 from '../../../src/wire/ipv4.ts'
import { Pair, readAll, SERVER } from '../pair.ts'

/** Sends `length` bytes to a reader; returns what arrived when the world has come to rest. */
function transfer(pair: Pair, length: number): Uint8Array {
  const received = new Uint8Array(length)
  let got = 0
  pair.listen(9000, (socket) => {
    socket.onReadable = () => {
      got += socket.read(received, got)
      if (socket.ended) socket.close()
    }
  })
  const socket = pair.connect(9000)
  const bytes = pattern(length)
  let sent = 0
  const more = () => {
    sent += socket.write(bytes, sent)
    if (sent === length) socket.close()
  }
  socket.onConnect = more
  socket.onWritable = more
  pair.settle()
  return received.subarray(0, got)
}

function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 255)
}

test('a SYN that still waits for ARP does not go again (Linux 6.18: TCPSpuriousRtxHostQueues)', () => {
  const pair = new Pair()
  pair.listen(80, () => {})
  let lost = 0
  pair.clientEnd.impairment = () => lost++ < 2
  const socket = pair.connect(80)
  pair.run(5000)
  expect(socket.state).toBe('ESTABLISHED')
  expect(pair.said()).toHaveLength(3)
  expect(socket.info()).toMatchObject({ resent: 0 })
  pair.settle()
  expect(pair.world.frames.inUse).toBe(0)
})

test('a timeout of a SYN whose ARP failed ends connect() as one (Linux 6.18: RFC 6069 finds no retry left)', () => {
  const pair = new Pair()
  pair.client.sysctl.set('net.ipv4.tcp_syn_retries', '2')
  pair.client.sysctl.set('net.ipv4.tcp_syn_linear_timeouts', '0')
  const socket = Sockets.of(pair.client).tcp()
  let error: string | null = ''
  socket.onClose = (reason) => {
    error = reason
  }
  socket.connect(parseIpv4('10.0.0.77'), 80)
  pair.run(4000)
  expect(error).toBe('ETIMEDOUT')
  pair.settle()
  expect(pair.world.frames.inUse).toBe(0)
})

for (const timestamps of [true, false]) {
  const so = timestamps
    ? 'ten segments when the answer echoes the first'
    : 'one segment when nothing tells which was answered'
  test(`two SYNs sent again: the window is ${so} (Linux 6.18)`, () => {
    const pair = new Pair()
    if (!timestamps) pair.client.sysctl.set('net.ipv4.tcp_timestamps', '0')
    // SYN-ACKs are lost until the third SYN.
    pair.lose('server', 1, 2, 3)
    pair.listen(80, () => {})
    const socket = pair.connect(80)
    pair.run(5000)
    expect(socket.state).toBe('ESTABLISHED')
    expect(socket.info()).toMatchObject({ cwnd: timestamps ? 10 : 1 })
    pair.settle()
  })
}

test('SYNs go again after about a second each, four times, then ever later, and connect times out', () => {
  const pair = new Pair()
  pair.client.neighbours.add(pair.clientEnd, SERVER, pair.serverEnd.mac, 'PERMANENT')
  pair.clientEnd.impairment = () => true
  let error: string | null = ''
  pair.connect(80).onClose = (reason) => {
    error = reason
  }
  pair.run(150_000)
  const seconds = pair.times.map((time) => Math.floor((time - pair.times[0]) / 1000))
  expect(seconds).toEqual([0, 1, 2, 3, 4, 5, 7, 11, 19, 35, 69])
  expect(error).toBe('ETIMEDOUT')
})

test('a lost SYN: the second has the same number, another identification and another flow', () => {
  const pair = new Pair()
  const flows: number[] = []
  pair.listen(80, () => {})
  pair.lose('client', 1)
  const tap = pair.clientEnd.tap
  pair.clientEnd.tap = (frame, device, direction) => {
    if (direction === 'out' && frame.hash !== 0) flows.push(frame.hash)
    tap?.(frame, device, direction)
  }
  pair.connect(80)
  pair.run(1500)
  expect(pair.times[1] - pair.times[0]).toBeGreaterThan(1000)
  expect(pair.times[1] - pair.times[0]).toBeLessThan(1040)
  const ids = pair.packets.map((packet) => ipv4.identification(packet, 0))
  expect(ids[1]).toBe((ids[0] + 1) & 0xffff)
  expect(ids[2]).toBe(0)
  expect(flows[0]).not.toBe(flows[1])
  expect(flows[1]).toBe(flows[2])
  expect(pair.said()).toEqual([
    '> S 0 win 64860 <mss 1410,sackOK,TS,nop,wscale 7>',
    '> S 0 win 64860 <mss 1410,sackOK,TS,nop,wscale 7>',
    '< S. 0 ack 1 win 64308 <mss 1410,sackOK,TS,nop,wscale 7>',
    '> . 1 ack 1 win 507',
  ])
})

test('a lost SYN-ACK comes again by itself', () => {
  const pair = new Pair()
  pair.listen(80, () => {})
  pair.lose('server', 1)
  pair.clientEnd.impairment = null
  const socket = pair.connect(80)
  pair.run(3000)
  expect(socket.state).toBe('ESTABLISHED')
})

test('a lost last segment is sent again after 200 ms, as a probe that leaves the window open', () => {
  const pair = new Pair()
  let server: TcpSocket | null = null
  pair.listen(80, (socket) => {
    server = socket
  })
  const socket = pair.connect(80)
  pair.run()
  pair.said()
  pair.lose('client', 1)
  socket.write(new Uint8Array(100))
  pair.run(300)
  expect(pair.times[1] - pair.times[0]).toBeGreaterThanOrEqual(200)
  expect(pair.times[1] - pair.times[0]).toBeLessThan(212)
  expect(pair.said()).toEqual(['> P. 1:101 ack 1 win 507', '> P. 1:101 ack 1 win 507', '< . 1 ack 101 win 502'])
  expect((server as TcpSocket | null)?.readable).toBe(100)
  expect(socket.info()).toMatchObject({ resent: 1, bytesResent: 100, bytesAcked: 101, unacked: 0, cwnd: 10 })
})

test('when the probe is lost as well, the time-out counts from the probe', () => {
  const pair = new Pair()
  pair.listen(80, () => {})
  const socket = pair.connect(80)
  pair.run()
  pair.said()
  pair.lose('client', 1, 2)
  socket.write(new Uint8Array(100))
  pair.run(800)
  const gaps = [pair.times[1] - pair.times[0], pair.times[2] - pair.times[1]]
  for (const gap of gaps) {
    expect(gap).toBeGreaterThanOrEqual(200)
    expect(gap).toBeLessThan(216)
  }
  expect(pair.said().filter((line) => line.startsWith('>')).length).toBe(3)
  expect(socket.info()).toMatchObject({ resent: 2, cwnd: 2 })
})

test('one of the last segments is lost: too few duplicates, so the reordering timer sends it again', () => {
  const pair = new Pair({ delay: 10 * MILLISECOND })
  let received = 0
  pair.listen(80, (socket) => {
    const scratch = new Uint8Array(65_536)
    socket.onReadable = () => {
      received += socket.read(scratch)
    }
  })
  const socket = pair.connect(80)
  pair.run()
  pair.said()
  pair.lose('client', 1)
  socket.write(pattern(3000))
  pair.run(150)
  expect(received).toBe(3000)
  expect(socket.info()).toMatchObject({ resent: 1, bytesResent: 1398 })
})

test('a bare FIN behind a gap is named by SACK', () => {
  const pair = new Pair({ delay: 10 * MILLISECOND })
  pair.listen(80, () => {})
  const socket = pair.connect(80)
  pair.run()
  pair.said()
  pair.lose('client', 1)
  socket.write(new Uint8Array(100))
  pair.run(1)
  socket.close()
  pair.run(30)
  expect(pair.said().slice(2)).toEqual(['< . 1 ack 1 win 503 <nop,nop,TS,nop,nop,sack 101:102>'])
})

test('a segment lost in the middle is sent again at the third duplicate, which carry SACK blocks', () => {
  const pair = new Pair({ delay: 20_000 })
  pair.lose('client', 4)
  const received = transfer(pair, 8000)
  expect(received).toEqual(pattern(8000))
  const lines = pair.said()
  expect(lines.slice(3, 20)).toEqual([
    '> . 1:1399 ack 1 win 507',
    '> . 1399:2797 ack 1 win 507',
    '> . 2797:4195 ack 1 win 507',
    '> . 4195:5593 ack 1 win 507',
    '> P. 5593:6991 ack 1 win 507',
    '> P. 6991:8001 ack 1 win 507',
    '> F. 8001 ack 1 win 507',
    '< . 1 ack 1399 win 525',
    '< . 1 ack 1399 win 547 <nop,nop,TS,nop,nop,sack 2797:4195>',
    '< . 1 ack 1399 win 568 <nop,nop,TS,nop,nop,sack 2797:5593>',
    '< . 1 ack 1399 win 588 <nop,nop,TS,nop,nop,sack 2797:6991>',
    '> . 1399:2797 ack 1 win 507',
    '< . 1 ack 1399 win 588 <nop,nop,TS,nop,nop,sack 2797:8001>',
    '< . 1 ack 1399 win 588 <nop,nop,TS,nop,nop,sack 2797:8002>',
    '< . 1 ack 8002 win 569',
    '< F. 1 ack 8002 win 588',
    '> . 8002 ack 2 win 507',
  ])
  expect(pair.world.frames.inUse).toBe(0)
})

for (const loss of [0, 0.01, 0.1]) {
  test(`a megabyte arrives as it was sent with ${loss * 100} % loss each way`, () => {
    const pair = new Pair({ loss, delay: 1_000_000, seed: 7 })
    const length = loss > 0.05 ? 100_000 : 1_000_000
    const received = transfer(pair, length)
    expect(received.length).toBe(length)
    expect(Buffer.compare(received, pattern(length))).toBe(0)
    expect(Sockets.of(pair.client).list()).toEqual([])
    expect(pair.world.frames.inUse).toBe(0)
  })
}

test('a reader that stops shuts the window; probes keep asking; reading opens it', () => {
  const pair = new Pair()
  let server: TcpSocket | null = null
  pair.listen(80, (socket) => {
    server = socket
  })
  const socket = pair.connect(80)
  pair.run()
  const bytes = pattern(120_000)
  let sent = socket.write(bytes)
  socket.onWritable = () => {
    sent += socket.write(bytes, sent)
  }
  pair.run(5000)
  const reader = server as unknown as TcpSocket
  expect(reader.readable).toBeGreaterThan(60_000)
  expect(pair.said().at(-1)).toMatch(/^< \. 1 ack \d+ win 0$/)
  const first = readAll(reader)
  pair.run(5000)
  const rest = readAll(reader)
  expect(Buffer.compare(Buffer.concat([first, rest]), pattern(120_000))).toBe(0)
})

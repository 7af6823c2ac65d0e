/**
 * The window that a receiver offers. The numbers are those of Linux 6.18 between two namespaces joined by a veth
 * without offloads, MTU 1500, tcp_rmem 4096 131072 6291456, where the same was done.
 */
import { expect, test } from 'vitest'
import { MICROSECOND } from '../../../src/sim/scheduler.ts'
import type { TcpSocket } from '../../../src/socket/tcp/socket.ts'
import { Pair, readAll } from '../pair.ts'

function windows(pair: Pair): string[] {
  return pair
    .said()
    .filter((line) => line.startsWith('< .'))
    .map((line) => line.replace(/^.* win /, ''))
}

function sendTo(pair: Pair, length: number, serve: (socket: TcpSocket) => void): void {
  pair.listen(80, serve)
  const socket = pair.connect(80)
  const bytes = new Uint8Array(length)
  let sent = 0
  socket.onConnect = () => {
    sent = socket.write(bytes)
  }
  socket.onWritable = () => {
    sent += socket.write(bytes, sent)
  }
}

test('it grows with full segments until the buffer is too full, and shrinks with what nobody reads', () => {
  const pair = new Pair({ mtu: 1500, delay: 50 * MICROSECOND })
  sendTo(pair, 14_480, () => {})
  pair.run(30)
  expect(windows(pair)).toEqual(['532', '555', '577', '595', '584', '573', '562', '551', '540', '529'])
})

test('small segments teach that memory is used badly', () => {
  const pair = new Pair({ mtu: 1500, delay: 50 * MICROSECOND })
  let server: TcpSocket | null = null
  pair.listen(80, (socket) => {
    server = socket
  })
  const socket = pair.connect(80)
  pair.run()
  for (let i = 0; i < 4; i++) {
    socket.write(new Uint8Array(700))
    pair.run(20)
  }
  // ss -im: rcv_ssthresh:59392, skmem r3064: two segments share a buffer.
  const info = (server as unknown as TcpSocket).info()
  expect(info?.receiveThreshold).toBe(59_392)
})

test('a buffer that nobody reads ends in a zero window, and a read that frees it in an update', () => {
  const pair = new Pair({ mtu: 1500, delay: 50 * MICROSECOND })
  let server: TcpSocket | null = null
  sendTo(pair, 200_000, (socket) => {
    server = socket
  })
  pair.run(3000)
  const reader = server as unknown as TcpSocket
  expect(windows(pair).at(-1)).toBe('0')
  // As much as Linux takes: 82640 bytes.
  expect(Math.abs(reader.readable - 82_640)).toBeLessThan(3 * 1448)
  const before = readAll(reader).length
  pair.run(1)
  const opened = windows(pair)
  expect(Number(opened[0])).toBeGreaterThan(490)
  let after = 0
  reader.onReadable = () => {
    after += readAll(reader).length
  }
  pair.run(3000)
  expect(before + after).toBe(200_000)
  expect(pair.world.frames.inUse).toBe(0)
})

test('the buffer follows what the program reads in a round trip; SO_RCVBUF and the sysctl keep it as it is', () => {
  const largest = (prepare: (pair: Pair) => void): number => {
    const pair = new Pair({ mtu: 1500, delay: 5_000 * MICROSECOND })
    prepare(pair)
    sendTo(pair, 3_000_000, (socket) => {
      socket.onReadable = () => readAll(socket)
    })
    pair.run(20_000)
    return Math.max(...windows(pair).map(Number))
  }
  expect(largest(() => {})).toBeGreaterThan(2000)
  expect(largest((pair) => pair.server.sysctl.set('net.ipv4.tcp_moderate_rcvbuf', '0'))).toBeLessThan(700)
})

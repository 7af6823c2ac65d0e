/**
 * Segments that come while a system call owns the socket wait for its end. What is expected is the order that Linux 6.18
 * shows where a bridge delivers everything twice: once as a bridge, once as the router.
 */
import { expect, test } from 'vitest'
import { DropReason, type Frame } from '../../../src/link/frame.ts'
import type { Veth } from '../../../src/link/veth.ts'
import { MICROSECOND } from '../../../src/sim/scheduler.ts'
import { Sockets } from '../../../src/socket/sockets.ts'
import type { TcpSocket } from '../../../src/socket/tcp/socket.ts'
import * as ethernet from '../../../src/wire/ethernet.ts'
import { Pair, SERVER } from '../pair.ts'

const CALL = 130 * MICROSECOND

/** What this end sends arrives twice. */
function doubled(end: Veth): void {
  const { frames } = end.world
  const copies = new Set<Frame>()
  end.impairment = (frame) => {
    if (ethernet.type(frame.bytes, frame.start) !== ethernet.ETH_P_IP || copies.delete(frame)) return false
    const copy = frames.copy(frame)
    copies.add(copy)
    end.send(copy)
    return false
  }
}

/** A connection whose calls take this time; the segments as the client's device sees them, `<` those that came. */
function talk(callTime: number, ends: (pair: Pair) => Veth[]): { pair: Pair; client: TcpSocket; server: TcpSocket } {
  const pair = new Pair({ delay: 20 * MICROSECOND })
  let server: TcpSocket | null = null
  pair.listen(80, (socket) => {
    socket.callTime = callTime
    server = socket
  })
  for (const end of ends(pair)) doubled(end)
  const client = Sockets.of(pair.client).tcp()
  client.callTime = callTime
  client.connect(SERVER, 80)
  pair.run(20)
  return { pair, client, server: server as unknown as TcpSocket }
}

function order(pair: Pair): string {
  return pair
    .said()
    .map((line) => line.slice(0, 3).replace(' ', ''))
    .join(' ')
}

test('both SYN-ACKs come before connect() lets go of the socket and acknowledges them', () => {
  const { pair, client } = talk(CALL, ({ serverEnd }) => [serverEnd])
  expect(order(pair)).toBe('>S <S <S >. >.')
  client.abort()
  pair.settle()
})

test('a call that takes no time owns nothing', () => {
  const { pair, client } = talk(0, ({ serverEnd }) => [serverEnd])
  expect(order(pair)).toBe('>S <S >. <S >.')
  client.abort()
  pair.settle()
})

test('the last ACK, repeated while close() still owns the socket, is not answered by RST', () => {
  for (const [callTime, answer] of [
    [CALL, '<F >. >.'],
    [0, '<F >. >. <R'],
  ] as const) {
    const { pair, client, server } = talk(callTime, () => [])
    client.shutdown()
    pair.run(100)
    doubled(pair.clientEnd)
    pair.said()
    server.close()
    pair.run(20)
    expect(order(pair)).toBe(answer)
    client.close()
    pair.settle()
  }
})

test('what waits for a call to end is bounded', () => {
  const { pair, client, server } = talk(0, () => [])
  server.onReadable = () => {
    server.read(new Uint8Array(300_000))
  }
  const bytes = new Uint8Array(300_000)
  let sent = 0
  const write = () => {
    sent += client.write(bytes, sent)
  }
  client.onWritable = write
  write()
  pair.run(50)
  expect(sent).toBe(bytes.length)
  server.callTime = 20_000 * MICROSECOND
  server.connection?.receive.lock(2304)
  doubled(pair.clientEnd)
  server.close()
  client.write(bytes)
  pair.run(10)
  const { frames } = pair.world
  expect(frames.dropped[DropReason.SocketBacklog]).toBeGreaterThan(0)
  client.abort()
  pair.settle()
  expect(frames.inUse).toBe(0)
})

import { expect, test } from 'vitest'
import { Sockets } from '../../../src/socket/sockets.ts'
import type { TcpSocket } from '../../../src/socket/tcp/socket.ts'
import * as ipv4 from '../../../src/wire/ipv4.ts'
import { Pair, readAll } from '../pair.ts'

/** A connection, and both its sockets, after the handshake; what was said is forgotten. */
function connected(pair: Pair): { client: TcpSocket; server: TcpSocket } {
  const accepted: TcpSocket[] = []
  pair.listen(80, (socket) => accepted.push(socket))
  const client = pair.connect(80)
  pair.run()
  pair.said()
  return { client, server: accepted[0] }
}

test('a closed port answers with RST, and connect is refused', () => {
  const pair = new Pair()
  let error: string | null = ''
  pair.connect(81).onClose = (reason) => {
    error = reason
  }
  pair.run()
  expect(error).toBe('ECONNREFUSED')
  expect(pair.packets[1].length).toBe(40)
  expect(ipv4.identification(pair.packets[1], 0)).toBe(0)
  expect(ipv4.dontFragment(pair.packets[1], 0)).toBe(true)
  expect(pair.said()[1]).toMatch(/^< R\. 0 ack 1 win 0$/)
  expect(Sockets.of(pair.client).list()).toEqual([])
})

test('a server that does nothing on the end acknowledges the FIN after 40 ms', () => {
  const pair = new Pair()
  const { client, server } = connected(pair)
  client.write(new Uint8Array(100))
  pair.run()
  readAll(server)
  pair.said()
  client.close()
  pair.run(200)
  const [fin, ack] = pair.times
  expect(ack - fin).toBeGreaterThanOrEqual(40)
  expect(ack - fin).toBeLessThan(48)
  expect(pair.said()).toEqual(['> F. 101 ack 1 win 507', '< . 1 ack 102 win 502'])
})

test('half-close: the other side still speaks', () => {
  const pair = new Pair()
  const { client, server } = connected(pair)
  const heard: number[] = []
  client.onReadable = () => heard.push(readAll(client).length)
  server.onReadable = () => {
    readAll(server)
    if (!server.ended) return
    server.write(new Uint8Array(10))
    server.shutdown()
  }
  client.write(new Uint8Array(5))
  client.shutdown()
  pair.run()
  expect(client.state).toBe('TIME-WAIT')
  expect(server.state).toBe('CLOSED')
  expect(heard).toEqual([10, 0])
  expect(client.ended).toBe(true)
  expect(pair.said()).toEqual([
    '> P. 1:6 ack 1 win 507',
    '> F. 6 ack 1 win 507',
    '< . 1 ack 6 win 503',
    '< P. 1:11 ack 7 win 503',
    '> . 7 ack 11 win 507',
    '< F. 11 ack 7 win 503',
    '> . 7 ack 12 win 507',
  ])
  pair.settle()
  expect(client.state).toBe('CLOSED')
  expect(Sockets.of(pair.client).list()).toEqual([])
})

test('in TIME-WAIT each repetition that carries something is answered, however soon (Linux 6.18)', () => {
  const pair = new Pair()
  const { client, server } = connected(pair)
  // The client's last acknowledgments are lost: a server that closes sends its FIN again after 5 ms and after 200 ms.
  client.shutdown()
  pair.run(100)
  let lost = 0
  pair.clientEnd.impairment = () => lost++ < 3
  server.write(new Uint8Array(9))
  server.close()
  pair.run(1000)
  expect(client.state).toBe('TIME-WAIT')
  const lines = pair.said()
  const repeated = lines.flatMap((line, i) => (i > 3 && /^< F/.test(line) ? [i] : []))
  expect(repeated.length).toBeGreaterThan(1)
  for (const i of repeated) expect(lines[i + 1]).toMatch(/^> \. 2 ack 11/)
})

test('both close at once: CLOSING, then TIME-WAIT on both sides', () => {
  const pair = new Pair({ delay: 1_000_000 })
  const { client, server } = connected(pair)
  client.shutdown()
  server.shutdown()
  pair.run(1)
  pair.world.scheduler.run(pair.world.scheduler.now + 10_000)
  expect(client.state).toBe('CLOSING')
  expect(server.state).toBe('CLOSING')
  pair.run()
  expect(client.state).toBe('TIME-WAIT')
  expect(server.state).toBe('TIME-WAIT')
})

test('data for a closed socket is answered with RST', () => {
  const pair = new Pair()
  const { client, server } = connected(pair)
  let error: string | null = ''
  server.onClose = (reason) => {
    error = reason
  }
  client.close()
  pair.run()
  pair.said()
  server.write(new Uint8Array(7))
  pair.run()
  expect(error).toBe('EPIPE')
  expect(pair.said()).toEqual(['< P. 1:8 ack 2 win 503', '> R 2 win 0'])
})

test('closing with unread data, or without lingering, sends RST', () => {
  for (const linger of [false, true]) {
    const pair = new Pair()
    const { client, server } = connected(pair)
    if (!linger) {
      server.write(new Uint8Array(3))
      pair.run()
      pair.said()
    }
    client.lingerZero = linger
    client.close()
    pair.run()
    expect(pair.said()).toEqual([linger ? '> R. 1 ack 1 win 507' : '> R. 1 ack 4 win 507'])
    expect(server.state).toBe('CLOSED')
    expect(Sockets.of(pair.server).list().length).toBe(1)
  }
})

test('an orphan gives up its FIN-WAIT-2 after a minute', () => {
  const pair = new Pair()
  const { client, server } = connected(pair)
  client.close()
  pair.run(1000)
  expect(client.state).toBe('FIN-WAIT-2')
  pair.run(70_000)
  expect(client.state).toBe('CLOSED')
  expect(server.state).toBe('CLOSE-WAIT')
})

test('a new connection may take over a tuple in TIME-WAIT', () => {
  const pair = new Pair()
  pair.listen(80, (socket) => {
    socket.onReadable = () => socket.close()
    socket.close()
  })
  const first = pair.connect(80)
  first.onReadable = () => first.close()
  pair.run()
  expect(
    Sockets.of(pair.server)
      .list()
      .map((socket) => socket.state),
  ).toEqual(['LISTEN', 'TIME-WAIT'])
  const again = Sockets.of(pair.client).tcp()
  expect(again.bind(first.localAddress, first.localPort)).toBe(null)
  expect(again.connect(first.remoteAddress, 80)).toBe(null)
  let connects = 0
  again.onConnect = () => connects++
  pair.run()
  expect(connects).toBe(1)
})

test('a FIN that comes before its data waits for it', () => {
  const pair = new Pair({ delay: 1_000_000 })
  let heard = 0
  let ended = false
  pair.listen(80, (socket) => {
    socket.onReadable = () => {
      heard += readAll(socket).length
      ended = socket.ended
    }
  })
  const socket = pair.connect(80)
  pair.run(10)
  let lost = 2
  pair.clientEnd.impairment = (frame) => frame.end - frame.start > 500 && lost-- > 0
  socket.write(new Uint8Array(1300))
  pair.run(1)
  socket.shutdown()
  pair.run(3000)
  expect([heard, ended]).toEqual([1300, true])
})

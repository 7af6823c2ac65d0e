import { expect, test } from 'vitest'
import { Sockets } from '../../../src/socket/sockets.ts'
import type { TcpSocket } from '../../../src/socket/tcp/socket.ts'
import { ANY, LOOPBACK } from '../../../src/wire/address.ts'
import { CLIENT, Pair, readAll, SERVER } from '../pair.ts'

test('a port is bound once, for all addresses or for one', () => {
  const pair = new Pair()
  const sockets = Sockets.of(pair.server)
  const [a, b, c] = [sockets.tcp(), sockets.tcp(), sockets.tcp()]
  expect(a.bind(SERVER, 80)).toBe(null)
  expect(b.bind(ANY, 80)).toBe('EADDRINUSE')
  expect(b.bind(CLIENT, 80)).toBe('EADDRNOTAVAIL')
  expect(b.bind(LOOPBACK, 80)).toBe(null)
  expect(a.listen(5)).toBeTypeOf('object')
  a.close()
  expect(c.bind(SERVER, 80)).toBe(null)
})

test('a closed listener refuses; its connections live on', () => {
  const pair = new Pair()
  const accepted: TcpSocket[] = []
  const listener = pair.listen(80, (socket) => accepted.push(socket))
  const first = pair.connect(80)
  pair.run()
  listener.close()
  let error: string | null = ''
  pair.connect(80).onClose = (reason) => {
    error = reason
  }
  first.write(new Uint8Array(4))
  pair.run()
  expect(error).toBe('ECONNREFUSED')
  expect(accepted[0].readable).toBe(4)
})

test('without onAccept connections wait, with their data; more than the backlog are not completed', () => {
  const pair = new Pair()
  const socket = Sockets.of(pair.server).tcp()
  socket.bind(ANY, 80)
  const listener = socket.listen(1)
  if (typeof listener === 'string') throw new Error(listener)
  const clients: TcpSocket[] = []
  for (let i = 0; i < 4; i++) {
    const client = pair.connect(80)
    client.onConnect = () => client.write(new Uint8Array(3))
    clients.push(client)
    pair.run(10)
  }
  expect(clients.map((client) => client.state)).toEqual(['ESTABLISHED', 'ESTABLISHED', 'SYN-SENT', 'SYN-SENT'])
  expect(Sockets.of(pair.server).list()[0]).toMatchObject({ state: 'LISTEN', recvQ: 2, sendQ: 1 })
  const read: number[] = []
  listener.onAccept = (accepted) => {
    accepted.onReadable = () => read.push(readAll(accepted).length)
  }
  expect(read).toEqual([3, 3])
  pair.run(3000)
  expect(read).toEqual([3, 3, 3, 3])
})

test('closing a listener resets who waits', () => {
  const pair = new Pair()
  const socket = Sockets.of(pair.server).tcp()
  socket.bind(ANY, 80)
  socket.listen(4)
  let error: string | null = ''
  const client = pair.connect(80)
  client.onClose = (reason) => {
    error = reason
  }
  pair.run()
  socket.close()
  pair.run()
  expect(error).toBe('ECONNRESET')
  expect(Sockets.of(pair.server).list()).toEqual([])
})

test('over lo: the windows of a 65536 MTU', () => {
  const pair = new Pair()
  const lines: string[] = []
  const sockets = Sockets.of(pair.client)
  const server = sockets.tcp()
  server.bind(ANY, 80)
  const listener = server.listen(4)
  if (typeof listener === 'string') throw new Error(listener)
  let received = 0
  listener.onAccept = (accepted) => {
    accepted.onReadable = () => {
      received += readAll(accepted).length
    }
  }
  pair.client.loopback.tap = (frame, _device, direction) => {
    const at = frame.start + 14 + 20
    if (direction === 'in') lines.push(`${(frame.bytes[at + 14] << 8) | frame.bytes[at + 15]}`)
  }
  const client = sockets.tcp()
  expect(client.connect(ANY, 80)).toBe(null)
  client.onConnect = () => {
    expect(client.info()).toMatchObject({ mss: 32741, advertisedMss: 65483 })
    client.write(new Uint8Array(70_000))
  }
  pair.run()
  expect(lines.slice(0, 3)).toEqual(['65495', '65483', '512'])
  expect(received).toBe(70_000)
  // Segments follow half of the largest window, as `ss -ti` shows.
  expect(client.info()?.mss).toBeGreaterThan(32_768)
})

test('closeAll: the end of all programs of a namespace', () => {
  const pair = new Pair()
  pair.listen(80, () => {})
  const client = pair.connect(80)
  Sockets.of(pair.server).udp().bind(ANY, 53)
  pair.run()
  pair.said()
  Sockets.of(pair.server).closeAll()
  pair.run()
  expect(pair.said()[0]).toMatch(/^< F\. 1 ack 1/)
  expect(client.ended).toBe(true)
  expect(Sockets.of(pair.server).list()).toMatchObject([{ state: 'FIN-WAIT-2' }])
})

test('ss: listeners, connections and datagram sockets', () => {
  const pair = new Pair()
  pair.listen(80, () => {})
  const socket = pair.connect(80)
  const datagrams = Sockets.of(pair.client).udp()
  datagrams.bind(ANY, 53)
  pair.run()
  expect(Sockets.of(pair.client).list()).toMatchObject([
    {
      protocol: 'tcp',
      state: 'ESTABLISHED',
      recvQ: 0,
      sendQ: 0,
      local: { address: CLIENT, port: socket.localPort },
      remote: { address: SERVER, port: 80 },
      tcp: { cwnd: 10, ssthresh: null, mss: 1398, sendScale: 7, receiveScale: 7, segmentsOut: 2, segmentsIn: 1 },
    },
    { protocol: 'udp', state: 'UNCONN', local: { address: ANY, port: 53 } },
  ])
  expect(
    Sockets.of(pair.server)
      .list()
      .map(({ state, sendQ }) => `${state} ${sendQ}`),
  ).toEqual(['LISTEN 128', 'ESTABLISHED 0'])
})

import { expect, test } from 'vitest'
import type { TcpSocket } from '../../../src/socket/tcp/socket.ts'
import { Pair, readAll } from '../pair.ts'

/** Answers each request with so many bytes, and closes when its client has. */
function answer(pair: Pair, length: number): void {
  pair.listen(80, (socket) => {
    socket.onReadable = () => {
      if (socket.ended) return socket.close()
      readAll(socket)
      socket.write(new Uint8Array(length))
    }
  })
}

/** Asks with so many bytes, and closes when so many have come. */
function ask(pair: Pair, length: number, expected: number): TcpSocket {
  const socket = pair.connect(80)
  let received = 0
  socket.onConnect = () => socket.write(new Uint8Array(length))
  socket.onReadable = () => {
    received += readAll(socket).length
    if (received >= expected) socket.close()
  }
  return socket
}

test('curl and a web server, frame by frame as Linux does it (pod, MTU 1450)', () => {
  const pair = new Pair()
  answer(pair, 102)
  ask(pair, 74, 102)
  pair.run()
  expect(pair.said()).toEqual([
    '> S 0 win 64860 <mss 1410,sackOK,TS,nop,wscale 7>',
    '< S. 0 ack 1 win 64308 <mss 1410,sackOK,TS,nop,wscale 7>',
    '> . 1 ack 1 win 507',
    '> P. 1:75 ack 1 win 507',
    '< . 1 ack 75 win 502',
    '< P. 1:103 ack 75 win 502',
    '> . 75 ack 103 win 507',
    '> F. 75 ack 103 win 507',
    '< F. 103 ack 76 win 502',
    '> . 76 ack 104 win 507',
  ])
  pair.settle()
  expect(pair.world.frames.inUse).toBe(0)
})

test('an MTU of 1500 gives the windows of Ethernet', () => {
  const pair = new Pair({ mtu: 1500 })
  answer(pair, 1)
  pair.connect(80)
  pair.run()
  expect(pair.said()).toEqual([
    '> S 0 win 64240 <mss 1460,sackOK,TS,nop,wscale 7>',
    '< S. 0 ack 1 win 65160 <mss 1460,sackOK,TS,nop,wscale 7>',
    '> . 1 ack 1 win 502',
  ])
})

/**
 * How far the window opens depends on the memory that segments take, and so on whether they were buffers of their own or
 * cut from larger ones (skb->truesize). The numbers are rcv_ssthresh of Linux 6.18 between two namespaces, MTU 1450,
 * offloads off, after four writes of that many bytes, 3 ms apart, that nobody read.
 */
import { expect, test } from 'vitest'
import { MILLISECOND } from '../../../src/sim/scheduler.ts'
import type { TcpSocket } from '../../../src/socket/tcp/socket.ts'
import { Pair } from '../pair.ts'

const measured: readonly (readonly [number, number])[] = [
  [100, 64138],
  [600, 54784],
  [700, 59392],
  [1000, 69178],
  [1300, 74675],
  [1398, 75492],
  [2000, 73780],
  [2796, 73780],
  [3000, 74400],
  [5592, 73780],
]

/** One write: what is cut off at its end joins the segment before it when that has room (skb_try_coalesce). */
const single: readonly (readonly [number, number, number])[] = [
  [1500, 2304, 67104],
  [1536, 2304, 69900],
  [1537, 3584, 69900],
  [1910, 3584, 69900],
  [1911, 4608, 69900],
  [3000, 5888, 72696],
  [4330, 6912, 75175],
  [5728, 9216, 73780],
  [7100, 11520, 73780],
]

test.each(single)('one write of %i bytes weighs %i', (length, memory, threshold) => {
  const pair = new Pair({ mtu: 1450 })
  let server: TcpSocket | null = null
  pair.listen(80, (socket) => {
    server = socket
  })
  const client = pair.connect(80)
  pair.world.scheduler.call(5 * MILLISECOND, () => client.write(new Uint8Array(length)))
  pair.run(100)
  const receive = (server as TcpSocket | null)?.connection?.receive
  expect([receive?.memory, receive?.threshold]).toEqual([memory, threshold])
  client.abort()
  pair.run(100)
})

test.each(measured)('four writes of %i bytes', (length, threshold) => {
  const pair = new Pair({ mtu: 1450 })
  let server: TcpSocket | null = null
  pair.listen(80, (socket) => {
    server = socket
  })
  const client = pair.connect(80)
  client.noDelay = true
  for (let i = 0; i < 4; i++) {
    pair.world.scheduler.call((5 + 3 * i) * MILLISECOND, () => client.write(new Uint8Array(length)))
  }
  pair.run(100)
  expect((server as TcpSocket | null)?.connection?.receive.threshold).toBe(threshold)
  client.abort()
  pair.run(100)
})

/**
 * Whatever a path does to frames, short of losing all of them: the same bytes arrive in order, both sides end in order,
 * and nothing is left behind. Lost, repeated, late and damaged frames are drawn from a seed.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Veth } from '../../../src/link/veth.ts'
import { MILLISECOND } from '../../../src/sim/scheduler.ts'
import { Sockets } from '../../../src/socket/sockets.ts'
import type { TcpSocket } from '../../../src/socket/tcp/socket.ts'
import * as ethernet from '../../../src/wire/ethernet.ts'
import { Pair } from '../pair.ts'

const path = fc.record({
  seed: fc.integer({ min: 1, max: 1_000_000 }),
  length: fc.integer({ min: 1, max: 120_000 }),
  loss: fc.integer({ min: 0, max: 12 }),
  repeat: fc.integer({ min: 0, max: 10 }),
  late: fc.integer({ min: 0, max: 20 }),
  damage: fc.integer({ min: 0, max: 5 }),
  delay: fc.integer({ min: 0, max: 40 }),
  chunk: fc.integer({ min: 1, max: 70_000 }),
  sack: fc.boolean(),
  timestamps: fc.boolean(),
  scaling: fc.boolean(),
  ecn: fc.constantFrom('0', '1', '2'),
  control: fc.constantFrom('cubic', 'reno', 'bbr'),
  slowReader: fc.boolean(),
})

test('any loss, repetition, reordering and damage: the same bytes in order, and nothing left', () => {
  fc.assert(
    fc.property(path, (given) => {
      const pair = new Pair({ mtu: 1500, delay: given.delay * MILLISECOND, seed: given.seed })
      const { random, scheduler, frames } = pair.world
      for (const netns of [pair.client, pair.server]) {
        netns.sysctl.set('net.ipv4.tcp_sack', given.sack ? '1' : '0')
        netns.sysctl.set('net.ipv4.tcp_timestamps', given.timestamps ? '1' : '0')
        netns.sysctl.set('net.ipv4.tcp_window_scaling', given.scaling ? '1' : '0')
        netns.sysctl.set('net.ipv4.tcp_ecn', given.ecn)
        netns.sysctl.set('net.ipv4.tcp_congestion_control', given.control)
      }
      for (const end of [pair.clientEnd, pair.serverEnd]) {
        end.impairment = (frame) => {
          if (ethernet.type(frame.bytes, frame.start) !== ethernet.ETH_P_IP) return false
          const other = end.peer as Veth
          const again = (after: number): void => {
            const copy = frames.copy(frame)
            scheduler.call(after, () => other.receive(copy))
          }
          if (random.below(100) < given.loss) return true
          if (random.below(100) < given.repeat) again(random.below(50) * MILLISECOND)
          if (random.below(100) < given.late) {
            again(given.delay * MILLISECOND + random.below(30) * MILLISECOND)
            return true
          }
          if (random.below(100) < given.damage) {
            frame.bytes[frame.end - 1] ^= 1 + random.below(255)
            frame.summed = false
          }
          return false
        }
      }
      const received = new Uint8Array(given.length)
      let got = 0
      let ends = 0
      pair.listen(80, (socket: TcpSocket) => {
        const read = () => {
          got += socket.read(received, got)
          if (socket.ended) socket.close()
        }
        socket.onReadable = given.slowReader ? () => void scheduler.call(300 * MILLISECOND, read) : read
        socket.onClose = () => ends++
      })
      const socket = pair.connect(80)
      const bytes = Uint8Array.from({ length: given.length }, (_, i) => (i * 7 + (i >> 8)) & 255)
      let sent = 0
      const write = () => {
        for (;;) {
          const taken = socket.write(bytes, sent, Math.min(given.chunk, given.length - sent))
          sent += taken
          if (sent === given.length) socket.shutdown()
          if (taken === 0 || sent === given.length) return
        }
      }
      let error: string | null = 'open'
      socket.onConnect = write
      socket.onWritable = write
      socket.onReadable = () => {
        if (socket.ended) socket.close()
      }
      socket.onClose = (why) => {
        error = why
      }
      pair.run(1_500_000)
      // The only excuse is the one that Linux has: everything was tried.
      if (error === 'ETIMEDOUT') return
      expect(got).toBe(given.length)
      expect(Buffer.compare(received, bytes)).toBe(0)
      expect(Sockets.of(pair.client).list()).toEqual([])
      expect(frames.inUse).toBe(0)
    }),
    { numRuns: 25, seed: 20_261_121 },
  )
}, 60_000)

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Sockets } from '../../src/socket/sockets.ts'
import { ANY, type Ipv4 } from '../../src/wire/address.ts'
import { put32 } from '../../src/wire/bytes.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import * as tcp from '../../src/wire/tcp.ts'
import * as udp from '../../src/wire/udp.ts'
import { CLIENT, Pair, SERVER } from './pair.ts'

/** Gives a transport of the server a datagram from the client, as the namespace would. */
function deliver(pair: Pair, protocol: number, fill: (bytes: Uint8Array, at: number) => number): void {
  const { server, world } = pair
  const frame = world.frames.take()
  ipv4.write(frame.bytes, frame.start, 20, CLIENT, SERVER, protocol, 64, 0, 1, 0)
  frame.network = frame.start
  frame.start += ipv4.HEADER
  frame.transport = frame.start
  frame.end = frame.start + fill(frame.bytes, frame.start)
  server.transports.of(protocol)?.receive(frame, server)
}

test('any bytes for TCP, UDP or ICMP neither throw nor leak', () => {
  const bytes = fc.uint8Array({ maxLength: 80 })
  fc.assert(
    fc.property(fc.constantFrom(1, 6, 17), bytes, (protocol, noise) => {
      const pair = new Pair()
      pair.listen(80, () => {})
      Sockets.of(pair.server).icmp().onMessage = () => {}
      deliver(pair, protocol, (into, at) => {
        into.set(noise, at)
        return noise.length
      })
      pair.settle()
      expect(pair.world.frames.inUse).toBe(0)
    }),
    { numRuns: 150 },
  )
})

test('any datagram with a right checksum reaches its socket or is answered', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.integer({ min: 52, max: 54 }), (payload, port) => {
      const pair = new Pair()
      const socket = Sockets.of(pair.server).udp()
      socket.bind(ANY, 53)
      let heard = 0
      socket.onDatagram = (bytes) => {
        heard++
        expect(bytes).toEqual(payload)
      }
      deliver(pair, 17, (into, at) => {
        into.set(payload, at + udp.HEADER)
        udp.write(into, at, at + udp.HEADER + payload.length, CLIENT, SERVER, 999, port)
        return udp.HEADER + payload.length
      })
      expect(heard).toBe(port === 53 ? 1 : 0)
      pair.settle()
      expect(pair.world.frames.inUse).toBe(0)
    }),
    { numRuns: 50 },
  )
})

/** A forged segment: numbers are relative to what the connection expects. */
const forged = fc.record({
  sequence: fc.oneof(fc.integer({ min: -3000, max: 70_000 }), fc.integer()),
  ack: fc.oneof(fc.integer({ min: -3000, max: 3000 }), fc.integer()),
  flags: fc.integer({ min: 0, max: 255 }),
  window: fc.integer({ min: 0, max: 65_535 }),
  options: fc.uint8Array({ maxLength: 10 }).map((noise) => {
    const bytes = new Uint8Array(noise.length * 4)
    bytes.set(noise)
    return bytes
  }),
  length: fc.integer({ min: 0, max: 200 }),
})

test('any segments in a living connection neither throw nor leak, and it ends in peace', () => {
  fc.assert(
    fc.property(fc.array(forged, { maxLength: 12 }), fc.constantFrom('open', 'half', 'closed'), (segments, phase) => {
      const pair = new Pair()
      pair.listen(80, (socket) => {
        socket.onReadable = () => {
          socket.read(new Uint8Array(socket.readable))
          if (socket.ended) socket.close()
        }
        if (phase === 'half') socket.shutdown()
        else socket.write(new Uint8Array(100))
      })
      const client = pair.connect(80)
      pair.run()
      if (phase === 'closed') client.close()
      const handshake = pair.packets.find((packet) => ipv4.source(packet, 0) === SERVER) as Uint8Array
      const expected = tcp.acknowledgment(handshake, 20)
      const theirs = tcp.sequence(handshake, 20)
      for (const { sequence, ack, flags, window, options, length } of segments) {
        deliver(pair, 6, (into, at) => {
          const header = tcp.HEADER + options.length
          into.set(options, at + tcp.HEADER)
          into.fill(7, at + header, at + header + length)
          const end = at + header + length
          put32(into, at, 0)
          const from = CLIENT as Ipv4
          const numbers = [(expected + sequence) | 0, (theirs + ack) | 0] as const
          tcp.write(into, at, end, header, from, SERVER, client.localPort, 80, ...numbers, flags, window)
          return header + length
        })
        pair.run(1)
      }
      client.abort()
      pair.run(5000)
      expect(pair.world.frames.inUse).toBe(0)
    }),
    { numRuns: 300 },
  )
})

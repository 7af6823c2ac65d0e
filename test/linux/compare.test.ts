/** The comparator: planted differences are found, and what the kernel draws at random is none. */
import { describe, expect, it } from 'vitest'
import * as packets from '../support/packets.ts'
import { differences, type Run } from './compare.ts'
import { readPcap, type SeenFrame } from './frames.ts'

const { alice, bob } = packets
const PORTS = new Set([7, 80, 8472])
const SYN = 2
const ACK = 16
const PSH = 8

function seen(...frames: Uint8Array[]): Run {
  const list: SeenFrame[] = frames.map((bytes, i) => ({ time: 1 + i / 1000, length: bytes.length, bytes }))
  return { starts: [1], exits: [0], frames: new Map([['a/eth0', list]]) }
}

function changed(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const copy = bytes.slice()
  copy[at] = value
  return copy
}

/** A connection's first segments; what is random on each machine is given. */
function conversation(port: number, isn: number, theirs: number, id: number, stamp: number): Uint8Array[] {
  const stamps = (echo: number) => Uint8Array.of(1, 1, 8, 10, ...u32(stamp), ...u32(echo))
  const ours = (fields: packets.SegmentFields, n: number) =>
    packets.frameTo(bob, alice, 6, packets.segment(alice.address, bob.address, port, 80, fields), { id: id + n })
  const answer = (fields: packets.SegmentFields) =>
    packets.frameTo(alice, bob, 6, packets.segment(bob.address, alice.address, 80, port, fields), { id: 0 })
  return [
    ours({ sequence: isn, flags: SYN, options: stamps(0) }, 0),
    answer({ sequence: theirs, acknowledgment: isn + 1, flags: SYN | ACK, options: stamps(stamp) }),
    ours({ sequence: isn + 1, acknowledgment: theirs + 1, flags: ACK, options: stamps(stamp) }, 1),
    ours(
      {
        sequence: isn + 1,
        acknowledgment: theirs + 1,
        flags: PSH | ACK,
        options: stamps(stamp),
        data: packets.text('hello'),
      },
      2,
    ),
  ]
}

function u32(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]
}

function compared(wanted: Uint8Array[], got: Uint8Array[]): string[] {
  return differences(seen(...wanted), seen(...got), PORTS)
}

const expected = conversation(40_000, 1_000, 9_000, 77, 5)

describe('chance', () => {
  it('ephemeral ports, sequence numbers, ids and timestamps may differ', () => {
    expect(compared(expected, conversation(51_234, 4_294_967_295, 123_456, 500, 99))).toEqual([])
  })

  it('echo ids and the time inside an echo may differ', () => {
    const at = (id: number, time: number) => {
      const data = packets.payload(56).fill(time, 0, 16)
      return packets.frameTo(bob, alice, 1, packets.icmpMessage(8, 0, id, 1, data), { id })
    }
    expect(compared([at(7, 1)], [at(9, 2)])).toEqual([])
  })

  it('the outer source port of a tunnel may differ', () => {
    const inner = packets.ping(bob, alice)
    const outer = (port: number) => {
      const vxlan = Uint8Array.of(8, 0, 0, 0, 0, 0, 1, 0, ...inner)
      return packets.udpFrame(bob, alice, port, 8472, vxlan)
    }
    expect(compared([outer(40_000)], [outer(50_000)])).toEqual([])
  })

  it('the order of two flows may differ, and neighbours may be asked again', () => {
    const ping = packets.ping(bob, alice)
    const datagram = packets.udpFrame(bob, alice, 40_000, 7, packets.payload(3))
    const asked = packets.arpFrame(bob.mac, alice, 1, bob.mac, bob.address)
    const answered = packets.arpFrame(alice.mac, bob, 2, alice.mac, alice.address)
    expect(compared([ping, datagram], [datagram, asked, answered, ping])).toEqual([])
  })
})

describe('planted differences', () => {
  const [synAt, ttlAt, tosAt, windowAt, dataAt] = [47, 22, 15, 48, 66]
  const [syn] = expected
  const last = expected[3]
  const plants: [string, Uint8Array[]][] = [
    ['a frame is missing', expected.slice(0, 3)],
    ['a frame is too many', [...expected, last]],
    ['two frames of a direction are exchanged', [expected[0], expected[1], expected[3], expected[2]]],
    ['a flag', [changed(syn, synAt, SYN | 64), ...expected.slice(1)]],
    ['the TTL', [changed(syn, ttlAt, 63), ...expected.slice(1)]],
    ['the TOS', [changed(syn, tosAt, 16), ...expected.slice(1)]],
    ['DF', [changed(syn, 20, 0), ...expected.slice(1)]],
    ['the window', [changed(syn, windowAt, 1), ...expected.slice(1)]],
    ['an option', [changed(syn, 54, 0), ...expected.slice(1)]],
    ['the payload', [...expected.slice(0, 3), changed(last, dataAt, 0x48)]],
    ['a MAC', [changed(syn, 5, 9), ...expected.slice(1)]],
    ['an IP checksum', [changed(syn, 24, syn[24] ^ 1), ...expected.slice(1)]],
    ['a TCP checksum', [...expected.slice(0, 3), changed(last, 50, last[50] ^ 1)]],
    ['an id that must be 0', [expected[0], changed(expected[1], 19, 1), ...expected.slice(2)]],
    ['an id that does not count on', [expected[0], expected[1], changed(expected[2], 19, 200), expected[3]]],
    ['an acknowledgment', [expected[0], changed(expected[1], 45, 200), ...expected.slice(2)]],
    ['the port of a server', conversation(80, 1_000, 9_000, 77, 5)],
    ['a byte behind the packet', [Uint8Array.of(...syn, 0), ...expected.slice(1)]],
  ]

  it.each(plants)('%s', (_, frames) => {
    expect(compared(expected, frames)).not.toEqual([])
  })

  it('inside an ICMP error', () => {
    const quoted = packets.ping(bob, alice).subarray(14)
    const error = (bytes: Uint8Array) =>
      packets.frameTo(alice, bob, 1, packets.icmpMessage(3, 3, 0, 0, bytes), { tos: 192, fragment: 0 })
    expect(compared([error(quoted)], [error(quoted)])).toEqual([])
    expect(compared([error(quoted)], [error(changed(quoted, 8, 63))])).not.toEqual([])
  })

  it('inside a tunnel', () => {
    const outer = (inner: Uint8Array) =>
      packets.udpFrame(bob, alice, 40_000, 8472, Uint8Array.of(8, 0, 0, 0, 0, 0, 1, 0, ...inner))
    const inner = packets.ping(bob, alice)
    expect(compared([outer(inner)], [outer(changed(inner, 22, 63))])).not.toEqual([])
  })

  it('in a fragment', () => {
    const piece = (offset: number, byte: number) =>
      packets.frameTo(bob, alice, 17, packets.payload(16).fill(byte), { id: 5, fragment: 0x2000 | offset })
    expect(compared([piece(2, 1)], [piece(2, 2)])).not.toEqual([])
    expect(compared([piece(2, 1)], [piece(4, 1)])).not.toEqual([])
  })

  it('in the step, and in the exit code', () => {
    const wanted = { ...seen(...expected), starts: [1, 2], exits: [0, 0] }
    expect(differences(wanted, { ...wanted, starts: [0, 0.5] }, PORTS)).not.toEqual([])
    expect(differences(wanted, { ...wanted, exits: [0, 1] }, PORTS)).toEqual(['step 2: exit code 1, expected 0'])
  })

  it('on an interface that one of them does not have', () => {
    expect(differences(seen(...expected), { starts: [1], exits: [0], frames: new Map() }, PORTS)).not.toEqual([])
  })
})

describe('pcap files', () => {
  it('ends with the last whole record', () => {
    const file = new Uint8Array(24 + 16 + 3 + 16 + 2)
    const view = new DataView(file.buffer)
    view.setUint32(0, 0xa1b23c4d, true)
    view.setUint32(20, 1, true)
    view.setUint32(24, 7, true)
    view.setUint32(28, 500_000_000, true)
    view.setUint32(32, 3, true)
    view.setUint32(36, 60, true)
    view.setUint32(43 + 8, 5, true)
    const frames = readPcap(file)
    expect(frames).toEqual([{ time: 7.5, length: 60, bytes: new Uint8Array(3) }])
  })

  it('takes any bytes as a frame', () => {
    for (let length = 0; length < 120; length++) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i === 12 ? 8 : i === 13 ? 0 : (i * 89 + length * 31) & 255))
      expect(compared([bytes], [bytes])).toEqual([])
    }
  })
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MemorySink } from '../../src/capture/byte-sink.ts'
import { PcapError } from '../../src/capture/capture-file.ts'
import { GrowingBytes } from '../../src/capture/growing-bytes.ts'
import { isPcap, readPcap } from '../../src/capture/pcap-reader.ts'
import { PcapWriter } from '../../src/capture/pcap-writer.ts'
import { readCapture, readPcapng } from '../../src/capture/pcapng-reader.ts'
import { INBOUND, OUTBOUND, PcapngWriter } from '../../src/capture/pcapng-writer.ts'
import { VERSION } from '../../src/capture/version.ts'
import { type Ipv4, parseIpv4 } from '../../src/wire/address.ts'
import { bytesOf, hexOf } from '../support/bytes.ts'

const packets = fc.array(
  fc.record({
    seconds: fc.nat(0xffffffff),
    nanos: fc.nat(999_999_999),
    inbound: fc.boolean(),
    packetId: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    bytes: fc.uint8Array({ maxLength: 300 }),
    comment: fc.string({ unit: 'grapheme', maxLength: 20 }),
  }),
  { maxLength: 20 },
)

describe('classic pcap', () => {
  test('is the bytes that tcpdump writes with nanoseconds', () => {
    const memory = new MemorySink()
    const writer = new PcapWriter(memory)
    writer.packet(1_795_249_207, 573_307_001, bytesOf('ff 01 02 03 ff'), 1, 3)
    const header = '4d3cb2a1 0200 0400 00000000 00000000 00000400 01000000'
    const packet = `${word(1_795_249_207)} ${word(573_307_001)} 03000000 03000000 010203`
    writer.flush()
    expect(hexOf(memory.file())).toBe(hexOf(bytesOf(header + packet)))
  })

  test('is read as it was written', () => {
    fc.assert(
      fc.property(packets, (list) => {
        const memory = new MemorySink()
        const writer = new PcapWriter(memory)
        for (const { seconds, nanos, bytes } of list) writer.packet(seconds, nanos, bytes, 0, bytes.length)
        writer.flush()
        const file = readCapture(memory.file())
        expect(file.format).toBe('pcap')
        expect(file.packets.map(({ seconds, nanos, bytes }) => [seconds, nanos, hexOf(bytes)])).toEqual(
          list.map(({ seconds, nanos, bytes }) => [seconds, nanos, hexOf(bytes)]),
        )
      }),
    )
  })

  const packet = '0000000a 00000007 00000002 00000064 abcd'

  test.each([
    ['big endian, microseconds', `a1b2c3d4 0002 0004 00000000 00000000 00040000 00000001 ${packet}`, 7000],
    ['big endian, nanoseconds', `a1b23c4d 0002 0004 00000000 00000000 00040000 00000001 ${packet}`, 7],
    [
      'little endian, microseconds',
      'd4c3b2a1 0200 0400 00000000 00000000 00000400 01000000 0a000000 07000000 02000000 64000000 abcd',
      7000,
    ],
  ])('of other machines is read: %s', (_, hex, nanos) => {
    const { interfaces, packets: read } = readPcap(bytesOf(hex))
    expect(interfaces).toEqual([{ linkType: 1, snaplen: 262_144, name: null, description: null }])
    expect(read).toHaveLength(1)
    expect(read[0]).toMatchObject({ seconds: 10, nanos, originalLength: 100 })
    expect(hexOf(read[0].bytes)).toBe('abcd')
  })

  test.each([
    ['', 'truncated dump file; tried to read 4 file header bytes, only got 0'],
    ['00112233', 'unknown file format'],
    ['4d3cb2a1 0200', 'truncated dump file; tried to read 24 file header bytes, only got 2'],
    ['4d3cb2a1 0300 0400 00000000 00000000 00000400 01000000', 'unsupported pcap savefile version 3.4'],
    [
      '4d3cb2a1 0200 0400 00000000 00000000 00000400 01000000 0000',
      'truncated dump file; tried to read 16 header bytes, only got 2',
    ],
    [
      '4d3cb2a1 0200 0400 00000000 00000000 00000400 01000000 00000000 00000000 02000000 02000000 ab',
      'truncated dump file; tried to read 2 captured bytes, only got 1',
    ],
    [
      '4d3cb2a1 0200 0400 00000000 00000000 00000400 01000000 00000000 00000000 ffffffff ffffffff',
      'invalid packet capture length 4294967295, bigger than snaplen of 262144',
    ],
  ])('that is damaged says how, in the words of libpcap 1.10: %s', (hex, message) => {
    expect(() => readPcap(bytesOf(hex))).toThrow(PcapError)
    expect(() => readPcap(bytesOf(hex))).toThrow(message)
  })
})

describe('pcapng', () => {
  test('is read as it was written', () => {
    fc.assert(
      fc.property(packets, (list) => {
        const memory = new MemorySink()
        const writer = new PcapngWriter(memory)
        const lo = writer.interface({ name: 'node-1/lo', description: 'loopback' })
        const eth0 = writer.interface({ name: 'default/web-0/eth0' })
        list.forEach(({ seconds, nanos, inbound, packetId, bytes, comment }, index) => {
          const number = index % 2 === 0 ? lo : eth0
          const flags = inbound ? INBOUND : OUTBOUND
          const { length } = bytes
          writer.packet(number, seconds, nanos, flags, packetId, bytes, 0, length, length, comment)
        })
        writer.flush()
        const file = readCapture(memory.file())
        expect(file.packets.map((p) => ({ ...p, bytes: hexOf(p.bytes) }))).toEqual(
          list.map(({ seconds, nanos, inbound, packetId, bytes, comment }, index) => ({
            interface: index % 2,
            seconds,
            nanos,
            bytes: hexOf(bytes),
            originalLength: bytes.length,
            direction: inbound ? 'in' : 'out',
            packetId,
            comments: comment === '' ? [] : [comment],
          })),
        )
      }),
    )
  })

  test('carries interfaces, names, counters and its author', () => {
    const memory = new MemorySink()
    const writer = new PcapngWriter(memory)
    const names = new Map<Ipv4, string>([
      [parseIpv4('10.244.1.2'), 'default/sleep-1'],
      [parseIpv4('10.96.0.10'), 'kube-dns.kube-system.svc'],
    ])
    writer.names(names)
    writer.interface({ name: 'node-1/cni0', description: 'bridge, 10.244.1.1/24' })
    writer.statistics(0, { seconds: 5, nanos: 6, received: 2 ** 40, dropped: 3 })
    writer.flush()
    const file = readPcapng(memory.file())
    expect(file.application).toBe(`podwire ${VERSION}`)
    expect(file.interfaces).toEqual([
      { linkType: 1, snaplen: 262_144, name: 'node-1/cni0', description: 'bridge, 10.244.1.1/24' },
    ])
    expect(file.names).toEqual([...names].map(([address, name]) => ({ address, name })))
    expect(file.statistics).toEqual([{ interface: 0, received: 2 ** 40, dropped: 3 }])
  })

  const bigSection = '0a0d0d0a 0000001c 1a2b3c4d 0001 0000 ffffffffffffffff 0000001c'
  const bigInterface = '00000001 00000014 0001 0000 00040000 00000014'

  test('of a big-endian machine, with microseconds, is read', () => {
    const packet = '00000006 00000028 00000000 00000000 000f4247 00000002 00000064 abcd0000 00000000 00000028'
    const file = readPcapng(bytesOf(bigSection + bigInterface + packet))
    expect(file.packets).toHaveLength(1)
    expect(file.packets[0]).toMatchObject({ seconds: 1, nanos: 7000, originalLength: 100, direction: null })
    expect(hexOf(file.packets[0].bytes)).toBe('abcd')
  })

  test('with unknown blocks, simple packets and a second section is read', () => {
    const unknown = '00000bad 00000010 deadbeef 00000010'
    const simple = '00000003 00000014 00000002 abcd0000 00000014'
    const memory = new MemorySink()
    const second = new PcapngWriter(memory, { application: 'another' })
    second.interface({ name: 'b' })
    second.packet(0, 1, 2, INBOUND, 9, bytesOf('ee'), 0, 1)
    second.flush()
    const first = bytesOf(bigSection + bigInterface + unknown + simple)
    const file = readPcapng(Uint8Array.of(...first, ...memory.file()))
    expect(file.packets.map((p) => [p.interface, hexOf(p.bytes)])).toEqual([
      [0, 'abcd'],
      [1, 'ee'],
    ])
    expect(file.interfaces.map((i) => i.name)).toEqual([null, 'b'])
  })

  test.each([
    ['00112233', 'unknown file format'],
    ['0a0d0d0a 0000001c', 'unknown file format'],
    ['0a0d0d0a 0000001c 00000000 0001 0000 ffffffffffffffff 0000001c', 'unknown file format'],
    ['0a0d0d0a 0000001c 1a2b3c4d 0002 0000 ffffffffffffffff 0000001c', 'unsupported pcapng savefile version 2.0'],
    ['0a0d0d0a 0000001c 1a2b3c4d 0001 0000 ffffffffffffffff 00000018', 'a block in pcapng dump file has two lengths'],
    [`${bigSection} 00000001 00000000 00000000`, 'block in pcapng dump file has a length of 0 < 12'],
    [`${bigSection} 00000001 00000100 00000000`, 'truncated pcapng dump file; tried to read 248 bytes, only got 4'],
    [`${bigSection} 00000001 0000000c 0000000c`, 'block of type 1 in pcapng dump file is too short'],
    [
      `${bigSection} 00000006 00000020 00000000 00000000 00000000 00000000 00000000 00000020`,
      'the capture file has a packet block before any Interface Description Blocks',
    ],
    [
      `${bigSection} ${bigInterface} 00000006 00000020 00000001 00000000 00000000 00000000 00000000 00000020`,
      "a packet arrived on interface 1, but there's no Interface Description Block for that interface",
    ],
    [`${bigSection} 00000001 7ffffff0 00000000`, 'pcapng block size 2147483632 > maximum 16777216'],
    [
      `${bigSection} 00000001 0000001c 00010000 00040000 00090001 c6000000 0000001c`,
      'Interface Description Block if_tsresol option resolution 2^-70 is too high',
    ],
    [
      `${bigSection} ${bigInterface} 00000006 00000020 00000000 00000000 00000000 00000001 00000001 00000020`,
      'block of type 6 in pcapng dump file is too short',
    ],
    [
      `${bigSection} 00000001 00000018 0001 0000 00040000 0002 00ff 00000018`,
      'block of type 1 in pcapng dump file is too short',
    ],
  ])('that is damaged says how, in the words of libpcap 1.10: %s', (hex, message) => {
    expect(() => readPcapng(bytesOf(hex))).toThrow(PcapError)
    expect(() => readPcapng(bytesOf(hex))).toThrow(message)
  })
})

describe('any bytes', () => {
  /** A file or a PcapError, nothing else, and soon. */
  const survives = (bytes: Uint8Array) => {
    try {
      readCapture(bytes)
    } catch (error) {
      expect(error).toBeInstanceOf(PcapError)
    }
  }

  function example(): Uint8Array {
    const memory = new MemorySink()
    const writer = new PcapngWriter(memory)
    writer.names(new Map([[parseIpv4('10.0.0.1'), 'a']]))
    writer.interface({ name: 'a', description: 'b' })
    writer.packet(0, 1, 2, INBOUND, 3, bytesOf('0102030405'), 0, 5, 5, 'c')
    writer.statistics(0, { seconds: 1, nanos: 2, received: 3, dropped: 4 })
    writer.flush()
    return memory.file()
  }

  test('from nowhere', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), survives))
    const heads = fc.constantFrom(bytesOf('4d3cb2a1 02000400'), bytesOf('0a0d0d0a 1c000000 4d3c2b1a 01000000'))
    fc.assert(
      fc.property(heads, fc.uint8Array({ maxLength: 100 }), (head, rest) => survives(Uint8Array.of(...head, ...rest))),
    )
  })

  test('from a real file with some bytes changed, or cut', () => {
    const file = example()
    const change = fc.tuple(fc.nat(file.length - 1), fc.nat(255))
    fc.assert(
      fc.property(fc.array(change, { maxLength: 4 }), fc.nat(file.length), (changes, keep) => {
        const bytes = file.slice()
        for (const [at, value] of changes) bytes[at] = value
        survives(bytes)
        survives(bytes.subarray(0, keep))
      }),
      { numRuns: 500 },
    )
  })

  test('are told apart by their magic', () => {
    const memory = new MemorySink()
    new PcapWriter(memory).flush()
    expect(isPcap(memory.file())).toBe(true)
    expect(isPcap(example())).toBe(false)
    expect(isPcap(new Uint8Array(0))).toBe(false)
  })
})

test('growing bytes keep what they hold', () => {
  const out = new GrowingBytes(4)
  const expected: number[] = []
  for (let i = 0; i < 300; i++) {
    out.put(Uint8Array.of(i, i + 1, i + 2), 1, 2)
    expected.push((i + 1) & 255, (i + 2) & 255)
  }
  expect([...out.copy()]).toEqual(expected)
  expect(out.length).toBe(600)
})

/** A little-endian 32-bit word in hexadecimal. */
function word(value: number): string {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value, true)
  return hexOf(bytes)
}

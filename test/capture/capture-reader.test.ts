/** Files that come piece by piece; what libpcap 1.10 reads of crafted files was seen with tcpdump 4.99.3 -r. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MemorySink } from '../../src/capture/byte-sink.ts'
import { type FilePacket, PcapError } from '../../src/capture/capture-file.ts'
import { CaptureReader } from '../../src/capture/capture-reader.ts'
import { PcapWriter } from '../../src/capture/pcap-writer.ts'
import { INBOUND, OUTBOUND, PcapngWriter } from '../../src/capture/pcapng-writer.ts'
import { parseIpv4 } from '../../src/wire/address.ts'
import { bytesOf, hexOf } from '../support/bytes.ts'

interface Read {
  readonly packets: (Omit<FilePacket, 'bytes'> & { readonly bytes: string })[]
  readonly problem: string | null
}

/** Pushes the pieces one after the other, and looks at each packet before the next is pushed. */
function readIn(pieces: readonly Uint8Array[]): Read {
  const reader = new CaptureReader()
  const packets: Read['packets'] = []
  try {
    for (const piece of pieces) {
      reader.push(piece)
      for (let packet = reader.next(); packet !== null; packet = reader.next())
        packets.push({ ...packet, bytes: hexOf(packet.bytes) })
    }
    reader.finish()
  } catch (error) {
    if (!(error instanceof PcapError)) throw error
    return { packets, problem: error.message }
  }
  return { packets, problem: null }
}

function cut(file: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [0, ...places.map((place) => place % (file.length + 1)).sort((a, b) => a - b), file.length]
  return at.slice(1).map((end, i) => file.slice(at[i], end))
}

const frames = fc.array(
  fc.record({
    seconds: fc.nat(0xffffffff),
    nanos: fc.nat(999_999_999),
    bytes: fc.uint8Array({ maxLength: 100 }),
    comment: fc.string({ maxLength: 8 }),
  }),
  { maxLength: 12 },
)

function pcapng(list: readonly { seconds: number; nanos: number; bytes: Uint8Array; comment: string }[]): Uint8Array {
  const memory = new MemorySink()
  const writer = new PcapngWriter(memory)
  writer.names([[parseIpv4('10.0.0.1'), 'a']])
  writer.interface({ name: 'a/eth0' })
  list.forEach(({ seconds, nanos, bytes, comment }, i) => {
    const way = i % 2 === 0 ? INBOUND : OUTBOUND
    writer.packet(0, seconds, nanos, way, i + 1, bytes, 0, bytes.length, bytes.length, comment)
  })
  writer.statistics(0, { seconds: 1, nanos: 2, received: 3, dropped: 4 })
  writer.flush()
  return memory.file()
}

function pcap(list: readonly { seconds: number; nanos: number; bytes: Uint8Array }[]): Uint8Array {
  const memory = new MemorySink()
  const writer = new PcapWriter(memory)
  for (const { seconds, nanos, bytes } of list) writer.packet(seconds, nanos, bytes, 0, bytes.length)
  writer.flush()
  return memory.file()
}

describe('in pieces of any size', () => {
  test('a file tells what it tells in one', () => {
    fc.assert(
      fc.property(frames, fc.array(fc.nat(5000), { maxLength: 20 }), fc.boolean(), (list, places, classic) => {
        const file = classic ? pcap(list) : pcapng(list)
        const whole = readIn([file])
        expect(whole.problem).toBeNull()
        expect(whole.packets.map((packet) => packet.bytes)).toEqual(list.map(({ bytes }) => hexOf(bytes)))
        expect(readIn(cut(file, places))).toEqual(whole)
      }),
    )
  })

  test('a cut file gives what is whole, and says that it is cut', () => {
    fc.assert(
      fc.property(frames, fc.nat(5000), fc.boolean(), (list, keep, classic) => {
        const file = classic ? pcap(list) : pcapng(list)
        const held = keep % file.length
        const whole = readIn([file]).packets
        const { packets, problem } = readIn([file.slice(0, held)])
        expect(packets).toEqual(whole.slice(0, packets.length))
        if (packets.length < whole.length && problem === null) {
          // Only between two packets is nothing missing.
          expect(readIn([file.slice(0, held), file.slice(held)]).packets).toEqual(whole)
        }
        if (problem !== null) expect(problem).toMatch(/^truncated |^unknown file format|no Interface Description/)
      }),
    )
  })

  test('any bytes give packets or a PcapError', () => {
    const heads = fc.constantFrom(
      bytesOf('a1b2c3d4 00020004 00000000 00000000 00040000 00000001'),
      bytesOf('34cdb2a1 02000400 00000000 00000000 00000400 01000000'),
      bytesOf(
        '0a0d0d0a 0000001c 1a2b3c4d 00010000 ffffffffffffffff 0000001c 00000001 00000014 00010000 00040000 00000014',
      ),
    )
    fc.assert(
      fc.property(heads, fc.uint8Array({ maxLength: 120 }), fc.array(fc.nat(200)), (head, rest, places) => {
        const file = Uint8Array.of(...head, ...rest)
        expect(readIn(cut(file, places))).toEqual(readIn([file]))
      }),
    )
  })
})

describe('as libpcap reads it', () => {
  const section = '0a0d0d0a 0000001c 1a2b3c4d 00010000 ffffffffffffffff 0000001c'
  const plain = '00000001 00000014 00010000 00040000 00000014'
  const enhanced = '00000006 00000024 00000000 00000000 000f4240 00000002 00000002 abcd0000 00000024'
  const timeOf = (hex: string) => {
    const { packets, problem } = readIn([bytesOf(hex)])
    expect(problem).toBeNull()
    return packets.map(({ seconds, nanos }) => `${seconds}.${String(nanos).padStart(9, '0')}`)
  }

  test('the modified pcap of old Linux distributions, with eight more bytes a packet', () => {
    const header = 'a1b2cd34 00020004 00000000 00000000 0000ffff 00000001'
    const file = `${header} 00000001 00000005 00000002 00000002 0000000000000000 abcd`
    const { packets, problem } = readIn([bytesOf(file)])
    expect(problem).toBeNull()
    expect(packets).toMatchObject([{ seconds: 1, nanos: 5000, bytes: 'abcd' }])
    // A record's header is cut: libpcap names its own size.
    expect(readIn([bytesOf(`${header} 00000001`)]).problem).toContain('tried to read 24 header bytes, only got 4')
  })

  test('a packet longer than the snapshots of its file is cut to them', () => {
    const file = 'a1b2c3d4 00020004 00000000 00000000 00000001 00000001 00000001 00000005 00000002 00000002 abcd'
    expect(readIn([bytesOf(file)]).packets).toMatchObject([{ bytes: 'ab', originalLength: 2 }])
  })

  test('versions before 2 are archaic, 2.5 is unknown', () => {
    const of = (version: string) => readIn([bytesOf(`a1b2c3d4 ${version} 00000000 00000000 00040000 00000001`)]).problem
    expect(of('00010000')).toBe('archaic pcap savefile format')
    expect(of('00020005')).toBe('unsupported pcap savefile version 2.5')
    expect(of('00020003')).toBeNull()
  })

  test('time stamps in microseconds, in powers of ten and of two, from an offset', () => {
    const resolved = (resolution: string) =>
      `${section} 00000001 00000020 00010000 00040000 00090001 ${resolution}000000 00000000 00000020 ${enhanced}`
    expect(timeOf(`${section} ${plain} ${enhanced}`)).toEqual(['1.000000000'])
    expect(timeOf(resolved('09'))).toEqual(['0.001000000'])
    expect(timeOf(resolved('0c'))).toEqual(['0.000001000'])
    // 10^6 / 2^20 of a second; tcpdump prints 0.953674.
    expect(timeOf(resolved('94'))).toEqual(['0.953674316'])
    expect(timeOf(resolved('b0'))).toEqual(['0.000000003'])
    const offset = `${section} 00000001 00000024 00010000 00040000 000e0008 0000000000000e10 00000000 00000024`
    expect(timeOf(`${offset} ${enhanced}`)).toEqual(['3601.000000000'])
  })

  test('stamps of today in nanoseconds, to the last digit', () => {
    fc.assert(
      fc.property(fc.nat(0xffffffff), fc.nat(999_999_999), (seconds, nanos) => {
        const file = pcapng([{ seconds, nanos, bytes: new Uint8Array(0), comment: '' }])
        expect(readIn([file]).packets).toMatchObject([{ seconds, nanos }])
      }),
    )
  })

  test('an obsolete packet block, and sections one behind the other in either byte order', () => {
    const obsolete = '00000002 00000024 00000000 00000000 000f4240 00000002 00000002 abcd0000 00000024'
    const little = pcapng([{ seconds: 7, nanos: 8, bytes: bytesOf('ee'), comment: '' }])
    const first = bytesOf(`${section} ${plain} ${obsolete} ${section} ${plain} ${enhanced}`)
    const { packets, problem } = readIn([Uint8Array.of(...first, ...little)])
    expect(problem).toBeNull()
    expect(packets).toMatchObject([
      { interface: 0, seconds: 1, bytes: 'abcd' },
      { interface: 1, seconds: 1, bytes: 'abcd' },
      { interface: 2, seconds: 7, nanos: 8, bytes: 'ee' },
    ])
  })

  test('a file without an interface is none', () => {
    expect(readIn([bytesOf(section)]).problem).toBe('the capture file has no Interface Description Blocks')
    expect(readIn([]).problem).toBe('truncated dump file; tried to read 4 file header bytes, only got 0')
  })
})

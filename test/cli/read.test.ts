/** `podwire read` against tcpdump 4.99.3's own text for the same file and options (see test/wire/tcpdump). */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { MemorySink } from '../../src/capture/byte-sink.ts'
import { INBOUND, OUTBOUND, PcapngWriter } from '../../src/capture/pcapng-writer.ts'
import { runCli } from '../../src/cli/podwire.ts'
import { parseIpv4 } from '../../src/wire/address.ts'
import { bytesOf } from '../support/bytes.ts'

let folder = ''
let out = ''
let err = ''

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'podwire-read-'))
})
afterAll(() => rmSync(folder, { recursive: true }))
beforeEach(() => {
  out = ''
  err = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text)
    return true
  })
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += String(text)
    return true
  })
  return () => vi.restoreAllMocks()
})

const golden = (name: string) => fileURLToPath(new URL(`../wire/tcpdump/${name}`, import.meta.url))
const foreign = (name: string) => fileURLToPath(new URL(`../capture/foreign/${name}`, import.meta.url))
const frames = golden('frames.pcap')

function file(name: string, bytes: Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, bytes)
  return path
}

/** A request of ping, and its answer at another interface. */
function named(): Uint8Array {
  const memory = new MemorySink()
  const writer = new PcapngWriter(memory)
  writer.names([[parseIpv4('10.0.0.1'), 'default/web']])
  writer.interface({ name: 'w1/eth0' })
  writer.interface({ name: 'w1/cni0' })
  const ping = bytesOf('0a580af40103 0a580af40102 0800 4500001c 00010000 400166de 0a000001 0a000002 0800f7f7 00070001')
  const size = ping.length
  writer.packet(0, 1, 123_456_789, INBOUND, 5, ping, 0, size, size, 'routed by cni0')
  writer.packet(1, 1, 123_456_999, OUTBOUND, 5, ping, 0, size)
  writer.flush()
  return memory.file()
}

describe('podwire read', () => {
  test.each([
    ['-tn', 'plain'],
    ['-tnne', 'link'],
    ['-tnnv', 'verbose'],
    ['-tnnvve', 'most'],
    ['-tnnvvv', 'all'],
    ['-tnnq', 'quick'],
  ])('prints what tcpdump -r prints, %s', async (flags, name) => {
    expect(await runCli(['read', frames, flags])).toBe(0)
    expect(out.split('\n')).toEqual(readFileSync(golden(`${name}.txt`), 'latin1').split('\n'))
    expect(err).toBe(`reading from file ${frames}, link-type EN10MB (Ethernet), snapshot length 262144\n`)
  })

  test.each([
    ['protocols', ['-tnn'], 'protocols.tnn'],
    ['protocols', ['-tnnv'], 'protocols.tnnv'],
    ['protocols', ['-tnnvve'], 'protocols.tnnvve'],
    ['kernel', ['-tnn'], 'kernel.tnn'],
    ['kernel', ['-tnnvve'], 'kernel.tnnvve'],
    ['kernel-any', ['-nn'], 'kernel-any.nn'],
    ['kernel-any', ['-tnne'], 'kernel-any.tnne'],
    ['kernel-any', ['-tnnx', '-c', '40'], 'kernel-any.x'],
    ['kernel-any', ['-tnnXX', '-c', '40'], 'kernel-any.XX'],
    ['kernel-any', ['-tttttnnA', '-c', '40'], 'kernel-any.A'],
    ['kernel-any-v1', ['-tnn'], 'kernel-any-v1.tnn'],
    ['kernel-any-v1', ['-tnneq'], 'kernel-any-v1.tnneq'],
  ])('prints frames that podwire did not make: %s %s', async (name, flags, text) => {
    expect(await runCli(['read', foreign(`${name}.pcap`), ...flags])).toBe(0)
    expect(out.split('\n')).toEqual(readFileSync(foreign(`${text}.txt`), 'latin1').split('\n'))
  })

  test('shows names that the file gives, unless numbers are wanted', async () => {
    const path = file('named.pcapng', named())
    expect(await runCli(['read', path, '-t', '-c', '1'])).toBe(0)
    expect(out).toBe('IP default/web > 10.0.0.2: ICMP echo request, id 7, seq 1, length 8\n')
    out = ''
    expect(await runCli(['read', path, '-n', '--nano', '--where', '--comments'])).toBe(0)
    expect(out).toBe(
      'w1/eth0 in  00:00:01.123456789 IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 7, seq 1, length 8\n' +
        '\t# routed by cni0\n' +
        'w1/cni0 out 00:00:01.123456999 IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 7, seq 1, length 8\n',
    )
  })

  test('chooses by filter, interface and packet', async () => {
    const path = file('chosen.pcapng', named())
    const counted = async (...words: string[]) => {
      out = ''
      expect(await runCli(['read', path, '--count', ...words])).toBe(0)
      return out
    }
    expect(await counted()).toBe('2 packets\n')
    expect(await counted('icmp', 'and', 'inbound')).toBe('1 packet\n')
    expect(await counted('udp')).toBe('0 packets\n')
    expect(await counted('-i', '*/cni0')).toBe('1 packet\n')
    expect(await counted('--packet', '5')).toBe('2 packets\n')
    expect(await counted('--packet', '6')).toBe('0 packets\n')
  })

  test('--json gives one object a frame', async () => {
    expect(await runCli(['read', file('json.pcapng', named()), '--json', '-x', '-c', '1'])).toBe(0)
    expect(JSON.parse(out)).toMatchObject({
      number: 1,
      time: '1.123456789',
      interface: 'w1/eth0',
      direction: 'in',
      packet: 5,
      length: 42,
      protocol: 'ICMP',
      source: '10.0.0.1',
      sourceName: 'default/web',
      destination: '10.0.0.2',
      layers: { ip: { ttl: 64, id: 1 }, icmp: { type: 8, code: 0, id: 7 } },
      comments: ['routed by cni0'],
      bytes: expect.stringMatching(/^0a580af40103/),
    })
  })

  test('a cut file is printed as far as it goes, and the exit code tells', async () => {
    const path = file('cut.pcap', readFileSync(frames).subarray(0, 1000))
    expect(await runCli(['read', path, '-tn'])).toBe(1)
    expect(out.split('\n').slice(0, 17)).toEqual(readFileSync(golden('plain.txt'), 'latin1').split('\n').slice(0, 17))
    expect(err).toContain('truncated dump file; tried to read 42 captured bytes, only got 4\n')
  })

  test('says what is wrong', async () => {
    expect(await runCli(['read', '/nowhere'])).toBe(2)
    expect(err).toBe('podwire: /nowhere: No such file or directory\n')
    err = ''
    const text = file('text', bytesOf('00112233445566'))
    expect(await runCli(['read', text])).toBe(2)
    expect(err).toBe(`podwire: ${text}: unknown file format\n`)
    err = ''
    expect(await runCli(['read', frames, 'foo', 'bar'])).toBe(2)
    expect(err).toBe("podwire: can't parse filter expression: syntax error\n")
    err = ''
    expect(await runCli(['read', folder])).toBe(2)
    expect(err).toBe(`podwire: ${folder}: Is a directory\n`)
  })

  test('shows frames of a link type that it does not know as bytes', async () => {
    const header = 'd4c3b2a1 02000400 00000000 00000000 ffff0000 93000000'
    const path = file('user.pcap', bytesOf(`${header} 01000000 05000000 02000000 02000000 abcd`))
    expect(await runCli(['read', path, '-n'])).toBe(0)
    expect(out).toBe(`00:00:01.000005 UNSUPPORTED\n\t0x0000:  abcd${' '.repeat(37)}..\n`)
    expect(err).toContain('podwire: link type 147 is not modelled')
  })
})

/** `podwire follow` against tshark 4.0.17's own text for the same files (see test/capture/foreign). */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TcpStream } from '../../src/capture/tcp-stream.ts'
import { HttpMessages } from '../../src/cli/http-messages.ts'
import type { Headers } from '../../src/wire/headers.ts'
import { podwire } from '../support/cli.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'podwire-follow-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const golden = (name: string) => fileURLToPath(new URL(`../capture/foreign/follow/${name}`, import.meta.url))

describe('as tshark follows it', () => {
  test.each([
    ['plain', 'tcp:0'],
    ['retrans', 'tcp:0'],
    ['overlap', 'tcp:0'],
    ['ooo', 'tcp:0'],
    ['ooo2', 'tcp:0'],
    ['overfut', 'tcp:0'],
    ['gap', 'tcp:0'],
    ['finhole', 'tcp:0'],
    ['nosyn', 'tcp:0'],
    ['keepalive', 'tcp:0'],
    ['wrap', 'tcp:0'],
    ['synack_first', 'tcp:0'],
    ['reuse', 'tcp:0'],
    ['big', 'tcp:0'],
    ['http', 'tcp:0'],
    ['udp', 'udp:0'],
  ])('%s', async (name, stream) => {
    const { code, out } = await podwire('follow', golden(`${name}.pcap`), stream)
    expect(out).toBe(readFileSync(golden(`${name}.txt`), 'utf8'))
    expect(code).toBe(0)
  })

  test.each([
    ['big', ['tcp:0', '--hex'], 'big.hex'],
    ['big', ['tcp:0', '--raw'], 'big.raw'],
    ['gap', ['tcp:0', '--hex'], 'gap.hex'],
    ['gap', ['tcp:0', '--raw'], 'gap.raw'],
    ['http', ['tcp:0', '--hex'], 'http.hex'],
    ['http', ['tcp:0', '--raw'], 'http.raw'],
    ['http', ['http:0'], 'http.http'],
    ['reuse', ['tcp:1'], 'reuse.1'],
    ['plain', ['tcp:10.0.0.1:1000,10.0.0.2:2000'], 'plain'],
    ['plain', ['--filter', 'tcp port 1000'], 'plain'],
    ['plain', [], 'plain'],
  ])('%s %s', async (name, words, text) => {
    const { out } = await podwire('follow', golden(`${name}.pcap`), ...words)
    expect(out).toBe(readFileSync(golden(`${text}.txt`), 'utf8'))
  })
})

describe('podwire follow', () => {
  test('says what waited behind a gap at the end of the file, which tshark leaves out', async () => {
    const { out } = await podwire('follow', golden('gapend.pcap'), 'tcp:0')
    expect(out).toContain('6\nhello \n35\n[10 bytes missing in capture file].\n10\nafter gap\n\n====')
  })

  test('--list shows the conversations', async () => {
    const { out } = await podwire('follow', golden('reuse.pcap'), '--list')
    // Frames and bytes as tshark -z conv,tcp counts them.
    expect(out).toBe(
      'STREAM  A              B              FRAMES A>B  BYTES  FRAMES B>A  BYTES     START  DURATION\n' +
        'tcp:0   10.0.0.1:1000  10.0.0.2:2000           4    221           2    108  0.000000  0.001686\n' +
        'tcp:1   10.0.0.1:1000  10.0.0.2:2000           3    168           1     54  0.001925  0.000746\n',
    )
  })

  test('counts once what several interfaces saw', async () => {
    const topology = join(folder, 'two.yaml')
    writeFileSync(
      topology,
      'underlay: {cidr: 10.0.0.0/24}\nhosts:\n  - {name: a, ip: 10.0.0.1}\n  - {name: b, ip: 10.0.0.2, run: [nc -l -p 80]}\n',
    )
    const captures = join(folder, 'two')
    await podwire('exec', topology, '--captures', captures, '-c', "ssh a 'echo hello | nc -w 1 10.0.0.2 80'")
    const merged = join(captures, 'all.pcapng')
    const { out } = await podwire('follow', merged, 'tcp:0', '-n')
    expect(out).toContain('Node 1: 10.0.0.2:80\n6\nhello\n\n====')
    const whole = await podwire('follow', merged, '--list', '-n')
    const single = await podwire('follow', join(captures, 'a', 'eth0.pcapng'), '--list', '-n')
    const counts = (text: string) => text.split('\n')[1].split(/ +/).slice(0, 8)
    expect(counts(whole.out)).toEqual(counts(single.out))
  })

  test('says what is wrong', async () => {
    expect(await podwire('follow', golden('plain.pcap'), 'tcp:7')).toMatchObject({
      code: 1,
      err: expect.stringContaining('there is no conversation tcp:7'),
    })
    expect(await podwire('follow', golden('plain.pcap'), 'sctp:0')).toMatchObject({
      code: 2,
      err: expect.stringContaining('expected tcp:N, udp:N or http:N'),
    })
  })
})

/** A segment of the first speaker. */
function segment(sequence: number, size: number): Headers {
  const tcp = { flags: 0x18, sequence, acknowledgment: 0, window: 0 }
  return { tcp, payload: { at: 0, end: size } } as Headers
}

test('pieces in any order, sent any number of times, give the stream', () => {
  const piece = fc.tuple(fc.nat(60), fc.integer({ min: 1, max: 30 }))
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), fc.nat(0xffffffff), (pieces, first) => {
      const stream = Uint8Array.from({ length: 64 }, (_, i) => i + 100)
      const said: number[] = []
      const holes: number[] = []
      const tcp = new TcpStream({
        said: (_, bytes) => void said.push(...bytes),
        missing: (_, bytes) => {
          holes.push(said.length)
          for (let i = 0; i < bytes; i++) said.push(-1)
        },
      })
      tcp.segment(
        0,
        { tcp: { flags: 2, sequence: first, acknowledgment: 0, window: 0 }, payload: null } as Headers,
        stream,
      )
      const come = new Set<number>()
      for (const [at, size] of pieces) {
        const bytes = stream.slice(at, at + size)
        for (let i = 0; i < bytes.length; i++) come.add(at + i)
        tcp.segment(0, segment((first + 1 + at) >>> 0, bytes.length), bytes)
      }
      tcp.end()
      const last = Math.max(-1, ...come)
      expect(said).toEqual(Array.from({ length: last + 1 }, (_, i) => (come.has(i) ? i + 100 : -1)))
    }),
  )
})

test('any bytes go through HTTP without loss, as long as they are no HTTP', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.uint8Array({ maxLength: 40 }))), (pieces) => {
      const said: number[][] = [[], []]
      const messages = new HttpMessages({
        said: (speaker, bytes) => void said[speaker].push(...bytes),
        missing: () => {},
      })
      const given: number[][] = [[], []]
      for (const [second, bytes] of pieces) {
        given[second ? 1 : 0].push(...bytes)
        messages.said(second ? 1 : 0, bytes)
      }
      messages.end()
      expect(said).toEqual(given)
    }),
  )
})

test('any words after a head of HTTP end', () => {
  const words = fc.constantFrom(
    'GET / HTTP/1.1\r\n',
    'HTTP/1.1 200 OK\r\n',
    'Transfer-Encoding: chunked\r\n',
    'Content-Length: 5\r\n',
    'Content-Encoding: gzip\r\n',
    '\r\n',
    '5\r\nabcde\r\n',
    '0\r\n\r\n',
    'x',
  )
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), words)), (pieces) => {
      const messages = new HttpMessages({ said: () => {}, missing: () => {} })
      for (const [second, text] of pieces) messages.said(second ? 1 : 0, Buffer.from(text))
      messages.missing(0, 5)
      messages.end()
    }),
  )
})

/**
 * The printer against tcpdump 4.99.3: `tcpdump/frames.pcap` holds crafted frames, among them cut and broken ones, and
 * each text beside it is what `tcpdump -r frames.pcap` printed for them with the options named here.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { readPcap } from '../../src/capture/pcap-reader.ts'
import { type PrintOptions, printFrame } from '../../src/wire/print.ts'
import { TcpConversations } from '../../src/wire/print-conversations.ts'

const file = (name: string) => readFileSync(new URL(`tcpdump/${name}`, import.meta.url))
const { packets } = readPcap(file('frames.pcap'))

describe('as tcpdump prints it', () => {
  test.each<[string, string, PrintOptions]>([
    ['-tnn', 'plain', {}],
    ['-tnne', 'link', { link: true }],
    ['-tnnv', 'verbose', { verbose: 1 }],
    ['-tnnvve', 'most', { link: true, verbose: 2 }],
    ['-tnnvvv', 'all', { verbose: 3 }],
    ['-tnnq', 'quick', { quick: true }],
  ])('%s', (_, name, options) => {
    const conversations = new TcpConversations()
    const lines = packets.map(({ bytes, originalLength: length }) =>
      printFrame(bytes, 0, bytes.length, { ...options, conversations, length }),
    )
    expect(packets.length).toBeGreaterThan(300)
    expect(`${lines.join('\n')}\n`.split('\n')).toEqual(file(`${name}.txt`).toString('latin1').split('\n'))
  })
})

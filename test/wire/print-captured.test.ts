/** Any bytes under any link type give some text, and headers. */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fixSums } from '../../src/capture/fix-sums.ts'
import { readPcap } from '../../src/capture/pcap-reader.ts'
import { headersOf, innermost, protocolWord } from '../../src/wire/headers.ts'
import { type PrintOptions, printCaptured } from '../../src/wire/print.ts'
import { TcpConversations } from '../../src/wire/print-conversations.ts'
import { asEthernet, ETHERNET, isOutgoing, type LinkType, linkTypeOf } from '../../src/wire/print-link.ts'

const file = (name: string) =>
  readPcap(readFileSync(new URL(`../capture/foreign/${name}.pcap`, import.meta.url))).packets
const examples = [...file('protocols'), ...file('kernel').slice(0, 150)].map(({ bytes }) => bytes)
const linkTypes = [0, 1, 12, 101, 108, 113, 276]
const styles: readonly PrintOptions[] = [
  {},
  { link: true },
  { verbose: 1 },
  { verbose: 3, link: true },
  { quick: true },
]

function survives(bytes: Uint8Array): void {
  for (const linkType of linkTypes) {
    for (const style of styles) {
      const options = { ...style, conversations: new TcpConversations() }
      const text = printCaptured(linkTypeOf(linkType) as LinkType, bytes, 0, bytes.length, options)
      expect(typeof text).toBe('string')
      // Linear in the bytes, whatever lengths they claim.
      expect(text.length).toBeLessThan(2000 + bytes.length * 60)
    }
    const headers = headersOf(linkType, bytes, 0, bytes.length)
    const { payload } = innermost(headers)
    if (payload !== null) expect(payload.at).toBeLessThanOrEqual(payload.end)
    if (payload !== null) expect(payload.end).toBeLessThanOrEqual(bytes.length)
    expect(protocolWord(headers)).not.toBe('')
    expect(isOutgoing(linkType, asEthernet(linkType, bytes))).toBeTypeOf('boolean')
    if (linkType === ETHERNET) fixSums(bytes.slice(), headers, bytes.length)
  }
}

test('bytes from nowhere', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 120 }), survives), { numRuns: 60 })
})

test('real frames, cut, and with some bytes changed', () => {
  const change = fc.tuple(fc.nat(400), fc.nat(255))
  const damaged = fc
    .tuple(fc.constantFrom(...examples), fc.nat(400), fc.array(change, { maxLength: 5 }))
    .map(([example, keep, changes]) => {
      const bytes = example.slice(0, Math.max(keep, 14))
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value
      return bytes
    })
  fc.assert(fc.property(damaged, survives), { numRuns: 300 })
})

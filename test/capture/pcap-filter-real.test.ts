/**
 * Filters against libpcap 1.10.3: each line of pcap-filter.txt is a filter, and how many of the crafted frames in
 * test/wire/tcpdump/frames.pcap `tcpdump --count` took by it, or the sentence with which it refused.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { FilterError } from '../../src/capture/filter-words.ts'
import { compileFilter } from '../../src/capture/pcap-filter.ts'
import { readPcap } from '../../src/capture/pcap-reader.ts'

const { packets } = readPcap(readFileSync(new URL('../wire/tcpdump/frames.pcap', import.meta.url)))
const cases = readFileSync(new URL('pcap-filter.txt', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => line.split('\t') as [string, string])

function taken(filter: string): string {
  try {
    const test = compileFilter(filter, { cooked: false, live: false })
    return String(
      packets.filter(({ bytes, originalLength }) => test(bytes, 0, bytes.length, undefined, originalLength)).length,
    )
  } catch (error) {
    if (error instanceof FilterError) return error.message
    throw error
  }
}

describe('as libpcap filters', () => {
  it.each(cases)('%s', (filter, answer) => expect(taken(filter)).toBe(answer))
})

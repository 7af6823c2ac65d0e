import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { defaultCorefile } from '../../../src/kube/system-objects.ts'
import { type DnsLab, dnsLab, hex } from './lab.ts'
import { vectors } from './vectors.ts'

let net: DnsLab
beforeAll(() => {
  // Without loadbalance, so that the order of the answers is one.
  net = dnsLab({ corefile: defaultCorefile('cluster.local').replace('    loadbalance\n', '') })
  net.start()
})
afterAll(() => net.end())

function bytesOf(text: string): Uint8Array {
  const digits = text.replaceAll(/\s/g, '')
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16))
}

describe('the bytes of real CoreDNS', () => {
  it.each(vectors.map((vector) => [vector.name, vector] as const))('%s', async (_name, { query, reply, tcp }) => {
    const bytes = bytesOf(query)
    const got = tcp ? await net.exchangeTcp(bytes) : await net.exchange(bytes)
    expect(hex(got)).toBe(reply.replaceAll(/\s/g, ''))
  })
})

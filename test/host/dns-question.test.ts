import fc from 'fast-check'
import { expect, it } from 'vitest'
import { dnsMessage, labelBytes, labelText } from '../../src/host/dns-message.ts'
import { readQuery } from '../../src/host/dns-question.ts'
import { encodeMessage, fitMessage } from '../../src/host/dns-writer.ts'
import { decodeMessage } from '../../src/host/resolver.ts'
import type { Ipv4 } from '../../src/wire/address.ts'

it('keeps every byte of every label', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 20 }), { minLength: 1, maxLength: 6 }), (labels) => {
      const name = labels.map(labelText).join('.')
      const bytes = encodeMessage(dnsMessage({ questions: [{ name, type: 'A', class: 'IN' }] }))
      expect(bytes).toHaveLength(12 + labels.reduce((sum, label) => sum + 1 + label.length, 1) + 4)
      expect(readQuery(bytes).question?.name).toBe(name)
    }),
  )
})

it('reads labels back', () => {
  expect(labelBytes('a\\.b\\\\\\255')).toEqual(Uint8Array.of(97, 46, 98, 92, 255))
  expect(labelBytes('')).toBeNull()
  expect(labelBytes('x'.repeat(64))).toBeNull()
})

it('takes any bytes for a query, and says when it is broken', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 12, maxLength: 80 }), (bytes) => {
      expect(typeof readQuery(bytes).broken).toBe('boolean')
    }),
    { numRuns: 3000 },
  )
})

it('cuts messages to what fits, and marks them', () => {
  const answers = Array.from({ length: 60 }, (_, i) => ({
    name: 'many.example',
    ttl: 1,
    data: { type: 'A' as const, address: i as Ipv4 },
  }))
  const message = dnsMessage({ response: true, questions: [{ name: 'many.example', type: 'A', class: 'IN' }], answers })
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2000 }), (limit) => {
      const { message: cut, compress } = fitMessage(message, limit)
      const bytes = encodeMessage(cut, { compress })
      expect(bytes.length).toBeLessThanOrEqual(Math.max(512, limit))
      expect(cut.truncated).toBe(cut.answers.length < 60)
      expect(decodeMessage(bytes)?.answers).toEqual(cut.answers)
    }),
  )
})

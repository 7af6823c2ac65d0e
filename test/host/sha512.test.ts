import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sha512Hex } from '../../src/host/sha512.ts'

describe('SHA-512', () => {
  it("is what OpenSSL's is, for any text", () => {
    const same = (text: string) => sha512Hex(text) === createHash('sha512').update(text).digest('hex')
    expect(sha512Hex('cbr0abc').slice(0, 21)).toBe('64e75f641d11615844d68')
    for (const length of [0, 111, 112, 127, 128, 129, 240]) expect(same('x'.repeat(length))).toBe(true)
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 300 }), same), { numRuns: 30 })
  })
})

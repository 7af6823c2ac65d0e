import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { put16, put32, u16 } from '../../src/wire/bytes.ts'
import { add, addView, checksum, finish, fold, replace16, replace32 } from '../../src/wire/checksum.ts'
import { bytesOf } from '../support/bytes.ts'

/** RFC 1071 as its section 4.1 writes it, in BigInt: slow and plainly right. */
function plainSum(bytes: Uint8Array): number {
  let sum = 0n
  for (let i = 0; i < bytes.length; i += 2) sum += BigInt((bytes[i] << 8) | (bytes[i + 1] ?? 0))
  while (sum >> 16n) sum = (sum & 0xffffn) + (sum >> 16n)
  return Number(sum)
}

describe('the Internet checksum', () => {
  test("sums RFC 1071's example to ddf2", () => {
    expect(fold(add(0, bytesOf('0001 f203 f4f5 f6f7'), 0, 8))).toBe(0xddf2)
  })

  test('of an IPv4 header that Linux wrote is right', () => {
    const header = bytesOf('4500 0054 4d35 4000 4001 d587 0af4 0102 0af4 0103')
    expect(fold(add(0, header, 0, 20))).toBe(0xffff)
    put16(header, 10, 0)
    expect(checksum(header, 0, 20)).toBe(0xd587)
  })

  test('counts an odd last byte as if a zero followed', () => {
    expect(checksum(bytesOf('0102 03'), 0, 3)).toBe(checksum(bytesOf('0102 0300'), 0, 4))
  })

  test('agrees with the plain sum for any bytes', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        (bytes) =>
          fold(add(0, bytes, 0, bytes.length)) === plainSum(bytes) &&
          fold(addView(0, new DataView(bytes.slice().buffer), 0, bytes.length)) === plainSum(bytes),
      ),
    )
  })

  test.each([1480, 8192, 16_385, 65_535])('does not overflow over %i bytes of ff', (length) => {
    const bytes = new Uint8Array(length).fill(0xff)
    const expected = plainSum(Uint8Array.of(255, 255, 255, 255, ...bytes))
    expect(fold(add(0x1fffe, bytes, 0, length))).toBe(expected)
    expect(fold(addView(0x1fffe, new DataView(bytes.buffer), 0, length))).toBe(expected)
  })
})

describe('a patched checksum (RFC 1624)', () => {
  test("is 0000 in RFC 1624's example, not ffff", () => {
    const bytes = bytesOf('dd2f')
    replace16(bytes, 0, 0x5555, 0x3285)
    expect(u16(bytes, 0)).toBe(0x0000)
  })

  const message = fc.uint8Array({ minLength: 12, maxLength: 40 })

  // A sum of all zeros has two spellings in one's complement; a message with a byte set has one.
  const same = (a: number, b: number) => a === b || (a % 0xffff === 0 && b % 0xffff === 0)

  test('equals the recomputed one for a 16-bit field', () => {
    fc.assert(
      fc.property(message, fc.integer({ min: 0, max: 0xffff }), (bytes, value) => {
        const before = u16(bytes, 4)
        const field = new Uint8Array(2)
        put16(field, 0, checksum(bytes, 0, bytes.length))
        replace16(field, 0, before, value)
        put16(bytes, 4, value)
        return same(u16(field, 0), checksum(bytes, 0, bytes.length))
      }),
    )
  })

  test('equals the recomputed one for a 32-bit field', () => {
    fc.assert(
      fc.property(message, fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), (bytes, value) => {
        const before = (u16(bytes, 4) << 16) | u16(bytes, 6)
        const field = new Uint8Array(2)
        put16(field, 0, checksum(bytes, 0, bytes.length))
        replace32(field, 0, before, value)
        put32(bytes, 4, value)
        return same(u16(field, 0), checksum(bytes, 0, bytes.length))
      }),
    )
  })

  test('patched there and back is what it was', () => {
    fc.assert(
      fc.property(message, fc.integer({ min: 1, max: 0xffff }), (bytes, value) => {
        const first = finish(add(1, bytes, 0, bytes.length))
        const field = new Uint8Array(2)
        put16(field, 0, first)
        replace16(field, 0, u16(bytes, 4), value)
        replace16(field, 0, value, u16(bytes, 4))
        return same(u16(field, 0), first)
      }),
    )
  })
})

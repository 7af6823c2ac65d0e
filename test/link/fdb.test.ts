import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Fdb, formatFdbMac } from '../../src/link/fdb.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import { formatMac } from '../../src/wire/address.ts'
import { mac } from '../support/world.ts'

describe('a forwarding database', () => {
  test('learns, moves and forgets', () => {
    const fdb = new Fdb<string>()
    fdb.learn(mac(1), 0, 'a', 0)
    expect(fdb.lookup(mac(1), 0, 1)?.port).toBe('a')
    fdb.learn(mac(1), 0, 'b', 2)
    expect(fdb.lookup(mac(1), 0, 3)?.port).toBe('b')
    expect(fdb.lookup(mac(2), 0, 3)).toBeNull()
    fdb.forget('b')
    expect(fdb.lookup(mac(1), 0, 4)).toBeNull()
    expect(fdb.size).toBe(0)
  })

  test('lets an entry age 300 seconds after the last frame', () => {
    const fdb = new Fdb<string>()
    fdb.learn(mac(1), 0, 'a', 0)
    fdb.learn(mac(1), 0, 'a', 100 * SECOND)
    expect(fdb.lookup(mac(1), 0, 400 * SECOND - 1)).not.toBeNull()
    expect(fdb.lookup(mac(1), 0, 400 * SECOND)).toBeNull()
    expect(fdb.size).toBe(0)
  })

  test('keeps what was set by hand: it neither ages nor moves', () => {
    const fdb = new Fdb<string>()
    fdb.add(mac(1), 'a')
    fdb.learn(mac(1), 0, 'b', 0)
    expect(fdb.lookup(mac(1), 0, 1e6 * SECOND)).toMatchObject({ port: 'a', permanent: true, local: false })
    fdb.add(mac(1), 'c', true)
    expect(fdb.lookup(mac(1), 0, 0)).toMatchObject({ port: 'c', local: true })
    expect([fdb.delete(mac(1)), fdb.delete(mac(1))]).toEqual([true, false])
  })

  test('agrees with a Map over any history', () => {
    const address = fc.nat(30)
    const step = fc.oneof(
      fc.record({ kind: fc.constant('learn' as const), address, port: fc.nat(3) }),
      fc.record({ kind: fc.constant('delete' as const), address }),
      fc.record({ kind: fc.constant('forget' as const), port: fc.nat(3) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
        const fdb = new Fdb<number>()
        const map = new Map<string, number>()
        for (const one of steps) {
          if (one.kind === 'learn') {
            fdb.learn(mac(one.address), 0, one.port, 0)
            map.set(formatMac(mac(one.address)), one.port)
          } else if (one.kind === 'delete') {
            expect(fdb.delete(mac(one.address))).toBe(map.delete(formatMac(mac(one.address))))
          } else {
            fdb.forget(one.port)
            for (const [key, port] of map) if (port === one.port) map.delete(key)
          }
        }
        expect(fdb.size).toBe(map.size)
        expect(new Map(fdb.entries().map((entry) => [formatFdbMac(entry), entry.port]))).toEqual(map)
      }),
    )
  })
})

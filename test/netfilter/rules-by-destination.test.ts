/** Long chains with an index and without: a box whose rules change before each packet reads them through. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SYN } from '../../src/wire/tcp.ts'
import { Box } from './box.ts'

/** Enough packets that the index is in use for most of them. */
const PACKETS = 200
const address = fc.integer({ min: 1, max: 30 }).map((last) => `10.96.0.${last}`)
const port = fc.constantFrom(80, 81, 82)
const verdict = fc.constantFrom('DROP', 'ACCEPT', 'RETURN', 'OTHER', 'MARK --set-xmark 0x1/0x1')
const rule = fc
  .record({ to: address, kind: fc.integer({ min: 0, max: 24 }), dport: port, verdict })
  .map(({ to, kind, dport, verdict: target }) => {
    if (kind === 0) return `! -d ${to}/32 -j ${target}`
    if (kind === 1) return `-d 10.96.0.0/28 -p tcp -m tcp --dport ${dport} -j ${target}`
    if (kind === 2) return `-p tcp -m mark --mark 0x1/0x1 -j ${target}`
    return `-d ${to}/32 -p tcp -m tcp --dport ${dport} -j ${target}`
  })

test('an index over a long chain changes neither verdicts nor counters', () => {
  fc.assert(
    fc.property(
      fc.array(rule, { minLength: 32, maxLength: 60 }),
      fc.array(fc.tuple(address, port), { minLength: PACKETS, maxLength: PACKETS }),
      (rules, packets) => {
        const chains = [':LONG - [0:0]', ':OTHER - [0:0]', '-A FORWARD -j LONG', '-A OTHER -d 10.96.0.3/32 -j DROP']
        const mangle = [...chains, ...rules.map((each) => `-A LONG ${each}`)]
        const text = `*mangle\n${mangle.join('\n')}\nCOMMIT\n`
        const [indexed, read] = [new Box(text), new Box(text)]
        for (const [i, [to, dport]] of packets.entries()) {
          read.netfilter.iptables(['-t', 'raw', i % 2 === 0 ? '-N' : '-X', 'CHANGE'])
          const passed = [indexed, read].map((box) => {
            const frame = box.tcp('10.244.1.2:4000', `${to}:${dport}`, SYN)
            const goes = box.forward(frame)
            if (goes) box.world.frames.consume(frame)
            return goes
          })
          expect(passed[0]).toBe(passed[1])
        }
        const counted = ({ netfilter }: Box) => netfilter.save({ counters: true, table: 'mangle' })
        expect(counted(indexed)).toBe(counted(read))
        expect(indexed.world.frames.inUse + read.world.frames.inUse).toBe(0)
      },
    ),
    { numRuns: 20 },
  )
})

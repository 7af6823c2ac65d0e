/** A line that was read before is copied: into other rule sets, with counters of its own, and only where it means the same. */
import { describe, expect, it } from 'vitest'
import { Box } from './box.ts'
import { KUBE_RULES } from './kube-rules.ts'

const filter = (...lines: string[]) => `*filter\n${lines.join('\n')}\nCOMMIT\n`
const said = (rules: string) => {
  try {
    return new Box(rules).netfilter.save()
  } catch (error) {
    return (error as Error).message
  }
}

describe('a line read twice', () => {
  it('is the same rule, in each of many rule sets', () => {
    const boxes = [new Box(KUBE_RULES), new Box(KUBE_RULES), new Box(KUBE_RULES)]
    for (const { netfilter } of boxes) expect(netfilter.save()).toBe(KUBE_RULES)
    const [first, second] = boxes
    const rules = (box: Box) => box.netfilter.rules.peek('nat')?.chains.get('KUBE-SERVICES')?.rules ?? []
    expect(rules(first).length).toBeGreaterThan(3)
    for (const [i, rule] of rules(first).entries()) {
      const other = rules(second)[i]
      expect([rule === other, rule.chain === other.chain]).toEqual([false, false])
      expect(rule.chain?.table === first.netfilter.rules.peek('nat')).toBe(true)
    }
    rules(first)[0].packets = 7
    expect(rules(second)[0].packets).toBe(0)
    expect(new Box(KUBE_RULES).netfilter.save({ counters: true })).not.toContain('[7:')
  })

  it('is refused where what it names is not there, or leads back', () => {
    const line = '-A A -p tcp -m tcp --dport 80 -j B'
    expect(said(filter(':A - [0:0]', ':B - [0:0]', line))).toContain(line)
    expect(said(filter(':A - [0:0]', line))).toContain("Chain 'B' does not exist")
    expect(said(filter(':B - [0:0]', line))).toContain('line 3')
    expect(said(filter(':A - [0:0]', ':B - [0:0]', '-A B -j A', line))).toContain('Too many links')
    expect(said(filter(':A - [0:0]', ':B - [0:0]', line))).toContain(line)
  })

  it('counts and remembers by itself where it has something of its own', () => {
    const line = '-A INPUT -m statistic --mode nth --every 2 --packet 0 -j DROP'
    const [first, second] = [new Box(filter(line)), new Box(filter(line))]
    const match = ({ netfilter }: Box) => netfilter.rules.peek('filter')?.chains.get('INPUT')?.rules[0].matches[0]
    expect(match(first) === match(second)).toBe(false)
    const plain = '-A INPUT -m mark --mark 0x1 -j DROP'
    const [third, fourth] = [new Box(filter(plain)), new Box(filter(plain))]
    expect(match(third) === match(fourth)).toBe(true)
  })

  it('keeps counters and several addresses apart', () => {
    for (let i = 0; i < 2; i++) {
      expect(said(filter('-A INPUT -s 10.0.0.1,10.0.0.2 -j DROP')).match(/-A INPUT/g)?.length).toBe(2)
      const box = new Box(filter('-A INPUT -s 10.0.0.3/32 -j DROP -c 5 600'))
      expect(box.netfilter.save({ counters: true })).toContain('[5:600] -A INPUT -s 10.0.0.3/32 -j DROP')
    }
    expect(new Box(filter('-A INPUT -s 10.0.0.3/32 -j DROP')).netfilter.save({ counters: true })).toContain(
      '[0:0] -A INPUT',
    )
  })
})

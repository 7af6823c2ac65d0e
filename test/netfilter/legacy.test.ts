import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { Node } from '../host/iproute/node.ts'
import { Box } from './box.ts'

/** What iptables 1.8.9 (legacy) printed, command after command, in one network namespace of Linux 6.18. */
interface Measured {
  words: string[]
  stdin?: string
  out: string
  err: string
  code: number
}

const read = (name: string) => readFileSync(new URL(name, import.meta.url), 'utf8')
const measured: Measured[] = JSON.parse(read('./iptables-legacy-1.8.9.json'))
const dated = (text: string) => text.replace(/^(# .* on ).*$/gm, '$1DATE')

async function runner() {
  const node = new Node()
  return async (words: string[], stdin = '') => {
    let out = ''
    let err = ''
    const io = { out: (text: string) => void (out += text), err: (text: string) => void (err += text), stdin }
    const code = await node.runner.until(node.node.place.spawn(words, io).exit)
    return { out: dated(out), err, code }
  }
}

describe('iptables-legacy', () => {
  it('prints, refuses and ends as version 1.8.9 does', async () => {
    const run = await runner()
    const wrong: unknown[] = []
    for (const { words, stdin, out, err, code } of measured) {
      const said = await run(words, stdin)
      const real = { out, err, code }
      if (JSON.stringify(said) !== JSON.stringify(real)) wrong.push({ words, stdin, said, real })
    }
    expect(wrong).toEqual([])
  })

  it('gives a node’s dump back as it was, tables in their order and counters included', async () => {
    const run = await runner()
    const dump = read('./dumps/node-legacy.rules')
    expect(await run(['iptables-legacy-restore', '-c'], dump)).toEqual({ out: '', err: '', code: 0 })
    expect(await run(['iptables-legacy-save', '-c'])).toEqual({ out: dump, err: '', code: 0 })
    expect((await run(['iptables-legacy-restore', '-c'], dump)).code).toBe(0)
    expect((await run(['iptables-legacy-save', '-c'])).out).toBe(dump)
    expect((await run(['iptables-save'])).err).toContain('iptables-legacy tables present')
  })

  it('has rules of its own: a packet must pass both rule sets', () => {
    const box = new Box()
    box.netfilter.restore('*filter\n-A FORWARD -p udp -m udp --dport 1 -j DROP\nCOMMIT\n')
    box.netfilter.restore('*filter\n-A FORWARD -p udp -m udp --dport 2 -j DROP\nCOMMIT\n', {}, box.netfilter.legacy)
    const through = (port: number) => box.through(box.udp('10.244.1.2:9', `10.9.0.2:${port}`)) !== null
    expect([1, 2, 3].map(through)).toEqual([false, false, true])
    expect(box.netfilter.save()).not.toContain('--dport 2')
    expect(box.netfilter.save({ counters: true }, box.netfilter.legacy)).toContain(
      '[1:33] -A FORWARD -p udp -m udp --dport 2',
    )
    box.netfilter.restore(
      '*nat\n-A PREROUTING -p udp -j DNAT --to-destination 10.9.0.9\nCOMMIT\n',
      {},
      box.netfilter.legacy,
    )
    expect(box.through(box.udp('10.244.1.2:9', '10.9.0.2:5'))?.destination).toBe('10.9.0.9')
    expect(box.world.frames.inUse).toBe(0)
  })
})

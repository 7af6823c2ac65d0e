import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { Node } from '../host/iproute/node.ts'

/** What conntrack 1.4.7 printed, command after command, in one network namespace of Linux 6.18. */
interface Measured {
  args: string
  /** Sorted: the kernel's order is its hash table's. Identifiers are N. */
  out: string[]
  err: string
  code: number
}

const measured: Measured[] = JSON.parse(readFileSync(new URL('./conntrack-1.4.7.json', import.meta.url), 'utf8'))

/** The recording took two seconds of the hundred that most flows had. */
function sinceRecorded(line: string): string {
  return line.replace(/(^\S+ +\d+|ipv4 {5}2 \S+ +\d+|<timeout>|-t)( ?)9[78]\b/, '$1$299')
}

describe('conntrack', () => {
  it('prints, refuses and ends as version 1.4.7 does', async () => {
    const node = new Node()
    await node.prints('iptables -A INPUT -m conntrack --ctstate ESTABLISHED')
    const wrong: unknown[] = []
    for (const { args, out, err, code } of measured) {
      await node.runner.runFor(1e6)
      const said = await node.run(`conntrack ${args}`)
      const lines = said.out
        .replace(/<id>[0-9]+<\/id>/g, '<id>N</id>')
        .replace(/ id=[0-9]+$/gm, ' id=N')
        .split('\n')
        .filter((line) => line !== '')
        .sort()
      const real = JSON.stringify([out.map(sinceRecorded).sort(), err, code])
      const ours = JSON.stringify([lines, said.err, said.code])
      if (ours !== real) wrong.push({ args, ours, real })
    }
    expect(wrong).toEqual([])
  })
})

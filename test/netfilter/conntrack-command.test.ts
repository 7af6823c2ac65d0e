import { readFileSync } from 'node:fs'
import fc from 'fast-check'
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

  it('takes any words', async () => {
    const node = new Node()
    await node.prints('iptables -A INPUT -m conntrack --ctstate ESTABLISHED')
    const words = [
      '-L',
      '-I',
      '-U',
      '-D',
      '-G',
      '-A',
      '-F',
      '-C',
      '-S',
      '-p',
      'udp',
      'tcp',
      'icmp',
      '-s',
      '-d',
      '1.1.1.1',
    ]
    const more = [
      '--sport',
      '--dport',
      '-t',
      '-n',
      '-m',
      '0x1/0',
      '-o',
      'xml,id',
      '--icmp-type',
      '--icmp-code',
      '8',
      '-r',
    ]
    const word = fc.oneof(fc.constantFrom(...words, ...more), fc.string({ unit: 'binary', maxLength: 5 }))
    await fc.assert(
      fc.asyncProperty(fc.array(word, { maxLength: 14 }), async (all) => {
        const said = { out: '', err: '' }
        const io = {
          out: (text: string) => void (said.out += text),
          err: (text: string) => void (said.err += text),
          stdin: '',
        }
        const process = node.node.place.spawn(['conntrack', ...all.filter((each) => !/^-\w*E|^--ev/.test(each))], io)
        expect([0, 1, 2]).toContain(await node.runner.until(process.exit))
      }),
      { numRuns: 300 },
    )
    expect((await node.run('conntrack -L')).code).toBe(0)
  })
})

import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { put16 } from '../../src/wire/bytes.ts'
import { Node } from '../host/iproute/node.ts'
import { Box } from './box.ts'

/** What ipset 7.17 printed, command after command, in one network namespace of Linux 6.18. */
interface Measured {
  line: string
  stdin?: string
  out: string
  err: string
  code: number
}

const measured: Measured[] = JSON.parse(readFileSync(new URL('./ipset-7.17.json', import.meta.url), 'utf8'))

/** Words as a shell splits them. */
function split(line: string): string[] {
  return [...line.trim().matchAll(/"([^"]*)"|(\S+)/g)].map((found) => found[1] ?? found[2])
}

describe('ipset', () => {
  it('prints, refuses and ends as version 7.17 does', async () => {
    const node = new Node()
    const wrong: unknown[] = []
    for (const { line, stdin, ...real } of measured) {
      await node.runner.runFor(1e6)
      let out = ''
      let err = ''
      const io = {
        out: (text: string) => void (out += text),
        err: (text: string) => void (err += text),
        stdin: stdin ?? '',
      }
      const code = await node.runner.until(node.node.place.spawn(split(line), io).exit)
      const ours = { out: out.replace(/0x[0-9a-f]{8}/g, '0xX'), err, code }
      const theirs = { ...real, out: real.out.replace(/0x[0-9a-f]{8}/g, '0xX') }
      if (JSON.stringify(ours) !== JSON.stringify(theirs)) wrong.push({ line, ours, theirs })
    }
    expect(wrong).toEqual([])
  })
})

/** A box with sets, and one rule of FORWARD that drops what matches. */
function dropping(rule: string, ...sets: string[]): Box {
  const box = new Box()
  const answer = box.netfilter.ipset(['restore'], `${sets.join('\n')}\n`)
  expect(answer).toEqual({ out: '', err: '', code: 0 })
  box.netfilter.iptables(['-A', 'FORWARD', ...rule.split(' ')])
  return box
}

const CLIENT = '10.244.1.2:4000'

describe('-m set and -j SET', () => {
  it('ask each set of a list, and count the entry that answered', () => {
    const box = dropping(
      '-m set --match-set all dst -j DROP',
      'create a hash:ip',
      'create n hash:net',
      'create all list:set counters timeout 100',
      'add a 10.9.0.1',
      'add n 10.8.0.0/16',
      'add all a timeout 5',
      'add all n',
    )
    const passes = (to: string) => box.through(box.udp(CLIENT, to)) !== null
    expect(['10.9.0.1:1', '10.8.7.6:1', '10.7.0.1:1'].map(passes)).toEqual([false, false, true])
    expect(box.netfilter.ipset(['list', 'all']).out).toContain('a timeout 5 packets 1 bytes 33')
    box.world.scheduler.run(6e9)
    expect(['10.9.0.1:1', '10.8.7.6:1'].map(passes)).toEqual([true, false])
    expect(box.netfilter.ipset(['destroy', 'n']).err).toContain('it is in use by a kernel component')
    expect(box.world.frames.inUse).toBe(0)
  })

  it('know networks behind a port, and the device a packet came by', () => {
    const box = dropping(
      '-m set --match-set s src,dst,dst -j DROP',
      'create s hash:ip,port,net',
      'add s 10.244.1.2,udp:53,10.9.0.0/16',
      'add s 10.244.1.2,udp:53,10.9.8.0/24 nomatch',
      'create i hash:net,iface',
      'add i 10.6.0.0/16,cni0',
      'add i 10.5.0.0/16,eth0',
    )
    box.netfilter.iptables('-A FORWARD -m set --match-set i dst,src -j DROP'.split(' '))
    const passes = (to: string) => box.through(box.udp(CLIENT, to)) !== null
    expect(['10.9.1.1:53', '10.9.8.1:53', '10.9.1.1:54', '10.6.1.1:9', '10.5.1.1:9'].map(passes)).toEqual([
      false,
      true,
      true,
      false,
      true,
    ])
  })

  it('bitmap:ip,mac learns the MAC of an address from its first packet', () => {
    const box = dropping(
      '-m set --match-set m src,src -j DROP',
      'create m bitmap:ip,mac range 10.244.1.0/28',
      'add m 10.244.1.2',
    )
    const send = (last: number) => {
      const frame = box.udp(CLIENT, '10.9.0.1:1')
      put16(frame.bytes, frame.network - 8, 0x0a58)
      frame.bytes.fill(0, frame.network - 6, frame.network - 2)
      frame.bytes[frame.network - 3] = last
      return box.through(frame) !== null
    }
    expect([7, 8, 7].map(send)).toEqual([false, true, false])
    expect(box.netfilter.ipset(['save', 'm']).out).toContain('add m 10.244.1.2,0A:58:00:00:00:07')
  })

  it('compare counters with the packet counted, and spell it as iptables does', () => {
    const rule = '-m set --match-set s dst --packets-gt 2 -j DROP'
    const box = dropping(
      rule,
      'create s hash:ip counters',
      'add s 10.9.0.1',
      'create l list:set',
      'create x hash:ip',
      'add l x',
    )
    const passes = () => box.through(box.udp(CLIENT, '10.9.0.1:1')) !== null
    expect([passes(), passes(), passes(), passes()]).toEqual([true, true, false, false])
    expect(box.netfilter.iptables(['-S', 'FORWARD'])).toContain(`-A FORWARD ${rule}\n`)
    const spelled = '-m set --match-set s src --return-nomatch ! --update-counters --bytes-lt 3'
    box.netfilter.iptables(['-R', 'FORWARD', '1', ...spelled.split(' ')])
    expect(box.netfilter.iptables(['-S', 'FORWARD'])).toContain(`-A FORWARD ${spelled}\n`)
    expect(box.netfilter.iptables(['-nL', 'FORWARD'])).toContain(
      'match-set s src return-nomatch ! update-counters bytes-lt 3',
    )
    for (const [wrong, why] of [
      ['--packets-lt 3 --packets-gt 3', 'only one of the --packets-[eq|lt|gt] is allowed'],
      ['! --packets-lt 3', '--packets-lt option cannot be inverted'],
      ['--packets-gt x', 'Cannot parse x as a counter value'],
    ]) {
      expect(() => box.netfilter.iptables(`-A FORWARD -m set --match-set s src ${wrong}`.split(' '))).toThrow(why)
    }
    box.netfilter.iptables('-R FORWARD 1 -j SET --add-set l src'.split(' '))
    expect(passes()).toBe(true)
    expect(box.netfilter.ipset(['save', 'x']).out).toContain('add x 10.244.1.2\n')
  })

  it('ipset restore takes any bytes', () => {
    const words = [
      'create',
      'add',
      'del',
      'test',
      'swap',
      'rename',
      'list',
      'save',
      'flush',
      'destroy',
      'x',
      'y',
      'before',
    ]
    const types = ['hash:ip', 'hash:net', 'hash:ip,port', 'hash:ip,port,net', 'hash:net,iface', 'bitmap:ip', 'list:set']
    const more = [
      'range',
      '10.0.0.0/24',
      '10.0.0.1,tcp:80,10.0.0.0/8',
      'timeout',
      '5',
      '-exist',
      'comment',
      '"',
      'bitmap:ip,mac',
    ]
    const word = fc.oneof(fc.constantFrom(...words, ...types, ...more), fc.string({ unit: 'binary', maxLength: 6 }))
    const line = fc.array(word, { maxLength: 6 }).map((all) => all.join(' '))
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
        const { netfilter } = new Box()
        const answer = netfilter.ipset(['restore'], lines.join('\n'))
        expect([0, 1, 2]).toContain(answer.code)
        expect(netfilter.ipset(['save']).code).toBe(0)
        const saved = netfilter.ipset(['save']).out
        const again = new Box().netfilter
        expect(again.ipset(['restore'], saved).code).toBe(0)
        expect(again.ipset(['save']).out).toBe(saved)
      }),
      { numRuns: 300 },
    )
  })
})

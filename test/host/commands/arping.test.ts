/** arping: what it prints and sends, as iputils 20221126 does on a veth pair of a real kernel. */
import { describe, expect, it } from 'vitest'
import { linuxCommands } from '../../../src/host/commands/table.ts'
import type { Machine } from '../../../src/host/machine.ts'
import { Veth } from '../../../src/link/veth.ts'
import { parseIpv4, parseMac } from '../../../src/wire/address.ts'
import { printFrame } from '../../../src/wire/print.ts'
import { Box } from '../box.ts'

class Cable extends Box {
  readonly a: Machine
  readonly b: Machine
  readonly sent: string[] = []

  constructor() {
    super(linuxCommands())
    this.a = this.machine('a')
    this.b = this.machine('b')
    const ends = Veth.pair(this.world, 'v0', parseMac('02:00:00:00:00:0a'), 'v0', parseMac('02:00:00:00:00:0b'))
    for (const [i, { netns }] of [this.a, this.b].entries()) {
      netns.adopt(ends[i])
      netns.addAddress(ends[i], parseIpv4(`10.9.0.${i + 1}`), 24)
      netns.setUp(ends[i])
    }
    ends[0].tap = (frame, _device, direction) => {
      const line = printFrame(frame.bytes, frame.start, frame.end, { link: true })
      if (direction === 'out') this.sent.push(line.slice(0, line.indexOf(', length 28')))
    }
  }

  /** Exit code and text, round-trip times left out. */
  async types(line: string): Promise<string> {
    const { code, out, err } = await this.say(this.a.place, line)
    return `${code}\n${`${out}${err}`.replace(/ {2}[\d.]+ms/g, '  N.NNNms')}`
  }
}

const ASKS = '02:00:00:00:00:0a > ff:ff:ff:ff:ff:ff, ethertype ARP (0x0806), length 42: Request who-has'

describe('arping', () => {
  it('asks everybody first, then who answered', async () => {
    const cable = new Cable()
    expect(await cable.types('arping -c 2 -I v0 10.9.0.2')).toBe(
      '0\nARPING 10.9.0.2 from 10.9.0.1 v0\n' +
        'Unicast reply from 10.9.0.2 [02:00:00:00:00:0B]  N.NNNms\n'.repeat(2) +
        'Sent 2 probes (1 broadcast(s))\nReceived 2 response(s)\n',
    )
    expect(cable.sent).toEqual([
      `${ASKS} 10.9.0.2 (ff:ff:ff:ff:ff:ff) tell 10.9.0.1`,
      '02:00:00:00:00:0a > 02:00:00:00:00:0b, ethertype ARP (0x0806), length 42: Request who-has 10.9.0.2 (02:00:00:00:00:0b) tell 10.9.0.1',
    ])
    await cable.rest()
  })

  it('sends one probe a second until its time is over', async () => {
    const cable = new Cable()
    const answer = '1\nARPING 10.9.0.99 from 10.9.0.1 v0\n'
    expect(await cable.types('arping -w 2 -I v0 10.9.0.99')).toBe(
      `${answer}Sent 3 probes (3 broadcast(s))\nReceived 0 response(s)\n`,
    )
    expect(await cable.types('arping -c 2 10.9.0.99')).toBe(
      `${answer}Sent 2 probes (2 broadcast(s))\nReceived 0 response(s)\n`,
    )
    await cable.rest()
  })

  it('announces an address, and looks for duplicates', async () => {
    const cable = new Cable()
    const none = 'Sent 1 probes (1 broadcast(s))\nReceived 0 response(s)\n'
    expect(await cable.types('arping -c 1 -U -I v0 10.9.0.1')).toBe(`0\nARPING 10.9.0.1 from 10.9.0.1 v0\n${none}`)
    expect(await cable.types('arping -c 1 -A -I v0 10.9.0.1')).toBe(`0\nARPING 10.9.0.1 from 10.9.0.1 v0\n${none}`)
    expect(await cable.types('arping -D -c 1 -I v0 10.9.0.77')).toBe(`0\nARPING 10.9.0.77 from 0.0.0.0 v0\n${none}`)
    expect(await cable.types('arping -D -c 1 -I v0 10.9.0.2')).toBe(
      '1\nARPING 10.9.0.2 from 0.0.0.0 v0\nUnicast reply from 10.9.0.2 [02:00:00:00:00:0B]  N.NNNms\n' +
        'Sent 1 probes (1 broadcast(s))\nReceived 1 response(s)\n',
    )
    expect(cable.sent).toEqual([
      `${ASKS} 10.9.0.1 (ff:ff:ff:ff:ff:ff) tell 10.9.0.1`,
      '02:00:00:00:00:0a > ff:ff:ff:ff:ff:ff, ethertype ARP (0x0806), length 42: Reply 10.9.0.1 is-at 02:00:00:00:00:0a',
      `${ASKS} 10.9.0.77 (ff:ff:ff:ff:ff:ff) tell 0.0.0.0`,
      `${ASKS} 10.9.0.2 (ff:ff:ff:ff:ff:ff) tell 0.0.0.0`,
    ])
    await cable.rest()
  })

  it('says what it cannot do', async () => {
    const cable = new Cable()
    expect(await cable.types('arping -c 1 -I nope 10.9.0.2')).toBe('2\narping: Device nope not available.\n')
    expect(await cable.types('arping -c 1 -I lo 127.0.0.1')).toBe('2\nInterface "lo" is not ARPable\n')
    expect(await cable.types('arping -c x -I v0 10.9.0.2')).toBe("1\narping: invalid argument: 'x'\n")
    expect(await cable.types('arping -c 1 -I v0 -s 10.9.0.55 10.9.0.2')).toBe(
      '2\narping: bind: Cannot assign requested address\n',
    )
    await cable.rest()
  })
})

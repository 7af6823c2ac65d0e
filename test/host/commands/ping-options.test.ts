/** ping's options: lines and refusals of iputils 20221126 between two namespaces of a Linux kernel. */
import { describe, expect, it } from 'vitest'
import { linuxCommands } from '../../../src/host/commands/table.ts'
import { Box } from '../box.ts'

function pair() {
  const box = new Box(linuxCommands())
  const [a, b] = box.pair(30_000)
  a.place.files.set('/etc/hosts', '10.0.0.1\ta.lab\n10.0.0.2\tb.lab\n')
  return { box, a, b }
}

const untimed = (text: string) =>
  text
    .replace(/\d+\.\d{3}/g, 'T')
    .replace(/time[ =]\d+ms/g, 'time Tms')
    .replace(/\t\d+ absolute/g, '\tT absolute')

const statistics = (host: string, count: number) =>
  `\n--- ${host} ping statistics ---\n${count} packets transmitted, ${count} received, 0% packet loss, time Tms\n` +
  'rtt min/avg/max/mdev = T/T/T/T ms'

describe('ping', () => {
  it('records the route there and back, and says when it was the same', async () => {
    const { box, a } = pair()
    const { out } = await box.say(a.place, 'ping -c 2 -i 0.2 -R b.lab')
    expect(untimed(out)).toBe(
      'PING b.lab (10.0.0.2) 56(124) bytes of data.\n' +
        '64 bytes from b.lab (10.0.0.2): icmp_seq=1 ttl=64 time=T ms\n' +
        'RR: \ta.lab (10.0.0.1)\n\tb.lab (10.0.0.2)\n\tb.lab (10.0.0.2)\n\ta.lab (10.0.0.1)\n\n' +
        `64 bytes from b.lab (10.0.0.2): icmp_seq=2 ttl=64 time=T ms\t(same route)\n${statistics('b.lab', 2)}\n`,
    )
    await box.rest()
  })

  it('collects times, with addresses or without, and only of hosts that are named', async () => {
    const { box, a } = pair()
    // At midnight itself a time of 0 would pass for none.
    await box.runner.runFor(5e9)
    const times = async (line: string) => {
      const { out } = await box.say(a.place, line)
      return untimed(out).split('\n').slice(2, -5)
    }
    expect(await times('ping -c 1 -T tsonly 10.0.0.2')).toEqual(['TS: \tT absolute', '\t0', '\t0', '\t0', ''])
    expect(await times('ping -c 1 -T tsandaddr 10.0.0.2')).toEqual([
      'TS: \t10.0.0.1\tT absolute',
      '\t10.0.0.2\t0',
      '\t10.0.0.2\t0',
      '\t10.0.0.1\t0',
      '',
    ])
    expect(await times('ping -c 1 -T tsprespec 10.0.0.2 10.0.0.2')).toEqual(['TS: \t10.0.0.2\tT absolute', ''])
    await box.rest()
  })

  it('floods: a dot for each request, taken back for each answer', async () => {
    const { box, a } = pair()
    const said = await box.say(a.place, 'ping -f -c 3 10.0.0.2')
    expect(untimed(said.out)).toBe(
      `PING 10.0.0.2 (10.0.0.2) 56(84) bytes of data.\n.\b \b.\b \b.\b \b${statistics('10.0.0.2', 3)}, ipg/ewma T/T ms\n`,
    )
    await box.rest()
  })

  it('tells what is missing, with -O, before the error comes', async () => {
    const { box, a } = pair()
    const said = await box.say(a.place, 'ping -c 2 -O 10.0.0.77')
    expect(said.out.split('\n').slice(1, 4)).toEqual([
      'no answer yet for icmp_seq=1',
      'From 10.0.0.1 icmp_seq=1 Destination Host Unreachable',
      'From 10.0.0.1 icmp_seq=2 Destination Host Unreachable',
    ])
    expect(said.code).toBe(1)
    await box.rest()
  })

  it('fills the payload with a pattern', async () => {
    const { box, a } = pair()
    const seen: string[] = []
    a.netns.devices.get('eth0')!.tap = (frame) => {
      if (frame.end - frame.start === 98)
        seen.push(Buffer.from(frame.bytes.slice(frame.end - 4, frame.end)).toString('hex'))
    }
    const said = await box.say(a.place, 'ping -c 1 -p ff00a 10.0.0.2')
    expect(said.out).toContain('PATTERN: 0xff000a\n')
    // 56 bytes of ff 00 0a: the last four begin at the second of three.
    expect(seen[0]).toBe('000aff00')
    await box.rest()
  })

  for (const [line, code, sentence] of [
    ['ping -c 0 10.0.0.2', 1, "ping: invalid argument: '0': out of range: 1 <= value <= 9223372036854775807"],
    ['ping -l 0 10.0.0.2', 1, "ping: invalid argument: '0': out of range: 1 <= value <= 65536"],
    ['ping -p zz 10.0.0.2', 2, 'ping: patterns must be specified as hex digits: zz'],
    ['ping -T foo 10.0.0.2', 2, 'ping: invalid timestamp type: foo'],
    ['ping -R -T tsonly 10.0.0.2', 2, 'ping: only one of -T or -R may be used'],
    ['ping -M probe 10.0.0.2', 2, 'ping: invalid -M argument: probe'],
    ['ping -t 0 10.0.0.2', 2, 'ping: cannot set unicast time-to-live: Invalid argument'],
    ['ping -Q 300 10.0.0.2', 2, 'ping: the decimal value of TOS bits must be in range 0-255: 300'],
    ['ping -i 1e10 10.0.0.2', 2, 'ping: bad timing interval: 1e10'],
    ['ping -W -1 10.0.0.2', 2, 'ping: bad linger time: -1'],
    [
      'ping 255.255.255.255',
      2,
      'ping: Do you want to ping broadcast? Then -b. If not, check your local firewall rules',
    ],
    ['ping -6 10.0.0.2', 2, 'ping: 10.0.0.2: Address family for hostname not supported'],
    ['ping 10.0.0.2 10.0.0.1', 2, 'ping: record route: Operation not permitted'],
  ] as const) {
    it(`refuses: ${line}`, async () => {
      const { box, a } = pair()
      expect(await box.say(a.place, line)).toMatchObject({ code, err: `${sentence}\n`, out: '' })
    })
  }

  it('reads addresses as inet_aton does', async () => {
    const { box, a } = pair()
    expect((await box.say(a.place, 'ping -q -c 1 10.2')).out).toContain('PING 10.2 (10.0.0.2) 56(84)')
    expect((await box.say(a.place, 'ping -q -c 1 0')).out).toContain('PING 0 (127.0.0.1) 56(84)')
    await box.rest()
  })
})

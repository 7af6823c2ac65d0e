/** nc of Debian (OpenBSD 1.219): datagrams, names and times as between two namespaces of a Linux kernel. */
import { describe, expect, it } from 'vitest'
import { linuxCommands } from '../../../src/host/commands/table.ts'
import type { Place } from '../../../src/host/place.ts'
import { SECOND } from '../../../src/sim/scheduler.ts'
import { Box, transcript } from '../box.ts'

function pair() {
  const box = new Box(linuxCommands())
  const [a, b] = box.pair(30_000)
  for (const machine of [a, b]) machine.place.files.set('/etc/hosts', '10.0.0.1\ta.lab\n10.0.0.2\tb.lab\n')
  const background = (place: Place, line: string) => {
    const { io, text } = transcript()
    place.shell(line, io).exit.catch(() => {})
    return text
  }
  const end = async () => {
    for (const machine of [a, b]) machine.place.killAll(9)
    await box.rest()
  }
  return { box, a, b, background, end }
}

describe('nc -u', () => {
  it('scans with two datagrams at once and one after each of three seconds', async () => {
    const { box, a, b, background, end } = pair()
    const heard = background(b.place, 'nc -n -v -u -l 5002')
    await box.runner.runFor(SECOND)
    const times: number[] = []
    a.netns.devices.get('eth0')!.tap = (frame, _device, direction) => {
      if (direction === 'out' && frame.end - frame.start === 43)
        times.push(Math.floor(box.world.scheduler.now / 1e8) / 10)
    }
    const said = await box.say(a.place, 'nc -vzu 10.0.0.2 5002')
    expect(said).toMatchObject({ code: 0, err: 'Connection to 10.0.0.2 5002 port [udp/*] succeeded!\n' })
    expect(times).toEqual([1, 1, 2, 3, 4])
    expect(box.world.scheduler.now).toBeGreaterThan(4.0007 * SECOND)
    await box.runner.runFor(SECOND)
    expect(heard()).toMatch(/^Bound on 0\.0\.0\.0 5002\nConnection received on 10\.0\.0\.1 \d+\nXXXXX$/)
    await end()
  })

  it('sends no second datagram when the first met a closed port: its write returned after the softirqs', async () => {
    const { box, a, end } = pair()
    let sent = 0
    a.netns.devices.get('eth0')!.tap = (frame, _device, direction) => {
      if (direction === 'out' && frame.end - frame.start === 43) sent++
    }
    expect(await box.say(a.place, 'nc -vzu -w 2 10.0.0.2 5002')).toMatchObject({ code: 1, err: '' })
    expect(sent).toBe(1)
    await end()
  })

  it('listens to whom it heard first, and to everybody with -k', async () => {
    const { box, a, b, background, end } = pair()
    const one = background(b.place, 'nc -u -l 5002')
    const all = background(b.place, 'nc -k -u -l 5003')
    await box.runner.runFor(SECOND)
    for (const port of [5002, 5003]) {
      for (const word of ['first', 'second']) {
        expect(await box.say(a.place, `echo ${word} | nc -u -w 1 10.0.0.2 ${port}`)).toMatchObject({ code: 0, err: '' })
      }
    }
    expect(one()).toBe('first\n')
    expect(all()).toBe('first\nsecond\n')
    await end()
  })
})

describe('nc', () => {
  it('names the peer unless -n, and sends CRLF with -C', async () => {
    const { box, a, b, background, end } = pair()
    const heard = background(b.place, 'nc -l -v 5000')
    await box.runner.runFor(SECOND)
    const said = await box.say(a.place, 'echo hi | nc -C -N b.lab 5000')
    expect(said).toMatchObject({ code: 0, err: '' })
    await box.runner.runFor(SECOND)
    expect(heard()).toMatch(/^Listening on 0\.0\.0\.0 5000\nConnection received on a\.lab \d+\nhi\r\n$/)
    await end()
  })

  it('knows services, and says what it lacks', async () => {
    const { box, a, end } = pair()
    expect(await box.say(a.place, 'nc -vz 10.0.0.2 http')).toMatchObject({
      code: 1,
      err: 'nc: connect to 10.0.0.2 port 80 (tcp) failed: Connection refused\n',
    })
    expect((await box.say(a.place, 'nc -h')).err).toContain('Command Summary:\n\t\t-4\t\tUse IPv4\n')
    expect(await box.say(a.place, 'nc -U /tmp/sock')).toMatchObject({
      code: 2,
      err: 'podwire: nc -U is not modelled\n',
    })
    await end()
  })
})

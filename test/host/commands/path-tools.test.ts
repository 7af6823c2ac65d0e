import { describe, expect, it } from 'vitest'
import { python3 } from '../../../src/host/commands/apps/table.ts'
import { cat } from '../../../src/host/commands/coreutils.ts'
import { busyboxNslookup } from '../../../src/host/commands/nslookup-busybox.ts'
import { tracepath } from '../../../src/host/commands/tracepath.ts'
import { traceroute } from '../../../src/host/commands/traceroute.ts'
import type { Machine } from '../../../src/host/machine.ts'
import { shell } from '../../../src/host/shell.ts'
import type { NetDevice } from '../../../src/link/device.ts'
import { Veth } from '../../../src/link/veth.ts'
import { route } from '../../../src/net/route.ts'
import { MILLISECOND, SECOND } from '../../../src/sim/scheduler.ts'
import { macOf, parseCidr, parseIpv4 } from '../../../src/wire/address.ts'
import { printFrame } from '../../../src/wire/print.ts'
import { Box } from '../box.ts'

const programs = new Map(
  Object.entries({ sh: shell('dash'), tracepath, traceroute, python3, bnslookup: busyboxNslookup, pcat: cat }),
)

function plug(machine: Machine, device: NetDevice, address: string): void {
  machine.netns.adopt(device)
  machine.netns.addAddress(device, parseIpv4(address), 24)
  machine.netns.setUp(device)
}

/** a 10.1.0.1 ── router ── 10.2.0.1 b; the path to b takes only 1300 bytes. */
function narrow() {
  const box = new Box(programs)
  const [a, router, b] = ['a', 'router', 'b'].map((name) => box.machine(name))
  const address = (text: string) => macOf(2, 0x42, parseIpv4(text))
  const delay = 0.02 * MILLISECOND
  const near = Veth.pair(box.world, 'eth0', address('10.1.0.1'), 'eth0', address('10.1.0.254'), { delay })
  const far = Veth.pair(box.world, 'eth0', address('10.2.0.1'), 'eth1', address('10.2.0.254'), { delay })
  plug(a, near[0], '10.1.0.1')
  plug(router, near[1], '10.1.0.254')
  plug(b, far[0], '10.2.0.1')
  plug(router, far[1], '10.2.0.254')
  router.netns.sysctl.set('net.ipv4.ip_forward', '1')
  const everywhere = parseCidr('0.0.0.0/0')
  a.netns.main.add(route({ destination: everywhere, gateway: parseIpv4('10.1.0.254'), device: near[0] }))
  b.netns.main.add(route({ destination: everywhere, gateway: parseIpv4('10.2.0.254'), device: far[0] }))
  const destination = parseCidr('10.2.0.1/32')
  router.netns.main.add(route({ destination, device: far[1], mtu: 1300, mtuLocked: true }))
  return { box, a, router, b, near }
}

const untimed = (text: string) => text.replace(/ +\d+\.\d{3}ms/g, ' Tms')

describe('tracepath', () => {
  it('finds the hops and where the path gets narrow', async () => {
    const { box, a } = narrow()
    const { out, code } = await box.say(a.place, 'tracepath -n 10.2.0.1')
    expect(code).toBe(0)
    expect(untimed(out).split('\n')).toEqual([
      ' 1?: [LOCALHOST]                      pmtu 1500',
      ' 1:  10.1.0.254 Tms ',
      ' 1:  10.1.0.254 Tms ',
      ' 2:  10.1.0.254 Tms pmtu 1300',
      ' 2:  10.2.0.1 Tms reached',
      '     Resume: pmtu 1300 hops 2 back 2 ',
      '',
    ])
  })
})

describe('traceroute', () => {
  it('has the answers of near hops before it has sent all of its sixteen probes', async () => {
    const { box, a, near } = narrow()
    const lines: string[] = []
    near[0].tap = (frame) => void lines.push(printFrame(frame.bytes, frame.start, frame.end))
    await box.say(a.place, 'traceroute -n 10.2.0.1')
    const said = lines.filter((line) => line.startsWith('IP')).map((line) => (line.includes('ICMP') ? '<' : '>'))
    expect(said.slice(0, 6).join('')).toBe('><><><')
    expect(said.filter((way) => way === '>').length).toBe(16)
  })

  it('-F, -t and -s say what each packet carries', async () => {
    const { box, a, near } = narrow()
    await box.say(a.place, 'sh -c true')
    const heads: string[] = []
    near[0].tap = (frame) => {
      const ip = frame.start + 14
      // Version 4, UDP, from us.
      if (frame.bytes[ip] !== 0x45 || frame.bytes[ip + 9] !== 17) return
      heads.push([...frame.bytes.subarray(ip + 1, ip + 2), frame.bytes[ip + 6] & 0x40].join(' '))
    }
    const { out, code } = await box.say(a.place, 'traceroute -n -F -t 16 -s 10.1.0.1 -q 1 10.2.0.1')
    expect([out.split('\n').length, code]).toEqual([4, 0])
    expect(new Set(heads)).toEqual(new Set(['16 64']))
    // As traceroute 2.1.2 refuses them.
    expect(await box.say(a.place, 'traceroute -n -s 10.1.0.9 10.2.0.1')).toMatchObject({
      out: 'traceroute to 10.2.0.1 (10.2.0.1), 30 hops max, 60 byte packets',
      err: '\nbind: Cannot assign requested address\n',
      code: 1,
    })
    expect(await box.say(a.place, 'traceroute -V')).toMatchObject({
      err: 'Modern traceroute for Linux, version 2.1.2\nCopyright (c) 2016  Dmitry Butskoy,   License: GPL v2 or any later\n',
      code: 0,
    })
  })

  it('has as many probes in flight as -N says, to ports from -p up', async () => {
    const { box, a, near } = narrow()
    const lines: string[] = []
    near[0].tap = (frame) => void lines.push(printFrame(frame.bytes, frame.start, frame.end))
    const { out, code } = await box.say(a.place, 'traceroute -n -N 1 -q 1 -p 40000 10.2.0.1')
    expect(code).toBe(0)
    expect(out.replace(/\d+\.\d{3} ms/g, 'T ms')).toBe(
      'traceroute to 10.2.0.1 (10.2.0.1), 30 hops max, 60 byte packets\n 1  10.1.0.254  T ms\n 2  10.2.0.1  T ms\n',
    )
    const said = lines.filter((line) => line.startsWith('IP')).map((line) => (line.includes('ICMP') ? '<' : '>'))
    expect(said.join('')).toBe('><><')
    expect(lines.filter((line) => /10\.2\.0\.1\.4000[01]: UDP/.test(line)).length).toBe(2)
  })
})

describe('busybox nslookup', () => {
  it('hears the refusal of its first question when it writes the second', async () => {
    const { box, a } = narrow()
    a.place.files.set('/etc/resolv.conf', 'nameserver 10.1.0.254\n')
    await box.say(a.place, 'traceroute -n 10.1.0.254')
    expect(await box.say(a.place, 'bnslookup web.example')).toMatchObject({
      code: 1,
      err: "nslookup: write to '10.1.0.254': Connection refused\n",
      out: ';; connection timed out; no servers could be reached\n\n',
    })
  })
})

describe('apps.py', () => {
  it('late sends a segment past its own connection', async () => {
    const { box, a, b, near } = narrow()
    const server = b.place.shell('python3 apps.py late 8080 1000000', { out: () => {}, err: () => {} })
    await box.runner.runFor(SECOND)
    const lines: string[] = []
    near[0].tap = (frame) => void lines.push(printFrame(frame.bytes, frame.start, frame.end))
    await box.say(a.place, 'python3 apps.py hold 10.2.0.1 8080 4')
    server.process.kill(9)
    const stray = lines.find((line) => line.includes('length 20'))
    expect(stray).toMatch(
      /^IP 10\.2\.0\.1\.8080 > 10\.1\.0\.1\.\d+: Flags \[P\.\], seq \d+:\d+, ack \d+, win 501, length 20/,
    )
  })

  it('l2announce speaks five times and answers for an address that nobody has', async () => {
    const { box, a, router, near } = narrow()
    const lines: string[] = []
    near[0].tap = (frame) => void lines.push(`${printFrame(frame.bytes, frame.start, frame.end)} ${frame.length}`)
    const speaker = router.place.shell('python3 apps.py l2announce eth0 10.1.0.240', { out: () => {}, err: () => {} })
    await box.runner.runFor(6 * SECOND)
    expect(lines.length).toBe(10)
    expect(lines.every((line) => line.endsWith(' 60'))).toBe(true)
    await box.say(a.place, 'python3 apps.py udpsend 10.1.0.240 9 10')
    expect(lines.some((line) => /Reply 10\.1\.0\.240 is-at .* 60$/.test(line))).toBe(true)
    speaker.process.kill(9)
    await box.runner.runFor(SECOND)
    const before = lines.length
    await box.runner.runFor(10 * SECOND)
    expect(lines.slice(before).some((line) => line.includes('10.1.0.240 is-at'))).toBe(false)
  })
})

describe('/proc/net', () => {
  it('counts what the namespace did', async () => {
    const { box, a } = narrow()
    await box.say(a.place, 'traceroute -n -q 1 10.1.0.254')
    const { out } = await box.say(a.place, 'pcat /proc/net/snmp')
    const lines = out.split('\n')
    expect(lines.length).toBe(13)
    expect(lines.filter((line) => line.startsWith('Udp: ')).at(-1)).toBe('Udp: 0 0 0 16 0 0 0 0 0')
    expect(lines.filter((line) => line.startsWith('IcmpMsg: '))).toEqual([
      'IcmpMsg: InType3',
      expect.stringMatching(/^IcmpMsg: \d+$/),
    ])
    expect(await box.say(a.place, 'pcat /proc/net/nf_conntrack')).toMatchObject({ code: 0, out: '' })
  })
})

/** A capture of the real kernel, played into a world: its hosts answer as the kernel did. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { podwire } from '../support/cli.ts'

const ether = fileURLToPath(new URL('../capture/foreign/ping.pcap', import.meta.url))
const cooked = fileURLToPath(new URL('../capture/foreign/ping-any.pcap', import.meta.url))
let folder = ''
let topology = ''

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'podwire-replay-'))
  topology = join(folder, 'two.yaml')
  writeFileSync(
    topology,
    'underlay: {cidr: 10.9.0.0/24}\nhosts:\n  - {name: a, ip: 10.9.0.1}\n  - {name: b, ip: 10.9.0.2}\n',
  )
})
afterAll(() => rmSync(folder, { recursive: true }))

const requests = 'src host 10.9.0.1'

describe('podwire replay', () => {
  test('plays frames at the distances that they had, and tells who answered', async () => {
    const captures = join(folder, 'played')
    const words = ['--filter', requests, '--rewrite-mac', 'own,ff:ff:ff:ff:ff:ff', '--captures', captures]
    const { code, out } = await podwire('replay', ether, topology, 'a/eth0', ...words)
    expect(code).toBe(0)
    expect(out).toMatch(/^sent {6}4 frames \(\d+ bytes\) out of a\/eth0 in 1\.082769 s\n/)
    // ARP and the echoes; not UDP to a port where nobody listens.
    expect(out).toContain('answered  2 of 3 conversations, by 3 frames\n')
    expect(out).toContain('dropped   1 frame at b: no socket listens on its destination address and port\n')
    const seen = await podwire(
      'read',
      join(captures, 'b', 'eth0.pcapng'),
      '-tn',
      'icmp',
      'and',
      'src',
      'host',
      '10.9.0.2',
    )
    expect(seen.out.split('\n').slice(0, 3)).toEqual([
      expect.stringMatching(/^IP 10\.9\.0\.2 > 10\.9\.0\.1: ICMP echo reply, id \d+, seq 1, length 64$/),
      expect.stringMatching(/^IP 10\.9\.0\.2 > 10\.9\.0\.1: ICMP echo reply, id \d+, seq 2, length 64$/),
      // A frame that went to all is not answered with an error (RFC 1122 section 3.2.2).
      '',
    ])
  })

  test('from outside, and as fast as it goes', async () => {
    const words = [
      '--direction',
      'in',
      '--topspeed',
      '--rewrite-mac',
      ',own',
      '--filter',
      'icmp and src host 10.9.0.1',
      '--json',
    ]
    const { out } = await podwire('replay', ether, topology, 'b/eth0', ...words)
    expect(JSON.parse(out)).toMatchObject({
      interface: 'b/eth0',
      sent: 2,
      seconds: 0,
      conversations: 1,
      answered: 1,
      answers: 2,
    })
  })

  test('several times, faster', async () => {
    const words = [
      '--speed',
      '10',
      '--loop',
      '3',
      '--filter',
      'icmp and src host 10.9.0.1',
      '--rewrite-mac',
      'own,ff:ff:ff:ff:ff:ff',
      '--json',
    ]
    const summary = JSON.parse((await podwire('replay', ether, topology, 'a/eth0', ...words)).out)
    expect(summary).toMatchObject({ sent: 6, answers: 6 })
    expect(summary.seconds).toBeGreaterThan(0.05)
    expect(summary.seconds).toBeLessThan(0.1)
  })

  test('a wrong checksum is put right when that is asked for', async () => {
    const wrong = readFileSync(ether)
    // The echo request's checksum: the third frame's, behind two ARP frames of 42 bytes.
    const icmp = wrong.indexOf(Buffer.from('0800', 'hex'), 24 + 2 * (16 + 42) + 16 + 34)
    wrong.writeUInt16BE(0x1234, icmp + 2)
    const path = join(folder, 'wrong.pcap')
    writeFileSync(path, wrong)
    const words = ['--filter', 'icmp[icmptype] = 8', '--rewrite-mac', 'own,ff:ff:ff:ff:ff:ff', '--json']
    const asItIs = JSON.parse((await podwire('replay', path, topology, 'a/eth0', ...words)).out)
    expect(asItIs).toMatchObject({ sent: 2, answers: 1, dropped: [{ where: 'b', frames: 1 }] })
    const fixed = JSON.parse((await podwire('replay', path, topology, 'a/eth0', '--fixcsum', ...words)).out)
    expect(fixed).toMatchObject({ sent: 2, answers: 2, dropped: [] })
  })

  test('frames without MAC addresses get some, or are refused', async () => {
    const refused = await podwire('replay', cooked, topology, 'a/eth0')
    expect(refused).toMatchObject({ code: 2, err: expect.stringContaining('give them some with --rewrite-mac') })
    const words = ['--filter', 'icmp and src host 10.9.0.1', '--rewrite-mac', 'own,ff:ff:ff:ff:ff:ff', '--json']
    const { out } = await podwire('replay', cooked, topology, 'a/eth0', ...words)
    expect(JSON.parse(out)).toMatchObject({ sent: 2, answered: 1, answers: 2 })
  })

  test('says what is wrong', async () => {
    expect(await podwire('replay', ether, topology, 'c/eth0')).toMatchObject({
      code: 2,
      err: 'podwire: the topology has no interface c/eth0; there are a/eth0, b/eth0\n',
    })
    expect(await podwire('replay', '/nowhere', topology, 'a/eth0')).toMatchObject({
      code: 2,
      err: 'podwire: /nowhere: No such file or directory\n',
    })
    expect(await podwire('replay', ether, topology, 'a/eth0', '--rewrite-mac', 'x,y')).toMatchObject({ code: 2 })
  })
})

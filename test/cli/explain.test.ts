import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { readCapture } from '../../src/capture/pcapng-reader.ts'
import { runCli } from '../../src/cli/podwire.ts'
import { journal } from '../../src/link/flow-cache.ts'

let folder = ''
let out = ''
let err = ''

const hosts = `name: hosts
underlay: {cidr: 10.0.0.0/24}
hosts:
  - {name: a, ip: 10.0.0.1}
  - {name: b, ip: 10.0.0.2}
steps:
  - run: ssh a ping -c 1 10.0.0.2
  - run: ssh b ip link set eth0 down
  - {run: ssh a ping -c 1 -W 1 10.0.0.2, expect: {exit: 1}}
`
let topology = ''
let captures = ''

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'podwire-'))
  topology = join(folder, 'hosts.yaml')
  captures = join(folder, 'captures')
  writeFileSync(topology, hosts)
  expect(await runCli(['run', topology, '--quiet', '--captures', captures])).toBe(0)
})
afterAll(() => rmSync(folder, { recursive: true }))
beforeEach(() => {
  out = ''
  err = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text)
    return true
  })
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += String(text)
    return true
  })
  return () => {
    vi.restoreAllMocks()
    // No world is left behind that is traced.
    expect(journal.open).toBe(false)
  }
})

describe('podwire explain', () => {
  test('runs a topology and tells the way of a frame of the merged capture', async () => {
    expect(await runCli(['explain', topology, '12'])).toBe(0)
    expect(out).toMatch(/^Packet \d+: ICMP echo request 10\.0\.0\.1 → 10\.0\.0\.2\n/)
    expect(out).toContain('  ● 12  p-b out  +50 µs, frame 3 of switch/p-b.pcapng   ◀ the frame asked for\n')
  })

  test('reads a capture, and prints what the topology prints, but for where it knows less', async () => {
    const frames = (text: string) =>
      text.split('\n').filter((line) => /^( {2}●| {4}│ IP|Packet|It is|In Wire)/.test(line))
    await runCli(['explain', topology, '2', '--on', 'b/eth0', '--filter', 'icmp'])
    const fromTopology = frames(out)
    out = ''
    expect(await runCli(['explain', join(captures, 'all.pcapng'), '2', '--on', 'b/eth0', '--filter', 'icmp'])).toBe(0)
    expect(frames(out)).toEqual(fromTopology)
    expect(fromTopology.length).toBeGreaterThan(6)
  })

  test('prints the comments of the capture: every one of them, once', async () => {
    const file = readCapture(readFileSync(join(captures, 'all.pcapng')))
    const packet = file.packets.findIndex(({ comments }) => comments.join().includes('dropped'))
    expect(packet).toBeGreaterThan(0)
    expect(await runCli(['explain', join(captures, 'all.pcapng'), String(packet + 1)])).toBe(0)
    for (const line of file.packets[packet].comments.join('\n').split('\n')) expect(out).toContain(line)
    expect(out).toMatch(/\n {4}✗ .*dropped.*\n/)
    expect(out).toMatch(/\nEnd: dropped/)
  })

  test('lists the other packets that match', async () => {
    expect(await runCli(['explain', topology, '--filter', 'icmp'])).toBe(0)
    expect(out).toMatch(
      /\n2 other packets match:\n {2}14 {2}b\/eth0 {2}out {2}ICMP echo reply 10\.0\.0\.2 → 10\.0\.0\.1\n {2}18 .*\n$/,
    )
  })

  test('prints one JSON object', async () => {
    const { packets } = readCapture(readFileSync(join(captures, 'all.pcapng')))
    const packet = packets[11].packetId
    expect(await runCli(['explain', topology, '--packet', String(packet), '--json'])).toBe(0)
    expect(JSON.parse(out)).toMatchObject({ source: 'hosts', packet, asked: { frame: 10, interface: 'a/eth0' } })
  })

  test('--no-explain writes captures without comments, whose frames are told all the same', async () => {
    const bare = join(folder, 'bare')
    expect(await runCli(['run', topology, '--quiet', '--captures', bare, '--no-explain'])).toBe(0)
    expect(readCapture(readFileSync(join(bare, 'all.pcapng'))).packets.flatMap(({ comments }) => comments)).toEqual([])
    expect(await runCli(['explain', join(bare, 'all.pcapng'), '12'])).toBe(0)
    expect(out).toContain('  ● 12  p-b out')
    expect(out).toContain('was written without explanations (--no-explain): only its frames are known.\n')
  })

  describe('refuses in words', () => {
    const refused = async (args: readonly string[], sentence: RegExp) => {
      expect(await runCli(['explain', ...args])).toBe(2)
      expect(err).toMatch(sentence)
      expect(out).toBe('')
    }

    test('a frame that is not there, and what is no number', async () => {
      await refused([topology, '1000'], /^podwire: hosts has no frame 1000: there are \d+\n$/)
      err = ''
      await refused([topology, 'x'], /^podwire: "x" is no frame number: they count from 1\n$/)
      err = ''
      await refused([topology, '0'], /^podwire: "0" is no frame number/)
      err = ''
      await refused(
        [topology],
        /^podwire: which frame\? Give its number in all\.pcapng, or --on, --filter or --packet\n$/,
      )
    })

    test('wrong interfaces, filters and files', async () => {
      await refused([topology, '1', '--on', 'c/eth0'], /has no interface c\/eth0: did you mean a\/eth0\?\n$/)
      err = ''
      await refused([topology, '--filter', 'tcp prot 80'], /^podwire: the filter "tcp prot 80": can't parse filter/)
      err = ''
      await refused([join(folder, 'nowhere.yaml'), '1'], /there is no file .*nowhere\.yaml/)
      err = ''
      const cut = join(folder, 'cut.pcapng')
      writeFileSync(cut, readFileSync(join(captures, 'all.pcapng')).subarray(0, 301))
      await refused(
        [cut, '1'],
        /^podwire: .*cut\.pcapng: truncated pcapng dump file; tried to read \d+ bytes, only got \d+\n$/,
      )
    })

    test('captures that hold no explanations', async () => {
      const classic = join(folder, 'classic')
      await runCli(['run', topology, '--quiet', '--captures', classic, '--format', 'pcap'])
      const how = /: podwire run TOPOLOGY --captures DIR writes DIR\/all\.pcapng\n$/
      await refused([join(classic, 'a/eth0.pcap'), '1'], /eth0\.pcap is classic pcap, which holds no explanations; /)
      expect(err).toMatch(how)
    })
  })
})

/** What `--captures` leaves on the disk, read by our reader, by Wireshark's dissectors, and block by block. */
import { spawn } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { readCapture } from '../../src/capture/pcapng-reader.ts'
import { VERSION } from '../../src/capture/version.ts'
import { runCli } from '../../src/cli/podwire.ts'
import { formatIpv4 } from '../../src/wire/address.ts'
import { bundledCommand } from '../support/command.ts'
import { blocksOf } from '../support/pcapng-blocks.ts'
import { Dissector, findings } from '../wireshark/dissect.ts'

let folder = ''
let out = ''
let err = ''

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'podwire-'))
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
  return () => vi.restoreAllMocks()
})

function topology(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

function bytesOf(...path: string[]): Uint8Array {
  return new Uint8Array(readFileSync(join(...path)))
}

const hosts = `underlay: {cidr: 10.0.0.0/24}
hosts:
  - {name: a, ip: 10.0.0.1, cable: {rate: 100mbit}}
  - {name: b, ip: 10.0.0.2}
`
const cluster = `name: small
seed: 7
underlay: {cidr: 192.168.14.0/24}
nodes:
  - {name: m, ip: 192.168.14.50, roles: [control-plane]}
  - {name: w1, ip: 192.168.14.51}
`
const pings = (count: number) => `steps: [{run: ssh a ping -c ${count} -i 0.01 10.0.0.2}]\n`

describe('a capture of a cluster', () => {
  let captures = ''

  beforeAll(async () => {
    captures = join(folder, 'cluster')
    const file = topology(
      'cluster.yaml',
      `${cluster}steps:
  - {run: "kubectl create deployment web --image=nginx"}
  - {wait: 5s}
  - {run: "kubectl expose deployment web --port=80"}
  - {run: "ssh w1 curl -s -o /dev/null http://192.168.14.50:10256/healthz"}
  - {run: "ssh m ping -c 1 10.244.1.2"}
`,
    )
    const said = vi.spyOn(process.stdout, 'write').mockImplementation(() => true)
    expect(await runCli(['run', file, '--captures', captures])).toBe(0)
    said.mockRestore()
  }, 60_000)

  test('tells who made it of what, and how to make it again', () => {
    const [section] = blocksOf(bytesOf(captures, 'all.pcapng'))
    const text = (code: number) => String(section.options.get(code)?.[0])
    expect(text(2)).toBe('emulated by podwire')
    expect(text(3)).toBe('Linux 6.1.0-podwire')
    expect(text(4)).toBe(`podwire ${VERSION}`)
    expect(text(1)).toMatch(/^topology small, seed 7\npodwire run \S+cluster\.yaml --captures \S+ --seed 7$/)
  })

  test('tells of each interface what it is, how fast, and whose addresses it has', () => {
    const blocks = blocksOf(bytesOf(captures, 'all.pcapng'))
    const about = (name: string) => {
      const found = blocks.find(({ type, options }) => type === 1 && String(options.get(2)?.[0]) === name)
      if (found === undefined) throw new Error(`${name} is not in the file`)
      const { options } = found
      return {
        description: String(options.get(3)?.[0]),
        addresses: (options.get(4) ?? []).map((bytes) => bytes.toString('hex')),
        mac: options.get(6)?.[0].length,
        speed: Number(options.get(8)?.[0].readBigUInt64LE() ?? 0n),
        resolution: options.get(9)?.[0][0],
        os: String(options.get(12)?.[0]),
      }
    }
    const same = { mac: 6, resolution: 9, os: 'Linux 6.1.0-podwire' }
    expect(about('w1/cni0')).toEqual({
      ...same,
      description: 'bridge cni0 of w1',
      addresses: ['0af40101ffffff00'],
      speed: 0,
    })
    expect(about('w1/flannel.1')).toEqual({
      ...same,
      description: 'VXLAN device (VNI 1) of w1',
      addresses: ['0af40100ffffffff'],
      speed: 0,
    })
    expect(about('w1/eth0')).toEqual({
      ...same,
      description: 'eth0 of w1, cable to the switch',
      addresses: ['c0a80e33ffffff00'],
      speed: 10_000_000_000,
    })
    const pod = readdirSync(join(captures, 'default'))[0]
    expect(about(`default/${pod}/eth0`)).toEqual({
      ...same,
      description: `veth of pod default/${pod} on w1`,
      addresses: ['0af40102ffffff00'],
      speed: 10_000_000_000,
    })
    expect(about('switch/p-w1')).toMatchObject({ description: 'port of the switch, cable to w1', addresses: [] })
  })

  test('names nodes, pods and Services, those too that came while it was written', () => {
    const blocks = blocksOf(bytesOf(captures, 'all.pcapng'))
    const types = blocks.map(({ type }) => type)
    expect(types.lastIndexOf(4)).toBeGreaterThan(types.indexOf(6))
    const names = readCapture(bytesOf(captures, 'all.pcapng')).names.map(({ address, name }) => [
      formatIpv4(address),
      name,
    ])
    expect(names).toContainEqual(['192.168.14.51', 'w1'])
    expect(names).toContainEqual(['10.96.0.1', 'kubernetes.default.svc.cluster.local'])
    expect(names).toContainEqual(['10.244.1.2', `default/${readdirSync(join(captures, 'default'))[0]}`])
    expect(names.map(([, name]) => name)).toContain('web.default.svc.cluster.local')
  })

  test('counts at the end what each interface saw, from when to when', () => {
    const blocks = blocksOf(bytesOf(captures, 'w1', 'cni0.pcapng'))
    const [statistics] = blocks.filter(({ type }) => type === 5)
    const frames = blocks.filter(({ type }) => type === 6).length
    const number = (code: number) => Number(statistics.options.get(code)?.[0].readBigUInt64LE())
    expect([4, 6, 8].map(number)).toEqual([frames, frames, frames])
    expect([5, 7].map(number)).toEqual([0, 0])
    const time = (code: number) => {
      const bytes = statistics.options.get(code)?.[0] as Buffer
      return (BigInt(bytes.readUInt32LE()) << 32n) | BigInt(bytes.readUInt32LE(4))
    }
    expect(time(3) - time(2)).toBeGreaterThan(5_000_000_000n)
    expect(statistics.body.readUInt32LE(4)).toBe(Number(time(3) >> 32n))
  })

  test('is read by Wireshark, with direction, reception type and packet ids', async () => {
    const dissector = await Dissector.open(bytesOf(captures, 'all.pcapng'))
    const count = (filter: string) => dissector.frames(filter).length
    expect(dissector.findings()).toEqual([])
    expect(count('frame.interface_description == "bridge cni0 of w1"')).toBeGreaterThan(0)
    // ARP requests come in as broadcasts; their answers, and the rest, by unicast.
    expect(
      count('arp.opcode == 1 && frame.packet_flags_direction == 1 && frame.packet_flags_reception_type == 3'),
    ).toBe(count('arp.opcode == 1 && frame.packet_flags_direction == 1 && eth.dst == ff:ff:ff:ff:ff:ff'))
    expect(count('frame.packet_flags_direction == 2 && frame.packet_flags_reception_type != 0')).toBe(0)
    expect(count('frame.packet_flags_direction == 1 && frame.packet_flags_reception_type == 0')).toBe(0)
    expect(count('frame.packet_id == 0 || !frame.packet_id')).toBe(0)
    dissector.close()
  })
})

describe('capture options', () => {
  test('--filter takes what libpcap would, and the file tells the filter', async () => {
    const captures = join(folder, 'filter')
    const file = topology('filter.yaml', hosts + pings(3))
    expect(await runCli(['run', file, '--captures', captures, '--filter', 'icmp[icmptype] == icmp-echo'])).toBe(0)
    const { packets } = readCapture(bytesOf(captures, 'a', 'eth0.pcapng'))
    expect(packets).toHaveLength(3)
    const [, , face] = blocksOf(bytesOf(captures, 'a', 'eth0.pcapng'))
    expect(face.type).toBe(1)
    expect(String(face.options.get(11)?.[0])).toBe('\0icmp[icmptype] == icmp-echo')
    // 100 Mbit/s, as its cable is described.
    expect(face.options.get(8)?.[0].readBigUInt64LE()).toBe(100_000_000n)
    const statistics = blocksOf(bytesOf(captures, 'a', 'eth0.pcapng')).at(-1)
    // Seen: 6 of ICMP and some of ARP; taken: 3.
    expect(Number(statistics?.options.get(4)?.[0].readBigUInt64LE())).toBeGreaterThan(6)
    expect(Number(statistics?.options.get(6)?.[0].readBigUInt64LE())).toBe(3)
  })

  test('--snaplen cuts, and says how long frames were', async () => {
    const captures = join(folder, 'snaplen')
    const file = topology('snaplen.yaml', hosts + pings(1))
    const both = ['--format', 'both', '--filter', 'icmp']
    expect(await runCli(['run', file, '--captures', captures, '-s', '40', ...both])).toBe(0)
    for (const name of ['eth0.pcapng', 'eth0.pcap']) {
      const { packets, interfaces } = readCapture(bytesOf(captures, 'a', name))
      expect(interfaces[0].snaplen).toBe(40)
      expect(packets.map(({ bytes, originalLength }) => [bytes.length, originalLength])).toEqual([
        [40, 98],
        [40, 98],
      ])
    }
  })

  test('--ring leaves the last files, each whole by itself', async () => {
    const captures = join(folder, 'ring')
    const file = topology('ring.yaml', `name: ring\n${hosts}${pings(10)}`)
    const options = ['--filter', 'icmp', '--interfaces', 'a/eth0', '--ring', 'files:3,packets:4']
    expect(await runCli(['run', file, '--captures', captures, ...options])).toBe(0)
    // 20 frames, four a file: dumpcap begins the next file when one is full, not when the next frame comes.
    const names = readdirSync(join(captures, 'a')).sort()
    expect(names.map((name) => name.slice(0, 10))).toEqual(['eth0_00004', 'eth0_00005', 'eth0_00006'])
    expect(names[0]).toMatch(/^eth0_00004_2026[0-9]{10}\.pcapng$/)
    expect(names.map((name) => readCapture(bytesOf(captures, 'a', name)).packets.length)).toEqual([4, 4, 0])
    expect(await findings(bytesOf(captures, 'a', names[1]))).toEqual([])
  })

  test('--ring counts kilobytes and time, too', async () => {
    const file = topology('ring2.yaml', hosts + pings(10))
    const sizes = join(folder, 'ring-size')
    const only = ['--interfaces', 'a/eth0', '--filter', 'icmp']
    expect(await runCli(['run', file, '--captures', sizes, ...only, '--no-explain', '--ring', 'filesize:1'])).toBe(0)
    const lengths = readdirSync(join(sizes, 'a')).map((name) => statSync(join(sizes, 'a', name)).size)
    expect(lengths.length).toBeGreaterThan(2)
    // A file is full when it has reached 1000 bytes: the counters, and at most a frame, are more.
    expect(Math.max(...lengths)).toBeLessThan(1000 + 200 + 200)
    const times = join(folder, 'ring-time')
    expect(await runCli(['run', file, '--captures', times, ...only, '--no-explain', '--ring', 'duration:0.045'])).toBe(
      0,
    )
    const files = readdirSync(join(times, 'a')).sort()
    const moments = files.map((name) => readCapture(bytesOf(times, 'a', name)).packets.map(({ nanos }) => nanos / 1e6))
    expect(moments.flat()).toHaveLength(20)
    expect(moments.length).toBeGreaterThan(1)
    for (const moment of moments) expect((moment.at(-1) as number) - moment[0]).toBeLessThan(45)
  })

  test('MACHINE/any is all interfaces of a machine, behind cooked headers', async () => {
    const captures = join(folder, 'any')
    const file = topology(
      'any.yaml',
      `${hosts}steps: [{run: ssh a ping -c 1 10.0.0.2}, {run: ssh a ping -c 1 127.0.0.1}]\n`,
    )
    expect(await runCli(['run', file, '--captures', captures, '--interfaces', 'a/any', '--filter', 'icmp'])).toBe(0)
    expect(readdirSync(join(captures, 'a'))).toEqual(['any.pcapng'])
    const dissector = await Dissector.open(bytesOf(captures, 'a', 'any.pcapng'))
    expect(dissector.findings()).toEqual([])
    expect(
      dissector.frames('sll.ifindex == 2 && sll.pkttype == 4 && icmp.type == 8 && ip.dst == 10.0.0.2'),
    ).toHaveLength(1)
    expect(dissector.frames('sll.ifindex == 2 && sll.pkttype == 0 && icmp.type == 0')).toHaveLength(1)
    expect(dissector.frames('sll.ifindex == 1 && sll.hatype == 772 && icmp')).toHaveLength(2)
    dissector.close()
    expect(readCapture(bytesOf(captures, 'all.pcapng')).packets).toEqual([])
  })

  test.each([
    [['--filter', 'tcp prot 80'], "can't parse filter expression: syntax error"],
    [['--filter', 'portt 80'], "can't parse filter expression: syntax error"],
    [['-s', '-1'], 'It is a whole number from 0 to 262144.'],
    [['--ring', 'files:3'], 'Ring buffer requested, but no maximum capture file size, duration, interval, or packets'],
    [['--ring', 'filesize:0'], 'The specified ring buffer filesize is zero'],
    [['--ring', 'filesize:x'], `The specified ring buffer filesize "x" isn't a decimal number`],
    [['--ring', 'packets:-1'], 'The specified ring buffer packet count "-1" is a negative number'],
    [['--ring', 'foo:1'], 'Invalid or unknown --ring word "foo:1"'],
  ])('%j is refused in words', async (options, sentence) => {
    expect(await runCli(['run', topology('bad.yaml', hosts), '--captures', join(folder, 'bad'), ...options])).toBe(2)
    expect(err).toContain(sentence)
  })
})

describe('whatever goes wrong', () => {
  test('a disk that is full ends the writing, not the run, and is told', async () => {
    const captures = join(folder, 'full')
    mkdirSync(captures)
    symlinkSync('/dev/full', join(captures, 'all.pcapng'))
    const file = topology('full.yaml', hosts + pings(3))
    expect(await runCli(['run', file, '--captures', captures])).toBe(2)
    expect(out).toContain('3 packets transmitted')
    expect(err).toContain(`podwire: cannot write ${join(captures, 'all.pcapng')}: ENOSPC: no space left on device`)
  })

  test('a folder that cannot be is told', async () => {
    const file = topology('folder.yaml', hosts + pings(1))
    expect(await runCli(['run', file, '--captures', join(file, 'below')])).toBe(2)
    expect(err).toMatch(/^podwire: cannot write .*: (ENOTDIR|EEXIST): /)
  })

  test('a topology that cannot be built leaves what was captured until then', async () => {
    const captures = join(folder, 'unbuilt')
    const manifest = join(folder, 'unbuilt-manifest.yaml')
    writeFileSync(
      manifest,
      'apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {ports: [{port: 80, nodePort: 3}]}\n',
    )
    const file = topology('unbuilt.yaml', `${cluster}manifests: [${manifest}]\n`)
    expect(await runCli(['run', file, '--captures', captures])).not.toBe(0)
    expect(readCapture(bytesOf(captures, 'all.pcapng')).packets.length).toBeGreaterThan(0)
  })

  test('kill -9 leaves files that are read up to their last whole block', async () => {
    const [command, remove] = await bundledCommand()
    try {
      const captures = join(folder, 'killed')
      const file = topology('killed.yaml', `${hosts}steps: [{run: "ssh a ping -c 1000000 -i 0.01 10.0.0.2"}]\n`)
      const child = spawn(process.execPath, [command, 'run', file, '--captures', captures, '--quiet', '--no-explain'], {
        stdio: 'ignore',
      })
      const ended = new Promise((resolve) => child.on('exit', (_, signal) => resolve(signal)))
      const all = join(captures, 'all.pcapng')
      while (child.exitCode === null && !(existsSync(all) && statSync(all).size > 500_000)) await sleep(5)
      child.kill('SIGKILL')
      expect(await ended).toBe('SIGKILL')
      for (const path of [all, join(captures, 'a', 'eth0.pcapng')]) {
        const bytes = bytesOf(path)
        const blocks = blocksOf(bytes)
        const whole = blocks.reduce((length, { body }) => length + body.length + 12, 0)
        // A write was perhaps not over: what is behind the last whole block is less than one.
        expect(bytes.length - whole).toBeLessThan(200)
        const read = readCapture(bytes.subarray(0, whole))
        expect(read.packets.length).toBeGreaterThan(500)
        expect(read.interfaces.map(({ name }) => name)).toContain('a/eth0')
        // tshark reads the file as it is, and says that it is cut; its library in here takes whole files only.
        const dissector = await Dissector.open(bytes.subarray(0, whole))
        expect(dissector.frames('icmp').length).toBeGreaterThan(500)
        dissector.close()
      }
    } finally {
      remove()
    }
  }, 60_000)
})

test('hundreds of interfaces share a few file descriptors', async () => {
  const captures = join(folder, 'many')
  const machines = Array.from({ length: 120 }, (_, i) => `  - {name: h${i}, ip: 10.0.1.${i + 1}}`)
  const lines = Array.from({ length: 120 }, (_, i) => `  - {run: ssh h${i} ping -c 1 10.0.1.${((i + 1) % 120) + 1}}`)
  const file = topology(
    'many.yaml',
    `underlay: {cidr: 10.0.1.0/24}\nhosts:\n${machines.join('\n')}\nsteps:\n${lines.join('\n')}\n`,
  )
  const descriptors = () => readdirSync('/proc/self/fd').length
  const before = descriptors()
  let most = 0
  vi.mocked(process.stdout.write).mockImplementation(() => {
    most = Math.max(most, descriptors())
    return true
  })
  expect(await runCli(['run', file, '--captures', captures])).toBe(0)
  expect(descriptors()).toBe(before)
  expect(most - before).toBeLessThanOrEqual(65)
  expect(most - before).toBeGreaterThan(30)
  for (let i = 0; i < 120; i++) {
    const { packets } = readCapture(bytesOf(captures, `h${i}`, 'eth0.pcapng'))
    expect(packets.filter(({ originalLength }) => originalLength === 98)).toHaveLength(4)
  }
}, 60_000)

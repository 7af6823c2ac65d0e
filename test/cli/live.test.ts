/** What attaches to a running emulator, from the command line. */
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { readCapture } from '../../src/capture/pcapng-reader.ts'
import { BlockCutter } from '../../src/cli/block-cutter.ts'
import { controlAnswer, controlRequest } from '../../src/cli/control-words.ts'
import { runCli } from '../../src/cli/podwire.ts'
import { keepListing } from '../../src/live/extcap-listing.ts'
import { listingPath } from '../../src/live/runtime-folder.ts'
import { Emulated, ownRuntimeFolder } from '../live/emulated.ts'

ownRuntimeFolder()
let folder = ''
let out = ''
let err = ''
let up: Emulated | null = null

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'podwire-live-'))
  out = ''
  err = ''
  const write = (keep: (text: string) => void) => (text: unknown) => {
    keep(String(text))
    return true
  }
  vi.spyOn(process.stdout, 'write').mockImplementation(write((text) => (out += text)))
  vi.spyOn(process.stderr, 'write').mockImplementation(write((text) => (err += text)))
})
afterEach(async () => {
  vi.restoreAllMocks()
  rmSync(folder, { recursive: true })
  await up?.down()
  expect(up?.emulator.lab.world.frames.inUse ?? 0).toBe(0)
  up = null
})

describe('podwire ctl', () => {
  test('steers, and answers in words or as JSON', async () => {
    up = await Emulated.up()
    expect(await runCli(['ctl', 'pause'])).toBe(0)
    expect(out).toMatch(/^test: paused at speed 1, virtual time [0-9.]+ s \(2026-01-01T00:00:0/)
    out = ''
    expect(await runCli(['ctl', 'step', '1ms', '--json'])).toBe(0)
    expect(JSON.parse(out)).toMatchObject({ ok: true, end: 'reached', frames: [] })
    expect(await runCli(['ctl', 'resume'])).toBe(0)
    out = ''
    expect(await runCli(['ctl', 'interfaces', '--name', 'test'])).toBe(0)
    expect(out).toMatch(/^a.example.com\/eth0 +veth +up +52:54:[0-9a-f:]+ +10.0.0.1\/24$/m)
    out = ''
    expect(await runCli(['ctl', 'list'])).toBe(0)
    expect(out).toBe('test\n')
  })

  test('runs a command and has its exit code', async () => {
    up = await Emulated.up()
    expect(await runCli(['ctl', 'run', "ssh a 'hostname; exit 7'"])).toBe(7)
    expect(out).toBe('a.example.com\n')
  })

  test.each([
    [['ctl', 'status'], 'podwire: no emulator runs; start one with: podwire up TOPOLOGY\n'],
    [['capture'], 'podwire: no emulator runs; start one with: podwire up TOPOLOGY\n'],
    [['ctl', 'jump'], 'podwire: ctl unknown word "jump"; help lists them\n'],
    [['ctl', 'speed', '0'], 'podwire: ctl speed needs a number above 0, at most 1000\n'],
    [['ctl', 'run'], "podwire: ctl run needs a command, such as 'kubectl get pods'\n"],
    [['capture', '--listen', '0.0.0.0:1'], 'It is a port of this machine alone, such as 127.0.0.1:19000.'],
    [['up', 'x.yaml', '--name', 'a/b'], "an emulator's name has letters, digits, dots, dashes and underscores"],
    [['wireshark'], "podwire: which interface? podwire ctl interfaces lists them; a merged view is '**'\n"],
    [['extcap', '--capture', '--fifo', 'x', '--extcap-interface', 'podwire'], 'podwire: no emulator runs; start one'],
  ])('%j is refused in words', async (words, sentence) => {
    expect(await runCli(words)).toBe(2)
    expect(err).toContain(sentence)
  })

  test('the end of a step is told', () => {
    const step = { frames: ['x'], more: 2, time: 1.5 }
    const said = (end: string) => controlAnswer({ ...step, end }).split('\n')
    expect(said('reached')).toEqual(['  x', '  … and 2 more', 'virtual time 1.500000000 s', ''])
    expect(said('idle')[2]).toBe('virtual time 1.500000000 s, and nothing more is due')
    expect(said('ended')[2]).toBe('virtual time 1.500000000 s, ended early')
    expect(controlRequest(['step', '10ms'])).toEqual({ do: 'step', goal: '10ms' })
    expect(controlRequest(['step', 'far'])).toBe('step takes "event", "frame", or a duration such as 10ms')
    expect(controlRequest(['pause', 'now'])).toBe('pause takes no argument')
  })
})

describe('podwire capture', () => {
  /** Once somebody captures, the command is typed. */
  async function whileCapturing(line: string): Promise<void> {
    while (up?.emulator.status().readers.length === 0) await new Promise((resolve) => setTimeout(resolve, 2))
    expect((await (up as Emulated).run(line)).exit).toBe(0)
  }

  test('prints one interface as tcpdump does', async () => {
    up = await Emulated.up()
    const ended = runCli(['capture', 'a/eth0', '-n', '-f', 'icmp', '-c', '2', '-t'])
    await whileCapturing('ssh a ping -c 1 10.0.0.2')
    expect(await ended).toBe(0)
    expect(out).toMatch(
      /^IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id \d+, seq 1, length 64\nIP 10.0.0.2 > 10.0.0.1: ICMP echo reply, id \d+, seq 1, length 64\n$/,
    )
    expect(err).toBe('podwire: capturing a.example.com/eth0 of test; Ctrl-C ends it\n2 packets captured\n')
  })

  test('several interfaces have their names and directions in front', async () => {
    up = await Emulated.up()
    const ended = runCli(['capture', '*/eth0', '-f', 'arp', '-c', '4', '-t'])
    await whileCapturing('ssh a ping -c 1 10.0.0.2')
    expect(await ended).toBe(0)
    expect(out.split('\n').map((line) => line.split(',')[0])).toEqual([
      'a.example.com/eth0 Out ARP',
      'b.example.com/eth0 In  ARP',
      'b.example.com/eth0 Out ARP',
      'a.example.com/eth0 In  ARP',
      '',
    ])
  })

  test('writes a file that ends with its counters', async () => {
    up = await Emulated.up()
    const file = join(folder, 'x.pcapng')
    const ended = runCli(['capture', '-w', file, '-f', 'icmp', '-s', '60', '-c', '4'])
    await whileCapturing('ssh a ping -c 1 10.0.0.2')
    expect(await ended).toBe(0)
    const capture = readCapture(readFileSync(file))
    expect(capture.packets.map(({ bytes, originalLength }) => [bytes.length, originalLength])).toEqual(
      Array.from({ length: 4 }, () => [60, 98]),
    )
    expect(capture.statistics.length).toBe(capture.interfaces.length)
    expect(out).toBe('')
  })
})

test('blocks are cut wherever the stream is', () => {
  const block = (type: number, length: number) => {
    const bytes = Buffer.alloc(length)
    bytes.writeUInt32LE(type, 0)
    bytes.writeUInt32LE(length, 4)
    return bytes
  }
  const all = Buffer.concat([
    block(0x0a0d0d0a, 28),
    block(1, 20),
    block(6, 32),
    block(4, 16),
    block(6, 36),
    block(5, 24),
  ])
  for (let size = 1; size < all.length; size++) {
    const cutter = new BlockCutter()
    const pieces: Buffer[] = []
    for (let at = 0; at < all.length; at += size) pieces.push(cutter.cut(all.subarray(at, at + size)))
    expect(Buffer.concat(pieces).equals(all)).toBe(true)
    expect(cutter.packets).toBe(2)
  }
})

describe('podwire wireshark --install', () => {
  /** In a home of the test's own; whether a Wireshark is installed does not matter, as none is on the path. */
  async function inHome(...words: string[]): Promise<number> {
    vi.stubEnv('HOME', folder)
    vi.stubEnv('PATH', folder)
    vi.stubEnv('XDG_CONFIG_HOME', join(folder, '.config'))
    try {
      out = ''
      return await runCli(['wireshark', ...words])
    } finally {
      vi.unstubAllEnvs()
    }
  }
  const plugin = () => join(folder, '.local/lib/wireshark/extcap/podwire')
  const profile = (file: string) => join(folder, '.config/wireshark/profiles/podwire', file)

  test('writes a plugin and a profile, and takes them away again', async () => {
    up = await Emulated.up()
    expect(await inHome('--install')).toBe(0)
    expect(out).toContain(`written: ${plugin()}\n`)
    expect(statSync(plugin()).mode & 0o777).toBe(0o755)
    expect(readFileSync(profile('preferences'), 'utf8')).toContain('\nvxlan.udp.port: 4789,8472\n')
    expect(readFileSync(profile('ethers'), 'utf8')).toMatch(/^52:54:[0-9a-f:]+ a.example.com\/eth0$/m)
    expect(await inHome('--install')).toBe(0)
    expect(out).toContain(`replaced: ${plugin()}\n`)
    expect(await inHome('--uninstall')).toBe(0)
    expect(existsSync(plugin()) || existsSync(profile('preferences'))).toBe(false)
    expect(existsSync(profile(''))).toBe(false)
  })

  test("a file of the user's is left alone, and named", async () => {
    mkdirSync(profile(''), { recursive: true })
    writeFileSync(profile('preferences'), 'gui.column.format: mine\n')
    expect(await inHome('--install')).toBe(1)
    expect(out).toContain(`left alone: ${profile('preferences')} is not as podwire wrote it`)
    expect(readFileSync(profile('preferences'), 'utf8')).toBe('gui.column.format: mine\n')
    expect(await inHome('--uninstall')).toBe(1)
    expect(existsSync(profile('preferences'))).toBe(true)
    expect(await inHome('--install', '--force')).toBe(0)
    expect(readFileSync(`${profile('preferences')}.old`, 'utf8')).toBe('gui.column.format: mine\n')
  })

  test('the plugin lists what runs, and starts podwire for nothing but a capture', async () => {
    await inHome('--install')
    const ask = (...words: string[]) => execFileSync(plugin(), words, { encoding: 'utf8' })
    const none = 'extcap {version=1.0}{display=podwire}\ninterface {value=podwire}{display=podwire (not running)}\n'
    expect(ask('--extcap-interfaces', '--extcap-version=4.0')).toBe(none)
    // What a killed emulator left behind is not shown: its process is no more.
    const dead = spawnSync('true').pid
    const stale = listingPath('stale').replace(String(process.pid), String(dead))
    mkdirSync(join(stale, '..'), { recursive: true })
    writeFileSync(stale, 'interface {value=podwire-stale}{display=stale}\n')
    expect(ask('--extcap-interfaces')).toBe(none)
    up = await Emulated.up()
    const forget = keepListing(up.emulator)
    const listed = ask('--extcap-interfaces')
    expect(listed).toContain('interface {value=podwire-test-all}{display=podwire test: all interfaces}\n')
    expect(listed).toContain(
      'interface {value=podwire-test-a.example.com-eth0}{display=podwire test: a.example.com/eth0 (10.0.0.1)}\n',
    )
    expect(ask('--extcap-dlts', '--extcap-interface', 'x')).toBe('dlt {number=1}{name=EN10MB}{display=Ethernet}\n')
    expect(ask('--extcap-config', '--extcap-interface', 'x')).toContain('{call=--explain}')
    await up.run('ssh a ip link add late0 type dummy')
    const { emulator } = up
    while (!ask('--extcap-interfaces').includes('late0')) await new Promise((resolve) => setTimeout(resolve, 20))
    forget()
    expect(existsSync(listingPath(emulator.name))).toBe(false)
    // Something else than podwire stands where the plugin looks for it: only these two ways lead there.
    const fake = join(folder, 'fake')
    writeFileSync(fake, '#!/bin/sh\necho "$@"\n')
    chmodSync(fake, 0o755)
    const text = readFileSync(plugin(), 'utf8').replace(/exec '[^']+' '[^']+'/, `exec '${fake}'`)
    writeFileSync(plugin(), text)
    expect(ask('--capture', '--fifo', 'a b')).toBe('extcap --capture --fifo a b\n')
    expect(ask('--extcap-interface', 'x', '--extcap-capture-filter', 'ip')).toContain('extcap --extcap-interface x')
  })
})

test('what is wrong with a capture filter is what Wireshark shows', async () => {
  expect(await runCli(['extcap', '--extcap-interface', 'x', '--extcap-capture-filter', 'tcp prot 80'])).toBe(0)
  expect(out).toBe("can't parse filter expression: syntax error\n")
  out = ''
  expect(await runCli(['extcap', '--extcap-interface', 'x', '--extcap-capture-filter', 'tcp port 80'])).toBe(0)
  expect(out).toBe('')
})

/**
 * `npm run bench -- capture`: a million frames seen at a cable's two ends and written to the disk, once into one file, and as
 * `podwire run --captures` writes them, into all.pcapng and one file per interface. Frames per second of CPU and of wall
 * time, the kernel's part and the last byte included, and by how much the process grew from its hundred thousandth frame on.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Capture } from '../src/capture/capture.ts'
import { PcapngStream } from '../src/capture/capture-stream.ts'
import { compileFilter } from '../src/capture/pcap-filter.ts'
import { CaptureFiles } from '../src/cli/captures.ts'
import { DiskFiles } from '../src/cli/disk-files.ts'
import type { Frame } from '../src/link/frame.ts'
import { Veth } from '../src/link/veth.ts'
import { World } from '../src/link/world.ts'
import { InterfaceChoice } from '../src/topology/interface-choice.ts'
import { parseIpv4 } from '../src/wire/address.ts'
import * as ethernet from '../src/wire/ethernet.ts'
import * as ipv4 from '../src/wire/ipv4.ts'

const FRAMES = 1_000_000
const WARM = 100_000

interface Writing {
  finish(): void
}

const ways: readonly (readonly [string, (capture: Capture, folder: string) => Writing])[] = [
  ['one file', oneFile],
  ['as run', (capture, folder) => files(capture, folder, '')],
  ['as run, filtered', (capture, folder) => files(capture, folder, 'udp dst portrange 1-10000 and not arp')],
]

function oneFile(capture: Capture, folder: string): Writing {
  const disk = new DiskFiles()
  const stream = new PcapngStream(capture, disk.create(join(folder, 'one.pcapng')))
  capture.listen(stream)
  return {
    finish: () => {
      stream.finish()
      disk.closeAll()
    },
  }
}

function files(capture: Capture, folder: string, filterText: string): Writing {
  const filter = filterText === '' ? null : compileFilter(filterText)
  return new CaptureFiles(capture, folder, {
    format: 'pcapng',
    interfaces: new InterfaceChoice([]),
    filter,
    filterText,
    ring: null,
    unmask: null,
  })
}

/** A UDP datagram of so many bytes, Ethernet header included. */
function datagram(world: World, left: Veth, right: Veth, length: number): Frame {
  const frame = world.frames.take(length)
  ethernet.write(frame.bytes, frame.start, right.mac, left.mac, ethernet.ETH_P_IP)
  const [from, to] = [parseIpv4('10.0.0.1'), parseIpv4('10.0.0.2')]
  ipv4.write(frame.bytes, frame.start + 14, length - 14, from, to, ipv4.IPPROTO_UDP, 64, 0, 1, 0)
  frame.bytes.set([0x9c, 0x40, 0x22, 0xb8, 0, 0, 0, 0], frame.start + 34)
  frame.end = frame.start + length
  return frame
}

export interface CaptureResult {
  readonly perSecond: number
  readonly perCpuSecond: number
  /** Bytes. */
  readonly grown: number
  readonly written: number
}

function measure(length: number, begin: (capture: Capture, folder: string) => Writing): CaptureResult {
  const folder = mkdtempSync(join(tmpdir(), 'podwire-bench-'))
  const world = new World(1)
  const capture = new Capture(world, 1_767_225_600)
  capture.keeps = false
  const writing = begin(capture, folder)
  const macs = [Uint8Array.of(2, 0, 0, 0, 0, 1), Uint8Array.of(2, 0, 0, 0, 0, 2)]
  const [left, right] = Veth.pair(world, 'left', macs[0], 'right', macs[1])
  left.up = true
  right.up = true
  right.receiver = { receive: (frame) => world.frames.consume(frame) }
  for (const device of [left, right]) capture.attach(device, `host/${device.name}`, '')
  let began = 0
  let cpu = process.cpuUsage()
  let resident = 0
  // Each is seen twice: as it leaves, and as it arrives.
  for (let i = 0; i < (WARM + FRAMES) / 2; i++) {
    if (i === WARM / 2) {
      began = performance.now()
      cpu = process.cpuUsage()
      resident = process.memoryUsage().rss
    }
    left.send(datagram(world, left, right, length))
    if (i % 16 === 0) world.scheduler.run()
  }
  world.scheduler.run()
  writing.finish()
  const seconds = (performance.now() - began) / 1000
  const used = process.cpuUsage(cpu)
  const grown = process.memoryUsage().rss - resident
  if (capture.frames !== WARM + FRAMES) throw new Error(`${capture.frames} frames were seen`)
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.pcapng'))
  const written = names.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
  rmSync(folder, { recursive: true })
  const cpuSeconds = (used.user + used.system) / 1e6
  return { perSecond: FRAMES / seconds, perCpuSecond: FRAMES / cpuSeconds, grown, written }
}

export function captureTable(): void {
  process.stdout.write('capture            frame  frames/CPU-s  frames/s  bytes written  resident set\n')
  for (const length of [98, 1464]) {
    for (const [name, begin] of ways) {
      const { perSecond, perCpuSecond, grown, written } = measure(length, begin)
      const cells = [
        name.padEnd(16),
        String(length).padStart(7),
        `${(perCpuSecond / 1e6).toFixed(2)}M`.padStart(13),
        `${(perSecond / 1e6).toFixed(2)}M`.padStart(9),
        `${(written / 1e6).toFixed(0)} MB`.padStart(14),
        `${(grown / 1e6).toFixed(1)} MB`.padStart(13),
      ]
      process.stdout.write(`${cells.join(' ')}\n`)
    }
  }
}

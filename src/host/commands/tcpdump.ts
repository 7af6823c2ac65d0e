/** tcpdump(8) 4.99: frames of one device, or of all of them, in text or into a file. */

import { MemorySink } from '../../capture/byte-sink.ts'
import { type FileInterface, PcapError } from '../../capture/capture-file.ts'
import { CaptureReader } from '../../capture/capture-reader.ts'
import type { FrameTest } from '../../capture/filter-packet.ts'
import { FilterError } from '../../capture/filter-words.ts'
import { compileFilter } from '../../capture/pcap-filter.ts'
import { PcapWriter } from '../../capture/pcap-writer.ts'
import type { NetDevice } from '../../link/device.ts'
import { SECOND } from '../../sim/scheduler.ts'
import { asEthernet, ETHERNET, isOutgoing, LINUX_SLL2, type LinkType, linkTypeOf } from '../../wire/print-link.ts'
import { type Process, SIGINT, SIGTERM } from '../process.ts'
import { deviceNamed } from './ip-device.ts'
import { printed, ToolError, tool } from './ip-words.ts'
import { cook } from './tcpdump-cooked.ts'
import { type DumpSettings, takeSettings, USAGE, VERSION } from './tcpdump-options.ts'
import { listenOn } from './tcpdump-tap.ts'
import { type Captured, DumpPrinter, type Moment } from './tcpdump-text.ts'

export const tcpdump = tool(async (self) => {
  const settings = takeSettings(self.args.slice(1))
  switch (settings.task) {
    case 'version':
      return printed(self, VERSION)
    case 'help':
      return printed(self, USAGE)
    case 'devices':
      return printed(self, devicesText(self))
    case 'link-types':
      return listLinkTypes(self, settings.device)
    default:
      return settings.read === null ? watch(self, settings) : replay(self, settings, settings.read)
  }
})

function compile(self: Process, settings: DumpSettings, cooked: boolean): FrameTest {
  let expression = settings.expression
  if (settings.filterFile !== null) {
    const text = self.place.files.get(settings.filterFile)
    if (text === undefined)
      throw new ToolError(`tcpdump: can't open ${settings.filterFile}: No such file or directory`, 1)
    expression = text.replace(/#.*/g, '')
  }
  try {
    return compileFilter(expression, { cooked, live: settings.read === null })
  } catch (error) {
    if (!(error instanceof FilterError)) throw error
    if (error.message.startsWith('podwire:')) throw new ToolError(error.message, 2)
    throw new ToolError(`tcpdump: ${error.message}`, 1)
  }
}

/** In libpcap's order: what runs, `any`, the loopback device, what is down; by the number in the name. */
function devicesText(self: Process): string {
  const rank = (device: NetDevice) =>
    (device.up ? 0 : 4) +
    (device.up && device.carrier ? 0 : 8) +
    (device.kind === 'loopback' ? 2 : 0) +
    Number(/[0-9]+$/.exec(device.name)?.[0] ?? 0) / 1e9
  const lines = [...self.netns.devices.values()].map((device) => {
    const words = [...(device.up ? ['Up'] : []), ...(device.up && device.carrier ? ['Running'] : [])]
    if (device.kind === 'loopback') words.push('Loopback')
    else words.push(device.up && device.carrier ? 'Connected' : 'Disconnected')
    return { rank: rank(device), text: `${device.name} [${words.join(', ')}]` }
  })
  lines.push({ rank: 1, text: 'any (Pseudo-device that captures on all interfaces) [Up, Running]' })
  lines.sort((a, b) => a.rank - b.rank)
  return lines.map(({ text }, i) => `${i + 1}.${text}\n`).join('')
}

function listLinkTypes(self: Process, name: string | null): number {
  if (name === 'any') {
    self.out(
      'Data link types for any (use option -y to set):\n  LINUX_SLL2 (Linux cooked v2)\n  LINUX_SLL (Linux cooked v1)\n',
    )
    return 0
  }
  const [device] = takeDevices(self, name)
  const docsis = device.kind === 'loopback' ? '' : '  DOCSIS (DOCSIS) (printing not supported)\n'
  self.out(`Data link types for ${device.name} (use option -y to set):\n  EN10MB (Ethernet)\n${docsis}`)
  return 0
}

/** By name, or by the number that -D shows. */
function takeDevices(self: Process, name: string | null): NetDevice[] {
  const all = [...self.netns.devices.values()]
  if (name === 'any') return all
  if (name !== null && /^[0-9]+$/.test(name) && !self.netns.devices.has(name)) {
    const line = devicesText(self).split('\n')[Number(name) - 1]
    if (!line) throw new ToolError('tcpdump: Invalid adapter index', 1)
    return takeDevices(self, line.slice(line.indexOf('.') + 1).split(' ')[0])
  }
  const device =
    name === null ? (all.find((each) => each.up && each.kind !== 'loopback') ?? all[0]) : deviceNamed(self.netns, name)
  if (device == null) throw new ToolError(`tcpdump: ${name}: No such device exists\n(No such device exists)`, 1)
  if (!device.up) throw new ToolError(`tcpdump: ${device.name}: That device is not up`, 1)
  return [device]
}

/** Where packets go: into text, into a file, or just into a count. */
class Sink {
  readonly #self: Process
  readonly #settings: DumpSettings
  readonly #printer: DumpPrinter
  readonly #written = new MemorySink()
  readonly #writer: PcapWriter | null
  count = 0

  constructor(self: Process, settings: DumpSettings, linkType: number) {
    this.#self = self
    this.#settings = settings
    const devices = [...self.netns.devices.values()]
    this.#printer = new DumpPrinter(settings.style, {
      interfaceName: (index) => devices.find((device) => device.index === index)?.name ?? null,
      addresses: null,
    })
    this.#writer =
      settings.write === null ? null : new PcapWriter(this.#written, { linkType, nanos: settings.style.nanos })
  }

  get full(): boolean {
    return this.count >= this.#settings.limit
  }

  take(captured: Captured): void {
    this.count++
    const { bytes, at, end, length } = captured
    this.#writer?.packet(captured.seconds, captured.nanos, bytes, at, end - at, length)
    if (this.#writer === null ? !this.#settings.counting : this.#settings.print)
      this.#self.out(this.#printer.line(captured))
  }

  end(): void {
    if (this.#writer === null) return
    this.#writer.flush()
    const text = latin1(this.#written.file())
    if (this.#settings.write === '-') this.#self.out(text)
    else this.#self.place.files.set(this.#settings.write as string, text)
  }
}

async function watch(self: Process, settings: DumpSettings): Promise<number> {
  const any = settings.device === 'any'
  const devices = takeDevices(self, settings.device)
  const filter = compile(self, settings, any)
  const { write, direction: wanted, snaplen } = settings
  announce(self, any ? 'any' : devices[0].name, any, settings)
  const linkType = any ? LINUX_SLL2 : ETHERNET
  const link = linkTypeOf(linkType)
  const sink = new Sink(self, settings, linkType)
  let end = () => {}
  const interrupted = await self.wait<boolean>((settle) => {
    for (const signal of [SIGINT, SIGTERM]) self.trap(signal, () => settle(true))
    const stop = listenOn(devices, settings.promiscuous && !any, (frame, device, direction) => {
      if (sink.full || (wanted !== 'inout' && wanted !== direction)) return
      if (!filter(frame.bytes, frame.start, frame.end, direction === 'out')) return
      const bytes = any ? cook(device, direction, frame.bytes, frame.start, frame.end) : frame.bytes
      const at = any ? 0 : frame.start
      const stop = any ? bytes.length : frame.end
      const held = Math.min(stop, at + snaplen)
      sink.take({ ...momentOf(self), bytes, at, end: held, length: stop - at, link })
      if (sink.full) settle(false)
    })
    end = self.own({ close: stop }).close
  })
  end()
  sink.end()
  if (settings.counting && write === null) self.out(plural(sink.count, ''))
  // Interrupted by hand, it leaves the line with the ^C first.
  const sum = `${plural(sink.count, ' captured')}${plural(sink.count, ' received by filter')}${plural(0, ' dropped by kernel')}`
  self.err(`${interrupted ? '\n' : ''}${sum}`)
  return 0
}

function plural(count: number, what: string): string {
  return `${count} packet${count === 1 ? '' : 's'}${what}\n`
}

function announce(self: Process, name: string, any: boolean, settings: DumpSettings): void {
  if (any) self.err('tcpdump: data link type LINUX_SLL2\n')
  const type = any ? 'LINUX_SLL2 (Linux cooked v2)' : 'EN10MB (Ethernet)'
  const listening = `listening on ${name}, link-type ${type}, snapshot length ${settings.snaplen} bytes\n`
  if (settings.style.verbose > 0 || (settings.write !== null && !settings.print)) self.err(`tcpdump: ${listening}`)
  else self.err(`tcpdump: verbose output suppressed, use -v[v]... for full protocol decode\n${listening}`)
}

function momentOf(self: Process): Moment {
  const now = self.now()
  return { seconds: self.runner.epochSeconds + Math.floor(now / SECOND), nanos: Math.floor(now % SECOND) }
}

/** Files are text in podwire: each byte is one character of it. */
function latin1(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return text
}

async function replay(self: Process, settings: DumpSettings, name: string): Promise<number> {
  const text = name === '-' ? await self.stdin.readAll() : self.place.files.get(name)
  if (text === undefined) throw new ToolError(`tcpdump: ${name}: No such file or directory`, 1)
  const reader = new CaptureReader()
  reader.push(Uint8Array.from(text, (letter) => letter.charCodeAt(0)))
  let shown: Shown | null = null
  try {
    for (let packet = reader.next(); ; packet = reader.next()) {
      const only = reader.facts?.interfaces[0]
      if (only !== undefined) shown ??= begin(self, settings, name, only)
      if (packet === null || shown === null || shown.sink.full) break
      const { seconds, nanos, bytes, originalLength: length } = packet
      const { linkType, link, filter, sink } = shown
      const frame = asEthernet(linkType, bytes)
      if (!filter(frame, 0, frame.length, isOutgoing(linkType, bytes), length)) continue
      sink.take({ seconds, nanos, bytes, at: 0, end: Math.min(bytes.length, settings.snaplen), length, link })
    }
    if (!shown?.sink.full) reader.finish()
  } catch (error) {
    if (!(error instanceof PcapError)) throw error
    throw new ToolError(`tcpdump: ${shown === null ? '' : 'pcap_loop: '}${error.message}`, 1)
  } finally {
    shown?.sink.end()
  }
  if (settings.counting && settings.write === null) self.out(plural(shown?.sink.count ?? 0, ''))
  return 0
}

interface Shown {
  readonly linkType: number
  readonly link: LinkType
  readonly filter: FrameTest
  readonly sink: Sink
}

/** The file's first interface tells how its packets are read. */
function begin(self: Process, settings: DumpSettings, name: string, { linkType, snaplen }: FileInterface): Shown {
  const link = linkTypeOf(linkType)
  if (link === null) throw new ToolError(`podwire: tcpdump -r with link type ${linkType} is not modelled`, 2)
  const kind = `${link.name} (${link.title})`
  self.err(`reading from file ${name}, link-type ${kind}, snapshot length ${snaplen}\n`)
  if (linkType === LINUX_SLL2) self.err('Warning: interface names might be incorrect\n')
  const cooked = linkType !== ETHERNET
  return { linkType, link, filter: compile(self, settings, cooked), sink: new Sink(self, settings, linkType) }
}

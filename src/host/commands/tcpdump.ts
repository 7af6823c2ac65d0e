/** tcpdump(8) 4.99: frames of one device, or of all of them, in text or into a file. */
import { SNAPLEN } from '../../capture/capture-file.ts'
import { isPcap, readPcap } from '../../capture/pcap-reader.ts'
import { PcapWriter } from '../../capture/pcap-writer.ts'
import { isPcapng, readPcapng } from '../../capture/pcapng-reader.ts'
import type { NetDevice } from '../../link/device.ts'
import { SECOND } from '../../sim/scheduler.ts'
import { getopt, has, type Options, valueOf } from '../getopt.ts'
import { type Process, SIGINT, SIGTERM } from '../process.ts'
import { printed, ToolError, tool } from './ip-words.ts'
import { compileFilter } from './pcap-filter.ts'
import type { FrameTest } from './tcpdump-packet.ts'
import { listenOn } from './tcpdump-tap.ts'
import { DumpPrinter, type Moment, placeText } from './tcpdump-text.ts'
import { FilterError } from './tcpdump-words.ts'

const long: Readonly<Record<string, string>> = {
  interface: 'i:',
  count: 'c:',
  'absolute-tcp-sequence-numbers': 'S',
  'no-promiscuous-mode': 'p',
  direction: 'Q:',
  number: '#',
  'list-interfaces': 'D',
  'snapshot-length': 's:',
  version: 'version',
  help: 'h',
  'immediate-mode': 'U',
  'packet-buffered': 'U',
}

/** Options whose meaning podwire lacks. */
const missing = [
  'q',
  'G',
  'C',
  'W',
  'F',
  'L',
  'E',
  'M',
  'd',
  'T',
  'y',
  'b',
  'H',
  'I',
  'J',
  'j',
  '#',
  'V',
  'z',
  'O',
  'f',
  'N',
]

export const tcpdump = tool(async (self) => {
  const short = 'i:nc:evw:r:tSps:Q:DAxXlUKB:Z:qG:C:W:F:LE:M:dT:y:bHIJj:#V:z:OfNh'
  const found = getopt(self.args.slice(1), short, long)
  if (found.problem !== null) {
    const { kind, option } = found.problem
    const letter = option.replace(/^-+/, '')
    throw new ToolError(
      `tcpdump: ${kind === 'missing' ? `option requires an argument -- '${letter}'` : `invalid option -- '${letter}'`}`,
      1,
    )
  }
  if (has(found, 'version') || has(found, 'h')) return printed(self, 'tcpdump version 4.99.3\n')
  for (const option of missing)
    if (has(found, option)) throw new ToolError(`podwire: tcpdump -${option} is not modelled`, 2)
  const snaplen = Number(valueOf(found, 's') ?? 0)
  if (snaplen > 0 && snaplen < 65_535)
    throw new ToolError('podwire: tcpdump with a short snapshot length is not modelled', 2)
  if (has(found, 'D')) return listDevices(self)
  const filter = compile(found.rest.join(' '))
  const printer = new DumpPrinter({
    time: found.options.filter(([option]) => option === 't').length,
    link: has(found, 'e'),
    verbose: has(found, 'v'),
    absolute: has(found, 'S'),
    bytes: found.options
      .filter(([option]) => option === 'x' || option === 'X' || option === 'A')
      .map(([option]) => option)
      .join(''),
  })
  const limit = takeCount(found)
  const file = valueOf(found, 'r')
  return file === null ? watch(self, found, filter, printer, limit) : replay(self, file, filter, printer, limit)
})

function compile(expression: string): FrameTest {
  try {
    return compileFilter(expression)
  } catch (error) {
    if (!(error instanceof FilterError)) throw error
    if (error.message.startsWith('podwire:')) throw new ToolError(error.message, 2)
    throw new ToolError(`tcpdump: ${error.message}`, 1)
  }
}

function takeCount(found: Options): number {
  const text = valueOf(found, 'c')
  if (text === null) return Number.POSITIVE_INFINITY
  if (!/^[1-9][0-9]*$/.test(text)) throw new ToolError(`tcpdump: invalid packet count ${text}`, 1)
  return Number(text)
}

function listDevices(self: Process): number {
  let number = 1
  for (const device of self.netns.devices.values()) {
    const words = [...(device.up ? ['Up'] : []), ...(device.up && device.carrier ? ['Running'] : [])]
    if (device.kind === 'loopback') words.push('Loopback')
    else words.push(device.carrier ? 'Connected' : 'Disconnected')
    self.out(`${number++}.${device.name} [${words.join(', ')}]\n`)
  }
  self.out(`${number}.any (Pseudo-device that captures on all interfaces) [Up, Running]\n`)
  return 0
}

function takeDevices(self: Process, name: string | null): NetDevice[] {
  const all = [...self.netns.devices.values()]
  if (name === 'any') return all
  const device =
    name === null ? (all.find((each) => each.up && each.kind !== 'loopback') ?? all[0]) : self.netns.devices.get(name)
  if (device === undefined) throw new ToolError(`tcpdump: ${name}: No such device exists\n(No such device exists)`, 1)
  if (!device.up) throw new ToolError(`tcpdump: ${device.name}: That device is not up`, 1)
  return [device]
}

function plural(count: number, what: string): string {
  return `${count} packet${count === 1 ? '' : 's'} ${what}\n`
}

async function watch(
  self: Process,
  found: Options,
  filter: FrameTest,
  printer: DumpPrinter,
  limit: number,
): Promise<number> {
  const name = valueOf(found, 'i')
  const any = name === 'any'
  const devices = takeDevices(self, name)
  if (any && has(found, 'e')) throw new ToolError('podwire: tcpdump -e on any is not modelled', 2)
  const wanted = valueOf(found, 'Q') ?? 'inout'
  if (!['in', 'out', 'inout'].includes(wanted))
    throw new ToolError(`tcpdump: unknown capture direction \`${wanted}'`, 1)
  const file = valueOf(found, 'w')
  if (file === '-' || (file !== null && any))
    throw new ToolError(`podwire: tcpdump -w ${any ? 'from any' : 'to standard output'} is not modelled`, 2)
  announce(self, any ? 'any' : devices[0].name, any, has(found, 'v') || file !== null)

  const writer = file === null ? null : new PcapWriter()
  let captured = 0
  let end = () => {}
  const interrupted = await self.wait<boolean>((settle) => {
    for (const signal of [SIGINT, SIGTERM]) self.trap(signal, () => settle(true))
    const stop = listenOn(devices, !has(found, 'p'), (frame, device, direction) => {
      if (captured >= limit || (wanted !== 'inout' && wanted !== direction)) return
      if (!filter(frame.bytes, frame.start, frame.end)) return
      captured++
      const moment = momentOf(self)
      if (writer !== null)
        writer.packet(moment.seconds, moment.nanos, frame.bytes, frame.start, frame.end - frame.start)
      else {
        const where = any ? placeText(device, direction, frame.bytes, frame.start) : ''
        self.out(printer.line(moment, where, frame.bytes, frame.start, frame.end))
      }
      if (captured === limit) settle(false)
    })
    end = self.own({ close: stop }).close
  })
  end()
  if (file !== null && writer !== null) self.place.files.set(file, latin1(writer.file()))
  // Interrupted by hand, it leaves the line with the ^C first.
  self.err(
    `${interrupted ? '\n' : ''}${plural(captured, 'captured')}${plural(captured, 'received by filter')}${plural(0, 'dropped by kernel')}`,
  )
  return 0
}

function announce(self: Process, name: string, any: boolean, quiet: boolean): void {
  if (any) self.err('tcpdump: data link type LINUX_SLL2\n')
  const type = any ? 'LINUX_SLL2 (Linux cooked v2)' : 'EN10MB (Ethernet)'
  const listening = `listening on ${name}, link-type ${type}, snapshot length ${SNAPLEN} bytes\n`
  if (quiet) self.err(`tcpdump: ${listening}`)
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

function replay(self: Process, name: string, filter: FrameTest, printer: DumpPrinter, limit: number): number {
  const text = self.place.files.get(name)
  if (text === undefined) throw new ToolError(`tcpdump: ${name}: No such file or directory`, 1)
  const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0))
  if (!isPcap(bytes) && !isPcapng(bytes)) throw new ToolError('tcpdump: unknown file format', 1)
  const { packets } = isPcap(bytes) ? readPcap(bytes) : readPcapng(bytes)
  self.err(`reading from file ${name}, link-type EN10MB (Ethernet), snapshot length ${SNAPLEN}\n`)
  let shown = 0
  for (const packet of packets) {
    if (shown >= limit) break
    if (!filter(packet.bytes, 0, packet.bytes.length)) continue
    shown++
    self.out(printer.line(packet, '', packet.bytes, 0, packet.bytes.length))
  }
  return 0
}

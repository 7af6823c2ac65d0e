/** `podwire read`: a capture file as tcpdump prints it, or one JSON object a frame. */
import type { FileFacts, FileInterface, FilePacket } from '../capture/capture-file.ts'
import type { FrameTest } from '../capture/filter-packet.ts'
import { FilterError } from '../capture/filter-words.ts'
import { compileFilter } from '../capture/pcap-filter.ts'
import { DumpPrinter, type DumpStyle } from '../host/commands/tcpdump-text.ts'
import { globToRegExp } from '../topology/interface-choice.ts'
import { formatIpv4 } from '../wire/address.ts'
import { asEthernet, ETHERNET, isOutgoing, LINUX_SLL2, linkTypeOf } from '../wire/print-link.ts'
import { CaptureInputError, TextOutput, visitCapture } from './capture-input.ts'
import { frameAsJson } from './frame-json.ts'

/** A file that ends too early, after all that is whole was printed: tcpdump's exit code. */
const TRUNCATED = 1

export interface ReadOptions {
  readonly style: DumpStyle
  /** Addresses as numbers, though the file has names. */
  readonly numeric: boolean
  readonly count: number
  /** Only how many frames there are. */
  readonly counting: boolean
  readonly json: boolean
  readonly interface: string | null
  readonly packet: number | null
  /** In front of each line: the interface, and which way the frame went. */
  readonly where: boolean
  /** Behind each line: the comments that the file has for the frame. */
  readonly comments: boolean
  readonly filter: string
}

/** A pcap filter that looks at frames of any link type. @throws CaptureInputError with tcpdump's own sentence. */
export class PacketFilter {
  readonly #expression: string
  readonly #ethernet: FrameTest | null
  #cooked: FrameTest | null = null

  constructor(expression: string) {
    this.#expression = expression
    // What is wrong with the expression is said at once, and not at the first frame.
    this.#ethernet = expression === '' || /\b(in|out)bound\b/.test(expression) ? null : this.#compile(false)
  }

  passes(packet: FilePacket, linkType: number): boolean {
    if (this.#expression === '') return true
    if (linkTypeOf(linkType) === null) return false
    const { bytes, originalLength } = packet
    if (linkType === ETHERNET && packet.direction === null) {
      return (this.#ethernet ?? this.#compile(false))(bytes, 0, bytes.length, false, originalLength)
    }
    // A file that tells directions may be asked about them.
    this.#cooked ??= this.#compile(true)
    const frame = asEthernet(linkType, bytes)
    const outgoing = packet.direction === 'out' || isOutgoing(linkType, bytes)
    return this.#cooked(frame, 0, frame.length, outgoing, originalLength)
  }

  #compile(cooked: boolean): FrameTest {
    try {
      return compileFilter(this.#expression, { cooked, live: false })
    } catch (error) {
      if (!(error instanceof FilterError)) throw error
      throw new CaptureInputError(error.message)
    }
  }
}

/** The names that a file gives addresses; it may give more while it is read. */
export class FileNames {
  readonly byAddress = new Map<string, string>()
  #taken = 0
  #taken6 = 0

  take(facts: FileFacts): void {
    for (; this.#taken < facts.names.length; this.#taken++) {
      const { address, name } = facts.names[this.#taken]
      this.#add(formatIpv4(address), name)
    }
    for (; this.#taken6 < facts.names6.length; this.#taken6++) {
      const { address, name } = facts.names6[this.#taken6]
      this.#add(address, name)
    }
  }

  /** The first name of an address is the one that is shown. */
  #add(address: string, name: string): void {
    if (!this.byAddress.has(address)) this.byAddress.set(address, name)
  }
}

/** Which frames of a file are wanted, besides what the filter says. */
export class Selection {
  readonly #pattern: RegExp | null
  readonly #packet: number | null

  constructor(glob: string | null, packet: number | null) {
    this.#pattern = glob === null ? null : globToRegExp(glob)
    this.#packet = packet
  }

  has(packet: FilePacket, from: FileInterface): boolean {
    if (this.#packet !== null && packet.packetId !== this.#packet) return false
    return this.#pattern === null || (from.name !== null && this.#pattern.test(from.name))
  }
}

/** Returns the exit code. */
export async function read(file: string, options: ReadOptions): Promise<number> {
  const filter = new PacketFilter(options.filter)
  const selection = new Selection(options.interface, options.packet)
  const names = new FileNames()
  const printer = new DumpPrinter(options.style, {
    // Linux gives every namespace's loopback device the number 1.
    interfaceName: (index) => (index === 1 ? 'lo' : null),
    addresses: options.numeric ? null : names.byAddress,
  })
  const output = new TextOutput()
  const heard = new Set<number>()
  let shown = 0
  const result = await visitCapture(
    file,
    (packet, number, facts) => {
      const from = facts.interfaces[packet.interface]
      if (!heard.has(from.linkType)) announce(file, from, heard)
      if (!selection.has(packet, from) || !filter.passes(packet, from.linkType)) return false
      names.take(facts)
      shown++
      if (!options.counting) output.write(textOf(packet, number, from))
      return shown >= options.count
    },
    () => output.drained(),
  )
  if (result.packets === 0 && result.facts.interfaces.length > 0) announce(file, result.facts.interfaces[0], heard)
  if (options.counting) output.write(`${shown} packet${shown === 1 ? '' : 's'}\n`)
  await output.drained()
  if (result.problem === null) return 0
  process.stderr.write(`podwire: ${file}: ${result.problem}\n`)
  return TRUNCATED

  function textOf(packet: FilePacket, number: number, from: FileInterface): string {
    const { seconds, nanos, bytes, originalLength: length } = packet
    const captured = { seconds, nanos, bytes, at: 0, end: bytes.length, length, link: linkTypeOf(from.linkType) }
    if (options.json) {
      const text = printer.packet(captured)
      return `${JSON.stringify(frameAsJson(packet, number, from, names.byAddress, text, options.style.bytes !== ''))}\n`
    }
    const where = options.where ? `${(from.name ?? '?').padEnd(5)} ${(packet.direction ?? '').padEnd(3)} ` : ''
    const line = `${where}${printer.line(captured)}`
    if (!options.comments) return line
    return line + packet.comments.map((comment) => `\t# ${comment.replaceAll('\n', '\n\t# ')}\n`).join('')
  }
}

function announce(file: string, { linkType, snaplen }: FileInterface, heard: Set<number>): void {
  heard.add(linkType)
  const link = linkTypeOf(linkType)
  const kind = link === null ? String(linkType) : `${link.name} (${link.title})`
  process.stderr.write(`reading from file ${file}, link-type ${kind}, snapshot length ${snaplen}\n`)
  if (linkType === LINUX_SLL2) process.stderr.write('Warning: interface names might be incorrect\n')
  if (link === null)
    process.stderr.write(`podwire: link type ${linkType} is not modelled: its frames are shown as bytes\n`)
}

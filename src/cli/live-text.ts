/** Frames of a live capture as tcpdump prints them, while they come. */
import { CaptureReader } from '../capture/capture-reader.ts'
import { DumpPrinter } from '../host/commands/tcpdump-text.ts'
import { linkTypeOf } from '../wire/print-link.ts'
import { FileNames } from './read.ts'

export interface LiveTextOptions {
  /** `-n`: addresses as numbers. */
  readonly numeric?: boolean
  /** `-e`: the Ethernet header too. */
  readonly link?: boolean
  /** How many `-v`, `-t`. */
  readonly verbose?: number
  readonly time?: number
  /** `-x`, `-X`: the bytes too. */
  readonly hex?: boolean
  readonly hexAscii?: boolean
}

export class LiveText {
  readonly #where: boolean
  readonly #reader = new CaptureReader()
  readonly #names = new FileNames()
  readonly #printer: DumpPrinter

  /** `where`: the interface and the way stand before each line, as tcpdump shows them on `any`. */
  constructor(where: boolean, options: LiveTextOptions) {
    this.#where = where
    const style = {
      numbered: false,
      time: options.time ?? 0,
      nanos: false,
      link: options.link ?? false,
      verbose: options.verbose ?? 0,
      quick: false,
      unchecked: false,
      absolute: false,
      bytes: options.hexAscii ? 'X' : options.hex ? 'x' : '',
    }
    const addresses = options.numeric ? null : this.#names.byAddress
    this.#printer = new DumpPrinter(style, { interfaceName: () => null, addresses })
  }

  /** The lines for what has come; comments stand below their frames. */
  of(bytes: Uint8Array): string {
    this.#reader.push(bytes)
    let text = ''
    for (let packet = this.#reader.next(); packet !== null; packet = this.#reader.next()) {
      const { facts } = this.#reader
      if (facts === null) break
      this.#names.take(facts)
      const from = facts.interfaces[packet.interface]
      const { seconds, nanos, bytes, originalLength: length, direction, comments } = packet
      const link = linkTypeOf(from.linkType)
      const line = this.#printer.line({ seconds, nanos, bytes, at: 0, end: bytes.length, length, link })
      text += this.#where ? `${from.name} ${direction === 'out' ? 'Out' : 'In '} ${line}` : line
      for (const each of comments) text += each.replace(/^/gm, '        ').concat('\n')
    }
    return text
  }
}

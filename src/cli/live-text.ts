/** Frames of a live capture as tcpdump prints them. */

import { readPcapng } from '../capture/pcapng-reader.ts'
import { DumpPrinter, type DumpStyle } from '../host/commands/tcpdump-text.ts'
import { ETHERNET, linkTypeOf } from '../wire/print-link.ts'
import type { BlockCutter } from './block-cutter.ts'

export interface LiveTextOptions {
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
  readonly #cutter: BlockCutter
  readonly #where: boolean
  readonly #printer: DumpPrinter

  /** `where`: the interface and the way stand before each line, as tcpdump shows them on `any`. */
  constructor(cutter: BlockCutter, where: boolean, options: LiveTextOptions) {
    this.#cutter = cutter
    this.#where = where
    const style: DumpStyle = {
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
    this.#printer = new DumpPrinter(style, { interfaceName: () => null, addresses: null })
  }

  /** The lines for whole blocks. */
  of(blocks: Buffer): string {
    if (blocks.length === 0) return ''
    const file = readPcapng(Buffer.concat([this.#cutter.head, blocks]))
    let text = ''
    const link = linkTypeOf(ETHERNET)
    for (const packet of file.packets) {
      const { seconds, nanos, bytes, originalLength: length, direction } = packet
      const line = this.#printer.line({ seconds, nanos, bytes, at: 0, end: bytes.length, length, link })
      const way = direction === 'out' ? 'Out' : 'In '
      text += this.#where ? `${file.interfaces[packet.interface].name} ${way} ${line}` : line
      for (const comment of packet.comments) {
        text += comment
          .split('\n')
          .map((each) => `        ${each}\n`)
          .join('')
      }
    }
    return text
  }
}

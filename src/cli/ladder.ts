/** `podwire ladder`: frames of a file as a ladder diagram, between hosts or from interface to interface. */
import { writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { DumpPrinter } from '../host/commands/tcpdump-text.ts'
import { headersOf } from '../wire/headers.ts'
import { linkTypeOf } from '../wire/print-link.ts'
import { CaptureInputError, TextOutput, visitCapture } from './capture-input.ts'
import { ladderMermaid } from './ladder-mermaid.ts'
import { LadderBuilder, type LadderBy } from './ladder-model.ts'
import { ladderSvg } from './ladder-svg.ts'
import { ladderText } from './ladder-text.ts'
import { FileNames, PacketFilter, Selection } from './read.ts'

export interface LadderOptions {
  readonly layout: 'text' | 'svg' | 'mermaid'
  /** Null: standard output. */
  readonly out: string | null
  /** Null: by interface for one packet, by host otherwise. */
  readonly by: LadderBy | null
  readonly packet: number | null
  readonly interface: string | null
  readonly numeric: boolean
  /** At most so many arrows. */
  readonly count: number
  readonly filter: string
}

/** Returns the exit code. */
export async function ladder(file: string, options: LadderOptions): Promise<number> {
  const filter = new PacketFilter(options.filter)
  const selection = new Selection(options.interface, options.packet)
  const names = new FileNames()
  const shownNames = options.numeric ? new Map<string, string>() : names.byAddress
  const printer = new DumpPrinter(
    {
      numbered: false,
      time: 1,
      nanos: false,
      link: false,
      verbose: 0,
      quick: false,
      unchecked: false,
      absolute: false,
      // The bytes of what nobody understands are not wanted.
      bytes: 'x',
    },
    { interfaceName: (index) => (index === 1 ? 'lo' : null), addresses: shownNames },
  )
  const by = options.by ?? (options.packet === null ? 'host' : 'interface')
  const builder = new LadderBuilder(by, shownNames)
  let left = 0
  const { problem } = await visitCapture(file, (packet, number, facts) => {
    const from = facts.interfaces[packet.interface]
    if (!selection.has(packet, from) || !filter.passes(packet, from.linkType)) return false
    names.take(facts)
    if (builder.size >= options.count) {
      left++
      return false
    }
    const { bytes, seconds, nanos, originalLength: length } = packet
    const text = printer.packet({
      seconds,
      nanos,
      bytes,
      at: 0,
      end: bytes.length,
      length,
      link: linkTypeOf(from.linkType),
    })
    builder.take({ packet, number, from, headers: headersOf(from.linkType, bytes, 0, bytes.length), text })
    return false
  })
  const what = options.packet === null ? options.filter : `packet ${options.packet}`
  const drawn = builder.ladder([basename(file), what].filter((part) => part !== '').join(': '))
  const draw = { text: ladderText, svg: ladderSvg, mermaid: ladderMermaid }[options.layout]
  await write(draw(drawn), options.out)
  if (left > 0) {
    const hint = 'choose by a filter, or draw more with -c'
    process.stderr.write(`podwire: the first ${builder.size} frames are drawn, ${left} are not: ${hint}\n`)
  }
  if (drawn.rungs.length === 0) process.stderr.write(`podwire: ${file}: no frame is wanted\n`)
  if (problem !== null) process.stderr.write(`podwire: ${file}: ${problem}\n`)
  return drawn.rungs.length === 0 || problem !== null ? 1 : 0
}

async function write(text: string, out: string | null): Promise<void> {
  if (out === null) {
    const output = new TextOutput()
    output.write(text)
    await output.drained()
    return
  }
  try {
    writeFileSync(out, text)
  } catch (error) {
    throw new CaptureInputError(`${out}: ${(error as Error).message}`)
  }
}

/** `podwire follow`: what the two sides of a conversation said, in the layouts of `tshark -z follow`. */
import type { FileFacts, FilePacket } from '../capture/capture-file.ts'
import {
  type Conversation,
  type ConversationProtocol,
  Conversations,
  type Said,
  type Speaker,
} from '../capture/conversations.ts'
import { type StreamListener, TcpStream } from '../capture/tcp-stream.ts'
import { headersOf } from '../wire/headers.ts'
import { CaptureInputError, type ReadCapture, TextOutput, visitCapture } from './capture-input.ts'
import { HttpMessages } from './http-messages.ts'
import { FileNames, PacketFilter, Selection } from './read.ts'

export type FollowLayout = 'ascii' | 'hex' | 'raw'

export interface FollowOptions {
  /** `tcp:0`, `udp:1`, `http:0`, `tcp:10.0.0.1:1000,10.0.0.2:80`; null: the first that the filter leaves. */
  readonly stream: string | null
  readonly list: boolean
  readonly layout: FollowLayout
  readonly numeric: boolean
  readonly interface: string | null
  readonly filter: string
}

interface Wanted {
  readonly shown: 'tcp' | 'udp' | 'http'
  readonly protocol: ConversationProtocol
  is(conversation: Conversation): boolean
}

/** @throws CaptureInputError */
function wantedOf(text: string | null): Wanted | null {
  if (text === null) return null
  const parts = /^(tcp|udp|http):(.+)$/.exec(text)
  const bad = () =>
    new CaptureInputError(
      `${text}: expected tcp:N, udp:N or http:N, or two endpoints such as tcp:10.0.0.1:1000,10.0.0.2:80`,
    )
  if (parts === null) throw bad()
  const shown = parts[1] as Wanted['shown']
  const protocol = shown === 'udp' ? 'udp' : 'tcp'
  if (/^[0-9]+$/.test(parts[2])) {
    const number = Number(parts[2])
    return { shown, protocol, is: (each) => each.protocol === protocol && each.number === number }
  }
  const ends = parts[2].split(',')
  if (ends.length !== 2 || ends.some((end) => !/^.+:[0-9]+$/.test(end))) throw bad()
  const spelled = ends.map((end) => end.replace(/^\[(.*)\]/, '$1'))
  const matches = (conversation: Conversation) =>
    spelled.every((end) => conversation.endpoints.some(({ address, port }) => `${address}:${port}` === end))
  return { shown, protocol, is: (each) => each.protocol === protocol && matches(each) }
}

/** Reads the file's conversations; `each` is shown every packet that counts. */
async function converse(
  file: string,
  options: FollowOptions,
  each: (said: Said, packet: FilePacket, facts: FileFacts) => void,
): Promise<ReadCapture & { readonly conversations: Conversations }> {
  const filter = new PacketFilter(options.filter)
  const selection = new Selection(options.interface, null)
  const conversations = new Conversations()
  const result = await visitCapture(file, (packet, _, facts) => {
    const from = facts.interfaces[packet.interface]
    if (!selection.has(packet, from) || !filter.passes(packet, from.linkType)) return false
    const said = conversations.take(packet, headersOf(from.linkType, packet.bytes, 0, packet.bytes.length))
    if (said !== null) each(said, packet, facts)
    return false
  })
  return { ...result, conversations }
}

/** Returns the exit code. */
export async function follow(file: string, options: FollowOptions): Promise<number> {
  if (options.list) return list(file, options)
  const wanted = wantedOf(options.stream)
  const output = new TextOutput()
  const names = new FileNames()
  let chosen: Conversation | null = null
  let writer: StreamWriter | null = null
  let stream: { segment(said: Said, packet: FilePacket): void; end(): void } | null = null
  const result = await converse(file, options, (said, packet, facts) => {
    const { conversation } = said
    if (chosen === null) {
      if (wanted !== null && !wanted.is(conversation)) return
      chosen = conversation
      names.take(facts)
      const shown = wanted?.shown ?? conversation.protocol
      writer = new StreamWriter(output, options.layout)
      output.write(headText(conversation, shown, options, names))
      stream = streamOf(shown, writer)
    }
    if (chosen === conversation) stream?.segment(said, packet)
  })
  if (chosen === null) {
    const what = options.stream === null ? 'conversation over TCP or UDP' : `conversation ${options.stream}`
    process.stderr.write(`podwire: ${file}: there is no ${what}; podwire follow FILE --list shows what there is\n`)
    return 1
  }
  ;(stream as { end(): void } | null)?.end()
  output.write(`${RULE}\n`)
  await output.drained()
  return complain(file, result)
}

function complain(file: string, { problem }: ReadCapture): number {
  if (problem === null) return 0
  process.stderr.write(`podwire: ${file}: ${problem}\n`)
  return 1
}

const RULE = '='.repeat(67)

function headText(conversation: Conversation, shown: string, options: FollowOptions, names: FileNames): string {
  const [first, other] = endTexts(conversation, options, names)
  const filter = `${conversation.protocol}.stream eq ${conversation.number}`
  return `\n${RULE}\nFollow: ${shown},${options.layout}\nFilter: ${filter}\nNode 0: ${first}\nNode 1: ${other}\n`
}

function endTexts({ endpoints }: Conversation, { numeric }: FollowOptions, names: FileNames): string[] {
  return endpoints.map(({ address, port }) => {
    const name = numeric ? undefined : names.byAddress.get(address)
    if (name !== undefined) return `${name}:${port}`
    return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
  })
}

function streamOf(
  shown: Wanted['shown'],
  writer: StreamWriter,
): { segment(said: Said, packet: FilePacket): void; end(): void } {
  if (shown === 'udp') {
    return {
      segment: ({ speaker, headers: { payload } }, { bytes }) => {
        if (payload !== null && payload.end > payload.at) writer.said(speaker, bytes.slice(payload.at, payload.end))
      },
      end: () => {},
    }
  }
  const messages = shown === 'http' ? new HttpMessages(writer) : null
  const stream = new TcpStream(messages ?? writer)
  return {
    segment: ({ speaker, headers }, { bytes }) => stream.segment(speaker, headers, bytes),
    end: () => {
      stream.end()
      messages?.end()
    },
  }
}

/** Writes what is said as it comes: the second speaker's words are indented. */
class StreamWriter implements StreamListener {
  readonly #output: TextOutput
  readonly #layout: FollowLayout
  /** Bytes written so far, by speaker. */
  readonly #written: [number, number] = [0, 0]

  constructor(output: TextOutput, layout: FollowLayout) {
    this.#output = output
    this.#layout = layout
  }

  said(speaker: Speaker, bytes: Uint8Array): void {
    const tab = speaker === 1 ? '\t' : ''
    if (this.#layout === 'ascii') this.#output.write(`${tab}${bytes.length}\n${asciiText(bytes)}\n`)
    else if (this.#layout === 'raw') this.#output.write(`${tab}${Buffer.from(bytes).toString('hex')}\n`)
    else this.#output.write(hexText(bytes, this.#written[speaker], tab))
    this.#written[speaker] += bytes.length
  }

  /** tshark puts the sentence among the bytes, with the NUL at its end. */
  missing(speaker: Speaker, bytes: number): void {
    this.said(speaker, Buffer.from(`[${bytes} bytes missing in capture file]\0`))
  }
}

function asciiText(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) {
    const shown = (byte >= 0x20 && byte < 0x7f) || byte === 10 || byte === 13
    text += shown ? String.fromCharCode(byte) : '.'
  }
  return text
}

function hexText(bytes: Uint8Array, offset: number, tab: string): string {
  let text = ''
  for (let row = 0; row < bytes.length; row += 16) {
    let digits = ''
    let letters = ''
    for (let i = row; i < Math.min(row + 16, bytes.length); i++) {
      const byte = bytes[i]
      if (i === row + 8) {
        digits += ' '
        letters += ' '
      }
      digits += `${byte.toString(16).padStart(2, '0')} `
      letters += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.'
    }
    const place = (offset + row).toString(16).toUpperCase().padStart(8, '0')
    // tshark leaves one blank out at the end of a row, and only one.
    text += `${tab}${place}  ${digits.padEnd(50)}${letters.replace(/ $/, '')}\n`
  }
  return text
}

async function list(file: string, options: FollowOptions): Promise<number> {
  let start: number | null = null
  const names = new FileNames()
  const result = await converse(file, options, ({ conversation }) => {
    start = Math.min(start ?? conversation.begin, conversation.begin)
  })
  names.take(result.facts)
  const { tcp, udp } = result.conversations
  const rows = [...tcp, ...udp].map((each) => {
    const [first, other] = endTexts(each, options, names)
    const amounts = ([0, 1] as const).flatMap((i) => [String(each.frames[i]), String(each.bytes[i])])
    const times = [(each.begin - (start ?? 0)).toFixed(6), (each.end - each.begin).toFixed(6)]
    return [`${each.protocol}:${each.number}`, first, other, ...amounts, ...times]
  })
  const titles = ['STREAM', 'A', 'B', 'FRAMES A>B', 'BYTES', 'FRAMES B>A', 'BYTES', 'START', 'DURATION']
  const widths = titles.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i].length)))
  const output = new TextOutput()
  for (const row of [titles, ...rows]) {
    const cells = row.map((cell, i) => (i < 3 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
    output.write(`${cells.join('  ').trimEnd()}\n`)
  }
  await output.drained()
  return complain(file, result)
}

/** HTTP and its like, protocols of text lines, as tcpdump prints them. */
import type { PacketText } from './print-text.ts'

export interface TextProtocol {
  readonly name: string
  /** What requests begin with; null when anything may stand there. */
  readonly commands: ReadonlySet<string> | null
}

const httpMethods = new Set(
  'GET PUT COPY HEAD LOCK MOVE POLL POST BCOPY BMOVE MKCOL TRACE LABEL MERGE DELETE SEARCH UNLOCK REPORT UPDATE NOTIFY BDELETE CONNECT OPTIONS CHECKIN PROPFIND CHECKOUT CCM_POST SUBSCRIBE PROPPATCH BPROPFIND BPROPPATCH UNCHECKOUT MKACTIVITY MKWORKSPACE UNSUBSCRIBE RPC_CONNECT VERSION-CONTROL BASELINE-CONTROL'.split(
    ' ',
  ),
)

const rtspMethods = new Set(
  'OPTIONS DESCRIBE ANNOUNCE SETUP PLAY PAUSE TEARDOWN GET_PARAMETER SET_PARAMETER REDIRECT RECORD'.split(' '),
)

const http: TextProtocol = { name: 'http', commands: httpMethods }
const rtsp: TextProtocol = { name: 'rtsp', commands: rtspMethods }
const byPort = new Map<number, TextProtocol>([
  [80, http],
  [8080, http],
  [554, rtsp],
  [8554, rtsp],
  [21, { name: 'ftp', commands: null }],
  [25, { name: 'smtp', commands: null }],
])

export function textProtocolOf(port: number): TextProtocol | undefined {
  return byPort.get(port)
}

/** The first line of a request or of an answer; all lines of text with -v; just the name when it is neither. */
export function printTextProtocol(out: PacketText, at: number, length: number, protocol: TextProtocol): void {
  out.protocol = protocol.name
  const end = at + length
  const first = protocol.commands === null || begins(out, at, end, protocol.commands)
  out.text += protocol.name.toUpperCase()
  if (!first) return
  if (out.verbose === 0) {
    printLine(out, ': ', at, end)
    return
  }
  out.text += `, length: ${length}`
  for (let next = at; next > 0 && next < end; ) next = printLine(out, '\n\t', next, end)
}

/** A request's first word is a command, the second one of an answer its code of three digits. */
function begins(out: PacketText, at: number, end: number, commands: ReadonlySet<string>): boolean {
  let line = ''
  for (let i = at; i < end && out.has(i, 1) && out.bytes[i] !== 10 && out.bytes[i] !== 13; i++)
    line += String.fromCharCode(out.bytes[i])
  const words = line.split(/[ \t]+/)
  return commands.has(words[0].toUpperCase()) || /^[0-9]{3}$/.test(words[1] ?? '')
}

/** Where the next line begins; 0 when a control character or the packet's end comes before this one's end. */
function printLine(out: PacketText, prefix: string, at: number, end: number): number {
  let text = prefix
  for (let i = at; i < end && out.has(i, 1); i++) {
    const character = out.bytes[i]
    if (character === 10 || character === 13) {
      const skip = character === 10 ? 1 : 2
      if (skip === 2 && (i + 1 >= end || !out.has(i, 2) || out.bytes[i + 1] !== 10)) return 0
      out.text += text
      return i + skip
    }
    if (character !== 9 && (character < 32 || character > 126)) return 0
    text += String.fromCharCode(character)
  }
  out.text += text
  out.truncated()
  return 0
}

/** A frame as tcpdump prints it at its interface, with TCP's sequence numbers counted from the connection's first. */
import { printFrame } from '../wire/print.ts'
import { TcpConversations } from '../wire/print-conversations.ts'
import * as tcp from '../wire/tcp.ts'
import { type Headers, headersOf, innermost } from './headers.ts'
import type { Recording, SeenFrame } from './recording.ts'

/** By number; later lines of a frame, the one inside a tunnel, are indented as tcpdump does. */
export function textsOf(recording: Recording, frames: readonly SeenFrame[]): Map<number, string> {
  const texts = new Map<number, string>()
  const wanted = new Map<number, Conversation>()
  for (const frame of frames) {
    const key = conversationOf(headersOf(frame.bytes))
    if (key === null) texts.set(frame.number, printFrame(frame.bytes, 0, frame.bytes.length))
    else wanted.set(frame.number, { key, interface: frame.interface, memory: memoryFor(wanted, key, frame.interface) })
  }
  if (wanted.size === 0) return texts
  const conversations = [...wanted.values()]
  for (const frame of recording.frames) {
    const known = conversations.find((each) => each.interface === frame.interface)
    if (known === undefined) continue
    const headers = headersOf(frame.bytes)
    const key = conversationOf(headers)
    const asked = wanted.get(frame.number)
    const conversation = asked ?? conversations.find((each) => each.interface === frame.interface && each.key === key)
    if (conversation === undefined || headers === null) continue
    if (asked === undefined && conversation.memory.begun && !begins(headers)) continue
    conversation.memory.begun = true
    const text = printFrame(frame.bytes, 0, frame.bytes.length, { conversations: conversation.memory.numbers })
    if (asked !== undefined) texts.set(frame.number, text)
  }
  return texts
}

interface Memory {
  readonly numbers: TcpConversations
  begun: boolean
}

interface Conversation {
  readonly key: string
  readonly interface: number
  readonly memory: Memory
}

function memoryFor(wanted: ReadonlyMap<number, Conversation>, key: string, at: number): Memory {
  for (const other of wanted.values()) if (other.key === key && other.interface === at) return other.memory
  return { numbers: new TcpConversations(), begun: false }
}

/** The same for both directions; null for what is not TCP. */
function conversationOf(headers: Headers | null): string | null {
  const ip = headers === null ? null : innermost(headers).ip
  if (ip === null || ip.tcp === null) return null
  const ends = [`${ip.source}:${ip.sourcePort}`, `${ip.destination}:${ip.destinationPort}`]
  return ends.sort().join(' ')
}

function begins(headers: Headers): boolean {
  return ((innermost(headers).ip?.tcp?.flags ?? 0) & tcp.SYN) !== 0
}

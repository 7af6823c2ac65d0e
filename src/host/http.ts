/**
 * HTTP/1.1 messages (RFC 9112) as bytes: an incremental reader that takes whatever arrives, and a writer. The reader
 * is tolerant, as servers and clients are, and never throws: bytes that are no HTTP make it `malformed`.
 */

export type Header = readonly [name: string, value: string]

export interface HttpMessage {
  /** The first line: `GET / HTTP/1.1` or `HTTP/1.1 200 OK`. */
  readonly start: string
  /** In the order in which they came. */
  readonly headers: readonly Header[]
  readonly body: Uint8Array
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const CR = 13
const LF = 10
/** Longer heads are refused, as servers do. */
const HEAD_LIMIT = 65_536

export function encodeText(text: string): Uint8Array {
  return encoder.encode(text)
}

/** UTF-8; broken sequences become U+FFFD. */
export function decodeText(bytes: Uint8Array): string {
  return decoder.decode(bytes)
}

/** The first header of this name, in any case; null when there is none. */
export function header(message: { readonly headers: readonly Header[] }, name: string): string | null {
  const wanted = name.toLowerCase()
  for (const [key, value] of message.headers) if (key.toLowerCase() === wanted) return value
  return null
}

/** A whole message as it goes onto the wire; Content-Length is the caller's business. */
export function formatMessage(
  start: string,
  headers: readonly Header[],
  body: Uint8Array = new Uint8Array(),
): Uint8Array {
  let head = `${start}\r\n`
  for (const [name, value] of headers) head += `${name}: ${value}\r\n`
  const first = encoder.encode(`${head}\r\n`)
  const bytes = new Uint8Array(first.length + body.length)
  bytes.set(first)
  bytes.set(body, first.length)
  return bytes
}

/** Of a request: method, target and version; null when the line is none. */
export function requestLine(start: string): { method: string; target: string; version: string } | null {
  const found = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) (HTTP\/\d\.\d)$/.exec(start)
  return found === null ? null : { method: found[1], target: found[2], version: found[3] }
}

/** Of a response; null when the line is none. */
export function statusLine(start: string): { version: string; status: number; reason: string } | null {
  const found = /^(HTTP\/\d(?:\.\d)?) (\d{3})(?: (.*))?$/.exec(start)
  return found === null ? null : { version: found[1], status: Number(found[2]), reason: found[3] ?? '' }
}

/** Does the connection end after this message? */
export function closesAfter(message: HttpMessage): boolean {
  const connection = header(message, 'connection')?.toLowerCase()
  if (connection === 'close') return true
  return message.start.includes('HTTP/1.0') && connection !== 'keep-alive'
}

type Phase = 'head' | 'body' | 'toTheEnd' | 'chunkSize' | 'chunk' | 'chunkEnd' | 'trailer' | 'done' | 'malformed'

/** Reads one message after another out of a stream. */
export class HttpReader {
  readonly #kind: 'request' | 'response'
  /** The request was HEAD: a response has no body. */
  readonly #bodiless: boolean
  #bytes = new Uint8Array(0)
  #phase: Phase = 'head'
  #start = ''
  #headers: Header[] = []
  #need = 0
  #body: Uint8Array[] = []

  constructor(kind: 'request' | 'response', bodiless = false) {
    this.#kind = kind
    this.#bodiless = bodiless
  }

  get malformed(): boolean {
    return this.#phase === 'malformed'
  }

  /** The head has been read; the body may still be on its way. */
  get head(): { readonly start: string; readonly headers: readonly Header[] } | null {
    return this.#phase === 'head' || this.#phase === 'malformed' ? null : { start: this.#start, headers: this.#headers }
  }

  /** Nothing has come since the last whole message. */
  get idle(): boolean {
    return this.#phase === 'head' && this.#bytes.length === 0
  }

  /** Bytes of the body read so far. */
  get received(): number {
    let length = 0
    for (const part of this.#body) length += part.length
    return length
  }

  /** The body's length as announced; null when it is not known. */
  get announced(): number | null {
    const text = header({ headers: this.#headers }, 'content-length')
    return text !== null && /^\d+$/.test(text) ? Number(text) : null
  }

  push(bytes: Uint8Array): void {
    const all = new Uint8Array(this.#bytes.length + bytes.length)
    all.set(this.#bytes)
    all.set(bytes, this.#bytes.length)
    this.#bytes = all
    this.#advance()
  }

  /** The stream has ended: what counts as a body up to the end is whole now; anything else unfinished is malformed. */
  finish(): void {
    if (this.#phase === 'toTheEnd') this.#phase = 'done'
    else if (!this.idle && this.#phase !== 'done') this.#phase = 'malformed'
  }

  /** The next whole message; null while there is none. */
  take(): HttpMessage | null {
    if (this.#phase !== 'done') return null
    const message = { start: this.#start, headers: this.#headers, body: join(this.#body) }
    this.#start = ''
    this.#headers = []
    this.#body = []
    this.#need = 0
    this.#phase = 'head'
    this.#advance()
    return message
  }

  #advance(): void {
    while (this.#step());
  }

  /** One step of the grammar; false when more bytes are needed. */
  #step(): boolean {
    switch (this.#phase) {
      case 'head':
        return this.#readHead()
      case 'body':
      case 'chunk':
        return this.#readCounted()
      case 'toTheEnd':
        this.#keep(this.#bytes.length)
        return false
      case 'chunkSize':
        return this.#readChunkSize()
      case 'chunkEnd':
      case 'trailer':
        return this.#readLineAfterChunk()
      default:
        return false
    }
  }

  #readHead(): boolean {
    const bytes = this.#bytes
    let at = 0
    while (bytes[at] === CR || bytes[at] === LF) at++ // empty lines before a request are skipped (RFC 9112, 2.2)
    const end = headEnd(bytes, at)
    if (end < 0) {
      if (bytes.length > HEAD_LIMIT) this.#phase = 'malformed'
      return false
    }
    const lines = decoder.decode(bytes.subarray(at, end)).split(/\r?\n/)
    this.#bytes = bytes.slice(end)
    this.#start = lines[0]
    const known = this.#kind === 'request' ? requestLine(this.#start) : statusLine(this.#start)
    if (known === null) {
      this.#phase = 'malformed'
      return false
    }
    for (const line of lines.slice(1)) {
      const colon = line.indexOf(':')
      if (colon > 0) this.#headers.push([line.slice(0, colon), line.slice(colon + 1).trim()])
    }
    this.#phase = this.#bodyPhase()
    return true
  }

  /** Where the body's length comes from (RFC 9112, 6.3). */
  #bodyPhase(): Phase {
    const status = this.#kind === 'response' ? (statusLine(this.#start)?.status ?? 0) : 0
    if (this.#bodiless || status === 204 || status === 304 || (status >= 100 && status < 200)) return 'done'
    const coding = header({ headers: this.#headers }, 'transfer-encoding')
    if (coding?.toLowerCase().endsWith('chunked')) return 'chunkSize'
    const length = header({ headers: this.#headers }, 'content-length')
    if (length === null) return this.#kind === 'request' ? 'done' : 'toTheEnd'
    if (this.announced === null || this.announced > Number.MAX_SAFE_INTEGER) return 'malformed'
    this.#need = this.announced
    return this.#need === 0 ? 'done' : 'body'
  }

  #readCounted(): boolean {
    this.#need -= this.#keep(this.#need)
    if (this.#need > 0) return false
    this.#phase = this.#phase === 'body' ? 'done' : 'chunkEnd'
    return this.#phase === 'chunkEnd'
  }

  #readChunkSize(): boolean {
    const line = this.#line()
    if (line === null) return false
    const found = /^\s*([0-9a-f]{1,8})\s*(;.*)?$/i.exec(line)
    if (found === null) {
      this.#phase = 'malformed'
      return false
    }
    this.#need = Number.parseInt(found[1], 16)
    this.#phase = this.#need === 0 ? 'trailer' : 'chunk'
    return true
  }

  #readLineAfterChunk(): boolean {
    const line = this.#line()
    if (line === null) return false
    if (this.#phase === 'chunkEnd') this.#phase = line === '' ? 'chunkSize' : 'malformed'
    else if (line === '') this.#phase = 'done'
    return this.#phase === 'chunkSize' || this.#phase === 'trailer'
  }

  #line(): string | null {
    const end = this.#bytes.indexOf(LF)
    if (end < 0) return null
    const line = decoder.decode(this.#bytes.subarray(0, end))
    this.#bytes = this.#bytes.slice(end + 1)
    return line.endsWith('\r') ? line.slice(0, -1) : line
  }

  /** Moves at most so many bytes into the body. */
  #keep(limit: number): number {
    const length = Math.min(limit, this.#bytes.length)
    if (length === 0) return 0
    this.#body.push(this.#bytes.slice(0, length))
    this.#bytes = this.#bytes.slice(length)
    return length
  }
}

/** Behind the empty line that ends a head; -1 when there is none yet. */
function headEnd(bytes: Uint8Array, from: number): number {
  for (let at = from; at < bytes.length; at++) {
    if (bytes[at] !== LF) continue
    if (bytes[at + 1] === LF) return at + 2
    if (bytes[at + 1] === CR && bytes[at + 2] === LF) return at + 3
  }
  return -1
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const whole = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** HTTP/1 out of what the two sides of a connection said: heads, and bodies without their chunks and compression (RFC 9112). */
import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib'
import type { Speaker } from '../capture/conversations.ts'
import type { StreamListener } from '../capture/tcp-stream.ts'

/** What is expected next from one side. */
type Expected =
  | { readonly what: 'head' }
  | { readonly what: 'body'; readonly length: number; readonly encoding: string }
  | { readonly what: 'chunks'; readonly encoding: string }
  | { readonly what: 'rest'; readonly encoding: string }
  | { readonly what: 'bytes' }

const HEAD: Expected = { what: 'head' }
const blankLine = Buffer.from('\r\n\r\n')
const requestLine = /^[A-Z]+ \S+ HTTP\/1\.[01]\r$/
const statusLine = /^HTTP\/1\.[01] ([0-9]{3})\b/

class Side {
  held = Buffer.alloc(0)
  expected: Expected = HEAD
}

export class HttpMessages implements StreamListener {
  readonly #out: StreamListener
  readonly #sides: readonly [Side, Side] = [new Side(), new Side()]
  /** The methods of the requests that are not answered yet. */
  readonly #asked: string[] = []

  constructor(out: StreamListener) {
    this.#out = out
  }

  said(speaker: Speaker, bytes: Uint8Array): void {
    const side = this.#sides[speaker]
    side.held = Buffer.concat([side.held, bytes])
    while (this.#step(speaker, side));
  }

  /** With a hole in it a message cannot be told apart any more: the rest is shown as it is. */
  missing(speaker: Speaker, bytes: number): void {
    this.#flush(speaker)
    this.#out.missing(speaker, bytes)
    this.#sides[speaker].expected = { what: 'bytes' }
  }

  /** What is not whole is shown as far as it goes. */
  end(): void {
    for (const speaker of [0, 1] as const) this.#flush(speaker)
  }

  #flush(speaker: Speaker): void {
    const side = this.#sides[speaker]
    const { expected, held } = side
    side.held = Buffer.alloc(0)
    side.expected = HEAD
    if (held.length === 0) return
    this.#out.said(speaker, expected.what === 'rest' ? decoded(held, expected.encoding) : held)
  }

  /** True when something was taken, so that there may be more. */
  #step(speaker: Speaker, side: Side): boolean {
    const { expected, held } = side
    if (held.length === 0) return false
    switch (expected.what) {
      case 'head': {
        const end = held.indexOf(blankLine)
        if (end < 0) return false
        const head = held.subarray(0, end + blankLine.length)
        side.held = held.subarray(head.length)
        this.#out.said(speaker, head)
        side.expected = this.#behind(head.toString('latin1'))
        return true
      }
      case 'body':
        if (held.length < expected.length) return false
        this.#body(speaker, side, held.subarray(0, expected.length), expected.length, expected.encoding)
        return true
      case 'chunks': {
        const body = dechunked(held)
        if (body === null) return false
        this.#body(speaker, side, body.bytes, body.size, expected.encoding)
        return true
      }
      case 'rest':
        return false
      default:
        side.held = Buffer.alloc(0)
        this.#out.said(speaker, held)
        return false
    }
  }

  #body(speaker: Speaker, side: Side, bytes: Buffer, size: number, encoding: string): void {
    side.held = side.held.subarray(size)
    side.expected = HEAD
    if (bytes.length > 0) this.#out.said(speaker, decoded(bytes, encoding))
  }

  /** What stands behind this head (RFC 9112 section 6.3). */
  #behind(head: string): Expected {
    const [first, ...lines] = head.split('\n')
    const field = (name: string) =>
      lines
        .find((line) => line.toLowerCase().startsWith(`${name}:`))
        ?.slice(name.length + 1)
        .trim()
        .toLowerCase()
    const encoding = field('content-encoding') ?? ''
    const status = statusLine.exec(first)
    if (status === null && !requestLine.test(first)) return { what: 'bytes' }
    if (status === null) this.#asked.push(first.split(' ')[0])
    else {
      const informational = status[1].startsWith('1')
      const method = informational ? undefined : this.#asked.shift()
      if (status[1] === '101') return { what: 'bytes' }
      if (informational || method === 'HEAD' || status[1] === '204' || status[1] === '304') return HEAD
      if (method === 'CONNECT' && status[1].startsWith('2')) return { what: 'bytes' }
    }
    if (field('transfer-encoding')?.includes('chunked')) return { what: 'chunks', encoding }
    const length = Number(field('content-length') ?? (status === null ? 0 : Number.NaN))
    if (Number.isInteger(length) && length >= 0) return length === 0 ? HEAD : { what: 'body', length, encoding }
    return { what: 'rest', encoding }
  }
}

/** The body in chunks that `held` begins with, and its size there; null while it is not whole. */
function dechunked(held: Buffer): { readonly bytes: Buffer; readonly size: number } | null {
  const parts: Buffer[] = []
  for (let at = 0; ; ) {
    const line = held.indexOf('\r\n', at)
    if (line < 0) return null
    const digits = held.toString('latin1', at, line).split(';')[0].trim()
    const length = /^[0-9a-f]{1,8}$/i.test(digits) ? Number.parseInt(digits, 16) : -1
    if (length < 0) return { bytes: held, size: held.length }
    const data = line + 2
    if (length === 0) {
      const end = held.indexOf('\r\n', data) === data ? data : held.indexOf(blankLine, data)
      if (end < 0) return null
      return { bytes: Buffer.concat(parts), size: end + (end === data ? 2 : blankLine.length) }
    }
    if (held.length < data + length + 2) return null
    parts.push(held.subarray(data, data + length))
    at = data + length + 2
  }
}

/** As it was before it was compressed; as it is where that fails. */
function decoded(bytes: Buffer, encoding: string): Uint8Array {
  try {
    if (encoding === 'gzip' || encoding === 'x-gzip') return gunzipSync(bytes)
    if (encoding === 'deflate') return inflateSync(bytes)
    if (encoding === 'br') return brotliDecompressSync(bytes)
  } catch {
    return bytes
  }
  return bytes
}

/**
 * One HTTP request of a program that is not curl (a web application, a probe): resolves, connects, asks, reads the
 * whole answer, closes.
 */
import type { Nanos } from '../sim/scheduler.ts'
import type { Ipv4 } from '../wire/address.ts'
import { formatMessage, type Header, type HttpMessage, HttpReader, statusLine } from './http.ts'
import type { Process } from './process.ts'
import { resolve } from './resolver.ts'
import { SocketError, TcpStream, TimedOut } from './streams.ts'

export interface HttpUrl {
  readonly host: string
  readonly port: number
  /** Path and query; begins with a slash. */
  readonly target: string
  /** As the Host header has it: without :80. */
  readonly authority: string
}

/** Why there was no answer, as a sentence. */
export class HttpFailure extends Error {
  override readonly name = 'HttpFailure'
}

export interface HttpExchange {
  readonly method?: string
  readonly headers?: readonly Header[]
  readonly body?: Uint8Array
  readonly timeout?: Nanos
}

/** Null when the text is no http URL; a missing scheme means http. */
export function parseHttpUrl(text: string): HttpUrl | null {
  const found = /^(?:http:\/\/)?(?:[^@/?#]*@)?([A-Za-z0-9._-]+)(?::(\d{1,5}))?([/?][^#]*)?(?:#.*)?$/i.exec(text)
  if (found === null) return null
  const port = found[2] === undefined ? 80 : Number(found[2])
  if (port < 1 || port > 65_535) return null
  const rest = found[3] ?? '/'
  return {
    host: found[1],
    port,
    target: rest.startsWith('/') ? rest : `/${rest}`,
    authority: port === 80 ? found[1] : `${found[1]}:${port}`,
  }
}

/** @throws HttpFailure */
export async function exchange(
  self: Process,
  url: HttpUrl,
  options: HttpExchange = {},
): Promise<HttpMessage & { status: number }> {
  const address = await addressOf(self, url.host)
  let stream: TcpStream | null = null
  try {
    stream = await TcpStream.connect(self, address, url.port, options.timeout ?? null)
    const headers: Header[] = [['Host', url.authority], ...(options.headers ?? [])]
    if (options.body !== undefined) headers.push(['Content-Length', String(options.body.length)])
    await stream.write(formatMessage(`${options.method ?? 'GET'} ${url.target} HTTP/1.1`, headers, options.body))
    const reader = new HttpReader('response', options.method === 'HEAD')
    for (;;) {
      const bytes = await stream.read()
      if (bytes === null) reader.finish()
      else reader.push(bytes)
      const answer = reader.take()
      if (answer !== null) return { ...answer, status: statusLine(answer.start)?.status ?? 0 }
      if (bytes === null || reader.malformed) throw new HttpFailure('the answer is not HTTP')
    }
  } catch (error) {
    if (error instanceof SocketError || error instanceof TimedOut) throw new HttpFailure(error.message)
    throw error
  } finally {
    stream?.close()
  }
}

async function addressOf(self: Process, host: string): Promise<Ipv4> {
  const found = await resolve(self, host)
  if ('error' in found) throw new HttpFailure(`could not resolve ${host}: ${found.message}`)
  return found.addresses[0]
}

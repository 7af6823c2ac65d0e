/** BusyBox's wget, as people fetch a page with it. */
import { SECOND } from '../../sim/scheduler.ts'
import { formatIpv4, type Ipv4 } from '../../wire/address.ts'
import { getopt, has, type Options, valueOf } from '../getopt.ts'
import {
  decodeText,
  encodeText,
  formatMessage,
  type Header,
  type HttpMessage,
  HttpReader,
  statusLine,
} from '../http.ts'
import { type HttpUrl, parseHttpUrl } from '../http-client.ts'
import type { Process, Program } from '../process.ts'
import { resolve } from '../resolver.ts'
import { joinPath } from '../shell-builtins.ts'
import { SocketError, TcpStream, TimedOut } from '../streams.ts'

const LONG = {
  quiet: 'q',
  'output-document': 'O:',
  spider: 'spider',
  timeout: 'T:',
  tries: 't:',
  header: 'header:',
  'post-data': 'post-data:',
  'server-response': 'S',
}

interface Fetch {
  readonly self: Process
  readonly found: Options
  readonly url: HttpUrl
  readonly quiet: boolean
  readonly spider: boolean
  /** Null: standard output. */
  readonly file: string | null
}

interface Failed {
  readonly text: string
  readonly code: number
}

export const busyboxWget: Program = async (self) => {
  const fetch = begin(self)
  if ('code' in fetch) return complain(self, fetch)
  const { url } = fetch
  const say = (text: string) => {
    if (!fetch.quiet) self.err(text)
  }
  const answer = await resolve(self, url.host)
  if ('error' in answer) {
    self.err(`wget: bad address '${url.host}'\n`)
    return 1
  }
  const [address] = answer.addresses
  say(`Connecting to ${url.authority} (${formatIpv4(address)}:${url.port})\n`)
  const page = await get(fetch, address, [
    ['Host', url.authority],
    ['User-Agent', 'Wget'],
    ['Connection', 'close'],
  ])
  if ('code' in page) {
    const text =
      page.phase === 'connect' ? `can't connect to remote host (${formatIpv4(address)}): ${page.text}` : page.text
    self.err(`wget: ${page.timedOut ? 'download timed out' : text}\n`)
    return 1
  }
  const { status, reason } = statusLine(page.start) ?? { status: 0, reason: '' }
  if (has(fetch.found, 'S'))
    self.err(`  ${page.start}\n${page.headers.map(([name, value]) => `  ${name}: ${value}\n`).join('')}`)
  if (status >= 300) {
    self.err(`wget: server returned error: HTTP/1.1 ${status} ${reason}\n`)
    return 1
  }
  if (fetch.spider) {
    say('remote file exists\n')
    return 0
  }
  const name = fetch.file ?? '-'
  say(fetch.file === null ? 'writing to stdout\n' : `saving to '${name}'\n`)
  store(fetch, page)
  const bytes = String(page.body.length).padStart(5)
  say(`${name.padEnd(20)} 100% |********************************| ${bytes}  0:00:00 ETA\n`)
  say(fetch.file === null ? 'written to stdout\n' : `'${name}' saved\n`)
  return 0
}

function begin(self: Process): Fetch | Failed {
  const found = getopt(self.args.slice(1), 'qO:T:t:ScP:U:', LONG)
  if (found.problem !== null) return { text: `podwire: wget ${found.problem.option} is not modelled\n`, code: 2 }
  for (const option of ['c', 'P', 'U']) {
    if (has(found, option)) return { text: `podwire: wget -${option} is not modelled\n`, code: 2 }
  }
  const typed = found.rest[0]
  if (typed === undefined) {
    return { text: 'BusyBox v1.36.1 multi-call binary.\n\nUsage: wget [OPTIONS] URL...\n', code: 1 }
  }
  if (/^https:/i.test(typed)) return { text: 'podwire: TLS is not modelled: use http://\n', code: 1 }
  const url = parseHttpUrl(typed)
  if (url === null) return { text: `wget: not an http or ftp url: ${typed}\n`, code: 1 }
  const output = valueOf(found, 'O')
  const name = /([^/?]+)(?:\?.*)?$/.exec(url.target)?.[1] ?? 'index.html'
  return {
    self,
    found,
    url,
    quiet: has(found, 'q'),
    spider: has(found, 'spider'),
    file: output === null ? name : output === '-' ? null : output,
  }
}

function complain(self: Process, failed: Failed): number {
  self.err(failed.text)
  return failed.code
}

type GetFailed = Failed & { readonly phase: 'connect' | 'read'; readonly timedOut: boolean }

/** One request, no redirects. */
async function get(fetch: Fetch, address: Ipv4, own: readonly Header[]): Promise<HttpMessage | GetFailed> {
  const { self, found, url, spider } = fetch
  const timeout = Number(valueOf(found, 'T') ?? 900) * SECOND
  const data = valueOf(found, 'post-data')
  const body = data === null ? undefined : encodeText(data)
  const method = body !== undefined ? 'POST' : spider ? 'HEAD' : 'GET'
  const headers: Header[] = [...own]
  const extra = valueOf(found, 'header')
  if (extra?.includes(':'))
    headers.push([extra.slice(0, extra.indexOf(':')), extra.slice(extra.indexOf(':') + 1).trim()])
  if (body !== undefined) {
    headers.push(['Content-Type', 'application/x-www-form-urlencoded'], ['Content-Length', String(body.length)])
  }
  let phase: 'connect' | 'read' = 'connect'
  let stream: TcpStream | null = null
  try {
    stream = await TcpStream.connect(self, address, url.port, timeout)
    phase = 'read'
    await stream.write(formatMessage(`${method} ${url.target} HTTP/1.1`, headers, body))
    const reader = new HttpReader('response', method === 'HEAD')
    for (;;) {
      const bytes = await stream.read()
      if (bytes === null) reader.finish()
      else reader.push(bytes)
      const page = reader.take()
      if (page !== null) return page
      if (bytes === null || reader.malformed) return { text: 'No data received', code: 4, phase, timedOut: false }
    }
  } catch (error) {
    if (error instanceof TimedOut) return { text: 'Connection timed out', code: 4, phase, timedOut: true }
    if (error instanceof SocketError) return { text: error.message, code: 4, phase, timedOut: false }
    throw error
  } finally {
    stream?.close()
  }
}

function store(fetch: Fetch, page: HttpMessage): void {
  const text = decodeText(page.body)
  if (fetch.file === null) fetch.self.out(text)
  else if (fetch.file !== '/dev/null') fetch.self.place.files.set(joinPath(fetch.self.cwd, fetch.file), text)
}

/** wget: GNU 1.21 (Debian) and BusyBox's, as people fetch a page with them. */
import { SECOND } from '../../sim/scheduler.ts'
import { formatIpv4, type Ipv4, tryParseIpv4 } from '../../wire/address.ts'
import { getopt, has, type Options, valueOf } from '../getopt.ts'
import {
  decodeText,
  encodeText,
  formatMessage,
  type Header,
  type HttpMessage,
  HttpReader,
  header,
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
  'no-verbose': 'nv',
}

interface Fetch {
  readonly self: Process
  readonly found: Options
  readonly url: HttpUrl
  /** As typed, with its scheme. */
  readonly text: string
  readonly quiet: boolean
  readonly spider: boolean
  /** Null: standard output. */
  readonly file: string | null
}

interface Failed {
  readonly text: string
  readonly code: number
}

export const wget: Program = async (self) => {
  const fetch = begin(self, '1.21')
  if ('code' in fetch) return complain(self, fetch)
  const say = (text: string) => {
    if (!fetch.quiet) self.err(text)
  }
  const { url } = fetch
  if (fetch.spider) say('Spider mode enabled. Check if remote file exists.\n')
  say(`--${stamp(self)}--  ${fetch.text}\n`)
  const literal = tryParseIpv4(url.host)
  if (literal === null) say(`Resolving ${url.host} (${url.host})... `)
  const answer = await resolve(self, url.host)
  if ('error' in answer) {
    say(`failed: ${answer.message}.\n`)
    say(`wget: unable to resolve host address ‘${url.host}’\n`)
    return 4
  }
  if (literal === null) say(`${answer.addresses.map(formatIpv4).join(', ')}\n`)
  const [address] = answer.addresses
  const where = literal === null ? `${url.host} (${url.host})|${formatIpv4(address)}|` : formatIpv4(address)
  say(`Connecting to ${where}:${url.port}... `)
  const page = await get(fetch, address, [
    ['Host', url.authority],
    ['User-Agent', 'Wget/1.21.3'],
    ['Accept', '*/*'],
    ['Accept-Encoding', 'identity'],
    ['Connection', 'Keep-Alive'],
  ])
  if ('code' in page) {
    say(
      page.phase === 'connect'
        ? `failed: ${page.text}.\n`
        : `connected.\nHTTP request sent, awaiting response... ${page.text}.\n`,
    )
    return page.code
  }
  const { status, reason } = statusLine(page.start) ?? { status: 0, reason: '' }
  say(`connected.\nHTTP request sent, awaiting response... ${status} ${reason}\n`)
  if (has(fetch.found, 'S'))
    say(`  ${page.start}\n${page.headers.map(([name, value]) => `  ${name}: ${value}\n`).join('')}`)
  if (status >= 400) {
    say(
      fetch.spider
        ? 'Remote file does not exist -- broken link!!!\n\n'
        : `${stamp(self)} ERROR ${status}: ${reason}.\n\n`,
    )
    return 8
  }
  const type = header(page, 'content-type')?.split(';')[0] ?? ''
  const size = header(page, 'content-length') ?? 'unspecified'
  say(`Length: ${size}${type === '' ? '' : ` [${type}]`}\n`)
  if (fetch.spider) {
    say('Remote file exists.\n\n')
    return 0
  }
  const shown = fetch.file ?? 'STDOUT'
  say(fetch.file === null ? 'Saving to: ‘STDOUT’\n\n' : `Saving to: ‘${shown}’\n\n`)
  store(fetch, page)
  say(
    `${stamp(self)} (0 B/s) - ${fetch.file === null ? 'written to stdout' : `‘${shown}’ saved`} [${page.body.length}/${size}]\n\n`,
  )
  return 0
}

export const busyboxWget: Program = async (self) => {
  const fetch = begin(self, 'busybox')
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

function begin(self: Process, style: '1.21' | 'busybox'): Fetch | Failed {
  const found = getopt(self.args.slice(1), 'qO:T:t:ScP:U:', LONG)
  if (found.problem !== null) return { text: `podwire: wget ${found.problem.option} is not modelled\n`, code: 2 }
  for (const option of ['c', 'P', 'U']) {
    if (has(found, option)) return { text: `podwire: wget -${option} is not modelled\n`, code: 2 }
  }
  const typed = found.rest[0]
  if (typed === undefined) {
    const usage = "Usage: wget [OPTION]... [URL]...\n\nTry `wget --help' for more options.\n"
    return style === 'busybox'
      ? { text: 'BusyBox v1.36.1 multi-call binary.\n\nUsage: wget [OPTIONS] URL...\n', code: 1 }
      : { text: `wget: missing URL\n${usage}`, code: 1 }
  }
  if (/^https:/i.test(typed))
    return { text: 'podwire: TLS is not modelled: use http://\n', code: style === 'busybox' ? 1 : 5 }
  const url = parseHttpUrl(typed)
  if (url === null) return { text: `wget: not an http or ftp url: ${typed}\n`, code: 1 }
  const output = valueOf(found, 'O')
  const name = /([^/?]+)(?:\?.*)?$/.exec(url.target)?.[1] ?? 'index.html'
  return {
    self,
    found,
    url,
    text: `http://${url.authority}${url.target}`,
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

function stamp(self: Process): string {
  return new Date(self.runner.wallClock).toISOString().slice(0, 19).replace('T', ' ')
}

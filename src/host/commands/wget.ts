/** GNU wget 1.21.3, as Debian has it: one line per step, a second try when the first came to nothing, dots for what came. */
import { MICROSECOND, type Nanos, SECOND } from '../../sim/scheduler.ts'
import { formatIpv4, type Ipv4, tryParseIpv4 } from '../../wire/address.ts'
import { exists } from '../files.ts'
import { has, type Options, valueOf } from '../getopt.ts'
import {
  closesAfter,
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
import { type WgetOptions, wgetOptions } from './wget-options.ts'
import { decimal, dots, humanSize, rate } from './wget-progress.ts'

/** What reading a page out of the socket takes at least. */
const READING: Nanos = 5 * MICROSECOND
/** Of --waitretry: a second more before each try, ten at most. */
const LONGEST_PAUSE = 10

/** What a try came to: the page, a reason to try again, or the end, with wget's exit code. */
type Outcome =
  | { readonly kind: 'page'; readonly page: HttpMessage; readonly took: Nanos }
  | { readonly kind: 'again' }
  | { readonly kind: 'over'; readonly code: number }

export const wget: Program = async (self) => {
  const options = wgetOptions(self)
  if (typeof options === 'number') return options
  const began = self.now()
  const download = new Download(self, options)
  let code = 0
  for (const text of options.urls) code = (await download.url(text)) || code
  if (options.urls.length > 1 && download.bytes > 0 && options.level !== 'quiet') {
    const seconds = download.took / SECOND
    self.err(`FINISHED --${stamp(self)}--\nTotal wall clock time: ${decimal((self.now() - began) / SECOND)}s\n`)
    self.err(`Downloaded: ${download.files} files, ${humanSize(download.bytes)} in ${decimal(seconds)}s `)
    self.err(`(${rate(download.bytes, seconds)})\n`)
  }
  return code
}

class Download {
  files = 0
  bytes = 0
  took: Nanos = 0
  readonly #self: Process
  readonly #options: WgetOptions
  readonly #found: Options
  /** Kept for the next request. */
  #stream: TcpStream | null = null
  #streamTo = ''

  constructor(self: Process, options: WgetOptions) {
    this.#self = self
    this.#options = options
    this.#found = options.found
  }

  /** Of all that is said at length. */
  #say(text: string): void {
    if (this.#options.level === 'verbose') this.#self.err(text)
  }

  /** What -nv says too. */
  #tell(text: string): void {
    if (this.#options.level !== 'quiet') this.#self.err(text)
  }

  async url(typed: string): Promise<number> {
    let url = this.#parse(typed)
    if (typeof url === 'number') return url
    if (this.#options.spider) this.#say('Spider mode enabled. Check if remote file exists.\n')
    const name = this.#fileOf(url)
    for (let redirects = 0; ; redirects++) {
      const outcome = await this.#tries(url)
      if (outcome.kind !== 'page') return outcome.kind === 'over' ? outcome.code : 4
      const { page, took } = outcome
      const { status, reason } = statusLine(page.start) ?? { status: 0, reason: '' }
      const location = status >= 300 && status < 400 ? header(page, 'location') : null
      if (location === null) return this.#finish(url, name, page, status, reason, took)
      this.#say(`Location: ${location} [following]\n`)
      if (redirects >= this.#options.redirects) {
        this.#tell(`${this.#options.redirects} redirections exceeded.\n`)
        return 8
      }
      const next = location.startsWith('/') ? `http://${url.authority}${location}` : location
      url = this.#parse(next)
      if (typeof url === 'number') return url
    }
  }

  #parse(text: string): HttpUrl | number {
    const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1].toLowerCase()
    if (scheme === 'https' || scheme === 'ftp') {
      this.#self.err(
        scheme === 'https' ? 'podwire: TLS is not modelled: use http://\n' : 'podwire: FTP is not modelled\n',
      )
      return 5
    }
    const url = scheme === undefined || scheme === 'http' ? parseHttpUrl(text) : null
    if (url !== null) return url
    const why = scheme === undefined || scheme === 'http' ? 'Invalid host name.' : `Unsupported scheme ‘${scheme}’.`
    this.#self.err(`${text}: ${why}\n`)
    return 1
  }

  async #tries(url: HttpUrl): Promise<Outcome> {
    const { tries } = this.#options
    for (let count = 1; ; count++) {
      const which = count === 1 ? '' : `(try:${String(count).padStart(2)})  `
      this.#say(`--${stamp(this.#self)}--  ${which}http://${url.authority}${url.target}\n`)
      const outcome = await this.#try(url)
      if (outcome.kind !== 'again') return outcome
      if (count === tries) {
        this.#say('Giving up.\n\n')
        return { kind: 'over', code: 4 }
      }
      this.#say('Retrying.\n\n')
      await this.#self.sleep(Math.min(count, LONGEST_PAUSE) * SECOND)
    }
  }

  async #try(url: HttpUrl): Promise<Outcome> {
    const failed = await this.#connect(url)
    if (failed !== null) return failed
    const stream = this.#stream as TcpStream
    this.#say('HTTP request sent, awaiting response... ')
    try {
      await stream.write(this.#request(url))
      const answer = await this.#answer(stream)
      if (answer === null) {
        this.#drop()
        this.#say('No data received.\n')
        return { kind: 'again' }
      }
      if (closesAfter(answer.page)) this.#drop()
      return { kind: 'page', ...answer }
    } catch (error) {
      this.#drop()
      if (!(error instanceof SocketError || error instanceof TimedOut)) throw error
      const why = error instanceof TimedOut ? 'Connection timed out' : error.message
      this.#say(`Read error (${why}) in headers.\n`)
      return { kind: 'again' }
    }
  }

  /** Null when there is a connection. */
  async #connect(url: HttpUrl): Promise<Outcome | null> {
    const self = this.#self
    const to = `${url.host}:${url.port}`
    if (this.#stream !== null && this.#streamTo === to) {
      this.#say(`Reusing existing connection to ${to}.\n`)
      return null
    }
    this.#drop()
    const literal = tryParseIpv4(url.host)
    if (literal === null) this.#say(`Resolving ${url.host} (${url.host})... `)
    const found = await resolve(self, url.host)
    if ('error' in found) {
      this.#say(`failed: ${found.message}.\n`)
      this.#tell(`wget: unable to resolve host address ‘${url.host}’\n`)
      return { kind: 'over', code: 4 }
    }
    if (literal === null) this.#say(`${found.addresses.map(formatIpv4).join(', ')}\n`)
    const address: Ipv4 = found.addresses[0]
    const where = literal === null ? `${url.host} (${url.host})|${formatIpv4(address)}|` : formatIpv4(address)
    this.#say(`Connecting to ${where}:${url.port}... `)
    try {
      this.#stream = await TcpStream.connect(self, address, url.port, this.#options.timeout)
      this.#streamTo = to
      this.#stream.timeout = this.#options.timeout
      this.#say('connected.\n')
      return null
    } catch (error) {
      if (!(error instanceof SocketError || error instanceof TimedOut)) throw error
      const lost = error instanceof TimedOut || error.errno === 'ETIMEDOUT'
      this.#tell(`failed: ${lost ? 'Connection timed out' : error.message}.\n`)
      return lost ? { kind: 'again' } : { kind: 'over', code: 4 }
    }
  }

  #request(url: HttpUrl): Uint8Array {
    const found = this.#found
    const data = valueOf(found, 'post-data')
    const body = data === null ? undefined : encodeText(data)
    const headers: Header[] = [
      ['Host', url.authority],
      ['User-Agent', valueOf(found, 'U') ?? 'Wget/1.21.3'],
      ['Accept', '*/*'],
      ['Accept-Encoding', 'identity'],
      ['Connection', 'Keep-Alive'],
    ]
    for (const [option, text] of found.options) {
      const colon = text.indexOf(':')
      if (option === 'header' && colon > 0) headers.push([text.slice(0, colon), text.slice(colon + 1).trim()])
    }
    if (body !== undefined) {
      headers.push(['Content-Type', 'application/x-www-form-urlencoded'], ['Content-Length', String(body.length)])
    }
    const method = body !== undefined ? 'POST' : this.#options.spider ? 'HEAD' : 'GET'
    return formatMessage(`${method} ${url.target} HTTP/1.1`, headers, body)
  }

  /** Null at an end without a beginning. */
  async #answer(stream: TcpStream): Promise<{ page: HttpMessage; took: Nanos } | null> {
    const reader = new HttpReader('response', this.#options.spider)
    let headAt = -1
    for (;;) {
      const bytes = await stream.read()
      if (bytes === null) reader.finish()
      else reader.push(bytes)
      if (headAt < 0 && reader.head !== null) {
        headAt = this.#self.now()
        const { status, reason } = statusLine(reader.head.start) ?? { status: 0, reason: '' }
        if (!has(this.#found, 'S')) this.#say(`${status} ${reason}\n`)
        else {
          this.#say('\n')
          const lines = [reader.head.start, ...reader.head.headers.map(([name, value]) => `${name}: ${value}`)]
          this.#self.err(lines.map((line) => `  ${line}\n`).join(''))
        }
      }
      const page = reader.take()
      if (page !== null) return { page, took: this.#self.now() - headAt + READING }
      if (bytes === null || reader.malformed) return null
    }
  }

  #finish(url: HttpUrl, name: string | null, page: HttpMessage, status: number, reason: string, took: Nanos): number {
    const { spider, level } = this.#options
    const shown = `http://${url.authority}${url.target}`
    if (status >= 400) {
      if (spider) this.#say('Remote file does not exist -- broken link!!!\n\n')
      else {
        if (level === 'brief') this.#tell(`${shown}:\n`)
        this.#tell(`${stamp(this.#self)} ERROR ${status}: ${reason}.\n`)
        this.#say('\n')
      }
      return 8
    }
    const type = header(page, 'content-type')?.split(';')[0] ?? ''
    const length = header(page, 'content-length')
    const human = Number(length ?? 0) >= 1024 ? ` (${humanSize(Number(length))})` : ''
    this.#say(`Length: ${length ?? 'unspecified'}${human}${type === '' ? '' : ` [${type}]`}\n`)
    if (spider) {
      if (level === 'brief') this.#tell(`${stamp(this.#self)} URL: ${shown} ${status} ${reason}\n`)
      const more = ' and could contain further links,\nbut recursion is disabled -- not retrieving'
      this.#say(`Remote file exists${type === 'text/html' ? more : ''}.\n\n`)
      return 0
    }
    const size = page.body.length
    const seconds = took / SECOND
    this.#say(`Saving to: ‘${name ?? 'STDOUT'}’\n\n`)
    this.#store(name, decodeText(page.body))
    this.#say(dots(size, length === null ? null : Number(length), seconds))
    const counted = length === null ? `[${size}]` : `[${size}/${length}]`
    const stored = name === null ? 'written to stdout' : `‘${name}’ saved`
    this.#say(`\n\n${stamp(this.#self)} (${rate(size, seconds)}) - ${stored} ${counted}\n\n`)
    if (level === 'brief') this.#tell(`${stamp(this.#self)} URL:${shown} ${counted} -> "${name ?? '-'}" [1]\n`)
    this.files++
    this.bytes += size
    this.took += took
    return 0
  }

  /** Null: standard output. A name of its own for what is there already. */
  #fileOf(url: HttpUrl): string | null {
    const output = valueOf(this.#found, 'O')
    if (output !== null) return output === '-' ? null : output
    const folder = valueOf(this.#found, 'P')
    const last = /([^/?]+)(?:\?.*)?$/.exec(url.target)?.[1] ?? 'index.html'
    const name = folder === null ? last : `${folder.replace(/\/$/, '')}/${last}`
    let free = name
    for (let n = 1; exists(this.#self.place, joinPath(this.#self.cwd, free)); n++) free = `${name}.${n}`
    return free
  }

  #store(name: string | null, text: string): void {
    const { place, cwd } = this.#self
    if (name === null) this.#self.out(text)
    else if (name !== '/dev/null') {
      const path = joinPath(cwd, name)
      // -O gathers all pages in one file.
      const before = this.files > 0 && valueOf(this.#found, 'O') !== null ? (place.files.get(path) ?? '') : ''
      place.files.set(path, before + text)
    }
  }

  #drop(): void {
    this.#stream?.close()
    this.#stream = null
  }
}

function stamp(self: Process): string {
  return new Date(self.runner.wallClock).toISOString().slice(0, 19).replace('T', ' ')
}

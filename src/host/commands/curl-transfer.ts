/** One transfer of curl: one URL, redirects included. What `-v` tells is told here, word for word. */
import { MICROSECOND, MILLISECOND, type Nanos } from '../../sim/scheduler.ts'
import type { TcpSocket } from '../../socket/tcp/socket.ts'
import { formatIpv4, type Ipv4, tryParseIpv4 } from '../../wire/address.ts'
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
import type { HttpUrl } from '../http-client.ts'
import type { Process } from '../process.ts'
import { resolve } from '../resolver.ts'
import { joinPath } from '../shell-builtins.ts'
import { SocketError, TcpStream, TimedOut } from '../streams.ts'
import { bindLocal } from './curl-local.ts'
import type { CurlOptions } from './curl-options.ts'
import { absolute, CurlFailure, requestHeaders, urlOf } from './curl-request.ts'

/** The resolver runs in a thread of its own, which has to be started. */
const THREAD: Nanos = 50 * MICROSECOND

/** What -w can print; times in nanoseconds since the transfer began. */
export interface TransferFacts {
  url: string
  status: number
  address: string
  port: number
  localAddress: string
  localPort: number
  size: number
  contentType: string
  redirects: number
  connects: number
  method: string
  /** Of the last answer. */
  version: string
  readonly headers: Header[]
  /** Of all heads. */
  headerSize: number
  lookedUp: Nanos
  connected: Nanos
  firstByte: Nanos
  total: Nanos
}

export class CurlTransfer {
  readonly facts: TransferFacts = {
    url: '',
    status: 0,
    address: '',
    port: 0,
    localAddress: '',
    localPort: 0,
    size: 0,
    contentType: '',
    redirects: 0,
    connects: 0,
    method: 'GET',
    version: '0',
    headers: [],
    headerSize: 0,
    lookedUp: 0,
    connected: 0,
    firstByte: 0,
    total: 0,
  }
  readonly #self: Process
  readonly #options: CurlOptions
  readonly #output: (text: string) => void
  #began: Nanos = 0
  /** -m's end. */
  #deadline: Nanos = Number.POSITIVE_INFINITY
  #stream: TcpStream | null = null
  #streamTo = ''
  #connection = -1

  constructor(self: Process, options: CurlOptions, output: (text: string) => void) {
    this.#self = self
    this.#options = options
    this.#output = output
  }

  /** @throws CurlFailure */
  async run(text: string): Promise<void> {
    this.#began = this.#self.now()
    const { maxTime } = this.#options
    if (maxTime !== null && maxTime > 0) this.#deadline = this.#began + maxTime * MILLISECOND
    this.facts.url = text
    try {
      await this.#follow(text)
    } finally {
      this.facts.total = this.#self.now() - this.#began
      this.#stream?.close()
    }
  }

  async #follow(text: string): Promise<void> {
    let url = urlOf(text)
    let { method, data } = this.#options
    for (;;) {
      const answer = await this.#ask(url, method, data)
      const location = header(answer, 'location')
      if (!this.#options.follow || location === null || this.facts.status < 300 || this.facts.status > 399) return
      const { maxRedirects } = this.#options
      if (this.facts.redirects >= maxRedirects) {
        this.#tell(`Maximum (${maxRedirects}) redirects followed`)
        throw new CurlFailure(47, `Maximum (${maxRedirects}) redirects followed`)
      }
      this.facts.redirects++
      const next = absolute(url, location)
      this.#tell(`Issue another request to this URL: '${next}'`)
      this.facts.url = next
      url = urlOf(next)
      if (this.facts.status <= 303 && data !== null) {
        method = null
        data = null
      }
    }
  }

  async #ask(url: HttpUrl, method: string | null, data: string | null): Promise<HttpMessage> {
    const stream = await this.#connected(url)
    const verb = method ?? (this.#options.head ? 'HEAD' : data === null ? 'GET' : 'POST')
    const body = data === null ? new Uint8Array(0) : encodeText(data)
    const headers = requestHeaders(url, this.#options, data === null ? null : body.length)
    const start = `${verb} ${url.target} HTTP/${this.#options.version}`
    this.facts.method = verb
    if (this.#options.user !== null)
      this.#tell(`Server auth using Basic with user '${this.#options.user.split(':')[0]}'`)
    if (this.#options.verbose) {
      const lines = [start, ...headers.map(([name, value]) => `${name}: ${value}`), '']
      for (const line of lines) this.#self.err(`> ${line}\n`)
      if (body.length > 0) this.#self.err(`} [${body.length} bytes data]\n`)
    }
    const reader = new HttpReader('response', verb === 'HEAD')
    try {
      await this.#timed(() => stream.write(formatMessage(start, headers, body)), reader)
      return await this.#answer(stream, reader)
    } catch (error) {
      if (error instanceof SocketError) throw this.#failed(56, `Recv failure: ${error.message}`)
      throw error
    }
  }

  async #answer(stream: TcpStream, reader: HttpReader): Promise<HttpMessage> {
    let headTold = false
    let dataTold = false
    for (;;) {
      const before = reader.received
      const bytes = await this.#timed(() => stream.read(), reader)
      if (this.facts.firstByte === 0) this.facts.firstByte = this.#self.now() - this.#began
      if (bytes === null) {
        if (reader.idle) throw this.#failed(52, 'Empty reply from server')
        reader.finish()
      } else reader.push(bytes)
      if (reader.malformed) {
        if (!headTold) throw this.#failed(1, 'Received HTTP/0.9 when not allowed')
        throw this.#failed(18, this.#unfinished(reader))
      }
      const { head } = reader
      if (head !== null && !headTold) {
        headTold = true
        this.#tellHead(head.start, head.headers)
      }
      const news = reader.received - before
      if (news > 0 && !dataTold) {
        dataTold = true
        if (this.#options.verbose) this.#self.err(`{ [${news} bytes data]\n`)
      }
      const answer = reader.take()
      if (answer === null) continue
      this.facts.size = answer.body.length
      this.#finish(answer)
      return answer
    }
  }

  #tellHead(start: string, headers: readonly Header[]): void {
    const status = statusLine(start)?.status ?? 0
    this.facts.status = status
    this.facts.contentType = header({ headers }, 'content-type') ?? ''
    const lines = [start, ...headers.map(([name, value]) => `${name}: ${value}`), '']
    const failing = this.#options.fail && status >= 400
    if (this.#options.verbose) {
      for (const line of failing ? lines.slice(0, -1) : lines) this.#self.err(`< ${line}\n`)
    }
    const { headersTo } = this.#options
    const text = lines.map((line) => `${line}\r\n`).join('')
    this.facts.headers.splice(0, Number.POSITIVE_INFINITY, ...headers)
    this.facts.version = /^HTTP\/(\S+)/.exec(start)?.[1] ?? '0'
    this.facts.headerSize += text.length
    if (headersTo === '-') this.#output(text)
    else if (headersTo !== null) this.#dumped(headersTo, text)
    // What follows is not read any more.
    if (failing) throw this.#failed(22, `The requested URL returned error: ${status}`)
    if (this.#options.include) this.#output(text)
  }

  /** Appended: each answer of a transfer has a head. */
  #dumped(name: string, text: string): void {
    const path = joinPath(this.#self.cwd, name)
    const { files } = this.#self.place
    files.set(path, (this.facts.headerSize === text.length ? '' : (files.get(path) ?? '')) + text)
  }

  #finish(answer: HttpMessage): void {
    const redirected = this.#options.follow && header(answer, 'location') !== null && this.facts.status < 400
    if (!redirected) this.#output(decodeText(answer.body))
    if (closesAfter(answer)) this.#close()
    else this.#tell(`Connection #${this.#connection} to host ${this.#streamTo.replace(/:\d+$/, '')} left intact`)
    if (this.#options.failWithBody && this.facts.status >= 400) {
      throw new CurlFailure(22, `The requested URL returned error: ${this.facts.status}`)
    }
  }

  /** Of a body that ended early. */
  #unfinished(reader: HttpReader): string {
    const { announced } = reader
    if (announced === null) return 'transfer closed with outstanding read data remaining'
    return `transfer closed with ${announced - reader.received} bytes remaining to read`
  }

  async #connected(url: HttpUrl): Promise<TcpStream> {
    const to = `${url.host}:${url.port}`
    if (this.#stream !== null && this.#streamTo === to) {
      this.#tell(`Re-using existing connection #${this.#connection} with host ${url.host}`)
      return this.#stream
    }
    this.#connection++
    const address = await this.#lookUp(url)
    this.facts.lookedUp = this.#self.now() - this.#began
    this.facts.address = formatIpv4(address)
    this.facts.port = url.port
    const stream = await this.#connect(url, address)
    this.#stream = stream
    this.#streamTo = to
    this.facts.connects++
    this.facts.connected = this.#self.now() - this.#began
    this.facts.localAddress = formatIpv4(stream.socket.localAddress)
    this.facts.localPort = stream.socket.localPort
    this.#tell(`Connected to ${url.host} (${formatIpv4(address)}) port ${url.port} (#${this.#connection})`)
    return stream
  }

  async #lookUp(url: HttpUrl): Promise<Ipv4> {
    const given = this.#options.resolve.get(`${url.host}:${url.port}`)
    if (given !== undefined) this.#tell(`Hostname ${url.host} was found in DNS cache`)
    const pinned = tryParseIpv4(given ?? url.host)
    if (pinned !== null) return pinned
    // It waits on the resolver's thread by a condition variable, not in its own loop: no millisecond more.
    const connectEnd = this.#connectDeadline() - MILLISECOND
    // The resolver thread goes on when curl gives up on it; here it is cut off with the process.
    const thread = this.#self.sleep(THREAD).then(() => resolve(this.#self, url.host))
    const found = await this.#within(thread, connectEnd)
    if (found === null) throw this.#failed(28, `Resolving timed out after ${this.#elapsed()} milliseconds`)
    if ('error' in found) throw this.#failed(6, `Could not resolve host: ${url.host}`)
    return found.addresses[0]
  }

  async #connect(url: HttpUrl, address: Ipv4): Promise<TcpStream> {
    this.#tell(`  Trying ${formatIpv4(address)}:${url.port}...`)
    const left = this.#connectDeadline() - this.#self.now()
    const began = this.#self.now()
    try {
      const stream = new TcpStream(this.#self, this.#bound(url, address))
      stream.timeout = Number.isFinite(left) ? left : null
      this.#stream = stream
      await stream.connect(address, url.port)
      return stream
    } catch (error) {
      if (error instanceof TimedOut) throw this.#late(url, began)
      if (!(error instanceof SocketError)) throw error
      const sentence = error.message
      if (this.#self.now() === began && ['ENETUNREACH', 'EACCES', 'EPERM', 'EADDRNOTAVAIL'].includes(error.errno)) {
        this.#tell(`Immediate connect fail for ${formatIpv4(address)}: ${sentence}`)
      } else this.#tell(`connect to ${formatIpv4(address)} port ${url.port} failed: ${sentence}`)
      const after = Math.floor((this.#self.now() - this.#began) / MILLISECOND)
      const code = error.errno === 'ETIMEDOUT' ? 28 : 7
      throw this.#failed(
        code,
        `Failed to connect to ${url.host} port ${url.port} after ${after} ms: Couldn't connect to server`,
      )
    }
  }

  /** The socket, at the local end that was asked for. */
  #bound(url: HttpUrl, address: Ipv4): TcpSocket {
    const socket = this.#self.tcp()
    if (this.#options.interface === null && this.#options.localPorts === null) return socket
    const { told, failure } = bindLocal(this.#self, socket, this.#options, address)
    for (const line of told) this.#tell(line)
    if (failure === null) return socket
    const after = this.#elapsed()
    this.#tell(
      `Failed to connect to ${url.host} port ${url.port} after ${after} ms: Failed binding local connection end`,
    )
    this.#close()
    throw new CurlFailure(failure.startsWith('podwire:') ? 2 : 45, failure)
  }

  /** --connect-timeout ends this address, -m all. */
  #late(url: HttpUrl, began: Nanos): CurlFailure {
    const { connectTimeout } = this.#options
    const ownEnd = this.#began + (connectTimeout ?? 300_000) * MILLISECOND
    if (this.#deadline <= ownEnd) return this.#failed(28, `Connection timed out after ${this.#elapsed()} milliseconds`)
    this.#tell(`ipv4 connect timeout after ${Math.round((ownEnd - began) / MILLISECOND)}ms, move on!`)
    const after = this.#elapsed()
    return this.#failed(28, `Failed to connect to ${url.host} port ${url.port} after ${after} ms: Timeout was reached`)
  }

  /** curl looks at its clock a millisecond after the time is over. */
  #connectDeadline(): Nanos {
    const { connectTimeout } = this.#options
    const own = connectTimeout === null ? 300_000 : connectTimeout
    return Math.min(this.#deadline, this.#began + own * MILLISECOND) + MILLISECOND
  }

  async #timed<T>(act: () => Promise<T>, reader: HttpReader): Promise<T> {
    const stream = this.#stream
    if (stream !== null) {
      const left = this.#deadline + MILLISECOND - this.#self.now()
      stream.timeout = Number.isFinite(left) ? left : null
    }
    try {
      return await act()
    } catch (error) {
      if (!(error instanceof TimedOut)) throw error
      const { announced } = reader
      const of = announced === null || reader.head === null ? '' : ` out of ${announced}`
      const text = `Operation timed out after ${this.#elapsed()} milliseconds with ${reader.received}${of} bytes received`
      throw this.#failed(28, text)
    }
  }

  /** Null when the moment comes first. */
  async #within<T>(promise: Promise<T>, deadline: Nanos): Promise<T | null> {
    const outcome = await this.#self.wait<() => T>((settle) => {
      promise.then(
        (value) => settle(() => value),
        (error) =>
          settle(() => {
            throw error
          }),
      )
    }, deadline - this.#self.now())
    return outcome === null ? null : outcome()
  }

  #elapsed(): number {
    return Math.floor((this.#self.now() - this.#began) / MILLISECOND)
  }

  #failed(code: number, message: string): CurlFailure {
    this.#tell(message)
    this.#close()
    return new CurlFailure(code, message)
  }

  #close(): void {
    this.#tell(`Closing connection ${Math.max(0, this.#connection)}`)
    this.#stream?.close()
    this.#stream = null
  }

  #tell(text: string): void {
    if (this.#options.verbose) this.#self.err(`* ${text}\n`)
  }
}

/** curl's -w: %{variables}, %header{names} and escapes with a backslash. */
import { SECOND } from '../../sim/scheduler.ts'
import { header } from '../http.ts'
import type { Process } from '../process.ts'
import type { TransferFacts } from './curl-transfer.ts'

export interface Transferred {
  readonly facts: TransferFacts
  /** The exit code, and its sentence. */
  readonly code: number
  readonly message: string
  readonly url: string
  readonly index: number
  /** Where the body went; empty for standard output. */
  readonly file: string
}

/** What variables are known by, and their texts. */
function valuesOf({ facts, code, message, url, index, file }: Transferred): Readonly<Record<string, string>> {
  const seconds = (nanos: number) => (nanos / SECOND).toFixed(6)
  const status = String(facts.status).padStart(3, '0')
  const speed = facts.total === 0 ? 0 : Math.floor(facts.size / (facts.total / SECOND))
  return {
    http_code: status,
    response_code: status,
    http_connect: '000',
    http_version: facts.version === '1.0' ? '1' : facts.version,
    content_type: facts.contentType,
    local_ip: facts.localAddress,
    local_port: String(facts.localPort),
    remote_ip: facts.address,
    remote_port: String(facts.port),
    method: facts.method,
    scheme: facts.connects > 0 ? 'HTTP' : '',
    size_download: String(facts.size),
    size_header: String(facts.headerSize),
    size_upload: '0',
    speed_download: String(speed),
    speed_upload: '0',
    num_connects: String(facts.connects),
    num_headers: String(facts.headers.length),
    num_redirects: String(facts.redirects),
    redirect_url: redirectOf(facts),
    url,
    url_effective: facts.url,
    urlnum: String(index),
    exitcode: String(code),
    errormsg: message,
    filename_effective: file,
    ssl_verify_result: '0',
    time_namelookup: seconds(facts.lookedUp),
    time_connect: seconds(facts.connected),
    time_appconnect: '0.000000',
    time_pretransfer: seconds(facts.connected),
    time_redirect: '0.000000',
    time_starttransfer: seconds(facts.firstByte),
    time_total: seconds(facts.total),
  }
}

/** Where -L would go. */
function redirectOf(facts: TransferFacts): string {
  const location = facts.status >= 300 && facts.status < 400 ? header(facts, 'location') : null
  if (location === null || /^[a-z]+:\/\//i.test(location)) return location ?? ''
  const origin = /^(?:http:\/\/)?[^/]*/i.exec(facts.url)?.[0] ?? ''
  return `${origin}${location.startsWith('/') ? '' : '/'}${location}`
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' }
/** Of a real curl; this one has no word for them. */
const MISSING = ['json', 'header_json', 'size_request', 'certs', 'num_certs', 'proxy_ssl_verify_result', 'referer']

export function writeOut(self: Process, format: string, transferred: Transferred): void {
  const values = valuesOf(transferred)
  let say = (text: string) => self.out(text)
  const pattern = /%%|%\{([^}]*)\}|%header\{([^}]*)\}|\\([ntr])|[^%\\]+|./gs
  for (const [whole, name, head, escape] of format.matchAll(pattern)) {
    if (whole === '%%') say('%')
    else if (escape !== undefined) say(ESCAPES[escape])
    else if (head !== undefined) say(header(transferred.facts, head) ?? '')
    else if (name === undefined) say(whole)
    else if (name === 'stderr') say = (text) => self.err(text)
    else if (name === 'stdout') say = (text) => self.out(text)
    else if (name === 'onerror') {
      if (transferred.code === 0) return
    } else if (Object.hasOwn(values, name)) say(values[name])
    else if (MISSING.includes(name)) self.err(`podwire: curl -w %{${name}} is not modelled\n`)
    else self.err(`curl: unknown --write-out variable: '${name}'\n`)
  }
}

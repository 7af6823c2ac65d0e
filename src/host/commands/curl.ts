/** curl 7.88.1 for http:// URLs. As with the real one, what -v tells appears before what stdio kept for the end. */
import { SECOND } from '../../sim/scheduler.ts'
import type { Process, Program } from '../process.ts'
import { joinPath } from '../shell-builtins.ts'
import { type CurlOptions, curlOptions } from './curl-options.ts'
import { CurlFailure, CurlTransfer, type TransferFacts } from './curl-transfer.ts'

const VERSION = `curl 7.88.1 (x86_64-pc-linux-gnu) libcurl/7.88.1
Release-Date: 2023-02-20
Protocols: http
`

export const curl: Program = async (self) => {
  if (self.args.includes('-V') || self.args.includes('--version')) {
    self.out(VERSION)
    return 0
  }
  const options = curlOptions(self.args.slice(1))
  if ('code' in options) {
    self.err(options.text)
    return options.code
  }
  let code = 0
  for (let index = 0; index < options.urls.length; index++) {
    code = await fetchWithRetries(self, options, index)
  }
  return code
}

/** curl waits 1, 2, 4 … seconds between attempts. */
async function fetchWithRetries(self: Process, options: CurlOptions, index: number): Promise<number> {
  let pause = SECOND
  for (let left = options.retry; ; left--) {
    const code = await fetch(self, options, index)
    // Transient for curl: time-outs. Refused connections are not, without --retry-connrefused.
    if (left <= 0 || (code !== 28 && code !== 6)) return code
    if (!options.silent) {
      self.err(`Warning: Problem: timeout. Will retry in ${pause / SECOND} seconds. ${left} retries left.\n`)
    }
    await self.sleep(pause)
    pause *= 2
  }
}

async function fetch(self: Process, options: CurlOptions, index: number): Promise<number> {
  const url = options.urls[index]
  let text = ''
  const transfer = new CurlTransfer(self, options, (more) => {
    text += more
  })
  let code = 0
  try {
    await transfer.run(url)
  } catch (error) {
    if (!(error instanceof CurlFailure)) throw error
    code = error.code
    if (options.showError)
      self.err(error.message.startsWith('podwire:') ? `${error.message}\n` : `curl: (${code}) ${error.message}\n`)
  }
  const file = outputOf(options, index)
  if (file === null) self.out(text)
  else if (file !== '/dev/null' && (code === 0 || text !== '')) {
    self.place.files.set(joinPath(self.cwd, file), text)
  }
  if (options.writeOut !== null) self.out(writeOut(options.writeOut, transfer.facts))
  return code
}

function outputOf(options: CurlOptions, index: number): string | null {
  const named = options.outputs[index]
  if (named !== undefined) return named === '-' ? null : named
  if (!options.remoteName) return null
  return /([^/?#]+)(?:[?#].*)?$/.exec(options.urls[index].replace(/^http:\/\/[^/]*/i, ''))?.[1] ?? 'curl_response'
}

/** -w's %{variables} and \escapes; unknown variables are printed as nothing, as curl does after its warning. */
function writeOut(format: string, facts: TransferFacts): string {
  const seconds = (nanos: number) => (nanos / SECOND).toFixed(6)
  const values: Readonly<Record<string, string>> = {
    http_code: String(facts.status).padStart(3, '0'),
    response_code: String(facts.status).padStart(3, '0'),
    content_type: facts.contentType,
    local_ip: facts.localAddress,
    local_port: String(facts.localPort),
    remote_ip: facts.address,
    remote_port: String(facts.port),
    size_download: String(facts.size),
    num_connects: String(facts.connects),
    num_redirects: String(facts.redirects),
    url_effective: facts.url,
    time_namelookup: seconds(facts.lookedUp),
    time_connect: seconds(facts.connected),
    time_pretransfer: seconds(facts.connected),
    time_starttransfer: seconds(facts.firstByte),
    time_total: seconds(facts.total),
  }
  return format
    .replace(/%\{(\w+)\}/g, (_, name: string) => values[name] ?? '')
    .replaceAll('%%', '%')
    .replaceAll('\\n', '\n')
    .replaceAll('\\t', '\t')
    .replaceAll('\\r', '\r')
}

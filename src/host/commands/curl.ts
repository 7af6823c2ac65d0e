/** curl 7.88.1 for http:// URLs. As with the real one, what -v tells appears before what stdio kept for the end. */
import { SECOND } from '../../sim/scheduler.ts'
import type { Process, Program } from '../process.ts'
import { joinPath } from '../shell-builtins.ts'
import { type CurlOptions, curlOptions } from './curl-options.ts'
import { CurlFailure } from './curl-request.ts'
import { CurlTransfer } from './curl-transfer.ts'
import { writeOut } from './curl-write-out.ts'

/** Columns behind `Warning: `, of 79 with the line's end. */
const WARNING = 69

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
    const refused = code === 7 && options.retryRefused
    if (left <= 0 || (code !== 28 && code !== 6 && !refused)) return code
    if (!options.silent) {
      const why = refused ? 'connection refused' : 'timeout'
      self.err(warning(`Problem : ${why}. Will retry in ${pause / SECOND} seconds. ${left} retries left.`))
    }
    await self.sleep(pause)
    pause *= 2
  }
}

async function fetch(self: Process, options: CurlOptions, index: number): Promise<number> {
  const url = options.urls[index]
  let text = ''
  if (options.remoteName && options.outputs[index] === undefined && remoteName(url) === null) {
    self.err('curl: Remote file name has no length!\ncurl: (23) Failed writing received data to disk/application\n')
    return 23
  }
  const transfer = new CurlTransfer(self, options, (more) => {
    text += more
  })
  let code = 0
  let message = ''
  if (options.verbose) {
    for (const [host, address] of options.resolve) self.err(`* Added ${host}:${address} to DNS cache\n`)
  }
  try {
    await transfer.run(url)
  } catch (error) {
    if (!(error instanceof CurlFailure)) throw error
    code = error.code
    message = error.message
    if (options.showError)
      self.err(error.message.startsWith('podwire:') ? `${error.message}\n` : `curl: (${code}) ${error.message}\n`)
  }
  const file = outputOf(options, index)
  if (file === null) self.out(text)
  else if (file !== '/dev/null' && (code === 0 || text !== '')) {
    self.place.files.set(joinPath(self.cwd, file), text)
  }
  if (options.writeOut !== null) {
    writeOut(self, options.writeOut, { facts: transfer.facts, code, message, url, index, file: file ?? '' })
  }
  return code
}

function outputOf(options: CurlOptions, index: number): string | null {
  const named = options.outputs[index]
  if (named !== undefined) return named === '-' ? null : named
  if (!options.remoteName) return null
  return remoteName(options.urls[index])
}

/** What stands behind the URL's last slash; null when nothing does. */
function remoteName(url: string): string | null {
  return /([^/?#]+)(?:[?#].*)?$/.exec(url.replace(/^http:\/\/[^/]*/i, ''))?.[1] ?? null
}

/** Lines of at most 79 columns, broken behind a blank. */
function warning(text: string): string {
  let lines = ''
  let rest = text
  while (rest.length > WARNING) {
    const cut = rest.lastIndexOf(' ', WARNING)
    const end = cut > 0 ? cut + 1 : WARNING
    lines += `Warning: ${rest.slice(0, end)}\n`
    rest = rest.slice(end)
  }
  return `${lines}Warning: ${rest}\n`
}

/** curl's command line (7.88.1): the options that people type at a web server in a lab. */
import { getopt, type Options } from '../getopt.ts'
import type { Header } from '../http.ts'

export interface CurlOptions {
  readonly urls: readonly string[]
  readonly silent: boolean
  readonly showError: boolean
  readonly verbose: boolean
  /** Headers into the output: -i; only they: -I. */
  readonly include: boolean
  readonly head: boolean
  readonly follow: boolean
  /** Fail on 400 and above. */
  readonly fail: boolean
  readonly method: string | null
  readonly data: string | null
  readonly headers: readonly Header[]
  readonly agent: string
  /** One per URL; null is standard output. */
  readonly outputs: readonly string[]
  readonly remoteName: boolean
  readonly writeOut: string | null
  /** Milliseconds. */
  readonly maxTime: number | null
  readonly connectTimeout: number | null
  /** HOST:PORT:ADDRESS, host:port to address. */
  readonly resolve: ReadonlyMap<string, string>
  readonly user: string | null
  readonly retry: number
  readonly retryRefused: boolean
  /** Fail on 400 and above, with the body. */
  readonly failWithBody: boolean
  /** A device or an address to start from. */
  readonly interface: string | null
  /** The first and the last port to start from. */
  readonly localPorts: readonly [number, number] | null
  readonly referer: string | null
  /** -D: where headers go, `-` for standard output. */
  readonly headersTo: string | null
  readonly version: '1.0' | '1.1'
  readonly maxRedirects: number
}

const LONG: Readonly<Record<string, string>> = {
  silent: 's',
  'show-error': 'S',
  verbose: 'v',
  include: 'i',
  head: 'I',
  location: 'L',
  fail: 'f',
  insecure: 'k',
  globoff: 'g',
  // No .curlrc is read here in any case.
  disable: 'q',
  'no-buffer': 'N',
  ipv4: '4',
  request: 'X:',
  data: 'd:',
  'data-raw': 'd:',
  'data-binary': 'd:',
  header: 'H:',
  'user-agent': 'A:',
  output: 'o:',
  'remote-name': 'O',
  'write-out': 'w:',
  'max-time': 'm:',
  'connect-timeout': 'connect-timeout:',
  resolve: 'resolve:',
  url: 'url:',
  user: 'u:',
  http1_1: 'http1.1',
  'http1.1': 'http1.1',
  'http1.0': '0',
  retry: 'retry:',
  'retry-connrefused': 'retry-connrefused',
  'fail-with-body': 'fail-with-body',
  interface: 'interface:',
  'local-port': 'local-port:',
  referer: 'e:',
  'dump-header': 'D:',
  get: 'G',
  'max-redirs': 'max-redirs:',
  noproxy: 'noproxy:',
  'no-progress-meter': 'S',
  version: 'V',
}

/** A sentence for standard error and an exit code when they are wrong. */
export type CurlProblem = { readonly text: string; readonly code: number }

const HINT = "curl: try 'curl --help' or 'curl --manual' for more information\n"

export function curlOptions(args: readonly string[]): CurlOptions | CurlProblem {
  const found = getopt(args, 'sSviILfkgqN40GX:d:H:A:o:Ow:m:u:Ve:D:', LONG)
  if (found.problem !== null) {
    const { kind, option } = found.problem
    // A real curl knows two hundred more: which of them this is cannot be told from a mistake.
    if (kind === 'unknown') return { text: `podwire: curl ${option} is not modelled\n`, code: 2 }
    return { text: `curl: option ${option}: requires parameter\n${HINT}`, code: 2 }
  }
  const seconds = (name: string) => {
    const text = last(found, name)
    return text === null ? null : Math.round(Number(text) * 1000)
  }
  for (const name of ['m', 'connect-timeout', 'retry', 'max-redirs']) {
    const text = last(found, name)
    if (text === null || (text !== '' && Number(text) >= 0)) continue
    const option = name === 'm' ? '-m' : `--${name}`
    return { text: `curl: option ${option}: expected a proper numerical parameter\n${HINT}`, code: 2 }
  }
  const typed = [...all(found, 'url'), ...found.rest]
  if (args.length === 0) return { text: HINT, code: 2 }
  if (typed.length === 0) return { text: `curl: no URL specified!\n${HINT}`, code: 2 }
  const flag = (name: string) => found.options.some(([option]) => option === name)
  const data = all(found, 'd')
  // -G: what is sent goes behind the URL's question mark.
  const query = flag('G') && data.length > 0 ? data.join('&') : null
  const urls = query === null ? typed : typed.map((url) => `${url}${url.includes('?') ? '&' : '?'}${query}`)
  const ports = /^(\d+)(?:-(\d+))?/.exec(last(found, 'local-port') ?? '')
  return {
    urls,
    silent: flag('s'),
    showError: flag('S') || !flag('s'),
    verbose: flag('v'),
    include: flag('i') || flag('I'),
    head: flag('I'),
    follow: flag('L'),
    fail: flag('f'),
    method: last(found, 'X'),
    data: data.length === 0 || flag('G') ? null : data.join('&'),
    headers: all(found, 'H').flatMap(headerOf),
    agent: last(found, 'A') ?? 'curl/7.88.1',
    outputs: all(found, 'o'),
    remoteName: flag('O'),
    writeOut: last(found, 'w'),
    maxTime: seconds('m'),
    connectTimeout: seconds('connect-timeout'),
    resolve: new Map(all(found, 'resolve').flatMap(resolveOf)),
    user: last(found, 'u'),
    retry: Number(last(found, 'retry') ?? 0),
    retryRefused: flag('retry-connrefused'),
    failWithBody: flag('fail-with-body'),
    interface: last(found, 'interface'),
    localPorts: ports === null || Number(ports[1]) === 0 ? null : [Number(ports[1]), Number(ports[2] ?? ports[1])],
    referer: last(found, 'e'),
    headersTo: last(found, 'D'),
    version: flag('0') ? '1.0' : '1.1',
    maxRedirects: Number(last(found, 'max-redirs') ?? 50),
  }
}

function all(found: Options, name: string): string[] {
  return found.options.flatMap(([option, value]) => (option === name ? [value] : []))
}

function last(found: Options, name: string): string | null {
  return all(found, name).at(-1) ?? null
}

/** `Name: value`; `Name:` removes a header of curl's own. */
function headerOf(text: string): Header[] {
  const colon = text.indexOf(':')
  return colon < 1 ? [] : [[text.slice(0, colon), text.slice(colon + 1).trim()]]
}

function resolveOf(text: string): (readonly [string, string])[] {
  const found = /^\+?([^:]+:\d+):([0-9.]+)/.exec(text)
  return found === null ? [] : [[found[1], found[2]]]
}

/**
 * What the images of chapters 2 and 3 of "Learn Kubernetes in a Month of Lunches" do, seen from the network. Their
 * pages here are podwire's own text. The real web application's forms carry an anti-forgery token; these do not.
 */
import { SECOND } from '../../sim/scheduler.ts'
import { decodeText, type Header } from '../http.ts'
import { exchange, HttpFailure, type HttpUrl, parseHttpUrl } from '../http-client.ts'
import { type HttpHandler, httpDate, serveHttp } from '../http-server.ts'
import type { Process, Program } from '../process.ts'
import { SocketError } from '../streams.ts'

const OPERATING_SYSTEM = 'Linux 5.15.90 #1 SMP podwire'
const HTML: readonly Header[] = [['Content-Type', 'text/html; charset=utf-8']]
const TEXT: readonly Header[] = [['Content-Type', 'text/plain; charset=utf-8']]
const JSON_TYPE: readonly Header[] = [['Content-Type', 'application/json; charset=utf-8']]
const RNG_PATH = '/sixeyed/kiamol/master/ch03/numbers/rng'
/** The HTTP client library's own limit. */
const API_TIMEOUT = 100 * SECOND

/** ASP.NET's server on port 80. */
async function kestrel(self: Process, handler: HttpHandler): Promise<number> {
  try {
    serveHttp(self, 80, handler, {
      headers: () => [
        ['Date', httpDate(self)],
        ['Server', 'Kestrel'],
      ],
    })
  } catch (error) {
    if (!(error instanceof SocketError)) throw error
    self.err(
      'Unhandled exception. System.IO.IOException: Failed to bind to address http://[::]:80: address already in use.\n',
    )
    return 134
  }
  self.out('info: Microsoft.Hosting.Lifetime[14]\n      Now listening on: http://[::]:80\n')
  return self.forever()
}

export const helloPage = `<html>
  <body>
    <h1>Hello from podwire's Chapter 2!</h1>
    <p>This page was served by nginx in a Pod.</p>
  </body>
</html>
`

export const whoami: Program = (self) =>
  kestrel(self, ({ path }) =>
    path === '/'
      ? { headers: JSON_TYPE, body: `I'm ${self.place.hostname} running on ${OPERATING_SYSTEM}` }
      : { status: 404 },
  )

/** A random number from 0 to 99, until FailAfterCallCount calls have been answered. */
export const numbersApi: Program = (self) => {
  const limit = Number(self.env.FailAfterCallCount ?? 0)
  let calls = 0
  const healthy = () => limit === 0 || calls < limit
  return kestrel(self, ({ path }) => {
    if (path === '/rng' || path === RNG_PATH) {
      if (!healthy()) return { status: 500, headers: JSON_TYPE, body: '{"message":"Unhealthy!"}' }
      calls++
      return { headers: JSON_TYPE, body: String(self.world.random.below(100)) }
    }
    if (path === '/health' || path === '/healthz') {
      return healthy()
        ? { headers: TEXT, body: 'Ok' }
        : { status: 500, headers: JSON_TYPE, body: '{"message":"Unhealthy!"}' }
    }
    if (path === '/reset') {
      calls = 0
      return { headers: TEXT, body: 'Ok' }
    }
    return { status: 404 }
  })
}

/** A page with a button; the button makes this server call the API. */
export function numbersWeb(theme: string): Program {
  return (self) =>
    kestrel(self, ({ path, method }) => {
      if (path === '/css/site.css') return { headers: [['Content-Type', 'text/css']], body: `body { ${theme} }\n` }
      if (path !== '/') return { status: 404 }
      return method === 'POST' ? go(self) : { headers: HTML, body: numbersPage('') }
    })
}

async function go(self: Process) {
  const url = self.env.RngApi__Url ?? `http://numbers-api${RNG_PATH}`
  const parsed = parseHttpUrl(url)
  const number = parsed === null ? null : await callApi(self, parsed)
  if (number === null) {
    self.err(`RNG API call failed: ${url}\n`)
    return { headers: HTML, body: numbersPage(`<p>RNG service unavailable!</p>\n      <p>(Using API at: ${url})</p>`) }
  }
  return { headers: HTML, body: numbersPage(`<p>Here it is: ${number}</p>\n      <p>(Using API at: ${url})</p>`) }
}

/** Null when no number comes back. */
async function callApi(self: Process, url: HttpUrl): Promise<number | null> {
  try {
    let answer = await exchange(self, url, { timeout: API_TIMEOUT })
    // An ExternalName leads to a server that knows itself by another name.
    const retryHost = self.env.RngApi__RetryHost ?? 'raw.githubusercontent.com'
    if (answer.status === 404) answer = await exchange(self, { ...url, authority: retryHost }, { timeout: API_TIMEOUT })
    const text = decodeText(answer.body).trim()
    return answer.status === 200 && /^-?\d+$/.test(text) ? Number(text) : null
  } catch (error) {
    if (error instanceof HttpFailure) return null
    throw error
  }
}

function numbersPage(result: string): string {
  return `<!DOCTYPE html>
<html>
  <head>
    <title>KIAMOL Random Number Generator</title>
    <link rel="stylesheet" href="/css/site.css" />
  </head>
  <body>
    <h1>KIAMOL Random Number Generator</h1>
    <form method="post">
      <button type="submit">Go</button>
    </form>
    <div>
      ${result}
    </div>
  </body>
</html>
`
}

/** What curl asks for: a URL, and the request's headers. */
import type { Header } from '../http.ts'
import { type HttpUrl, parseHttpUrl } from '../http-client.ts'
import type { CurlOptions } from './curl-options.ts'

/** curl's exit code and its sentence. */
export class CurlFailure extends Error {
  override readonly name = 'CurlFailure'
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

/** @throws CurlFailure */
export function urlOf(text: string): HttpUrl {
  if (/^https:/i.test(text)) throw new CurlFailure(35, 'podwire: TLS is not modelled: use http://')
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1].toLowerCase()
  if (scheme !== undefined && scheme !== 'http') {
    throw new CurlFailure(1, `Protocol "${scheme}" not supported or disabled in libcurl`)
  }
  if (/^(http:\/\/)?\[/i.test(text)) throw new CurlFailure(2, 'podwire: IPv6 is not modelled')
  const url = parseHttpUrl(text)
  if (url === null) throw new CurlFailure(3, 'URL using bad/illegal format or missing URL')
  return url
}

export function requestHeaders(url: HttpUrl, options: CurlOptions, bodyLength: number | null): Header[] {
  const own = new Map<string, Header>()
  const put = (name: string, value: string) => own.set(name.toLowerCase(), [name, value])
  put('Host', url.authority)
  if (options.user !== null) put('Authorization', `Basic ${btoa(options.user)}`)
  if (options.agent !== '') put('User-Agent', options.agent)
  put('Accept', '*/*')
  if (options.referer !== null) put('Referer', options.referer)
  const length: Header[] = bodyLength === null ? [] : [['Content-Length', String(bodyLength)]]
  const type: Header[] = bodyLength === null ? [] : [['Content-Type', 'application/x-www-form-urlencoded']]
  const extra: Header[] = []
  for (const [name, value] of options.headers) {
    const key = name.toLowerCase()
    if (key === 'host' && value !== '') put('Host', value)
    else if (value === '') own.delete(key)
    else {
      own.delete(key)
      extra.push([name, value])
    }
    if (key === 'content-type') type.length = 0
  }
  return [...own.values(), ...extra, ...length, ...type]
}

/** A Location, seen from where it was found. */
export function absolute(base: HttpUrl, location: string): string {
  if (/^[a-z]+:\/\//i.test(location)) return location
  const origin = `http://${base.authority}`
  if (location.startsWith('/')) return origin + location
  return origin + base.target.replace(/[^/]*(\?.*)?$/, '') + location
}

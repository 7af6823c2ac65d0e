/** `python3 -m http.server`: the files of the working directory, as Python 3.11's SimpleHTTPRequestHandler serves them. */
import { formatIpv4, tryParseIpv4 } from '../../../wire/address.ts'
import { encodeText, type Header } from '../../http.ts'
import { type HttpRequest, type HttpResponse, httpDate, serveHttp } from '../../http-server.ts'
import type { Process, Program } from '../../process.ts'
import { joinPath } from '../../shell-builtins.ts'
import { uncaught } from './python.ts'

const HTML: Header = ['Content-type', 'text/html; charset=utf-8']
/** What mimetypes knows and people serve. */
const types: Readonly<Record<string, string>> = {
  css: 'text/css',
  html: 'text/html',
  js: 'text/javascript',
  json: 'application/json',
  txt: 'text/plain',
  xml: 'text/xml',
}

/** http.server [-b ADDRESS] [PORT]: other options are not modelled. */
export const fileServer: Program = async (self) => {
  const words = self.args.slice(1)
  const flag = words.findIndex((word) => word === '-b' || word === '--bind')
  const [, bind = '0.0.0.0'] = flag < 0 ? [] : words.splice(flag, 2)
  const [port = '8000', more] = words
  const address = tryParseIpv4(bind)
  if (!/^\d+$/.test(port) || more !== undefined || address === null) {
    self.err(`podwire: http.server ${more ?? (address === null ? bind : port)} is not modelled\n`)
    return 2
  }
  const headers = (): Header[] => [
    ['Server', 'SimpleHTTP/0.6 Python/3.11.2'],
    ['Date', httpDate(self)],
  ]
  try {
    serveHttp(self, Number(port), (request) => answer(self, request), {
      address,
      headers,
      backlog: 5,
      version: '1.0',
      headFirst: true,
    })
  } catch (error) {
    return uncaught(self, error)
  }
  self.out(`Serving HTTP on ${bind} port ${port} (http://${bind}:${port}/) ...\n`)
  return self.forever()
}

function answer(self: Process, request: HttpRequest): HttpResponse {
  const response = serve(self, request)
  const time = logTime(new Date(self.runner.wallClock))
  const { status = 200, reason } = response
  const client = formatIpv4(request.clientAddress)
  if (reason !== undefined) self.err(`${client} - - [${time}] code ${status}, message ${reason}\n`)
  self.err(`${client} - - [${time}] "${request.method} ${request.target} HTTP/1.1" ${status} -\n`)
  return response
}

function serve(self: Process, { path, method }: HttpRequest): HttpResponse {
  if (method !== 'GET' && method !== 'HEAD') return failure(501, `Unsupported method ('${method}')`)
  const { files } = self.place
  const wanted = joinPath(self.cwd, `.${path}`)
  const folder = wanted.endsWith('/') ? wanted : `${wanted}/`
  const text = files.get(wanted) ?? files.get(`${folder}index.html`)
  if (text !== undefined) {
    const name = files.has(wanted) ? wanted : 'index.html'
    const type = types[name.slice(name.lastIndexOf('.') + 1)] ?? 'application/octet-stream'
    const body = encodeText(text)
    return { headers: [['Content-type', type], ['Content-Length', String(body.length)], modified(self)], body }
  }
  const below = [...files.keys()].filter((file) => file.startsWith(folder))
  if (below.length === 0 && path !== '/') return failure(404, 'File not found')
  return { headers: [HTML], body: listing(path, folder, below) }
}

function listing(path: string, folder: string, files: readonly string[]): string {
  const names = files.map((file) => {
    const rest = file.slice(folder.length)
    const slash = rest.indexOf('/')
    return slash < 0 ? rest : rest.slice(0, slash + 1)
  })
  const items = [...new Set(names)].sort().map((name) => `<li><a href="${name}">${name}</a></li>\n`)
  return `<!DOCTYPE HTML>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Directory listing for ${path}</title>
</head>
<body>
<h1>Directory listing for ${path}</h1>
<hr>
<ul>
${items.join('')}</ul>
<hr>
</body>
</html>
`
}

const explanations: Readonly<Record<number, string>> = {
  404: 'Nothing matches the given URI',
  501: 'Server does not support this operation',
}

function failure(status: number, message: string): HttpResponse {
  const body = `<!DOCTYPE HTML>
<html lang="en">
    <head>
        <meta charset="utf-8">
        <title>Error response</title>
    </head>
    <body>
        <h1>Error response</h1>
        <p>Error code: ${status}</p>
        <p>Message: ${message}.</p>
        <p>Error code explanation: ${status} - ${explanations[status]}.</p>
    </body>
</html>
`
  const headers = [
    ['Connection', 'close'],
    ['Content-Type', 'text/html;charset=utf-8'],
  ] as const
  return { status, reason: message, headers, body }
}

/** Files have no times here: all are as old as the world. */
function modified(self: Process): Header {
  return ['Last-Modified', new Date(self.runner.epochSeconds * 1000).toUTCString()]
}

/** 21/Nov/2026 16:05:09 */
function logTime(date: Date): string {
  const [, day, month, year, clock] = date.toUTCString().split(' ')
  return `${day}/${month}/${year} ${clock}`
}

/**
 * nginx and Apache, serving the files of their place, so that `echo hello > /usr/share/nginx/html/index.html` in a
 * container changes its page.
 */
import { formatIpv4 } from '../../wire/address.ts'
import { type Header, header } from '../http.ts'
import { type HttpRequest, type HttpResponse, httpDate, serveHttp } from '../http-server.ts'
import type { Process, Program } from '../process.ts'
import { SocketError } from '../streams.ts'

export const APACHE_PAGE = '<html><body><h1>It works!</h1></body></html>\n'

export const NGINX_PAGE = `<!DOCTYPE html>
<html>
<head>
<title>Welcome to nginx!</title>
</head>
<body>
<h1>Welcome to nginx!</h1>
<p>This page comes from podwire's nginx: the server is installed and working.</p>
</body>
</html>
`

const APACHE_ROOT = '/usr/local/apache2/htdocs'
const NGINX_ROOT = '/usr/share/nginx/html'

const types: Readonly<Record<string, string>> = {
  html: 'text/html',
  htm: 'text/html',
  txt: 'text/plain',
  css: 'text/css',
  js: 'application/javascript',
  json: 'application/json',
}

interface StaticSite {
  readonly root: string
  readonly page: string
  readonly server: string
  /** Behind the address in the access log. */
  readonly notFound: string
  readonly extra: readonly Header[]
  readonly portTaken: string
}

const apacheSite: StaticSite = {
  root: APACHE_ROOT,
  page: APACHE_PAGE,
  server: 'Apache/2.4.57 (Unix)',
  notFound: '<html><head>\n<title>404 Not Found</title>\n</head><body>\n<h1>Not Found</h1>\n</body></html>\n',
  extra: [],
  portTaken: '(98)Address already in use: AH00072: make_sock: could not bind to address 0.0.0.0:80',
}

function nginxSite(version: string): StaticSite {
  const notFound = `<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not Found</h1></center>\r\n<hr><center>nginx/${version}</center>\r\n</body>\r\n</html>\r\n`
  return {
    root: NGINX_ROOT,
    page: NGINX_PAGE,
    server: `nginx/${version}`,
    notFound,
    extra: [['Connection', 'keep-alive']],
    portTaken: 'nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)',
  }
}

/** `httpd-foreground` of the httpd image. */
export const httpd: Program = (self) => serveSite(self, apacheSite)

/** `nginx`, with its first page. */
export function nginx(version: string, page = NGINX_PAGE): Program {
  return (self) => serveSite(self, { ...nginxSite(version), page })
}

async function serveSite(self: Process, site: StaticSite): Promise<number> {
  const { files } = self.place
  const index = `${site.root}/index.html`
  if (!files.has(index)) files.set(index, site.page)
  try {
    serveHttp(self, 80, (request) => answer(self, site, request), {
      headers: () => [
        ['Server', site.server],
        ['Date', httpDate(self)],
      ],
    })
  } catch (error) {
    if (!(error instanceof SocketError)) throw error
    self.err(`${site.portTaken}\n`)
    return 1
  }
  return self.forever()
}

function answer(self: Process, site: StaticSite, request: HttpRequest): HttpResponse {
  const response = page(self, site, request)
  const length = typeof response.body === 'string' ? response.body.length : 0
  self.out(
    `${formatIpv4(request.clientAddress)} - - [${logTime(self)}] "${request.start}" ${response.status} ${length}`,
  )
  if (site.extra.length > 0) self.out(` "-" "${header(request, 'user-agent') ?? '-'}" "-"`)
  self.out('\n')
  return response
}

function page(self: Process, site: StaticSite, request: HttpRequest): HttpResponse {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return { status: 405, headers: [['Content-Type', 'text/html'], ...site.extra], body: 'Method Not Allowed\n' }
  }
  const wanted = request.path.endsWith('/') ? `${request.path}index.html` : request.path
  const text = wanted.includes('..') ? undefined : self.place.files.get(site.root + wanted)
  if (text === undefined) {
    return { status: 404, headers: [['Content-Type', 'text/html'], ...site.extra], body: site.notFound }
  }
  const type = types[wanted.slice(wanted.lastIndexOf('.') + 1)] ?? 'application/octet-stream'
  return { status: 200, headers: [['Content-Type', type], ...site.extra, ['Accept-Ranges', 'bytes']], body: text }
}

/** `21/Nov/2026:08:20:07 +0000` */
function logTime(self: Process): string {
  const [, day, month, year, time] = httpDate(self).split(' ')
  return `${day}/${month}/${year}:${time} +0000`
}

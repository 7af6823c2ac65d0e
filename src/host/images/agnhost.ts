/**
 * agnhost, the server of Kubernetes' own end-to-end tests: `netexec`, `serve-hostname`, `pause`. What it answers,
 * it answers as the real one does, so that those tests' scripts run.
 */
import { SECOND } from '../../sim/scheduler.ts'
import { formatIpv4 } from '../../wire/address.ts'
import { decodeText, encodeText, type Header } from '../http.ts'
import { exchange, HttpFailure, parseHttpUrl } from '../http-client.ts'
import { type HttpRequest, type HttpResponse, httpDate, serveHttp } from '../http-server.ts'
import { type Process, type Program, SIGTERM } from '../process.ts'
import { resolve } from '../resolver.ts'
import { Datagrams, listen, SocketError } from '../streams.ts'

const TEXT: readonly Header[] = [['Content-Type', 'text/plain; charset=utf-8']]
const DIAL_TIMEOUT = 5 * SECOND
const GO_CLIENT: readonly Header[] = [
  ['User-Agent', 'Go-http-client/1.1'],
  ['Accept-Encoding', 'gzip'],
]

/** `--port=80` or `--port 80`. */
function flag(self: Process, name: string, otherwise: number): number {
  const { args } = self
  for (let at = 1; at < args.length; at++) {
    const found = /^--?([a-z-]+)(?:=(.*))?$/.exec(args[at])
    if (found?.[1] === name) return Number(found[2] ?? args[at + 1])
  }
  return otherwise
}

function boolean(self: Process, name: string): boolean {
  return self.args.some((arg) => arg === `--${name}` || arg === `--${name}=true`)
}

export const agnhost: Program = async (self) => {
  const command = self.args[1] ?? 'pause'
  try {
    if (command === 'netexec') return await netexec(self)
    if (command === 'serve-hostname') return await serveHostname(self)
    if (command === 'pause') {
      self.out('Paused\n')
      return await self.forever()
    }
  } catch (error) {
    if (!(error instanceof SocketError)) throw error
    self.err(`${command}: listen: bind: ${error.message.toLowerCase()}\n`)
    return 1
  }
  self.err(`podwire: agnhost ${command} is not modelled\n`)
  return 1
}

async function netexec(self: Process): Promise<number> {
  const httpPort = flag(self, 'http-port', 8080)
  const udpPort = flag(self, 'udp-port', 8081)
  const delay = flag(self, 'delay-shutdown', 0)
  let stopped: (() => void) | null = null
  if (delay > 0) self.trap(SIGTERM, () => stopped?.())
  const headers = (): Header[] => [['Date', httpDate(self)]]
  serveHttp(self, httpPort, (request) => answer(self, request), { headers })
  self.out(`Started HTTP server on port ${httpPort}\n`)
  if (udpPort > 0) {
    serveUdp(self, udpPort)
    self.out(`Started UDP server on port  ${udpPort}\n`)
  }
  if (delay === 0) return self.forever()
  // Serves on for so long after it was told to end.
  await self.wait<true>((settle) => {
    stopped = () => settle(true)
  })
  self.out(`Sleeping ${delay} seconds before terminating...\n`)
  await self.sleep(delay * SECOND)
  return 0
}

function answer(self: Process, request: HttpRequest): HttpResponse | Promise<HttpResponse> {
  const { path, query, clientAddress, clientPort } = request
  self.out(`GET ${path}\n`)
  switch (path) {
    case '/':
      return { headers: TEXT, body: `NOW: ${new Date(self.runner.wallClock).toISOString()}` }
    case '/hostname':
    case '/hostName':
      return { headers: TEXT, body: self.place.hostname }
    case '/clientip':
      return { headers: TEXT, body: `${formatIpv4(clientAddress)}:${clientPort}` }
    case '/echo':
      return { status: Number(query.get('code') ?? 200) || 200, headers: TEXT, body: query.get('msg') ?? '' }
    case '/healthz':
      return { headers: TEXT, body: '' }
    case '/header': {
      const name = (query.get('key') ?? '').toLowerCase()
      return { headers: TEXT, body: request.headers.find(([key]) => key.toLowerCase() === name)?.[1] ?? '' }
    }
    case '/dial':
      return dial(self, query)
    default:
      return { status: 404, headers: TEXT, body: '404 page not found\n' }
  }
}

/** The test's own client inside the pod: asks HOST:PORT so many times, and lists what came back. */
async function dial(self: Process, query: URLSearchParams): Promise<HttpResponse> {
  const host = query.get('host')
  const port = query.get('port')
  if (host === null || port === null || !/^\d+$/.test(port)) {
    return { status: 400, headers: TEXT, body: `host and port are required: ${query}` }
  }
  const protocol = (query.get('protocol') ?? 'http').toLowerCase()
  const request = query.get('request') ?? query.get('requestCommand') ?? 'hostname'
  const responses: string[] = []
  const errors: string[] = []
  let last = ''
  for (let round = 0; round < Number(query.get('tries') ?? 1); round++) {
    const reply = await (protocol === 'udp'
      ? dialUdp(self, host, Number(port), request)
      : dialHttp(self, host, port, request))
    if ('error' in reply) errors.push(reply.error)
    else responses.push(reply.text)
    last = 'error' in reply ? '' : reply.text
  }
  // As the real one does, which looks at its last response only.
  const output: Record<string, string[]> = {}
  if (errors.length > 0) output.errors = errors
  if (last.length > 0) output.responses = responses
  return { headers: TEXT, body: JSON.stringify(output) }
}

type Reply = { readonly text: string } | { readonly error: string }

async function dialHttp(self: Process, host: string, port: string, request: string): Promise<Reply> {
  const text = `http://${host}:${port}/${request}`
  const url = parseHttpUrl(text)
  if (url === null) return { error: `parse "${text}": invalid URL` }
  try {
    return { text: decodeText((await exchange(self, url, { headers: GO_CLIENT, timeout: DIAL_TIMEOUT })).body) }
  } catch (error) {
    if (!(error instanceof HttpFailure)) throw error
    return { error: `Get "${text}": dial tcp ${host}:${port}: ${error.message.toLowerCase()}` }
  }
}

async function dialUdp(self: Process, host: string, port: number, request: string): Promise<Reply> {
  const found = await resolve(self, host)
  if ('error' in found) return { error: `lookup ${host}: no such host` }
  const socket = self.udp()
  const datagrams = new Datagrams(self, socket)
  const where = `udp ${host}:${port}`
  try {
    const refused = socket.connect(found.addresses[0], port)
    if (refused !== null) throw new SocketError(refused)
    datagrams.send(encodeText(request))
    const reply = await datagrams.receive(DIAL_TIMEOUT)
    return reply === null
      ? { error: `reading from ${where} failed. err:'i/o timeout'` }
      : { text: decodeText(reply.payload) }
  } catch (error) {
    if (!(error instanceof SocketError)) throw error
    return { error: `reading from ${where} failed. err:'${error.message.toLowerCase()}'` }
  } finally {
    datagrams.close()
  }
}

/** `hostname`, `clientip`, `echo TEXT`; anything else is not answered. */
function serveUdp(self: Process, port: number): void {
  const { socket } = Datagrams.bind(self, port)
  socket.onDatagram = (payload, from, fromPort) => {
    const text = decodeText(payload).trim()
    let reply: string | null = null
    if (text.startsWith('echo ')) reply = text.slice('echo '.length)
    else if (text === 'hostname') reply = self.place.hostname
    else if (text === 'clientip') reply = `${formatIpv4(from)}:${fromPort}`
    if (reply === null) self.out(`Unknown udp command received: ${text}\n`)
    else socket.sendTo(encodeText(reply), from, fromPort)
  }
}

/** Its host name to everybody who asks, by HTTP unless --http=false, by raw TCP and UDP with --tcp, --udp. */
async function serveHostname(self: Process): Promise<number> {
  const port = flag(self, 'port', 9376)
  const name = self.place.hostname
  if (boolean(self, 'udp')) {
    const { socket } = Datagrams.bind(self, port)
    socket.onDatagram = (_payload, from, fromPort) => void socket.sendTo(encodeText(`${name}\n`), from, fromPort)
  }
  if (boolean(self, 'tcp')) {
    listen(self, port).onAccept = (socket) => {
      socket.write(encodeText(`${name}\n`))
      socket.close()
    }
  } else if (!self.args.includes('--http=false')) {
    serveHttp(self, port, () => ({ headers: TEXT, body: name }), { headers: () => [['Date', httpDate(self)]] })
  }
  return self.forever()
}

/**
 * `agnhost netexec`: a server that tells who it is and who asks, by HTTP and UDP, and that asks others when it is told
 * to (`/dial`).
 */
import { SECOND } from '../../sim/scheduler.ts'
import { ANY, formatIpv4, type Ipv4, tryParseIpv4 } from '../../wire/address.ts'
import { decodeText, encodeText, type Header } from '../http.ts'
import { exchange, HttpFailure, parseHttpUrl } from '../http-client.ts'
import { type HttpRequest, type HttpResponse, httpDate, serveHttp } from '../http-server.ts'
import { type Process, SIGTERM } from '../process.ts'
import { resolve } from '../resolver.ts'
import { Datagrams, SocketError } from '../streams.ts'
import { Flags, parseDuration } from './agnhost-flags.ts'

const TEXT: readonly Header[] = [['Content-Type', 'text/plain; charset=utf-8']]
const DIAL_TIMEOUT = 5 * SECOND
const GO_CLIENT: readonly Header[] = [
  ['User-Agent', 'Go-http-client/1.1'],
  ['Accept-Encoding', 'gzip'],
]

export async function netexec(self: Process): Promise<number> {
  const flags = new Flags(self)
  const httpPort = flags.number('http-port', 8080)
  const udpPort = flags.number('udp-port', 8081)
  const delay = flags.number('delay-shutdown', 0)
  if (flags.number('sctp-port', -1) > 0) {
    self.err('podwire: agnhost netexec --sctp-port is not modelled\n')
    return 2
  }
  const server = new Server()
  if (delay > 0) self.trap(SIGTERM, () => server.end(null))
  const headers = (): Header[] => [['Date', httpDate(self)]]
  for (const address of addressesOf(flags.text('http-listen-addresses')))
    serveHttp(self, httpPort, (request) => answer(self, request, server), { headers, address })
  self.out(`Started HTTP server on port ${httpPort}\n`)
  if (udpPort > 0) {
    for (const address of addressesOf(flags.text('udp-listen-addresses'))) serveUdp(self, udpPort, address)
    self.out(`Started UDP server on port  ${udpPort}\n`)
  }
  const end = await self.wait<End>((settle) => {
    server.end = (code) => settle({ code })
  })
  if (end?.code != null) return end.code
  // Serves on for so long after it was told to end.
  self.out(`Sleeping ${delay} seconds before terminating...\n`)
  await self.sleep(delay * SECOND)
  return 0
}

/** A list with commas; all addresses when it is empty. A bound UDP socket answers from the address it was asked at. */
function addressesOf(list: string): Ipv4[] {
  const addresses = [...new Set(list.split(','))].flatMap((text) => tryParseIpv4(text) ?? [])
  return addresses.length === 0 ? [ANY] : addresses
}

/** Null: by SIGTERM. */
interface End {
  readonly code: number | null
}

class Server {
  /** Ends the program: at once with this exit code, or with null after its delay. */
  end: (code: number | null) => void = () => {}
}

function answer(self: Process, request: HttpRequest, server: Server): HttpResponse | Promise<HttpResponse> {
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
    case '/redirect':
      return { status: Number(query.get('code') ?? 302), headers: [['Location', query.get('location') ?? '']] }
    case '/dial':
      return dial(self, query)
    case '/shell':
      return shell(self, query.get('cmd') ?? query.get('shellCommand') ?? '')
    case '/exit':
      return exit(self, query, server)
    default:
      return { status: 404, headers: TEXT, body: '404 page not found\n' }
  }
}

/** Runs a line, and gives what it wrote. */
async function shell(self: Process, line: string): Promise<HttpResponse> {
  let output = ''
  const keep = (text: string) => void (output += text)
  const code = await self.shell(line, { out: keep, err: keep })
  return { headers: TEXT, body: JSON.stringify({ ...(code === 0 ? {} : { error: `exit status ${code}` }), output }) }
}

/** Ends the server, after `wait`, with `code`. */
async function exit(self: Process, query: URLSearchParams, server: Server): Promise<HttpResponse> {
  await self.sleep(parseDuration(query.get('wait') ?? '') ?? 0)
  server.end(Number(query.get('code') ?? 0) || 0)
  return { headers: TEXT, body: '' }
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
  if (protocol !== 'http' && protocol !== 'udp') {
    return { status: 400, headers: TEXT, body: `podwire: dialing by ${protocol} is not modelled; http and udp are` }
  }
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

/** `hostname`, `clientip`, `echo TEXT`, in capitals or not; anything else is not answered. */
function serveUdp(self: Process, port: number, address: Ipv4): void {
  const { socket } = Datagrams.bind(self, port, address)
  socket.onDatagram = (payload, from, fromPort) => {
    const text = decodeText(payload).trim()
    const word = text.toLowerCase()
    let reply: string | null = null
    if (word.startsWith('echo ')) reply = text.slice('echo '.length)
    else if (word === 'hostname') reply = self.place.hostname
    else if (word === 'clientip') reply = `${formatIpv4(from)}:${fromPort}`
    if (reply === null) self.out(`Unknown udp command received: ${text}\n`)
    else socket.sendTo(encodeText(reply), from, fromPort)
  }
}

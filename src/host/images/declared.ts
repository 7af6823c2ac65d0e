/** Images that a topology file makes up: a few pages on a few ports, an echo server, a set of programs. */
import { formatIpv4, type Ipv4 } from '../../wire/address.ts'
import { busyboxCommands, linuxCommands } from '../commands/table.ts'
import { type HttpHandler, httpDate, serveHttp } from '../http-server.ts'
import type { Process, Program } from '../process.ts'
import { Datagrams, listen, SocketError } from '../streams.ts'
import { type Image, withPrograms } from './image.ts'

export interface ImageDeclaration {
  /** Another image whose programs, environment and start are taken over. */
  readonly like?: string | undefined
  readonly programs?: 'busybox' | 'linux' | undefined
  /** Port, path, text. `{{hostname}}`, `{{clientIp}}` and `{{clientPort}}` are filled in. */
  readonly http?: Readonly<Record<string, Readonly<Record<string, string>>>> | undefined
  readonly tcpEcho?: number | undefined
  readonly udpEcho?: number | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
}

const SERVER = 'podwire-server'

export function declaredImage(name: string, declaration: ImageDeclaration, like: Image | null): Image {
  const { http = {}, tcpEcho, udpEcho, programs } = declaration
  const base = programs === undefined && like !== null ? like.programs : setOf(programs)
  const env = { ...like?.env, ...declaration.env }
  const common = { name, env, ...(like?.workdir === undefined ? {} : { workdir: like.workdir }) }
  const files = like?.files ?? (programs === 'linux' ? undefined : { '/etc/alpine-release': '3.19.1\n' })
  const more = files === undefined ? {} : { files }
  if (Object.keys(http).length === 0 && tcpEcho === undefined && udpEcho === undefined) {
    const start = like === null ? { entrypoint: ['sh'], fixed: 0 } : { entrypoint: like.entrypoint }
    return { ...common, ...more, ...start, programs: base, ...(like?.fixed === undefined ? {} : { fixed: like.fixed }) }
  }
  const server = serverOf(http, tcpEcho, udpEcho)
  return { ...common, ...more, programs: withPrograms(base, { [SERVER]: server }), entrypoint: [SERVER], fixed: 0 }
}

function setOf(programs: 'busybox' | 'linux' | undefined): ReadonlyMap<string, Program> {
  return programs === 'linux' ? linuxCommands() : busyboxCommands()
}

function serverOf(
  http: Readonly<Record<string, Readonly<Record<string, string>>>>,
  tcpEcho: number | undefined,
  udpEcho: number | undefined,
): Program {
  return async (self) => {
    try {
      for (const [port, pages] of Object.entries(http)) {
        serveHttp(self, Number(port), pagesOf(self, pages), { headers: () => [['Date', httpDate(self)]] })
      }
      if (tcpEcho !== undefined) echoTcp(self, tcpEcho)
      if (udpEcho !== undefined) echoUdp(self, udpEcho)
    } catch (error) {
      if (!(error instanceof SocketError)) throw error
      self.err(`listen: ${error.message}\n`)
      return 1
    }
    return self.forever()
  }
}

function pagesOf(self: Process, pages: Readonly<Record<string, string>>): HttpHandler {
  return ({ path, clientAddress, clientPort }) => {
    const page = Object.hasOwn(pages, path) ? pages[path] : undefined
    if (page === undefined) return { status: 404, headers: [['Content-Type', 'text/plain']], body: 'not found\n' }
    const type = /^\s*</.test(page) ? 'text/html' : 'text/plain'
    return { headers: [['Content-Type', type]], body: fillIn(page, self.place.hostname, clientAddress, clientPort) }
  }
}

function fillIn(page: string, hostname: string, address: Ipv4, port: number): string {
  return page
    .replaceAll('{{hostname}}', hostname)
    .replaceAll('{{clientIp}}', formatIpv4(address))
    .replaceAll('{{clientPort}}', String(port))
}

/** What comes goes back, until the client ends. What the send buffer does not take waits. */
function echoTcp(self: Process, port: number): void {
  const scratch = new Uint8Array(16_384)
  listen(self, port).onAccept = (socket) => {
    self.own(socket)
    let unsent: Uint8Array = new Uint8Array(0)
    const pump = () => {
      for (;;) {
        if (unsent.length > 0) unsent = unsent.subarray(socket.write(unsent))
        if (unsent.length > 0) return
        const length = socket.read(scratch, 0, scratch.length)
        if (length === 0) break
        unsent = scratch.slice(0, length)
      }
      if (!socket.ended) return
      self.disclaim(socket)
      socket.close()
    }
    socket.onReadable = pump
    socket.onWritable = pump
    socket.onClose = () => self.disclaim(socket)
    pump()
  }
}

function echoUdp(self: Process, port: number): void {
  const { socket } = Datagrams.bind(self, port)
  socket.onDatagram = (payload, from, fromPort) => void socket.sendTo(payload, from, fromPort)
}

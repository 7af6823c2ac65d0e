/**
 * agnhost, the server and client of Kubernetes' own end-to-end tests, with the subcommands that its network cases
 * use. What it answers, it answers as the real one does (test/images/agnhost), so that those tests' scripts run.
 */
import { encodeText } from '../http.ts'
import { httpDate, serveHttp } from '../http-server.ts'
import type { Process, Program } from '../process.ts'
import { Datagrams, listen, SocketError } from '../streams.ts'
import { net } from './agnhost-closewait.ts'
import { connect } from './agnhost-connect.ts'
import { Flags } from './agnhost-flags.ts'
import { netexec } from './agnhost-netexec.ts'

const subcommands: Readonly<Record<string, Program>> = {
  connect,
  'dns-server-list': dnsServerList,
  'dns-suffix': dnsSuffix,
  'etc-hosts': etcHosts,
  net,
  netexec,
  pause,
  porter,
  'serve-hostname': serveHostname,
  'test-webserver': testWebserver,
}

export const agnhost: Program = async (self) => {
  const command = self.args[1] ?? 'pause'
  if (!Object.hasOwn(subcommands, command)) {
    self.err(`podwire: agnhost ${command} is not modelled\n`)
    return 2
  }
  try {
    return await subcommands[command](self)
  } catch (error) {
    if (!(error instanceof SocketError)) throw error
    self.err(`${command}: listen: bind: ${error.message.toLowerCase()}\n`)
    return 1
  }
}

function pause(self: Process): Promise<number> {
  self.out('Paused\n')
  return self.forever()
}

/** Its host name to everybody who asks, by HTTP unless --http=false, by raw TCP and UDP with --tcp, --udp. */
async function serveHostname(self: Process): Promise<number> {
  const flags = new Flags(self)
  const port = flags.number('port', 9376)
  const name = self.place.hostname
  if (flags.on('udp')) {
    const { socket } = Datagrams.bind(self, port)
    socket.onDatagram = (_payload, from, fromPort) => void socket.sendTo(encodeText(`${name}\n`), from, fromPort)
  }
  if (flags.on('tcp')) {
    listen(self, port).onAccept = (socket) => {
      socket.write(encodeText(`${name}\n`))
      socket.close()
    }
  } else if (flags.on('http', true)) {
    serveHttp(self, port, () => ({ headers: TEXT, body: name }), dated(self))
  }
  return self.forever()
}

/** What SERVE_PORT_n says, on port n. */
async function porter(self: Process): Promise<number> {
  for (const [key, text] of Object.entries(self.env)) {
    const port = /^SERVE_PORT_(\d+)$/.exec(key)
    if (port !== null) serveHttp(self, Number(port[1]), () => ({ headers: TEXT, body: text }), dated(self))
  }
  return self.forever()
}

/** Go's file server on port 80 over the container's files. */
async function testWebserver(self: Process): Promise<number> {
  const { files } = self.place
  serveHttp(
    self,
    new Flags(self).number('port', 80),
    ({ path }) => {
      const text = files.get(path)
      return text === undefined
        ? { status: 404, headers: TEXT, body: '404 page not found\n' }
        : { headers: TEXT, body: text }
    },
    dated(self),
  )
  return self.forever()
}

async function dnsSuffix(self: Process): Promise<number> {
  self.out(`${wordsOf(self, 'search').join(',')}\n`)
  return 0
}

async function dnsServerList(self: Process): Promise<number> {
  self.out(`${wordsOf(self, 'nameserver').join(',')}\n`)
  return 0
}

async function etcHosts(self: Process): Promise<number> {
  self.out(`${self.place.files.get('/etc/hosts') ?? ''}\n`)
  return 0
}

/** What resolv.conf has behind this word, of all its lines. */
function wordsOf(self: Process, keyword: string): string[] {
  const lines = (self.place.files.get('/etc/resolv.conf') ?? '').split('\n').map((line) => line.trim().split(/\s+/))
  return lines.filter(([word]) => word === keyword).flatMap(([, ...values]) => values)
}

const TEXT = [['Content-Type', 'text/plain; charset=utf-8']] as const

function dated(self: Process) {
  return { headers: () => [['Date', httpDate(self)]] as const }
}

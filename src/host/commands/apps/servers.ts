/** Servers with a known sequence of socket calls, so that segments are reproducible: made for comparing captures. */
import { SECOND } from '../../../sim/scheduler.ts'
import { formatIpv4 } from '../../../wire/address.ts'
import { encodeText } from '../../http.ts'
import { type HttpRequest, serveHttp } from '../../http-server.ts'
import type { Process, Program } from '../../process.ts'
import { Datagrams, TcpAcceptor, TcpStream } from '../../streams.ts'
import { addressOf, thread, uncaught } from './python.ts'

/** Prints `ready` when it listens; one call of `serve` per connection, all at once. */
async function serveEach(self: Process, port: number, serve: (stream: TcpStream) => Promise<void>): Promise<number> {
  try {
    const acceptor = new TcpAcceptor(self, port)
    self.out('ready\n')
    for (;;) {
      const stream = await acceptor.accept()
      thread(async () => {
        try {
          await serve(stream)
        } finally {
          stream.close()
        }
      })
    }
  } catch (error) {
    return uncaught(self, error)
  }
}

/** http PORT NAME [BYTES]: `NAME sees ADDRESS`, or so many bytes; one write per answer. */
export const http: Program = async (self) => {
  const [port, name = '', bytes = '0'] = self.args.slice(1)
  const body = Number(bytes) > 0 ? 'x'.repeat(Number(bytes)) : null
  try {
    const answer = ({ clientAddress }: HttpRequest) => ({
      headers: [
        ['Server', 'podlab'],
        ['Content-Type', 'text/plain'],
      ] as const,
      body: body ?? `${name} sees ${formatIpv4(clientAddress)}\n`,
    })
    serveHttp(self, Number(port), answer, { backlog: 128 })
  } catch (error) {
    return uncaught(self, error)
  }
  self.out('ready\n')
  return self.forever()
}

/** udpecho PORT */
export const udpecho: Program = async (self) => {
  try {
    const datagrams = Datagrams.bind(self, Number(self.args[1]))
    self.out('ready\n')
    for (;;) {
      const datagram = await datagrams.receive()
      if (datagram !== null) datagrams.sendTo(datagram.payload, datagram.from, datagram.fromPort)
    }
  } catch (error) {
    return uncaught(self, error)
  }
}

/** sink PORT: one connection at a time, read to the end, `got N`. */
export const sink: Program = async (self) => {
  try {
    const acceptor = new TcpAcceptor(self, Number(self.args[1]))
    self.out('ready\n')
    for (;;) {
      const stream = await acceptor.accept()
      let length = 0
      for (let bytes = await stream.read(); bytes !== null; bytes = await stream.read()) length += bytes.length
      await stream.write(encodeText(`got ${length}\n`))
      stream.close()
    }
  } catch (error) {
    return uncaught(self, error)
  }
}

/** sinkhold PORT: reads for ever, never writes, closes at the end. */
export const sinkhold: Program = (self) =>
  serveEach(self, Number(self.args[1]), async (stream) => {
    while ((await stream.read()) !== null);
  })

/** slowecho PORT DELAY: echoes after so many seconds. */
export const slowecho: Program = (self) =>
  serveEach(self, Number(self.args[1]), async (stream) => {
    stream.socket.noDelay = true
    for (let bytes = await stream.read(); bytes !== null; bytes = await stream.read()) {
      await self.sleep(Number(self.args[2]) * SECOND)
      await stream.write(bytes)
    }
  })

/** proxy PORT ADDRESS PORT: docker-proxy: accepts, connects, copies both ways, passes half-closes on. */
export const proxy: Program = async (self) => {
  const [port, to = '', toPort] = self.args.slice(1)
  const address = await addressOf(self, to)
  if (address === null) return 1
  return serveEach(self, Number(port), async (client) => {
    const server = await TcpStream.connect(self, address, Number(toPort))
    try {
      await Promise.all([copy(client, server), copy(server, client)])
    } finally {
      server.close()
    }
  })
}

async function copy(from: TcpStream, to: TcpStream): Promise<void> {
  for (let bytes = await from.read(); bytes !== null; bytes = await from.read()) await to.write(bytes)
  to.shutdown()
}

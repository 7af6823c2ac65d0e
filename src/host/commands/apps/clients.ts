/** Clients with a known sequence of socket calls, so that segments are reproducible: made for comparing captures. */
import { SECOND } from '../../../sim/scheduler.ts'
import { decodeText, encodeText } from '../../http.ts'
import type { Process, Program } from '../../process.ts'
import { Datagrams, SocketError, TcpStream, WRITTEN } from '../../streams.ts'
import { addressOf, osError, since, uncaught } from './python.ts'

/** Resolves and connects; prints what Python would when that fails. */
async function connected(self: Process, body: (stream: TcpStream) => Promise<number>): Promise<number> {
  const address = await addressOf(self, self.args[1] ?? '')
  if (address === null) return 1
  let stream: TcpStream | null = null
  try {
    stream = await TcpStream.connect(self, address, Number(self.args[2]))
    return await body(stream)
  } catch (error) {
    return uncaught(self, error)
  } finally {
    stream?.close()
  }
}

async function readToEnd(stream: TcpStream, limit: number): Promise<string> {
  let text = ''
  for (let bytes = await stream.read(limit); bytes !== null; bytes = await stream.read(limit)) text += decodeText(bytes)
  return text
}

/** send ADDRESS PORT BYTES: all of it, then the end, then the answer. */
export const send: Program = (self) => {
  const began = self.now()
  return connected(self, async (stream) => {
    const size = Number(self.args[3])
    await stream.write(encodeText('abcdefghijklmnop'.repeat(Math.floor(size / 16)) + 'z'.repeat(size % 16)))
    stream.shutdown()
    const answer = await readToEnd(stream, 4096)
    stream.close()
    self.out(`${answer.trim()} in ${since(self, began)} s\n`)
    return 0
  })
}

/** udpsend ADDRESS PORT BYTES [COUNT] [SOURCE PORT] [INTERVAL] */
export const udpsend: Program = async (self) => {
  const [, to = '', port, size, count = '1', sourcePort = '0', interval = '1'] = self.args
  const address = await addressOf(self, to)
  if (address === null) return 1
  const pause = Number(interval) * SECOND
  try {
    const socket = self.udp()
    const refused =
      (Number(sourcePort) > 0 ? socket.bind(socket.localAddress, Number(sourcePort)) : null) ??
      socket.connect(address, Number(port))
    if (refused !== null) throw new SocketError(refused)
    const datagrams = new Datagrams(self, socket)
    for (let i = 0; i < Number(count); i++) {
      const began = self.now()
      try {
        datagrams.send(Uint8Array.from({ length: Number(size) }, (_, j) => (j * 7 + i) & 255))
        const answer = await datagrams.receive(pause)
        if (answer === null) self.out(`${i + 1}: TimeoutError: timed out after ${since(self, began)} s\n`)
        else self.out(`${i + 1}: ${answer.payload.length} bytes back\n`)
      } catch (error) {
        const text = osError(error)
        if (text === null) throw error
        self.out(`${i + 1}: ${text} after ${since(self, began)} s\n`)
      }
      await self.sleep(Math.max(0, pause - (self.now() - began)))
    }
    return 0
  } catch (error) {
    return uncaught(self, error)
  }
}

/** lines ADDRESS PORT N INTERVAL: one connection, a line every so many seconds. */
export const lines: Program = (self) => {
  const began = self.now()
  return connected(self, async (stream) => {
    for (let i = 0; i < Number(self.args[3]); i++) {
      try {
        await stream.write(encodeText('tick \n'))
        self.out(`${since(self, began).padStart(7)} sent\n`)
      } catch (error) {
        const text = osError(error)
        if (text === null) throw error
        self.out(`${since(self, began).padStart(7)} ${text}\n`)
        return 0
      }
      await self.sleep(Number(self.args[4]) * SECOND)
    }
    return 0
  })
}

/** chat ADDRESS PORT N PAUSE: questions on one connection. */
export const chat: Program = (self) =>
  connected(self, async (stream) => {
    stream.socket.noDelay = true
    for (let i = 0; i < Number(self.args[3]); i++) {
      const asked = self.now()
      await stream.write(encodeText('question'))
      const answer = await stream.read(100)
      self.out(`${i + 1}: ${answer?.length ?? 0} bytes after ${since(self, asked)} s\n`)
      await self.sleep(Number(self.args[4]) * SECOND)
    }
    await self.sleep(0.2 * SECOND)
    return 0
  })

/**
 * probe ADDRESS PORT N INTERVAL [TIMEOUT]: the kubelet's HTTP probe, a new connection each. A connection that failed
 * is not closed but forgotten: Python closes it when the next one takes its name, or at the end.
 */
export const probe: Program = async (self) => {
  const [, host = '', port, count, interval, limit = '1'] = self.args
  const address = await addressOf(self, host)
  if (address === null) return 1
  const timeout = Number(limit) * SECOND
  let stream: TcpStream | null = null
  for (let i = 0; i < Number(count); i++) {
    const began = self.now()
    try {
      const next = await TcpStream.connect(self, address, Number(port), timeout)
      await linger(self, stream)
      stream = next
      const head = `GET / HTTP/1.1\r\nHost: ${host}:${port}\r\nUser-Agent: kube-probe/1.30\r\nAccept: */*\r\nConnection: close\r\n\r\n`
      await stream.write(encodeText(head))
      const answer = await readToEnd(stream, 4096)
      await linger(self, stream)
      self.out(`${i + 1}: ${answer.split('\r')[0]}\n`)
    } catch (error) {
      const text = osError(error)
      if (text === null) throw error
      self.out(`${i + 1}: ${text} after ${since(self, began)} s\n`)
    }
    if (i + 1 < Number(count)) await self.sleep(Math.max(0, Number(interval) * SECOND - (self.now() - began)))
  }
  await linger(self, stream)
  return 0
}

/** A FIN has been sent and not been acknowledged. */
const UNACKNOWLEDGED: readonly string[] = ['FIN-WAIT-1', 'CLOSING', 'LAST-ACK']

/** close() with SO_LINGER of a second: it returns when the FIN is acknowledged. */
async function linger(self: Process, stream: TcpStream | null): Promise<void> {
  if (stream === null) return
  stream.close()
  const end = self.now() + SECOND
  do await self.sleep(WRITTEN)
  while (UNACKNOWLEDGED.includes(stream.socket.state) && self.now() < end)
}

/** hold ADDRESS PORT SECONDS: sends one line, prints what comes, with the time. */
export const hold: Program = (self) =>
  connected(self, async (stream) => {
    const began = self.now()
    const end = began + Number(self.args[3]) * SECOND
    await stream.write(encodeText('hi\n'))
    while (self.now() < end) {
      stream.timeout = Math.max(0.01 * SECOND, end - self.now())
      try {
        const bytes = await stream.read(4096)
        const text = bytes === null ? '' : decodeText(bytes)
        const shown = text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\r', '\\r')
        self.out(`${since(self, began).padStart(7)} b'${shown}'\n`)
        if (bytes === null) break
      } catch (error) {
        const text = osError(error)
        if (text === null) throw error
        self.out(`${since(self, began).padStart(7)} ${text}\n`)
        break
      }
    }
    return 0
  })

/**
 * late PORT OFFSET: answers one line, and a second later sends, past its own connection, a segment that lies OFFSET
 * beyond what it has sent: what a middlebox or a delayed duplicate looks like to conntrack.
 */
import { SECOND } from '../../../sim/scheduler.ts'
import type { TcpSocket } from '../../../socket/tcp/socket.ts'
import * as ipv4 from '../../../wire/ipv4.ts'
import * as tcp from '../../../wire/tcp.ts'
import { encodeText } from '../../http.ts'
import type { Process, Program } from '../../process.ts'
import { TcpAcceptor } from '../../streams.ts'
import { osError, uncaught } from './python.ts'

const STRAY = encodeText('late segment 20 bytes'.slice(0, 20))
const WINDOW = 501

export const late: Program = async (self) => {
  const [, port, offset] = self.args
  try {
    const acceptor = new TcpAcceptor(self, Number(port))
    self.out('ready\n')
    const stream = await acceptor.accept()
    await stream.read(100)
    await stream.write(encodeText('hello\n'))
    await self.sleep(SECOND)
    stray(self, stream.socket, Number(offset))
    await self.sleep(SECOND)
    for (const line of ['again', 'last']) {
      try {
        await stream.write(encodeText(`${line}\n`))
        self.out(`sent b'${line}\\n'\n`)
      } catch (error) {
        const text = osError(error)
        if (text === null) throw error
        self.out(`${text}\n`)
      }
      await self.sleep(0.5 * SECOND)
    }
    stream.close()
    await self.sleep(60 * SECOND)
    return 0
  } catch (error) {
    return uncaught(self, error)
  }
}

/** By a raw socket: the connection does not know of it. */
function stray(self: Process, socket: TcpSocket, offset: number): void {
  const { localAddress: from, remoteAddress: to, localPort, remotePort } = socket
  const { sent, received } = socket.sequences()
  const frame = self.world.frames.take(tcp.HEADER + STRAY.length)
  const { bytes, start } = frame
  frame.end = start + tcp.HEADER + STRAY.length
  bytes.set(STRAY, start + tcp.HEADER)
  const flags = tcp.ACK | tcp.PSH
  const sequence = (sent + offset) | 0
  tcp.write(bytes, start, frame.end, tcp.HEADER, from, to, localPort, remotePort, sequence, received, flags, WINDOW)
  self.netns.send(frame, from, to, ipv4.IPPROTO_TCP, ipv4.DEFAULT_TTL, 0, 0, ipv4.DF)
}

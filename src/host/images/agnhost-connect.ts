/** `agnhost connect HOST:PORT`: can it be reached? What went wrong is told in one word. */
import type { Nanos } from '../../sim/scheduler.ts'
import type { Ipv4 } from '../../wire/address.ts'
import { encodeText } from '../http.ts'
import type { Process } from '../process.ts'
import { resolve } from '../resolver.ts'
import { Datagrams, SocketError, TcpStream, TimedOut } from '../streams.ts'
import { Flags } from './agnhost-flags.ts'

export async function connect(self: Process): Promise<number> {
  const flags = new Flags(self)
  const [destination = ''] = flags.words
  const colon = destination.lastIndexOf(':')
  const [host, port] = [destination.slice(0, colon), Number(destination.slice(colon + 1))]
  const protocol = flags.text('protocol', 'tcp')
  const timeout = flags.duration('timeout')
  if (protocol === 'sctp') {
    self.err('podwire: agnhost connect --protocol=sctp is not modelled\n')
    return 2
  }
  if (protocol !== 'tcp' && protocol !== 'udp') return failed(self, 'Unsupported protocol')
  if (colon < 0 || !Number.isInteger(port)) return failed(self, `DNS: address ${destination}: missing port in address`)
  const found = await resolve(self, host)
  if ('error' in found) return failed(self, `DNS: lookup ${host}: no such host`)
  try {
    if (protocol === 'tcp') (await TcpStream.connect(self, found.addresses[0], port, timeout)).close()
    else await ask(self, found.addresses[0], port, timeout, flags.text('udp-data', '\n'))
    return 0
  } catch (error) {
    if (error instanceof TimedOut) return failed(self, 'TIMEOUT')
    if (!(error instanceof SocketError)) throw error
    if (error.errno === 'ECONNREFUSED') return failed(self, 'REFUSED')
    // Go counts the kernel's own time-out among its time-outs.
    if (error.errno === 'ETIMEDOUT') return failed(self, 'TIMEOUT')
    return failed(self, `OTHER: dial ${protocol} ${destination}: connect: ${error.message.toLowerCase()}`)
  }
}

/** UDP has no connection: somebody is there when an answer comes. @throws SocketError, TimedOut */
async function ask(self: Process, address: Ipv4, port: number, timeout: Nanos | null, text: string): Promise<void> {
  const datagrams = new Datagrams(self, self.udp())
  try {
    const refused = datagrams.socket.connect(address, port)
    if (refused !== null) throw new SocketError(refused)
    datagrams.send(encodeText(text))
    if ((await datagrams.receive(timeout ?? undefined)) === null) throw new TimedOut()
  } finally {
    datagrams.close()
  }
}

function failed(self: Process, why: string): number {
  self.err(`${why}\n`)
  return 1
}

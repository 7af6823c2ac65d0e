/**
 * `agnhost net --runner nat-closewait-server|nat-closewait-client`: a connection that its client has ended and its server
 * has not, which stays in CLOSE_WAIT in between.
 */
import { SECOND } from '../../sim/scheduler.ts'
import type { Process } from '../process.ts'
import { resolve } from '../resolver.ts'
import { TcpAcceptor, TcpStream } from '../streams.ts'
import { Flags } from './agnhost-flags.ts'

export async function net(self: Process): Promise<number> {
  const flags = new Flags(self)
  const runner = flags.text('runner')
  let options: Record<string, unknown>
  try {
    options = JSON.parse(flags.text('options', '{}')) as Record<string, unknown>
  } catch {
    self.err(`Failed to parse --options: ${flags.text('options')}\n`)
    return 1
  }
  if (runner === 'nat-closewait-server') return serve(self, Number(options.LocalPort))
  if (runner === 'nat-closewait-client') {
    return leave(self, String(options.RemoteAddr), Number(options.RemotePort), Number(options.TimeoutSeconds))
  }
  self.err(`podwire: agnhost net --runner ${runner} is not modelled\n`)
  return 2
}

/** Hears the client's end, and keeps its own. */
async function serve(self: Process, port: number): Promise<number> {
  const acceptor = new TcpAcceptor(self, port)
  self.out(`Server listening on :${port}\n`)
  const kept: TcpStream[] = []
  for (;;) kept.push(await acceptor.accept())
}

async function leave(self: Process, host: string, port: number, seconds: number): Promise<number> {
  const found = await resolve(self, host)
  if ('error' in found) {
    self.err(`lookup ${host}: no such host\n`)
    return 1
  }
  const stream = await TcpStream.connect(self, found.addresses[0], port)
  stream.shutdown()
  await self.sleep(seconds * SECOND)
  stream.close()
  return 0
}

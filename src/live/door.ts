/** A TCP door on loopback: each connection gets a fresh pcapng, so that `wireshark -k -i TCP@127.0.0.1:PORT` reads live. */
import { createServer, isIPv4, type Server, type Socket } from 'node:net'
import { LiveError } from './runtime-folder.ts'

export interface DoorAddress {
  readonly host: string
  /** 0: any that is free. */
  readonly port: number
}

/** `127.0.0.1:PORT`, `localhost:PORT` or `PORT`; null when it is none of them. Only loopback is one. */
export function parseDoor(text: string): DoorAddress | null {
  const found = /^(?:([^:]+):)?([0-9]{1,5})$/.exec(text)
  if (found === null || Number(found[2]) > 65_535) return null
  const host = found[1] === undefined || found[1] === 'localhost' ? '127.0.0.1' : found[1]
  return isIPv4(host) && host.startsWith('127.') ? { host, port: Number(found[2]) } : null
}

export interface Door {
  readonly server: Server
  /** `127.0.0.1:PORT`. */
  readonly address: string
}

/** @throws LiveError when it cannot be opened. */
export async function openDoor({ host, port }: DoorAddress, enters: (socket: Socket) => void): Promise<Door> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    // Readers say nothing; what they say all the same is not kept.
    socket.resume()
    socket.setNoDelay(true)
    enters(socket)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(new LiveError(`podwire: cannot listen on ${host}:${port}: ${error.message}`)),
    )
    server.listen(port, host, resolve)
  })
  const bound = server.address()
  return { server, address: `${host}:${typeof bound === 'object' && bound !== null ? bound.port : port}` }
}

/** Where a connection of curl starts: --interface and --local-port. */
import { strerror } from '../../net/errno.ts'
import type { TcpSocket } from '../../socket/tcp/socket.ts'
import { ANY, formatIpv4, type Ipv4, tryParseIpv4 } from '../../wire/address.ts'
import type { Process } from '../process.ts'
import type { CurlOptions } from './curl-options.ts'

/** Numbers as errno.h has them: curl prints them. */
const NUMBERS: Readonly<Record<string, number>> = { EADDRINUSE: 98, EADDRNOTAVAIL: 99, EACCES: 13 }

/** What -v tells, and the sentence when it failed. */
export interface LocalEnd {
  readonly told: readonly string[]
  readonly failure: string | null
}

export function bindLocal(self: Process, socket: TcpSocket, options: CurlOptions, target: Ipv4): LocalEnd {
  const told: string[] = []
  const { interface: name, localPorts } = options
  const failed = (failure: string): LocalEnd => ({ told, failure })
  let from: Ipv4 = ANY
  if (name !== null) {
    const device = self.netns.devices.get(name)
    const literal = tryParseIpv4(name)
    if (device !== undefined) {
      // A socket bound to a device routes by that device alone; here its address is all that is bound.
      if (self.netns.lookup(target)?.device !== device) {
        return failed(`podwire: curl --interface ${name} against the route is not modelled`)
      }
      from = self.netns.selectAddress(device, target) ?? ANY
    } else if (literal === null) {
      told.push(`Could not resolve host: ${name}`, `Couldn't bind to '${name}'`)
      return failed(`Couldn't bind to '${name}'`)
    } else {
      from = literal
      const shown = formatIpv4(literal)
      told.push(`Name '${shown}' family 2 resolved to '${shown}' family 2`)
    }
    if (device !== undefined && localPorts === null) {
      socket.bind(from, 0)
      return { told, failure: null }
    }
  }
  const [first, last] = localPorts ?? [0, 0]
  for (let port = first; ; port++) {
    const errno = socket.bind(from, port)
    if (errno === null) {
      told.push(`Local port: ${port}`)
      return { told, failure: null }
    }
    if (port < last) {
      told.push(`Bind to local port ${port} failed, trying next`)
      continue
    }
    const text = `bind failed with errno ${NUMBERS[errno] ?? 0}: ${strerror(errno)}`
    told.push(text)
    return failed(text)
  }
}

/** How Python speaks of failed socket calls, and threads that die alone. */
import type { Errno } from '../../../net/errno.ts'
import { SECOND } from '../../../sim/scheduler.ts'
import { type Ipv4, tryParseIpv4 } from '../../../wire/address.ts'
import { Killed, type Process } from '../../process.ts'
import { resolve } from '../../resolver.ts'
import { SocketError, TimedOut } from '../../streams.ts'

/** Linux's numbers (asm-generic/errno.h). */
const NUMBERS: Readonly<Partial<Record<Errno, number>>> = {
  EPERM: 1,
  EACCES: 13,
  EINVAL: 22,
  EPIPE: 32,
  EMSGSIZE: 90,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENETUNREACH: 101,
  ECONNRESET: 104,
  ENOTCONN: 107,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  EHOSTUNREACH: 113,
}

const CLASSES: Readonly<Partial<Record<Errno, string>>> = {
  EPERM: 'PermissionError',
  EACCES: 'PermissionError',
  EPIPE: 'BrokenPipeError',
  ECONNRESET: 'ConnectionResetError',
  ECONNREFUSED: 'ConnectionRefusedError',
  ETIMEDOUT: 'TimeoutError',
}

/** `ConnectionRefusedError: [Errno 111] Connection refused`; null for what is no OSError. */
export function osError(error: unknown): string | null {
  if (error instanceof TimedOut) return 'TimeoutError: timed out'
  if (!(error instanceof SocketError)) return null
  return `${CLASSES[error.errno] ?? 'OSError'}: [Errno ${NUMBERS[error.errno] ?? 5}] ${error.message}`
}

/** Prints the last line of a traceback. */
export function uncaught(self: Process, error: unknown): number {
  const text = osError(error)
  if (text === null) throw error
  self.err(`Traceback (most recent call last):\n${text}\n`)
  return 1
}

/** A thread of a server: a failed call ends it and nothing else. */
export function thread(body: () => Promise<void>): void {
  body().catch((error) => {
    if (osError(error) === null && !(error instanceof Killed)) throw error
  })
}

/** Seconds with three decimals, since a moment. */
export function since(self: Process, began: number): string {
  return ((self.now() - began) / SECOND).toFixed(3)
}

/** getaddrinfo, as create_connection uses it; null when there is no such name, which has been said. */
export async function addressOf(self: Process, name: string): Promise<Ipv4 | null> {
  const literal = tryParseIpv4(name)
  if (literal !== null) return literal
  if (name.includes(':')) {
    self.err('podwire: IPv6 is not modelled\n')
    return null
  }
  const found = await resolve(self, name)
  if (!('error' in found)) return found.addresses[0]
  self.err(`Traceback (most recent call last):\nsocket.gaierror: [Errno -2] ${found.message}\n`)
  return null
}

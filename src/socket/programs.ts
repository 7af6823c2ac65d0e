/** Which program holds a socket: whoever runs programs in a namespace tells, and whoever traces asks. */
import type { Netns } from '../net/netns.ts'

/** Runs programs. */
export interface Programs {
  /** `nginx (pid 7)`; null when none of its programs holds the socket. */
  holderOf(socket: object): string | null
}

const running = new WeakMap<Netns, Set<Programs>>()
/** A socket stays with its program. */
const known = new WeakMap<object, string>()

/** Programs run in this namespace from now on. */
export function began(netns: Netns, programs: Programs): void {
  const all = running.get(netns)
  if (all === undefined) running.set(netns, new Set([programs]))
  else all.add(programs)
}

/** None of these runs any more. */
export function ended(netns: Netns, programs: Programs): void {
  running.get(netns)?.delete(programs)
}

/** ` of nginx (pid 7)`; empty when the socket is nobody's. */
export function ofProgram(netns: Netns, socket: object): string {
  const before = known.get(socket)
  if (before !== undefined) return before
  for (const programs of running.get(netns) ?? []) {
    const name = programs.holderOf(socket)
    if (name === null) continue
    known.set(socket, ` of ${name}`)
    return ` of ${name}`
  }
  return ''
}

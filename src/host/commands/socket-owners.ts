/** Which processes hold a socket: what ss, netstat and lsof find in /proc/PID/fd. */
import type { Netns } from '../../net/netns.ts'
import { commandName, type Process, type ProcessPlace } from '../process.ts'

export interface SocketOwner {
  /** The command's name, cut to TASK_COMM_LEN. */
  readonly name: string
  readonly pid: number
  readonly descriptor: number
}

/** By SocketInfo's holder. A machine's own shell sees its containers' processes too, a container only its own. */
export function socketOwners(self: Process, netns: Netns): ReadonlyMap<object, readonly SocketOwner[]> {
  const owners = new Map<object, SocketOwner[]>()
  for (const place of visiblePlaces(self)) {
    if (place.netns !== netns) continue
    for (const process of place.processes.values()) {
      for (const { holder, descriptor } of process.sockets()) {
        const owner = { name: commandName(process), pid: process.pid, descriptor }
        const known = owners.get(holder)
        if (known === undefined) owners.set(holder, [owner])
        else known.push(owner)
      }
    }
  }
  return owners
}

function visiblePlaces(self: Process): readonly ProcessPlace[] {
  const { machine } = self.place
  return self.place === machine.place ? [machine.place, ...machine.places.values()] : [self.place]
}

/** Which namespaces a lab consists of, and how both worlds begin alike. */
import { namespaceOf } from '../../src/bench/peers/plan.ts'
import { Bridge } from '../../src/link/bridge.ts'
import { Veth } from '../../src/link/veth.ts'
import type { Netns } from '../../src/net/netns.ts'
import type { Lab } from '../../src/topology/lab.ts'

/** Every namespace that can be reached from a machine or a pod by cables, in the order in which it was found. */
export function namespacesOf(lab: Lab): Netns[] {
  const found = new Set<Netns>()
  for (const machine of lab.machines.values()) {
    found.add(machine.netns)
    for (const inside of machine.namespaces.values()) found.add(inside)
  }
  for (const node of lab.cluster?.nodes.values() ?? []) {
    for (const sandbox of node.runtime.sandboxes.values()) found.add(sandbox.netns)
  }
  // A Set's iterator goes on to what is added meanwhile.
  for (const netns of found) {
    for (const device of netns.devices.values()) {
      const beyond = device instanceof Veth && device.peer !== null ? namespaceOf(device.peer) : null
      if (beyond !== null) found.add(beyond)
    }
  }
  return [...found]
}

/** Forgets what was learnt while the world was built, so that both worlds begin alike. */
export function forgetLearnt(netns: Netns): void {
  for (const { device, address, state } of netns.neighbours.list()) {
    if (state !== 'PERMANENT') netns.neighbours.delete(device, address)
  }
  for (const device of netns.devices.values()) {
    if (!(device instanceof Bridge)) continue
    for (const port of device.ports) port.heard = null
    for (const entry of device.fdb.entries()) {
      if (!entry.permanent) device.fdb.delete(macOfEntry(entry))
    }
  }
}

function macOfEntry(entry: { readonly high: number; readonly low: number }): Uint8Array {
  const { high, low } = entry
  return Uint8Array.of(high >>> 8, high, low >>> 24, low >>> 16, low >>> 8, low)
}

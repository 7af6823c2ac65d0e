/** br_port_carrier_check: what a port's cable means for the port. */
import { MICROSECOND, type Nanos, type Timer } from '../sim/scheduler.ts'
import { logState } from './bridge-log.ts'
import type { NetDevice } from './device.ts'

/** From a cable's carrier to the bridge's use of its port (the work queue of linkwatch). */
const LINKWATCH: Nanos = 200 * MICROSECOND

type Carried = Parameters<typeof logState>[0] & {
  forwarding: boolean
  notes: { unplugged: boolean; settling: Timer | null }
}
/** The namespace above a bridge: it wants to know of the bridge's own carrier. */
interface Watcher {
  carrierChanged(device: NetDevice): void
}

/**
 * A port without carrier is disabled. When it has one again, what the other end says at once, a gratuitous ARP request
 * for one, gets no further.
 */
export function carrierChanged(port: Carried): void {
  const { bridge, device } = port
  if (!device.carrier && port.forwarding) {
    port.notes.unplugged = true
    port.forwarding = false
  } else if (device.carrier && port.notes.unplugged) {
    port.notes.unplugged = false
    port.notes.settling = bridge.world.scheduler.call(LINKWATCH, () => {
      if (!device.carrier || device.master !== bridge) return
      port.forwarding = true
      const above = bridge.receiver
      if (above !== null && 'carrierChanged' in above) (above as unknown as Watcher).carrierChanged(bridge)
    })
  } else logState(port)
}

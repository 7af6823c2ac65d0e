/** br_port_carrier_check: what a port's cable means for the port. */
import { MICROSECOND, type Nanos } from '../sim/scheduler.ts'
import { logState } from './bridge-log.ts'

/** From a cable's carrier to the bridge's use of its port (the work queue of linkwatch). */
const LINKWATCH: Nanos = 200 * MICROSECOND

type Carried = Parameters<typeof logState>[0] & { forwarding: boolean; notes: { unplugged: boolean } }
interface Clock {
  call(delay: Nanos, action: () => void): unknown
}

/**
 * A port without carrier is disabled. When it has one again, what the other end says at once, a gratuitous ARP request
 * for one, gets no further. `joined`: is the device still a port?
 * `told`: the bridge may have a carrier again.
 */
export function carrierChanged(port: Carried, clock: Clock, joined: () => boolean, told: () => void): void {
  const { carrier } = port.device
  if (!carrier && port.forwarding) {
    port.notes.unplugged = true
    port.forwarding = false
  } else if (carrier && port.notes.unplugged) {
    port.notes.unplugged = false
    clock.call(LINKWATCH, () => {
      if (!port.device.carrier || !joined()) return
      port.forwarding = true
      told()
    })
  } else logState(port)
}

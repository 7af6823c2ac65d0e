/** A device went up or down by hand: who stands behind it is told. */
import { Bridge } from '../link/bridge.ts'
import { logSwitched } from '../link/bridge-log.ts'
import type { NetDevice, Receiver } from '../link/device.ts'
import { configurationChanged } from '../link/flow-cache.ts'
import { Veth } from '../link/veth.ts'

/** A namespace, as whoever is at the other end of its cable knows it. */
interface Watcher extends Receiver {
  carrierChanged(device: NetDevice): void
}

/** Its bridge, or the ports if it is one; and the other end of its cable (veth_open, veth_close). */
export function tellSwitched(device: NetDevice): void {
  configurationChanged()
  const bridge = device instanceof Bridge ? device : device.master
  if (bridge instanceof Bridge) logSwitched(bridge, device)
  const peer = device instanceof Veth ? device.peer : null
  if (peer === null || !peer.up) return
  const above = peer.master instanceof Bridge ? peer.master.receiver : peer.receiver
  if (above !== null && 'carrierChanged' in above) (above as Watcher).carrierChanged(peer)
}

/** What noticing a carrier needs of a namespace. */
interface Noticing {
  readonly devices: { readonly bridges: Iterable<NetDevice> }
  readonly neighbours: { unplugged(device: NetDevice): void }
  readonly fib: { carriersChanged(): void }
  inet(device: NetDevice): { readonly arpEvictNocarrier: boolean }
}

/** A bridge whose last port went has no carrier any more (NETDEV_CHANGE). */
export function noticeCarriers(netns: Noticing): void {
  for (const each of netns.devices.bridges) {
    if (each.up && !each.carrier && netns.inet(each).arpEvictNocarrier) netns.neighbours.unplugged(each)
  }
  netns.fib.carriersChanged()
}

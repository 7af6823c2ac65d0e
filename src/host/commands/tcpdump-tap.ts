/** Listening on devices, politely: who listens already goes on hearing, and is heard first. */
import type { NetDevice, Tap } from '../../link/device.ts'

/** How many listeners made a device promiscuous, and what it was before the first. */
const promiscuous = new WeakMap<NetDevice, { count: number; readonly before: boolean }>()

function hearAll(device: NetDevice): void {
  const listeners = promiscuous.get(device)
  if (listeners === undefined) promiscuous.set(device, { count: 1, before: device.promiscuous })
  else listeners.count++
  device.setPromiscuous(true)
}

function hearLess(device: NetDevice): void {
  const listeners = promiscuous.get(device)
  if (listeners === undefined || --listeners.count > 0) return
  device.setPromiscuous(listeners.before)
  promiscuous.delete(device)
}

/** Calls the tap for every frame of these devices; what is returned ends that. */
export function listenOn(devices: readonly NetDevice[], everything: boolean, tap: Tap): () => void {
  const ends = devices.map((device) => {
    const end = device.listen(tap)
    if (everything) hearAll(device)
    return () => {
      end()
      if (everything) hearLess(device)
    }
  })
  return () => {
    for (const end of ends) end()
  }
}

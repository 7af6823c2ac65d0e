/** `ip neigh add proxy`: addresses that a device answers for (struct pneigh_entry). */
import type { NetDevice } from '../link/device.ts'
import type { Ipv4 } from '../wire/address.ts'

export class ProxyAddresses {
  #byDevice: Map<NetDevice, Set<Ipv4>> | null = null

  /** There never was any. */
  get none(): boolean {
    return this.#byDevice === null
  }

  add(device: NetDevice, address: Ipv4): void {
    this.#byDevice ??= new Map()
    const known = this.#byDevice.get(device)
    if (known === undefined) this.#byDevice.set(device, new Set([address]))
    else known.add(address)
  }

  /** False: there was no such. */
  delete(device: NetDevice, address: Ipv4): boolean {
    return this.#byDevice?.get(device)?.delete(address) ?? false
  }

  has(device: NetDevice, address: Ipv4): boolean {
    return this.#byDevice?.get(device)?.has(address) ?? false
  }

  forget(device: NetDevice): void {
    this.#byDevice?.delete(device)
  }

  list(): { device: NetDevice; address: Ipv4 }[] {
    return [...(this.#byDevice ?? [])].flatMap(([device, all]) => [...all].map((address) => ({ device, address })))
  }
}

import type { NetDevice } from '../link/device.ts'

/**
 * The devices of a namespace by name, in the order of their interface indices: one that joins at a seat which was kept for it
 * is put in its place when somebody looks at all of them.
 */
export class Devices extends Map<string, NetDevice> {
  /** The bridges among them. */
  readonly bridges = new Set<NetDevice>()
  #misplaced = false

  override set(name: string, device: NetDevice): this {
    if (device.kind === 'bridge') this.bridges.add(device)
    return super.set(name, device)
  }

  override delete(name: string): boolean {
    const device = this.get(name)
    if (device !== undefined) this.bridges.delete(device)
    return super.delete(name)
  }

  override clear(): void {
    this.bridges.clear()
    super.clear()
  }

  /** The last one's place is further in front. */
  misplaced(): void {
    this.#misplaced = true
  }

  /** They are these now, in this order. */
  list(all: readonly NetDevice[]): void {
    this.#misplaced = false
    this.clear()
    for (const each of all) this.set(each.name, each)
  }

  #arrange(): void {
    if (!this.#misplaced) return
    this.#misplaced = false
    this.list([...super.values()].sort((a, b) => a.index - b.index))
  }

  override values(): MapIterator<NetDevice> {
    this.#arrange()
    return super.values()
  }

  override keys(): MapIterator<string> {
    this.#arrange()
    return super.keys()
  }

  override entries(): MapIterator<[string, NetDevice]> {
    this.#arrange()
    return super.entries()
  }

  override [Symbol.iterator](): MapIterator<[string, NetDevice]> {
    return this.entries()
  }

  override forEach(call: (device: NetDevice, name: string, all: Map<string, NetDevice>) => void): void {
    this.#arrange()
    super.forEach(call)
  }
}

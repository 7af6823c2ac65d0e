/**
 * rtnetlink's multicast groups (RTNLGRP_LINK, _IPV4_IFADDR, _IPV4_ROUTE, _NEIGH): whoever watches a namespace hears
 * of every change, as `ip monitor` does. While nobody listens, a change costs one null test, and a frame nothing.
 */
import type { NetDevice } from '../link/device.ts'
import type { DeviceAddress } from './device-address.ts'
import type { Neighbour } from './neighbour-entry.ts'
import type { Route } from './route.ts'

/** `gone`: RTM_DEL… instead of RTM_NEW…; what it is about is as it was. */
export interface Listener {
  link(device: NetDevice, gone: boolean): void
  address(own: DeviceAddress, gone: boolean): void
  route(route: Route, table: string, gone: boolean): void
  neighbour(neighbour: Neighbour, gone: boolean): void
  /** A device came to this namespace (false) or left it: its per-device settings (RTNLGRP_IPV4_NETCONF). */
  netconf(device: NetDevice, gone: boolean): void
}

/** Passes what it hears on to all who listen. */
export class Notices implements Listener {
  readonly #listeners = new Set<Listener>()

  get heard(): boolean {
    return this.#listeners.size > 0
  }

  add(listener: Listener): void {
    this.#listeners.add(listener)
  }

  remove(listener: Listener): void {
    this.#listeners.delete(listener)
  }

  link(device: NetDevice, gone: boolean): void {
    for (const listener of this.#listeners) listener.link(device, gone)
  }

  address(own: DeviceAddress, gone: boolean): void {
    for (const listener of this.#listeners) listener.address(own, gone)
  }

  route(route: Route, table: string, gone: boolean): void {
    for (const listener of this.#listeners) listener.route(route, table, gone)
  }

  neighbour(neighbour: Neighbour, gone: boolean): void {
    for (const listener of this.#listeners) listener.neighbour(neighbour, gone)
  }

  netconf(device: NetDevice, gone: boolean): void {
    for (const listener of this.#listeners) listener.netconf(device, gone)
  }
}

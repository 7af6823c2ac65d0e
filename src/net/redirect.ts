/**
 * ICMP redirects (net/ipv4/route.c): a router tells a neighbour that another router on the same link is nearer
 * (ip_rt_send_redirect), and a host that is told so goes there (__ip_do_redirect).
 */
import type { NetDevice } from '../link/device.ts'
import type { Frame } from '../link/frame.ts'
import { jiffies } from '../sim/jiffies.ts'
import { ANY, BROADCAST, type Ipv4, isMulticast } from '../wire/address.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import type { InetPeers } from './inet-peer.ts'
import type { Namespace } from './namespace.ts'
import { hopsOf, type Route } from './route.ts'

export class Redirects {
  #netns: Namespace
  #peers: InetPeers

  constructor(netns: Namespace, peers: InetPeers) {
    this.#netns = netns
    this.#peers = peers
  }

  /** A packet leaves by the device it came in: its sender may be told. The frame is lent. */
  send(frame: Frame, by: Route, device: NetDevice): void {
    const netns = this.#netns
    const inet = netns.inet(device)
    if (!inet.sendRedirects) return
    const source = ipv4.source(frame.bytes, frame.network)
    const back = netns.fib.lookup(source)
    // Only a host on the link itself can go to the better gateway.
    if (back === null || back.type !== 'unicast' || back.gateway !== null || back.device !== device) return
    const gateway = by.gateway ?? ipv4.destination(frame.bytes, frame.network)
    if (!inet.sharedMedia && !netns.sameNetwork(device, source, gateway)) return
    const due = this.#peers.of(source).redirect(jiffies(netns.world.scheduler.now))
    if (due) netns.icmp.error(frame, icmp.REDIRECT, icmp.REDIRECT_HOST, gateway)
  }

  /** A router that we use says which gateway is better for a destination. */
  accept(destination: Ipv4, from: Ipv4, gateway: Ipv4): void {
    const netns = this.#netns
    const current = netns.fib.lookup(destination)
    if (current === null || current.type !== 'unicast' || current.device === null) return
    const { device } = current
    // Whom we do not send to has nothing to tell.
    if (current.gateway !== from || gateway === from || !this.#credible(device, from, gateway)) return
    if (netns.neighbours.resolved(device, gateway)) {
      netns.exceptions.redirect(destination, { ...current, gateway })
      netns.fib.changed()
    } else netns.neighbours.ask(device, gateway)
  }

  #credible(device: NetDevice, from: Ipv4, gateway: Ipv4): boolean {
    const netns = this.#netns
    const inet = netns.inet(device)
    if (!inet.acceptRedirects || isMulticast(gateway) || gateway === BROADCAST || gateway === ANY) return false
    if (inet.sharedMedia) return netns.addressType(gateway) === 'UNICAST'
    if (!netns.sameNetwork(device, gateway, from)) return false
    return (
      !inet.secureRedirects || netns.main.list().some((each) => hopsOf(each).some((hop) => hop.gateway === gateway))
    )
  }
}

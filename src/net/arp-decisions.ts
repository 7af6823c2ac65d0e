/** What ARP decides about questions and answers, for whoever traces (see link/decision.ts). */

import type { Decision } from '../link/decision.ts'
import type { NetDevice } from '../link/device.ts'
import type { Frame } from '../link/frame.ts'
import { formatIpv4, type Ipv4 } from '../wire/address.ts'
import { quoted } from './inet-device.ts'
import type { Namespace } from './namespace.ts'
import { ArpVerdict, Asks, Heard } from './neighbour-decisions.ts'
import type { Entry, NeighbourState } from './neighbour-entry.ts'
import { routeLine, routeState } from './route-text.ts'
import { largerOf, SwitchDecision } from './sysctl-decision.ts'

/** Our own question; null while nobody traces. */
export function asking(netns: Namespace, device: NetDevice, target: Ipv4, waiting: Frame | null, unicast: boolean) {
  const { frames } = netns.world
  const entry = netns.neighbours.find(device, target)
  if (entry === null || frames.tracer === null) return null
  return new Asks(entry, waiting === null ? 0 : frames.identify(waiting), unicast)
}

/** Our answer to the question in the frame, for an address of this host. */
export function answering(netns: Namespace, question: Frame, ours: Ipv4): Decision {
  const packet = netns.world.frames.identify(question)
  const route = netns.lookup(ours)
  const text = `answers packet ${packet}: ${formatIpv4(ours)} is an address of this host`
  if (route?.type !== 'local') return new ArpVerdict(text, packet)
  return new ArpVerdict(text, packet, routeLine(route, routeState(netns.fib, route)), 'ip route show table local')
}

/** Our answer for another host's address. */
export function answeringFor(netns: Namespace, question: Frame, device: NetDevice, target: Ipv4): Decision {
  const packet = netns.world.frames.identify(question)
  const inet = netns.inet(device)
  const out = netns.lookup(target)?.device ?? null
  const text = `answers packet ${packet} for ${formatIpv4(target)}, which lies behind ${out?.name}`
  if (netns.neighbours.proxies.has(device, target)) {
    return new ArpVerdict(text, packet, `${formatIpv4(target)} dev ${device.name} proxy`, 'ip neigh show proxy')
  }
  const name = largerOf(netns.sysctl, device.name, out === device ? 'proxy_arp_pvlan' : 'proxy_arp')
  return inet.proxyArp || inet.proxyArpPvlan
    ? new SwitchDecision('arp', netns.sysctl, name, text)
    : new ArpVerdict(text, packet)
}

/** Our own address, said to everybody. */
export function announcing(address: Ipv4): Decision {
  return new ArpVerdict(`announces ${formatIpv4(address)} to everybody (arp_notify, or a plugin that sets it up)`)
}

/** Why the question in the frame is not answered. */
export function unanswered(
  netns: Namespace,
  device: NetDevice,
  target: Ipv4,
  why: 'arp_ignore' | 'arp_filter',
): Decision {
  const text =
    why === 'arp_ignore'
      ? `asks for ${formatIpv4(target)}, which is ours but not to be told on ${device.name}`
      : `asks for ${formatIpv4(target)}, which is ours, but its sender is reached by another device`
  return new SwitchDecision('arp', netns.sysctl, largerOf(netns.sysctl, device.name, why), text)
}

/** A question that we take no part in. */
export function notOurs(target: Ipv4): Decision {
  return new ArpVerdict(`asks for ${formatIpv4(target)}, which is no address of this host`)
}

/** Its sender has one of our own addresses, or is to be reached by another device (rp_filter). */
export function implausible(target: Ipv4): Decision {
  return new ArpVerdict(`asks for ${formatIpv4(target)}, but cannot be by whom it says: not answered`)
}

/** The question will be answered a little later. */
export function later(device: NetDevice, target: Ipv4): Decision {
  const text = `asks for ${formatIpv4(target)}, for which this host answers, a random while later`
  return new ArpVerdict(text, 0, null, `sysctl net.ipv4.neigh.${quoted(device.name)}.proxy_delay`)
}

/** What an ARP packet made of its sender's entry: what it was before is null where there was none. */
export function heard(entry: Entry | null, sender: Ipv4, before: NeighbourState | null): Decision {
  if (entry !== null) return new Heard(entry, before)
  return new ArpVerdict(`tells where ${formatIpv4(sender)} is, for whom nobody here has asked`)
}

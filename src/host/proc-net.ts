/** Files of /proc/net about devices, neighbours and routes, in the kernel's columns. */
import type { NetDevice } from '../link/device.ts'
import type { Neighbour } from '../net/neighbour-entry.ts'
import type { Netns } from '../net/netns.ts'
import { gatewayOf, hopsOf, type Route } from '../net/route.ts'
import { formatIpv4, formatMac, type Ipv4, mask } from '../wire/address.ts'

/** The width of a line of /proc/net/route, without its end (seq_setwidth). */
const ROUTE_WIDTH = 127
const ARP_TITLE = 'IP address       HW type     Flags       HW address            Mask     Device\n'
const DEV_TITLE =
  'Inter-|   Receive                                                |  Transmit\n' +
  ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n'
const ROUTE_TITLE = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT'
const NO_MAC = '00:00:00:00:00:00'

/** ATF_COM, ATF_PERM, ATF_PUBL. */
const COMPLETE = 0x2
const PERMANENT = 0x4
const PUBLISHED = 0x8

/** RTF_UP, RTF_GATEWAY, RTF_HOST, RTF_REJECT. */
const UP = 0x1
const GATEWAY = 0x2
const HOST = 0x4
const REJECT = 0x200

/** An address as it lies in a little-endian machine's memory. */
export function hexAddress(address: Ipv4): string {
  const swapped =
    ((address & 0xff) << 24) | ((address & 0xff00) << 8) | ((address >>> 8) & 0xff00) | ((address >>> 24) & 0xff)
  return hex(swapped, 8)
}

export function hex(value: number, digits: number): string {
  return (value >>> 0).toString(16).toUpperCase().padStart(digits, '0')
}

export function arp(netns: Netns): string {
  let text = ARP_TITLE
  for (const each of netns.neighbours.list()) {
    if (each.state !== 'NOARP' && each.state !== 'NONE')
      text += arpLine(each.address, arpFlags(each), macOf(each), each)
  }
  for (const each of netns.neighbours.proxies.list()) {
    text += arpLine(each.address, COMPLETE | PERMANENT | PUBLISHED, NO_MAC, each, PERMANENT | PUBLISHED)
  }
  return text
}

function arpLine(
  address: Ipv4,
  flags: number,
  mac: string,
  { device }: { readonly device: NetDevice },
  shown = flags,
): string {
  const [type, bits] = [column('1'), column(shown.toString(16))]
  return `${formatIpv4(address).padEnd(16)} ${type}${bits}${mac.padEnd(17)}     *        ${device.name}\n`
}

function column(value: string): string {
  return `0x${value.padEnd(10)}`
}

function arpFlags({ state }: Neighbour): number {
  if (state === 'INCOMPLETE' || state === 'FAILED') return 0
  return state === 'PERMANENT' ? COMPLETE | PERMANENT : COMPLETE
}

function macOf(neighbour: Neighbour): string {
  return arpFlags(neighbour) === 0 ? NO_MAC : formatMac(neighbour.mac)
}

export function dev(netns: Netns): string {
  let text = DEV_TITLE
  const number = (value: number, width: number) => String(value).padStart(width)
  for (const each of devicesByIndex(netns)) {
    text +=
      `${each.name.padStart(6)}: ${number(each.rxBytes, 7)} ${number(each.rxPackets, 7)}    0 ` +
      `${number(each.rxDropped, 4)}    0     0          0         0 ${number(each.txBytes, 8)} ` +
      `${number(each.txPackets, 7)}    0 ${number(each.txDropped, 4)}    0     0       0          0\n`
  }
  return text
}

export function devicesByIndex(netns: Netns): NetDevice[] {
  return [...netns.devices.values()].sort((a, b) => a.index - b.index)
}

/** fib_route_seq_show: the main table, by the name of its first device. */
export function route(netns: Netns): string {
  const shown = netns.main.list().filter(({ type }) => type !== 'broadcast')
  return [ROUTE_TITLE, ...shown.map(routeLine)].map((line) => `${line.padEnd(ROUTE_WIDTH)}\n`).join('')
}

function routeLine(route: Route): string {
  const { type, destination, metric } = route
  const [hop] = hopsOf(route)
  const gateway = gatewayOf(hop)
  let flags = type === 'unreachable' || type === 'prohibit' ? REJECT : 0
  if (gateway !== null) flags |= GATEWAY
  if (destination.prefix === 32) flags |= HOST
  flags |= UP
  const fields = [
    hop.device?.name ?? '*',
    hexAddress(destination.network),
    hexAddress(gateway ?? (0 as Ipv4)),
    hex(flags, 4),
    0,
    0,
    metric,
    hexAddress(mask(destination.prefix)),
    0,
    0,
    0,
  ]
  return fields.join('\t')
}

/** Each device that is up is in 224.0.0.1, and in nothing else. */
export function igmp(netns: Netns): string {
  let text = 'Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n'
  for (const { index, name, up } of devicesByIndex(netns)) {
    if (up) text += `${index}\t${name.padEnd(10)}: ${'1'.padStart(5)}      V3\n\t\t\t\t010000E0     1 0:00000000\t\t0\n`
  }
  return text
}

/** podwire's captures are no packet sockets, and there are none else. */
export function packet(): string {
  return 'sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n'
}

export function unix(): string {
  return 'Num       RefCount Protocol Flags    Type St Inode Path\n'
}

/** arp(8) of net-tools 2.10: the neighbour table in its old dress. */
import type { NetDevice } from '../../link/device.ts'
import type { Neighbour } from '../../net/neighbour-entry.ts'
import { formatIpv4, formatMac, type Ipv4, tryParseIpv4, tryParseMac } from '../../wire/address.ts'
import { getopt, has, valueOf } from '../getopt.ts'
import type { Process } from '../process.ts'
import { hasMac } from './ip-neighbour.ts'
import { ToolError, tool } from './ip-words.ts'

const TITLE = 'Address                  HWtype  HWaddress           Flags Mask            Iface'

const long = { all: 'a', numeric: 'n', verbose: 'v', delete: 'd', set: 's', device: 'i:', file: 'f', version: 'V' }

export const arp = tool(async (self) => {
  const found = getopt(self.args.slice(1), 'anvedsi:fV', long)
  if (found.problem !== null)
    throw new ToolError(`arp: invalid option -- '${found.problem.option.replace(/^-+/, '')}'\narp: need host name`, 255)
  if (has(found, 'V')) {
    self.out('net-tools 2.10\n')
    return 0
  }
  if (has(found, 'f')) throw new ToolError('podwire: arp -f is not modelled', 2)
  const device = takeDevice(self, valueOf(found, 'i'))
  const [host, mac, ...kinds] = found.rest
  if (has(found, 'd')) return forget(self, takeHost(host), device, found.rest.includes('pub'))
  if (has(found, 's')) return set(self, takeHost(host), mac, kinds, device)
  return show(self, host === undefined ? null : takeHost(host), device, has(found, 'a'), has(found, 'v'))
})

function takeDevice(self: Process, name: string | null): NetDevice | null {
  if (name === null) return null
  const device = self.netns.devices.get(name)
  if (device === undefined) throw new ToolError(`arp: device '${name}' not found`, 255)
  return device
}

function takeHost(text: string | undefined): Ipv4 {
  if (text === undefined) throw new ToolError('arp: need host name', 255)
  const address = tryParseIpv4(text)
  if (address === null) throw new ToolError(`${text}: Host name lookup failure`, 255)
  return address
}

/** Each line of /proc/net/arp: what failed stands there too, incomplete. */
function show(self: Process, host: Ipv4 | null, device: NetDevice | null, berkeley: boolean, verbose: boolean): number {
  const all = self.netns.neighbours.list()
  const shown = all.filter(
    (each) => (host === null || each.address === host) && (device === null || each.device === device),
  )
  const proxies = self.netns.neighbours.proxies
    .list()
    .filter((each) => (host === null || each.address === host) && (device === null || each.device === device))
  if (shown.length + proxies.length === 0) {
    if (host !== null) self.out(`${formatIpv4(host)} (${formatIpv4(host)}) -- no entry\n`)
    else if (device !== null && all.length > 0) self.out(`arp: in ${all.length} entries no match found.\n`)
    return host === null ? 0 : 1
  }
  if (!berkeley) self.out(`${TITLE}\n`)
  for (const each of shown) self.out(berkeley ? berkeleyLine(each) : tableLine(each))
  for (const each of proxies) {
    const address = formatIpv4(each.address)
    const { name } = each.device
    if (berkeley) self.out(`? (${address}) at <from_interface> PERM PUB on ${name}\n`)
    else self.out(`${address.padEnd(23)}  *       <from_interface>    MP                    ${name}\n`)
  }
  const entries = all.length + self.netns.neighbours.proxies.list().length
  const count = shown.length + proxies.length
  if (verbose) self.out(`Entries: ${entries}\tSkipped: ${entries - count}\tFound: ${count}\n`)
  return 0
}

function tableLine(neighbour: Neighbour): string {
  const known = hasMac(neighbour)
  const type = known ? 'ether' : ''
  const mac = known ? formatMac(neighbour.mac) : '(incomplete)'
  const flags = known ? (neighbour.state === 'PERMANENT' ? 'CM' : 'C') : ''
  const address = formatIpv4(neighbour.address)
  return `${address.padEnd(23)}  ${type.padEnd(8)}${mac.padEnd(20)}${flags.padEnd(22)}${neighbour.device.name}\n`
}

function berkeleyLine(neighbour: Neighbour): string {
  const mac = hasMac(neighbour) ? `${formatMac(neighbour.mac)} [ether] ` : '<incomplete> '
  const permanent = neighbour.state === 'PERMANENT' ? 'PERM ' : ''
  return `? (${formatIpv4(neighbour.address)}) at ${mac} ${permanent}on ${neighbour.device.name}\n`.replace('  ', ' ')
}

function forget(self: Process, host: Ipv4, device: NetDevice | null, published: boolean): number {
  const { neighbours } = self.netns
  if (published) {
    const { proxies } = neighbours
    const known = proxies.list().find((each) => each.address === host && (device === null || each.device === device))
    if (known === undefined) throw new ToolError(`No ARP entry for ${formatIpv4(host)}`, 255)
    proxies.delete(known.device, host)
    return 0
  }
  const doomed = neighbours.list().find((each) => each.address === host && (device === null || each.device === device))
  if (doomed === undefined) throw new ToolError(`No ARP entry for ${formatIpv4(host)}`, 255)
  neighbours.delete(doomed.device, host)
  return 0
}

/** By the device that leads to the host. */
function set(
  self: Process,
  host: Ipv4,
  text: string | undefined,
  kinds: readonly string[],
  device: NetDevice | null,
): number {
  if (text === undefined) throw new ToolError('arp: need hardware address', 255)
  const mac = tryParseMac(text)
  if (mac === null) throw new ToolError('arp: invalid hardware address', 255)
  const way = self.netns.lookup(host)
  const by = device ?? (way?.type === 'unicast' && way.gateway === null ? way.device : null)
  if (by === null) throw new ToolError('SIOCSARP: Network is unreachable', 255)
  if (kinds.includes('pub')) self.netns.neighbours.proxies.add(by, host)
  else self.netns.neighbours.add(by, host, mac, kinds.includes('temp') ? 'STALE' : 'PERMANENT')
  return 0
}

/** arp(8) of net-tools 2.10: the neighbour table in its old dress. */
import type { NetDevice } from '../../link/device.ts'
import type { Neighbour } from '../../net/neighbour-entry.ts'
import { formatIpv4, formatMac, type Ipv4, tryParseIpv4, tryParseMac } from '../../wire/address.ts'
import { getopt, has, valueOf } from '../getopt.ts'
import type { Process } from '../process.ts'
import { resolve, reverse } from '../resolver.ts'
import { ARP_USAGE, ARP_VERSION } from './arp-usage.ts'
import { hasMac } from './ip-neighbour.ts'
import { printed, ToolError, tool } from './ip-words.ts'

const TITLE = 'Address                  HWtype  HWaddress           Flags Mask            Iface'

const long = {
  all: 'a',
  numeric: 'n',
  verbose: 'v',
  delete: 'd',
  set: 's',
  device: 'i:',
  'use-device': 'D',
  file: 'f',
  hwtype: 'H:',
  'hw-type': 'H:',
  protocol: 'A:',
  help: 'h',
  version: 'V',
}

export const arp = tool(async (self) => {
  const found = getopt(self.args.slice(1), 'anevdsi:fVDH:t:A:p:h', long)
  if (found.problem !== null) {
    const { kind, option } = found.problem
    const what = option.startsWith('--') ? `unrecognized option '${option}'` : `invalid option -- '${option.slice(1)}'`
    const said = kind === 'missing' ? `option requires an argument -- '${option.replace(/^-+/, '')}'` : what
    throw new ToolError(`arp: ${said}\n${ARP_USAGE.trimEnd()}`, 3)
  }
  if (has(found, 'V')) return printed(self, ARP_VERSION)
  if (has(found, 'h')) return printed(self, ARP_USAGE)
  const hardware = valueOf(found, 'H') ?? valueOf(found, 't') ?? 'ether'
  if (hardware !== 'ether') throw new ToolError(`arp: ${hardware}: unknown hardware type.`, 255)
  const family = valueOf(found, 'A') ?? valueOf(found, 'p') ?? 'inet'
  if (family !== 'inet') throw new ToolError(`arp: ${family}: unknown address family.`, 255)
  if (has(found, 'f')) throw new ToolError('podwire: arp -f is not modelled', 2)
  const name = valueOf(found, 'i')
  const device = name === null ? null : (self.netns.devices.get(name) ?? null)
  const [host, ...words] = found.rest
  if (has(found, 'd') || has(found, 's')) {
    if (name !== null && device === null) throw new ToolError('SIOCSARP: No such device', 255)
    if (host === undefined) throw new ToolError('arp: need host name', 255)
    const address = await hostOf(self, host)
    if (has(found, 'd')) return forget(self, host, address, device, words.includes('pub'))
    return set(self, address, words, device, has(found, 'D'))
  }
  const shown = {
    host: host === undefined ? null : await hostOf(self, host),
    typed: host ?? '',
    device: name,
    berkeley: has(found, 'a'),
    verbose: has(found, 'v'),
    numeric: has(found, 'n'),
  }
  return show(self, shown)
})

async function hostOf(self: Process, text: string): Promise<Ipv4> {
  const address = tryParseIpv4(text)
  if (address !== null) return address
  const answer = await resolve(self, text, { family: 4 })
  if (!('error' in answer)) return answer.addresses[0]
  const why = answer.error === 'EAI_AGAIN' ? 'Host name lookup failure' : 'Unknown host'
  throw new ToolError(`${text}: ${why}`, 255)
}

interface Shown {
  readonly host: Ipv4 | null
  readonly typed: string
  /** By name: of one that is not there, there are no entries. */
  readonly device: string | null
  readonly berkeley: boolean
  readonly verbose: boolean
  readonly numeric: boolean
}

/** Each line of /proc/net/arp: what failed stands there too, incomplete. */
async function show(self: Process, shown: Shown): Promise<number> {
  const { host, typed, device, berkeley, verbose, numeric } = shown
  const { neighbours } = self.netns
  const wanted = (each: { readonly address: Ipv4; readonly device: NetDevice }) =>
    (host === null || each.address === host) && (device === null || each.device.name === device)
  const all = neighbours.list()
  const entries = all.filter(wanted)
  const proxies = neighbours.proxies.list().filter(wanted)
  const total = all.length + neighbours.proxies.list().length
  const count = entries.length + proxies.length
  if (count === 0) {
    if (host !== null && !berkeley) self.out(`${typed} (${formatIpv4(host)}) -- no entry\n`)
    else if (total > 0) self.out(`arp: in ${total} entries no match found.\n`)
    return 0
  }
  const nameOf = async (address: Ipv4) => (numeric ? null : await reverse(self, address))
  if (!berkeley) self.out(`${TITLE}\n`)
  for (const each of entries) {
    const name = await nameOf(each.address)
    self.out(berkeley ? berkeleyLine(each, name ?? '?') : tableLine(each, name ?? formatIpv4(each.address)))
  }
  for (const each of proxies) {
    const name = await nameOf(each.address)
    const address = formatIpv4(each.address)
    const on = each.device.name
    if (berkeley) self.out(`${name ?? '?'} (${address}) at <from_interface> PERM PUB on ${on}\n`)
    else self.out(`${(name ?? address).padEnd(23)}  *       <from_interface>    MP                    ${on}\n`)
  }
  if (verbose) self.out(`Entries: ${total}\tSkipped: ${total - count}\tFound: ${count}\n`)
  return 0
}

function tableLine(neighbour: Neighbour, name: string): string {
  const known = hasMac(neighbour)
  const type = known ? 'ether' : ''
  const mac = known ? formatMac(neighbour.mac) : '(incomplete)'
  const flags = known ? (neighbour.state === 'PERMANENT' ? 'CM' : 'C') : ''
  return `${name.padEnd(23)}  ${type.padEnd(8)}${mac.padEnd(20)}${flags.padEnd(22)}${neighbour.device.name}\n`
}

function berkeleyLine(neighbour: Neighbour, name: string): string {
  const mac = hasMac(neighbour) ? `${formatMac(neighbour.mac)} [ether]` : '<incomplete>'
  const permanent = neighbour.state === 'PERMANENT' ? ' PERM' : ''
  return `${name} (${formatIpv4(neighbour.address)}) at ${mac}${permanent} on ${neighbour.device.name}\n`
}

/** Says on standard output what was not there, and fails. */
function forget(self: Process, typed: string, host: Ipv4, device: NetDevice | null, published: boolean): number {
  const { neighbours } = self.netns
  const wanted = (each: { readonly address: Ipv4; readonly device: NetDevice }) =>
    each.address === host && (device === null || each.device === device)
  const { proxies } = neighbours
  const proxy = published ? proxies.list().find(wanted) : undefined
  const entry = published ? undefined : neighbours.list().find(wanted)
  if (proxy !== undefined) proxies.delete(proxy.device, host)
  else if (entry !== undefined) neighbours.delete(entry.device, host)
  else {
    self.out(`No ARP entry for ${typed}\n`)
    return 255
  }
  return 0
}

const KINDS = ['temp', 'pub', 'priv', 'trail', 'dontpub', 'auto', 'dev', 'netmask']

/** By the device that leads to the host. With -D a device's own address stands for the MAC. */
function set(self: Process, host: Ipv4, words: readonly string[], given: NetDevice | null, useDevice: boolean): number {
  const [text, ...kinds] = words
  const { netns } = self
  if (text === undefined) throw new ToolError('arp: need hardware address', 255)
  const named = netns.devices.get(text)
  if (useDevice && named === undefined)
    throw new ToolError(`arp: cant get HW-Address for \`${text}': No such device.`, 255)
  const mac = useDevice ? (named?.mac ?? null) : tryParseMac(text)
  if (mac === null) throw new ToolError('arp: invalid hardware address', 255)
  if (!kinds.every((kind) => KINDS.includes(kind))) throw new ToolError(ARP_USAGE.trimEnd(), 3)
  for (const kind of ['trail', 'dontpub', 'auto', 'dev', 'netmask'])
    if (kinds.includes(kind)) throw new ToolError(`podwire: arp ${kind} is not modelled`, 2)
  if (kinds.includes('pub')) {
    // Whose address it is says where it is answered (arp_req_set_public).
    const owner = given ?? named ?? [...netns.devices.values()].find((each) => formatMac(each.mac) === formatMac(mac))
    if (owner === undefined) throw new ToolError('SIOCSARP: No such device', 255)
    netns.neighbours.proxies.add(owner, host)
    return 0
  }
  const way = netns.lookup(host)
  const by = given ?? (way?.type === 'unicast' && way.gateway === null ? way.device : null)
  if (by === null) throw new ToolError('SIOCSARP: Network is unreachable', 255)
  netns.neighbours.add(by, host, mac, kinds.includes('temp') ? 'STALE' : 'PERMANENT')
  return 0
}

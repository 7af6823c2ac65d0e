/** `ip link`: devices, one line and a bit for each. */
import type { NetDevice } from '../../link/device.ts'
import { linkOf } from '../../net/lower-link.ts'
import type { Netns } from '../../net/netns.ts'
import { formatMac } from '../../wire/address.ts'
import type { IpContext } from './ip-context.ts'
import { record } from './ip-context.ts'
import {
  deviceNamed,
  existingDevice,
  findDevice,
  flagsOf,
  fullName,
  linkKind,
  namespaceName,
  operstateOf,
  promiscuityOf,
  qdiscOf,
} from './ip-device.ts'
import { formatJson, type Json } from './ip-json.ts'
import { addLink, deleteLink } from './ip-link-add.ts'
import { noVrf, setProperty, takeGroup } from './ip-link-attributes.ts'
import { detailJson, detailLines, deviceLimits } from './ip-link-details.ts'
import { setLink } from './ip-link-set.ts'
import { LINK_USAGE } from './ip-usage.ts'
import { abbreviation, notModelled, printed, ToolError, type Words } from './ip-words.ts'

export function ipLink(context: IpContext, words: Words): number {
  if (words.done) return showLinks(context, words)
  const verb = words.take()
  switch (
    abbreviation(
      verb,
      'add',
      'set',
      'change',
      'replace',
      'delete',
      'show',
      'lst',
      'list',
      'xstats',
      'afstats',
      'property',
      'help',
    )
  ) {
    case 'show':
    case 'lst':
    case 'list':
      return showLinks(context, words)
    case 'add':
      return addLink(context, words)
    case 'set':
    case 'change':
      return setLink(context, words)
    case 'delete':
      return deleteLink(context, words)
    case 'property':
      return setProperty(context, words)
    case 'help':
      throw new ToolError(LINK_USAGE, 255)
    case null:
      throw new ToolError(`Command "${verb}" is unknown, try "ip link help".`, 255)
    default:
      throw notModelled(`ip link ${verb}`)
  }
}

/** Which devices a listing shows. */
export interface DeviceSelection {
  readonly device: NetDevice | null
  readonly up: boolean
  readonly master: NetDevice | null
  readonly nomaster: boolean
  readonly type: string | null
  readonly group: number | null
}

/** Reads `[ dev NAME ] [ up ] [ master BRIDGE ] [ type KIND ] [ group GROUP ]`; `other` takes the words that it knows besides. */
export function takeSelection(
  netns: Netns,
  words: Words,
  other: (word: string) => boolean = () => false,
): DeviceSelection {
  let device: NetDevice | null = null
  let master: NetDevice | null = null
  let type: string | null = null
  let group: number | null = null
  let up = false
  let nomaster = false
  while (!words.done) {
    const word = words.take()
    if (word === 'up') up = true
    else if (word === 'nomaster') nomaster = true
    else if (word === 'type') type = words.take()
    else if (word === 'group') group = takeGroup(words)
    else if (word === 'vrf') throw noVrf(words.take())
    else if (word === 'master') {
      const name = words.take()
      master = deviceNamed(netns, name)
      if (master === null) throw new ToolError(`Error: argument "${name}" is wrong: Device does not exist\n`, 255)
    } else if (!other(word)) {
      const name = word === 'dev' ? words.take() : word
      if (device !== null) throw new ToolError(`Error: either "dev" is duplicate, or "${name}" is a garbage.`, 255)
      device = existingDevice(netns, name)
    }
  }
  return { device, up, master, nomaster, type, group }
}

export function selected(netns: Netns, selection: DeviceSelection): NetDevice[] {
  return [...netns.devices.values()]
    .sort((a, b) => a.index - b.index)
    .filter(
      (device) =>
        (selection.device === null || device === selection.device) &&
        (!selection.up || device.up) &&
        (selection.master === null || device.master === selection.master) &&
        (selection.group === null || device.settings.group === selection.group) &&
        (!selection.nomaster || device.master === null) &&
        (selection.type === null || linkKind(device) === selection.type || slaveKind(device) === selection.type),
    )
}

function slaveKind(device: NetDevice): string {
  return device.master === null ? '' : `${linkKind(device.master)}_slave`
}

function showLinks(context: IpContext, words: Words): number {
  const { self, netns } = context
  const devices = selected(netns, takeSelection(netns, words))
  if (context.json) {
    return printed(
      self,
      formatJson(
        devices.map((device) => (context.brief ? briefLinkJson(context, device) : linkJson(context, device, true))),
        context.pretty,
      ),
    )
  }
  if (context.brief) {
    for (const device of devices) {
      const flags = flagsOf(device, netns).join(',')
      self.out(`${briefHead(context, device)}${formatMac(device.mac)} <${flags}> \n`)
    }
    return 0
  }
  for (const device of devices) {
    const lines = [headLine(context, device, true), ...linkLines(context, device, true)]
    self.out(record(context, [...lines, ...(context.statistics > 0 ? statisticsLines(context, device) : [])]))
  }
  return 0
}

function briefLinkJson(context: IpContext, device: NetDevice): Json {
  return { ...briefJson(context, device), address: formatMac(device.mac), flags: flagsOf(device, context.netns) }
}

/** `-br -j`: what the brief form says. */
export function briefJson(context: IpContext, device: NetDevice): { [key: string]: Json | undefined } {
  const link = linkOf(device, context.netns)
  const foreign = link !== null && link.netnsid !== null
  return {
    link_index: foreign ? link.index : undefined,
    link: link !== null && !foreign ? link.device?.name : undefined,
    ifname: device.name,
    operstate: operstateOf(device, context.netns),
  }
}

/** Name and state of `-br`, in their columns. */
export function briefHead(context: IpContext, device: NetDevice): string {
  return `${fullName(device, context.netns).padEnd(16)} ${operstateOf(device, context.netns).padEnd(14)} `
}

/** What announcements say differently: no queue length, a cable that is cut. */
interface HeadLine {
  readonly queue?: boolean
  readonly cut?: boolean
}

/** `2: eth0@if5: <BROADCAST,…> mtu 1450 qdisc noqueue state UP mode DEFAULT group default qlen 1000`. */
export function headLine(context: IpContext, device: NetDevice, mode: boolean, how: HeadLine = {}): string {
  const { netns } = context
  const master = device.master === null ? '' : `master ${device.master.name} `
  return (
    `${device.index}: ${fullName(device, netns)}${how.cut ? '@NONE' : ''}: <${flagsOf(device, netns).join(',')}> mtu ${device.mtu} ` +
    `qdisc ${qdiscOf(device)} ${master}state ${operstateOf(device, netns)} ${mode ? 'mode DEFAULT ' : ''}` +
    `group ${groupName(device.settings.group)} ${how.queue === false || device.settings.txQueueLength === 0 ? '' : `qlen ${device.settings.txQueueLength}`}`
  )
}

/** /etc/iproute2/group has one name. */
function groupName(group: number): string {
  return group === 0 ? 'default' : String(group)
}

function linkType(device: NetDevice): 'loopback' | 'ether' {
  return device.kind === 'loopback' ? 'loopback' : 'ether'
}

function broadcastOfLink(device: NetDevice): string {
  return device.kind === 'loopback' ? '00:00:00:00:00:00' : 'ff:ff:ff:ff:ff:ff'
}

/** Where the other end is: by name when the machine has one for it. */
export function namespaceText(context: IpContext, device: NetDevice, netnsid: number): string {
  const name = namespaceName(context, device)
  return name === null ? `link-netnsid ${netnsid}` : `link-netns ${name}`
}

/** `    link/ether … brd ff:ff:ff:ff:ff:ff link-netnsid 0`, and the details below it. */
export function linkLines(context: IpContext, device: NetDevice, mode: boolean): string[] {
  const link = linkOf(device, context.netns)
  const elsewhere = link !== null && link.netnsid !== null ? ` ${namespaceText(context, device, link.netnsid)}` : ''
  const line = `    link/${linkType(device)} ${formatMac(device.mac)} brd ${broadcastOfLink(device)}${elsewhere}`
  const names = nameLines(device, mode)
  if (!context.details) return [line, ...names]
  const { minimum, maximum } = deviceLimits(device)
  const limits = ` promiscuity ${promiscuityOf(device)}  allmulti ${allMulticastOf(device)} minmtu ${minimum} maxmtu ${maximum} `
  const details = detailLines(device, mode)
  // Only devices without a kind have their queues on this line.
  if (linkKind(device) === '') return [line + limits + details.join(''), ...names]
  return [line + limits, ...details, ...names]
}

/** The alias, which only `ip link` shows, and the altnames. */
function nameLines(device: NetDevice, mode: boolean): string[] {
  const { alias, altNames } = device.settings
  return [...(mode && alias !== '' ? [`    alias ${alias}`] : []), ...altNames.map((name) => `    altname ${name}`)]
}

/** How many ask for all groups: IFF_ALLMULTI, and the bridge that it is a port of. */
function allMulticastOf(device: NetDevice): number {
  return (device.master === null ? 0 : 1) + (device.settings.allMulticast ? 1 : 0)
}

const RX = ['packets', 'errors', 'dropped', 'missed', 'mcast'] as const
const RX_ERRORS = ['length', 'crc', 'frame', 'fifo', 'overrun']
const TX_ERRORS = ['aborted', 'fifo', 'window', 'heartbt', 'transns']
const TX = ['packets', 'errors', 'dropped', 'carrier', 'collsns'] as const

/** print_num: with `-h` three digits and a prefix, `6.39k`; with `-iec` besides, `6.24ki`. */
function countText(count: number, human: 'si' | 'iec' | null): string {
  const base = human === 'iec' ? 1024 : 1000
  if (human === null || count < base) return String(count)
  let power = base
  let prefix = 0
  for (; prefix < 5 && count >= power * base; prefix++) power *= base
  const whole = Math.floor(count / power)
  const digits = whole < 10 ? 2 : whole < 100 ? 1 : 0
  return `${(count / power).toFixed(digits)}${'kMGTPE'[prefix]}${human === 'iec' ? 'i' : ''}`
}

/** The numbers of `-s`; the columns grow with them. */
export function statisticsLines(context: IpContext, device: NetDevice): string[] {
  const rx = [device.rxBytes, device.rxPackets, 0, device.rxDropped, 0, 0]
  const tx = [device.txBytes, device.txPackets, 0, device.txDropped, 0, 0]
  const minima = [10, 7, 6, 7, 7, 7]
  const widths = minima.map((least, i) => Math.max(least, String(rx[i]).length, String(tx[i]).length))
  const row = (numbers: readonly number[]) =>
    `    ${numbers.map((n, i) => `${countText(n, context.human).padStart(widths[i])} `).join('')}`
  const title = (label: string, names: readonly string[]) =>
    `    ${label}: ${'bytes'.padStart(widths[0] - 4)} ${names.map((n, i) => `${n.padStart(widths[i + 1])} `).join('')}${' '.repeat(10)}`
  const lines = [title('RX', RX), row(rx)]
  const errors = (label: string, names: readonly string[]) => [
    `    ${label} errors:${' '.repeat(widths[0] - 10)} ${names.map((n, i) => n.padStart(widths[i + 1])).join(' ')}`,
    `${' '.repeat(widths[0] + 5)}${names.map((_, i) => `${'0'.padStart(widths[i + 1])} `).join('')}`,
  ]
  if (context.statistics > 1) lines.push(...errors('RX', RX_ERRORS))
  lines.push(title('TX', TX), row(tx))
  if (context.statistics > 1) lines.push(...errors('TX', TX_ERRORS))
  return lines
}

/** One device as `ip -j` prints it. */
export function linkJson(context: IpContext, device: NetDevice, mode: boolean): { [key: string]: Json | undefined } {
  const { netns } = context
  const link = linkOf(device, netns)
  const foreign = link !== null && link.netnsid !== null
  const { minimum, maximum } = deviceLimits(device)
  const { details } = context
  const queueCount = device.kind === 'veth' ? 2 : 1
  return {
    ifindex: device.index,
    link_index: foreign ? link.index : undefined,
    link: link !== null && !foreign ? link.device?.name : undefined,
    ifname: device.name,
    flags: flagsOf(device, netns),
    mtu: device.mtu,
    qdisc: qdiscOf(device),
    master: device.master?.name,
    operstate: operstateOf(device, netns),
    linkmode: mode ? 'DEFAULT' : undefined,
    group: groupName(device.settings.group),
    txqlen: device.settings.txQueueLength === 0 ? undefined : device.settings.txQueueLength,
    link_type: linkType(device),
    address: formatMac(device.mac),
    broadcast: broadcastOfLink(device),
    link_netnsid: foreign ? (link.netnsid ?? undefined) : undefined,
    promiscuity: details ? promiscuityOf(device) : undefined,
    allmulti: details ? allMulticastOf(device) : undefined,
    min_mtu: details ? minimum : undefined,
    max_mtu: details ? maximum : undefined,
    linkinfo: details ? detailJson(device) : undefined,
    inet6_addr_gen_mode: details && mode ? 'eui64' : undefined,
    num_tx_queues: details ? queueCount : undefined,
    num_rx_queues: details ? queueCount : undefined,
    gso_max_size: details ? 65_536 : undefined,
    gso_max_segs: details ? 65_535 : undefined,
    tso_max_size: details ? 524_280 : undefined,
    tso_max_segs: details ? 65_535 : undefined,
    gro_max_size: details ? 65_536 : undefined,
    ifalias: mode && device.settings.alias !== '' ? device.settings.alias : undefined,
    stats64: context.statistics > 0 && mode ? statisticsJson(device) : undefined,
    altnames: device.settings.altNames.length > 0 ? [...device.settings.altNames] : undefined,
  }
}

function statisticsJson(device: NetDevice): Json {
  const rx = { bytes: device.rxBytes, packets: device.rxPackets, errors: 0, dropped: device.rxDropped }
  const tx = { bytes: device.txBytes, packets: device.txPackets, errors: 0, dropped: device.txDropped }
  return { rx: { ...rx, over_errors: 0, multicast: 0 }, tx: { ...tx, carrier_errors: 0, collisions: 0 } }
}

/** For commands that must name a device. */
export function takeDevice(context: IpContext, words: Words): NetDevice {
  return findDevice(context.netns, words.take())
}

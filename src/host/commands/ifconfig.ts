/** ifconfig(8): of net-tools on machines, of busybox in small images. It shows devices, and sets them up. */
import type { NetDevice } from '../../link/device.ts'
import type { Netns } from '../../net/netns.ts'
import {
  broadcastOf,
  cidrOf,
  type Ipv4,
  isMulticast,
  tryParseInterfaceAddress,
  tryParseIpv4,
  tryParseMac,
} from '../../wire/address.ts'
import type { Process, Program } from '../process.ts'
import { busyboxText, devicesByName, interfaceTable, netToolsText } from './ifconfig-text.ts'
import { setMac } from './ip-device.ts'
import { setArp } from './ip-link-attributes.ts'
import { bringUp, setMtu } from './ip-link-set.ts'
import { ToolError, tool, Words } from './ip-words.ts'

const SHORT_TITLE = 'Iface      MTU    RX-OK RX-ERR RX-DRP RX-OVR    TX-OK TX-ERR TX-DRP TX-OVR Flg'

type Layout = (netns: Netns, device: NetDevice) => string

export const ifconfig: Program = tool((self) => run(self, netToolsText, false))
export const busyboxIfconfig: Program = tool((self) => run(self, busyboxText, true))

async function run(self: Process, layout: Layout, busybox: boolean): Promise<number> {
  const { netns } = self
  const args = self.args.slice(1)
  let all = false
  let short = false
  while (args[0]?.startsWith('-')) {
    const option = args.shift()
    if (option === '-a') all = true
    else if (option === '-s' && !busybox) short = true
    else if (option === '-V' || option === '--version') {
      self.out('net-tools 2.10\n')
      return 0
    } else if (option !== '-v') {
      const usage = busybox
        ? `ifconfig: unrecognized option: ${option?.slice(1)}`
        : `ifconfig: option \`${option}' not recognised.\nifconfig: \`--help' gives usage information.`
      throw new ToolError(usage, 1)
    }
  }
  const [name, ...rest] = args
  if (name === undefined) {
    const devices = devicesByName(netns, all)
    self.out(short ? interfaceTable(devices, SHORT_TITLE) : devices.map((device) => layout(netns, device)).join(''))
    return 0
  }
  const device = netns.devices.get(name)
  if (rest.length > 0) return set(self, name, device, rest)
  if (device === undefined) {
    throw new ToolError(
      `${busybox ? 'ifconfig: ' : ''}${name}: error fetching interface information: Device not found`,
      1,
    )
  }
  self.out(short ? interfaceTable([device], SHORT_TITLE) : layout(netns, device))
  return 0
}

/** The prefix that an address had before there were prefixes. */
function classfulPrefix(address: Ipv4): number {
  const first = address >>> 24
  return first < 128 ? 8 : first < 192 ? 16 : 24
}

function prefixOf(mask: Ipv4): number | null {
  const inverse = ~mask
  return (inverse & (inverse + 1)) === 0 ? Math.clz32(inverse) : null
}

function set(self: Process, name: string, device: NetDevice | undefined, rest: readonly string[]): number {
  if (name.includes(':')) throw new ToolError(`podwire: ifconfig with the alias ${name} is not modelled`, 2)
  if (device === undefined) throw absent(name, rest)
  const { netns } = self
  const words = new Words(rest)
  while (!words.done) {
    const word = words.take()
    if (word === 'up') bringUp(netns, device)
    else if (word === 'down') netns.setDown(device)
    else if (word === 'mtu') setMtu(device, number(words.take()))
    else if (word === 'netmask') setMask(netns, device, words.take())
    else if (word === 'broadcast') setBroadcast(netns, device, words.take())
    else if (word === 'hw') {
      if (words.peek === 'ether') words.take()
      const mac = tryParseMac(words.peek)
      if (mac === null) throw new ToolError(`${words.take()}: invalid ether address.`, 1)
      words.take()
      setMac(netns, device, mac)
    } else if (word === 'txqueuelen') device.settings.txQueueLength = queueLength(words.take())
    else if (UNMODELLED.includes(word)) throw new ToolError(`podwire: ifconfig ${word} is not modelled`, 2)
    else if (!setFlag(netns, device, word)) setAddress(netns, device, word)
  }
  return 0
}

/** A flag, or with a dash before it its opposite; false: it is no flag. */
function setFlag(netns: Netns, device: NetDevice, word: string): boolean {
  const on = !word.startsWith('-')
  switch (on ? word : word.slice(1)) {
    case 'arp':
      setArp(netns, device, on)
      return true
    case 'promisc':
      device.setPromiscuous(on)
      return true
    case 'allmulti':
      device.setAllMulticast(on)
      return true
    case 'multicast':
      device.settings.multicast = on
      return true
    case 'dynamic':
      device.settings.dynamic = on
      return true
    case 'trailers':
      device.settings.noTrailers = !on
      return true
    default:
      return false
  }
}

/** strtoul: what is no number is 0. */
function queueLength(text: string): number {
  return Number.parseInt(text, 10) || 0
}

const UNMODELLED = ['metric', 'add', 'del', 'pointopoint', '-pointopoint', 'tunnel', 'media', 'name']

/** Each word fails by itself, with the name of the call that failed. */
function absent(name: string, rest: readonly string[]): ToolError {
  if (rest[0] === 'mtu') return new ToolError('SIOCSIFMTU: No such device', 1)
  const lines: string[] = []
  for (const word of rest) {
    const flags = `${name}: ERROR while getting interface flags: No such device`
    if (word === 'up' || word === 'down' || word === 'promisc') lines.push(flags)
    else if (word === 'netmask') lines.push('SIOCSIFNETMASK: No such device')
    else if (word === rest[0]) lines.push('SIOCSIFADDR: No such device', flags)
  }
  return new ToolError(lines.join('\n'), 255)
}

function number(text: string): number {
  if (!/^[0-9]+$/.test(text)) throw new ToolError('SIOCSIFMTU: Invalid argument', 1)
  return Number(text)
}

function replaceAddress(netns: Netns, device: NetDevice, address: Ipv4, prefix: number, broadcast: Ipv4 | null): void {
  const old = netns.addressesOf(device).at(0)
  if (old !== undefined) netns.removeAddress(device, old.address)
  netns.addAddress(device, address, prefix, broadcast)
}

/** An address brings its class's mask, and brings the device up. */
function setAddress(netns: Netns, device: NetDevice, text: string): void {
  const given = tryParseInterfaceAddress(text)
  if (given === null || isMulticast(given.address)) {
    throw new ToolError(`${text}: Host name lookup failure\nifconfig: \`--help' gives usage information.`, 1)
  }
  const prefix = text.includes('/') ? given.prefix : classfulPrefix(given.address)
  const broadcast = prefix < 31 && device.kind !== 'loopback' ? broadcastOf(cidrOf(given.address, prefix)) : null
  replaceAddress(netns, device, given.address, prefix, broadcast)
  netns.setUp(device)
}

function setMask(netns: Netns, device: NetDevice, text: string): void {
  const mask = tryParseIpv4(text)
  const prefix = mask === null ? null : prefixOf(mask)
  const own = netns.addressesOf(device).at(0)
  if (prefix === null) throw new ToolError('SIOCSIFNETMASK: Invalid argument', 1)
  if (own === undefined) throw new ToolError('SIOCSIFNETMASK: Cannot assign requested address', 1)
  const broadcast = prefix < 31 && own.broadcast !== null ? broadcastOf(cidrOf(own.address, prefix)) : null
  replaceAddress(netns, device, own.address, prefix, broadcast)
}

function setBroadcast(netns: Netns, device: NetDevice, text: string): void {
  const broadcast = tryParseIpv4(text)
  const own = netns.addressesOf(device).at(0)
  if (broadcast === null) throw new ToolError(`${text}: Host name lookup failure`, 1)
  if (own === undefined) throw new ToolError('SIOCSIFBRDADDR: Cannot assign requested address', 1)
  replaceAddress(netns, device, own.address, own.prefix, broadcast)
}

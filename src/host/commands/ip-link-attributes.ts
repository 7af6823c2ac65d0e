/** `ip link set`'s switches and numbers that are not about addresses, places or kinds, and `ip link property`. */
import type { NetDevice } from '../../link/device.ts'
import { Dummy } from '../../link/dummy.ts'
import type { Netns } from '../../net/netns.ts'
import type { IpContext } from './ip-context.ts'
import { deviceNamed, findDevice } from './ip-device.ts'
import { LINK_USAGE } from './ip-usage.ts'
import { abbreviation, notModelled, refused, ToolError, type Words } from './ip-words.ts'

export type LinkAct = (device: NetDevice) => void

/** Kinds of device whose driver lets a user bring the protocol down. */
const PROTO_DOWN = ['vxlan', 'macvlan']
/** IFALIASZ, ALTIFNAMSIZ: with the byte at the end. */
const ALIAS_MAX = 256
const ALTNAME_MAX = 128

/** What one word of `ip link set` does to a device; null: it is none of these. */
export function takeAttribute(netns: Netns, word: string, words: Words): LinkAct | null {
  switch (word) {
    case 'arp':
      return switched(words, word, (device, on) => setArp(netns, device, on))
    case 'multicast':
      return switched(words, word, ({ settings }, on) => {
        settings.multicast = on
      })
    case 'allmulticast':
      return switched(words, word, (device, on) => {
        device.setAllMulticast(on)
      })
    case 'promisc':
      return switched(words, word, (device, on) => {
        device.setPromiscuous(on)
      })
    case 'dynamic':
      return switched(words, word, ({ settings }, on) => {
        settings.dynamic = on
      })
    case 'trailers':
      return switched(words, word, ({ settings }, on) => {
        settings.noTrailers = !on
      })
    case 'carrier':
      return switched(words, word, (device, on) => setCarrier(netns, device, on))
    case 'txqueuelen':
    case 'qlen':
    case 'txqlen':
      return takeQueueLength(words)
    case 'alias':
      return takeAlias(words)
    case 'protodown': {
      takeSwitch(words, word)
      return (device) => {
        if (PROTO_DOWN.includes(device.kind)) throw notModelled('ip link set protodown')
        throw new ToolError('Error: Protodown not supported by device.', 2)
      }
    }
    case 'vrf':
      throw noVrf(words.take())
    case 'addrgenmode':
    case 'broadcast':
    case 'brd':
    case 'gso_max_size':
    case 'gso_max_segs':
    case 'gro_max_size':
    case 'link-netns':
    case 'link-netnsid':
    case 'mode':
    case 'protodown_reason':
    case 'state':
    case 'vf':
    case 'xdp':
    case 'xdpdrv':
    case 'xdpgeneric':
    case 'xdpoffload':
      throw notModelled(`ip link set ${word}`)
    case 'index':
      throw new ToolError('index can be used only when creating devices or when moving device to another netns.', 255)
    default:
      return null
  }
}

function takeSwitch(words: Words, name: string): boolean {
  const value = words.take()
  if (value === 'on') return true
  if (value === 'off') return false
  throw new ToolError(`Error: argument of "${name}" must be "on" or "off", not "${value}"`, 1)
}

function switched(words: Words, name: string, act: (device: NetDevice, on: boolean) => void): LinkAct {
  const on = takeSwitch(words, name)
  return (device) => act(device, on)
}

/** Whoever was known, or set by hand, is forgotten (arp_netdev_event). */
export function setArp(netns: Netns, device: NetDevice, on: boolean): void {
  if (device.noArp !== on) return
  device.noArp = !on
  netns.neighbours.flush(device)
}

/** ndo_change_carrier, which only dummy has. */
function setCarrier(netns: Netns, device: NetDevice, on: boolean): void {
  if (!(device instanceof Dummy)) throw refused('Operation not supported')
  if (device.plugged === on) return
  device.plugged = on
  netns.carrierChanged(device)
}

function takeQueueLength(words: Words): LinkAct {
  const text = words.take()
  if (!/^-?(0x[0-9a-f]+|[0-9]+)$/i.test(text)) {
    throw new ToolError(`Error: argument "${text}" is wrong: Invalid "txqueuelen" value\n`, 255)
  }
  return ({ settings }) => {
    settings.txQueueLength = Number(text)
  }
}

function takeAlias(words: Words): LinkAct {
  const alias = words.take()
  return ({ settings }) => {
    if (alias.length >= ALIAS_MAX) throw refused('Numerical result out of range')
    settings.alias = alias
  }
}

/** rtnl_group_a2n: the one name that there is, or a number. */
export function takeGroup(words: Words): number {
  const text = words.take()
  if (text === 'default') return 0
  if (!/^(0x[0-9a-f]+|[0-9]+)$/i.test(text)) {
    throw new ToolError(`Error: argument "${text}" is wrong: Invalid "group" value\n`, 255)
  }
  return Number(text)
}

/** There are no VRFs here, so no name is one's. */
export function noVrf(name: string): ToolError {
  return new ToolError(`Error: argument "${name}" is wrong: Not a valid VRF name\n`, 255)
}

/** `ip link property add|del dev DEVICE altname NAME …`. */
export function setProperty(context: IpContext, words: Words): number {
  const { netns } = context
  if (words.done) throw new ToolError(LINK_USAGE, 255)
  const verb = abbreviation(words.take(), 'add', 'del')
  if (verb === null) throw new ToolError('Operator required', 255)
  let device: NetDevice | null = null
  const names: string[] = []
  while (!words.done) {
    const word = words.take()
    if (word === 'dev') device = findDevice(netns, words.take())
    else if (word === 'altname') names.push(words.take())
    else throw new ToolError(LINK_USAGE, 255)
  }
  if (device === null) throw new ToolError('Not enough of information: "dev" argument is required.', 255)
  for (const name of names) {
    if (verb === 'add') addName(netns, device, name)
    else removeName(device, name)
  }
  netns.notices?.link(device, false)
  return 0
}

function addName(netns: Netns, device: NetDevice, name: string): void {
  if (name.length >= ALTNAME_MAX) throw refused('Numerical result out of range')
  if (name === '' || name.includes('/') || name.includes(':') || /\s/.test(name) || name === '.' || name === '..') {
    throw refused('Invalid argument')
  }
  if (deviceNamed(netns, name) !== null) throw refused('File exists')
  device.settings.altNames.push(name)
}

function removeName(device: NetDevice, name: string): void {
  const { altNames } = device.settings
  const at = altNames.indexOf(name)
  if (at < 0) throw refused('No such file or directory')
  altNames.splice(at, 1)
}

/** `ip link add` and `ip link del`: devices come and go. */
import { Bridge } from '../../link/bridge.ts'
import type { NetDevice } from '../../link/device.ts'
import { Dummy } from '../../link/dummy.ts'
import { Macvlan } from '../../link/macvlan.ts'
import { Veth } from '../../link/veth.ts'
import { VlanDevice } from '../../link/vlan.ts'
import { namespaceOf } from '../../net/lower-link.ts'
import type { Netns } from '../../net/netns.ts'
import { VxlanDevice } from '../../tunnel/vxlan.ts'
import { ANY, type Ipv4 } from '../../wire/address.ts'
import type { IpContext } from './ip-context.ts'
import { findDevice, randomMac } from './ip-device.ts'
import { takeBridgeSettings } from './ip-link-bridge.ts'
import { addDummy, addMacvlan, addVlan, uppersOf } from './ip-link-kinds.ts'
import { type LinkOptions, nameFor, settle } from './ip-link-options.ts'
import { adoptBridge, checkName, release } from './ip-link-set.ts'
import { notModelled, refused, ToolError, takeAddress, takeMac, takeNumber, type Words } from './ip-words.ts'

/** Types that Linux has besides those that podwire makes. */
const KNOWN_TYPES = (
  'amt bareudp bond erspan geneve gre gretap gtp ifb ip6erspan ip6gre ip6gretap ip6tnl ipip ipoib ipvlan ipvtap ' +
  'macsec macvtap netdevsim nlmon sit team vcan vrf vti vxcan wireguard xfrm'
).split(' ')

export function addLink(context: IpContext, words: Words): number {
  const options: LinkOptions = {
    name: null,
    mac: null,
    mtu: 0,
    up: false,
    master: null,
    netns: context.netns,
    link: null,
  }
  takeOptions(context, words, options)
  if (words.done) throw new ToolError('Not enough information: "type" argument is required', 1)
  const type = words.take()
  switch (type) {
    case 'veth':
      return addVeth(context, words, options)
    case 'bridge':
      return addBridge(context, words, options)
    case 'vxlan':
      return addVxlan(context, words, options)
    case 'macvlan':
      return addMacvlan(context, words, options)
    case 'vlan':
      return addVlan(context, words, options)
    case 'dummy':
      return addDummy(context, words, options)
    default:
      if (!KNOWN_TYPES.includes(type)) throw new ToolError('Error: Unknown device type.', 2)
      throw notModelled(`ip link type ${type}`)
  }
}

/** Reads up to and including the word `type`, or to the end. */
function takeOptions(context: IpContext, words: Words, options: LinkOptions): void {
  while (!words.done) {
    const word = words.take()
    switch (word) {
      case 'type':
        return
      case 'address':
        options.mac = takeMac(words)
        break
      case 'mtu':
        options.mtu = takeNumber(words, 'mtu')
        break
      case 'up':
        options.up = true
        break
      case 'master':
        options.master = words.take()
        break
      case 'netns':
        options.netns = namespaceNamed(context, words.take())
        break
      case 'link':
        options.link = words.take()
        break
      case 'index':
      case 'numtxqueues':
      case 'numrxqueues':
      case 'txqueuelen':
      case 'broadcast':
        throw notModelled(`ip link add ${word}`)
      default: {
        const name = word === 'name' || word === 'dev' ? words.take() : word
        if (options.name !== null)
          throw new ToolError(`Error: either "name" is duplicate, or "${name}" is a garbage.`, 255)
        checkName(name)
        options.name = name
      }
    }
  }
}

function namespaceNamed(context: IpContext, name: string): Netns {
  const { machine } = context.self.place
  const found = machine.namespaces.get(name) ?? (name === '1' ? machine.netns : undefined)
  if (found === undefined) throw new ToolError(`Error: argument "${name}" is wrong: Invalid "netns" value\n`, 255)
  return found
}

function addVeth(context: IpContext, words: Words, options: LinkOptions): number {
  const peer: LinkOptions = { name: null, mac: null, mtu: 0, up: false, master: null, netns: options.netns, link: null }
  if (words.accept('peer')) takeOptions(context, words, peer)
  if (!words.done) throw new ToolError(`veth: what is "${words.peek}"?`, 255)
  const name = nameFor(options, 'veth')
  const peerName = nameFor(peer, 'veth', name)
  if (peerName === name && peer.netns === options.netns) throw refused('File exists')
  // The peer is made first: its index and its random address come before.
  const peerMac = peer.mac ?? randomMac(peer.netns)
  const mac = options.mac ?? randomMac(options.netns)
  const [left, right] = Veth.pair(context.self.world, name, mac, peerName, peerMac)
  peer.netns.adopt(right)
  options.netns.adopt(left)
  settle(peer, right)
  settle(options, left)
  return 0
}

function addBridge(context: IpContext, words: Words, options: LinkOptions): number {
  const act = takeBridgeSettings(words)
  const name = nameFor(options, 'br')
  const bridge = new Bridge(context.self.world, name, options.mac ?? randomMac(options.netns))
  bridge.macFollowsPorts = options.mac === null
  bridge.mtuFollowsPorts = options.mtu === 0
  act(bridge)
  adoptBridge(options.netns, bridge)
  settle(options, bridge)
  return 0
}

function addVxlan(context: IpContext, words: Words, options: LinkOptions): number {
  const { netns } = options
  let vni = -1
  let local: Ipv4 = ANY
  let device: NetDevice | null = null
  let port = -1
  let learning = true
  const flags = { proxy: false, l2miss: false, l3miss: false }
  while (!words.done) {
    const word = words.take()
    if (word === 'id' || word === 'vni') vni = takeNumber(words, word)
    else if (word === 'local') local = takeAddress(words)
    else if (word === 'dev') device = findDevice(netns, words.take())
    else if (word === 'dstport') port = takeNumber(words, 'dstport')
    else if (word === 'nolearning') learning = false
    else if (word === 'learning') learning = true
    else if (word === 'proxy' || word === 'l2miss' || word === 'l3miss') flags[word] = true
    else if (word === 'noproxy' || word === 'nol2miss' || word === 'nol3miss') {
      flags[word.slice(2) as keyof typeof flags] = false
    } else if (word === 'srcport' && words.take() === '0' && words.take() === '0') continue
    else throw notModelled(`ip link add type vxlan ${word}`)
  }
  if (vni < 0) throw new ToolError('vxlan: missing virtual network identifier', 1)
  if (port < 0) {
    context.self.err(
      'vxlan: destination port not specified\nWill use Linux kernel default (non-standard value)\n' +
        "Use 'dstport 4789' to get the IANA assigned value\nUse 'dstport 0' to get default and quiet this message\n",
    )
  }
  const name = nameFor(options, 'vxlan')
  const mac = options.mac ?? randomMac(netns)
  const made = new VxlanDevice(context.self.world, name, mac, {
    netns,
    vni,
    local,
    device,
    port: port > 0 ? port : 8472,
    learning,
    ...flags,
  })
  netns.adopt(made)
  settle(options, made)
  return 0
}

export function deleteLink(context: IpContext, words: Words): number {
  const { netns } = context
  if (words.peek === 'dev') words.take()
  if (words.done) throw new ToolError('Not enough information: "dev" argument is required.', 255)
  const device = findDevice(netns, words.take())
  removeDevice(netns, device)
  return 0
}

function removeDevice(netns: Netns, device: NetDevice): void {
  for (const upper of uppersOf(device)) {
    const there = namespaceOf(upper)
    if (there !== null) removeDevice(there, upper)
  }
  if (device instanceof Veth) {
    const { peer } = device
    const there = peer === null ? null : namespaceOf(peer)
    device.destroy()
    if (peer === null || there === null) return leave(netns, device)
    // Both are down before the first is gone (unregister_netdevice_many).
    netns.setDown(device)
    there.setDown(peer)
    leave(netns, device)
    leave(there, peer)
  } else if (device instanceof Bridge) {
    for (const port of [...device.ports]) release(netns, port.device)
    leave(netns, device)
  } else if (device instanceof VxlanDevice) {
    leave(netns, device)
    device.close()
  } else if (device instanceof Macvlan || device instanceof VlanDevice) {
    leave(netns, device)
    device.destroy()
  } else if (device instanceof Dummy) {
    leave(netns, device)
  } else {
    throw refused('Operation not supported')
  }
}

function leave(netns: Netns, device: NetDevice): void {
  release(netns, device, true)
  netns.release(device)
}

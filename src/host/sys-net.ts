/** /sys/class/net: each device of the namespace as a directory of small files (net/core/net-sysfs.c). */
import { Bridge, BridgePort } from '../link/bridge.ts'
import type { NetDevice } from '../link/device.ts'
import { isUpper } from '../link/stack.ts'
import { Veth } from '../link/veth.ts'
import type { Netns } from '../net/netns.ts'
import { formatMac } from '../wire/address.ts'

const CLASS = '/sys/class/net'

/** ARPHRD_ETHER, ARPHRD_LOOPBACK. */
const TYPES = { ethernet: 1, loopback: 772 }

/** IFF_UP, IFF_BROADCAST, IFF_LOOPBACK, IFF_NOARP, IFF_PROMISC, IFF_MULTICAST. */
const FLAGS = { up: 1, broadcast: 2, loopback: 8, noArp: 0x80, promiscuous: 0x100, multicast: 0x1000 }

/** A read that the kernel refuses (EINVAL): the speed of what has none, the carrier of what is down. */
export const INVALID = Symbol('Invalid argument')

type Attribute = (device: NetDevice, netns: Netns) => string | number | typeof INVALID

const attributes: Readonly<Record<string, Attribute>> = {
  addr_len: () => 6,
  address: ({ mac }) => formatMac(mac),
  broadcast: ({ kind }) => (kind === 'loopback' ? '00:00:00:00:00:00' : 'ff:ff:ff:ff:ff:ff'),
  carrier: ({ up, carrier }) => (up ? Number(carrier) : INVALID),
  dev_id: () => '0x0',
  dev_port: () => 0,
  dormant: ({ up }) => (up ? 0 : INVALID),
  duplex: (device) => (device instanceof Veth ? 'full' : device instanceof Bridge && device.up ? 'unknown' : INVALID),
  gro_flush_timeout: () => 0,
  napi_defer_hard_irqs: () => 0,
  netdev_group: () => 0,
  proto_down: () => 0,
  testing: ({ up }) => (up ? 0 : INVALID),
  threaded: () => 0,
  flags: (device) => `0x${flagsOf(device).toString(16)}`,
  ifalias: () => '',
  ifindex: ({ index }) => index,
  iflink: (device) => lowerIndex(device),
  link_mode: () => 0,
  mtu: ({ mtu }) => mtu,
  operstate: (device, netns) => operstate(device, netns),
  speed: (device) => speed(device),
  tx_queue_len: () => 1000,
  type: ({ kind }) => (kind === 'loopback' ? TYPES.loopback : TYPES.ethernet),
  uevent: (device) => uevent(device),
}

const counted: Readonly<Record<string, (device: NetDevice) => number>> = {
  rx_bytes: ({ rxBytes }) => rxBytes,
  rx_dropped: ({ rxDropped }) => rxDropped,
  rx_packets: ({ rxPackets }) => rxPackets,
  tx_bytes: ({ txBytes }) => txBytes,
  tx_dropped: ({ txDropped }) => txDropped,
  tx_packets: ({ txPackets }) => txPackets,
}

/** What never happens to a device here. */
const zero =
  'collisions multicast rx_compressed rx_crc_errors rx_errors rx_fifo_errors rx_frame_errors rx_length_errors ' +
  'rx_missed_errors rx_nohandler rx_over_errors tx_aborted_errors tx_carrier_errors tx_compressed tx_errors ' +
  'tx_fifo_errors tx_heartbeat_errors tx_window_errors'

const statistics: Readonly<Record<string, (device: NetDevice) => number>> = {
  ...counted,
  ...Object.fromEntries(zero.split(' ').map((name) => [name, () => 0])),
}

/** The text of the file; INVALID when reading it fails; null when there is no such file. */
export function sysFile(netns: Netns, path: string): string | typeof INVALID | null {
  const [device, directory, name, ...rest] = steps(netns, path) ?? []
  if (device === undefined || directory === undefined || rest.length > 0) return null
  if (name === undefined) {
    if (!Object.hasOwn(attributes, directory)) return null
    const value = attributes[directory](device, netns)
    if (value === INVALID) return INVALID
    return value === '' ? '' : `${value}\n`
  }
  if (directory === 'statistics' && Object.hasOwn(statistics, name)) return `${statistics[name](device)}\n`
  return null
}

/** What the directory holds; null when there is no such directory. */
export function sysNames(netns: Netns, path: string): string[] | null {
  if (path === '/sys/class') return ['net']
  if (path === CLASS) return [...netns.devices.keys()]
  const [device, directory, ...rest] = steps(netns, path) ?? []
  if (device === undefined || rest.length > 0) return null
  const ports = device instanceof Bridge ? device.ports.map((port) => port.device.name) : null
  const bridged = device.receiver instanceof BridgePort
  if (directory === undefined) {
    const own = [...Object.keys(attributes), 'statistics']
    if (ports !== null) own.push('brif')
    if (bridged) own.push('master')
    return own
  }
  if (directory === 'statistics') return Object.keys(statistics)
  if (directory === 'brif') return ports
  return null
}

/** The device that a path goes through, and the steps behind it. */
function steps(netns: Netns, path: string): [NetDevice, ...string[]] | null {
  if (!path.startsWith(`${CLASS}/`)) return null
  const [name, ...rest] = path.slice(CLASS.length + 1).split('/')
  const device = netns.devices.get(name)
  return device === undefined ? null : [device, ...rest]
}

function flagsOf(device: NetDevice): number {
  const base = device.kind === 'loopback' ? FLAGS.loopback : FLAGS.broadcast | FLAGS.multicast
  return (
    base |
    (device.up ? FLAGS.up : 0) |
    (device.noArp ? FLAGS.noArp : 0) |
    (device.promiscuous && device.tap === null ? FLAGS.promiscuous : 0)
  )
}

/** Itself, unless it stands on another, or is one end of a cable. */
function lowerIndex(device: NetDevice): number {
  if (device instanceof Veth) return device.peer?.index ?? device.index
  return isUpper(device) ? device.lower.index : device.index
}

/** In Mbit/s. A bridge is as fast as its fastest port; what has no cable has no speed. */
function speed(device: NetDevice): number | typeof INVALID {
  if (device instanceof Veth) return device.up ? 10_000 : INVALID
  if (!(device instanceof Bridge)) return INVALID
  const running = device.ports.some((port) => port.device instanceof Veth && port.device.carrier)
  return device.up ? (running ? 10_000 : -1) : INVALID
}

function operstate(device: NetDevice, netns: Netns): string {
  if (!device.up) return 'down'
  if (device.kind === 'loopback' || device.kind === 'vxlan' || device.kind === 'dummy') return 'unknown'
  if (device.carrier) return 'up'
  const peer = device instanceof Veth ? device.peer : null
  // The kernel looks the other end's index up in this namespace, wherever that end is.
  const lower = [...netns.devices.values()].find(({ index }) => index === peer?.index)
  return peer !== null && lower !== undefined && !lower.carrier ? 'lowerlayerdown' : 'down'
}

function uevent(device: NetDevice): string {
  const kinds = ['bridge', 'vxlan', 'vlan']
  const type = kinds.includes(device.kind) ? `DEVTYPE=${device.kind}\n` : ''
  return `${type}INTERFACE=${device.name}\nIFINDEX=${device.index}`
}

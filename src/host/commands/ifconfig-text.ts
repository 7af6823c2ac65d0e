/** One device as ifconfig prints it: net-tools 2.10, and busybox. */
import type { NetDevice } from '../../link/device.ts'
import type { Netns } from '../../net/netns.ts'
import { formatIpv4, formatMac, mask } from '../../wire/address.ts'

const NONE = '0.0.0.0'

/** Bits of IFF_*, with net-tools' names, in its order. */
const bits: readonly (readonly [bit: number, name: string])[] = [
  [0x1, 'UP'],
  [0x2, 'BROADCAST'],
  [0x8, 'LOOPBACK'],
  [0x20, 'NOTRAILERS'],
  [0x40, 'RUNNING'],
  [0x80, 'NOARP'],
  [0x100, 'PROMISC'],
  [0x200, 'ALLMULTI'],
  [0x1000, 'MULTICAST'],
  [0x8000, 'DYNAMIC'],
]

export function interfaceFlags(device: NetDevice): number {
  const { settings, kind } = device
  let flags = kind === 'loopback' ? 0x8 : 0x2
  if (settings.multicast) flags |= 0x1000
  if (settings.allMulticast) flags |= 0x200
  if (settings.noTrailers) flags |= 0x20
  if (settings.dynamic) flags |= 0x8000
  if (device.noArp && kind !== 'loopback') flags |= 0x80
  if (device.up) flags |= 0x1
  if (device.up && device.carrier) flags |= 0x40
  if (device.promiscuous) flags |= 0x100
  return flags
}

function flagNames(flags: number): string[] {
  return bits.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name)
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** `1528 (1.4 KiB)`: cut off, not rounded. */
function scaled(bytes: number): string {
  let unit = 0
  let size = bytes
  for (; size > 1024 && unit < units.length - 1; unit++) size /= 1024
  return `${Math.floor(size)}.${Math.floor(size * 10) % 10} ${units[unit]}`
}

export function netToolsText(netns: Netns, device: NetDevice): string {
  const flags = interfaceFlags(device)
  // The kernel's flags are a short (ifr_flags).
  const lines = [`${device.name}: flags=${(flags << 16) >> 16}<${flagNames(flags).join(',')}>  mtu ${device.mtu}`]
  const own = netns.addressesOf(device).at(0)
  if (own !== undefined) {
    const broadcast =
      device.kind === 'loopback' ? '' : `  broadcast ${own.broadcast === null ? NONE : formatIpv4(own.broadcast)}`
    lines.push(`        inet ${formatIpv4(own.address)}  netmask ${formatIpv4(mask(own.prefix))}${broadcast}`)
  }
  const queue = device.settings.txQueueLength
  if (device.kind === 'loopback') lines.push(`        loop  txqueuelen ${queue}  (Local Loopback)`)
  else lines.push(`        ether ${formatMac(device.mac)}  txqueuelen ${queue}  (Ethernet)`)
  lines.push(
    `        RX packets ${device.rxPackets}  bytes ${device.rxBytes} (${scaled(device.rxBytes)})`,
    `        RX errors 0  dropped ${device.rxDropped}  overruns 0  frame 0`,
    `        TX packets ${device.txPackets}  bytes ${device.txBytes} (${scaled(device.txBytes)})`,
    `        TX errors 0  dropped ${device.txDropped} overruns 0  carrier 0  collisions 0`,
  )
  return `${lines.join('\n')}\n\n`
}

export function busyboxText(netns: Netns, device: NetDevice): string {
  const loopback = device.kind === 'loopback'
  const encapsulation = loopback ? 'Local Loopback' : `Ethernet  HWaddr ${formatMac(device.mac).toUpperCase()}`
  const lines = [`${device.name.padEnd(9)} Link encap:${encapsulation}  `]
  const own = netns.addressesOf(device).at(0)
  if (own !== undefined) {
    const broadcast = loopback ? '' : `  Bcast:${own.broadcast === null ? NONE : formatIpv4(own.broadcast)}`
    lines.push(`          inet addr:${formatIpv4(own.address)}${broadcast}  Mask:${formatIpv4(mask(own.prefix))}`)
  }
  const flags = flagNames(interfaceFlags(device)).map((name) => `${name} `)
  lines.push(
    `          ${flags.join('') || '[NO FLAGS] '} MTU:${device.mtu}  Metric:1`,
    `          RX packets:${device.rxPackets} errors:0 dropped:${device.rxDropped} overruns:0 frame:0`,
    `          TX packets:${device.txPackets} errors:0 dropped:${device.txDropped} overruns:0 carrier:0`,
    `          collisions:0 txqueuelen:${device.settings.txQueueLength} `,
    `          RX bytes:${device.rxBytes} (${scaled(device.rxBytes)})  TX bytes:${device.txBytes} (${scaled(device.txBytes)})`,
  )
  return `${lines.join('\n')}\n\n`
}

const tableFlags: readonly (readonly [bit: number, letter: string])[] = [
  [0x200, 'A'],
  [0x2, 'B'],
  [0x8, 'L'],
  [0x1000, 'M'],
  [0x8000, 'd'],
  [0x100, 'P'],
  [0x20, 'N'],
  [0x80, 'O'],
  [0x40, 'R'],
  [0x1, 'U'],
]

/** `netstat -i`, and with a narrower title `ifconfig -s`. */
export function interfaceTable(devices: readonly NetDevice[], title: string): string {
  const number = (value: number, width: number) => String(value).padStart(width)
  const rows = devices.map((device) => {
    const flags = interfaceFlags(device)
    const letters = tableFlags.filter(([bit]) => (flags & bit) !== 0).map(([, letter]) => letter)
    return (
      `${device.name.padEnd(15)} ${number(device.mtu, 5)} ${number(device.rxPackets, 8)} ${number(0, 6)} ` +
      `${number(device.rxDropped, 6)} ${'0'.padEnd(6)} ${number(device.txPackets, 8)} ${number(0, 6)} ` +
      `${number(device.txDropped, 6)} ${number(0, 6)} ${letters.join('')}\n`
    )
  })
  return `${title}\n${rows.join('')}`
}

/** By name, numbers in names as numbers; only those that are up unless all are wanted. */
export function devicesByName(netns: Netns, all: boolean): NetDevice[] {
  return [...netns.devices.values()].filter((device) => all || device.up).sort((a, b) => compareNames(a.name, b.name))
}

function compareNames(a: string, b: string): number {
  const stem = (name: string) => name.replace(/[0-9]+$/, '')
  if (stem(a) !== stem(b)) return stem(a) < stem(b) ? -1 : 1
  return Number(a.slice(stem(a).length)) - Number(b.slice(stem(b).length))
}

/** ethtool(8) 6.1: what virtual devices have to say, and how they refuse all else. Texts and codes were measured. */
import { Bridge } from '../../link/bridge.ts'
import type { NetDevice } from '../../link/device.ts'
import { isUpper } from '../../link/stack.ts'
import { Veth } from '../../link/veth.ts'
import { VxlanDevice } from '../../tunnel/vxlan.ts'
import type { Process } from '../process.ts'
import { featuresText, setFeatures } from './ethtool-features.ts'
import { deviceNamed } from './ip-device.ts'
import { notModelled, printed, ToolError, tool } from './ip-words.ts'

const BAD_LINE = 'ethtool: bad command line argument(s)\nFor more information run ethtool -h'
const NO_NAME = 'netlink error: no device matches name (offset 24)\nnetlink error: No such device'
const UNSUPPORTED = 'netlink error: Operation not supported'

/** Driver and version (ethtool_drvinfo); some say that they have no firmware and no bus. */
const drivers: Readonly<Record<string, { name: string; version: string; bus: string }>> = {
  veth: { name: 'veth', version: '1.0', bus: '' },
  bridge: { name: 'bridge', version: '2.3', bus: 'N/A' },
  vxlan: { name: 'vxlan', version: '0.1', bus: '' },
  macvlan: { name: 'macvlan', version: '0.1', bus: '' },
  vlan: { name: '802.1Q VLAN Support', version: '1.8', bus: 'N/A' },
  dummy: { name: 'dummy', version: '1.0', bus: '' },
}

/** One option: what it does with a device, and what it says and ends with when there is none. */
interface Option {
  readonly names: readonly string[]
  run(self: Process, device: NetDevice, words: readonly string[]): number
  /** Of the old kind, by ioctl: how it begins its errors. By netlink: the default. */
  readonly absent?: readonly [message: string, status: number]
}

/** What Linux's virtual devices do not have. */
function unsupported(names: readonly string[], status: number, message = UNSUPPORTED, absent = NO_NAME): Option {
  const run = (): number => {
    throw new ToolError(message, status)
  }
  return { names, run, absent: [absent, status] }
}

/** An ioctl's: the same sentence with the error's name behind it. */
function ioctl(names: readonly string[], status: number, what: string, missing = what): Option {
  const said = (text: string, reason: string) => text.replaceAll('%', reason)
  return unsupported(names, status, said(what, 'Operation not supported'), said(missing, 'No such device'))
}

const RX_CLASS =
  'Cannot get RX rings: %\nrxclass: Cannot get RX class rule count: %\nRX classification rule retrieval failed'

const options: readonly Option[] = [
  { names: ['-i', '--driver'], run: driver, absent: ['Cannot get driver information: No such device', 71] },
  {
    names: ['-k', '--show-features', '--show-offload'],
    run: (self, device, [extra]) => {
      if (extra !== undefined) throw new ToolError(`ethtool: unexpected parameter '${extra}'`, 1)
      return printed(self, featuresText(device))
    },
  },
  { names: ['-K', '--features', '--offload'], run: setFeatures, absent: [NO_NAME, 92] },
  {
    names: ['-S', '--statistics'],
    run: statistics,
    absent: ['Cannot get stats strings information: No such device', 96],
  },
  { names: ['-l', '--show-channels'], run: channels },
  { names: ['-T', '--show-time-stamping'], run: timeStamping },
  {
    names: ['-P', '--show-permaddr'],
    run: (self) => printed(self, 'Permanent address: not set\n'),
    absent: ['netlink error: No such device', 1],
  },
  { names: ['-s', '--change'], run: change, absent: [NO_NAME, 75] },
  unsupported(['-a', '--show-pause', '-g', '--show-ring', '-c', '--show-coalesce', '-C', '--coalesce'], 1),
  unsupported(['--show-eee', '--show-fec', '--show-priv-flags', '-m', '--module-info', '--dump-module-eeprom'], 1),
  unsupported(['-A', '--pause'], 76),
  unsupported(['-G', '--set-ring'], 81),
  ioctl(['-n', '-u', '--show-nfc', '--show-ntuple'], 1, RX_CLASS),
  ioctl(['-x', '--show-rxfh', '--show-rxfh-indir'], 1, 'Cannot get RX ring count: %'),
  ioctl(['-p', '--identify'], 255, 'Cannot identify NIC: %'),
  ioctl(['-r', '--negotiate'], 255, 'Cannot restart autonegotiation: %'),
  ioctl(['-t', '--test'], 74, 'Cannot test: %', 'Cannot get strings: %'),
  {
    ...ioctl(['-d', '--register-dump'], 72, 'Cannot get driver information: %'),
    run: dump('Cannot get register dump', 72),
  },
  {
    ...ioctl(['-e', '--eeprom-dump'], 74, 'Cannot get driver information: %'),
    run: dump('Cannot get EEPROM data', 74),
  },
]

/** Options that the real tool has besides. */
const KNOWN =
  '-h --help --json --debug --monitor -I -L --set-channels -E -N -U -X -f -w -W --set-priv-flags --set-eee ' +
  '--phy-statistics --set-phy-tunable --get-phy-tunable --get-tunable --set-tunable --reset --set-fec -Q --per-queue ' +
  '--cable-test --cable-test-tdr --show-tunnels --show-module --set-module'

export const ethtool = tool(async (self) => {
  const [first, ...others] = self.args.slice(1)
  if (first === '--version') return printed(self, 'ethtool version 6.1\n')
  if (first === undefined) throw new ToolError(BAD_LINE, 1)
  if (!first.startsWith('-')) return settings(self, first)
  const option = options.find(({ names }) => names.includes(first))
  if (option === undefined) {
    if (KNOWN.split(' ').includes(first)) throw notModelled(`ethtool ${first}`)
    throw new ToolError(BAD_LINE, 1)
  }
  const [name, ...words] = others
  if (name === undefined) throw new ToolError(BAD_LINE, 1)
  const device = deviceNamed(self.netns, name)
  if (device === null) throw new ToolError(...(option.absent ?? ([NO_NAME, 1] as const)))
  return option.run(self, device, words)
})

/** Five questions, each of them in vain when there is no such device. */
function settings(self: Process, name: string): number {
  const device = deviceNamed(self.netns, name)
  if (device === null) {
    self.out('No data available\n')
    throw new ToolError(new Array<string>(5).fill(NO_NAME).join('\n'), 75)
  }
  self.out(`Settings for ${device.name}:\n`)
  if (device.kind !== 'loopback' && device.kind !== 'dummy') self.out(linkModes(device))
  self.out(`\tLink detected: ${device.carrier ? 'yes' : 'no'}\n`)
  return 0
}

const UNREPORTED =
  '\tSupported ports: [  ]\n\tSupported link modes:   Not reported\n\tSupported pause frame use: No\n' +
  '\tSupports auto-negotiation: No\n\tSupported FEC modes: Not reported\n\tAdvertised link modes:  Not reported\n' +
  '\tAdvertised pause frame use: No\n\tAdvertised auto-negotiation: No\n\tAdvertised FEC modes: Not reported\n'

function linkModes(device: NetDevice): string {
  const wired = wireOf(device) !== null
  return (
    `${UNREPORTED}\tSpeed: ${hasSpeed(device) ? '10000Mb/s' : 'Unknown!'}\n\tDuplex: ${wired ? 'Full' : 'Unknown! (255)'}\n` +
    `\tAuto-negotiation: off\n\tPort: ${wired ? 'Twisted Pair' : 'Other'}\n\tPHYAD: 0\n\tTransceiver: internal\n` +
    `${wired ? '\tMDI-X: Unknown\n' : ''}`
  )
}

/** The cable that a device is, or stands upon. */
function wireOf(device: NetDevice): Veth | null {
  if (isUpper(device)) return wireOf(device.lower)
  return device instanceof Veth ? device : null
}

/** A veth says 10 Gbit/s (veth_get_link_ksettings), a bridge what its fastest port says, a tunnel what its device says. */
function hasSpeed(device: NetDevice): boolean {
  if (device instanceof Bridge) return device.ports.some((port) => port.device.carrier && hasSpeed(port.device))
  if (device instanceof VxlanDevice) return device.device !== null && hasSpeed(device.device)
  return wireOf(device) !== null
}

function driver(self: Process, device: NetDevice): number {
  const found = drivers[device.kind]
  if (found === undefined) throw new ToolError('Cannot get driver information: Operation not supported', 71)
  const { name, version, bus } = found
  return printed(
    self,
    `driver: ${name}\nversion: ${version}\nfirmware-version: ${bus}\nexpansion-rom-version: \nbus-info: ${bus}\n` +
      `supports-statistics: ${device.kind === 'veth' ? 'yes' : 'no'}\nsupports-test: no\n` +
      'supports-eeprom-access: no\nsupports-register-dump: no\nsupports-priv-flags: no\n',
  )
}

/** veth_get_ethtool_stats: its counters are those of XDP, which nobody loads here. */
function statistics(self: Process, device: NetDevice): number {
  if (!(device instanceof Veth)) throw new ToolError('no stats available', 94)
  const receive = ['xdp_packets', 'xdp_bytes', 'drops', 'xdp_redirect', 'xdp_drops', 'xdp_tx', 'xdp_tx_errors']
  const counters = [
    ...receive.map((name) => `rx_queue_0_${name}`),
    ...['xdp_xmit', 'xdp_xmit_errors'].map((name) => `tx_queue_0_${name}`),
  ]
  const lines = [`peer_ifindex: ${device.peer?.index ?? 0}`, ...counters.map((name) => `${name}: 0`)]
  return printed(self, `NIC statistics:\n${lines.map((line) => `     ${line}\n`).join('')}`)
}

/** veth_get_channels: as many queues as it was made with, of which one of each is in use. */
function channels(self: Process, device: NetDevice): number {
  if (device.kind !== 'veth') throw new ToolError(UNSUPPORTED, 1)
  const table = (count: number) => `RX:\t\t${count}\nTX:\t\t${count}\nOther:\t\tn/a\nCombined:\tn/a\n`
  return printed(
    self,
    `Channel parameters for ${device.name}:\nPre-set maximums:\n${table(2)}Current hardware settings:\n${table(1)}`,
  )
}

/** Who hands frames over himself can say when he sent them. */
function timeStamping(self: Process, device: NetDevice): number {
  const sends = device.kind === 'loopback' || device.kind === 'dummy' || wireOf(device) !== null
  return printed(
    self,
    `Time stamping parameters for ${device.name}:\nCapabilities:\n${sends ? '\tsoftware-transmit\n' : ''}` +
      '\tsoftware-receive\n\tsoftware-system-clock\nPTP Hardware Clock: none\n' +
      'Hardware Transmit Timestamp Modes: none\nHardware Receive Filter Modes: none\n',
  )
}

function change(_self: Process, _device: NetDevice, words: readonly string[]): number {
  if (words.length > 0) throw new ToolError(UNSUPPORTED, 75)
  return 0
}

/** Registers and EEPROM: after the driver's name, which lo has not. */
function dump(what: string, status: number): Option['run'] {
  return (_self, device) => {
    if (drivers[device.kind] === undefined) {
      throw new ToolError('Cannot get driver information: Operation not supported', status)
    }
    throw new ToolError(`${what}: Operation not supported`, 74)
  }
}

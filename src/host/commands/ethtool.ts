/** ethtool(8): what little a virtual device has to say. Offloads are off: what devices carry is what wires carry. */
import type { NetDevice } from '../../link/device.ts'
import type { Process, Program } from '../process.ts'
import { deviceNamed, linkKind } from './ip-device.ts'

const drivers: Readonly<Record<string, string>> = { veth: '1.0', bridge: '2.3', vxlan: '0.1', dummy: '1.0' }

const features: readonly (readonly [short: string, long: string])[] = [
  ['rx', 'rx-checksumming'],
  ['tx', 'tx-checksumming'],
  ['sg', 'scatter-gather'],
  ['tso', 'tcp-segmentation-offload'],
  ['gso', 'generic-segmentation-offload'],
  ['gro', 'generic-receive-offload'],
  ['lro', 'large-receive-offload'],
  ['rxvlan', 'rx-vlan-offload'],
  ['txvlan', 'tx-vlan-offload'],
  ['ntuple', 'ntuple-filters'],
  ['rxhash', 'receive-hashing'],
]

export const ethtool: Program = async (self) => {
  const [first, ...others] = self.args.slice(1)
  if (first === undefined) {
    self.err('ethtool: bad command line argument(s)\nFor more information run ethtool -h\n')
    return 1
  }
  if (first === '--version') {
    self.out('ethtool version 6.1\n')
    return 0
  }
  const option = first.startsWith('-') ? first : ''
  const name = option === '' ? first : others.shift()
  const device = name === undefined ? undefined : (deviceNamed(self.netns, name) ?? undefined)
  if (name === undefined) {
    self.err('ethtool: bad command line argument(s)\nFor more information run ethtool -h\n')
    return 1
  }
  if (device === undefined) {
    self.err(option === '' ? 'netlink error: No such device\nNo data available\n' : 'netlink error: No such device\n')
    return 75
  }
  switch (option) {
    case '':
      return settings(self, device)
    case '-i':
    case '--driver':
      return driver(self, device)
    case '-k':
    case '--show-features':
    case '--show-offload':
      self.out(`Features for ${device.name}:\n${features.map(([, long]) => `${long}: off\n`).join('')}`)
      return 0
    case '-K':
    case '--features':
    case '--offload':
      return offload(self, others)
    default:
      self.err(`podwire: ethtool ${option} is not modelled\n`)
      return 2
  }
}

function settings(self: Process, device: NetDevice): number {
  self.out(`Settings for ${device.name}:\n`)
  if (device.kind === 'veth')
    self.out('\tSpeed: 10000Mb/s\n\tDuplex: Full\n\tAuto-negotiation: off\n\tPort: Twisted Pair\n')
  self.out(`\tLink detected: ${device.carrier ? 'yes' : 'no'}\n`)
  return 0
}

function driver(self: Process, device: NetDevice): number {
  const kind = linkKind(device)
  const version = drivers[kind]
  if (version === undefined) {
    self.err('Cannot get driver information: Operation not supported\n')
    return 71
  }
  self.out(
    `driver: ${kind}\nversion: ${version}\nfirmware-version: ${kind === 'bridge' ? 'N/A' : ''}\nexpansion-rom-version: \n` +
      `bus-info: ${kind === 'bridge' ? 'N/A' : ''}\nsupports-statistics: ${kind === 'veth' ? 'yes' : 'no'}\nsupports-test: no\n` +
      'supports-eeprom-access: no\nsupports-register-dump: no\nsupports-priv-flags: no\n',
  )
  return 0
}

function offload(self: Process, words: readonly string[]): number {
  for (let at = 0; at < words.length; at += 2) {
    const known = features.some(([short, long]) => short === words[at] || long === words[at])
    const value = words[at + 1]
    if (!known || (value !== 'on' && value !== 'off')) {
      self.err('ethtool: bad command line argument(s)\nFor more information run ethtool -h\n')
      return 1
    }
    if (value === 'on') {
      self.err(`podwire: ethtool -K ${words[at]} on is not modelled\n`)
      return 2
    }
  }
  return 0
}

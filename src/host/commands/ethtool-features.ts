/**
 * `ethtool -k` and `-K`: the offloads of a device, under the names of ethtool 6.1 and Linux 6.18. Nothing is offloaded
 * here: a frame has its checksums and fits its link when it leaves, as with every offload turned off. So that is what is
 * shown, with the marks of what Linux lets nobody change on such a device.
 */
import type { NetDevice } from '../../link/device.ts'
import type { Process } from '../process.ts'
import { notModelled, ToolError } from './ip-words.ts'

/** Kinds on which Linux has the feature fixed. */
const EVERY = 'all'
const NOT_VETH = 'bridge lo vxlan macvlan'
const NOT_ETHER = 'lo vxlan macvlan'

interface Feature {
  /** What ethtool calls it. */
  readonly name: string
  /** What the kernel calls it (netdev_features_strings). */
  readonly kernel: string
  /** Kinds on which nobody can change it. */
  readonly fixed: string
  /** One of the features that the line above sums up. */
  readonly part: boolean
  /** Has it no part in a frame's path, so that it may as well be on? */
  readonly on: string
}

function feature(name: string, fixed = '', more: Partial<Feature> = {}): Feature {
  return { name, kernel: name, fixed, part: false, on: '', ...more }
}

function part(name: string, fixed = ''): Feature {
  return feature(name, fixed, { part: true })
}

/** A line that sums up the parts below it. */
const SUM = 'sum'

const features: readonly Feature[] = [
  feature('rx-checksumming', 'bridge lo macvlan', { kernel: 'rx-checksum' }),
  feature('tx-checksumming', SUM),
  part('tx-checksum-ipv4', EVERY),
  part('tx-checksum-ip-generic', 'lo macvlan'),
  part('tx-checksum-ipv6', EVERY),
  part('tx-checksum-fcoe-crc', EVERY),
  part('tx-checksum-sctp', NOT_VETH),
  feature('scatter-gather', SUM),
  part('tx-scatter-gather', 'lo macvlan'),
  part('tx-scatter-gather-fraglist', 'lo macvlan'),
  feature('tcp-segmentation-offload', SUM),
  part('tx-tcp-segmentation', 'macvlan'),
  part('tx-tcp-ecn-segmentation', 'macvlan'),
  part('tx-tcp-mangleid-segmentation', 'macvlan'),
  part('tx-tcp6-segmentation', 'macvlan'),
  part('tx-tcp-accecn-segmentation', 'macvlan'),
  feature('generic-segmentation-offload', '', { kernel: 'tx-generic-segmentation' }),
  feature('generic-receive-offload', '', { kernel: 'rx-gro' }),
  feature('large-receive-offload', 'veth bridge lo vxlan', { kernel: 'rx-lro' }),
  feature('rx-vlan-offload', NOT_VETH, { kernel: 'rx-vlan-hw-parse' }),
  feature('tx-vlan-offload', NOT_ETHER, { kernel: 'tx-vlan-hw-insert' }),
  feature('ntuple-filters', EVERY, { kernel: 'rx-ntuple-filter' }),
  feature('receive-hashing', EVERY, { kernel: 'rx-hashing' }),
  feature('highdma', NOT_ETHER, { on: 'veth bridge lo macvlan' }),
  feature('rx-vlan-filter', EVERY),
  feature('vlan-challenged', EVERY, { on: 'lo' }),
  feature('tx-gso-robust', 'veth lo vxlan macvlan'),
  feature('tx-fcoe-segmentation', 'veth lo vxlan macvlan'),
  ...['gre', 'gre-csum', 'ipxip4', 'ipxip6', 'udp_tnl', 'udp_tnl-csum'].map((name) =>
    feature(`tx-${name}-segmentation`, NOT_ETHER),
  ),
  feature('tx-gso-partial', 'veth lo vxlan macvlan'),
  feature('tx-tunnel-remcsum-segmentation', 'veth lo vxlan macvlan'),
  feature('tx-sctp-segmentation', 'macvlan'),
  feature('tx-esp-segmentation', 'veth lo vxlan macvlan'),
  feature('tx-udp-segmentation', 'macvlan'),
  feature('tx-gso-list', 'macvlan'),
  feature('tx-nocache-copy', 'lo'),
  feature('loopback', EVERY, { on: 'lo' }),
  feature('rx-fcs', EVERY),
  feature('rx-all', EVERY),
  feature('tx-vlan-stag-hw-insert', NOT_ETHER),
  feature('rx-vlan-stag-hw-parse', NOT_VETH),
  feature('rx-vlan-stag-filter', EVERY),
  feature('l2-fwd-offload', EVERY),
  feature('hw-tc-offload', EVERY),
  feature('esp-hw-offload', EVERY),
  feature('esp-tx-csum-hw-offload', EVERY),
  feature('rx-udp_tunnel-port-offload', EVERY),
  feature('tls-hw-tx-offload', EVERY),
  feature('tls-hw-rx-offload', EVERY),
  feature('rx-gro-hw', EVERY),
  feature('tls-hw-record', EVERY),
  feature('rx-gro-list'),
  feature('macsec-hw-offload', EVERY),
  feature('rx-udp-gro-forwarding'),
  ...['tag-ins', 'tag-rm', 'fwd', 'dup'].map((name) => feature(`hsr-${name}-offload`, EVERY)),
]

/** Short names, and the old ones of what is a sum today. */
const short: Readonly<Record<string, string>> = {
  rx: 'rx-checksumming',
  tx: 'tx-checksumming',
  sg: 'scatter-gather',
  tso: 'tcp-segmentation-offload',
  gso: 'generic-segmentation-offload',
  gro: 'generic-receive-offload',
  lro: 'large-receive-offload',
  rxvlan: 'rx-vlan-offload',
  txvlan: 'tx-vlan-offload',
  ntuple: 'ntuple-filters',
  rxhash: 'receive-hashing',
}

function kindOf(device: NetDevice): string {
  if (device.kind === 'loopback') return 'lo'
  // What stands upon another device has its features, as far as they are known here.
  return device.kind === 'vlan' || device.kind === 'dummy' ? 'vxlan' : device.kind
}

function has(kinds: string, kind: string): boolean {
  return kinds === EVERY || kinds.split(' ').includes(kind)
}

export function featuresText(device: NetDevice): string {
  const kind = kindOf(device)
  const lines = features.map(({ name, fixed, part, on }) => {
    const state = has(on, kind) ? 'on' : 'off'
    return `${part ? '\t' : ''}${name}: ${state}${has(fixed, kind) ? ' [fixed]' : ''}\n`
  })
  return `Features for ${device.name}:\n${lines.join('')}`
}

/** What one word of `-K` names: a feature, or the parts of a sum. Empty: nothing. */
function named(word: string): readonly Feature[] {
  const name = short[word] ?? word
  const at = features.findIndex((each) => each.name === name || each.kernel === name)
  if (at < 0) return []
  if (features[at].fixed !== SUM) return [features[at]]
  const end = features.findIndex((each, index) => index > at && !each.part)
  return features.slice(at + 1, end)
}

/** `-K DEVICE FEATURE on|off …`. */
export function setFeatures(self: Process, device: NetDevice, words: readonly string[]): number {
  if (words.length === 0) throw new ToolError('Could not change any device features', 1)
  const kind = kindOf(device)
  const refused: string[] = []
  for (let at = 0; at < words.length; at += 2) {
    const [word, value] = [words[at], words[at + 1]]
    if (value !== 'on' && value !== 'off') {
      const flag = value ?? '(null)'
      throw new ToolError(`ethtool (-K): flag '${flag}' for parameter '(null)' is not followed by 'on' or 'off'`, 1)
    }
    const meant = named(word)
    if (meant.length === 0) {
      throw new ToolError('netlink error: bit name not found (offset 52)\nnetlink error: Operation not supported', 92)
    }
    for (const { kernel, fixed, on } of meant) {
      const state = has(on, kind) ? 'on' : 'off'
      if (state === value) continue
      if (!has(fixed, kind)) throw notModelled(`ethtool -K ${word} ${value}`)
      refused.push(`${kernel}: ${state} [requested ${value}]\n`)
    }
  }
  if (refused.length === 0) return 0
  self.out(`Actual changes:\n${refused.join('')}`)
  throw new ToolError('Could not change any device features', 1)
}

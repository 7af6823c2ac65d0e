/** The files under /proc that tell of a network namespace, made when they are read. */

import type { Netns } from '../net/netns.ts'
import { formatProc } from '../netfilter/flow-text.ts'
import * as ipvs from './proc-ipvs.ts'
import { arp, dev, igmp, packet, route, unix } from './proc-net.ts'
import { netstat, snmp } from './proc-snmp.ts'
import { icmp, raw, sockstat, tcp, udp } from './proc-sockets.ts'
import { sysctlNames, sysctlValue } from './sysctl-values.ts'

const empty = () => ''

/** Null: only a module that is not loaded makes it. */
const netFiles: ReadonlyMap<string, (netns: Netns) => string | null> = new Map<string, (netns: Netns) => string | null>(
  [
    ['arp', arp],
    ['dev', dev],
    ['icmp', icmp],
    ['if_inet6', empty],
    ['igmp', igmp],
    ['ip_vs', ipvs.services],
    ['ip_vs_conn', ipvs.connections],
    ['ip_vs_stats', ipvs.statistics],
    ['netstat', netstat],
    ['nf_conntrack', conntrack],
    ['packet', packet],
    ['raw', raw],
    ['route', route],
    ['snmp', snmp],
    ['stat/nf_conntrack', conntrackCounters],
    ['sockstat', sockstat],
    ['tcp', tcp],
    ['udp', udp],
    ['unix', unix],
  ],
)

/** What a kernel has there, and podwire lacks. */
const missing = ['dev_mcast', 'fib_trie', 'fib_triestat', 'netlink', 'protocols', 'ptype', 'rt_cache', 'softnet_stat']

const NET = /^\/proc\/(?:self\/|thread-self\/|[0-9]+\/)?net(?:\/(.*))?$/
const SYS = '/proc/sys/'

/** The text of the file, made now; null when there is no such file. */
export function procFile(netns: Netns, path: string): string | null {
  const name = NET.exec(path)?.[1]
  if (name !== undefined) return netFiles.get(name)?.(netns) ?? null
  if (!path.startsWith(SYS)) return null
  const value = sysctlValue(netns, sysctlAt(path))
  return value === null ? null : `${value}\n`
}

/** Is it a file that Linux has and podwire does not? */
export function missingProcFile(path: string): boolean {
  return missing.includes(NET.exec(path)?.[1] ?? '')
}

/** What the directory holds; null when there is no such directory. */
export function procNames(netns: Netns, path: string): string[] | null {
  const inNet = NET.exec(path)
  if (inNet !== null)
    return inNet[1] === undefined
      ? [...netFiles.keys()]
          .filter((name) => !name.startsWith('ip_vs') || netns.sysctl.hasIpvs)
          .map((name) => name.split('/')[0])
      : inNet[1] === 'stat'
        ? ['nf_conntrack']
        : null
  if (path !== '/proc/sys' && !path.startsWith(SYS)) return null
  const prefix = path === '/proc/sys' ? '' : `${sysctlAt(path)}.`
  const names = new Set<string>()
  for (const name of sysctlNames(netns)) {
    if (name.startsWith(prefix)) names.add(name.slice(prefix.length).split('.')[0].replaceAll('/', '.'))
  }
  return names.size === 0 ? null : [...names]
}

/** The sysctl whose file this is, by its dotted name; null for other files. */
export function sysctlOf(path: string): string | null {
  return path.startsWith(SYS) ? sysctlAt(path) : null
}

/** A dot in a device's name is a slash in the sysctl's. */
function sysctlAt(path: string): string {
  return path.slice(SYS.length).replace(/[./]/g, (each) => (each === '/' ? '.' : '/'))
}

function conntrack(netns: Netns): string {
  const { now } = netns.world.scheduler
  const flows = netns.netfilter.conntrack.list()
  return flows.map((flow) => `${formatProc(flow, now)}\n`).join('')
}

/** One line a processor, in hexadecimal; a machine has one. Columns that the kernel no longer counts stay 0. */
function conntrackCounters(netns: Netns): string {
  const { count, resolved, invalid, inserted, clashes, full, earlyDrops, errors, flows } = netns.netfilter.conntrack
  const numbers = [
    count,
    resolved,
    flows.found,
    0,
    invalid,
    0,
    0,
    0,
    inserted,
    clashes,
    clashes + full,
    earlyDrops,
    errors,
  ]
  const hex = (value: number) => value.toString(16).padStart(8, '0')
  const none = [0, 0, 0, 0].map(hex).join(' ')
  return (
    'entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error  ' +
    'expect_new expect_create expect_delete search_restart\n' +
    `${hex(numbers[0])}  ${numbers.slice(1).map(hex).join(' ')}  ${none}\n`
  )
}

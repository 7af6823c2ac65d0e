/** netstat(8) of net-tools 2.10: sockets, routes, interfaces and counters. */
import { SECOND } from '../../sim/scheduler.ts'
import type { formatIpv4 } from '../../wire/address.ts'
import { getopt, has, type Options } from '../getopt.ts'
import type { Process } from '../process.ts'
import { reverse } from '../resolver.ts'
import { devicesByName, interfaceTable, netToolsText } from './ifconfig-text.ts'
import { ToolError, tool } from './ip-words.ts'
import { listSockets } from './netstat-sockets.ts'
import { statistics } from './netstat-statistics.ts'
import { NETSTAT_USAGE, NETSTAT_VERSION } from './netstat-usage.ts'
import { routeTableText } from './route-table.ts'

const INTERFACE_TITLE =
  'Kernel Interface table\nIface             MTU    RX-OK RX-ERR RX-DRP RX-OVR    TX-OK TX-ERR TX-DRP TX-OVR Flg'

const long: Readonly<Record<string, string>> = {
  tcp: 't',
  udp: 'u',
  all: 'a',
  listening: 'l',
  numeric: 'n',
  'numeric-ports': 'numeric-ports',
  'numeric-hosts': 'numeric-hosts',
  'numeric-users': 'numeric-users',
  program: 'p',
  programs: 'p',
  route: 'r',
  interfaces: 'i',
  statistics: 's',
  extend: 'e',
  raw: 'w',
  unix: 'x',
  groups: 'g',
  continuous: 'c',
  wide: 'W',
  verbose: 'v',
  inet: 'inet',
  inet6: '6',
  version: 'V',
  help: 'h',
  masquerade: 'M',
  timers: 'o',
  cache: 'C',
  fib: 'F',
  symbolic: 'N',
  context: 'Z',
}

export const netstat = tool(async (self) => {
  const found = getopt(self.args.slice(1), 'tualnprisewxgcWv46VMoCFNZhI', long)
  if (found.problem !== null) {
    const { option } = found.problem
    const what = option.startsWith('--') ? `unrecognized option '${option}'` : `invalid option -- '${option.slice(1)}'`
    throw new ToolError(`netstat: ${what}\n${NETSTAT_USAGE.trimEnd()}`, 3)
  }
  if (has(found, 'V')) {
    self.out(NETSTAT_VERSION)
    return 0
  }
  if (has(found, 'h')) {
    self.out(NETSTAT_USAGE)
    return 0
  }
  if (has(found, 'M')) throw new ToolError("netstat: no support for `ip_masquerade' on this system.", 1)
  if (has(found, 'Z')) throw new ToolError('SELinux is not enabled on this machine.', 1)
  for (const option of ['C', 'I']) {
    if (has(found, option)) throw new ToolError(`podwire: netstat -${option} is not modelled`, 2)
  }
  if (has(found, '6') && has(found, 'r')) throw new ToolError('podwire: netstat -6r is not modelled', 2)
  for (;;) {
    await once(self, found)
    if (!has(found, 'c')) return 0
    await self.sleep(SECOND)
  }
})

async function once(self: Process, found: Options): Promise<void> {
  const { netns } = self
  if (has(found, 'r')) {
    const times = found.options.filter(([option]) => option === 'e').length
    const numeric = has(found, 'n') || has(found, 'numeric-hosts')
    const nameOf = numeric ? null : (address: Parameters<typeof formatIpv4>[0]) => reverse(self, address)
    self.out(await routeTableText(netns, { nameOf, extended: times === 0 ? 1 : times === 1 ? 0 : 2 }))
  } else if (has(found, 'i')) {
    const devices = devicesByName(netns, has(found, 'a'))
    if (!has(found, 'e')) self.out(interfaceTable(devices, INTERFACE_TITLE))
    else self.out(`Kernel Interface table\n${devices.map((device) => netToolsText(netns, device)).join('')}`)
  } else if (has(found, 's')) {
    self.out(statistics(netns, new Set(['t', 'u', 'w'].filter((letter) => has(found, letter)))))
  } else if (has(found, 'g')) self.out(groups(self))
  else await listSockets(self, found)
}

/** Each device that is up is in 224.0.0.1, and in nothing else. */
function groups(self: Process): string {
  let text = 'IPv6/IPv4 Group Memberships\nInterface       RefCnt Group\n--------------- ------ ---------------------\n'
  const devices = [...self.netns.devices.values()].sort((a, b) => a.index - b.index)
  for (const { name, up } of devices) if (up) text += `${name.padEnd(15)} ${'1'.padEnd(6)} 224.0.0.1\n`
  return text
}

/** ss(8) of iproute2 6.1: the sockets of this network namespace. */
import type { Netns } from '../../net/netns.ts'
import { serviceName } from '../../netfilter/services.ts'
import { type SocketInfo, Sockets } from '../../socket/sockets.ts'
import { stateNames } from '../../socket/tcp/state.ts'
import { formatIpv4, type Ipv4 } from '../../wire/address.ts'
import { getopt, has, type Options, valueOf } from '../getopt.ts'
import type { Process } from '../process.ts'
import { reverse } from '../resolver.ts'
import { namespaceNamed } from './ip-netns.ts'
import { notModelled, printed, ToolError, tool, Words } from './ip-words.ts'
import { type SocketOwner, socketOwners } from './socket-owners.ts'
import { allStates, filterWords, listeningStates, takeFilter, takeStates, usualStates } from './ss-filter.ts'
import { memoryText, tcpInfoText, timerText } from './ss-info.ts'
import { NETID, STATE, socketTable } from './ss-table.ts'
import { SS_USAGE } from './ss-usage.ts'

const long: Readonly<Record<string, string>> = {
  numeric: 'n',
  resolve: 'r',
  all: 'a',
  listening: 'l',
  options: 'o',
  extended: 'e',
  memory: 'm',
  processes: 'p',
  threads: 'T',
  info: 'i',
  summary: 's',
  bpf: 'b',
  events: 'E',
  context: 'Z',
  contexts: 'z',
  net: 'N:',
  ipv4: '4',
  ipv6: '6',
  packet: '0',
  tcp: 't',
  mptcp: 'M',
  sctp: 'S',
  udp: 'u',
  dccp: 'd',
  raw: 'w',
  unix: 'x',
  family: 'f:',
  kill: 'K',
  'no-header': 'H',
  oneline: 'O',
  query: 'A:',
  socket: 'A:',
  diag: 'D:',
  filter: 'F:',
  help: 'h',
  version: 'V',
  tos: 'tos',
  cgroup: 'cgroup',
  vsock: 'vsock',
  tipc: 'tipc',
  xdp: 'xdp',
  'inet-sockopt': 'inet-sockopt',
  tipcinfo: 'tipcinfo',
}

/** Options whose answers podwire does not have. */
const missing = ['b', 'E', 'z', 'K', 'D', 'F', 'T', 'tos', 'cgroup', 'inet-sockopt']

/** What ss lists: its socket tables. podwire has sockets of the first three only. */
type Table = 'udp' | 'tcp' | 'raw' | 'unix' | 'packet' | 'netlink' | 'other'

/** The words of -A, and the tables that each of the single-letter options and long ones adds. */
const queries: Readonly<Record<string, readonly Table[]>> = {
  all: ['udp', 'tcp', 'raw', 'unix', 'packet', 'netlink', 'other'],
  inet: ['udp', 'tcp', 'raw', 'other'],
  udp: ['udp'],
  tcp: ['tcp'],
  raw: ['raw'],
  unix: ['unix'],
  unix_dgram: ['unix'],
  unix_stream: ['unix'],
  unix_seqpacket: ['unix'],
  packet: ['packet'],
  packet_raw: ['packet'],
  packet_dgram: ['packet'],
  netlink: ['netlink'],
  mptcp: ['other'],
  dccp: ['other'],
  sctp: ['other'],
  vsock_stream: ['other'],
  vsock_dgram: ['other'],
  tipc: ['other'],
  xdp: ['other'],
}

const letters: Readonly<Record<string, readonly Table[]>> = {
  t: ['tcp'],
  u: ['udp'],
  w: ['raw'],
  x: ['unix'],
  0: ['packet'],
  M: ['other'],
  S: ['other'],
  d: ['other'],
  vsock: ['other'],
  tipc: ['other'],
  xdp: ['other'],
}

/** Options that stand for several of ss's tables at once, so that the column Netid stays. */
const several = ['x', '0', 'vsock']

export const ss = tool(async (self) => {
  const found = getopt(self.args.slice(1), 'nralhoempTisbEZzN:460tMSudwxf:KHOA:D:F:V', long)
  if (found.problem !== null) {
    const { kind, option } = found.problem
    const what = option.startsWith('--') ? `unrecognized option '${option}'` : `invalid option -- '${option[1]}'`
    throw usage(`ss: ${kind === 'missing' ? `option requires an argument -- '${option.slice(1)}'` : what}`)
  }
  if (has(found, 'V')) return printed(self, 'ss utility, iproute2-6.1.0\n')
  if (has(found, 'h')) return printed(self, SS_USAGE)
  if (has(found, 'Z')) throw new ToolError('ss: SELinux is not enabled.', 1)
  for (const option of missing)
    if (has(found, option)) throw notModelled(`ss ${option.length === 1 ? '-' : '--'}${option}`)
  const namespace = valueOf(found, 'N')
  const netns = namespace === null ? self.netns : namespaceFor(self, namespace)
  const sockets = Sockets.of(netns).list()
  const version6 = isVersion6(found)
  if (has(found, 's')) return summary(self, sockets)

  const tables = tablesOf(found)
  const words = new Words(filterWords(found.rest))
  const states = takeStates(words) ?? statesOf(found, tables)
  const filter = takeFilter(words, netns)
  const shown = [...rawSockets(netns), ...sockets].filter(
    (each) => !version6 && tables.has(each.protocol) && states.has(stateNames[each.state]) && filter(each),
  )
  await list(self, netns, found, shown, tables, states)
  return 0
})

function usage(sentence: string): ToolError {
  return new ToolError(`${sentence}\n${SS_USAGE.trimEnd()}`, 255)
}

/** Unlike ip, ss ends with 1. */
function namespaceFor(self: Process, name: string): Netns {
  try {
    return namespaceNamed(self, name)
  } catch (error) {
    throw error instanceof ToolError ? new ToolError(error.message, 1) : error
  }
}

/** -6 or -f inet6: of which there is never any here. */
function isVersion6(found: Options): boolean {
  const family = valueOf(found, 'f')
  if (family === 'inet6') return true
  if (family !== null && family !== 'inet') {
    const known = ['link', 'unix', 'netlink', 'vsock', 'tipc', 'xdp', 'help']
    if (known.includes(family)) throw notModelled(`ss -f ${family}`)
    throw usage(`ss: "${family}" is invalid family`)
  }
  return has(found, '6') && !has(found, '4')
}

function tablesOf(found: Options): ReadonlySet<Table> {
  const wanted = new Set<Table>()
  for (const [option] of found.options) for (const table of letters[option] ?? []) wanted.add(table)
  for (const query of valueOf(found, 'A')?.split(',') ?? []) {
    if (!Object.hasOwn(queries, query)) throw usage(`ss: "${query}" is illegal socket table id`)
    for (const table of queries[query]) wanted.add(table)
  }
  return wanted.size === 0 ? new Set(queries.all) : wanted
}

/** UDP and raw sockets are only ever connected or not, packet sockets never. */
function statesOf(found: Options, tables: ReadonlySet<Table>): ReadonlySet<string> {
  if (has(found, 'a')) return allStates
  if (has(found, 'l')) return listeningStates
  const only = [...tables]
  if (only.every((table) => table === 'udp' || table === 'raw')) return new Set(['ESTAB'])
  if (only.every((table) => table === 'packet')) return new Set(['UNCONN'])
  return usualStates
}

/** One row of any table. */
interface Row extends Omit<SocketInfo, 'protocol'> {
  readonly protocol: 'udp' | 'tcp' | 'raw'
}

/** A raw socket's port is its protocol. */
function rawSockets(netns: Netns): Row[] {
  const end = { address: 0 as Ipv4, port: 1 }
  return Sockets.of(netns)
    .rawIcmp()
    .map((holder) => ({
      protocol: 'raw',
      state: 'UNCONN',
      recvQ: 0,
      sendQ: 0,
      local: end,
      remote: { ...end, port: 0 },
      tcp: null,
      holder,
    }))
}

async function list(
  self: Process,
  netns: Netns,
  found: Options,
  shown: readonly Row[],
  tables: ReadonlySet<Table>,
  states: ReadonlySet<string>,
): Promise<void> {
  const owners = has(found, 'p') ? socketOwners(self, netns) : null
  const order = ['raw', 'udp', 'tcp']
  // Without names nothing is waited for: the table is printed at once.
  const named = has(found, 'r')
  const rows: string[][] = []
  for (const each of [...shown].sort((a, b) => order.indexOf(a.protocol) - order.indexOf(b.protocol))) {
    rows.push([
      each.protocol,
      stateNames[each.state],
      // Padded by itself, whatever the titles are.
      String(each.recvQ).padEnd(6),
      String(each.sendQ).padEnd(6),
      `${named ? await hostText(self, each.local.address) : formatIpv4(each.local.address)}:`,
      portText(each.local.port, each.protocol, has(found, 'n')),
      `${named ? await hostText(self, each.remote.address) : formatIpv4(each.remote.address)}:`,
      portText(each.remote.port, each.protocol, has(found, 'n')),
      extraText(netns, found, each, owners),
    ])
  }
  const hidden = new Set<number>()
  if (tables.size === 1 && !several.some((option) => has(found, option))) hidden.add(NETID)
  if (states.size === 1) hidden.add(STATE)
  self.out(socketTable(rows, hidden, !has(found, 'H')))
}

/** What stands under Process, and on a line of its own below. */
function extraText(
  netns: Netns,
  found: Options,
  each: Row,
  owners: ReadonlyMap<object, readonly SocketOwner[]> | null,
): string {
  let text = ''
  const holders = each.holder === null ? undefined : owners?.get(each.holder)
  if (holders !== undefined) {
    const users = holders.map(({ name, pid, descriptor }) => `("${name}",pid=${pid},fd=${descriptor})`)
    text += ` users:(${users.join(',')})`
  }
  if (has(found, 'o')) text += timerText(each)
  if (has(found, 'e')) {
    const inode = Sockets.of(netns).inodeOf(each.holder)
    // A socket without a file has no number, but a cookie.
    text += `${inode === 0 ? ' ino:0' : ` ino:${inode}`} sk:${(inode & 0xfff).toString(16)}`
    text += ` ${each.tcp?.receiveShut === true ? '-' : '<'}-${each.tcp?.sendShut === true ? '-' : '>'}`
  }
  const memory = has(found, 'm')
  const info = has(found, 'i') && each.protocol === 'tcp'
  if (!memory && !info) return text
  if (!has(found, 'O')) text += '\n\t'
  if (memory) text += memoryText(netns, each)
  const control = netns.sysctl.get('net.ipv4.tcp_congestion_control') ?? ''
  if (info) text += tcpInfoText(each, control, has(found, 'n'), has(found, 'o'))
  return text
}

async function hostText(self: Process, address: Ipv4): Promise<string> {
  const name = address === 0 ? null : await reverse(self, address)
  return name ?? formatIpv4(address)
}

function portText(port: number, protocol: Row['protocol'], numeric: boolean): string {
  if (port === 0) return '*'
  if (numeric) return String(port)
  if (protocol === 'raw') return 'icmp'
  return serviceName(port, protocol)
}

function summary(self: Process, sockets: readonly SocketInfo[]): number {
  const tcp = sockets.filter((each) => each.protocol === 'tcp')
  const waiting = tcp.filter((each) => each.state === 'TIME-WAIT').length
  const established = tcp.filter((each) => each.state === 'ESTABLISHED').length
  const open = tcp.length - waiting
  const udp = sockets.length - tcp.length
  const row = (name: string, count: number) =>
    `${name}\t  ${String(count).padEnd(9)} ${String(count).padEnd(9)} ${'0'.padEnd(9)}\n`
  self.out(
    `Total: ${open + udp}\nTCP:   ${tcp.length} (estab ${established}, closed ${waiting}, orphaned 0, timewait ${waiting})\n\n` +
      `Transport Total     IP        IPv6\n${row('RAW', 0)}${row('UDP', udp)}${row('TCP', open)}${row('INET', open + udp)}${row('FRAG', 0)}\n`,
  )
  return 0
}

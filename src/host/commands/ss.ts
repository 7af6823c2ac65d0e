/** ss(8) of iproute2 6.1: the sockets of this network namespace. */
import { type SocketInfo, Sockets } from '../../socket/sockets.ts'
import { formatIpv4 } from '../../wire/address.ts'
import { getopt, has, type Options, valueOf } from '../getopt.ts'
import type { Process } from '../process.ts'
import { namespaceNamed } from './ip-netns.ts'
import { notModelled, printed, ToolError, tool, Words } from './ip-words.ts'
import {
  allStates,
  listeningStates,
  type SocketTest,
  stateNames,
  takeFilter,
  takeStates,
  usualStates,
} from './ss-filter.ts'
import { tcpInfoText } from './ss-info.ts'
import { NETID, STATE, socketTable } from './ss-table.ts'

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
}

/** Options whose answers podwire does not have. */
const missing = [
  'o',
  'e',
  'm',
  'T',
  'b',
  'E',
  'Z',
  'z',
  '6',
  '0',
  'M',
  'S',
  'd',
  'w',
  'x',
  'K',
  'D',
  'F',
  'r',
  'tos',
  'cgroup',
  'vsock',
  'tipc',
  'xdp',
]

/** /etc/services: what stands for a port without -n. */
const services: Readonly<Record<string, string>> = {
  '22/tcp': 'ssh',
  '53/tcp': 'domain',
  '53/udp': 'domain',
  '80/tcp': 'http',
  '443/tcp': 'https',
  '67/udp': 'bootps',
  '68/udp': 'bootpc',
  '123/udp': 'ntp',
  '179/tcp': 'bgp',
  '2379/tcp': 'etcd-client',
  '2380/tcp': 'etcd-server',
  '3306/tcp': 'mysql',
  '5432/tcp': 'postgresql',
  '6379/tcp': 'redis',
  '8080/tcp': 'http-alt',
}

export const ss = tool(async (self) => {
  const found = getopt(self.args.slice(1), 'nralhoempTisbEZzN:460tMSudwxf:KHOA:D:F:V', long)
  if (found.problem !== null) {
    const { kind, option } = found.problem
    const what = option.startsWith('--') ? `unrecognized option '${option}'` : `invalid option -- '${option[1]}'`
    throw new ToolError(`ss: ${kind === 'missing' ? `option requires an argument -- '${option.slice(1)}'` : what}`, 255)
  }
  if (has(found, 'V')) return printed(self, 'ss utility, iproute2-6.1.0\n')
  for (const option of missing)
    if (has(found, option)) throw notModelled(`ss ${option.length === 1 ? '-' : '--'}${option}`)
  const family = valueOf(found, 'f')
  if (family !== null && family !== 'inet') throw notModelled(`ss -f ${family}`)
  const namespace = valueOf(found, 'N')
  const sockets = Sockets.of(namespace === null ? self.netns : namespaceNamed(self, namespace)).list()
  if (has(found, 's')) return summary(self, sockets)
  if (has(found, 'p')) self.err('podwire: which process holds a socket is not modelled\n')

  const protocols = protocolsOf(found)
  const words = new Words(
    found.rest.flatMap((word) => word.split(/(?<=^\()|(?=\)$)|\s+/)).filter((word) => word !== ''),
  )
  const states = takeStates(words) ?? statesOf(found)
  const filter = takeFilter(words)
  list(self, found, sockets, protocols, states, filter)
  return 0
})

function protocolsOf(found: Options): ReadonlySet<string> {
  const wanted = new Set<string>()
  if (has(found, 't')) wanted.add('tcp')
  if (has(found, 'u')) wanted.add('udp')
  for (const query of valueOf(found, 'A')?.split(',') ?? []) {
    if (query === 'inet' || query === 'all') for (const protocol of ['tcp', 'udp']) wanted.add(protocol)
    else if (query === 'tcp' || query === 'udp') wanted.add(query)
    else throw notModelled(`ss -A ${query}`)
  }
  return wanted.size === 0 ? new Set(['tcp', 'udp']) : wanted
}

function statesOf(found: Options): ReadonlySet<string> {
  if (has(found, 'a')) return allStates
  return has(found, 'l') ? listeningStates : usualStates
}

function list(
  self: Process,
  found: Options,
  sockets: readonly SocketInfo[],
  protocols: ReadonlySet<string>,
  states: ReadonlySet<string>,
  filter: SocketTest,
): void {
  const numeric = has(found, 'n')
  const control = self.netns.sysctl.get('net.ipv4.tcp_congestion_control') ?? ''
  const shown = sockets.filter(
    (each) => protocols.has(each.protocol) && states.has(stateNames[each.state]) && filter(each),
  )
  // UDP comes before TCP when both are listed.
  shown.sort((a, b) => Number(a.protocol === 'tcp') - Number(b.protocol === 'tcp'))
  const rows = shown.map((each) => {
    let extra = ''
    if (has(found, 'i') && each.protocol === 'tcp') {
      extra = `${has(found, 'O') ? '' : '\n\t'}${tcpInfoText(each, control, numeric)}`
    }
    return [
      each.protocol,
      stateNames[each.state],
      // Padded by itself, whatever the titles are.
      String(each.recvQ).padEnd(6),
      String(each.sendQ).padEnd(6),
      `${formatIpv4(each.local.address)}:`,
      portText(each.local.port, each.protocol, numeric),
      `${formatIpv4(each.remote.address)}:`,
      portText(each.remote.port, each.protocol, numeric),
      extra,
    ]
  })
  const hidden = new Set<number>()
  if (protocols.size === 1) hidden.add(NETID)
  if (states.size === 1) hidden.add(STATE)
  self.out(socketTable(rows, hidden, !has(found, 'H')))
}

function portText(port: number, protocol: string, numeric: boolean): string {
  if (port === 0) return '*'
  return (numeric ? undefined : services[`${port}/${protocol}`]) ?? String(port)
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

/** netstat(8) of net-tools 2.10: sockets, routes, interfaces and counters. */
import type { Counters } from '../../net/counters.ts'
import { type SocketInfo, Sockets } from '../../socket/sockets.ts'
import { formatIpv4 } from '../../wire/address.ts'
import { getopt, has, type Options } from '../getopt.ts'
import type { Process } from '../process.ts'
import { devicesByName, interfaceTable, netToolsText } from './ifconfig-text.ts'
import { printed, ToolError, tool } from './ip-words.ts'
import { routeTableText } from './route-table.ts'

const OWNER = 'PID/Program name    '

const INTERFACE_TITLE =
  'Kernel Interface table\nIface             MTU    RX-OK RX-ERR RX-DRP RX-OVR    TX-OK TX-ERR TX-DRP TX-OVR Flg'

const long: Readonly<Record<string, string>> = {
  tcp: 't',
  udp: 'u',
  all: 'a',
  listening: 'l',
  numeric: 'n',
  'numeric-ports': 'n',
  'numeric-hosts': 'n',
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
  inet: '4',
  version: 'V',
  masquerade: 'M',
  timers: 'o',
}

const states: Readonly<Record<SocketInfo['state'], string>> = {
  UNCONN: '',
  CLOSED: 'CLOSE',
  LISTEN: 'LISTEN',
  'SYN-SENT': 'SYN_SENT',
  'SYN-RECEIVED': 'SYN_RECV',
  ESTABLISHED: 'ESTABLISHED',
  'FIN-WAIT-1': 'FIN_WAIT1',
  'FIN-WAIT-2': 'FIN_WAIT2',
  'CLOSE-WAIT': 'CLOSE_WAIT',
  CLOSING: 'CLOSING',
  'LAST-ACK': 'LAST_ACK',
  'TIME-WAIT': 'TIME_WAIT',
}

export const netstat = tool(async (self) => {
  const found = getopt(self.args.slice(1), 'tualnprisewxgcWv4VMo', long)
  if (found.problem !== null)
    throw new ToolError(`netstat: invalid option -- '${found.problem.option.replace(/^-+/, '')}'`, 2)
  if (has(found, 'V')) return printed(self, 'net-tools 2.10\n')
  for (const option of ['g', 'c', 'M', 'o', 'w', 'x']) {
    if (has(found, option)) throw new ToolError(`podwire: netstat -${option} is not modelled`, 2)
  }
  const { netns } = self
  if (has(found, 'r')) return printed(self, routeTableText(netns, { numeric: has(found, 'n'), extended: 1 }))
  if (has(found, 'i')) {
    const devices = devicesByName(netns, has(found, 'a'))
    if (!has(found, 'e')) return printed(self, interfaceTable(devices, INTERFACE_TITLE))
    return printed(self, `Kernel Interface table\n${devices.map((device) => netToolsText(netns, device)).join('')}`)
  }
  if (has(found, 's')) return printed(self, statistics(netns.counters, netns.forwarding))
  return sockets(self, found)
})

function sockets(self: Process, found: Options): number {
  const all = has(found, 'a')
  const listening = has(found, 'l')
  const programs = has(found, 'p')
  const protocols = ['tcp', 'udp'].filter((name) => has(found, name[0]) || !(has(found, 't') || has(found, 'u')))
  const which = all ? 'servers and established' : listening ? 'only servers' : 'w/o servers'
  if (programs) self.err('podwire: which process holds a socket is not modelled\n')
  self.out(`Active Internet connections (${which})\n`)
  self.out(
    `Proto Recv-Q Send-Q Local Address           Foreign Address         State      ${programs ? ` ${OWNER}` : ''}\n`,
  )
  for (const each of Sockets.of(self.netns).list()) {
    const serves = each.state === 'LISTEN' || each.state === 'UNCONN'
    if (!protocols.includes(each.protocol) || (!all && serves !== listening)) continue
    self.out(`${row(each)}${programs ? ` ${'-'.padEnd(20)}` : ''}\n`)
  }
  if (!has(found, 't') && !has(found, 'u')) {
    const owner = programs ? `${OWNER} ` : ''
    self.out(
      `Active UNIX domain sockets (${which})\nProto RefCnt Flags       Type       State         I-Node   ${owner}Path\n`,
    )
  }
  return 0
}

function endText(end: { address: SocketInfo['local']['address']; port: number }): string {
  return `${formatIpv4(end.address)}:${end.port === 0 ? '*' : end.port}`
}

function row(each: SocketInfo): string {
  // /proc/net/tcp has no backlog to show for a listener's send queue.
  const sendQ = each.state === 'LISTEN' ? 0 : each.sendQ
  const queues = `${String(each.recvQ).padStart(6)} ${String(sendQ).padStart(6)}`
  return `${each.protocol.padEnd(4)}  ${queues} ${endText(each.local).padEnd(23)} ${endText(each.remote).padEnd(23)} ${states[each.state].padEnd(11)}`
}

/** `-s`: the sections that podwire counts. */
function statistics(counters: Counters, forwarding: boolean): string {
  const lines = ['Ip:', `    Forwarding: ${forwarding ? 1 : 2}`, `    ${counters.ipInReceives} total packets received`]
  const optional = (count: number, text: string, indent = '    ') => {
    if (count > 0) lines.push(`${indent}${count} ${text}`)
  }
  optional(counters.ipInHdrErrors, 'with invalid headers')
  optional(counters.ipInAddrErrors, 'with invalid addresses')
  lines.push(
    `    ${counters.ipForwDatagrams} forwarded`,
    `    ${counters.ipInDiscards} incoming packets discarded`,
    `    ${counters.ipInDelivers} incoming packets delivered`,
    `    ${counters.ipOutRequests} requests sent out`,
  )
  optional(counters.ipOutNoRoutes, 'dropped because of missing route')
  optional(counters.ipReasmReqds, 'reassemblies required')
  optional(counters.ipReasmOks, 'packets reassembled ok')
  optional(counters.ipReasmFails, 'packet reassemblies failed')
  optional(counters.ipFragOks, 'fragments received ok')
  optional(counters.ipFragFails, 'fragments failed')
  optional(counters.ipFragCreates, 'fragments created')
  lines.push(
    'Icmp:',
    `    ${counters.icmpInMsgs} ICMP messages received`,
    `    ${counters.icmpInErrors} input ICMP message failed`,
    '    ICMP input histogram:',
  )
  const histogram = (name: string, count: number) => {
    if (count > 0) lines.push(`        ${name}: ${count}`)
  }
  histogram('destination unreachable', counters.icmpInDestUnreachs)
  histogram('echo requests', counters.icmpInEchos)
  lines.push(
    `    ${counters.icmpOutMsgs} ICMP messages sent`,
    '    0 ICMP messages failed',
    '    ICMP output histogram:',
  )
  histogram('destination unreachable', counters.icmpOutDestUnreachs)
  histogram('time exceeded', counters.icmpOutTimeExcds)
  histogram('echo replies', counters.icmpOutEchoReps)
  return `${lines.join('\n')}\n`
}

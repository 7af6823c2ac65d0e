/** Files of /proc/net about sockets (tcp4_seq_show, udp4_seq_show, sockstat_seq_show). */
import type { Netns } from '../net/netns.ts'
import { type SocketInfo, Sockets } from '../socket/sockets.ts'
import type { TcpInfo } from '../socket/tcp/info.ts'
import { hex, hexAddress } from './proc-net.ts'

/** The widths of their lines, without the ends (seq_setwidth). */
const TCP_WIDTH = 149
const UDP_WIDTH = 127
const COLUMNS = 'local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode'

/** The kernel's numbers of the states. */
const states: Readonly<Record<SocketInfo['state'], number>> = {
  ESTABLISHED: 1,
  'SYN-SENT': 2,
  'SYN-RECEIVED': 3,
  'FIN-WAIT-1': 4,
  'FIN-WAIT-2': 5,
  'TIME-WAIT': 6,
  CLOSED: 7,
  UNCONN: 7,
  'CLOSE-WAIT': 8,
  'LAST-ACK': 9,
  LISTEN: 10,
  CLOSING: 11,
}

const timers = { on: 1, keepalive: 2, timewait: 3, persist: 4 } as const

/** USER_HZ: what times are shown in, 10 ms. */
function ticks(milliseconds: number): number {
  return Math.floor(milliseconds / 10)
}

/** A kernel address, hashed as %pK does: another for each socket. */
function pointer(inode: number): string {
  return (Math.imul(inode, 0x9e3779b1) >>> 0).toString(16).padStart(16, '0')
}

export function tcp(netns: Netns): string {
  const sockets = Sockets.of(netns)
  const list = sockets.list().filter(({ protocol }) => protocol === 'tcp')
  const title = `  sl  ${COLUMNS}`
  return [title, ...list.map((each, i) => tcpLine(each, i, sockets.inodeOf(each.holder)))]
    .map((line) => `${line.padEnd(TCP_WIDTH)}\n`)
    .join('')
}

function tcpLine(each: SocketInfo, slot: number, inode: number): string {
  const { tcp: info, state } = each
  const timer = info?.timer ?? null
  const queues = `${hex(state === 'LISTEN' ? 0 : each.sendQ, 8)}:${hex(each.recvQ, 8)}`
  const when = `${hex(timer === null ? 0 : timers[timer.kind], 2)}:${hex(ticks(timer?.left ?? 0), 8)}`
  const tries = timer?.kind === 'on' ? timer.tries : 0
  const head =
    `${String(slot).padStart(4)}: ${ends(each)} ${hex(states[state], 2)} ${queues} ${when} ${hex(tries, 8)} ` +
    `${'0'.padStart(5)} ${String(timer?.kind === 'persist' ? timer.tries : 0).padStart(8)}`
  // What is only a request, or only waits, has no file and no numbers.
  if (state === 'TIME-WAIT') return `${head} 0 3 ${pointer(slot + 1)}`
  if (state === 'SYN-RECEIVED') return `${head} 0 0 ${pointer(slot + 1)}`
  const references = timer === null ? 1 : 2
  return `${head} ${inode} ${references} ${pointer(inode)} ${info === null ? '100 0 0 10 0' : pace(info)}`
}

/** rto, ato, quick acknowledgments and pingpong, cwnd, ssthresh. */
function pace(info: TcpInfo): string {
  return [ticks(info.rto), ticks(info.ato), info.quick, info.cwnd, info.ssthresh ?? -1].join(' ')
}

function ends({ local, remote }: Pick<SocketInfo, 'local' | 'remote'>): string {
  return `${hexAddress(local.address)}:${hex(local.port, 4)} ${hexAddress(remote.address)}:${hex(remote.port, 4)}`
}

/** The slot is the hash of the port: a table of 1024. */
export function udp(netns: Netns): string {
  const sockets = Sockets.of(netns)
  const list = sockets.list().filter(({ protocol }) => protocol === 'udp')
  const lines = list.map((each) => {
    const inode = sockets.inodeOf(each.holder)
    return `${String(each.local.port & 1023).padStart(5)}: ${datagramLine(each, inode)}`
  })
  return [`   sl  ${COLUMNS} ref pointer drops`, ...lines].map((line) => `${line.padEnd(UDP_WIDTH)}\n`).join('')
}

function datagramLine(each: Pick<SocketInfo, 'state' | 'local' | 'remote' | 'recvQ'>, inode: number): string {
  return (
    `${ends(each)} ${hex(states[each.state], 2)} 00000000:${hex(each.recvQ, 8)} 00:00000000 00000000 ` +
    `${'0'.padStart(5)} ${'0'.padStart(8)} ${inode} 2 ${pointer(inode)} 0`
  )
}

/** ping's sockets: the slot and the port are the protocol's number. */
export function raw(netns: Netns): string {
  const sockets = Sockets.of(netns)
  const nowhere = { address: 0 as SocketInfo['local']['address'], port: 0 }
  const lines = sockets.rawIcmp().map((holder) => {
    const each = { state: 'UNCONN', local: { ...nowhere, port: 1 }, remote: nowhere, recvQ: 0 } as const
    return `${'1'.padStart(4)}: ${datagramLine(each, sockets.inodeOf(holder))}\n`
  })
  return `  sl  ${COLUMNS} ref pointer drops\n${lines.join('')}`
}

/** Unprivileged ping sockets, which nobody here uses. */
export function icmp(): string {
  return `${`  sl  ${COLUMNS} ref pointer drops`.padEnd(UDP_WIDTH)}\n`
}

export function sockstat(netns: Netns): string {
  const sockets = Sockets.of(netns)
  const list = sockets.list()
  const tcpSockets = list.filter(({ protocol }) => protocol === 'tcp')
  const waiting = tcpSockets.filter(({ state }) => state === 'TIME-WAIT').length
  const open = tcpSockets.filter(({ state }) => state !== 'TIME-WAIT' && state !== 'SYN-RECEIVED')
  const orphans = open.filter(({ holder }) => holder === null).length
  const datagrams = list.length - tcpSockets.length
  const raws = sockets.rawIcmp().length
  const { reassembler } = netns.ipv4
  return (
    `sockets: used ${open.length - orphans + datagrams + raws}\n` +
    `TCP: inuse ${open.length} orphan ${orphans} tw ${waiting} alloc ${open.length} mem 0\n` +
    `UDP: inuse ${datagrams} mem 0\nUDPLITE: inuse 0\nRAW: inuse ${raws}\nFRAG: inuse ${reassembler.open} memory ${reassembler.memory}\n`
  )
}

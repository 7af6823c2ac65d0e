/** The sockets as netstat(8) of net-tools 2.10 lists them. */
import { serviceName } from '../../netfilter/services.ts'
import { type SocketInfo, Sockets } from '../../socket/sockets.ts'
import { ANY, formatIpv4, type Ipv4 } from '../../wire/address.ts'
import { has, type Options } from '../getopt.ts'
import type { Process } from '../process.ts'
import { reverse } from '../resolver.ts'
import { type SocketOwner, socketOwners } from './socket-owners.ts'

/** What an address and its port may take in a column (short_len of addr_do_one). */
const ENDPOINT_WIDTH = 22
const OWNER_WIDTH = 20

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

const timerNames = { on: 'on', keepalive: 'keepalive', timewait: 'timewait', persist: 'probe' } as const

/** A row of the table; a raw socket's port is its protocol. */
interface Row extends Omit<SocketInfo, 'protocol'> {
  readonly protocol: 'tcp' | 'udp' | 'raw'
}

export async function listSockets(self: Process, found: Options): Promise<void> {
  const chosen = ['t', 'u', 'w', 'x'].filter((letter) => has(found, letter))
  const inet = has(found, 'inet') || has(found, '4')
  const wanted = (letter: string) => chosen.length === 0 || chosen.includes(letter)
  const which = has(found, 'a') ? 'servers and established' : has(found, 'l') ? 'only servers' : 'w/o servers'
  const [extended, programs, timers] = ['e', 'p', 'o'].map((letter) => has(found, letter))
  const owners = programs ? socketOwners(self, self.netns) : null
  if (wanted('t') || wanted('u') || wanted('w')) {
    let title = 'Proto Recv-Q Send-Q Local Address           Foreign Address         State      '
    if (extended) title += ' User       Inode     '
    if (programs) title += ' PID/Program name    '
    if (timers) title += ' Timer'
    self.out(`Active Internet connections (${which})\n${title}\n`)
    for (const each of has(found, '6') ? [] : rows(self)) {
      if (!wanted(each.protocol === 'raw' ? 'w' : each.protocol[0]) || !isShown(found, each)) continue
      let line = await rowText(self, found, each)
      const inode = Sockets.of(self.netns).inodeOf(each.holder)
      if (extended) line += ` ${'0'.padEnd(10)} ${String(inode).padEnd(10)}`
      if (programs) line += ` ${ownerText(each, owners).padEnd(OWNER_WIDTH)}`
      if (timers) line += ` ${timerText(each)}`
      self.out(`${line}\n`)
    }
  }
  if (wanted('x') && !inet && !has(found, '6')) {
    const owner = programs ? 'PID/Program name     ' : ''
    self.out(
      `Active UNIX domain sockets (${which})\nProto RefCnt Flags       Type       State         I-Node   ${owner}Path\n`,
    )
  }
}

function rows(self: Process): Row[] {
  const sockets = Sockets.of(self.netns)
  const nowhere = { address: ANY, port: 0 }
  const raw: Row[] = sockets.rawIcmp().map((holder) => ({
    protocol: 'raw',
    state: 'UNCONN',
    recvQ: 0,
    sendQ: 0,
    local: { address: ANY, port: 1 },
    remote: nowhere,
    tcp: null,
    holder,
  }))
  return [...sockets.list(), ...raw]
}

function isShown(found: Options, each: Row): boolean {
  const serves = each.state === 'LISTEN' || each.state === 'UNCONN'
  return has(found, 'a') || serves === has(found, 'l')
}

async function rowText(self: Process, found: Options, each: Row): Promise<string> {
  // /proc/net/tcp has no backlog to show for a listener's send queue.
  const sendQ = each.state === 'LISTEN' ? 0 : each.sendQ
  const queues = `${String(each.recvQ).padStart(6)} ${String(sendQ).padStart(6)}`
  const local = await endText(self, found, each.local, each.protocol)
  const remote = await endText(self, found, each.remote, each.protocol)
  const state = each.protocol === 'raw' ? '7' : states[each.state]
  return `${each.protocol.padEnd(4)}  ${queues} ${local.padEnd(23)} ${remote.padEnd(23)} ${state.padEnd(11)}`
}

/** Cut to its column unless -W says otherwise: the port is kept. */
async function endText(
  self: Process,
  found: Options,
  end: { readonly address: Ipv4; readonly port: number },
  protocol: Row['protocol'],
): Promise<string> {
  const named = !has(found, 'n') && !has(found, 'numeric-hosts') && end.address !== ANY
  const host = (named ? await reverse(self, end.address) : null) ?? formatIpv4(end.address)
  const port = portText(found, end.port, protocol)
  if (has(found, 'W') || host.length + port.length <= ENDPOINT_WIDTH) return `${host}:${port}`
  const short = port.slice(0, ENDPOINT_WIDTH - 4)
  return `${host.slice(0, ENDPOINT_WIDTH - short.length)}:${short}`
}

function portText(found: Options, port: number, protocol: Row['protocol']): string {
  if (port === 0) return '*'
  if (has(found, 'n') || has(found, 'numeric-ports')) return String(port)
  return protocol === 'raw' ? 'icmp' : serviceName(port, protocol)
}

function ownerText(each: Row, owners: ReadonlyMap<object, readonly SocketOwner[]> | null): string {
  const owner = each.holder === null ? undefined : owners?.get(each.holder)?.[0]
  return owner === undefined ? '-' : `${owner.pid}/${owner.name}`.slice(0, OWNER_WIDTH)
}

/** Seconds that are left, how often the timer has run out, and unanswered probes. */
function timerText({ tcp }: Row): string {
  if (tcp === null || tcp.timer === null) return 'off (0.00/0/0)'
  const { kind, left, tries } = tcp.timer
  const probes = kind === 'persist' ? tries : 0
  const seconds = (Math.floor(left / 10) / 100).toFixed(2)
  return `${timerNames[kind]} (${seconds}/${kind === 'persist' ? 0 : tries}/${probes})`
}

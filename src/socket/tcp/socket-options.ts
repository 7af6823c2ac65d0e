/**
 * setsockopt(2) and getsockopt(2) on a TCP socket: names, ranges and answers of net/core/sock.c, net/ipv4/tcp.c and
 * net/ipv4/ip_sockglue.c. A name that is not in the table is not modelled.
 */
import type { Errno } from '../../net/errno.ts'
import type { Connection } from './connection.ts'
import { controlNamed, isControl } from './controls.ts'
import { retransmissionsIn, secondsOf } from './defer.ts'
import type { InetStream } from './inet-stream.ts'
import type { Option, OptionValue } from './option.ts'
import { sendAck } from './output.ts'
import { isWhole, mtuOf } from './path.ts'
import { keepAlive } from './patience.ts'
import { plainOptions } from './plain-options.ts'
import { PathMtuDiscovery } from './settings.ts'
import { maySend } from './state.ts'

const UNLIMITED = 0x7fffffff
const MOST_KEEP_SECONDS = 32_767
const MOST_KEEP_COUNT = 127
/** SOCK_MIN_SNDBUF and SOCK_MIN_RCVBUF on 64 bits, net.core.wmem_max and rmem_max. */
const LEAST_SEND = 4608
const LEAST_RECEIVE = 2304
const LARGEST_BUFFER = 4_194_304
/** INT_MAX / 2: what is kept is twice as much. */
const MOST_FORCED = 0x3fffffff
const LEAST_MAXSEG = 88
const MOST_MAXSEG = 32_767
/** TCP_FIN_TIMEOUT_MAX, in seconds. */
const MOST_LINGER = 120

function flag(field: 'reuseAddress' | 'reusePort' | 'urgentInline' | 'inq' | 'receiveErrors'): Option {
  return {
    set: (stream, value) => {
      stream.change()[field] = value !== 0
      return null
    },
    get: ({ settings }) => Number(settings[field]),
  }
}

/** A number from `least` to `most`; another one is EINVAL. `initial` is what a zero stands for. */
function ranged(
  field: 'keepIdle' | 'keepInterval' | 'keepCount' | 'synRetries',
  most: number,
  initial: (stream: InetStream) => number,
  changed?: (connection: Connection) => void,
): Option {
  return {
    set: (stream, value) => {
      if (value < 1 || value > most) return 'EINVAL'
      stream.change()[field] = value
      if (changed !== undefined && stream.connection !== null) changed(stream.connection)
      return null
    },
    get: (stream) => stream.settings[field] || initial(stream),
  }
}

function sysctl(name: string): (stream: InetStream) => number {
  return ({ socket }) => socket.netns.sysctl.number(`net.ipv4.${name}`)
}

function timeout(field: 'receiveTimeout' | 'sendTimeout'): Option {
  return {
    setStruct: (stream, value) => {
      const { tv_sec: seconds = 0, tv_usec: microseconds = 0 } = value
      if (microseconds < 0 || microseconds >= 1e6) return 'EDOM'
      stream.change()[field] = Math.max(seconds, 0) * 1e6 + microseconds
      return null
    },
    get: ({ settings }) => ({ tv_sec: Math.floor(settings[field] / 1e6), tv_usec: settings[field] % 1e6 }),
  }
}

const linger: Option = {
  setStruct: (stream, { l_onoff, onoff = l_onoff ?? 0, l_linger, linger: seconds = l_linger ?? 0 }) => {
    stream.change().linger = onoff === 0 ? -1 : seconds
    stream.socket.lingerZero = stream.settings.linger === 0
    return null
  },
  get: ({ settings }) => ({ onoff: Number(settings.linger >= 0), linger: Math.max(settings.linger, 0) }),
}

const noDelay: Option = {
  set: ({ socket }, value) => {
    socket.noDelay = value !== 0
    return null
  },
  get: ({ settings }) => Number(settings.noDelay),
}

/** TCP_QUICKACK (tcp_sock_set_quickack): an owed acknowledgment leaves now; an even value other than 0 lasts once. */
const quickAck: Option = {
  set: ({ connection }, value) => {
    if (connection === null) return null
    const { acks, state } = connection
    if ((value & ~1) === 0 && value === 0) {
      acks.pingpong = true
      return null
    }
    acks.pingpong = false
    if (!acks.owed || (state !== 'ESTABLISHED' && state !== 'CLOSE-WAIT')) return null
    sendAck(connection)
    if ((value & 1) === 0) acks.pingpong = true
    return null
  },
  get: ({ connection }) => Number(connection === null || !connection.acks.pingpong),
}

const userTimeout: Option = {
  set: (stream, value) => {
    if (value < 0) return 'EINVAL'
    stream.change().userTimeout = value
    return null
  },
  get: ({ settings }) => settings.userTimeout,
}

const keepAliveOption: Option = {
  set: (stream, value) => {
    const { settings, connection } = stream
    const changed = settings.keepAlive !== (value !== 0)
    stream.change().keepAlive = value !== 0
    if (changed && connection !== null) keepAlive(connection)
    return null
  },
  get: ({ settings }) => Number(settings.keepAlive),
}

/** TCP_LINGER2: below zero is no FIN-WAIT-2 at all, and more than two minutes is none of it either (0: tcp_fin_timeout). */
const linger2: Option = {
  set: (stream, value) => {
    stream.change().finTimeout = value < 0 ? -1 : value > MOST_LINGER ? MOST_LINGER : value
    return null
  },
  get: (stream) => stream.settings.finTimeout || stream.socket.netns.sysctl.number('net.ipv4.tcp_fin_timeout'),
}

/** TCP_DEFER_ACCEPT is kept in retransmissions of the SYN-ACK, and told in the seconds that they take. */
const deferAccept: Option = {
  set: (stream, value) => {
    stream.change().deferAccept = retransmissionsIn(value)
    return null
  },
  get: ({ settings }) => secondsOf(settings.deferAccept),
}

const maxSegment: Option = {
  set: (stream, value) => {
    const { connection } = stream
    if (value !== 0 && (value < LEAST_MAXSEG || value > MOST_MAXSEG)) return 'EINVAL'
    stream.change().maxSegment = value
    if (connection !== null && maySend(connection.state)) connection.sizeSegments()
    return null
  },
  // Before there is a connection: what the program asked for, or the 536 bytes that every host takes.
  get: ({ settings, connection, listening }) =>
    connection === null || connection.state === 'CLOSED' || listening ? settings.maxSegment || 536 : connection.mss,
}

/** SO_SNDBUF, SO_RCVBUF: the double of what is asked for, for what the kernel needs beside the bytes. */
function buffer(
  field: 'sendBuffer' | 'receiveBuffer',
  least: number,
  lock: (to: Connection, size: number) => void,
  most = LARGEST_BUFFER,
): Option {
  return {
    set: (stream, value) => {
      const { connection } = stream
      const size = Math.max(Math.min(value < 0 ? LARGEST_BUFFER : value, most) * 2, least)
      stream.change()[field] = size
      if (connection !== null) lock(connection, size)
      return null
    },
    get: ({ settings, connection, socket }) => {
      if (settings[field] > 0) return settings[field]
      const sending = field === 'sendBuffer'
      if (connection !== null) return sending ? connection.send.capacity : connection.receive.buffer
      const memory = socket.netns.sysctl.get(`net.ipv4.${sending ? 'tcp_wmem' : 'tcp_rmem'}`) ?? ''
      return Number(memory.split('\t')[1])
    },
  }
}

const cork: Option = {
  set: ({ socket }, value) => {
    socket.cork = value !== 0
    return null
  },
  get: ({ settings }) => Number(settings.cork),
}

const notSentLow: Option = {
  set: (stream, value) => {
    const { connection, socket, changed } = stream
    stream.change().notSentLow = value
    if (connection === null) return null
    const low = (value || socket.netns.sysctl.number('net.ipv4.tcp_notsent_lowat')) >>> 0
    connection.send.notSentLow = Math.min(low, UNLIMITED)
    changed?.()
    return null
  },
  get: ({ settings }) => settings.notSentLow,
}

const receiveLow: Option = {
  set: (stream, value) => {
    stream.change().receiveLow = value < 0 ? 0x7fffffff : value || 1
    return null
  },
  get: ({ settings }) => settings.receiveLow,
}

/** sk_err, by name. */
const error: Option = { get: (stream) => stream.takeAnyError() ?? 0 }

const congestion: Option = {
  setName: (stream, name) => {
    const { connection } = stream
    if (!isControl(name)) return 'ENOENT'
    stream.change().congestion = name
    if (connection === null || connection.congestion.control.name === name) return null
    if (connection.state !== 'CLOSED') connection.congestion.change(connection, controlNamed(name))
    return null
  },
  get: ({ settings, connection, socket }) =>
    connection?.congestion.control.name ??
    (settings.congestion || socket.netns.sysctl.get('net.ipv4.tcp_congestion_control') || ''),
}

/** All bits of the 32 mean no limit, which is the first answer as well. */
const maxPacingRate: Option = {
  set: (stream, value) => {
    const { connection } = stream
    stream.change().maxPacingRate = value === -1 ? value : value >>> 0
    if (connection === null) return null
    if (value !== -1) connection.pace()
    connection.congestion.pacingRate = connection.limitRate(connection.congestion.pacingRate)
    return null
  },
  get: ({ settings }) => settings.maxPacingRate | 0,
}

const tos: Option = {
  set: (stream, value) => {
    const { settings, connection } = stream
    // A stream's ECN bits are the kernel's (ip_sock_set_tos).
    const kept = connection === null ? settings.tos : connection.tos
    const tos = (value & 0xfc) | (kept & 3)
    stream.change().tos = tos
    if (connection !== null) connection.tos = tos
    return null
  },
  get: ({ settings }) => settings.tos,
}

const ttl: Option = {
  set: (stream, value) => {
    const { connection, socket } = stream
    if (value !== -1 && (value < 1 || value > 255)) return 'EINVAL'
    const ttl = value === -1 ? 0 : value
    stream.change().ttl = ttl
    if (connection !== null) connection.ttl = ttl || socket.netns.defaultTtl
    return null
  },
  get: ({ settings, socket }) => settings.ttl || socket.netns.defaultTtl,
}

/** What getOption makes ENOTCONN of. */
const NOT_CONNECTED = -1

const mtuDiscover: Option = {
  set: (stream, value) => {
    const { connection } = stream
    if (value < PathMtuDiscovery.DONT || value > PathMtuDiscovery.OMIT) return 'EINVAL'
    stream.change().mtuDiscover = value
    if (connection !== null) connection.whole = isWhole(connection)
    return null
  },
  get: ({ settings }) => settings.mtuDiscover,
}

const mtu: Option = { get: ({ connection }) => (connection === null ? NOT_CONNECTED : mtuOf(connection)) }

const fixed = (value: OptionValue): Option => ({ get: () => value })

const table: Readonly<Record<string, Readonly<Record<string, Option>>>> = {
  SOL_SOCKET: {
    SO_REUSEADDR: flag('reuseAddress'),
    SO_REUSEPORT: flag('reusePort'),
    SO_ERROR: error,
    SO_TYPE: fixed(1),
    SO_DOMAIN: fixed(2),
    SO_PROTOCOL: fixed(6),
    SO_ACCEPTCONN: { get: ({ listening }) => Number(listening) },
    SO_KEEPALIVE: keepAliveOption,
    SO_OOBINLINE: flag('urgentInline'),
    SO_SNDBUF: buffer('sendBuffer', LEAST_SEND, ({ send }, size) => send.lock(size)),
    SO_RCVBUF: buffer('receiveBuffer', LEAST_RECEIVE, ({ receive }, size) => receive.lock(size)),
    SO_SNDBUFFORCE: buffer('sendBuffer', LEAST_SEND, ({ send }, size) => send.lock(size), MOST_FORCED),
    SO_RCVBUFFORCE: buffer('receiveBuffer', LEAST_RECEIVE, ({ receive }, size) => receive.lock(size), MOST_FORCED),
    SO_LINGER: linger,
    SO_RCVLOWAT: receiveLow,
    SO_RCVTIMEO: timeout('receiveTimeout'),
    SO_SNDTIMEO: timeout('sendTimeout'),
    SO_MAX_PACING_RATE: maxPacingRate,
  },
  SOL_TCP: {
    TCP_NODELAY: noDelay,
    TCP_CORK: cork,
    TCP_NOTSENT_LOWAT: notSentLow,
    TCP_QUICKACK: quickAck,
    TCP_CONGESTION: congestion,
    TCP_INQ: flag('inq'),
    TCP_MAXSEG: maxSegment,
    TCP_KEEPIDLE: ranged('keepIdle', MOST_KEEP_SECONDS, sysctl('tcp_keepalive_time'), keepAlive),
    TCP_KEEPINTVL: ranged('keepInterval', MOST_KEEP_SECONDS, sysctl('tcp_keepalive_intvl')),
    TCP_KEEPCNT: ranged('keepCount', MOST_KEEP_COUNT, sysctl('tcp_keepalive_probes')),
    TCP_SYNCNT: ranged('synRetries', MOST_KEEP_COUNT, sysctl('tcp_syn_retries')),
    TCP_USER_TIMEOUT: userTimeout,
    TCP_LINGER2: linger2,
    TCP_DEFER_ACCEPT: deferAccept,
  },
  SOL_IP: {
    IP_TOS: tos,
    IP_TTL: ttl,
    IP_MTU: mtu,
    IP_MTU_DISCOVER: mtuDiscover,
    IP_RECVERR: flag('receiveErrors'),
  },
}

/** Null: podwire does not model it. */
function find(level: string, name: string): Option | null {
  const known = level === 'IPPROTO_TCP' ? 'SOL_TCP' : level === 'IPPROTO_IP' ? 'SOL_IP' : level
  return table[known]?.[name] ?? plainOptions[known]?.[name] ?? null
}

/** `unknown`: podwire does not model the option, and nothing was changed. */
export function setOption(
  stream: InetStream,
  level: string,
  name: string,
  value: OptionValue,
): Errno | 'unknown' | null {
  const option = find(level, name)
  if (option === null) return 'unknown'
  if (typeof value === 'string') return option.setName === undefined ? 'EINVAL' : option.setName(stream, value)
  if (typeof value === 'object') return option.setStruct === undefined ? 'EINVAL' : option.setStruct(stream, value)
  if (option.set === undefined) return option.setStruct || option.setName ? 'EINVAL' : 'ENOPROTOOPT'
  return option.set(stream, value)
}

/** Null: podwire does not model the option. */
export function getOption(stream: InetStream, level: string, name: string): OptionValue | null {
  return find(level, name)?.get(stream) ?? null
}

/** Why the option could not be read, though it is known. */
export function getError(name: string, value: OptionValue): Errno | null {
  if (name.endsWith('BUFFORCE')) return 'ENOPROTOOPT'
  return name === 'IP_MTU' && value === NOT_CONNECTED ? 'ENOTCONN' : null
}

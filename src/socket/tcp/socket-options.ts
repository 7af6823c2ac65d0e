/**
 * setsockopt(2) and getsockopt(2) on a TCP socket: names, ranges and answers of net/core/sock.c, net/ipv4/tcp.c and
 * net/ipv4/ip_sockglue.c. A name that is not in the table is not modelled.
 */
import type { Errno } from '../../net/errno.ts'
import type { InetStream } from './inet-stream.ts'
import { sendAck } from './output.ts'

/** What an option is given and gives: a number, a name, or the members of its struct. */
export type OptionValue = number | string | Readonly<Record<string, number>>

interface Option {
  /** Absent: it can only be read (ENOPROTOOPT). */
  readonly set?: (stream: InetStream, value: number) => Errno | null
  readonly setName?: (stream: InetStream, name: string) => Errno | null
  readonly setStruct?: (stream: InetStream, value: Readonly<Record<string, number>>) => Errno | null
  readonly get: (stream: InetStream) => OptionValue
}

function flag(field: 'reuseAddress' | 'inq'): Option {
  return {
    set: ({ settings }, value) => {
      settings[field] = value !== 0
      return null
    },
    get: ({ settings }) => Number(settings[field]),
  }
}

function timeout(field: 'receiveTimeout' | 'sendTimeout'): Option {
  return {
    setStruct: ({ settings }, value) => {
      const { tv_sec: seconds = 0, tv_usec: microseconds = 0 } = value
      if (microseconds < 0 || microseconds >= 1e6) return 'EDOM'
      settings[field] = Math.max(seconds, 0) * 1e6 + microseconds
      return null
    },
    get: ({ settings }) => ({ tv_sec: Math.floor(settings[field] / 1e6), tv_usec: settings[field] % 1e6 }),
  }
}

const linger: Option = {
  setStruct: ({ settings, socket }, { l_onoff, onoff = l_onoff ?? 0, l_linger, linger: seconds = l_linger ?? 0 }) => {
    settings.linger = onoff === 0 ? -1 : seconds
    socket.lingerZero = settings.linger === 0
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

const receiveLow: Option = {
  set: ({ settings }, value) => {
    settings.receiveLow = value < 0 ? 0x7fffffff : value || 1
    return null
  },
  get: ({ settings }) => settings.receiveLow,
}

/** sk_err, by name. */
const error: Option = { get: (stream) => stream.takeError() ?? 0 }

const congestion: Option = {
  setName: ({ settings }, name) => {
    if (name !== 'reno' && name !== 'cubic') return 'ENOENT'
    settings.congestion = name
    return null
  },
  get: ({ settings, connection, socket }) =>
    connection?.congestion.control.name ??
    (settings.congestion || socket.netns.sysctl.get('net.ipv4.tcp_congestion_control') || ''),
}

const tos: Option = {
  set: ({ settings, connection }, value) => {
    // A stream's ECN bits are the kernel's (ip_sock_set_tos).
    const kept = connection === null ? settings.tos : connection.tos
    settings.tos = (value & 0xfc) | (kept & 3)
    if (connection !== null) connection.tos = settings.tos
    return null
  },
  get: ({ settings }) => settings.tos,
}

const ttl: Option = {
  set: ({ settings, connection, socket }, value) => {
    if (value !== -1 && (value < 1 || value > 255)) return 'EINVAL'
    settings.ttl = value === -1 ? 0 : value
    if (connection !== null) connection.ttl = settings.ttl || socket.netns.defaultTtl
    return null
  },
  get: ({ settings, socket }) => settings.ttl || socket.netns.defaultTtl,
}

const fixed = (value: OptionValue): Option => ({ get: () => value })

const table: Readonly<Record<string, Readonly<Record<string, Option>>>> = {
  SOL_SOCKET: {
    SO_REUSEADDR: flag('reuseAddress'),
    SO_ERROR: error,
    SO_TYPE: fixed(1),
    SO_DOMAIN: fixed(2),
    SO_PROTOCOL: fixed(6),
    SO_ACCEPTCONN: { get: ({ listening }) => Number(listening) },
    SO_LINGER: linger,
    SO_RCVLOWAT: receiveLow,
    SO_RCVTIMEO: timeout('receiveTimeout'),
    SO_SNDTIMEO: timeout('sendTimeout'),
  },
  SOL_TCP: {
    TCP_NODELAY: noDelay,
    TCP_QUICKACK: quickAck,
    TCP_CONGESTION: congestion,
    TCP_INQ: flag('inq'),
  },
  SOL_IP: { IP_TOS: tos, IP_TTL: ttl },
}

/** Null: podwire does not model it. */
function find(level: string, name: string): Option | null {
  return table[level === 'IPPROTO_TCP' ? 'SOL_TCP' : level === 'IPPROTO_IP' ? 'SOL_IP' : level]?.[name] ?? null
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

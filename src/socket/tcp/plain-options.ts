/** Socket options that are numbers within bounds: what is kept, and what little they do at once. */
import { HZ } from '../../sim/jiffies.ts'
import { MILLISECOND } from '../../sim/scheduler.ts'
import type { Option } from './option.ts'
import { LONGEST_DELAY, RTO_MIN } from './rtt.ts'
import type { Settings } from './settings.ts'

const MICROSECONDS = 1_000_000 / HZ
/** TCP_TIMEOUT_MIN, in jiffies. */
const LEAST_TIMEOUT = 2
const LARGEST = 0x7fffffff
/** SOCK_MIN_RCVBUF / 2. */
const LEAST_CLAMP = 1152

type Numbers = { [Name in keyof Settings]: Settings[Name] extends number ? Name : never }[keyof Settings]
type Flags = { [Name in keyof Settings]: Settings[Name] extends boolean ? Name : never }[keyof Settings]

function kept(field: Numbers, least = -LARGEST - 1, most = LARGEST): Option {
  return {
    set: (stream, value) => {
      if (value < least || value > most) return 'EINVAL'
      stream.change()[field] = value
      return null
    },
    get: ({ settings }) => settings[field],
  }
}

/** `strict`: only 0 and 1 are taken. */
function flag(field: Flags, strict = false): Option {
  return {
    set: (stream, value) => {
      if (strict && value !== 0 && value !== 1) return 'EINVAL'
      stream.change()[field] = value !== 0
      return null
    },
    get: ({ settings }) => Number(settings[field]),
  }
}

/** Kept in jiffies, told in microseconds. */
const leastRto: Option = {
  set: (stream, value) => {
    const jiffies = Math.ceil(value / MICROSECONDS)
    if (jiffies < LEAST_TIMEOUT || jiffies > RTO_MIN) return 'EINVAL'
    stream.change().leastTimeout = jiffies * MICROSECONDS
    return null
  },
  get: ({ settings, socket }) => settings.leastTimeout || socket.netns.sysctl.number('net.ipv4.tcp_rto_min_us'),
}

const longestDelay: Option = {
  set: (stream, value) => {
    const jiffies = Math.ceil(value / MICROSECONDS)
    if (jiffies < LEAST_TIMEOUT || jiffies > LONGEST_DELAY) return 'EINVAL'
    stream.change().longestDelay = jiffies
    return null
  },
  get: ({ settings }) => (settings.longestDelay || LONGEST_DELAY) * MICROSECONDS,
}

const longestRto: Option = {
  set: (stream, value) => {
    if (value < 1000 || value > 120_000) return 'EINVAL'
    stream.change().longestTimeout = Math.ceil((value * HZ) / 1000)
    return null
  },
  get: ({ settings, socket }) =>
    (settings.longestTimeout * 1000) / HZ || socket.netns.sysctl.number('net.ipv4.tcp_rto_max_ms'),
}

/** tcp_set_window_clamp. */
const windowClamp: Option = {
  set: (stream, value) => {
    const { connection } = stream
    const open = connection !== null && connection.state !== 'CLOSED'
    if (value === 0 && (open || stream.listening)) return 'EINVAL'
    const clamp = value === 0 ? 0 : Math.max(value, LEAST_CLAMP)
    stream.change().windowClamp = clamp
    if (open) connection.receive.setClamp(clamp)
    return null
  },
  get: ({ settings, connection }) => (connection === null ? settings.windowClamp : connection.receive.clamp),
}

/** The clock that timestamps tell; only a connection under repair may be given another. */
const timestamp: Option = {
  set: () => 'EPERM',
  get: ({ connection, socket }) =>
    connection === null ? Math.floor(socket.netns.world.scheduler.now / MILLISECOND) | 0 : connection.clock(),
}

const always = (value: number): Option => ({ get: () => value })

export const plainOptions: Readonly<Record<string, Readonly<Record<string, Option>>>> = {
  SOL_SOCKET: {
    SO_DEBUG: flag('debug'),
    SO_SNDLOWAT: always(1),
    SO_MARK: kept('mark'),
    SO_PRIORITY: kept('priority'),
    SO_INCOMING_CPU: kept('incomingCpu'),
  },
  SOL_TCP: {
    TCP_WINDOW_CLAMP: windowClamp,
    TCP_THIN_LINEAR_TIMEOUTS: flag('thinLinear', true),
    TCP_TIMESTAMP: timestamp,
    TCP_RTO_MIN_US: leastRto,
    TCP_RTO_MAX_MS: longestRto,
    TCP_DELACK_MAX_US: longestDelay,
  },
  SOL_IP: {
    IP_FREEBIND: flag('freeBind'),
    IP_TRANSPARENT: flag('transparent'),
    IP_BIND_ADDRESS_NO_PORT: flag('portLater'),
    IP_MINTTL: kept('leastTtl', 0, 255),
  },
}

/** Conntrack's sysctls (net.netfilter.nf_conntrack_*), as far as they are modelled. */
import { SECOND } from '../sim/scheduler.ts'

/** Places in `ConntrackSettings.timeouts`: first the TCP states by number, then the others. */
export const Timeout = { RETRANS: 10, UNACKNOWLEDGED: 11, UDP: 12, UDP_STREAM: 13, ICMP: 14, GENERIC: 15 } as const

const PREFIX = 'nf_conntrack_'
const timeoutNames: readonly string[] = [
  '',
  'tcp_timeout_syn_sent',
  'tcp_timeout_syn_recv',
  'tcp_timeout_established',
  'tcp_timeout_fin_wait',
  'tcp_timeout_close_wait',
  'tcp_timeout_last_ack',
  'tcp_timeout_time_wait',
  'tcp_timeout_close',
  '',
  'tcp_timeout_max_retrans',
  'tcp_timeout_unacknowledged',
  'udp_timeout',
  'udp_timeout_stream',
  'icmp_timeout',
  'generic_timeout',
]
/** Seconds, Linux's defaults (nf_conntrack_proto_*.c); established TCP is five days. */
const defaults = [0, 120, 60, 432_000, 120, 60, 30, 120, 10, 120, 300, 300, 30, 120, 30, 600]

const INT_MAX = 2_147_483_647

/** The switches that are no time-outs: default and largest value. nf_conntrack_events 2: as soon as somebody listens. */
const others: Readonly<Record<string, readonly [initial: number, most: number]>> = {
  acct: [0, 1],
  checksum: [1, 1],
  events: [2, 2],
  log_invalid: [0, 255],
  max: [262_144, INT_MAX],
  tcp_be_liberal: [0, 1],
  tcp_ignore_invalid_rst: [0, 1],
  tcp_loose: [1, 1],
  tcp_max_retrans: [3, 255],
  timestamp: [0, 1],
}

/** Buckets of the kernel's table, nf_conntrack_buckets: fixed here. */
export const BUCKETS = 262_144

/** By full name: the default and the largest value that the kernel takes. */
export function conntrackSwitches(): [name: string, initial: number, most: number][] {
  const full = (key: string) => `net.netfilter.${PREFIX}${key}`
  return [
    ...Object.entries(others).map(([key, [initial, most]]): [string, number, number] => [full(key), initial, most]),
    ...timeoutNames.flatMap((key, place): [string, number, number][] =>
      key === '' ? [] : [[full(key), defaults[place], INT_MAX]],
    ),
  ]
}

export class ConntrackSettings {
  /** In nanoseconds, by TCP state or `Timeout`. */
  readonly timeouts: Float64Array
  /** Entries above this number need the place of an unassured one; 0: no limit. */
  max = 262_144
  beLiberal = false
  /** Pick up connections whose beginning was not seen. */
  loose = true
  maxRetrans = 3
  ignoreInvalidRst = false
  /** New flows count packets and bytes. */
  accounting = false
  /** New flows remember when they began and ended. */
  timestamps = false
  /** Prove the checksum of a flow's first packet. */
  checksums = true
  /** 0: flows announce nothing; 1: all do; 2: those that begin while somebody listens. */
  events = 2
  /** The protocol whose invalid packets are logged, 255: all, 0: none. */
  logInvalid = 0
  #values = new Map<string, number>()

  constructor() {
    this.timeouts = Float64Array.from(defaults, (seconds) => seconds * SECOND)
  }

  /** Takes `nf_conntrack_max` or `net.netfilter.nf_conntrack_max`; null when there is no such setting. */
  get(name: string): string | null {
    const key = keyOf(name)
    if (key === 'buckets') return String(BUCKETS)
    const place = timeoutNames.indexOf(key)
    if (key !== '' && place >= 0) return String(this.timeouts[place] / SECOND)
    if (!Object.hasOwn(others, key)) return null
    return String(this.#values.get(key) ?? others[key][0])
  }

  /** False when there is no such setting, nobody may write it, or the value is none of its. */
  set(name: string, value: string): boolean {
    if (!/^[0-9]+$/.test(value) || this.get(name) === null) return false
    const key = keyOf(name)
    const number = Number(value)
    if (number > (others[key]?.[1] ?? INT_MAX)) return false
    const place = timeoutNames.indexOf(key)
    if (place >= 0) {
      this.timeouts[place] = number * SECOND
      // A simultaneous open waits as long as a plain one.
      if (place === 1) this.timeouts[9] = number * SECOND
      return true
    }
    if (!Object.hasOwn(others, key)) return false
    this.#values.set(key, number)
    this.#settle()
    return true
  }

  /** Without the `net.netfilter.` in front. */
  names(): string[] {
    const named = timeoutNames.filter((name) => name !== '')
    return ['buckets', ...Object.keys(others), ...named].map((name) => PREFIX + name).sort()
  }

  /** What the path of a frame reads. */
  #settle(): void {
    const value = (key: string) => this.#values.get(key) ?? others[key][0]
    this.max = value('max')
    this.beLiberal = value('tcp_be_liberal') !== 0
    this.loose = value('tcp_loose') !== 0
    this.maxRetrans = value('tcp_max_retrans')
    this.ignoreInvalidRst = value('tcp_ignore_invalid_rst') !== 0
    this.accounting = value('acct') !== 0
    this.timestamps = value('timestamp') !== 0
    this.checksums = value('checksum') !== 0
    this.events = value('events')
    this.logInvalid = value('log_invalid')
  }
}

function keyOf(name: string): string {
  const bare = name.replace(/^net[./]netfilter[./]/, '')
  return bare.startsWith(PREFIX) ? bare.slice(PREFIX.length) : ''
}

/** Conntrack's sysctls (net.netfilter.nf_conntrack_*), as far as they are modelled. */
import { type Nanos, SECOND } from '../sim/scheduler.ts'

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

export class ConntrackSettings {
  /** In nanoseconds, by TCP state or `Timeout`. */
  readonly timeouts: Float64Array
  /** Entries above this number are refused. */
  max = 262_144
  beLiberal = false
  /** Pick up connections whose beginning was not seen. */
  loose = true
  maxRetrans = 3
  ignoreInvalidRst = false
  /** Print packet and byte counts. */
  accounting = false

  constructor() {
    this.timeouts = Float64Array.from(defaults, (seconds) => seconds * SECOND)
  }

  /** Takes `nf_conntrack_max` or `net.netfilter.nf_conntrack_max`; null when there is no such setting. */
  get(name: string): string | null {
    const key = keyOf(name)
    const place = timeoutNames.indexOf(key)
    if (key !== '' && place >= 0) return String(this.timeouts[place] / SECOND)
    switch (key) {
      case 'max':
        return String(this.max)
      case 'tcp_be_liberal':
        return this.beLiberal ? '1' : '0'
      case 'tcp_loose':
        return this.loose ? '1' : '0'
      case 'tcp_max_retrans':
        return String(this.maxRetrans)
      case 'tcp_ignore_invalid_rst':
        return this.ignoreInvalidRst ? '1' : '0'
      case 'acct':
        return this.accounting ? '1' : '0'
      default:
        return null
    }
  }

  /** False when there is no such setting or the value is no number. */
  set(name: string, value: string): boolean {
    if (!/^[0-9]+$/.test(value) || this.get(name) === null) return false
    const key = keyOf(name)
    const number = Number(value)
    const place = timeoutNames.indexOf(key)
    if (place >= 0) this.#limit(place, number * SECOND)
    else if (key === 'max') this.max = number
    else if (key === 'tcp_be_liberal') this.beLiberal = number !== 0
    else if (key === 'tcp_loose') this.loose = number !== 0
    else if (key === 'tcp_max_retrans') this.maxRetrans = number
    else if (key === 'tcp_ignore_invalid_rst') this.ignoreInvalidRst = number !== 0
    else this.accounting = number !== 0
    return true
  }

  /** Without the `net.netfilter.` in front. */
  names(): string[] {
    const named = timeoutNames.filter((name) => name !== '')
    const others = ['acct', 'max', 'tcp_be_liberal', 'tcp_ignore_invalid_rst', 'tcp_loose', 'tcp_max_retrans']
    return [...others, ...named].map((name) => PREFIX + name).sort()
  }

  #limit(place: number, timeout: Nanos): void {
    this.timeouts[place] = timeout
    // A simultaneous open waits as long as a plain one.
    if (place === 1) this.timeouts[9] = timeout
  }
}

function keyOf(name: string): string {
  const bare = name.replace(/^net[./]netfilter[./]/, '')
  return bare.startsWith(PREFIX) ? bare.slice(PREFIX.length) : ''
}

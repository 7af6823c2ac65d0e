/** IP_MTU_DISCOVER: IP_PMTUDISC_*. */
export const PathMtuDiscovery = { DONT: 0, WANT: 1, DO: 2, PROBE: 3, INTERFACE: 4, OMIT: 5 } as const

/**
 * What setsockopt(2) leaves on a TCP socket. A connection that a listener accepts begins with the listener's
 * (sk_clone_lock). Zero means "as the sysctl says" where a field has a sysctl.
 */
export class Settings {
  /** SO_REUSEADDR, SO_REUSEPORT. */
  reuseAddress = false
  reusePort = false
  /** SO_LINGER: seconds that close() waits; -1: it does not (SOCK_LINGER is off). */
  linger = -1
  keepAlive = false
  /** SO_OOBINLINE. */
  urgentInline = false
  /** SO_RCVLOWAT: bytes that recv() waits for. */
  receiveLow = 1
  /** SO_RCVTIMEO and SO_SNDTIMEO in microseconds; 0: for ever. */
  receiveTimeout = 0
  sendTimeout = 0
  /** SO_SNDBUF and SO_RCVBUF as reported, twice what was asked for; 0: the kernel tunes them. */
  sendBuffer = 0
  receiveBuffer = 0
  /** IP_TOS, IP_TTL (0: ip_default_ttl) and IP_MTU_DISCOVER (IP_PMTUDISC_WANT). */
  tos = 0
  ttl = 0
  mtuDiscover: number = PathMtuDiscovery.WANT
  /** IP_RECVERR: ICMP errors are told at once, also of a connection that stands. */
  receiveErrors = false

  noDelay = false
  cork = false
  /** TCP_MAXSEG: no larger segments are offered or sent. */
  maxSegment = 0
  /** TCP_KEEPIDLE and TCP_KEEPINTVL in seconds, TCP_KEEPCNT. */
  keepIdle = 0
  keepInterval = 0
  keepCount = 0
  /** TCP_USER_TIMEOUT in milliseconds. */
  userTimeout = 0
  /** TCP_SYNCNT. */
  synRetries = 0
  /** TCP_LINGER2 in seconds; -1: FIN-WAIT-2 is not waited in at all. */
  finTimeout = 0
  /** TCP_DEFER_ACCEPT in retransmissions of the SYN-ACK. */
  deferAccept = 0
  /** TCP_NOTSENT_LOWAT in bytes; 0: tcp_notsent_lowat. */
  notSentLow = 0
  /** TCP_WINDOW_CLAMP in bytes. */
  windowClamp = 0
  /** TCP_RTO_MIN_US in microseconds, TCP_RTO_MAX_MS and TCP_DELACK_MAX_US in jiffies; 0: the sysctl's, or 200 ms. */
  leastTimeout = 0
  longestTimeout = 0
  longestDelay = 0
  /** TCP_THIN_LINEAR_TIMEOUTS. */
  thinLinear = false
  /** SO_MARK, SO_PRIORITY, SO_INCOMING_CPU, IP_MINTTL. */
  mark = 0
  priority = 0
  incomingCpu = -1
  leastTtl = 0
  /** IP_FREEBIND, IP_TRANSPARENT, IP_BIND_ADDRESS_NO_PORT, SO_DEBUG. */
  freeBind = false
  transparent = false
  portLater = false
  debug = false
  /** TCP_INQ: recv() tells how much is left. */
  inq = false
  /** SO_MAX_PACING_RATE in bytes a second; -1: as fast as it may. */
  maxPacingRate = -1
  /** TCP_CONGESTION; empty: tcp_congestion_control. */
  congestion = ''

  /** Before any option was set: one object serves all sockets. */
  static readonly untouched: Readonly<Settings> = new Settings()

  /** To be changed: sockets share what they have not changed. */
  copy(): Settings {
    return Object.assign(new Settings(), this)
  }
}

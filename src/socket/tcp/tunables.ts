/**
 * The switches net.ipv4.tcp_* that the path of a segment asks for, as plain fields: read once, and again when
 * somebody writes one. Times are jiffies unless they say otherwise.
 */
import type { Netns } from '../../net/netns.ts'
import { HZ } from '../../sim/jiffies.ts'
import { Challenges, NO_LIMIT } from './challenge.ts'

const PREFIX = 'net.ipv4.tcp_'

export class Tunables {
  /** tcp_rmem and tcp_wmem: least, default and most, in bytes. */
  readonly receiveMemory = [4096, 131_072, 6_291_456]
  readonly sendMemory = [4096, 16_384, 4_194_304]
  moderateReceiveBuffer = true
  shrinkWindow = false
  slowStartAfterIdle = true
  sack = true
  dsack = true
  /** tcp_recovery's first bit: RACK decides; the second: its reordering window does not grow. */
  recovery = 1
  reordering = 3
  maxReordering = 300
  frto = true
  /** tcp_early_retrans 3 and 4: tail loss probes. */
  earlyRetransmit = 3
  ecn = 2
  congestionControl = 'cubic'
  /** tcp_comp_sack_*: nanoseconds, and how many acknowledgments may be left out. */
  compressDelay = 1_000_000
  compressMost = 44
  compressSlack = 100_000
  retransmitCollapse = true
  minimumTsoSegments = 2
  tsoWindowDivisor = 3
  tsoRttLog = 9
  /** tcp_mtu_probing (RFC 4821): 0 never, 1 when long segments vanish, 2 always; tcp_base_mss, tcp_mtu_probe_floor: bytes. */
  mtuProbing = 0
  baseSegment = 1024
  probeFloor = 48
  /** Bytes of MTU that are not worth a probe; seconds until the path is searched again. */
  probeThreshold = 8
  probeInterval = 600
  /** tcp_min_snd_mss: data and options. */
  leastSegment = 48
  retries1 = 3
  /** Challenge ACKs in a second. */
  challengeLimit = NO_LIMIT
  readonly challenges = new Challenges()
  /** tcp_rto_min_us and tcp_min_rtt_wlen in their units, tcp_rto_max_ms in jiffies. */
  leastTimeout = 200_000
  leastTripLasts = 300
  longestTimeout = 120 * HZ
  thinLinear = false
  ecnFallback = true
  pingpongThreshold = 1
  reflectTos = false
  maxTimeWaits = 131_072
  /** How many are in TIME-WAIT. */
  timeWaits = 0
  pacingSlowStart = 200
  pacingAvoidance = 120

  constructor(netns: Netns) {
    this.#read(netns)
    netns.sysctl.watch((name) => {
      if (name.startsWith(PREFIX)) this.#read(netns)
    })
  }

  /** May one more enter TIME-WAIT? (tcp_max_tw_buckets) */
  mayWait(): boolean {
    if (this.timeWaits >= this.maxTimeWaits) return false
    this.timeWaits++
    return true
  }

  #read({ sysctl }: Netns): void {
    const number = (name: string): number => sysctl.number(PREFIX + name)
    const three = (name: string, into: number[]): void => {
      const numbers = (sysctl.get(PREFIX + name) ?? '').split('\t')
      for (let i = 0; i < 3; i++) into[i] = Number(numbers[i]) || into[i]
    }
    three('rmem', this.receiveMemory)
    three('wmem', this.sendMemory)
    this.moderateReceiveBuffer = number('moderate_rcvbuf') !== 0
    this.shrinkWindow = number('shrink_window') !== 0
    this.slowStartAfterIdle = number('slow_start_after_idle') !== 0
    this.sack = number('sack') !== 0
    this.dsack = number('dsack') !== 0
    this.recovery = number('recovery')
    this.reordering = number('reordering')
    this.maxReordering = number('max_reordering')
    this.frto = number('frto') !== 0
    this.earlyRetransmit = number('early_retrans')
    this.ecn = number('ecn')
    this.congestionControl = sysctl.get(`${PREFIX}congestion_control`) ?? 'cubic'
    this.compressDelay = number('comp_sack_delay_ns')
    this.compressMost = number('comp_sack_nr')
    this.compressSlack = number('comp_sack_slack_ns')
    this.retransmitCollapse = number('retrans_collapse') !== 0
    this.minimumTsoSegments = number('min_tso_segs')
    this.tsoWindowDivisor = number('tso_win_divisor')
    this.tsoRttLog = number('tso_rtt_log')
    this.mtuProbing = number('mtu_probing')
    this.baseSegment = number('base_mss')
    this.probeFloor = number('mtu_probe_floor')
    this.probeThreshold = number('probe_threshold')
    this.probeInterval = number('probe_interval')
    this.leastSegment = number('min_snd_mss')
    this.retries1 = number('retries1')
    this.challengeLimit = number('challenge_ack_limit')
    this.leastTimeout = number('rto_min_us')
    this.leastTripLasts = number('min_rtt_wlen')
    this.longestTimeout = Math.ceil((number('rto_max_ms') * HZ) / 1000)
    this.thinLinear = number('thin_linear_timeouts') !== 0
    this.ecnFallback = number('ecn_fallback') !== 0
    this.pingpongThreshold = number('pingpong_thresh')
    this.reflectTos = number('reflect_tos') !== 0
    this.maxTimeWaits = number('max_tw_buckets')
    this.pacingSlowStart = number('pacing_ss_ratio')
    this.pacingAvoidance = number('pacing_ca_ratio')
  }
}

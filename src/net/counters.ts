/** What /proc/net/snmp and netstat count, as far as podwire counts it. Plain numbers that only grow. */
import { LARGE } from '../sim/count.ts'

export class Counters {
  ipInReceives = 0
  ipInHdrErrors = 0
  ipInAddrErrors = 0
  ipForwDatagrams = 0
  ipInDiscards = 0
  ipInDelivers = 0
  ipInUnknownProtos = 0
  ipInNoRoutes = 0
  ipOutRequests = 0
  ipOutNoRoutes = 0
  ipReasmTimeout = 0
  ipReasmReqds = 0
  ipReasmOks = 0
  ipReasmFails = 0
  ipFragOks = 0
  ipFragFails = 0
  ipFragCreates = 0
  icmpInMsgs = 0
  icmpInErrors = 0
  icmpInCsumErrors = 0
  #icmpIn: Float64Array | null = null
  #icmpOut: Float64Array | null = null
  icmpOutMsgs = 0
  icmpOutRateLimitHost = 0
  icmpOutRateLimitGlobal = 0
  ipInBcastPkts = 0
  ipOutBcastPkts = 0
  ipInBcastOctets = LARGE
  ipOutBcastOctets = LARGE
  /** TcpExt's IPReversePathFilter. */
  ipReversePathFilter = 0
  ipReasmOverlaps = 0
  ipOutTransmits = 0
  tcpActiveOpens = 0
  tcpPassiveOpens = 0
  tcpAttemptFails = 0
  tcpEstabResets = 0
  tcpInSegs = 0
  tcpOutSegs = 0
  tcpRetransSegs = 0
  tcpInErrs = 0
  tcpOutRsts = 0
  /** IpExt. */
  ipInOctets = LARGE
  ipOutOctets = LARGE
  /** Packets received, by their ECN bits: not ECT, ECT(1), ECT(0), CE. */
  readonly ipInEcn = new Float64Array(4)
  /** TcpExt. */
  tcpTimeWaits = 0
  tcpDelayedAcks = 0
  tcpTimeouts = 0
  tcpLossProbes = 0
  tcpMtuSuccess = 0
  tcpMtuFail = 0
  tcpSynRetrans = 0
  tcpOrigDataSent = 0
  tcpFastRetrans = 0
  tcpDelivered = 0
  /** SYNs and last ACKs dropped because nobody accepts. */
  tcpListenDrops = 0
  udpInDatagrams = 0
  udpNoPorts = 0
  udpOutDatagrams = 0

  constructor() {
    this.ipInOctets = 0
    this.ipOutOctets = 0
    this.ipInBcastOctets = 0
    this.ipOutBcastOctets = 0
  }

  /** ICMP messages by type; most namespaces never see one. */
  get icmpIn(): Float64Array {
    this.#icmpIn ??= new Float64Array(256)
    return this.#icmpIn
  }

  get icmpOut(): Float64Array {
    this.#icmpOut ??= new Float64Array(256)
    return this.#icmpOut
  }
}

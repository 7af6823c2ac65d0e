/** /proc/net/snmp and /proc/net/netstat: what a namespace counts. What podwire does not have happen stays 0. */
import type { Netns } from '../net/netns.ts'
import { Sockets } from '../socket/sockets.ts'
import * as icmpTypes from '../wire/icmp.ts'
import { tcpExtNames } from './proc-snmp-names.ts'

/** Two lines a protocol: the names, and the numbers. What podwire does not have happen stays 0. */
export function snmp(netns: Netns): string {
  const { counters: count } = netns
  const { icmpIn: got, icmpOut: sent } = count
  const current = Sockets.of(netns)
    .list()
    .filter(({ state, protocol }) => protocol === 'tcp' && (state === 'ESTABLISHED' || state === 'CLOSE-WAIT'))
  const ip = {
    Forwarding: netns.forwarding ? 1 : 2,
    DefaultTTL: netns.sysctl.number('net.ipv4.ip_default_ttl'),
    InReceives: count.ipInReceives,
    InHdrErrors: count.ipInHdrErrors,
    InAddrErrors: count.ipInAddrErrors,
    ForwDatagrams: count.ipForwDatagrams,
    InUnknownProtos: count.ipInUnknownProtos,
    InDiscards: count.ipInDiscards,
    InDelivers: count.ipInDelivers,
    OutRequests: count.ipOutRequests,
    OutDiscards: 0,
    OutNoRoutes: count.ipOutNoRoutes,
    ReasmTimeout: count.ipReasmTimeout,
    ReasmReqds: count.ipReasmReqds,
    ReasmOKs: count.ipReasmOks,
    ReasmFails: count.ipReasmFails,
    FragOKs: count.ipFragOks,
    FragFails: count.ipFragFails,
    FragCreates: count.ipFragCreates,
    OutTransmits: count.ipOutTransmits,
  }
  const icmp = {
    InMsgs: count.icmpInMsgs,
    InErrors: count.icmpInErrors,
    InCsumErrors: count.icmpInCsumErrors,
    InDestUnreachs: got[icmpTypes.DESTINATION_UNREACHABLE],
    InTimeExcds: got[icmpTypes.TIME_EXCEEDED],
    InParmProbs: got[icmpTypes.PARAMETER_PROBLEM],
    InSrcQuenchs: got[icmpTypes.SOURCE_QUENCH],
    InRedirects: got[icmpTypes.REDIRECT],
    InEchos: got[icmpTypes.ECHO_REQUEST],
    InEchoReps: got[icmpTypes.ECHO_REPLY],
    InTimestamps: got[icmpTypes.TIMESTAMP],
    InTimestampReps: got[icmpTypes.TIMESTAMP_REPLY],
    InAddrMasks: got[icmpTypes.MASK_REQUEST],
    InAddrMaskReps: got[icmpTypes.MASK_REPLY],
    OutMsgs: count.icmpOutMsgs,
    OutErrors: 0,
    OutRateLimitGlobal: count.icmpOutRateLimitGlobal,
    OutRateLimitHost: count.icmpOutRateLimitHost,
    OutDestUnreachs: sent[icmpTypes.DESTINATION_UNREACHABLE],
    OutTimeExcds: sent[icmpTypes.TIME_EXCEEDED],
    OutParmProbs: sent[icmpTypes.PARAMETER_PROBLEM],
    OutSrcQuenchs: sent[icmpTypes.SOURCE_QUENCH],
    OutRedirects: sent[icmpTypes.REDIRECT],
    OutEchos: sent[icmpTypes.ECHO_REQUEST],
    OutEchoReps: sent[icmpTypes.ECHO_REPLY],
    OutTimestamps: sent[icmpTypes.TIMESTAMP],
    OutTimestampReps: sent[icmpTypes.TIMESTAMP_REPLY],
    OutAddrMasks: sent[icmpTypes.MASK_REQUEST],
    OutAddrMaskReps: sent[icmpTypes.MASK_REPLY],
  }
  const seen = Object.fromEntries([...byType('In', got), ...byType('Out', sent)])
  const tcp = {
    RtoAlgorithm: 1,
    RtoMin: 200,
    RtoMax: 120_000,
    MaxConn: -1,
    ActiveOpens: count.tcpActiveOpens,
    PassiveOpens: count.tcpPassiveOpens,
    AttemptFails: count.tcpAttemptFails,
    EstabResets: count.tcpEstabResets,
    CurrEstab: current.length,
    InSegs: count.tcpInSegs,
    OutSegs: count.tcpOutSegs,
    RetransSegs: count.tcpRetransSegs,
    InErrs: count.tcpInErrs,
    OutRsts: count.tcpOutRsts,
    InCsumErrors: count.tcpInErrs,
  }
  const udp = {
    InDatagrams: count.udpInDatagrams,
    NoPorts: count.udpNoPorts,
    InErrors: 0,
    OutDatagrams: count.udpOutDatagrams,
  }
  const rest = { RcvbufErrors: 0, SndbufErrors: 0, InCsumErrors: 0, IgnoredMulti: 0, MemErrors: 0 }
  return (
    lines('Ip', ip) +
    lines('Icmp', icmp) +
    (Object.keys(seen).length === 0 ? '' : lines('IcmpMsg', seen)) +
    lines('Tcp', tcp) +
    lines('Udp', { ...udp, ...rest }) +
    lines('UdpLite', { InDatagrams: 0, NoPorts: 0, InErrors: 0, OutDatagrams: 0, ...rest })
  )
}

/** `InType8`: only what there was. */
function byType(way: string, counts: Float64Array): [string, number][] {
  return [...counts].flatMap((count, type): [string, number][] => (count > 0 ? [[`${way}Type${type}`, count]] : []))
}

function lines(name: string, values: Readonly<Record<string, number>>): string {
  return `${name}: ${Object.keys(values).join(' ')}\n${name}: ${Object.values(values).join(' ')}\n`
}

/** TcpExt and IpExt. */
export function netstat(netns: Netns): string {
  const { counters: count } = netns
  const counted: Readonly<Record<string, number>> = {
    TW: count.tcpTimeWaits,
    IPReversePathFilter: count.ipReversePathFilter,
    DelayedACKs: count.tcpDelayedAcks,
    TCPTimeouts: count.tcpTimeouts,
    TCPLossProbes: count.tcpLossProbes,
    TCPMTUPFail: count.tcpMtuFail,
    TCPMTUPSuccess: count.tcpMtuSuccess,
    TCPFastRetrans: count.tcpFastRetrans,
    TCPSynRetrans: count.tcpSynRetrans,
    TCPOrigDataSent: count.tcpOrigDataSent,
    TCPDelivered: count.tcpDelivered,
  }
  const [notEct, ect1, ect0, ce] = count.ipInEcn
  const ip = {
    InNoRoutes: count.ipInNoRoutes,
    InTruncatedPkts: 0,
    InMcastPkts: 0,
    OutMcastPkts: 0,
    InBcastPkts: count.ipInBcastPkts,
    OutBcastPkts: count.ipOutBcastPkts,
    InOctets: count.ipInOctets,
    OutOctets: count.ipOutOctets,
    InMcastOctets: 0,
    OutMcastOctets: 0,
    InBcastOctets: count.ipInBcastOctets,
    OutBcastOctets: count.ipOutBcastOctets,
    InCsumErrors: 0,
    InNoECTPkts: notEct,
    InECT1Pkts: ect1,
    InECT0Pkts: ect0,
    InCEPkts: ce,
    ReasmOverlaps: count.ipReasmOverlaps,
  }
  return lines('TcpExt', Object.fromEntries(tcpExtNames.map((name) => [name, counted[name] ?? 0]))) + lines('IpExt', ip)
}

/** /proc/net/snmp and /proc/net/netstat: what a namespace counts. What podwire does not have happen stays 0. */
import type { Netns } from '../net/netns.ts'
import { Sockets } from '../socket/sockets.ts'
import { tcpExtNames } from './proc-snmp-names.ts'

/** Two lines a protocol: the names, and the numbers. What podwire does not have happen stays 0. */
export function snmp(netns: Netns): string {
  const { counters: count } = netns
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
    InUnknownProtos: 0,
    InDiscards: count.ipInDiscards,
    InDelivers: count.ipInDelivers,
    OutRequests: count.ipOutRequests,
    OutDiscards: 0,
    OutNoRoutes: count.ipOutNoRoutes,
    ReasmTimeout: 0,
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
    InCsumErrors: count.icmpInErrors,
    InDestUnreachs: count.icmpInDestUnreachs,
    InTimeExcds: count.icmpInTimeExcds,
    InParmProbs: 0,
    InSrcQuenchs: 0,
    InRedirects: count.icmpInRedirects,
    InEchos: count.icmpInEchos,
    InEchoReps: count.icmpInEchoReps,
    InTimestamps: 0,
    InTimestampReps: 0,
    InAddrMasks: 0,
    InAddrMaskReps: 0,
    OutMsgs: count.icmpOutMsgs,
    OutErrors: 0,
    OutRateLimitGlobal: count.icmpOutRateLimitGlobal,
    OutRateLimitHost: count.icmpOutRateLimitHost,
    OutDestUnreachs: count.icmpOutDestUnreachs,
    OutTimeExcds: count.icmpOutTimeExcds,
    OutParmProbs: count.icmpOutParmProbs,
    OutSrcQuenchs: 0,
    OutRedirects: count.icmpOutRedirects,
    OutEchos: count.icmpOutEchos,
    OutEchoReps: count.icmpOutEchoReps,
    OutTimestamps: 0,
    OutTimestampReps: 0,
    OutAddrMasks: 0,
    OutAddrMaskReps: 0,
  }
  const messages = {
    InType0: count.icmpInEchoReps,
    InType3: count.icmpInDestUnreachs,
    InType5: count.icmpInRedirects,
    InType8: count.icmpInEchos,
    InType11: count.icmpInTimeExcds,
    OutType0: count.icmpOutEchoReps,
    OutType3: count.icmpOutDestUnreachs,
    OutType5: count.icmpOutRedirects,
    OutType8: count.icmpOutEchos,
    OutType11: count.icmpOutTimeExcds,
  }
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
  const seen = Object.fromEntries(Object.entries(messages).filter(([, value]) => value > 0))
  return (
    lines('Ip', ip) +
    lines('Icmp', icmp) +
    (Object.keys(seen).length === 0 ? '' : lines('IcmpMsg', seen)) +
    lines('Tcp', tcp) +
    lines('Udp', { ...udp, ...rest }) +
    lines('UdpLite', { InDatagrams: 0, NoPorts: 0, InErrors: 0, OutDatagrams: 0, ...rest })
  )
}

function lines(name: string, values: Readonly<Record<string, number>>): string {
  return `${name}: ${Object.keys(values).join(' ')}\n${name}: ${Object.values(values).join(' ')}\n`
}

/** TcpExt and IpExt. */
export function netstat(netns: Netns): string {
  const { counters: count } = netns
  const counted: Readonly<Record<string, number>> = {
    TW: count.tcpTimeWaits,
    DelayedACKs: count.tcpDelayedAcks,
    TCPTimeouts: count.tcpTimeouts,
    TCPLossProbes: count.tcpLossProbes,
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
    InBcastPkts: 0,
    OutBcastPkts: 0,
    InOctets: count.ipInOctets,
    OutOctets: count.ipOutOctets,
    InMcastOctets: 0,
    OutMcastOctets: 0,
    InBcastOctets: 0,
    OutBcastOctets: 0,
    InCsumErrors: 0,
    InNoECTPkts: notEct,
    InECT1Pkts: ect1,
    InECT0Pkts: ect0,
    InCEPkts: ce,
    ReasmOverlaps: 0,
  }
  return lines('TcpExt', Object.fromEntries(tcpExtNames.map((name) => [name, counted[name] ?? 0]))) + lines('IpExt', ip)
}

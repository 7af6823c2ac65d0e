/** The files of /proc/net that tell what a namespace counts and tracks, as far as podwire does. */
import type { Netns } from '../net/netns.ts'
import { formatProc } from '../netfilter/flow-text.ts'
import { Sockets } from '../socket/sockets.ts'

const files: ReadonlyMap<string, (netns: Netns) => string> = new Map([
  ['/proc/net/nf_conntrack', conntrack],
  ['/proc/net/snmp', snmp],
  ['/proc/net/stat/nf_conntrack', conntrackCounters],
])

/** The text of the file, made now; null when there is no such file. */
export function procFile(netns: Netns, path: string): string | null {
  return files.get(path)?.(netns) ?? null
}

function conntrack(netns: Netns): string {
  const { now } = netns.world.scheduler
  const flows = netns.netfilter.conntrack.list()
  return flows.map((flow) => `${formatProc(flow, now)}\n`).join('')
}

/** One line a processor, in hexadecimal; a machine has one. Columns that the kernel no longer counts stay 0. */
function conntrackCounters(netns: Netns): string {
  const { count, resolved, invalid, inserted, clashes, full, earlyDrops, flows } = netns.netfilter.conntrack
  const numbers = [count, resolved, flows.found, 0, invalid, 0, 0, 0, inserted, clashes, clashes + full, earlyDrops, 0]
  const hex = (value: number) => value.toString(16).padStart(8, '0')
  const none = [0, 0, 0, 0].map(hex).join(' ')
  return (
    'entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error  ' +
    'expect_new expect_create expect_delete search_restart\n' +
    `${hex(numbers[0])}  ${numbers.slice(1).map(hex).join(' ')}  ${none}\n`
  )
}

/** Two lines a protocol: the names, and the numbers. What podwire does not have happen stays 0. */
function snmp(netns: Netns): string {
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
    InRedirects: 0,
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
    OutRedirects: 0,
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
    InType8: count.icmpInEchos,
    InType11: count.icmpInTimeExcds,
    OutType0: count.icmpOutEchoReps,
    OutType3: count.icmpOutDestUnreachs,
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

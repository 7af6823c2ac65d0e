/** Every match and target by name. */
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipv4.ts'
import { NetfilterError } from './error.ts'
import type { IpSets } from './ipset.ts'
import type { Match } from './match.ts'
import { ConnbytesMatch, CpuMatch, QuotaMatch } from './match-amount.ts'
import { LimitMatch, StatisticMatch } from './match-chance.ts'
import { ConnlimitMatch } from './match-connlimit.ts'
import { ConntrackMatch } from './match-conntrack.ts'
import { EcnMatch } from './match-ecn.ts'
import { HashlimitMatch } from './match-hashlimit.ts'
import { DscpMatch, IprangeMatch, LengthMatch, TcpmssMatch, TosMatch, TtlMatch } from './match-header.ts'
import { IcmpMatch } from './match-icmp.ts'
import { IpvsMatch } from './match-ipvs.ts'
import { MacMatch, PkttypeMatch } from './match-link.ts'
import { CommentMatch, MarkMatch } from './match-mark.ts'
import { AddrtypeMatch, PhysdevMatch } from './match-place.ts'
import { MultiportMatch, PortMatch, TcpMatch } from './match-ports.ts'
import { type RecentLists, RecentMatch } from './match-recent.ts'
import { RpfilterMatch } from './match-rpfilter.ts'
import { SetMatch, SetTarget } from './match-set.ts'
import { StringMatch } from './match-string.ts'
import { U32Match } from './match-u32.ts'
import type { Target } from './target.ts'
import { LogTarget, NflogTarget, RejectTarget } from './target-answer.ts'
import { DscpTarget, TcpmssTarget, TosTarget, TtlTarget } from './target-header.ts'
import { ConnmarkTarget, CtTarget, MarkTarget } from './target-mark.ts'
import { AddressTarget, MasqueradeTarget, NetmapTarget, RedirectTarget } from './target-nat.ts'
import { ChecksumTarget, EcnTarget, TcpoptstripTarget } from './target-segment.ts'

/** What the extensions of one namespace share. */
export interface Lists {
  readonly lists: RecentLists
  readonly sets: IpSets
}

/** Extensions that iptables 1.8.9 has and podwire does not; any other name is unknown to both. */
const unmodelledMatches =
  'ah bpf cgroup cluster connlabel dccp devgroup esp helper ipcomp l2tp nfacct osf owner policy rateest realm sctp socket time udplite'.split(
    ' ',
  )
export const unmodelledTargets: readonly string[] =
  'AUDIT CLASSIFY CLUSTERIP CONNSECMARK HMARK IDLETIMER LED NFQUEUE RATEEST SECMARK SYNPROXY TEE TPROXY TRACE ULOG'.split(
    ' ',
  )

/** @throws NetfilterError when podwire does not model the match. */
export function makeMatch(name: string, { lists, sets }: Lists): Match {
  switch (name) {
    case 'comment':
      return new CommentMatch()
    case 'mark':
    case 'connmark':
      return new MarkMatch(name)
    case 'conntrack':
    case 'state':
      return new ConntrackMatch(name)
    case 'tcp':
      return new TcpMatch()
    case 'udp':
      return new PortMatch('udp', IPPROTO_UDP)
    case 'icmp':
      return new IcmpMatch()
    case 'multiport':
      return new MultiportMatch()
    case 'statistic':
      return new StatisticMatch()
    case 'limit':
      return new LimitMatch()
    case 'recent':
      return new RecentMatch(lists)
    case 'set':
      return new SetMatch(sets)
    case 'addrtype':
      return new AddrtypeMatch()
    case 'physdev':
      return new PhysdevMatch()
    case 'length':
      return new LengthMatch()
    case 'ttl':
      return new TtlMatch()
    case 'tos':
      return new TosMatch()
    case 'dscp':
      return new DscpMatch()
    case 'iprange':
      return new IprangeMatch()
    case 'tcpmss':
      return new TcpmssMatch()
    case 'mac':
      return new MacMatch()
    case 'pkttype':
      return new PkttypeMatch()
    case 'rpfilter':
      return new RpfilterMatch()
    case 'u32':
      return new U32Match()
    case 'string':
      return new StringMatch()
    case 'connbytes':
      return new ConnbytesMatch()
    case 'quota':
      return new QuotaMatch()
    case 'cpu':
      return new CpuMatch()
    case 'ecn':
      return new EcnMatch()
    case 'connlimit':
      return new ConnlimitMatch()
    case 'ipvs':
      return new IpvsMatch()
    case 'hashlimit':
      return new HashlimitMatch()
    default:
      if (unmodelledMatches.includes(name)) throw new NetfilterError(`podwire: match ${name} is not modelled`)
      throw new NetfilterError(`Couldn't load match \`${name}':No such file or directory\n`)
  }
}

/** The match that `-p` brings along when one of its options is used; null when there is none. */
export function protocolMatch(protocol: number, lists: Lists): Match | null {
  if (protocol === IPPROTO_TCP) return makeMatch('tcp', lists)
  if (protocol === IPPROTO_UDP) return makeMatch('udp', lists)
  return protocol === IPPROTO_ICMP ? makeMatch('icmp', lists) : null
}

/** Null when there is no such target. */
export function makeTarget(name: string, { sets }: Lists): Target | null {
  switch (name) {
    case 'REJECT':
      return new RejectTarget()
    case 'MARK':
      return new MarkTarget()
    case 'CONNMARK':
      return new ConnmarkTarget()
    case 'LOG':
      return new LogTarget()
    case 'NFLOG':
      return new NflogTarget()
    case 'SNAT':
    case 'DNAT':
      return new AddressTarget(name)
    case 'MASQUERADE':
      return new MasqueradeTarget()
    case 'REDIRECT':
      return new RedirectTarget()
    case 'CT':
    case 'NOTRACK':
      return new CtTarget(name === 'NOTRACK')
    case 'NETMAP':
      return new NetmapTarget()
    case 'SET':
      return new SetTarget(sets)
    case 'TTL':
      return new TtlTarget()
    case 'TOS':
      return new TosTarget()
    case 'DSCP':
      return new DscpTarget()
    case 'ECN':
      return new EcnTarget()
    case 'TCPOPTSTRIP':
      return new TcpoptstripTarget()
    case 'CHECKSUM':
      return new ChecksumTarget()
    case 'TCPMSS':
      return new TcpmssTarget()
    default:
      return null
  }
}

/** Every match and target by name. */
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipv4.ts'
import { NetfilterError } from './error.ts'
import type { Match } from './match.ts'
import { LimitMatch, StatisticMatch } from './match-chance.ts'
import { ConntrackMatch } from './match-conntrack.ts'
import { CommentMatch, MarkMatch } from './match-mark.ts'
import { AddrtypeMatch, PhysdevMatch } from './match-place.ts'
import { IcmpMatch, MultiportMatch, PortMatch, TcpMatch } from './match-ports.ts'
import { type RecentLists, RecentMatch } from './match-recent.ts'
import type { Target } from './target.ts'
import { LogTarget, NflogTarget, RejectTarget } from './target-answer.ts'
import { ConnmarkTarget, CtTarget, MarkTarget } from './target-mark.ts'
import { AddressTarget, MasqueradeTarget, RedirectTarget } from './target-nat.ts'

/** @throws NetfilterError when podwire does not model the match. */
export function makeMatch(name: string, lists: RecentLists): Match {
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
    case 'addrtype':
      return new AddrtypeMatch()
    case 'physdev':
      return new PhysdevMatch()
    default:
      throw new NetfilterError(`podwire: match ${name} is not modelled`)
  }
}

/** The match that `-p` brings along when one of its options is used; null when there is none. */
export function protocolMatch(protocol: number, lists: RecentLists): Match | null {
  if (protocol === IPPROTO_TCP) return makeMatch('tcp', lists)
  if (protocol === IPPROTO_UDP) return makeMatch('udp', lists)
  return protocol === IPPROTO_ICMP ? makeMatch('icmp', lists) : null
}

/** Null when there is no such target. */
export function makeTarget(name: string): Target | null {
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
    default:
      return null
  }
}

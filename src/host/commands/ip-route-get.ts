/** `ip route get`: which way a packet would go, asked of the same look-up that packets use. */
import type { NetDevice } from '../../link/device.ts'
import type { Route } from '../../net/route.ts'
import { SECOND } from '../../sim/scheduler.ts'
import { ANY, formatIpv4, type Ipv4, isMulticast } from '../../wire/address.ts'
import type { IpContext } from './ip-context.ts'
import { findDevice } from './ip-device.ts'
import { formatJson } from './ip-json.ts'
import { notModelled, printed, refused, ToolError, takeAddress, takePrefix, type Words } from './ip-words.ts'

interface Question {
  readonly destination: Ipv4
  readonly from: Ipv4 | null
  /** Asks for a packet that came in here. */
  readonly input: NetDevice | null
  readonly output: NetDevice | null
}

function takeQuestion(context: IpContext, words: Words): Question {
  let destination: Ipv4 | null = null
  let from: Ipv4 | null = null
  let input: NetDevice | null = null
  let output: NetDevice | null = null
  while (!words.done) {
    if (words.accept('from')) from = takeAddress(words)
    else if (words.accept('iif')) input = findDevice(context.netns, words.take())
    else if (words.accept('oif', 'dev')) output = findDevice(context.netns, words.take())
    else if (['mark', 'tos', 'dsfield', 'uid', 'ipproto', 'sport', 'dport', 'vrf', 'fibmatch'].includes(words.peek)) {
      throw notModelled(`ip route get ${words.peek}`)
    } else {
      words.accept('to')
      destination = takePrefix(words).address
    }
  }
  if (destination === null) throw new ToolError('need at least a destination address', 1)
  return { destination, from, input, output }
}

export function getRoute(context: IpContext, words: Words): number {
  const { self, netns } = context
  const question = takeQuestion(context, words)
  const { destination, from, input } = question
  const found = answer(context, question)
  const local = found.type === 'local' || found.type === 'broadcast'
  const device = found.type === 'local' ? netns.loopback : found.device
  const type = found.type === 'unicast' ? (isMulticast(destination) ? 'multicast' : '') : found.type
  const chosen = from === null ? netns.sourceFor(found, destination) : ANY
  const source = chosen === ANY ? null : chosen
  const flags = cacheFlags(found, destination)
  if (input !== null && device === input) flags.push('redirect')
  const exception = local ? null : netns.pathMtu(destination)
  const remaining = exception === null ? 0 : Math.floor((exception.expires - self.now()) / SECOND)
  const mtu = exception === null ? found.mtu : exception.mtu
  if (context.json) {
    const answered = {
      type: type === '' ? undefined : type,
      dst: formatIpv4(destination),
      from: from === null ? undefined : formatIpv4(from),
      gateway: found.gateway === null ? undefined : formatIpv4(found.gateway),
      dev: device?.name,
      prefsrc: source === null ? undefined : formatIpv4(source),
      flags: [],
      uid: input === null ? 0 : undefined,
      cache: flags,
      expires: exception === null ? undefined : remaining,
      metrics: mtu > 0 ? [{ mtu }] : undefined,
      iif: input?.name,
    }
    return printed(self, formatJson([answered], context.pretty))
  }
  const parts: string[] = type === '' ? [] : [type]
  parts.push(formatIpv4(destination))
  if (from !== null) parts.push(`from ${formatIpv4(from)}`)
  if (found.gateway !== null && !local) parts.push(`via ${formatIpv4(found.gateway)}`)
  if (device !== null) parts.push(`dev ${device.name}`)
  if (source !== null) parts.push(`src ${formatIpv4(source)}`)
  if (input === null) parts.push('uid 0')
  const cache = ['    cache']
  if (flags.length > 0) cache.push(`<${flags.join(',')}>`)
  if (exception !== null) cache.push(`expires ${remaining}sec`)
  if (mtu > 0) cache.push(`mtu ${exception === null && found.mtuLocked ? 'lock ' : ''}${mtu}`)
  if (input !== null) cache.push(`iif ${input.name}`)
  const end = context.oneline ? '\\' : '\n'
  return printed(self, `${parts.join(' ')} ${end}${cache.join(' ')} \n`)
}

function answer(context: IpContext, question: Question): Route {
  const { netns } = context
  const { destination, from, input, output } = question
  const found = output === null ? netns.lookup(destination) : byDevice(context, destination, output)
  if (from !== null && input === null && !netns.isLocal(from)) throw refused('Network is unreachable')
  const deaf = input !== null && !netns.forwarding
  if (found === null) throw refused(deaf ? 'No route to host' : 'Network is unreachable')
  if (deaf && found.type === 'unicast') throw refused('No route to host')
  if (input !== null && from !== null && netns.isLocal(from)) throw refused('Invalid cross-device link')
  if (found.type === 'blackhole') throw refused('Invalid argument')
  if (found.type === 'unreachable') throw refused('No route to host')
  if (found.type === 'prohibit') throw refused('Permission denied')
  return found
}

/** The best route that leaves by this device. */
function byDevice(context: IpContext, destination: Ipv4, device: NetDevice): Route | null {
  const best = context.netns.lookup(destination)
  if (best === null || best.type !== 'unicast' || best.device === device) return best
  throw notModelled("ip route get with an oif other than the best route's")
}

function cacheFlags(found: Route, destination: Ipv4): string[] {
  if (found.type === 'local') return ['local']
  if (found.type === 'broadcast') return ['local', 'brd']
  return isMulticast(destination) ? ['mc'] : []
}

/** `ip route get`: which way a packet would go, asked of the same look-up that packets use. */
import type { NetDevice } from '../../link/device.ts'
import { type Route, route } from '../../net/route.ts'
import { Flow, TABLE_MAIN } from '../../net/rules.ts'
import { SECOND } from '../../sim/scheduler.ts'
import { ANY, cidrOf, formatIpv4, type Ipv4, isLoopback, isMulticast } from '../../wire/address.ts'
import type { IpContext } from './ip-context.ts'
import { findDevice } from './ip-device.ts'
import { formatJson } from './ip-json.ts'
import { routeText, tableText } from './ip-route-text.ts'
import { ipProtocolOf } from './ip-rule-text.ts'
import {
  notModelled,
  printed,
  refused,
  ToolError,
  takeAddress,
  takeNumber,
  takePrefix,
  type Words,
} from './ip-words.ts'

interface Question {
  destination: Ipv4 | null
  from: Ipv4 | null
  /** Asks for a packet that came in here. */
  input: NetDevice | null
  output: NetDevice | null
  mark: number
  tos: number
  protocol: number
  sourcePort: number
  destinationPort: number
  uid: number
  /** Wants the route itself. */
  fibMatch: boolean
}

function takeQuestion(context: IpContext, words: Words): Question & { destination: Ipv4 } {
  const question: Question = {
    destination: null,
    from: null,
    input: null,
    output: null,
    mark: 0,
    tos: 0,
    protocol: 17,
    sourcePort: 0,
    destinationPort: 0,
    uid: 0,
    fibMatch: false,
  }
  while (!words.done) takeWord(context, words, question)
  const { destination } = question
  if (destination === null) throw new ToolError('need at least a destination address', 1)
  return { ...question, destination }
}

function takeWord(context: IpContext, words: Words, question: Question): void {
  if (words.accept('from')) question.from = takeAddress(words)
  else if (words.accept('iif')) question.input = findDevice(context.netns, words.take())
  else if (words.accept('oif', 'dev')) question.output = findDevice(context.netns, words.take())
  else if (words.accept('mark')) question.mark = takeNumber(words, 'mark') | 0
  else if (words.accept('tos', 'dsfield')) question.tos = Number.parseInt(words.take(), 16) || 0
  else if (words.accept('uid')) question.uid = takeNumber(words, 'uid')
  else if (words.accept('fibmatch')) question.fibMatch = true
  else if (words.accept('sport')) question.sourcePort = takeNumber(words, 'sport')
  else if (words.accept('dport')) question.destinationPort = takeNumber(words, 'dport')
  else if (words.accept('ipproto')) {
    const word = words.take()
    const protocol = ipProtocolOf(word)
    if (protocol === null) throw new ToolError(`Error: argument "${word}" is wrong: Invalid "ipproto" value\n`, 255)
    question.protocol = protocol
  } else if (['vrf', 'connected', 'notify'].includes(words.peek)) throw notModelled(`ip route get ${words.peek}`)
  else {
    words.accept('to')
    question.destination = takeDestination(context, words)
  }
}

function takeDestination(context: IpContext, words: Words): Ipv4 {
  const word = words.peek
  if (!/^[0-9]/.test(word) && !word.includes(':')) {
    throw new ToolError(`Error: inet prefix is expected rather than "${word}".`, 1)
  }
  const { address, prefix } = takePrefix(words)
  if (prefix !== 32) context.self.err(`Warning: /${prefix} as prefix is invalid, only /32 (or none) is supported.\n`)
  return address
}

export function getRoute(context: IpContext, words: Words): number {
  const { self, netns } = context
  const question = takeQuestion(context, words)
  const { destination, from, input } = question
  const found = answer(context, question)
  if (question.fibMatch) return printed(self, `${routeText(found, context.details)}\n`)
  const local = found.type === 'local' || found.type === 'broadcast'
  const device = found.type === 'local' || (local && input !== null) ? netns.loopback : found.device
  const type = found.type === 'unicast' ? (isMulticast(destination) ? 'multicast' : '') : found.type
  const chosen = from === null ? netns.sourceFor(found, destination) : ANY
  const source = chosen === ANY ? null : chosen
  const exception = local ? null : netns.exceptions.get(destination)
  const flags = cacheFlags(found, destination)
  if (input !== null && device === input) flags.push('redirect')
  if (exception?.redirect === found) flags.push('redirected')
  const { custom } = netns.fib.rules
  const answered = custom ? netns.fib.answeredBy : TABLE_MAIN
  const table = context.details || answered !== TABLE_MAIN ? tableText(answered) : null
  const remaining = exception === null ? 0 : Math.floor((exception.expires - self.now()) / SECOND)
  const learnt = exception !== null && exception.mtu > 0
  const mtu = learnt ? exception.mtu : found.mtu
  const locked = learnt ? exception.mtuLocked : found.mtuLocked
  if (context.json) {
    const shown = {
      type: type === '' ? undefined : type,
      dst: formatIpv4(destination),
      from: from === null ? undefined : formatIpv4(from),
      gateway: found.gateway === null ? undefined : formatIpv4(found.gateway),
      dev: device?.name,
      table: table ?? undefined,
      prefsrc: source === null ? undefined : formatIpv4(source),
      flags: [],
      mark: question.mark === 0 ? undefined : question.mark >>> 0,
      uid: input === null ? question.uid : undefined,
      cache: flags,
      expires: exception === null ? undefined : remaining,
      metrics: mtu > 0 ? [{ mtu }] : undefined,
      iif: input?.name,
    }
    return printed(self, formatJson([shown], context.pretty))
  }
  const parts: string[] = type === '' ? (context.details ? ['unicast'] : []) : [type]
  parts.push(formatIpv4(destination))
  if (from !== null) parts.push(`from ${formatIpv4(from)}`)
  if (found.gateway !== null && !local) parts.push(`via ${formatIpv4(found.gateway)}`)
  if (device !== null) parts.push(`dev ${device.name}`)
  if (table !== null) parts.push(`table ${table}`)
  if (source !== null) parts.push(`src ${formatIpv4(source)}`)
  if (question.mark !== 0) parts.push(`mark ${markText(question.mark)}`)
  if (input === null) parts.push(`uid ${question.uid}`)
  const cache = ['    cache']
  if (flags.length > 0) cache.push(`<${flags.join(',')}>`)
  if (exception !== null) cache.push(`expires ${remaining}sec`)
  if (mtu > 0) cache.push(`mtu ${locked ? 'lock ' : ''}${mtu}`)
  if (input !== null) cache.push(`iif ${input.name}`)
  const end = context.oneline ? '\\' : '\n'
  return printed(self, `${parts.join(' ')} ${end}${cache.join(' ')} \n`)
}

function answer(context: IpContext, question: Question & { destination: Ipv4 }): Route {
  const { netns } = context
  const { destination, from, input, output } = question
  const flow = new Flow()
  flow.destination = destination
  flow.source = from ?? ANY
  flow.input = input ?? netns.loopback
  flow.output = output
  flow.mark = question.mark
  flow.tos = question.tos
  flow.protocol = question.protocol
  flow.sourcePort = question.sourcePort
  flow.destinationPort = question.destinationPort
  if (from !== null && input === null && !netns.isLocal(from)) throw refused('Network is unreachable')
  const found = question.fibMatch ? netns.fib.resolve(flow) : netns.fib.find(flow)
  const deaf = input !== null && !netns.inet(input).forwarding
  // With a device named but no route by it, the destination is taken to be on its link.
  if (found === null && output !== null) {
    return route({ destination: cidrOf(destination, 32), device: output, scope: 'link' })
  }
  if (found === null) throw refused(deaf ? 'No route to host' : 'Network is unreachable')
  if (deaf && found.type === 'unicast') throw refused('No route to host')
  if (input !== null && from !== null && netns.isLocal(from)) throw refused('Invalid cross-device link')
  if (input === null && from !== null && isLoopback(from) && found.type === 'unicast') throw refused('Invalid argument')
  if (found.type === 'blackhole') throw refused('Invalid argument')
  if (found.type === 'unreachable') throw refused('No route to host')
  if (found.type === 'prohibit') throw refused('Permission denied')
  return found
}

/** As iproute2 prints marks: from 16 on in hexadecimal. */
function markText(mark: number): string {
  return mark >>> 0 >= 16 ? `0x${(mark >>> 0).toString(16)}` : String(mark)
}

function cacheFlags(found: Route, destination: Ipv4): string[] {
  if (found.type === 'local') return ['local']
  if (found.type === 'broadcast') return ['local', 'brd']
  return isMulticast(destination) ? ['mc'] : []
}

/** `ip route get`: which way a packet would go, asked of the same look-up that packets use. */
import type { NetDevice } from '../../link/device.ts'
import { SourceIs, validateSource } from '../../net/reverse-path.ts'
import { type Route, route } from '../../net/route.ts'
import { dsfieldText, tableText } from '../../net/route-names.ts'
import { routeText } from '../../net/route-text.ts'
import { ipProtocolOf } from '../../net/rule-text.ts'
import { Flow, TABLE_MAIN } from '../../net/rules.ts'
import { SECOND } from '../../sim/scheduler.ts'
import { ANY, BROADCAST, cidrOf, formatIpv4, type Ipv4, isLoopback, isMulticast, LOOPBACK } from '../../wire/address.ts'
import { put16 } from '../../wire/bytes.ts'
import * as ipv4 from '../../wire/ipv4.ts'
import type { IpContext } from './ip-context.ts'
import { findDevice } from './ip-device.ts'
import { formatJson, type Json } from './ip-json.ts'
import { routeJson } from './ip-route-json.ts'
import { takeTos } from './ip-route-words.ts'
import { printed, refused, ToolError, takeAddress, takePrefix, type Words } from './ip-words.ts'

/** 224.0.0.1: every host belongs to it. */
const ALL_HOSTS = 0xe0000001 | 0

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
  /** Asks again as a socket that was connected would. */
  connected: boolean
  notify: boolean
}

type Asked = Question & { destination: Ipv4 }

function takeQuestion(context: IpContext, words: Words): Asked {
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
    connected: false,
    notify: false,
  }
  while (!words.done) takeWord(context, words, question)
  const { destination } = question
  if (destination === null) throw new ToolError('need at least a destination address', 1)
  if (question.input !== null && question.from === null) throw refused('Invalid argument')
  return { ...question, destination }
}

function takeWord(context: IpContext, words: Words, question: Question): void {
  if (words.accept('from')) question.from = takeAddress(words)
  else if (words.accept('iif')) question.input = findDevice(context.netns, words.take())
  else if (words.accept('oif', 'dev')) question.output = findDevice(context.netns, words.take())
  else if (words.accept('mark')) question.mark = takeUnsigned(words, 'invalid mark value', 0xffffffff) | 0
  else if (words.accept('tos', 'dsfield')) question.tos = takeTos(words, 'TOS value is invalid')
  else if (words.accept('uid')) question.uid = takeUnsigned(words, 'invalid UID\n', 0xffffffff)
  else if (words.accept('fibmatch')) question.fibMatch = true
  else if (words.accept('connected')) question.connected = true
  else if (words.accept('notify')) question.notify = true
  else if (words.accept('sport')) question.sourcePort = takeUnsigned(words, 'invalid sport\n', 65_535)
  else if (words.accept('dport')) question.destinationPort = takeUnsigned(words, 'invalid dport\n', 65_535)
  else if (words.accept('ipproto')) {
    const word = words.take()
    const protocol = ipProtocolOf(word)
    if (protocol === null) throw new ToolError(`Error: argument "${word}" is wrong: Invalid "ipproto" value\n`, 255)
    question.protocol = protocol
  } else if (words.peek === 'vrf') {
    words.take()
    // There is no VRF anywhere.
    throw new ToolError(`Error: argument "${words.take()}" is wrong: Invalid VRF\n`, 255)
  } else {
    words.accept('to')
    question.destination = takeDestination(context, words)
  }
}

function takeDestination(context: IpContext, words: Words): Ipv4 {
  const word = words.peek
  if (!/^[0-9]/.test(word) && !word.includes(':')) {
    throw new ToolError(
      `Error: ${context.family === 'inet' ? 'inet' : 'any valid'} prefix is expected rather than "${word}".`,
      1,
    )
  }
  const { address, prefix } = takePrefix(words)
  if (prefix !== 32) context.self.err(`Warning: /${prefix} as prefix is invalid, only /32 (or none) is supported.\n`)
  return address
}

/** A number in base 8, 10 or 16. */
function takeUnsigned(words: Words, sentence: string, most: number): number {
  const text = words.take()
  const value = /^(0x[0-9a-f]+|[0-9]+)$/i.test(text) ? Number(text) : -1
  if (value < 0 || value > most) throw new ToolError(`Error: argument "${text}" is wrong: ${sentence}`, 255)
  return value
}

export function getRoute(context: IpContext, words: Words): number {
  const { self } = context
  const question = takeQuestion(context, words)
  const found = answer(context, question)
  if (question.fibMatch) {
    const table = tableNamed(context)
    const omitted = table === null ? {} : { table }
    const text = context.json
      ? formatJson([routeJson(context, found, omitted)], context.pretty)
      : `${routeText(context.netns.fib, found, context, omitted)}\n`
    return printed(self, text)
  }
  const told = tell(context, question, found)
  if (context.json) return printed(self, formatJson([toldJson(question, told)], context.pretty))
  const text = toldText(context, question, told)
  // Connected is asked twice, and told twice, with the same words.
  return printed(self, question.connected && question.from === null ? text + text : text)
}

/** What the kernel answers of a packet's way. */
interface Told {
  readonly found: Route
  /** Empty for unicast, which only -d says. */
  readonly type: string
  readonly device: NetDevice | null
  readonly gateway: Ipv4 | null
  readonly source: Ipv4 | null
  readonly table: string | null
  readonly flags: readonly string[]
  readonly cache: readonly string[]
  /** In seconds; null: nothing was learnt. */
  readonly expires: number | null
  readonly mtu: number
  readonly mtuLocked: boolean
}

function tell(context: IpContext, question: Asked, found: Route): Told {
  const { self, netns, details } = context
  const { destination, from, input } = question
  const local = found.type === 'local' || found.type === 'broadcast'
  const chosen = from === null ? netns.sourceFor(found, destination) : ANY
  const exception = local ? null : netns.exceptions.get(destination)
  const cache = cacheFlags(found, destination)
  if (question.notify) cache.unshift('notify')
  if (input !== null && from !== null && wouldRedirect(context, found, from, input)) cache.push('redirect')
  if (exception?.redirect === found) cache.push('redirected')
  const learnt = exception !== null && exception.mtu > 0
  const group = found.type === 'unicast' && isMulticast(destination)
  const unicast = details ? 'unicast' : ''
  return {
    found,
    type: found.type !== 'unicast' ? found.type : group ? 'multicast' : unicast,
    device: found.type === 'local' || (local && input !== null) ? netns.loopback : found.device,
    gateway: local ? null : found.gateway,
    source: chosen === ANY ? null : chosen,
    table: tableNamed(context) ?? (details ? tableText(TABLE_MAIN) : null),
    // RTCF_MULTICAST is the bit that iproute2 takes for RTM_F_OFFLOAD_FAILED.
    flags: [...(question.notify ? ['notify'] : []), ...(group ? ['rt_offload_failed'] : [])],
    cache,
    expires: exception === null ? null : Math.floor((exception.expires - self.now()) / SECOND),
    mtu: learnt ? exception.mtu : found.mtu,
    mtuLocked: learnt ? exception.mtuLocked : found.mtuLocked,
  }
}

/** The table that answered, if it is not main; without rules of one's own all is main's. */
function tableNamed({ netns }: IpContext): string | null {
  const { rules, answeredBy } = netns.fib
  return rules.custom && answeredBy !== TABLE_MAIN ? tableText(answeredBy) : null
}

function toldJson(question: Asked, told: Told): Json {
  const { destination, from, input } = question
  const { found, gateway, source, mtu } = told
  return {
    type: told.type === '' ? undefined : told.type,
    dst: formatIpv4(destination),
    from: from === null ? undefined : formatIpv4(from),
    tos: found.tos === 0 ? undefined : dsfieldText(found.tos),
    gateway: gateway === null ? undefined : formatIpv4(gateway),
    dev: told.device?.name,
    table: told.table ?? undefined,
    prefsrc: source === null ? undefined : formatIpv4(source),
    flags: [...told.flags],
    mark: question.mark === 0 ? undefined : question.mark >>> 0,
    uid: input === null ? question.uid : undefined,
    cache: [...told.cache],
    expires: told.expires ?? undefined,
    metrics: mtu > 0 ? [{ mtu }] : undefined,
    iif: input?.name,
  }
}

function toldText(context: IpContext, question: Asked, told: Told): string {
  const { from, input } = question
  const { found, mtu } = told
  const parts = told.type === '' ? [] : [told.type]
  parts.push(formatIpv4(question.destination))
  if (from !== null) parts.push(`from ${formatIpv4(from)}`)
  if (found.tos !== 0) parts.push(`tos ${dsfieldText(found.tos)}`)
  if (told.gateway !== null) parts.push(`via ${formatIpv4(told.gateway)}`)
  if (told.device !== null) parts.push(`dev ${told.device.name}`)
  if (told.table !== null) parts.push(`table ${told.table}`)
  if (told.source !== null) parts.push(`src ${formatIpv4(told.source)}`)
  parts.push(...told.flags)
  if (question.mark !== 0) parts.push(`mark ${markText(question.mark)}`)
  if (input === null) parts.push(`uid ${question.uid}`)
  const cache = ['    cache']
  if (told.cache.length > 0) cache.push(`<${told.cache.join(',')}>`)
  if (told.expires !== null) cache.push(`expires ${told.expires}sec`)
  if (mtu > 0) cache.push(`mtu ${told.mtuLocked ? 'lock ' : ''}${mtu}`)
  if (input !== null) cache.push(`iif ${input.name}`)
  return `${parts.join(' ')} ${context.oneline ? '\\' : '\n'}${cache.join(' ')} \n`
}

/** ip_mkroute_input: it leaves where it came in, and its sender is a neighbour there. */
function wouldRedirect({ netns }: IpContext, found: Route, from: Ipv4, input: NetDevice): boolean {
  const { sendRedirects, sharedMedia } = netns.inet(input)
  if (found.type !== 'unicast' || found.device !== input || !sendRedirects) return false
  const back = netns.lookup(from)
  if (back?.type !== 'unicast' || back.gateway !== null || back.device !== input) return false
  return sharedMedia || (found.gateway !== null && netns.sameNetwork(input, from, found.gateway))
}

function answer(context: IpContext, question: Asked): Route {
  const { netns } = context
  const { destination, from, input } = question
  if (from !== null && input === null && !netns.isLocal(from)) throw refused('Network is unreachable')
  if (input === null && destination === ANY) {
    return route({ type: 'local', destination: cidrOf(ANY, 32), device: netns.loopback, source: LOOPBACK })
  }
  const group = isMulticast(destination) || destination === BROADCAST
  if (group && input !== null) return answerGroup(context, question, input)
  // What goes to many leaves by the device that has its source.
  const output = question.output ?? (group && from !== null ? deviceOf(context, from) : null)
  const flow = flowOf(context, question, output)
  const found = question.fibMatch ? netns.fib.resolve(flow) : findFor(context, question, flow)
  const deaf = input !== null && !netns.inet(input).forwarding
  // With a device named but no route by it, the destination is taken to be on its link.
  if (output !== null && (found === null || found.device === null)) {
    return grouped(route({ destination: cidrOf(destination, 32), device: output, scope: 'link' }), destination)
  }
  if (found === null) throw refused(deaf ? 'No route to host' : 'Network is unreachable')
  if (deaf && found.type === 'unicast') throw refused('No route to host')
  if (input !== null && from !== null) {
    const { mark, tos } = question
    const source = validateSource(netns, netns.inet(input), from, destination, mark, tos)
    if (source === SourceIs.OURS) throw refused('Invalid cross-device link')
    if (source === SourceIs.ELSEWHERE) throw refused('Invalid argument')
  }
  if (input === null && from !== null && isLoopback(from) && found.type === 'unicast') throw refused('Invalid argument')
  if (found.type === 'blackhole') throw refused('Invalid argument')
  if (found.type === 'unreachable') throw refused('No route to host')
  if (found.type === 'prohibit') throw refused('Permission denied')
  return group ? grouped(found, destination) : found
}

function flowOf({ netns }: IpContext, question: Asked, output: NetDevice | null): Flow {
  const flow = new Flow()
  flow.destination = question.destination
  flow.source = question.from ?? ANY
  flow.input = question.input ?? netns.loopback
  flow.output = output
  flow.mark = question.mark
  flow.tos = question.tos
  flow.protocol = question.protocol
  flow.sourcePort = question.sourcePort
  flow.destinationPort = question.destinationPort
  return flow
}

/** A broadcast that came in is for us; to a group nobody here belongs, and nothing is routed to groups. */
function answerGroup({ netns }: IpContext, { destination }: Asked, input: NetDevice): Route {
  if (destination !== BROADCAST) throw refused('Invalid argument')
  return route({
    type: 'broadcast',
    destination: cidrOf(destination, 32),
    device: input,
    source: netns.addressOf(input),
  })
}

/** __mkroute_output: broadcasts have no gateway, and groups none that is meant for everything. */
function grouped(found: Route, destination: Ipv4): Route {
  if (destination === BROADCAST) return { ...found, type: 'broadcast', gateway: null }
  return isMulticast(destination) && found.destination.prefix < 4 ? { ...found, gateway: null } : found
}

function deviceOf({ netns }: IpContext, own: Ipv4): NetDevice | null {
  for (const device of netns.devices.values()) {
    if (netns.addressesOf(device).some(({ address }) => address === own)) return device
  }
  return null
}

/** Routes of many hops are asked with a packet in hand, as the kernel does (inet_rtm_getroute_build_skb). */
function findFor(context: IpContext, question: Asked, flow: Flow): Route | null {
  const { netns } = context
  const { destination, from, protocol, sourcePort, destinationPort } = question
  const packet = netns.world.frames.take()
  const at = packet.start
  packet.end = at + ipv4.HEADER + 8
  ipv4.write(
    packet.bytes,
    at,
    ipv4.HEADER + 8,
    from ?? ANY,
    destination,
    protocol,
    ipv4.DEFAULT_TTL,
    question.tos,
    0,
    0,
  )
  put16(packet.bytes, at + ipv4.HEADER, sourcePort)
  put16(packet.bytes, at + ipv4.HEADER + 2, destinationPort)
  flow.fresh = true
  flow.packet = packet
  flow.packetAt = at
  const found = netns.fib.find(flow)
  netns.world.frames.consume(packet)
  return found
}

/** As iproute2 prints marks: from 16 on in hexadecimal. */
function markText(mark: number): string {
  return mark >>> 0 >= 16 ? `0x${(mark >>> 0).toString(16)}` : String(mark)
}

function cacheFlags(found: Route, destination: Ipv4): string[] {
  if (found.type === 'local') return ['local']
  if (found.type === 'broadcast') return ['local', 'brd']
  if (!isMulticast(destination)) return []
  return destination === ALL_HOSTS ? ['local', 'mc'] : ['mc']
}

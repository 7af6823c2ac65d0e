/** conntrack(8) 1.4.7: the flows of this namespace. */
import type { Conntrack } from '../../netfilter/conntrack.ts'
import {
  changeFlow,
  clearCounters,
  createFlow,
  findFlow,
  icmpKnown,
  type TupleSpec,
} from '../../netfilter/ctnetlink.ts'
import type { Flow } from '../../netfilter/flow.ts'
import type { FlowEvent } from '../../netfilter/flow-table.ts'
import { type FlowStyle, formatEvent, formatFlow, formatSave } from '../../netfilter/flow-text.ts'
import { formatXml, XML_FOOTER, XML_HEADER } from '../../netfilter/flow-xml.ts'
import { Status } from '../../netfilter/status.ts'
import { type Nanos, SECOND } from '../../sim/scheduler.ts'
import { type Ipv4, tryParseIpv4 } from '../../wire/address.ts'
import { type Process, SIGINT, SIGTERM } from '../process.ts'
import { type FlowTest, filterOf, markOf, natPlace, portOf, stateOf, statusOf } from './conntrack-filter.ts'
import { CONNTRACK_HELP } from './conntrack-help.ts'
import { type Given, looseNumber, NAME, notModelled, readOptions, usage } from './conntrack-options.ts'
import { printed, ToolError, tool } from './ip-words.ts'
import { calendarText } from './iptables.ts'

export const conntrack = tool(async (self) => {
  const given = readOptions(self.args.slice(1))
  if (given === null || given.command === 'h') return printed(self, CONNTRACK_HELP)
  const { command } = given
  if (command === 'V') return printed(self, `${NAME}\n`)
  const tracker = self.netns.netfilter.conntrack
  if (given.table !== 'conntrack') return otherTable(self, given)
  const matches = filterOf(given)
  layoutOf(self, given, null)
  switch (command) {
    case 'L':
      return list(self, tracker.list().filter(matches), given, 'shown')
    case 'D': {
      const doomed = tracker.list().filter(matches)
      tracker.delete((flow) => doomed.includes(flow), portAgain(self))
      return list(self, doomed, given, 'deleted')
    }
    case 'I':
    case 'A':
      return create(self, given)
    case 'U':
      return update(self, tracker.list().filter(matches), given)
    case 'G':
      return get(self, given, matches)
    case 'C':
      return printed(self, `${tracker.list().length}\n`)
    case 'F':
      tracker.flush()
      self.err(`${NAME}: connection tracking table has been emptied.\n`)
      return 0
    case 'S':
      return statistics(self, tracker)
    default:
      return follow(self, matches, given)
  }
})

/** Expectations are made by helpers, which podwire does not have; unconfirmed flows do not outlive their packet. */
function otherTable(self: Process, { command, table }: Given): number {
  if (table !== 'expect') {
    if (command !== 'L') throw notModelled(`-${command} ${table}`)
    self.err(`${NAME}: 0 flow entries have been shown.\n`)
    return 0
  }
  if (command === 'C') return printed(self, '0\n')
  if (command === 'L') self.err(`${NAME}: 0 expectations have been shown.\n`)
  else if (command === 'F') self.err(`${NAME}: expectation table has been emptied.\n`)
  else throw notModelled(`-${command} expect`)
  return 0
}

/** How flows are printed: -o. */
interface Layout extends FlowStyle {
  readonly xml: boolean
  readonly save: boolean
  readonly stamp: boolean
  readonly epoch?: (moment: Nanos) => bigint
}

const outputs: readonly string[] = ['xml', 'extended', 'timestamp', 'id', 'ktimestamp', 'save']

function layoutOf(self: Process, { options }: Given, use: number | null): Layout {
  const words = options.get('o')?.split(',') ?? []
  for (const word of words) {
    if (word === 'labels' || word === 'userspace') throw notModelled(`-o ${word}`)
    if (!outputs.includes(word)) throw usage(`Bad parameter \`${word}'`)
  }
  const has = (word: string) => words.includes(word)
  const wall = (moment: Nanos) => self.runner.wallClock - (self.now() - moment) / 1e6
  return {
    xml: has('xml'),
    save: has('save'),
    stamp: has('timestamp'),
    extended: has('extended'),
    id: has('id'),
    ...(use === null ? {} : { use }),
    ...(has('ktimestamp')
      ? { date: (moment) => calendarText(wall(moment)), epoch: (moment) => BigInt(Math.round(wall(moment) * 1e6)) }
      : {}),
  }
}

const saved: Readonly<Record<string, FlowEvent>> = { D: 'DESTROY', U: 'UPDATE' }

function lineOf(self: Process, flow: Flow, layout: Layout, command: string): string {
  const now = self.now()
  if (layout.xml) return `${formatXml(flow, now, { ...layout, mark: true })}\n`
  if (layout.save) return `${formatSave(saved[command] ?? 'NEW', flow, now)}\n`
  return `${formatFlow(flow, now, layout)}\n`
}

/** Exit code 1 when nothing was changed. */
function list(self: Process, flows: readonly Flow[], given: Given, done: string, use = 1): number {
  const layout = layoutOf(self, given, use)
  const framed = layout.xml && (given.command === 'L' || given.command === 'G') && flows.length > 0
  if (framed) self.out(XML_HEADER)
  for (const flow of flows) {
    self.out(lineOf(self, flow, layout, given.command))
    if (given.options.has('z')) clearCounters(flow)
  }
  if (framed && given.command === 'L') self.out(XML_FOOTER)
  self.err(`${NAME}: ${flows.length} flow entries have been ${done}.\n`)
  return flows.length === 0 && given.command !== 'L' ? 1 : 0
}

function failed(why: string): ToolError {
  return new ToolError(`${NAME}: Operation failed: ${why}`, 1)
}

/** The address behind an option that takes exactly one. */
function addressOf(text: string): Ipv4 {
  const address = tryParseIpv4(text)
  if (address !== null) return address
  if (/^[0-9a-f:.]*:[0-9a-f:.]*$/i.test(text)) throw usage('mismatched address family')
  throw usage(`Invalid IP address \`${text}'`)
}

/** The tuple of -s, -d and the ports. */
function originalOf({ options, protocol }: Given): TupleSpec {
  const source = options.get('s')
  const destination = options.get('d')
  const number = (name: string) => portOf(options.get(name) ?? '')
  if (source === undefined || destination === undefined) throw notModelled('with the reply tuple alone')
  const isIcmp = protocol === 1
  const ported = protocol === 6 || protocol === 17
  if (ported && !options.has('sport')) throw notModelled('with the ports of the reply alone')
  const type = ((number('icmp-type') & 255) << 8) | (number('icmp-code') & 255)
  return {
    protocol: protocol ?? 0,
    source: addressOf(source),
    destination: addressOf(destination),
    sourcePort: isIcmp ? number('icmp-id') : number('sport'),
    destinationPort: isIcmp ? type : number('dport'),
  }
}

/** The reply tuple when it is given; the kernel wants the whole of it. */
function replyOf({ options, protocol }: Given): TupleSpec | null {
  const names = ['r', 'q', 'reply-port-src', 'reply-port-dst']
  const wanted = protocol === 6 || protocol === 17 ? names : names.slice(0, 2)
  const there = wanted.filter((name) => options.has(name))
  if (there.length === 0) return null
  if (there.length < wanted.length || protocol === 1) throw failed('invalid parameters')
  return {
    protocol: protocol ?? 0,
    source: addressOf(options.get('r') ?? ''),
    destination: addressOf(options.get('q') ?? ''),
    sourcePort: portOf(options.get('reply-port-src') ?? ''),
    destinationPort: portOf(options.get('reply-port-dst') ?? ''),
  }
}

function create(self: Process, given: Given): number {
  const { options, command } = given
  for (const zone of ['w', '(', ')']) if (looseNumber(options.get(zone) ?? '0') !== 0) throw notModelled('zone')
  const original = originalOf(given)
  if (original.protocol === 1 && !icmpKnown(original.destinationPort >> 8)) throw failed('invalid parameters')
  const status = options.get('u')
  const bits = status === undefined ? 0 : statusOf(status)
  if ((bits & Status.SRC_NAT) !== 0) self.err('WARNING: ignoring SRC_NAT, use --src-nat instead\n')
  if ((bits & Status.DST_NAT) !== 0) self.err('WARNING: ignoring DST_NAT, use --dst-nat instead\n')
  const nat = (name: string, option: string) => {
    const value = options.get(name) ?? ''
    return value === '' ? null : natPlace(value, option)
  }
  const flow = createFlow(
    self.netns.netfilter.conntrack,
    {
      original,
      reply: replyOf(given),
      timeout: looseNumber(options.get('t') ?? '') * SECOND,
      status: bits & ~(Status.SRC_NAT | Status.DST_NAT),
      mark: markOf(options.get('m') ?? '0').value,
      state: options.has('state') ? stateOf(options.get('state') ?? '') : 0,
      source: nat('n', 'src-nat'),
      destination: nat('g', 'dst-nat'),
    },
    self.now(),
    self.pid,
  )
  if (flow === null && command === 'I') throw failed('Such conntrack exists, try -U to update')
  self.err(`${NAME}: ${flow === null ? 0 : 1} flow entries have been ${command === 'A' ? 'added' : 'created'}.\n`)
  return 0
}

function update(self: Process, flows: readonly Flow[], given: Given): number {
  const { options } = given
  const changes = ['t', 'm', 'u', 'state'].some((name) => options.has(name))
  const tuple = ['s', 'd', 'r', 'q'].some((name) => options.has(name))
  if (changes && !tuple && flows.length > 0) {
    // Without an address the tool asks the kernel for something that it does not support.
    self.err('Operation failed: Operation not supported\n')
    throw failed('Operation not supported')
  }
  const timeout = options.get('t')
  const mark = options.get('m')
  const state = options.get('state')
  const change = {
    status: statusOf(options.get('u') ?? 'UNSET') & ~(Status.SRC_NAT | Status.DST_NAT),
    ...(timeout === undefined ? {} : { timeout: looseNumber(timeout) * SECOND }),
    ...(mark === undefined ? {} : { mark: markOf(mark) }),
    ...(state === undefined ? {} : { state: stateOf(state) }),
  }
  const port = portAgain(self)
  const tracker = self.netns.netfilter.conntrack
  const changed = flows.filter((flow) => changeFlow(tracker, flow, change, self.now(), port))
  return list(self, changed, given, 'updated', 2)
}

function get(self: Process, given: Given, matches: FlowTest): number {
  const flow = findFlow(self.netns.netfilter.conntrack, originalOf(given))
  if (flow === null) throw failed("such conntrack doesn't exist")
  return list(self, matches(flow) ? [flow] : [], given, 'shown', 2)
}

/** A second netlink socket of one process is bound to a number of the kernel's own choice, above 2^31. */
function portAgain(self: Process): number {
  return (self.netns.world.random.int32() | 0x8000_0000) >>> 0
}

/** `conntrack -S`: a machine of podwire has one processor. */
function statistics(self: Process, tracker: Conntrack): number {
  const { invalid, errors, clashes, full, earlyDrops, inserted, resolved, flows } = tracker
  self.out(
    `cpu=0   \tfound=${flows.found} invalid=${invalid} insert=${inserted} insert_failed=${clashes} ` +
      `drop=${clashes + full} early_drop=${earlyDrops} error=${errors} search_restart=0 clash_resolve=${resolved} ` +
      'chaintoolong=0 \n',
  )
  return 0
}

const eventNames: Readonly<Record<string, FlowEvent>> = { NEW: 'NEW', UPDATES: 'UPDATE', DESTROY: 'DESTROY' }

/** Prints what happens until it is told to stop. */
async function follow(self: Process, matches: FlowTest, given: Given): Promise<number> {
  const masks = given.options.get('e')?.split(',') ?? ['ALL']
  for (const mask of masks) {
    if (mask !== 'ALL' && !Object.hasOwn(eventNames, mask)) throw usage(`Bad parameter \`${mask}'`)
  }
  const wanted = masks.includes('ALL') ? Object.values(eventNames) : masks.map((mask) => eventNames[mask])
  const layout = layoutOf(self, given, null)
  const tracker = self.netns.netfilter.conntrack
  const before = tracker.onEvent
  let shown = 0
  let active = true
  const reader: typeof before = (event, flow, port) => {
    before?.(event, flow, port)
    if (!active || !matches(flow) || !wanted.includes(event)) return
    if (shown++ === 0 && layout.xml) self.out(XML_HEADER)
    self.out(`${eventText(self, event, flow, layout, port !== 0)}${userspace(event, port)}\n`)
  }
  tracker.onEvent = reader
  try {
    await self.wait<number>((settle) => {
      for (const signal of [SIGINT, SIGTERM]) self.trap(signal, () => settle(signal))
    })
  } finally {
    active = false
    if (tracker.onEvent === reader) tracker.onEvent = before
  }
  if (layout.xml && shown > 0) self.out(XML_FOOTER)
  self.err(`${NAME}: ${shown} flow events have been shown.\n`)
  return 0
}

function eventText(self: Process, event: FlowEvent, flow: Flow, layout: Layout, marked: boolean): string {
  const now = self.now()
  const when = layout.stamp ? { when: whenRead(self.runner.wallClock) } : {}
  if (layout.xml) return formatXml(flow, now, { ...layout, ...when, event, mark: marked })
  if (layout.save) return formatSave(event, flow, now)
  const stamp = layout.stamp ? `[${(self.runner.wallClock / 1000).toFixed(6)}]\t` : ''
  return stamp + formatEvent(event, flow, now, layout, marked)
}

/** The elements of `<when>`; Sunday is 1 there. */
function whenRead(milliseconds: number): Record<string, number> {
  const date = new Date(milliseconds)
  return {
    hour: date.getUTCHours(),
    min: date.getUTCMinutes(),
    sec: date.getUTCSeconds(),
    wday: date.getUTCDay() + 1,
    day: date.getUTCDate(),
    month: date.getUTCMonth() + 1,
    year: date.getUTCFullYear(),
  }
}

/** Who did it, when a program did; its name is known while it runs. */
function userspace(event: FlowEvent, port: number): string {
  if (port === 0) return ''
  return ` [USERSPACE] portid=${port}${event === 'NEW' ? ' progname=conntrack' : ''}`
}

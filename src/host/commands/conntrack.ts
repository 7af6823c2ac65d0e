/** conntrack(8) 1.4.7: the flows of this namespace. */
import type { Flow } from '../../netfilter/flow.ts'
import { formatEvent, formatFlow } from '../../netfilter/flow-text.ts'
import { Status } from '../../netfilter/status.ts'
import { tcpStateNames } from '../../netfilter/tcp-track.ts'
import { contains, tryParseCidr } from '../../wire/address.ts'
import { getopt, type Options } from '../getopt.ts'
import { type Process, SIGINT, SIGTERM } from '../process.ts'
import { printed, ToolError, tool } from './ip-words.ts'

const NAME = 'conntrack v1.4.7 (conntrack-tools)'

const long = {
  dump: 'L',
  list: 'L',
  delete: 'D',
  count: 'C',
  flush: 'F',
  event: 'E',
  stats: 'S',
  create: 'I',
  update: 'U',
  get: 'G',
  src: 's:',
  'orig-src': 's:',
  dst: 'd:',
  'orig-dst': 'd:',
  'reply-src': 'r:',
  'reply-dst': 'q:',
  proto: 'p:',
  sport: 'sport:',
  'orig-port-src': 'sport:',
  dport: 'dport:',
  'orig-port-dst': 'dport:',
  'reply-port-src': 'rsport:',
  'reply-port-dst': 'rdport:',
  state: 'state:',
  status: 'u:',
  'src-nat': 'n',
  'dst-nat': 'g',
  'any-nat': 'j',
  mark: 'm:',
  family: 'f:',
  output: 'o:',
  'event-mask': 'e:',
  zero: 'z',
  version: 'V',
  help: 'h',
  'buffer-size': 'b:',
} as const

const protocols: Readonly<Record<string, number>> = { icmp: 1, tcp: 6, udp: 17 }
const commands: readonly string[] = ['L', 'D', 'C', 'F', 'E', 'S', 'I', 'U', 'G']

type FlowTest = (flow: Flow) => boolean

export const conntrack = tool(async (self) => {
  const found = getopt(self.args.slice(1), 'LDCFESIUGs:d:r:q:p:u:ngjm:f:o:e:zVhb:', long)
  if (found.problem !== null)
    throw usage(
      `${found.problem.kind === 'missing' ? 'option needs a value' : 'unknown option'} \`${found.problem.option}'`,
    )
  if (found.options.some(([option]) => option === 'V')) return printed(self, `${NAME}\n`)
  const command = found.options.find(([option]) => commands.includes(option))?.[0]
  if (command === undefined) throw usage("need a command: `-L', `-D', `-E', `-F', `-C'")
  const table = found.rest[0] ?? 'conntrack'
  if (table !== 'conntrack') throw new ToolError(`podwire: conntrack's table ${table} is not modelled`, 2)
  const style = styleOf(found)
  const matches = filterOf(found)
  const { conntrack: tracker } = self.netns.netfilter
  switch (command) {
    case 'L':
      return list(self, tracker.list().filter(matches), style, 'shown', 0)
    case 'D': {
      const doomed = tracker.list().filter(matches)
      tracker.delete((flow) => doomed.includes(flow))
      return list(self, doomed, style, 'deleted', doomed.length === 0 ? 1 : 0)
    }
    case 'C':
      return printed(self, `${tracker.list().length}\n`)
    case 'F':
      tracker.flush()
      self.err(`${NAME}: connection tracking table has been emptied.\n`)
      return 0
    case 'S':
      return statistics(self)
    case 'E':
      return follow(self, matches, found, style)
    default:
      throw new ToolError(`podwire: conntrack -${command} is not modelled`, 2)
  }
})

function usage(sentence: string): ToolError {
  return new ToolError(`${NAME}: ${sentence}\nTry \`conntrack -h' or 'conntrack --help' for more information.`, 2)
}

/** What stands in front of each line, and behind. */
interface Style {
  readonly extended: boolean
  readonly id: boolean
  readonly timestamp: boolean
}

function styleOf(found: Options): Style {
  const words = found.options.filter(([option]) => option === 'o').flatMap(([, value]) => value.split(','))
  for (const word of words) {
    if (['xml', 'save', 'labels'].includes(word))
      throw new ToolError(`podwire: conntrack -o ${word} is not modelled`, 2)
    if (!['extended', 'id', 'timestamp', 'ktimestamp'].includes(word)) throw usage(`Bad parameter \`${word}'`)
  }
  return { extended: words.includes('extended'), id: words.includes('id'), timestamp: words.includes('timestamp') }
}

function addressTest(text: string, of: (flow: Flow) => number): FlowTest {
  const cidr = tryParseCidr(text)
  if (cidr === null) throw usage(`Invalid IP address \`${text}'`)
  return (flow) => contains(cidr, of(flow) as Parameters<typeof contains>[1])
}

function portTest(text: string, of: (flow: Flow) => number): FlowTest {
  if (!/^[0-9]+$/.test(text)) throw usage(`Invalid port \`${text}'`)
  return (flow) => of(flow) === Number(text) && (flow.protocol === 6 || flow.protocol === 17)
}

const statusBits: Readonly<Record<string, (flow: Flow) => boolean>> = {
  ASSURED: (flow) => flow.has(Status.ASSURED),
  SEEN_REPLY: (flow) => flow.has(Status.SEEN_REPLY),
  UNSET: (flow) => !flow.has(Status.SEEN_REPLY) && !flow.has(Status.ASSURED),
}

function filterOf(found: Options): FlowTest {
  const tests: FlowTest[] = []
  for (const [option, value] of found.options) {
    switch (option) {
      case 's':
        tests.push(addressTest(value, (flow) => flow.original.source))
        break
      case 'd':
        tests.push(addressTest(value, (flow) => flow.original.destination))
        break
      case 'r':
        tests.push(addressTest(value, (flow) => flow.reply.source))
        break
      case 'q':
        tests.push(addressTest(value, (flow) => flow.reply.destination))
        break
      case 'sport':
        tests.push(portTest(value, (flow) => flow.original.sourcePort))
        break
      case 'dport':
        tests.push(portTest(value, (flow) => flow.original.destinationPort))
        break
      case 'rsport':
        tests.push(portTest(value, (flow) => flow.reply.sourcePort))
        break
      case 'rdport':
        tests.push(portTest(value, (flow) => flow.reply.destinationPort))
        break
      case 'p': {
        const protocol = protocols[value.toLowerCase()] ?? (/^[0-9]+$/.test(value) ? Number(value) : -1)
        if (protocol < 0) throw usage(`\`${value}' unsupported protocol`)
        tests.push((flow) => flow.protocol === protocol)
        break
      }
      case 'state':
        tests.push((flow) => flow.tcp !== null && tcpStateNames[flow.tcp.state] === value)
        break
      case 'u': {
        const test = statusBits[value.toUpperCase()]
        if (test === undefined) throw usage(`Bad parameter \`${value}'`)
        tests.push(test)
        break
      }
      case 'n':
        tests.push((flow) => flow.has(Status.SRC_NAT))
        break
      case 'g':
        tests.push((flow) => flow.has(Status.DST_NAT))
        break
      case 'j':
        tests.push((flow) => flow.has(Status.SRC_NAT) || flow.has(Status.DST_NAT))
        break
      case 'm': {
        const [mark, bits] = value.split('/').map(Number)
        tests.push((flow) => (flow.mark & (bits ?? -1)) === mark)
        break
      }
      case 'f':
        if (value !== 'ipv4') throw new ToolError(`podwire: conntrack -f ${value} is not modelled`, 2)
        break
      case 'z':
        throw new ToolError('podwire: conntrack -z is not modelled', 2)
      default:
    }
  }
  return (flow) => tests.every((test) => test(flow))
}

function list(self: Process, flows: readonly Flow[], style: Style, done: string, status: number): number {
  const { accounting } = self.netns.netfilter.conntrack.settings
  for (const flow of flows) {
    const line = formatFlow(flow, self.now(), accounting)
    self.out(`${style.extended ? 'ipv4     2 ' : ''}${line}${style.id ? ` id=${flow.id}` : ''}\n`)
  }
  self.err(`${NAME}: ${flows.length} flow entries have been ${done}.\n`)
  return status
}

/** `conntrack -S`: a machine of podwire has one processor. */
function statistics(self: Process): number {
  const { invalid, clashes, full, resolved } = self.netns.netfilter.conntrack
  self.out(
    `cpu=0   \tfound=0 invalid=${invalid} insert=0 insert_failed=${clashes} drop=${clashes + full} early_drop=0 ` +
      `error=0 search_restart=0 clash_resolve=${resolved} chaintoolong=0 \n`,
  )
  return 0
}

/** The time of day in seconds, to the microsecond: -o timestamp. */
function secondsText(self: Process): string {
  return (self.runner.wallClock / 1000).toFixed(6)
}

const eventNames: Readonly<Record<string, string>> = { NEW: 'NEW', UPDATES: 'UPDATE', DESTROY: 'DESTROY' }

/** Prints what happens until it is told to stop. */
async function follow(self: Process, matches: FlowTest, found: Options, style: Style): Promise<number> {
  const masks = found.options.filter(([option]) => option === 'e').flatMap(([, value]) => value.split(','))
  const wanted = masks.map((mask) => eventNames[mask.toUpperCase()] ?? '')
  if (wanted.includes('') && !masks.includes('ALL')) throw usage(`Bad parameter \`${masks.join(',')}'`)
  const tracker = self.netns.netfilter.conntrack
  const before = tracker.onEvent
  let shown = 0
  let active = true
  const reader: typeof before = (event, flow) => {
    before?.(event, flow)
    if (!active || !matches(flow) || (wanted.length > 0 && !masks.includes('ALL') && !wanted.includes(event))) return
    shown++
    const stamp = style.timestamp ? `[${secondsText(self)}]\t` : ''
    const line = formatEvent(event, flow, self.now(), style.extended ? 'ipv4     2 ' : '')
    self.out(`${stamp}${line}${style.id ? ` id=${flow.id}` : ''}\n`)
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
  self.err(`${NAME}: ${shown} flow events have been shown.\n`)
  return 0
}

/** `tc qdisc`: add, change, replace, delete and show, with the kernel's answers (net/sched/sch_api.c). */
import type { NetDevice } from '../../link/device.ts'
import type { Qdisc } from '../../link/qdisc.ts'
import type { Netns } from '../../net/netns.ts'
import type { Process, ProcessMachine } from '../process.ts'
import { findDevice, qdiscOf } from './ip-device.ts'
import { formatJson, type Json } from './ip-json.ts'
import { abbreviation, notModelled, printed, refused, ToolError, type Words } from './ip-words.ts'
import { kindJson, kindText, parseKind, type Wanted } from './tc-kinds.ts'

const USAGE = `Usage: tc qdisc [ add | del | replace | change | show ] dev STRING
       [ handle QHANDLE ] [ root | ingress | clsact | parent CLASSID ]
       [ estimator INTERVAL TIME_CONSTANT ]
       [ stab [ help | STAB_OPTIONS] ]
       [ ingress_block BLOCK_INDEX ] [ egress_block BLOCK_INDEX ]
       [ [ QDISC_KIND ] [ help | OPTIONS ] ]

       tc qdisc { show | list } [ dev STRING ] [ QDISC_ID ] [ invisible ]
Where:
QDISC_KIND := { [p|b]fifo | tbf | prio | cbq | red | etc. }
OPTIONS := ... try tc qdisc add <desired QDISC_KIND> help
STAB_OPTIONS := ... try tc qdisc add stab help
QDISC_ID := { root | ingress | handle QHANDLE | parent CLASSID }
`

export interface TcContext {
  readonly self: Process
  readonly netns: Netns
  readonly statistics: boolean
  readonly details: boolean
  readonly json: boolean
  readonly pretty: boolean
  readonly oneline: boolean
}

export function tcQdisc(context: TcContext, words: Words): number {
  if (words.done) return show(context, words)
  const verb = words.take()
  switch (abbreviation(verb, 'add', 'change', 'replace', 'link', 'delete', 'list', 'show', 'lst', 'help')) {
    case 'add':
      return modify(context, words, 'add')
    case 'change':
      return modify(context, words, 'change')
    case 'replace':
      return modify(context, words, 'replace')
    case 'delete':
      return modify(context, words, 'delete')
    case 'list':
    case 'show':
    case 'lst':
      return show(context, words)
    case 'help':
      return printed(context.self, USAGE)
    case null:
      if (verb === 'ls') return show(context, words)
      throw new ToolError(`Command "${verb}" is unknown, try "tc qdisc help".`, 255)
    default:
      throw notModelled(`tc qdisc ${verb}`)
  }
}

// ── changes ────────────────────────────────────────────────────────────

/** The kernel refuses with a sentence of its own (extack). */
function kernelError(sentence: string): ToolError {
  return new ToolError(`Error: ${sentence}`, 2)
}

interface Request {
  device: string | null
  /** The major number; null: none given. */
  handle: number | null
  root: boolean
  parent: boolean
  wanted: Wanted | null
}

type Verb = 'add' | 'change' | 'replace' | 'delete'

function modify(context: TcContext, words: Words, verb: Verb): number {
  const request: Request = { device: null, handle: null, root: false, parent: false, wanted: null }
  while (!words.done) {
    const word = words.take()
    if (word === 'dev') {
      if (request.device !== null) throw new ToolError('Error: duplicate "dev": "dev" is the second value.', 255)
      request.device = words.take()
    } else if (word === 'root' || word === 'parent') {
      if (request.root || request.parent) throw new ToolError(`Error: "${word}" is duplicate parent ID`, 255)
      if (word === 'parent') words.take()
      request[word] = true
    } else if (word === 'handle') request.handle = takeHandle(words)
    else if (word === 'ingress' || word === 'clsact') throw notModelled(`qdisc ${word}`)
    else if (['estimator', 'stab', 'ingress_block', 'egress_block'].includes(word)) {
      throw notModelled(`tc qdisc ${word}`)
    } else if (word === 'help') {
      context.self.err(USAGE)
      return 2
    } else {
      request.wanted = parseKind(word, words)
    }
  }
  if (request.device === null) throw refused('No such device')
  const device = findDevice(context.netns, request.device)
  if (verb === 'delete') remove(device, request)
  else apply(context, device, request, verb)
  return 0
}

/** `1:` or `1`, in hexadecimal. */
function takeHandle(words: Words): number {
  const text = words.take()
  const found = /^([0-9a-f]{1,4}):?$/i.exec(text)
  if (found === null) throw new ToolError(`Error: argument "${text}" is wrong: invalid qdisc ID\n`, 255)
  return Number.parseInt(found[1], 16)
}

function remove(device: NetDevice, request: Request): void {
  const { qdisc } = device
  if (request.parent) throw kernelError('Failed to find specified qdisc.')
  if (!request.root) throw kernelError('Failed to find qdisc with specified handle.')
  if (qdisc === null) throw kernelError('Cannot delete qdisc with handle of zero.')
  if (request.handle !== null && request.handle !== qdisc.handle) throw kernelError('Invalid handle.')
  if (request.wanted !== null && request.wanted.kind !== qdisc.kind) throw kernelError('Invalid qdisc name.')
  qdisc.reset()
  device.qdisc = null
}

/** DEFAULT_TX_QUEUE_LEN, in packets. */
const DEFAULT_TX_QUEUE_LENGTH = 1000

function apply(context: TcContext, device: NetDevice, request: Request, verb: Exclude<Verb, 'delete'>): void {
  if (request.parent) throw kernelError('Failed to find specified qdisc.')
  if (!request.root) throw kernelError('Handle cannot be zero.')
  const { wanted, handle } = request
  const present = device.qdisc
  const another = present !== null && handle !== null && handle !== 0 && handle !== present.handle
  if (another && verb !== 'replace') throw kernelError('NLM_F_REPLACE needed to override.')
  if (present === null && verb === 'change') {
    throw kernelError('Qdisc not found. To create specify NLM_F_CREATE flag.')
  }
  if (present !== null && verb === 'add') throw kernelError('Exclusivity flag on, cannot modify.')
  if (wanted === null) throw kernelError('Specified qdisc kind is unknown.')
  if (present !== null && !another) {
    if (wanted.change(present)) return
    if (handle !== null && handle === present.handle) {
      throw kernelError('Invalid qdisc name: must match existing qdisc.')
    }
  }
  // Who took the length away to have no queue gets one again (qdisc_create).
  if (device.settings.txQueueLength === 0) device.settings.txQueueLength = DEFAULT_TX_QUEUE_LENGTH
  const made = wanted.make(device)
  made.handle = handle === null || handle === 0 ? nextHandle(context.self.place.machine) : handle
  present?.reset()
  device.qdisc = made
}

const lastHandles = new WeakMap<ProcessMachine, number>()

/** One counter for each kernel, from 8001: (qdisc_alloc_handle). */
function nextHandle(machine: ProcessMachine): number {
  const handle = (lastHandles.get(machine) ?? 0x8000) + 1
  lastHandles.set(machine, handle)
  return handle
}

// ── listings ───────────────────────────────────────────────────────────

function show(context: TcContext, words: Words): number {
  let name: string | null = null
  let handle: number | null = null
  while (!words.done) {
    const word = words.take()
    if (word === 'dev') name = words.take()
    else if (word === 'handle') handle = takeHandle(words)
    else if (word === 'help') return printed(context.self, USAGE)
    else if (word === 'ingress' || word === 'parent') throw notModelled(`tc qdisc show ${word}`)
    else if (word !== 'root' && word !== 'invisible') {
      throw new ToolError(`What is "${word}"? Try "tc qdisc help".`, 255)
    }
  }
  const devices =
    name === null
      ? [...context.netns.devices.values()].sort((a, b) => a.index - b.index)
      : [findDevice(context.netns, name)]
  const rows: Json[] = []
  for (const device of devices) {
    if (handle !== null && device.qdisc?.handle !== handle) continue
    // noop is nobody's choice and never listed; nor is the loopback's noqueue.
    const kind = device.qdisc === null ? qdiscOf(device) : device.qdisc.kind
    if (kind === 'noop' || (device.qdisc === null && device.kind === 'loopback')) continue
    if (context.json) rows.push(jsonOf(context, device, kind, name === null))
    else context.self.out(textOf(context, device, kind, name === null))
  }
  return context.json ? printed(context.self, formatJson(rows, context.pretty)) : 0
}

/** One reference by the device and one for each of its transmit queues. */
function references(device: NetDevice): number {
  return device.qdisc !== null && device.kind === 'veth' ? 3 : 2
}

function textOf(context: TcContext, device: NetDevice, kind: string, named: boolean): string {
  const { qdisc } = device
  const major = (qdisc?.handle ?? 0).toString(16)
  const on = named ? `dev ${device.name} ` : ''
  const options = qdisc === null ? '' : kindText(qdisc, context.details)
  const end = context.oneline ? '\\' : '\n'
  const lines = [`qdisc ${kind} ${major}: ${on}root refcnt ${references(device)} ${options}`]
  if (context.statistics) lines.push(...statistics(qdisc))
  return lines.map((line) => line + end).join('')
}

function statistics(qdisc: Qdisc | null): string[] {
  const { sentBytes, sentPackets, drops, overlimits, requeues, backlog, waiting } = qdisc ?? IDLE
  return [
    ` Sent ${sentBytes} bytes ${sentPackets} pkt (dropped ${drops}, overlimits ${overlimits} requeues ${requeues}) `,
    ` backlog ${scaled(backlog)}b ${waiting}p requeues ${requeues}`,
  ]
}

/** sprint_size of iproute2's backlog: whole kilobytes and megabytes are said so. */
function scaled(bytes: number): string {
  if (bytes >= 1024 * 1024 && bytes % (1024 * 1024) < 1024) return `${Math.round(bytes / 1024 / 1024)}M`
  if (bytes >= 1024 && Math.abs(1024 * Math.round(bytes / 1024) - bytes) < 16) return `${Math.round(bytes / 1024)}K`
  return String(bytes)
}

const IDLE = { sentBytes: 0, sentPackets: 0, drops: 0, overlimits: 0, requeues: 0, backlog: 0, waiting: 0 }

function jsonOf(context: TcContext, device: NetDevice, kind: string, named: boolean): Json {
  const { qdisc } = device
  const counts = qdisc ?? IDLE
  return {
    kind,
    handle: `${(qdisc?.handle ?? 0).toString(16)}:`,
    dev: named ? device.name : undefined,
    root: true,
    refcnt: references(device),
    options: qdisc === null ? {} : kindJson(qdisc, context.details),
    ...(context.statistics
      ? {
          bytes: counts.sentBytes,
          packets: counts.sentPackets,
          drops: counts.drops,
          overlimits: counts.overlimits,
          requeues: counts.requeues,
          backlog: counts.backlog,
          qlen: counts.waiting,
        }
      : {}),
  }
}

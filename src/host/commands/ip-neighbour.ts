/** `ip neigh`: who is known on which device, and how well. */
import type { NetDevice } from '../../link/device.ts'
import { CONFIRMED, isValid, type Neighbour, type NeighbourState, UPDATED, USED } from '../../net/neighbour-entry.ts'
import { neighbourLine } from '../../net/neighbour-text.ts'
import { SECOND } from '../../sim/scheduler.ts'
import { cidrOf, contains, formatIpv4, formatMac, type Ipv4, type Mac } from '../../wire/address.ts'
import type { IpContext } from './ip-context.ts'
import { findDevice } from './ip-device.ts'
import { formatJson } from './ip-json.ts'
import {
  abbreviation,
  notModelled,
  refused,
  ToolError,
  takeAddress,
  takeMac,
  takePrefix,
  type Words,
} from './ip-words.ts'

const states = ['permanent', 'reachable', 'noarp', 'none', 'stale', 'incomplete', 'delay', 'probe', 'failed']

export function ipNeighbour(context: IpContext, words: Words): number {
  if (words.done) return showNeighbours(context, words)
  const verb = words.take()
  switch (
    abbreviation(verb, 'add', 'change', 'chg', 'replace', 'delete', 'get', 'show', 'lst', 'list', 'flush', 'help')
  ) {
    case 'show':
    case 'lst':
    case 'list':
      return showNeighbours(context, words)
    case 'add':
      return changeNeighbour(context, words, 'add')
    case 'replace':
      return changeNeighbour(context, words, 'replace')
    case 'change':
    case 'chg':
      return changeNeighbour(context, words, 'change')
    case 'delete':
      return deleteNeighbour(context, words)
    case 'get':
      return getNeighbour(context, words)
    case 'flush':
      return flushNeighbours(context, words)
    case null:
      throw new ToolError(`Command "${verb}" is unknown, try "ip neigh help".`, 255)
    default:
      throw notModelled(`ip neigh ${verb}`)
  }
}

/** Is the MAC of this entry worth showing? */
export function hasMac(neighbour: Neighbour): boolean {
  return isValid(neighbour.state)
}

function neighbourText(context: IpContext, neighbour: Neighbour, withDevice: boolean): string {
  const device = withDevice ? neighbour.device.name : null
  return `${neighbourLine(neighbour, device, usage(context, neighbour))} \n`
}

/** Seconds since it was used, confirmed and changed; a timer that is set holds the only reference. */
function ages(context: IpContext, neighbour: Neighbour): { used: number; confirmed: number; updated: number } {
  const age = (which: number) => Math.floor((context.netns.world.scheduler.now - neighbour.times[which]) / SECOND)
  return { used: age(USED), confirmed: age(CONFIRMED), updated: age(UPDATED) }
}

function usage(context: IpContext, neighbour: Neighbour): string {
  if (context.statistics === 0) return ''
  const { used, confirmed, updated } = ages(context, neighbour)
  const reference = neighbour.timer.armed ? ' ref 1' : ''
  return ` ${reference} used ${used}/${confirmed}/${updated}probes ${neighbour.probes}`
}

interface NeighbourSelection {
  readonly device: NetDevice | null
  readonly proxies: boolean
  readonly within: (address: Ipv4) => boolean
  /** `nud` was given. */
  readonly states: boolean
  readonly matches: (neighbour: Neighbour) => boolean
}

function takeSelection(context: IpContext, words: Words): NeighbourSelection {
  let device: NetDevice | null = null
  const tests: ((neighbour: Neighbour) => boolean)[] = []
  const near: ((address: Ipv4) => boolean)[] = []
  const wanted: string[] = []
  let proxies = false
  while (!words.done) {
    if (words.accept('dev')) device = findDevice(context.netns, words.take())
    else if (words.accept('nud')) wanted.push(takeState(words, ['all', ...states]))
    else if (words.accept('proxy')) proxies = true
    else if (words.accept('unused')) tests.push((each) => !each.timer.armed)
    else if (words.accept('vrf', 'nomaster', 'master')) throw notModelled('this choice of ip neigh')
    else {
      words.accept('to')
      const { address, prefix } = takePrefix(words)
      const cidr = cidrOf(address, prefix)
      near.push((address) => contains(cidr, address))
    }
  }
  const only = device
  if (only !== null) tests.push((each) => each.device === only)
  if (wanted.length > 0 && !wanted.includes('all')) tests.push((each) => wanted.includes(each.state.toLowerCase()))
  const within = (address: Ipv4) => near.every((test) => test(address))
  const matches = (each: Neighbour) => within(each.address) && tests.every((test) => test(each))
  return { device, proxies, within, states: wanted.length > 0, matches }
}

function takeState(words: Words, known: readonly string[]): string {
  const state = words.take()
  if (!known.includes(state)) throw new ToolError(`Error: argument "${state}" is wrong: nud state is bad`, 255)
  return state
}

function showNeighbours(context: IpContext, words: Words): number {
  const { self, netns } = context
  const selection = takeSelection(context, words)
  const { device, matches } = selection
  if (selection.proxies) return showProxies(context, selection)
  // What needs no ARP, and what is nothing yet, is shown to who asks for it.
  const quiet = (each: Neighbour) => !selection.states && (each.state === 'NOARP' || each.state === 'NONE')
  const shown = netns.neighbours.list().filter((each) => matches(each) && !quiet(each))
  if (context.json) {
    const list = shown.map((each) => ({
      dst: formatIpv4(each.address),
      dev: device === null ? each.device.name : undefined,
      lladdr: hasMac(each) ? formatMac(each.mac) : undefined,
      ...(context.statistics > 0
        ? { refcnt: each.timer.armed ? 1 : undefined, ...ages(context, each), probes: each.probes }
        : {}),
      state: each.state === 'NONE' ? [] : [each.state as string],
    }))
    self.out(formatJson(list, context.pretty))
    return 0
  }
  for (const each of shown) self.out(neighbourText(context, each, device === null))
  return 0
}

function showProxies(context: IpContext, { device, within }: NeighbourSelection): number {
  const { self, netns } = context
  const all = netns.neighbours.proxies.list()
  const shown = all.filter((each) => within(each.address) && (device === null || each.device === device))
  if (context.json) {
    const list = shown.map((each) => ({
      dst: formatIpv4(each.address),
      dev: device === null ? each.device.name : undefined,
      proxy: null,
    }))
    self.out(formatJson(list, context.pretty))
    return 0
  }
  for (const each of shown) {
    self.out(`${formatIpv4(each.address)}${device === null ? ` dev ${each.device.name}` : ''} proxy \n`)
  }
  return 0
}

interface GivenNeighbour {
  readonly address: Ipv4
  readonly device: NetDevice
  readonly mac: Mac | null
  readonly state: string
  readonly proxy: boolean
}

function takeNeighbour(context: IpContext, words: Words, getting = false): GivenNeighbour {
  let address: Ipv4 | null = null
  let name: string | null = null
  let mac: Mac | null = null
  let state = 'permanent'
  let proxy = false
  while (!words.done) {
    if (words.accept('dev')) name = words.take()
    else if (words.accept('lladdr')) mac = takeMac(words)
    else if (words.accept('nud')) state = takeState(words, states)
    else if (words.accept('proxy')) {
      proxy = true
      address = takeAddress(words)
    } else if (words.accept('router', 'extern_learn', 'managed', 'use', 'protocol'))
      throw notModelled('this kind of ip neigh entry')
    else {
      words.accept('to')
      if (address !== null)
        throw new ToolError(`Error: either "to" is duplicate, or "${words.peek}" is a garbage.`, 255)
      address = takeAddress(words)
    }
  }
  if (address === null || name === null) {
    if (getting) throw new ToolError('Device and address are required arguments.', 1)
    if (proxy) throw notModelled('a proxy entry of every device')
    throw new ToolError('Device and destination are required arguments.', 255)
  }
  return { address, device: findDevice(context.netns, name), mac, state, proxy }
}

function find(context: IpContext, given: GivenNeighbour): Neighbour | null {
  const all = context.netns.neighbours.list()
  return all.find((each) => each.device === given.device && each.address === given.address) ?? null
}

function changeNeighbour(context: IpContext, words: Words, how: 'add' | 'replace' | 'change'): number {
  const given = takeNeighbour(context, words)
  const { neighbours } = context.netns
  if (given.proxy) {
    neighbours.proxies.add(given.device, given.address)
    return 0
  }
  const known = find(context, given)
  if (how === 'add' && known !== null) throw refused('File exists')
  if (how === 'change' && known === null) throw refused('No such file or directory')
  const mac = given.mac ?? (known !== null && hasMac(known) ? known.mac : null)
  const state = given.state.toUpperCase() as NeighbourState
  if (mac === null && isValid(state)) throw new ToolError('Error: No link layer address given.', 2)
  // A permanent entry is not moved by an update: it goes, and comes again.
  if (known !== null && (known.state === 'PERMANENT' || known.state === 'NOARP'))
    neighbours.delete(given.device, given.address)
  if (!neighbours.add(given.device, given.address, Uint8Array.from(mac ?? new Uint8Array(6)), state)) {
    throw refused('No buffer space available')
  }
  return 0
}

function deleteNeighbour(context: IpContext, words: Words): number {
  const { device, address, proxy } = takeNeighbour(context, words)
  const { neighbours } = context.netns
  const known = proxy ? neighbours.proxies.delete(device, address) : neighbours.delete(device, address)
  if (!known) throw refused('No such file or directory')
  return 0
}

function getNeighbour(context: IpContext, words: Words): number {
  const found = find(context, takeNeighbour(context, words, true))
  if (found === null) throw new ToolError('Error: Neighbour entry not found.', 2)
  context.self.out(neighbourText(context, found, true))
  return 0
}

/** Permanent entries and those without ARP stay, unless states are named. */
function flushNeighbours(context: IpContext, words: Words): number {
  if (words.done) throw new ToolError('Flush requires arguments.', 1)
  words.accept('all')
  const { self, statistics, netns } = context
  const selection = takeSelection(context, words)
  const stays = (each: Neighbour) => !selection.states && (each.state === 'PERMANENT' || each.state === 'NOARP')
  const doomed = netns.neighbours.list().filter((each) => selection.matches(each) && !stays(each))
  if (statistics > 1) for (const each of doomed) self.out(neighbourText(context, each, selection.device === null))
  for (const each of doomed) netns.neighbours.delete(each.device, each.address)
  if (statistics === 0) return 0
  const rounds = `\n*** Round 1, deleting ${doomed.length} entries ***\n*** Flush is complete after 1 round ***\n`
  self.out(doomed.length === 0 ? 'Nothing to flush.\n' : rounds)
  return 0
}

/** `ip neigh`: who is known on which device, and how well. */
import type { NetDevice } from '../../link/device.ts'
import type { Neighbour } from '../../net/neighbour-entry.ts'
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
  return neighbour.state !== 'INCOMPLETE' && neighbour.state !== 'FAILED'
}

function neighbourText(context: IpContext, neighbour: Neighbour, withDevice: boolean): string {
  const device = withDevice ? ` dev ${neighbour.device.name}` : ''
  const mac = hasMac(neighbour) ? ` lladdr ${formatMac(neighbour.mac)}` : ''
  if (context.statistics > 0) throw notModelled('ip -s neigh')
  return `${formatIpv4(neighbour.address)}${device}${mac} ${neighbour.state} \n`
}

interface NeighbourSelection {
  readonly device: NetDevice | null
  readonly matches: (neighbour: Neighbour) => boolean
}

function takeSelection(context: IpContext, words: Words): NeighbourSelection {
  let device: NetDevice | null = null
  const tests: ((neighbour: Neighbour) => boolean)[] = []
  const wanted: string[] = []
  while (!words.done) {
    if (words.accept('dev')) device = findDevice(context.netns, words.take())
    else if (words.accept('nud')) wanted.push(takeState(words, ['all', ...states]))
    else if (words.accept('unused', 'proxy', 'vrf', 'nomaster', 'master')) throw notModelled('this choice of ip neigh')
    else {
      words.accept('to')
      const { address, prefix } = takePrefix(words)
      const cidr = cidrOf(address, prefix)
      tests.push((each) => contains(cidr, each.address))
    }
  }
  const only = device
  if (only !== null) tests.push((each) => each.device === only)
  if (wanted.length > 0 && !wanted.includes('all')) tests.push((each) => wanted.includes(each.state.toLowerCase()))
  return { device, matches: (each) => tests.every((test) => test(each)) }
}

function takeState(words: Words, known: readonly string[]): string {
  const state = words.take()
  if (!known.includes(state)) throw new ToolError(`Error: argument "${state}" is wrong: nud state is bad`, 255)
  return state
}

function showNeighbours(context: IpContext, words: Words): number {
  const { self, netns } = context
  const { device, matches } = takeSelection(context, words)
  const shown = netns.neighbours.list().filter(matches)
  if (context.json) {
    const list = shown.map((each) => ({
      dst: formatIpv4(each.address),
      dev: device === null ? each.device.name : undefined,
      lladdr: hasMac(each) ? formatMac(each.mac) : undefined,
      state: [each.state as string],
    }))
    self.out(formatJson(list, context.pretty))
    return 0
  }
  for (const each of shown) self.out(neighbourText(context, each, device === null))
  return 0
}

interface GivenNeighbour {
  readonly address: Ipv4
  readonly device: NetDevice
  readonly mac: Mac | null
  readonly state: string
}

function takeNeighbour(context: IpContext, words: Words): GivenNeighbour {
  let address: Ipv4 | null = null
  let name: string | null = null
  let mac: Mac | null = null
  let state = 'permanent'
  while (!words.done) {
    if (words.accept('dev')) name = words.take()
    else if (words.accept('lladdr')) mac = takeMac(words)
    else if (words.accept('nud')) state = takeState(words, states)
    else if (words.accept('proxy', 'router', 'extern_learn', 'managed', 'use', 'protocol'))
      throw notModelled('this kind of ip neigh entry')
    else {
      words.accept('to')
      if (address !== null)
        throw new ToolError(`Error: either "to" is duplicate, or "${words.peek}" is a garbage.`, 255)
      address = takeAddress(words)
    }
  }
  if (address === null || name === null) throw new ToolError('Device and destination are required arguments.', 255)
  return { address, device: findDevice(context.netns, name), mac, state }
}

function find(context: IpContext, given: GivenNeighbour): Neighbour | null {
  const all = context.netns.neighbours.list()
  return all.find((each) => each.device === given.device && each.address === given.address) ?? null
}

function changeNeighbour(context: IpContext, words: Words, how: 'add' | 'replace' | 'change'): number {
  const given = takeNeighbour(context, words)
  const known = find(context, given)
  if (how === 'add' && known !== null) throw refused('File exists')
  if (how === 'change' && known === null) throw refused('No such file or directory')
  const mac = given.mac ?? (known !== null && hasMac(known) ? known.mac : null)
  if (mac === null) throw new ToolError('Error: No link layer address given.', 2)
  const state = given.state.toUpperCase()
  if (state !== 'PERMANENT' && state !== 'REACHABLE' && state !== 'STALE')
    throw notModelled(`ip neigh nud ${given.state}`)
  const { neighbours } = context.netns
  // A permanent entry is not moved by an update: it goes, and comes again.
  if (known !== null && known.state === 'PERMANENT') neighbours.delete(given.device, given.address)
  neighbours.add(given.device, given.address, Uint8Array.from(mac), state)
  return 0
}

function deleteNeighbour(context: IpContext, words: Words): number {
  const { device, address } = takeNeighbour(context, words)
  if (!context.netns.neighbours.delete(device, address)) throw refused('No such file or directory')
  return 0
}

function getNeighbour(context: IpContext, words: Words): number {
  const found = find(context, takeNeighbour(context, words))
  if (found === null) throw new ToolError('Error: Neighbour entry not found.', 2)
  context.self.out(neighbourText(context, found, true))
  return 0
}

/** Permanent entries stay, unless they are what was asked for. */
function flushNeighbours(context: IpContext, words: Words): number {
  if (words.done) throw new ToolError('Flush requires arguments.', 1)
  const everything = words.accept('all')
  const permanent = !everything && words.peek === 'nud'
  const { matches } = takeSelection(context, words)
  const { neighbours } = context.netns
  for (const each of neighbours.list().filter(matches)) {
    if (each.state !== 'PERMANENT' || permanent) neighbours.delete(each.device, each.address)
  }
  return 0
}

/** The command `ipset` 7.17: sets are made, filled, printed and destroyed. */
import {
  Found,
  IpSet,
  type IpSets,
  ListSet,
  type SetElement,
  type SetOptions,
  SetPlace,
  type SetType,
} from './ipset.ts'
import type { Answer } from './ipset-answer.ts'
import { bitmapRange, formatKey, OUT_OF_RANGE, parseElements, SetError } from './ipset-element.ts'
import { type Change, elementExtensions, number } from './ipset-extensions.ts'
import { changeList } from './ipset-list.ts'
import { listText, saveText, xmlText } from './ipset-print.ts'
import { splitWords, Words } from './words.ts'

const TYPES: readonly (SetType | 'list:set')[] = [
  'hash:ip',
  'hash:net',
  'hash:ip,port',
  'hash:net,port',
  'hash:ip,port,ip',
  'hash:ip,port,net',
  'hash:net,iface',
  'bitmap:port',
  'bitmap:ip',
  'bitmap:ip,mac',
  'list:set',
]
const UNMODELLED: readonly string[] = ['hash:mac', 'hash:ip,mac', 'hash:ip,mark', 'hash:net,net', 'hash:net,port,net']
const NO_SET = 'The set with the given name does not exist'
const IN_USE = 'Set cannot be destroyed: it is in use by a kernel component'
const SECOND = 1_000_000_000

const aliases: Readonly<Record<string, string>> = {
  n: 'create',
  new: 'create',
  '-N': 'create',
  a: 'add',
  '-A': 'add',
  d: 'del',
  '-D': 'del',
  t: 'test',
  '-T': 'test',
  x: 'destroy',
  '-X': 'destroy',
  l: 'list',
  '-L': 'list',
  s: 'save',
  '-S': 'save',
  r: 'restore',
  '-R': 'restore',
  f: 'flush',
  '-F': 'flush',
  e: 'rename',
  '-E': 'rename',
  w: 'swap',
  '-W': 'swap',
  v: 'version',
  '-V': 'version',
  '-v': 'version',
}
const names: readonly string[] = [
  'create',
  'add',
  'del',
  'test',
  'destroy',
  'list',
  'save',
  'restore',
  'flush',
  'rename',
  'swap',
  'version',
]

interface Flags {
  exist: boolean
  quiet: boolean
  names: boolean
  terse: boolean
  sorted: boolean
  output: string
}

/** `stdin` is what `ipset restore` reads. */
export function ipset(sets: IpSets, args: readonly string[], stdin: string): Answer {
  const answer: Answer = { out: '', err: '', code: 0 }
  const flags: Flags = { exist: false, quiet: false, names: false, terse: false, sorted: false, output: 'plain' }
  try {
    const words = takeFlags(args, flags)
    if (words[0] !== undefined && (aliases[words[0]] ?? words[0]) === 'restore') restore(sets, stdin, flags, answer)
    else run(sets, words, flags, answer)
  } catch (error) {
    if (!(error instanceof SetError)) throw error
    fail(error, answer)
  }
  if (flags.quiet) answer.err = ''
  return answer
}

function fail(error: SetError, answer: Answer, line = 0): void {
  const { message, usage } = error
  answer.code = usage ? 2 : 1
  if (message.startsWith('podwire:')) {
    answer.err += `${message}\n`
    answer.code = 2
    return
  }
  const where = line === 0 || usage ? '' : `Error in line ${line}: `
  answer.err += `ipset v7.17: ${where}${message}\n`
  if (usage) answer.err += "Try `ipset help' for more information.\n"
}

function takeFlags(args: readonly string[], flags: Flags): string[] {
  const rest: string[] = []
  for (let i = 0; i < args.length; i++) {
    const word = args[i]
    if (word === '-exist' || word === '--exist' || word === '-!') flags.exist = true
    else if (word === '-q' || word === '-quiet' || word === '--quiet') flags.quiet = true
    else if (word === '-n' || word === '-name' || word === '--name') flags.names = true
    else if (word === '-t' || word === '-terse' || word === '--terse') flags.terse = true
    else if (word === '-s' || word === '-sorted' || word === '--sorted') flags.sorted = true
    else if (word === '-o' || word === '-output' || word === '--output') {
      const mode = args[++i] ?? ''
      if (mode === '') throw new SetError(`Missing mandatory argument of option \`${word}'`, true)
      if (!['plain', 'save', 'xml'].includes(mode)) throw new SetError(`Syntax error: unknown output mode '${mode}'`)
      flags.output = mode
    } else if (['-f', '-file', '-r', '-resolve'].includes(word)) {
      throw new SetError(`podwire: ipset ${word} is not modelled`)
    } else rest.push(word)
  }
  return rest
}

function restore(sets: IpSets, text: string, flags: Flags, answer: Answer): void {
  let number = 0
  for (const line of text.split('\n')) {
    number++
    if (line.trim() === '' || line.startsWith('#') || line === 'COMMIT') continue
    if (line.trim() === 'quit') return
    if (hasUnclosed(line)) throw new SetError("Missing mandatory argument of option `comment'", true)
    const own = { ...flags }
    try {
      run(sets, takeFlags(splitWords(line), own), own, answer)
    } catch (error) {
      if (!(error instanceof SetError)) throw error
      fail(error, answer, number)
      return
    }
  }
}

/** A quote that is never closed takes the rest of the line with it. */
function hasUnclosed(line: string): boolean {
  return line.includes('comment') && (line.match(/"/g) ?? []).length % 2 === 1
}

function run(sets: IpSets, args: readonly string[], flags: Flags, answer: Answer): void {
  const [first, ...rest] = args
  if (first === undefined) throw new SetError('No command specified.', true)
  const command = aliases[first] ?? first
  if (command === 'help') throw new SetError(`podwire: ipset ${command} is not modelled`)
  if (!names.includes(command)) throw new SetError(`No command specified: unknown argument ${first}`, true)
  const [name, second] = rest
  const two = ['create', 'add', 'del', 'test', 'rename', 'swap'].includes(command)
  if (two && name === undefined) throw new SetError(`Missing mandatory argument to command ${command}`, true)
  if (two && second === undefined) throw new SetError(`Missing second mandatory argument to command ${command}`, true)
  if (!two && rest.length > 1) throw new SetError(`Unknown argument ${second}`, true)
  for (const word of command === 'rename' || command === 'swap' ? [name, second] : [name]) {
    if (word !== undefined && word.length > 31) {
      throw new SetError(`Syntax error: setname '${word}' is longer than 31 characters`)
    }
  }
  switch (command) {
    case 'create':
      return create(sets, name, second, new Words(rest.slice(2)), flags)
    case 'add':
    case 'del':
    case 'test':
      return change(sets, command, placeOf(sets, name), second, new Words(rest.slice(2)), flags, answer)
    case 'destroy':
      return destroy(sets, name)
    case 'flush':
      for (const { set } of chosen(sets, name)) {
        if (set instanceof IpSet) set.flush()
        else set.entries = []
      }
      return
    case 'rename':
      return rename(sets, name, second)
    case 'swap':
      return swap(sets, name, second)
    case 'version':
      answer.out += 'ipset v7.17, protocol version: 7\n'
      return
    default: {
      const plain = command === 'save' ? 'save' : 'plain'
      const print = printers[flags.output === 'plain' ? plain : flags.output]
      answer.out += print(sets, chosen(sets, name), flags)
    }
  }
}

const printers: Readonly<Record<string, typeof listText>> = { plain: listText, save: saveText, xml: xmlText }

function placeOf(sets: IpSets, name: string): SetPlace {
  const place = sets.find(name)
  if (place === null) throw new SetError(NO_SET)
  return place
}

function chosen(sets: IpSets, name: string | undefined): readonly SetPlace[] {
  return name === undefined ? sets.places : [placeOf(sets, name)]
}

function destroy(sets: IpSets, name: string | undefined): void {
  const places = [...chosen(sets, name)]
  if (places.some((place) => sets.held(place) > 0)) throw new SetError(IN_USE)
  for (const place of places) sets.drop(place)
}

function rename(sets: IpSets, from: string, to: string): void {
  const place = placeOf(sets, from)
  if (sets.held(place) > 0) throw new SetError('Set cannot be renamed: it is in use by another system')
  if (sets.find(to) !== null) {
    throw new SetError('Set cannot be renamed: a set with the new name already exists')
  }
  place.name = to
}

function swap(sets: IpSets, from: string, to: string): void {
  const one = placeOf(sets, from)
  const other = sets.find(to)
  if (other === null) throw new SetError('Sets cannot be swapped: the second set does not exist')
  if (one.set.type !== other.set.type) throw new SetError('The sets cannot be swapped: their type does not match')
  const { set } = one
  one.set = other.set
  other.set = set
}

function create(sets: IpSets, name: string, word: string, words: Words, flags: Flags): void {
  if (UNMODELLED.includes(word)) throw new SetError(`podwire: set type ${word} is not modelled`)
  const type = TYPES.find((known) => known === word)
  if (type === undefined) throw new SetError(`Syntax error: typename '${word}' is unknown`)
  const made = createOptions(type, words)
  const old = sets.find(name)
  if (old !== null) {
    const same = old.set.type === type && old.set.options.timeout === made.timeout
    if (flags.exist && same && old.set.options.maxelem === made.maxelem && old.set.options.netmask === made.netmask)
      return
    throw new SetError('Set cannot be created: set with the same name already exists')
  }
  const options = { ...made, initval: made.initval < 0 ? sets.seed() : made.initval }
  const set = type === 'list:set' ? new ListSet(options, Math.max(4, made.hashsize)) : new IpSet(type, options)
  sets.put(new SetPlace(name, set))
}

/** Reads the words behind the type; an initval of -1 is still to be drawn, a list's size stands in `hashsize`. */
function createOptions(type: SetType | 'list:set', words: Words): SetOptions {
  const [family] = type.split(':')
  const bitmap = family === 'bitmap'
  const found = {
    hashsize: family === 'list' ? 8 : 1024,
    maxelem: 65_536,
    netmask: 32,
    timeout: null as number | null,
    counters: false,
    comment: false,
    low: 0,
    high: 0,
    initval: -1,
  }
  let ranged = !bitmap
  while (words.left) {
    const option = words.next()
    if (option === 'timeout') found.timeout = number(words, option, 2_147_483)
    else if (option === 'counters') found.counters = true
    else if (option === 'comment') found.comment = true
    else if (option === 'range' && bitmap) {
      ;[found.low, found.high] = type === 'bitmap:port' ? portRange(words.next()) : bitmapRange(words.next())
      ranged = true
    } else if (option === 'netmask' && (type.startsWith('hash:ip') || type === 'bitmap:ip')) {
      found.netmask = netmask(words)
    } else if (option === 'size' && family === 'list') found.hashsize = number(words, option)
    else if (option === 'skbinfo') throw new SetError(`podwire: set option ${option} is not modelled`)
    else if (family !== 'hash') throw new SetError(`Unknown argument: \`${option}'`, true)
    else if (option === 'family' || option === 'inet' || option === '-4') {
      const protocol = option === 'family' ? words.next() : 'inet'
      if (protocol !== 'inet') throw new SetError(`podwire: set family ${protocol} is not modelled`)
    } else if (option === 'hashsize') found.hashsize = power(number(words, option))
    else if (option === 'maxelem') found.maxelem = number(words, option)
    else if (option === 'bucketsize' && words.peek() === '12') words.next()
    else if (option === 'initval') found.initval = number(words, option)
    else if (['bitmask', 'bucketsize', 'forceadd'].includes(option)) {
      throw new SetError(`podwire: set option ${option} is not modelled`)
    } else throw new SetError(`Unknown argument: \`${option}'`, true)
  }
  if (!ranged) throw new SetError("Mandatory option `range' is missing", true)
  if (bitmap && type !== 'bitmap:port') checkBitmap(found)
  return found
}

/** At most 2^16 places, and none wider than the range. */
function checkBitmap({ low, high, netmask: bits }: SetOptions): void {
  if (high - low + 1 < 2 ** (32 - bits)) throw new SetError(OUT_OF_RANGE)
  if (Math.floor((high - low) / 2 ** (32 - bits)) > 65_535) {
    throw new SetError('The range you specified exceeds the size limit of the set type')
  }
}

function netmask(words: Words): number {
  const text = words.peek()
  const bits = number(words, 'netmask')
  if (bits >= 1 && bits <= 32) return bits
  throw new SetError(
    `Syntax error: '${text}' is out of range 1-32\nSyntax error: netmask is out of the inclusive range of 1-32`,
  )
}

function portRange(text: string): [low: number, high: number] {
  const parts = /^([0-9]+)-([0-9]+)$/.exec(text)
  if (parts === null) throw new SetError('podwire: this range of a bitmap:port set is not modelled')
  const ends = [Number(parts[1]), Number(parts[2])].sort((a, b) => a - b)
  if (ends[1] > 65_535) throw new SetError(`Syntax error: '${ends[1]}' is out of range 0-65535`)
  return [ends[0], ends[1]]
}

/** The next power of two, at least 64. */
function power(size: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(64, size)))
}

function change(
  sets: IpSets,
  what: Change,
  place: SetPlace,
  text: string,
  words: Words,
  flags: Flags,
  answer: Answer,
): void {
  const { set } = place
  const now = sets.now()
  if (set instanceof ListSet) return changeList(sets, what, place.name, set, text, words, flags.exist, answer)
  const elements = elementsOf(set, what, text)
  const extra = elementExtensions(set, words, what)
  if (what === 'test') {
    const inside = elements.length > 0 && testElement(set, elements[0], extra.nomatch, now)
    const spelled =
      elements.length === 0 || set.type === 'bitmap:ip' || (text.includes('/') && !set.nets)
        ? text
        : formatKey(set, elements[0])
    answer.err += inside
      ? `Warning: ${spelled} is in set ${place.name}.\n`
      : `${spelled} is NOT in set ${place.name}.\n`
    if (!inside) answer.code = 1
    return
  }
  for (const element of elements) {
    const old = set.find(element.address, element.key, element.second, now)
    if (what === 'del') {
      if (old !== null) set.delete(old)
      else if (!flags.exist) throw new SetError("Element cannot be deleted from the set: it's not added")
      continue
    }
    if (old !== null && !flags.exist) throw new SetError("Element cannot be added to the set: it's already added")
    const timeout = extra.timeout ?? set.options.timeout ?? 0
    element.expires = timeout === 0 ? 0 : now + timeout * SECOND
    element.nomatch = extra.nomatch
    element.packets = extra.packets
    element.bytes = extra.bytes
    element.comment = extra.comment
    if (!set.add(element, now)) throw new SetError('Hash is full, cannot add more elements')
  }
}

/** An address outside of a bitmap is simply not in it. */
function elementsOf(set: IpSet, what: Change, text: string): SetElement[] {
  try {
    return parseElements(set, text)
  } catch (error) {
    if (what === 'test' && error instanceof SetError && error.message === OUT_OF_RANGE) return []
    throw error
  }
}

/** With `nomatch` an element is asked for that takes something out of the set. */
function testElement(set: IpSet, element: SetElement, nomatch: boolean, now: number): boolean {
  const wanted = nomatch ? Found.NOMATCH : Found.YES
  if (!set.nets || (set.type === 'hash:ip,port,net' ? element.prefix2 : element.prefix) === 32) {
    return set.test(element, now) === wanted
  }
  const found = set.find(element.address, element.key, element.second, now)
  return found !== null && found.nomatch === nomatch
}

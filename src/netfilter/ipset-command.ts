/** The command `ipset` 7.17: sets are made, filled, printed and destroyed. */
import { Found, IpSet, type IpSets, type SetElement, type SetOptions, SetPlace, type SetType } from './ipset.ts'
import { formatElement, formatKey, parseElements, SetError } from './ipset-element.ts'
import { splitWords, Words } from './words.ts'

/** What it prints to standard output and to standard error, and its exit code. */
export interface Answer {
  out: string
  err: string
  code: number
}

const TYPES: readonly string[] = ['hash:ip', 'hash:net', 'hash:ip,port', 'hash:net,port', 'bitmap:port']
const UNMODELLED =
  'list:set hash:mac hash:ip,mac hash:net,iface hash:net,port,net hash:net,net hash:ip,port,net hash:ip,port,ip hash:ip,mark bitmap:ip,mac bitmap:ip'.split(
    ' ',
  )
const REVISIONS: Readonly<Record<SetType, number>> = {
  'hash:ip': 6,
  'hash:net': 7,
  'hash:ip,port': 7,
  'hash:net,port': 8,
  'bitmap:port': 3,
}
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
}

/** `stdin` is what `ipset restore` reads. */
export function ipset(sets: IpSets, args: readonly string[], stdin: string): Answer {
  const answer: Answer = { out: '', err: '', code: 0 }
  const flags: Flags = { exist: false, quiet: false, names: false, terse: false, sorted: false }
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
  for (const word of args) {
    if (word === '-exist' || word === '--exist' || word === '-!') flags.exist = true
    else if (word === '-q' || word === '-quiet' || word === '--quiet') flags.quiet = true
    else if (word === '-n' || word === '-name' || word === '--name') flags.names = true
    else if (word === '-t' || word === '-terse' || word === '--terse') flags.terse = true
    else if (word === '-s' || word === '-sorted' || word === '--sorted') flags.sorted = true
    else if (['-o', '-output', '-f', '-file', '-r', '-resolve'].includes(word)) {
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

function run(sets: IpSets, args: readonly string[], flags: Flags, answer: Answer): void {
  const [first, ...rest] = args
  if (first === undefined) throw new SetError('No command specified.', true)
  const command = aliases[first] ?? first
  if (command === 'help' || command === 'quit') throw new SetError(`podwire: ipset ${command} is not modelled`)
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
      for (const place of chosen(sets, name)) place.set.flush()
      return
    case 'rename':
      return rename(sets, name, second)
    case 'swap':
      return swap(sets, name, second)
    case 'version':
      answer.out += 'ipset v7.17, protocol version: 7\n'
      return
    case 'save':
      for (const place of chosen(sets, name)) answer.out += saveText(sets, place, flags)
      return
    default:
      answer.out += chosen(sets, name)
        .map((place) => (flags.names ? `${place.name}\n` : listText(sets, place, flags)))
        .join(flags.names ? '' : '\n')
  }
}

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
  if (places.some((place) => sets.references(place) > 0)) throw new SetError(IN_USE)
  for (const place of places) sets.places.splice(sets.places.indexOf(place), 1)
}

function rename(sets: IpSets, from: string, to: string): void {
  const place = placeOf(sets, from)
  if (sets.references(place) > 0) throw new SetError('Set cannot be renamed: it is in use by another system')
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

function number(words: Words, option: string, most = 0xffffffff): number {
  if (!words.left) throw new SetError(`Missing mandatory argument of option \`${option}'`, true)
  const text = words.next()
  if (!/^(0x[0-9a-f]+|[0-9]+)$/i.test(text)) throw new SetError(`Syntax error: '${text}' is invalid as number`)
  if (Number(text) > most) throw new SetError(`Syntax error: '${text}' is out of range 0-${most}`)
  return Number(text)
}

function create(sets: IpSets, name: string, type: string, words: Words, flags: Flags): void {
  if (UNMODELLED.includes(type)) throw new SetError(`podwire: set type ${type} is not modelled`)
  if (!TYPES.includes(type)) throw new SetError(`Syntax error: typename '${type}' is unknown`)
  const bitmap = type === 'bitmap:port'
  let hashsize = 1024
  let maxelem = 65_536
  let netmask = 32
  let timeout: number | null = null
  let counters = false
  let comment = false
  let ports: [number, number] | null = null
  let initval: number | null = null
  while (words.left) {
    const option = words.next()
    if (option === 'timeout') timeout = number(words, option, 2_147_483)
    else if (option === 'counters') counters = true
    else if (option === 'comment') comment = true
    else if (option === 'range' && bitmap) {
      const parts = /^([0-9]+)-([0-9]+)$/.exec(words.next())
      if (parts === null) throw new SetError('podwire: this range of a bitmap:port set is not modelled')
      ports = [Number(parts[1]), Number(parts[2])]
      if (ports[0] > ports[1]) ports.reverse()
      if (ports[1] > 65_535) throw new SetError(`Syntax error: '${ports[1]}' is out of range 0-65535`)
    } else if (bitmap) throw new SetError(`Unknown argument: \`${option}'`, true)
    else if (option === 'family' || option === 'inet' || option === '-4') {
      const family = option === 'family' ? words.next() : 'inet'
      if (family !== 'inet') throw new SetError(`podwire: set family ${family} is not modelled`)
    } else if (option === 'hashsize') hashsize = power(number(words, option))
    else if (option === 'maxelem') maxelem = number(words, option)
    else if (option === 'netmask' && type.startsWith('hash:ip')) netmask = number(words, option, 32)
    else if (option === 'bucketsize' && words.peek() === '12') words.next()
    else if (option === 'initval') initval = number(words, option)
    else if (['skbinfo', 'forceadd', 'bitmask', 'bucketsize'].includes(option)) {
      throw new SetError(`podwire: set option ${option} is not modelled`)
    } else throw new SetError(`Unknown argument: \`${option}'`, true)
  }
  if (bitmap && ports === null) throw new SetError("Mandatory option `range' is missing", true)
  if (netmask === 0) {
    throw new SetError(
      "Syntax error: '0' is out of range 1-32\nSyntax error: netmask is out of the inclusive range of 1-32",
    )
  }
  const [low, high] = ports ?? [0, 0]
  const old = sets.find(name)
  if (old !== null) {
    const same = old.set.type === type && old.set.options.timeout === timeout && old.set.options.maxelem === maxelem
    if (flags.exist && same && old.set.options.netmask === netmask) return
    throw new SetError('Set cannot be created: set with the same name already exists')
  }
  if (bitmap) maxelem = 65_536
  initval ??= sets.seed()
  const options: SetOptions = { hashsize, maxelem, netmask, timeout, counters, comment, low, high, initval }
  sets.places.push(new SetPlace(name, new IpSet(type as SetType, options)))
}

/** The next power of two, at least 64. */
function power(size: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(64, size)))
}

type Change = 'add' | 'del' | 'test'

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
  const elements = parseElements(set, text)
  const extra = extensions(set, words)
  if (what === 'test') {
    const inside = testElement(set, elements[0], now)
    const shown = formatKey(set, elements[0])
    const spelled = text.includes('/') && !set.nets ? text : shown
    answer.err += inside
      ? `Warning: ${spelled} is in set ${place.name}.\n`
      : `${spelled} is NOT in set ${place.name}.\n`
    if (!inside) answer.code = 1
    return
  }
  for (const element of elements) {
    const old = set.find(element.address, element.key, now)
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

function testElement(set: IpSet, element: SetElement, now: number): boolean {
  const { address, prefix, protocol, port, key } = element
  if (!set.nets || prefix === 32) return set.test(address, protocol, port, now) === Found.YES
  const found = set.find(address, key, now)
  return found !== null && !found.nomatch
}

function extensions(set: IpSet, words: Words) {
  const found = { timeout: null as number | null, nomatch: false, packets: 0, bytes: 0, comment: '' }
  const { timeout, counters, comment } = set.options
  while (words.left) {
    const option = words.next()
    if (option === 'timeout') {
      found.timeout = number(words, option, 2_147_483)
      if (timeout === null) throw new SetError('Timeout cannot be used: set was created without timeout support')
    } else if (option === 'nomatch' && set.nets) found.nomatch = true
    else if (option === 'packets' || option === 'bytes') {
      found[option] = number(words, option, Number.MAX_SAFE_INTEGER)
      if (!counters) {
        throw new SetError('Packet/byte counters cannot be used: set was created without counter support')
      }
    } else if (option === 'comment') {
      found.comment = words.next()
      if (!comment) throw new SetError('Comment cannot be used: set was created without comment support')
    } else if (option.startsWith('skb')) throw new SetError(`podwire: ${option} of an element is not modelled`)
    else throw new SetError(`Unknown argument: \`${option}'`, true)
  }
  return found
}

function header({ type, options }: IpSet): string {
  const { hashsize, maxelem, netmask, timeout, counters, comment, low, high, initval } = options
  const hash = type !== 'bitmap:port'
  let text = hash ? `family inet hashsize ${hashsize} maxelem ${maxelem}` : `range ${low}-${high}`
  if (netmask !== 32) text += ` netmask ${netmask}`
  if (timeout !== null) text += ` timeout ${timeout}`
  if (counters) text += ' counters'
  if (comment) text += ' comment'
  if (hash) text += ` bucketsize 12 initval 0x${(initval >>> 0).toString(16).padStart(8, '0')}`
  return text
}

function members(sets: IpSets, set: IpSet, flags: Flags): string[] {
  const now = sets.now()
  set.expire(now)
  let elements = [...set.elements]
  if (set.type === 'bitmap:port' || flags.sorted) {
    elements = elements.sort((a, b) => (a.address >>> 0) - (b.address >>> 0) || a.port - b.port)
  }
  return elements.map((element) => formatElement(set, element, now))
}

function listText(sets: IpSets, place: SetPlace, flags: Flags): string {
  const { name, set } = place
  const lines = members(sets, set, flags)
  const head = [
    `Name: ${name}`,
    `Type: ${set.type}`,
    `Revision: ${REVISIONS[set.type]}`,
    `Header: ${header(set)}`,
    `Size in memory: ${set.memory}`,
    `References: ${sets.references(place)}`,
    `Number of entries: ${set.elements.size}`,
  ]
  return `${(flags.terse ? head : [...head, 'Members:', ...lines]).join('\n')}\n`
}

function saveText(sets: IpSets, { name, set }: SetPlace, flags: Flags): string {
  const lines = members(sets, set, flags).map((line) => `add ${name} ${line}\n`)
  return `create ${name} ${set.type} ${header(set)}\n${flags.terse ? '' : lines.join('')}`
}

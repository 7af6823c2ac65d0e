/** `ip rule`: the policy that says which routing table is asked for which packet. */
import type { Netns } from '../../net/netns.ts'
import { protocolOf, tableIdOf } from '../../net/route-names.ts'
import { ipProtocolOf, ruleText } from '../../net/rule-text.ts'
import { type PortRange, type Rule, type RuleAction, rule } from '../../net/rules.ts'
import { type Cidr, cidrOf, contains } from '../../wire/address.ts'
import type { IpContext } from './ip-context.ts'
import { formatJson } from './ip-json.ts'
import { ruleJson } from './ip-rule-json.ts'
import { abbreviation, notModelled, refused, ToolError, takePrefix, type Words } from './ip-words.ts'

export function ipRule(context: IpContext, words: Words): number {
  const verb = words.done ? 'show' : words.take()
  switch (abbreviation(verb, 'list', 'lst', 'show', 'save', 'restore', 'add', 'delete', 'flush', 'help')) {
    case 'list':
    case 'lst':
    case 'show':
      return showRules(context, words)
    case 'add':
      return addRule(context, words)
    case 'delete':
      return deleteRule(context, words)
    case 'flush':
      return flushRules(context, words)
    case null:
      throw new ToolError(`Command "${verb}" is unknown, try "ip rule help".`, 255)
    default:
      throw notModelled(`ip rule ${verb}`)
  }
}

/** What was said of a rule; what was not is missing. */
type Given = { -readonly [K in keyof Rule]?: Rule[K] }

function wrong(word: string, what: string): ToolError {
  return new ToolError(`Error: argument "${word}" is wrong: ${what}\n`, 255)
}

function takeUnsigned(words: Words, what: string): number {
  const word = words.take()
  if (!/^(0x[0-9a-f]+|[0-9]+)$/i.test(word) || Number(word) > 0xffffffff) throw wrong(word, what)
  return Number(word)
}

function takeCidr(words: Words): Cidr {
  const { address, prefix } = takePrefix(words)
  return cidrOf(address, prefix)
}

function takeMark(words: Words, given: Given): void {
  const word = words.peek
  const parts = word.split('/')
  if (!parts.every((part) => /^(0x[0-9a-f]+|[0-9]+)$/i.test(part))) throw wrong(word, 'fwmark value is invalid')
  words.take()
  given.mark = Number(parts[0]) | 0
  given.markMask = parts[1] === undefined ? -1 : Number(parts[1]) | 0
}

function takePorts(words: Words, which: 'sport' | 'dport'): PortRange {
  const word = words.take()
  const parts = word.split('-')
  if (parts.length > 2 || !parts.every((part) => /^[0-9]+$/.test(part) && Number(part) < 65_536)) {
    throw wrong(word, 'invalid port range')
  }
  const first = Number(parts[0])
  const last = Number(parts[1] ?? parts[0])
  if (first === 0 || last === 0 || first > last) throw new ToolError(`Error: Invalid ${which} range.`, 2)
  return { first, last }
}

/** `0x10`, or a name of rt_dsfield, of which podwire knows none. */
function takeTos(words: Words): number {
  const word = words.take()
  const value = Number.parseInt(word, 16)
  if (!/^(0x)?[0-9a-f]{1,2}$/i.test(word)) throw wrong(word, 'TOS value is invalid')
  if ((value & 3) !== 0) throw new ToolError('Error: Invalid dsfield (tos): ECN bits must be 0.', 2)
  if ((value & 0xe0) !== 0) throw new ToolError('Error: Invalid tos.', 2)
  return value
}

function takeTable(netns: Netns, words: Words, what: string): number {
  const word = words.take()
  const id = tableIdOf(word)
  if (id === null) throw wrong(word, what)
  if (id !== 0) return id
  // RT_TABLE_UNSPEC: a table that nobody uses (fib_empty_table).
  let empty = 1
  while (netns.fib.existing(empty) !== null) empty++
  return empty
}

function takeRule(netns: Netns, words: Words): Given {
  const given: Given = {}
  while (!words.done) takeRuleWord(netns, words, given)
  return given
}

function takeRuleWord(netns: Netns, words: Words, given: Given): void {
  if (words.accept('not')) given.not = true
  else if (words.accept('from')) given.from = takeCidr(words)
  else if (words.accept('to')) given.to = takeCidr(words)
  else if (words.accept('preference', 'pref', 'order', 'priority')) {
    given.priority = takeUnsigned(words, 'preference value is invalid')
  } else if (words.accept('tos', 'dsfield')) given.tos = takeTos(words)
  else if (words.accept('fwmark')) takeMark(words, given)
  else if (words.accept('dev', 'iif')) given.input = words.take()
  else if (words.accept('oif')) given.output = words.take()
  else if (words.accept('table', 'lookup')) given.table = takeTable(netns, words, 'invalid table ID')
  else if (words.accept('suppress_prefixlength', 'sup_pl')) {
    given.suppressPrefix = takeUnsigned(words, 'suppress_prefixlength value is invalid')
  } else if (words.accept('protocol', 'proto')) given.origin = takeOrigin(words)
  else if (words.accept('ipproto')) given.protocol = takeIpProtocol(words)
  else if (words.accept('sport')) given.sourcePorts = takePorts(words, 'sport')
  else if (words.accept('dport')) given.destinationPorts = takePorts(words, 'dport')
  else takeAction(words, given)
}

function takeOrigin(words: Words): number {
  const word = words.take()
  const named = protocolOf(word)
  if (named === null) throw wrong(word, '"protocol" value is invalid')
  return typeof named === 'number' ? named : { kernel: 2, boot: 3, static: 4 }[named]
}

function takeIpProtocol(words: Words): number {
  const word = words.take()
  const number = ipProtocolOf(word)
  if (number === null) throw wrong(word, 'Invalid "ipproto" value')
  return number
}

function takeAction(words: Words, given: Given): void {
  words.accept('type')
  const word = words.take()
  if (word === 'goto') {
    given.action = 'goto'
    given.target = takeUnsigned(words, 'invalid target')
  } else if (['nop', 'blackhole', 'unreachable', 'prohibit'].includes(word)) given.action = word as RuleAction
  else if (['uidrange', 'l3mdev', 'realms', 'nat', 'tun_id', 'suppress_ifgroup', 'sup_group', 'help'].includes(word)) {
    throw notModelled(`ip rule ${word}`)
  } else throw new ToolError(`Error: argument "${word}" is wrong: Failed to parse rule type`, 255)
}

function addRule(context: IpContext, words: Words): number {
  if (words.done) throw new ToolError('"ip rule add" requires arguments.', 1)
  const { rules } = context.netns.fib
  const given = takeRule(context.netns, words)
  const priority = given.priority ?? rules.freePriority()
  if (given.action === 'goto' && (given.target ?? 0) <= priority) {
    throw new ToolError('Error: Backward goto not supported.', 2)
  }
  if (!rules.add(rule({ ...given, priority }))) throw refused('File exists')
  return 0
}

function deleteRule(context: IpContext, words: Words): number {
  if (words.done) throw new ToolError('"ip rule del" requires arguments.', 1)
  const { rules } = context.netns.fib
  const given = takeRule(context.netns, words)
  const doomed = rules.list().find((each) => agrees(each, given))
  if (doomed === undefined) throw refused('No such file or directory')
  rules.remove(doomed)
  return 0
}

/** What was said of it is so (rule_find); `not` and who made it are not compared. */
function agrees(each: Rule, given: Given): boolean {
  for (const key of Object.keys(given) as (keyof Rule)[]) {
    if (key === 'not' || key === 'origin') continue
    if (JSON.stringify(each[key]) !== JSON.stringify(given[key])) return false
  }
  return true
}

/** All but those of priority 0, which the local table has. */
function flushRules(context: IpContext, words: Words): number {
  const { rules } = context.netns.fib
  const given = takeRule(context.netns, words)
  for (const each of [...rules.list()]) if (each.priority !== 0 && agrees(each, given)) rules.remove(each)
  return 0
}

function showRules(context: IpContext, words: Words): number {
  const { self, netns, details } = context
  const tests = takeTests(netns, words)
  const shown = netns.fib.rules.list().filter((each) => tests.every((test) => test(each)))
  if (context.json)
    self.out(
      formatJson(
        shown.map((each) => ruleJson(each, netns, details)),
        context.pretty,
      ),
    )
  else for (const each of shown) self.out(`${ruleText(each, netns, details)}\n`)
  return 0
}

/** Words that choose among the rules to show. */
function takeTests(netns: Netns, words: Words): ((each: Rule) => boolean)[] {
  const tests: ((each: Rule) => boolean)[] = []
  while (!words.done) {
    const word = words.peek
    if (word === 'from' || word === 'to') {
      words.take()
      const cidr = takeCidr(words)
      tests.push((each) => each[word] !== null && contains(cidr, each[word].network))
      continue
    }
    const given: Given = {}
    const known = ['preference', 'pref', 'order', 'priority', 'tos', 'dsfield', 'fwmark', 'dev', 'iif', 'oif']
    const more = ['table', 'lookup', 'protocol', 'proto', 'ipproto', 'sport', 'dport']
    if (!known.includes(word) && !more.includes(word)) {
      throw new ToolError(`Error: inet prefix is expected rather than "${word}".`, 1)
    }
    takeRuleWord(netns, words, given)
    if (given.markMask === -1) delete given.markMask
    const { origin } = given
    if (origin !== undefined) tests.push((each) => each.origin === origin)
    tests.push((each) => agrees(each, given))
    if (given.table !== undefined) tests.push((each) => each.action === 'lookup')
  }
  return tests
}

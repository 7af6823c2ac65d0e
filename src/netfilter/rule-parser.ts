/** Reads a rule as iptables writes it: `-s 10.0.0.0/8 -p tcp -m tcp --dport 80 -j ACCEPT`. */
import { type Chain, Inverted, Rule } from './chain.ts'
import { NetfilterError } from './error.ts'
import { makeMatch, makeTarget, protocolMatch } from './extension.ts'
import { Hook, type TableName, Verdict } from './hook.ts'
import type { Match } from './match.ts'
import { PortMatch } from './match-ports.ts'
import type { RecentLists } from './match-recent.ts'
import { parseNetwork, parseNumber, parseProtocol, Words } from './words.ts'

/** Where the rule is to stand. */
export interface Place {
  readonly table: TableName
  readonly chain: Chain
  readonly lists: RecentLists
  /** A user-defined chain of the same table. */
  find(name: string): Chain | null
}

const verdicts: Readonly<Record<string, Verdict>> = {
  ACCEPT: Verdict.ACCEPT,
  DROP: Verdict.DROP,
  RETURN: Verdict.RETURN,
}

/** The rules that the words mean: one, or one for each pair when -s or -d name several addresses. */
export function parseRules(words: readonly string[], place: Place): Rule[] {
  const rules: Rule[] = []
  const first = new RuleParser(words, place, 0, 0)
  for (let source = 0; source < first.sources; source++) {
    for (let destination = 0; destination < first.destinations; destination++) {
      const parser = source + destination === 0 ? first : new RuleParser(words, place, source, destination)
      rules.push(parser.rule)
    }
  }
  return rules
}

class RuleParser {
  readonly rule = new Rule()
  sources = 1
  destinations = 1
  #words: Words
  #place: Place
  #implied = false

  constructor(words: readonly string[], place: Place, source: number, destination: number) {
    this.#words = new Words(words)
    this.#place = place
    while (this.#words.left) this.#option(source, destination)
    this.#check()
    this.rule.settle()
  }

  #option(source: number, destination: number): void {
    const words = this.#words
    const rule = this.rule
    const not = words.peek() === '!'
    if (not) words.next()
    const name = words.next()
    switch (name) {
      case '-s':
      case '--source':
      case '--src': {
        const texts = words.value(name).split(',')
        const [network, mask] = parseNetwork(texts[source])
        this.sources = texts.length
        rule.source = network
        rule.sourceMask = mask
        return this.#invert(not, Inverted.SOURCE)
      }
      case '-d':
      case '--destination':
      case '--dst': {
        const texts = words.value(name).split(',')
        const [network, mask] = parseNetwork(texts[destination])
        this.destinations = texts.length
        rule.destination = network
        rule.destinationMask = mask
        return this.#invert(not, Inverted.DESTINATION)
      }
      case '-p':
      case '--protocol':
      case '--proto':
        rule.protocol = parseProtocol(words.value(name))
        if (rule.protocol === 0 && not) throw new NetfilterError('rule would never match protocol')
        return this.#invert(not, Inverted.PROTOCOL)
      case '-i':
      case '--in-interface':
        return rule.input.set(words.value(name), not)
      case '-o':
      case '--out-interface':
        return rule.output.set(words.value(name), not)
      case '-f':
      case '--fragment':
        rule.fragments = true
        return this.#invert(not, Inverted.FRAGMENT)
      case '-4':
      case '--ipv4':
        return
      case '-c':
      case '--set-counters':
        rule.packets = parseNumber(words.value(name), name, 0, Number.MAX_SAFE_INTEGER)
        rule.bytes = parseNumber(words.value(name), name, 0, Number.MAX_SAFE_INTEGER)
        return
      case '-m':
      case '--match':
        rule.matches.push(makeMatch(words.value(name), this.#place.lists))
        return
      case '-j':
      case '--jump':
      case '-g':
      case '--goto':
        return this.#jump(words.value(name), name === '-g' || name === '--goto')
      default:
        this.#extension(name, not)
    }
  }

  #invert(not: boolean, bit: number): void {
    if (not) this.rule.inverted |= bit
  }

  #jump(name: string, goto: boolean): void {
    const rule = this.rule
    if (rule.verdict !== Verdict.CONTINUE) throw new NetfilterError('multiple -j flags not allowed')
    const plain = goto ? undefined : verdicts[name]
    if (plain !== undefined) {
      rule.verdict = plain
      return
    }
    rule.chain = this.#place.find(name)
    if (rule.chain !== null) {
      rule.verdict = goto ? Verdict.GOTO : Verdict.JUMP
      return
    }
    rule.target = goto ? null : makeTarget(name)
    if (rule.target === null) {
      const unknown = `podwire: target ${name} is not modelled`
      // Targets of iptables are short words in capitals; anything else is meant to be a chain.
      throw new NetfilterError(/^[A-Z0-9]+$/.test(name) && !goto ? unknown : `there is no chain ${name}; ${unknown}`)
    }
    rule.verdict = Verdict.TARGET
  }

  /** Options belong to the target or to the match named last; `-p tcp --dport` needs no `-m tcp`. */
  #extension(name: string, not: boolean): void {
    const { matches, target, protocol, inverted } = this.rule
    for (let i = matches.length - 1; i >= 0; i--) if (matches[i].option(name, this.#words, not)) return
    if (target?.option(name, this.#words, not) === true) return
    if (!this.#implied && protocol !== 0 && (inverted & Inverted.PROTOCOL) === 0) {
      const match = protocolMatch(protocol, this.#place.lists)
      this.#implied = true
      if (match?.option(name, this.#words, not) === true) {
        matches.push(match)
        return
      }
    }
    throw new NetfilterError(name.startsWith('-') ? `unknown option "${name}"` : `Bad argument "${name}"`)
  }

  #check(): void {
    const { rule } = this
    const { table, chain } = this.#place
    for (const match of rule.matches) {
      match.check()
      this.#checkProtocol(match)
    }
    if (rule.target !== null) {
      rule.target.check((rule.inverted & Inverted.PROTOCOL) === 0 ? rule.protocol : 0)
      rule.target.allow(table, chain.hook)
    }
    const hook = chain.hook
    if (rule.input.given && (hook === Hook.OUTPUT || hook === Hook.POSTROUTING)) {
      throw new NetfilterError(`Can't use -i with ${chain.name}`)
    }
    if (rule.output.given && (hook === Hook.PREROUTING || hook === Hook.INPUT)) {
      throw new NetfilterError(`Can't use -o with ${chain.name}`)
    }
  }

  #checkProtocol(match: Match): void {
    if (!(match instanceof PortMatch) && match.name !== 'icmp' && match.name !== 'multiport') return
    const { protocol, inverted } = this.rule
    let right = protocol !== 0
    if (match instanceof PortMatch) right = protocol === match.protocol
    else if (match.name === 'icmp') right = protocol === 1
    if (!right || (inverted & Inverted.PROTOCOL) !== 0) {
      throw new NetfilterError(
        `match ${match.name} needs -p ${match.name === 'multiport' ? 'tcp or -p udp' : match.name}`,
      )
    }
  }
}

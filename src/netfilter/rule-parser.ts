/** Reads a rule as iptables writes it: `-s 10.0.0.0/8 -p tcp -m tcp --dport 80 -j ACCEPT`. */
import { type Chain, Inverted, Rule } from './chain.ts'
import { NetfilterError, RuleRefused } from './error.ts'
import { makeMatch, makeTarget, protocolMatch, unmodelledTargets } from './extension.ts'
import { Hook, type TableName, Verdict } from './hook.ts'
import type { IpSets } from './ipset.ts'
import { PortMatch } from './match-ports.ts'
import type { RecentLists } from './match-recent.ts'
import { parseNetwork, parseProtocol, Words } from './words.ts'

/** Where the rule is to stand. */
export interface Place {
  readonly table: TableName
  readonly chain: Chain
  readonly lists: RecentLists
  readonly sets: IpSets
  /** Words for iptables-legacy. */
  readonly legacy: boolean
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
  #severalNot = false
  #protocolGiven = false

  constructor(words: readonly string[], place: Place, source: number, destination: number) {
    this.#words = new Words(words)
    this.#place = place
    while (this.#words.left) this.#option(source, destination)
    if (this.#severalNot && (this.sources > 1 || this.destinations > 1)) {
      throw new NetfilterError('! not allowed with multiple source or destination IP addresses')
    }
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
        if (not) this.#severalNot = true
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
        if (not) this.#severalNot = true
        return this.#invert(not, Inverted.DESTINATION)
      }
      case '-p':
      case '--protocol':
      case '--proto':
        if (this.#protocolGiven) throw new NetfilterError('multiple -p flags not allowed')
        this.#protocolGiven = true
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
        rule.packets = this.#counter('packet')
        rule.bytes = this.#counter('byte')
        return
      case '-m':
      case '--match':
        rule.matches.push(makeMatch(words.value(name), this.#place))
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
    rule.target = goto ? null : makeTarget(name, this.#place)
    if (rule.target === null) {
      if (!goto && unmodelledTargets.includes(name)) throw new NetfilterError(`podwire: target ${name} is not modelled`)
      throw new NetfilterError(
        this.#place.legacy
          ? `Couldn't load target \`${name}':No such file or directory\n`
          : `Chain '${name}' does not exist`,
      )
    }
    rule.verdict = Verdict.TARGET
  }

  /** Options belong to the target or to the match named last; `-p tcp --dport` needs no `-m tcp`. */
  #extension(name: string, not: boolean): void {
    const { matches, target, protocol, inverted } = this.rule
    for (let i = matches.length - 1; i >= 0; i--) if (matches[i].option(name, this.#words, not)) return
    if (target?.option(name, this.#words, not) === true) return
    if (!this.#implied && protocol !== 0 && (inverted & Inverted.PROTOCOL) === 0) {
      const match = protocolMatch(protocol, this.#place)
      this.#implied = true
      if (match?.option(name, this.#words, not) === true) {
        matches.push(match)
        return
      }
    }
    if (!name.startsWith('-')) throw new NetfilterError(`Bad argument \`${name}'`, 'bare')
    throw new NetfilterError(`unknown option "${name}"`)
  }

  #counter(what: string): number {
    const text = this.#words.next()
    if (text === '' || text.startsWith('-')) throw new NetfilterError('-c requires packet and byte counter')
    if (!/^[0-9]+$/.test(text)) throw new NetfilterError(`-c ${what} counter not numeric`)
    return Number(text)
  }

  #check(): void {
    const { rule } = this
    const { table, chain } = this.#place
    const hook = chain.hook
    if (rule.input.given && (hook === Hook.OUTPUT || hook === Hook.POSTROUTING)) {
      throw new NetfilterError(`Can't use -i with ${chain.name}\n`)
    }
    if (rule.output.given && (hook === Hook.PREROUTING || hook === Hook.INPUT)) {
      throw new NetfilterError(`Can't use -o with ${chain.name}\n`)
    }
    const protocol = (rule.inverted & Inverted.PROTOCOL) === 0 ? rule.protocol : 0
    for (const match of rule.matches) {
      match.check(protocol)
      if (match instanceof PortMatch && protocol !== match.protocol) {
        throw new NetfilterError(`${match.name.toUpperCase()} match requires '-p ${match.name}'`)
      }
    }
    rule.target?.check(protocol)
    // From here on the kernel judges.
    for (const match of rule.matches) match.allow(table, hook)
    rule.target?.allow(table, hook)
    const everywhere = (rule.inverted & Inverted.SOURCE) !== 0 && rule.sourceMask === 0
    const nowhere = (rule.inverted & Inverted.DESTINATION) !== 0 && rule.destinationMask === 0
    if (everywhere || nowhere) throw new RuleRefused()
  }
}

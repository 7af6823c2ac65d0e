import { NftActions } from './nft-actions.ts'
import { type Comparison, type Expression, type NatPart, type Statement, typesOf } from './nft-ast.ts'
import { isTerminal } from './nft-compile.ts'
import { withoutDependencies } from './nft-dependencies.ts'
import { payloadField, transportName } from './nft-fields.ts'
import type { NftSet } from './nft-set.ts'
import { ICMP_TYPE, IPV4, MARK, PROTOCOL, valueOfWords } from './nft-type.ts'

const COMPARISONS: Readonly<Record<string, Comparison>> = {
  '==': '==',
  '!=': '!=',
  '<': '<',
  '>': '>',
  '<=': '<=',
  '>=': '>=',
  eq: '==',
  ne: '!=',
  lt: '<',
  gt: '>',
  le: '<=',
  ge: '>=',
}

const UNKNOWN = ['queue', 'dup', 'fwd', 'tproxy', 'synproxy', 'flow', 'xt', 'exthdr', 'last', 'meter']

export interface ReadRule {
  readonly statements: readonly Statement[]
  readonly comment: string
  readonly sets: readonly NftSet[]
}

export class NftStatements extends NftActions {
  /** A rule up to its end. */
  rule(): ReadRule {
    this.transport = null
    this.ported = false
    this.made = []
    const statements: Statement[] = []
    let comment = ''
    let terminal: readonly [number, number] | null = null
    do {
      if (statements.length > 0 && this.take('comment')) {
        comment = this.quoted()
        break
      }
      const { start } = this.peek()
      const statement = this.#statement(statements)
      if (terminal !== null) {
        throw this.fail('Statement after terminal statement has no effect', start, this.last.end, terminal)
      }
      if (isTerminal(statement)) terminal = [start, this.last.end]
      statements.push(statement)
    } while (!this.ended)
    return { statements: withoutDependencies(statements), comment, sets: this.made }
  }

  #statement(before: Statement[]): Statement {
    const token = this.peek()
    const judgement = this.judgement()
    if (judgement !== null) return { k: 'verdict', ...judgement }
    if (this.is('comment')) throw this.unexpected()
    switch (token.kind === 'word' ? token.text : '') {
      case 'counter':
        return this.readCounter()
      case 'limit':
        if (this.is('name', 1)) return this.readObject('limit')
        return { k: 'limit', state: this.limit() }
      case 'quota':
        return this.readQuota()
      case 'log':
        return this.readLog()
      case 'reject':
        return this.readReject()
      case 'snat':
      case 'dnat':
      case 'masquerade':
      case 'redirect':
        return this.readNat(token.text as NatPart['kind'])
      case 'notrack':
        this.next()
        return { k: 'notrack' }
      case 'add':
      case 'update':
      case 'delete':
        return this.readDynset()
      case 'set':
        return this.readOldDynset()
    }
    if (UNKNOWN.includes(token.text)) throw this.notModelled(`nft ${token.text}`)
    return this.#match(before)
  }

  #match(before: Statement[]): Statement {
    const { start } = this.peek()
    const left = this.expression()
    const { end } = this.last
    if (this.take('set')) return this.#assignment(left)
    if (this.take('vmap')) return this.#vmap(left, start, end)
    this.#icmpQuery(left, before)
    const negated = this.take('!')
    const sign = COMPARISONS[this.peek().text]
    const given = sign !== undefined && this.peek().kind !== 'quoted'
    if (given) this.next()
    const op = sign ?? '=='
    if (this.is('@') && !['ll', 'nh', 'th'].includes(this.peek(1).text)) {
      const at = this.next().start
      const set = this.setNamed(at)
      this.agree(left, set, at, this.last.end)
      return { k: 'lookup', left, set, not: op === '!=' }
    }
    if (this.is('{')) return this.#inSet(left, op)
    if (left.k === 'concat') {
      const parts = this.constants(typesOf(left))
      const whole: Expression = parts.length === 1 ? parts[0] : { k: 'concat', parts }
      return { k: 'match', left, op, right: whole, form: 'plain' }
    }
    const [type] = typesOf(left)
    if (left.k === 'field' && left.field.kind === 'ct' && left.field.text.includes(' proto-') && !this.ported) {
      const { start: from, end: to } = this.peek()
      throw this.fail("Can't parse symbolic invalid expressions", from, to)
    }
    const { value, listed } = this.flags(type)
    if (type.flags && left.k === 'field' && value.k === 'value' && (!given || negated)) {
      return { k: 'match', left, op: '==', right: value, form: negated ? 'none' : 'flags' }
    }
    if (listed && !type.flags) throw this.unexpected()
    if (negated) throw this.unexpected()
    return this.#learnt({ k: 'match', left, op, right: value, form: 'plain' })
  }

  /** `(x & mask) != 0` asks for any of the bits; `addr & 255.255.0.0 == net` for a prefix. */
  #learnt(match: Statement & { k: 'match' }): Statement {
    const { left, op, right } = match
    if (left.k === 'bits' && right.k === 'value' && left.xor === 0n) {
      if (left.type.flags && right.value === 0n && (op === '!=' || op === '==')) {
        const bits: Expression = { k: 'value', type: left.type, value: left.mask }
        return { k: 'match', left: left.left, op: '==', right: bits, form: op === '!=' ? 'flags' : 'none' }
      }
      const host = ~left.mask & ((1n << BigInt(left.type.bits)) - 1n)
      if (left.type === IPV4 && (host & (host + 1n)) === 0n && (right.value & host) === 0n && host !== 0n) {
        const range: Expression = { k: 'range', type: IPV4, low: right.value, high: right.value | host }
        return { ...match, left: left.left, right: range }
      }
    }
    if (op === '==' && left.k === 'field' && right.k === 'value') this.#knows(left, Number(right.value))
    return match
  }

  /** `meta l4proto tcp`: from here on it is TCP. */
  #knows(left: Expression & { k: 'field' }, value: number): void {
    if (left.type !== PROTOCOL) return
    if (left.field.kind === 'ct') return
    this.ported = true
    this.transport = transportName(value)
  }

  #inSet(left: Expression, op: Comparison): Statement {
    const types = typesOf(left)
    const set = this.anonymous(types, null)
    if (left.k === 'field' && left.type === PROTOCOL && left.field.kind !== 'ct') this.ported = true
    const [first] = set.elements()
    // One that came together of several stays a set.
    if (this.written === 1 && types.length === 1 && first.comment === '') {
      this.made.pop()
      return this.#learnt({ k: 'match', left, op, right: valueOf(set), form: 'plain' })
    }
    return { k: 'lookup', left, set, not: op === '!=' }
  }

  #vmap(left: Expression, start: number, end: number): Statement {
    if (this.is('@')) {
      const at = this.next().start
      const set = this.setNamed(at)
      if (!set.verdicts) throw this.fail('Expression is not a map', at, this.last.end)
      this.agree(left, set, at, this.last.end)
      return { k: 'vmap', left, set }
    }
    if (!this.is('{')) throw this.fail('Expression is not a map', start, end)
    return { k: 'vmap', left, set: this.anonymous(typesOf(left), 'verdict') }
  }

  /** The identifier and the sequence number are those of an echo. */
  #icmpQuery(left: Expression, before: Statement[]): void {
    if (left.k !== 'field' || left.field.kind !== 'payload' || left.field.protocol !== 'icmp') return
    if (!/ (id|sequence)$/.test(left.field.text)) return
    const asked = before.some((each) => {
      const inner = each.k === 'match' || each.k === 'lookup' ? each.left : null
      return inner?.k === 'field' && inner.type === ICMP_TYPE
    })
    const field = payloadField('icmp', 'type')
    if (asked || field === null || this.table === null) return
    before.push({ k: 'lookup', left: field, set: this.echoSet(), not: false })
  }

  /** `{ echo-reply, echo-request }` */
  protected echoSet(): NftSet {
    throw new Error('podwire bug: no set for ICMP echo')
  }

  #assignment(left: Expression): Statement {
    if (left.k !== 'field') throw this.notModelled('nft: setting what is no field')
    const { field } = left
    const mark = left.type === MARK && (field.kind === 'meta' || field.kind === 'ct')
    if (!mark)
      throw this.notModelled(`nft ${field.kind === 'hash' || field.kind === 'fib' ? field.kind : field.text} set`)
    if (field.kind === 'ct' && field.direction >= 0) throw this.notModelled(`nft ${field.text} set`)
    const key = field.kind === 'ct' ? 'ct mark' : 'meta mark'
    return { k: 'set', key, value: this.#value(left) }
  }

  /** What a mark is set to: a constant, a field with or without operators, or a map's answer. */
  #value(left: Expression): Expression {
    const [type] = typesOf(left)
    if (!this.expressive) return this.constant(type)
    const value = this.expression()
    return this.take('map') ? this.mapOf(value, [type]) : value
  }
}

function valueOf(set: NftSet): Extract<Expression, { k: 'value' | 'range' }> {
  const [element] = set.elements()
  const [{ type }] = set.key
  const low = valueOfWords(element.low, 0, type.bits)
  const high = valueOfWords(element.high, 0, type.bits)
  return low === high ? { k: 'value', type, value: low } : { k: 'range', type, low, high }
}

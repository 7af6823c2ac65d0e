/** What stands on the left of a comparison, or behind `set`: fields, their bits, several side by side, maps. */
import { type Expression, type Field, typesOf } from './nft-ast.ts'
import { NftElements } from './nft-elements.ts'
import {
  ctDirected,
  ctField,
  isBareMeta,
  isHeader,
  metaField,
  OTHER_CT,
  OTHER_META,
  payloadField,
  rawPayload,
  transportNumber,
} from './nft-fields.ts'
import { NftTurn } from './nft-state.ts'
import { BOOLEAN, type Datatype, FIB_TYPE, integer } from './nft-type.ts'

const OPERATORS: Readonly<Record<string, '&' | '|' | '^' | '<<' | '>>'>> = {
  '&': '&',
  and: '&',
  '|': '|',
  or: '|',
  '^': '^',
  xor: '^',
  '<<': '<<',
  lshift: '<<',
  '>>': '>>',
  rshift: '>>',
}

const UNKNOWN_EXPRESSIONS = ['rt', 'socket', 'osf', 'ipsec', 'exthdr', 'hash', 'geneve', 'vxlan', 'gre', 'gretap']
const FOREIGN_HEADERS = ['ip6', 'icmpv6', 'arp', 'vlan', 'igmp', 'hbh', 'rt', 'frag', 'dst', 'mh', 'comp', 'rt0']

export class NftExpressions extends NftElements {
  /** The transport that the rule has asked for so far. */
  protected transport: string | null = null
  /** Is it known to have a transport with ports? */
  protected ported = false

  /** Does an expression begin here, rather than a constant? */
  protected get expressive(): boolean {
    let at = 0
    while (this.is('(', at)) at++
    const { kind, text } = this.peek(at)
    if (kind === 'sign') return text === '@' && ['ll', 'nh', 'th'].includes(this.peek(at + 1).text)
    if (kind !== 'word') return false
    if (text === 'ip' || text === 'tcp' || text === 'udp' || text === 'icmp') {
      return payloadField(text, this.peek(at + 1).text) !== null
    }
    return isHeader(text) || isBareMeta(text) || ['meta', 'ct', 'fib', 'numgen', 'jhash', 'symhash'].includes(text)
  }

  /** `a . b . c`, perhaps with `map` behind it. */
  expression(): Expression {
    const parts = [this.#bits()]
    while (this.take('.')) parts.push(this.#bits())
    const key: Expression = parts.length === 1 ? parts[0] : { k: 'concat', parts }
    return key
  }

  /** `ip saddr map { … }` gives values of these types. */
  protected mapOf(key: Expression, types: readonly Datatype[]): Expression {
    const at = this.last.end
    if (this.take('@')) {
      const set = this.setNamed(at)
      if (set.data === null) throw this.fail('Expression is not a map', this.last.start - 1, this.last.end)
      this.agree(key, set, this.last.start - 1, this.last.end)
      return { k: 'map', key, set, types: set.data.map((part) => part.type) }
    }
    const set = this.anonymous(typesOf(key), types)
    return { k: 'map', key, set, types: (set.data ?? []).map((part) => part.type) }
  }

  #bits(): Expression {
    let left = this.#primary()
    for (;;) {
      const token = this.peek()
      const operator = token.kind === 'sign' || token.kind === 'word' ? OPERATORS[token.text] : undefined
      if (operator === undefined) return left
      this.next()
      left = this.#applied(left, operator)
    }
  }

  #applied(left: Expression, operator: '&' | '|' | '^' | '<<' | '>>'): Expression {
    const [type] = typesOf(left)
    if (operator === '<<' || operator === '>>') {
      const by = this.number()
      return { k: 'shift', type, left, by: operator === '<<' ? by : -by }
    }
    const value = this.#operand(type)
    const all = (1n << BigInt(type.bits)) - 1n
    const [inner, mask, xor] = left.k === 'bits' ? [left.left, left.mask, left.xor] : [left, all, 0n]
    if (operator === '&') return { k: 'bits', type, left: inner, mask: mask & value, xor: xor & value }
    if (operator === '^') return { k: 'bits', type, left: inner, mask, xor: xor ^ value }
    return { k: 'bits', type, left: inner, mask: mask & ~value & all, xor: (xor & ~value) | value }
  }

  /** One constant; operators behind it belong to the expression before. */
  #operand(type: Datatype): bigint {
    if (!this.take('(')) return this.atom(type)
    const value = this.single(type)
    this.expect(')')
    return value
  }

  #primary(): Expression {
    const token = this.peek()
    const { text, kind } = token
    if (kind === 'sign' && text === '(') {
      this.next()
      const inner = this.expression()
      this.expect(')')
      return inner
    }
    if (kind === 'sign' && text === '@') return this.#raw()
    if (kind !== 'word') throw this.unexpected()
    if (text === 'meta') {
      this.next()
      return this.#meta()
    }
    if (isBareMeta(text)) return this.#meta()
    if (text === 'ct') return this.#ct()
    if (text === 'fib') return this.#fib()
    if (text === 'numgen') return this.#numgen()
    if (text === 'jhash' || text === 'symhash') return this.#hash()
    if (isHeader(text)) return this.#payload()
    if (FOREIGN_HEADERS.includes(text)) throw this.notModelled(`nft ${text}`)
    if (UNKNOWN_EXPRESSIONS.includes(text)) throw this.notModelled(`nft ${text}`)
    this.next()
    if (this.ended) throw this.unexpected()
    throw this.fail('No symbol type information', token.start, token.end)
  }

  #meta(): Expression {
    const token = this.peek()
    const field = metaField(token.text)
    if (field === null) {
      if (OTHER_META.includes(token.text)) throw this.notModelled(`nft meta ${token.text}`)
      throw this.unexpected()
    }
    this.next()
    if (token.text === 'nfproto' && this.table?.family === 'ip') {
      throw this.fail('meta nfproto is only useful in the inet family', this.peek(-2).start, token.end)
    }
    return field
  }

  #ct(): Expression {
    this.next()
    const token = this.peek()
    if (token.text === 'original' || token.text === 'reply') {
      this.next()
      const family = this.is('ip') ? 1 : 0
      const name = this.peek(family).text
      const field = ctDirected(token.text, name)
      if (field === null) {
        if (OTHER_CT.includes(name)) throw this.notModelled(`nft ct ${name}`)
        throw this.unexpected()
      }
      for (let i = 0; i <= family; i++) this.next()
      return field
    }
    const field = ctField(token.text)
    if (field === null) {
      if (OTHER_CT.includes(token.text)) throw this.notModelled(`nft ct ${token.text}`)
      throw this.unexpected()
    }
    this.next()
    return field
  }

  #payload(): Expression {
    const protocol = this.next()
    const name = this.peek()
    if (protocol.text === 'tcp' && name.text === 'option') throw this.notModelled('nft tcp option')
    if (protocol.text === 'ip' && name.text === 'option') throw this.notModelled('nft ip option')
    const field = payloadField(protocol.text, name.text)
    if (field === null) throw this.unexpected()
    this.next()
    if (transportNumber(protocol.text) !== null) {
      if (this.transport !== null && this.transport !== protocol.text) {
        const sentence = `conflicting protocols specified: ${this.transport} vs. ${protocol.text}`
        throw this.fail(sentence, protocol.start, name.end)
      }
      this.transport = protocol.text
      if (protocol.text !== 'icmp') this.ported = true
    }
    return field
  }

  #raw(): Expression {
    this.next()
    const base = this.name()
    this.expect(',')
    const offset = this.number()
    this.expect(',')
    const bits = this.number()
    const field = rawPayload(base.text, offset, bits)
    if (field === null) throw this.fail('syntax error, unexpected string', base.start, base.end)
    if (bits === 0 || bits > 128 || (bits > 32 && bits % 32 !== 0 && bits % 8 !== 0) || offset % 8 !== 0) {
      if (bits === 0 || bits > 32) throw this.notModelled(`nft @${base.text},${offset},${bits}`)
    }
    return field
  }

  /** `fib saddr . iif oif missing`, `fib daddr type local`. */
  #fib(): Expression {
    this.next()
    const tuple: string[] = []
    do {
      const word = this.takeOneOf(['saddr', 'daddr', 'mark', 'iif', 'oif'])
      if (word === null) throw this.unexpected()
      tuple.push(word)
    } while (this.take('.'))
    const result = this.takeOneOf(['type', 'oifname', 'oif'])
    if (result === null) throw this.unexpected()
    const text = `fib ${tuple.join(' . ')} ${result}`
    const exists = result === 'oif' && (this.is('missing') || this.is('exists'))
    if (result !== 'type' && !exists) throw this.notModelled(`nft ${text} with a device`)
    const field: Field = {
      kind: 'fib',
      text,
      address: tuple.includes('daddr') ? 1 : 0,
      device: tuple.includes('iif') ? 1 : tuple.includes('oif') ? 2 : 0,
      mark: tuple.includes('mark'),
      result: exists ? 'exists' : 'type',
    }
    return { k: 'field', type: exists ? BOOLEAN : FIB_TYPE, field }
  }

  #numgen(): Expression {
    this.next()
    const how = this.takeOneOf(['random', 'inc'])
    if (how === null) throw this.unexpected()
    this.expect('mod')
    const modulus = this.number()
    const offset = this.take('offset') ? this.number() : 0
    const text = `numgen ${how} mod ${modulus}${offset === 0 ? '' : ` offset ${offset}`}`
    const turn = how === 'inc' ? new NftTurn(modulus, offset) : null
    return { k: 'field', type: integer(32, 'host'), field: { kind: 'numgen', text, turn, modulus, offset } }
  }

  #hash(): Expression {
    const name = this.next().text
    const of = name === 'jhash' ? this.expression() : null
    this.expect('mod')
    const modulus = this.number()
    const seeded = this.take('seed')
    const seed = seeded ? this.number() : 0
    const offset = this.take('offset') ? this.number() : 0
    const text = `mod ${modulus}${seeded ? ` seed 0x${seed.toString(16)}` : ''}${offset === 0 ? '' : ` offset ${offset}`}`
    const field: Field = { kind: 'hash', text, of, modulus, seed, offset }
    return { k: 'field', type: integer(32, 'host'), field }
  }
}

/** Statements become a program (netlink_linearize.c of nft, and what the kernel makes of it). */
import { Verdict } from './hook.ts'
import {
  type Comparison,
  type Expression,
  type Field,
  MetaKey,
  type NatPart,
  type Statement,
  typesOf,
} from './nft-ast.ts'
import { transportNumber } from './nft-fields.ts'
import { Compare, type HashStep, NftProgram, Op, ProgramBuilder } from './nft-program.ts'
import { type Datatype, wordCount, wordsOf } from './nft-type.ts'

const COMPARISONS: Readonly<Record<Comparison, number>> = {
  '==': Compare.EQ,
  '!=': Compare.NE,
  '<': Compare.LT,
  '>': Compare.GT,
  '<=': Compare.LE,
  '>=': Compare.GE,
}

export function compile(statements: readonly Statement[]): NftProgram {
  return new NftProgram(new Compiler().statements(statements))
}

class Compiler {
  readonly #out = new ProgramBuilder()
  /** The transport protocol that the rule has made sure of. */
  #transport = -1

  statements(all: readonly Statement[]): ProgramBuilder {
    for (const statement of all) {
      this.#out.release()
      this.#statement(statement)
    }
    return this.#out
  }

  #statement(statement: Statement): void {
    const out = this.#out
    switch (statement.k) {
      case 'match':
        return this.#match(statement)
      case 'lookup':
        return out.emit(
          Op.LOOKUP,
          this.#expression(statement.left),
          out.sets.push(statement.set) - 1,
          statement.not ? 1 : 0,
        )
      case 'vmap':
        return out.emit(Op.VMAP, this.#expression(statement.left), out.sets.push(statement.set) - 1)
      case 'verdict':
        return out.verdict(statement.verdict, statement.chain)
      case 'counter':
        return out.emit(Op.COUNTER, 0, out.counters.push(statement.state) - 1)
      case 'limit':
        return out.emit(Op.LIMIT, 0, out.limits.push(statement.state) - 1)
      case 'quota':
        return out.emit(Op.QUOTA, 0, out.quotas.push(statement.state) - 1)
      case 'object': {
        const { object } = statement.object
        if (object.kind === 'counter') return out.emit(Op.COUNTER, 0, out.counters.push(object.state) - 1)
        if (object.kind === 'quota') return out.emit(Op.QUOTA, 0, out.quotas.push(object.state) - 1)
        return out.emit(Op.LIMIT, 0, out.limits.push(object.state) - 1)
      }
      case 'log': {
        const { prefix, level, flags, group } = statement
        return out.emit(Op.LOG, 0, out.logs.push({ prefix, level, flags, group }) - 1)
      }
      case 'reject':
        if (statement.how === 'tcp-reset') this.#need('tcp')
        return out.emit(Op.REJECT, 0, out.rejects.push(statement.how) - 1)
      case 'nat':
        return this.#nat(statement.nat)
      case 'notrack':
        return out.emit(Op.NOTRACK)
      case 'set': {
        if (statement.key === 'ct mark') out.tracks = true
        return out.emit(statement.key === 'ct mark' ? Op.SET_CT_MARK : Op.SET_MARK, this.#expression(statement.value))
      }
      case 'dynset': {
        const { set, operation, timeout, counts, limit } = statement
        const key = this.#expression(statement.key)
        const data = statement.data === null ? -1 : this.#expression(statement.data)
        return out.emit(Op.DYNSET, key, out.dynsets.push({ set, operation, data, timeout, counts, limit }) - 1)
      }
    }
  }

  #match({ left, op, right, form }: Statement & { k: 'match' }): void {
    const out = this.#out
    const register = this.#expression(left)
    const types = typesOf(left)
    const words = types.reduce((sum, type) => sum + wordCount(type.bits), 0)
    if (right.k === 'range') {
      const at = out.constants([...wordsOf(right.low, right.type.bits), ...wordsOf(right.high, right.type.bits)])
      out.emit(Op.RANGE, register, op === '!=' ? 1 : 0, at, words)
    } else {
      const value = constantWords(right)
      if (form === 'plain') out.emit(Op.COMPARE, register, COMPARISONS[op], out.constants(value), words)
      else {
        out.emit(Op.BITWISE, register, out.constants([...value, ...value.map(() => 0)]), words)
        const zero = out.constants(value.map(() => 0))
        out.emit(Op.COMPARE, register, form === 'flags' ? Compare.NE : Compare.EQ, zero, words)
      }
    }
    if (op === '==' && form === 'plain' && right.k === 'value' && left.k === 'field')
      this.#learn(left.field, right.value)
  }

  #learn(field: Field, value: bigint): void {
    const transport =
      (field.kind === 'meta' && field.key === MetaKey.L4PROTO) ||
      (field.kind === 'payload' && field.protocol === 'ip' && field.text === 'ip protocol')
    if (transport) this.#transport = Number(value)
  }

  /** The header's fields mean something only in packets of that protocol. */
  #need(protocol: string): void {
    const number = transportNumber(protocol)
    if (number === null || number === this.#transport) return
    const out = this.#out
    const register = out.take(1)
    out.emit(Op.META, register, MetaKey.L4PROTO)
    out.emit(Op.COMPARE, register, Compare.EQ, out.constants([number]), 1)
    this.#transport = number
  }

  /** Emits what loads the expression and gives its first register. */
  #expression(expression: Expression): number {
    const out = this.#out
    switch (expression.k) {
      case 'value':
      case 'range': {
        const value = expression.k === 'value' ? expression.value : expression.low
        const words = wordsOf(value, expression.type.bits)
        const register = out.take(words.length)
        out.emit(Op.IMMEDIATE, register, out.constants(words), words.length)
        return register
      }
      case 'field':
        return this.#field(expression.field, expression.type)
      case 'bits': {
        const register = this.#expression(expression.left)
        const { bits } = expression.type
        const words = wordsOf(expression.mask, bits)
        out.emit(Op.BITWISE, register, out.constants([...words, ...wordsOf(expression.xor, bits)]), words.length)
        return register
      }
      case 'shift': {
        const register = this.#expression(expression.left)
        out.emit(Op.SHIFT, register, expression.by)
        return register
      }
      case 'map': {
        const key = this.#expression(expression.key)
        const words = expression.types.reduce((sum, type) => sum + wordCount(type.bits), 0)
        const register = out.take(words)
        out.emit(Op.MAP, key, out.sets.push(expression.set) - 1, register)
        return register
      }
      case 'concat':
        return this.#concat(expression.parts)
    }
  }

  /** Parts must stand side by side: each is loaded into the next registers, whatever it needs besides comes before. */
  #concat(parts: readonly Expression[]): number {
    for (const part of parts) if (part.k === 'field' && part.field.kind === 'payload') this.#need(part.field.protocol)
    let first = -1
    for (const part of parts) {
      const register = this.#expression(part)
      if (first < 0) first = register
    }
    return first
  }

  #field(field: Field, type: Datatype): number {
    const out = this.#out
    const words = wordCount(type.bits)
    switch (field.kind) {
      case 'meta': {
        const register = out.take(words)
        out.emit(Op.META, register, field.key)
        return register
      }
      case 'ct': {
        out.tracks = true
        const register = out.take(words)
        out.emit(Op.CT, register, field.key, field.direction)
        return register
      }
      case 'payload':
        return this.#payload(field)
      case 'fib': {
        const register = out.take(1)
        out.emit(Op.FIB, register, field.address, field.device, field.mark ? 1 : 0, field.result === 'exists' ? 1 : 0)
        return register
      }
      case 'numgen': {
        const register = out.take(1)
        if (field.turn === null) out.emit(Op.RANDOM, register, field.modulus, field.offset)
        else out.emit(Op.TURN, register, out.turns.push(field.turn) - 1)
        return register
      }
      case 'hash': {
        const { modulus, seed, offset } = field
        const parts: HashStep['parts'][number][] = []
        if (field.of !== null) {
          let at = this.#expression(field.of)
          for (const type of typesOf(field.of)) {
            parts.push({ at, bytes: Math.ceil(type.bits / 8), host: type.order === 'host' })
            at += wordCount(type.bits)
          }
        }
        const register = out.take(1)
        out.emit(Op.HASH, register, out.hashes.push({ parts, modulus, seed, offset }) - 1, field.of === null ? 0 : 1)
        return register
      }
    }
  }

  #payload(field: Field & { kind: 'payload' }): number {
    const out = this.#out
    this.#need(field.protocol)
    const first = field.offset >> 3
    const last = (field.offset + field.bits - 1) >> 3
    const bytes = last - first + 1
    const register = out.take(wordCount(field.bits))
    out.emit(Op.PAYLOAD, register, field.base, first, bytes)
    const below = (last + 1) * 8 - field.offset - field.bits
    if (below > 0) out.emit(Op.SHIFT, register, -below)
    if ((field.bits & 7) !== 0 || below > 0 || (field.offset & 7) !== 0) {
      if (field.bits < 32) out.emit(Op.BITWISE, register, out.constants([(1 << field.bits) - 1, 0]), 1)
    }
    return register
  }

  #nat({ kind, address, port, random, fullyRandom, persistent }: NatPart): void {
    const out = this.#out
    out.tracks = true
    const from = address === null ? -1 : this.#expression(address)
    let to = from
    if (address?.k === 'range') to = this.#immediate(address.high, address.type)
    let low = port === null ? -1 : this.#expression(port)
    let high = low
    if (port?.k === 'range') high = this.#immediate(port.high, port.type)
    // A map that gives both: the port stands behind the address.
    if (address !== null && address.k === 'map' && address.types.length > 1) {
      low = from + wordCount(address.types[0].bits)
      high = low
    }
    const step = {
      kind,
      address: from,
      lastAddress: to,
      port: low,
      lastPort: high,
      random: random || fullyRandom,
      persistent,
    }
    out.emit(Op.NAT, 0, out.nats.push(step) - 1)
  }

  #immediate(value: bigint, type: Datatype): number {
    return this.#expression({ k: 'value', type, value })
  }
}

function constantWords(expression: Expression): number[] {
  if (expression.k === 'concat') return expression.parts.flatMap(constantWords)
  if (expression.k === 'value') return wordsOf(expression.value, expression.type.bits)
  throw new Error('podwire bug: an nft rule compares with what is no constant')
}

/** Does the verdict end a rule, so that nothing behind it is ever reached? */
export function isTerminal(statement: Statement): boolean {
  if (statement.k === 'verdict') return statement.verdict !== Verdict.CONTINUE
  return statement.k === 'reject' || statement.k === 'nat'
}

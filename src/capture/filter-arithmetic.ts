/** Comparisons in capture filters: `tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn`, `ip[8] < 5`, `len > 100`. */
import { beyondCapture, type FrameTest, headerAt } from './filter-packet.ts'
import { type FilterCursor, FilterError } from './filter-words.ts'

/** Null where the frame has no such bytes: then the comparison fails. */
type Value = (bytes: Uint8Array, at: number, end: number, length: number) => number | null

const constants: Readonly<Record<string, number>> = {
  tcpflags: 13,
  icmptype: 0,
  icmpcode: 1,
  'tcp-fin': 1,
  'tcp-syn': 2,
  'tcp-rst': 4,
  'tcp-push': 8,
  'tcp-ack': 16,
  'tcp-urg': 32,
  'tcp-ece': 64,
  'tcp-cwr': 128,
  'icmp-echoreply': 0,
  'icmp-unreach': 3,
  'icmp-redirect': 5,
  'icmp-echo': 8,
  'icmp-sourcequench': 4,
  'icmp-routeradvert': 9,
  'icmp-routersolicit': 10,
  'icmp-timxceed': 11,
  'icmp-paramprob': 12,
  'icmp-tstamp': 13,
  'icmp-tstampreply': 14,
  'icmp-ireq': 15,
  'icmp-ireqreply': 16,
  'icmp-maskreq': 17,
  'icmp-maskreply': 18,
  icmp6type: 0,
  icmp6code: 1,
  'icmp6-echo': 128,
  'icmp6-echoreply': 129,
  'icmp6-routersolicit': 133,
  'icmp6-routeradvert': 134,
  'icmp6-neighborsolicit': 135,
  'icmp6-neighboradvert': 136,
}

const headers = ['ether', 'ip', 'arp', 'rarp', 'ip6', 'tcp', 'udp', 'icmp', 'icmp6', 'igmp', 'sctp']
const relations = ['=', '==', '!=', '<', '>', '<=', '>=']

/** Looser first. */
const operators: readonly (readonly string[])[] = [['|'], ['^'], ['&'], ['<<', '>>'], ['+', '-'], ['*', '/', '%']]

/** Does a comparison begin here, and not a primitive? */
export function startsArithmetic(cursor: FilterCursor): boolean {
  let ahead = 0
  while (cursor.peek(ahead) === '(') ahead++
  const word = cursor.peek(ahead)
  if (word === 'len') return true
  if (headers.includes(word) && cursor.peek(ahead + 1) === '[') return true
  return ahead === 0 && cursor.is('number') && relations.includes(cursor.peek(1))
}

/** Parentheses may hold a value or a whole expression: a comparison that turns out to be neither is given up. */
export function takeComparison(cursor: FilterCursor): FrameTest {
  const place = cursor.place
  if (cursor.peek() === '(') {
    const nested = tryNested(cursor)
    if (nested !== null) return nested
    cursor.back(place)
  }
  const left = takeValue(cursor, 0)
  const relation = cursor.take().text
  if (!relations.includes(relation)) throw new FilterError()
  const right = takeValue(cursor, 0)
  return (bytes, at, end, _, length = end - at) => {
    const a = left(bytes, at, end, length)
    const b = right(bytes, at, end, length)
    return a !== null && b !== null && holds(a, relation, b)
  }
}

/** `( tcp[13] & 2 != 0 )`: only parentheses around one comparison or several joined by and, or. */
function tryNested(cursor: FilterCursor): FrameTest | null {
  cursor.take()
  try {
    let test = takeComparison(cursor)
    while (cursor.peek() === 'and' || cursor.peek() === '&&' || cursor.peek() === 'or' || cursor.peek() === '||') {
      const both = ['and', '&&'].includes(cursor.take().text)
      const left = test
      const right = takeComparison(cursor)
      test = both
        ? (bytes, at, end, out, length) => left(bytes, at, end, out, length) && right(bytes, at, end, out, length)
        : (bytes, at, end, out, length) => left(bytes, at, end, out, length) || right(bytes, at, end, out, length)
    }
    return cursor.accept(')') ? test : null
  } catch (error) {
    if (error instanceof FilterError) return null
    throw error
  }
}

function holds(a: number, relation: string, b: number): boolean {
  switch (relation) {
    case '!=':
      return a !== b
    case '<':
      return a < b
    case '>':
      return a > b
    case '<=':
      return a <= b
    case '>=':
      return a >= b
    default:
      return a === b
  }
}

function apply(a: number, operator: string, b: number): number {
  switch (operator) {
    case '|':
      return (a | b) >>> 0
    case '^':
      return (a ^ b) >>> 0
    case '%':
      return b === 0 ? 0 : a % b
    case '&':
      return (a & b) >>> 0
    case '<<':
      return (a << b) >>> 0
    case '>>':
      return a >>> b
    case '+':
      return a + b
    case '-':
      return a - b
    case '*':
      return a * b
    default:
      return b === 0 ? 0 : Math.floor(a / b)
  }
}

function takeValue(cursor: FilterCursor, level: number): Value {
  if (level === operators.length) return takeOperand(cursor)
  let value = takeValue(cursor, level + 1)
  while (operators[level].includes(cursor.peek())) {
    const operator = cursor.take().text
    const left = value
    const right = takeValue(cursor, level + 1)
    value = (bytes, at, end, length) => {
      const a = left(bytes, at, end, length)
      const b = right(bytes, at, end, length)
      return a === null || b === null ? null : apply(a, operator, b)
    }
  }
  return value
}

function takeOperand(cursor: FilterCursor): Value {
  if (cursor.accept('(')) {
    const value = takeValue(cursor, 0)
    if (!cursor.accept(')')) throw new FilterError()
    return value
  }
  const { kind, text } = cursor.take()
  if (kind === 'number') {
    const number = Number(text)
    return () => number
  }
  if (text === 'len') return (_, __, ___, length) => length
  if (Object.hasOwn(constants, text)) return () => constants[text]
  if (!headers.includes(text) || !cursor.accept('[')) throw new FilterError()
  const index = takeValue(cursor, 0)
  const size = cursor.accept(':') ? Number(cursor.take().text) : 1
  if (!cursor.accept(']')) throw new FilterError()
  if (size !== 1 && size !== 2 && size !== 4) throw new FilterError('data size must be 1, 2, or 4')
  return (bytes, at, end, length) => {
    const header = headerAt(text, bytes, at, end)
    const offset = index(bytes, at, end, length)
    if (header < 0 || offset === null) return null
    if (header + offset + size > end) throw beyondCapture
    let value = 0
    for (let i = 0; i < size; i++) value = value * 256 + bytes[header + offset + i]
    return value
  }
}

/** Rules as `nft list` prints them (the print functions of nft 1.0.6's expression.c and statement.c). */

import { LogFlag } from './log-line.ts'
import { type Expression, type Statement, typesOf } from './nft-ast.ts'
import type { NftSet } from './nft-set.ts'
import { formatBytes, formatCounter, formatElements, formatRate } from './nft-set-text.ts'
import { formatTime, formatValue } from './nft-type.ts'
import { formatInterval, formatOne, formatVerdict, type PrintOptions } from './nft-value-text.ts'

const LEVELS: readonly string[] = ['emerg', 'alert', 'crit', 'err', 'warn', 'notice', 'info', 'debug']

export function formatRule(statements: readonly Statement[], comment: string, options: PrintOptions): string {
  const text = statements.map((statement) => formatStatement(statement, options)).join(' ')
  return comment === '' ? text : `${text} comment "${comment}"`
}

function formatStatement(statement: Statement, options: PrintOptions): string {
  switch (statement.k) {
    case 'match':
      return formatMatch(statement, options)
    case 'lookup': {
      const not = statement.not ? '!= ' : ''
      return `${formatExpression(statement.left, options)} ${not}${setText(statement.set, options)}`
    }
    case 'vmap':
      return `${formatExpression(statement.left, options)} vmap ${setText(statement.set, options)}`
    case 'verdict':
      return formatVerdict(statement.verdict, statement.chain)
    case 'counter':
      return formatCounter(statement.state, options)
    case 'limit':
      return `limit ${formatRate(statement.state)}`
    case 'quota': {
      const { over, bytes, used } = statement.state
      const seen = used === 0 || options.stateless ? '' : ` used ${formatBytes(used)}`
      return `quota ${over ? 'over ' : ''}${formatBytes(bytes)}${seen}`
    }
    case 'object':
      return `${statement.object.object.kind} name "${statement.object.name}"`
    case 'log':
      return formatLog(statement)
    case 'reject':
      return statement.text === '' ? 'reject' : `reject with ${statement.text}`
    case 'nat':
      return formatNat(statement, options)
    case 'notrack':
      return 'notrack'
    case 'set':
      return `${statement.key} set ${formatExpression(statement.value, options)}`
    case 'dynset':
      return formatDynset(statement, options)
  }
}

function setText(set: NftSet, options: PrintOptions): string {
  if (!set.anonymous) return `@${set.name}`
  return `{ ${formatElements(set, options).join(', ')} }`
}

function formatMatch({ left, op, right, form }: Statement & { k: 'match' }, options: PrintOptions): string {
  const [type] = typesOf(left)
  const subject = formatExpression(left, options)
  if (form === 'flags') return `${subject} ${formatConstant(right, options, ',')}`
  if (form === 'none') return `${subject} ! ${formatConstant(right, options, ',')}`
  if (
    left.k === 'bits' &&
    type.flags &&
    right.k === 'value' &&
    (op === '==' || op === '!=') &&
    severalBits(left.mask)
  ) {
    const not = op === '!=' ? '!= ' : ''
    const mask = formatValue(type, left.mask, ',')
    return `${formatExpression(left.left, options)} ${not}${formatValue(type, right.value, ',')} / ${mask}`
  }
  const shown = op !== '==' || left.k === 'bits' || left.k === 'shift' || (type.flags && right.k === 'value')
  return `${subject} ${shown ? `${op} ` : ''}${formatConstant(right, options)}`
}

function severalBits(mask: bigint): boolean {
  return (mask & (mask - 1n)) !== 0n
}

function formatConstant(expression: Expression, options: PrintOptions, joint = ' | '): string {
  switch (expression.k) {
    case 'value':
      return formatOne(expression.type, expression.value, options, joint)
    case 'range':
      return formatInterval(expression.type, expression.low, expression.high, options)
    case 'concat':
      return expression.parts.map((part) => formatConstant(part, options)).join(' . ')
    default:
      return formatExpression(expression, options)
  }
}

export function formatExpression(expression: Expression, options: PrintOptions): string {
  switch (expression.k) {
    case 'field': {
      const { field } = expression
      if (field.kind !== 'hash') return field.text
      return field.of === null ? `symhash ${field.text}` : `jhash ${formatExpression(field.of, options)} ${field.text}`
    }
    case 'bits':
      return formatBits(expression, options)
    case 'shift': {
      const { left, by } = expression
      return `${formatExpression(left, options)} ${by > 0 ? `<< ${by}` : `>> ${-by}`}`
    }
    case 'concat':
      return expression.parts.map((part) => formatExpression(part, options)).join(' . ')
    case 'map':
      return `${formatExpression(expression.key, options)} map ${setText(expression.set, options)}`
    default:
      return formatConstant(expression, options)
  }
}

/** The kernel keeps a mask and an exclusive or; nft makes `&`, `^` and `|` of them again. */
function formatBits({ left, type, mask, xor }: Expression & { k: 'bits' }, options: PrintOptions): string {
  const all = (1n << BigInt(type.bits)) - 1n
  const or = xor & ~mask & all
  const rest = xor & mask
  const and = mask | or
  const operand = (value: bigint) => {
    const text = formatOne(type, value, options)
    return text.includes(' | ') ? `(${text})` : text
  }
  let text = formatExpression(left, options)
  if (and !== all) text += ` & ${operand(and)}`
  if (rest !== 0n) text += ` ^ ${operand(rest)}`
  if (or !== 0n) text += ` | ${operand(or)}`
  return text
}

function formatLog({ prefix, level, flags, group, snaplen, threshold }: Statement & { k: 'log' }): string {
  let text = 'log'
  if (prefix !== '') text += ` prefix "${prefix}"`
  if (group >= 0) text += ` group ${group}`
  if (snaplen !== 0) text += ` snaplen ${snaplen}`
  if (threshold !== 0) text += ` queue-threshold ${threshold}`
  if (level !== 4 && group < 0) text += ` level ${LEVELS[level]}`
  if (flags === 47) return `${text} flags all`
  const tcp = [
    ...((flags & LogFlag.TCP_SEQUENCE) !== 0 ? ['sequence'] : []),
    ...((flags & LogFlag.TCP_OPTIONS) !== 0 ? ['options'] : []),
  ]
  if (tcp.length > 0) text += ` flags tcp ${tcp.join(',')}`
  if ((flags & LogFlag.IP_OPTIONS) !== 0) text += ' flags ip options'
  if ((flags & LogFlag.UID) !== 0) text += ' flags skuid'
  if ((flags & LogFlag.MAC_DECODE) !== 0) text += ' flags ether'
  return text
}

function formatNat({ nat }: Statement & { k: 'nat' }, options: PrintOptions): string {
  let text: string = nat.kind
  if (nat.family) text += ' ip'
  if (nat.address !== null || nat.port !== null) text += ' to '
  if (nat.address !== null) text += formatConstant(nat.address, options)
  if (nat.port !== null) text += `:${formatConstant(nat.port, options)}`
  const flags = [
    ...(nat.random ? ['random'] : []),
    ...(nat.fullyRandom ? ['fully-random'] : []),
    ...(nat.persistent ? ['persistent'] : []),
  ]
  return flags.length === 0 ? text : `${text} ${flags.join(',')}`
}

function formatDynset(statement: Statement & { k: 'dynset' }, options: PrintOptions): string {
  let inner = formatExpression(statement.key, options)
  if (statement.timeout !== 0) inner += ` timeout ${formatTime(BigInt(Math.round(statement.timeout / 1e6)))}`
  if (statement.counts) inner += ' counter'
  if (statement.limit !== null) inner += ` limit ${formatRate(statement.limit)}`
  if (statement.data !== null) inner += ` : ${formatExpression(statement.data, options)}`
  return `${statement.operation} @${statement.set.name} { ${inner} }`
}

/** What a header implies of a packet, and nft does not print for that reason (payload_dependency_kill). */
import { type Expression, MetaKey, type Statement } from './nft-ast.ts'
import { payloadField, transportName } from './nft-fields.ts'
import { PROTOCOL } from './nft-type.ts'

/** nft does not print what a later header implies: `meta l4proto tcp tcp dport 80` is `tcp dport 80`. */
export function withoutDependencies(statements: readonly Statement[]): Statement[] {
  const all = [...statements]
  for (let i = 0; i < all.length; i++) {
    const match = all[i]
    if (match.k !== 'match' || match.op !== '==' || match.left.k !== 'field' || match.right.k !== 'value') continue
    const { field, type } = match.left
    if (field.kind === 'meta' && field.key === MetaKey.NFPROTO) {
      if (all.slice(i + 1).some((each) => protocols(each).includes('ip'))) all.splice(i--, 1)
      continue
    }
    if (type !== PROTOCOL || field.kind === 'ct' || field.kind === 'numgen') continue
    const protocol = transportName(Number(match.right.value))
    const rest = all.slice(i + 1)
    const implied = rest.some((each) => {
      const used = protocols(each)
      return (protocol !== null && used.includes(protocol)) || (used.includes('th') && protocol !== null)
    })
    if (!implied || protocol === null) continue
    all.splice(i, 1)
    for (let j = i; j < all.length; j++) all[j] = renamed(all[j], protocol)
    i--
  }
  return all
}

/** Whose fields a statement reads, directly. */
function protocols(statement: Statement): string[] {
  if (statement.k === 'reject') return statement.how === 'tcp-reset' ? ['tcp'] : []
  if (statement.k === 'nat') {
    const { address, port } = statement.nat
    return [address, port].flatMap((each) => (each === null ? [] : headers(each)))
  }
  if (statement.k === 'match' || statement.k === 'lookup' || statement.k === 'vmap') return headers(statement.left)
  return statement.k === 'set' ? headers(statement.value) : []
}

function headers(expression: Expression): string[] {
  switch (expression.k) {
    case 'field':
      return expression.field.kind === 'payload' ? [expression.field.protocol] : []
    case 'concat':
      return expression.parts.flatMap(headers)
    case 'bits':
    case 'shift':
      return headers(expression.left)
    case 'map':
      return headers(expression.key)
    default:
      return []
  }
}

/** `th dport` of a known transport. */
function renamed(statement: Statement, protocol: string): Statement {
  if (statement.k !== 'match' && statement.k !== 'lookup' && statement.k !== 'vmap') return statement
  const { left } = statement
  if (left.k !== 'field' || left.field.kind !== 'payload' || left.field.protocol !== 'th') return statement
  const field = payloadField(protocol, left.field.text.slice(3))
  return field === null ? statement : { ...statement, left: field }
}

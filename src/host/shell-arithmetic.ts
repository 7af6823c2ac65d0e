/** `$(( … ))`: integers, variables, + - * / % and comparisons (POSIX.1-2017, XCU 2.6.4). */
import { ShellSyntaxError } from './shell-words.ts'

const PRECEDENCE: readonly (readonly string[])[] = [
  ['||'],
  ['&&'],
  ['==', '!='],
  ['<=', '>=', '<', '>'],
  ['+', '-'],
  ['*', '/', '%'],
]

/** @throws ShellSyntaxError */
export function evaluateArithmetic(source: string, variable: (name: string) => string | null): number {
  const tokens = source.match(/\d+|[A-Za-z_]\w*|&&|\|\||[=!<>]=|[-+*/%<>()]|\S/g) ?? []
  let at = 0

  function level(depth: number): number {
    if (depth === PRECEDENCE.length) return factor()
    let left = level(depth + 1)
    while (PRECEDENCE[depth].includes(tokens[at] ?? '')) left = apply(tokens[at++], left, level(depth + 1))
    return left
  }

  function factor(): number {
    const token = tokens[at++]
    if (token === '-') return -factor()
    if (token === '+') return factor()
    if (token === '(') {
      const value = level(0)
      if (tokens[at++] !== ')') throw new ShellSyntaxError(`arithmetic expression: expecting ')': "${source}"`)
      return value
    }
    if (token !== undefined && /^\d+$/.test(token)) return Number(token)
    if (token !== undefined && /^\w+$/.test(token)) return Math.trunc(Number(variable(token) ?? '0')) || 0
    throw new ShellSyntaxError(`arithmetic expression: expecting primary: "${source}"`)
  }

  const value = tokens.length === 0 ? 0 : level(0)
  if (at < tokens.length) throw new ShellSyntaxError(`arithmetic expression: expecting EOF: "${source}"`)
  return value
}

function apply(operator: string, left: number, right: number): number {
  switch (operator) {
    case '+':
      return left + right
    case '-':
      return left - right
    case '*':
      return left * right
    case '/':
    case '%':
      if (right === 0) throw new ShellSyntaxError('arithmetic expression: division by zero')
      return operator === '/' ? Math.trunc(left / right) : left % right
    case '==':
      return Number(left === right)
    case '!=':
      return Number(left !== right)
    case '<':
      return Number(left < right)
    case '>':
      return Number(left > right)
    case '<=':
      return Number(left <= right)
    case '>=':
      return Number(left >= right)
    case '&&':
      return Number(left !== 0 && right !== 0)
    default:
      return Number(left !== 0 || right !== 0)
  }
}

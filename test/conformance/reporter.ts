/** `npm run conformance`: the list of cases with what became of each, and the sum. */
import type { Reporter, TestCase, TestModule } from 'vitest/node'
import { CASES, RUN } from './cases.ts'

interface Outcome {
  /** kube-proxy modes in which it was played. */
  readonly modes: string[]
  passed: boolean
  readonly errors: string[]
}

export default class Table implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly { readonly message?: string }[]): void {
    const outcomes = new Map<string, Outcome>()
    for (const module of modules) {
      for (const problem of module.errors()) console.log(`${module.moduleId}: ${problem.message}`)
      for (const test of module.children.allTests()) note(outcomes, test)
    }
    for (const error of errors) console.log(error.message)
    const failures = [...outcomes].filter(([, { passed }]) => !passed)
    console.log(table(outcomes))
    for (const [name, { errors: why }] of failures) console.log(`${name}\n  ${why.join('\n  ')}`)
  }
}

function note(outcomes: Map<string, Outcome>, test: TestCase): void {
  const [section, mode = 'iptables'] = (test.parent as { name?: string }).name?.split(/ \((?=\w+\)$)|\)$/) ?? []
  const key = `${section}: ${test.name}`
  const outcome = outcomes.get(key) ?? { modes: [], passed: true, errors: [] }
  outcomes.set(key, outcome)
  outcome.modes.push(mode)
  const { state, errors } = test.result()
  if (state === 'passed') return
  outcome.passed = false
  outcome.errors.push(...(errors ?? [{ message: state }]).map(({ message }) => `${mode}: ${message}`))
}

/** Every section's cases as they stand in the list, then how many there are of each kind. */
function table(outcomes: ReadonlyMap<string, Outcome>): string {
  const lines: string[] = []
  const sums = { passed: 0, failed: 0, left: 0 }
  for (const [section, cases] of Object.entries(CASES)) {
    lines.push('', section)
    for (const [name, reason] of Object.entries<string>(cases)) {
      const outcome = outcomes.get(`${section}: ${name}`)
      if (reason !== RUN) {
        sums.left++
        lines.push(`  not run  ${name} - ${reason}`)
      } else if (outcome?.passed === true) {
        sums.passed++
        const more = outcome.modes.filter((mode) => mode !== 'iptables')
        lines.push(`  pass     ${name}${more.length === 0 ? '' : ` (${more.join(', ')} too)`}`)
      } else {
        sums.failed++
        lines.push(`  FAIL     ${name}`)
      }
    }
  }
  const { passed, failed, left } = sums
  lines.push(
    '',
    `${passed} cases pass, ${failed} fail, ${left} are not run and say why; ${passed + failed + left} in all.`,
  )
  return lines.join('\n')
}

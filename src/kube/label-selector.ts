/** Label selectors of workloads, Services and nodes. */
import type { LabelExpression, LabelSelector, Labels } from './objects.ts'

/** An empty selector matches everything, as metav1.LabelSelector does. */
export function selects(selector: LabelSelector, labels: Labels | undefined): boolean {
  return (
    hasLabels(labels, selector.matchLabels ?? {}) && (selector.matchExpressions ?? []).every((e) => holds(e, labels))
  )
}

/** Does it carry all of these? */
export function hasLabels(labels: Labels | undefined, wanted: Labels): boolean {
  return Object.entries(wanted).every(([key, value]) => labels?.[key] === value)
}

export function holds(expression: LabelExpression, labels: Labels | undefined): boolean {
  const value = labels?.[expression.key]
  const values = expression.values ?? []
  switch (expression.operator) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    case 'Gt':
      return value !== undefined && Number(value) > Number(values[0])
    case 'Lt':
      return value !== undefined && Number(value) < Number(values[0])
  }
}

/** A topology's text with other values, as `--set kubeProxy.mode=ipvs` says. */
import { parse, parseDocument } from 'yaml'
import { topologySchema } from './schema.ts'

/** `assignments`: `path=value`; a path that no topology begins with is one below `cluster`. @throws RangeError in words */
export function overridden(text: string, assignments: readonly string[]): string {
  const document = parseDocument(text)
  for (const assignment of assignments) {
    const equals = assignment.indexOf('=')
    if (equals < 1)
      throw new RangeError(`podwire: --set ${assignment}: expected KEY=VALUE, such as kubeProxy.mode=ipvs`)
    const path = assignment.slice(0, equals).split('.')
    const whole = path[0] in topologySchema.shape ? path : ['cluster', ...path]
    document.setIn(whole, parse(assignment.slice(equals + 1)))
  }
  return document.toString()
}

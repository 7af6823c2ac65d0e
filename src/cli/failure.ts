/** How a failure reaches the person at the terminal: bad input as a sentence, our own bugs with their trace. */
import { NetfilterError } from '../netfilter/error.ts'
import type { TopologyError } from '../topology/problem.ts'
import { CaptureInputError } from './capture-input.ts'

/** Writes to standard error; returns the exit code. */
export function reportFailure(error: unknown): number {
  if (error instanceof CaptureInputError) {
    process.stderr.write(`podwire: ${error.message}\n`)
    return 2
  }
  if (isTopologyError(error) || error instanceof NetfilterError || error instanceof RangeError) {
    process.stderr.write(`${error.message}\n`)
    return 2
  }
  const trace = error instanceof Error ? (error.stack ?? error.message) : String(error)
  process.stderr.write(`podwire: this is a bug of podwire, please report it\n${trace}\n`)
  return 3
}

/** The bundled command and the benches beside it have a class of this name each. */
function isTopologyError(error: unknown): error is TopologyError {
  return error instanceof Error && error.name === ('TopologyError' satisfies TopologyError['name'])
}

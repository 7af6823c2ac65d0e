/** How kubectl ends badly: the words on standard error and the exit code. */
import { isApiFailure } from './api.ts'

/** Ends the command: `text` is printed as it is. */
export class Failure extends Error {
  readonly code: number

  constructor(text: string, code = 1) {
    super(text)
    this.name = 'Failure'
    this.code = code
  }
}

/** Several failures of one command, one line each. */
export class Failures extends Error {
  readonly all: readonly unknown[]

  constructor(all: readonly unknown[]) {
    super('several failures')
    this.name = 'Failures'
    this.all = all
  }
}

export function fail(text: string): never {
  throw new Failure(`error: ${text}`)
}

/** cmdutil.UsageErrorf: the sentence, and where help is. */
export function usage(command: string, text: string): never {
  throw new Failure(`error: ${text}\nSee 'kubectl ${command} -h' for help and examples`)
}

export function notModelled(what: string): never {
  throw new Failure(`podwire: ${what} is not modelled`)
}

/** An API failure, told with the file or the act that met it. */
export class Placed extends Error {
  readonly reason: string
  readonly code: number
  readonly original: string

  constructor(place: string, error: { reason: string; code: number; message: string }) {
    super(`${place}: ${error.message}`)
    this.name = 'Placed'
    this.reason = error.reason
    this.code = error.code
    this.original = error.message
  }
}

/** Says where an API failure happened: `error when creating "pod.yaml"`. Other errors pass through. */
export function placed(place: string, error: unknown): unknown {
  return isApiFailure(error) ? new Placed(place, error) : error
}

/** The words for the terminal, without the end of line; null for errors that are not kubectl's. */
export function describeFailure(error: unknown): string | null {
  if (error instanceof Failure) return error.message
  if (error instanceof Failures) {
    const texts = error.all.map(describeFailure)
    if (texts.some((text) => text === null)) return null
    if (texts.length === 1) return texts[0]!
    return texts.map((text) => (text as string).replace(/^error: /, '')).join('\n')
  }
  if (!isApiFailure(error)) return null
  if (error.reason === 'Invalid') return `The ${error instanceof Placed ? error.original : error.message}`
  if (error.reason === 'NotModelled') return error.message
  return `Error from server (${error.reason}): ${error.message}`
}

export function exitCodeOf(error: unknown): number {
  return error instanceof Failure ? error.code : 1
}

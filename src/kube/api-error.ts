/** What the API server answers when it refuses, in Kubernetes' own sentences. */
import { resourceName } from './kinds.ts'

export type ApiReason =
  | 'NotFound'
  | 'AlreadyExists'
  | 'Conflict'
  | 'Invalid'
  | 'BadRequest'
  | 'Forbidden'
  | 'InternalError'
  /** podwire's own: a real API server would take it. */
  | 'NotModelled'

const codes: Readonly<Record<ApiReason, number>> = {
  NotFound: 404,
  AlreadyExists: 409,
  Conflict: 409,
  Invalid: 422,
  BadRequest: 400,
  Forbidden: 403,
  InternalError: 500,
  NotModelled: 501,
}

/** One field that is wrong: `spec.replicas: Invalid value: -1: must be greater than or equal to 0`. */
export interface Cause {
  readonly field: string
  readonly message: string
}

export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly reason: ApiReason
  /** The HTTP status. */
  readonly code: number
  readonly causes: readonly Cause[]

  constructor(reason: ApiReason, message: string, causes: readonly Cause[] = []) {
    super(message)
    this.reason = reason
    this.code = codes[reason]
    this.causes = causes
  }

  static notFound(kind: string, name: string): ApiError {
    return new ApiError('NotFound', `${resourceName(kind)} "${name}" not found`)
  }

  static alreadyExists(kind: string, name: string): ApiError {
    return new ApiError('AlreadyExists', `${resourceName(kind)} "${name}" already exists`)
  }

  static conflict(kind: string, name: string): ApiError {
    const advice = 'the object has been modified; please apply your changes to the latest version and try again'
    return new ApiError('Conflict', `Operation cannot be fulfilled on ${resourceName(kind)} "${name}": ${advice}`)
  }

  /** As kubectl prints it behind its own `The `. */
  static invalid(kind: string, name: string, causes: readonly Cause[]): ApiError {
    const lines = causes.map((cause) => `${cause.field}: ${cause.message}`)
    const text = lines.length === 1 ? lines[0] : lines.map((line) => `\n* ${line}`).join('')
    return new ApiError('Invalid', `${kind} "${name}" is invalid: ${text}`, causes)
  }
}

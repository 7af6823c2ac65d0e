/** What a measuring process is told. */
import type { Effort, Variant } from './measure.ts'

export interface Order {
  /** A point's id. */
  readonly point: string
  readonly variant: Variant
  readonly effort: Effort
}

/** What became of a segment: the reason why it was dropped, or TAKEN. */
import type { DropReason } from '../../link/drop-reason.ts'

/** It did what it came for: its end is a normal one. */
export const TAKEN = -1
export type Verdict = DropReason | typeof TAKEN

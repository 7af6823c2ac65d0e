/** What ip's global options settle before its command begins. */
import type { Netns } from '../../net/netns.ts'
import type { Process } from '../process.ts'

export interface IpContext {
  readonly self: Process
  /** Where it looks: `-n NAME`, or the process's own. */
  readonly netns: Netns
  readonly details: boolean
  /** How often `-s` was said. */
  readonly statistics: number
  readonly brief: boolean
  readonly json: boolean
  readonly pretty: boolean
  /** `-o`: one line for each record. */
  readonly oneline: boolean
}

/** Joins the lines of one record, with `\\` for line ends when there may be only one line. */
export function record(context: IpContext, lines: readonly string[]): string {
  return `${lines.join(context.oneline ? '\\' : '\n')}\n`
}

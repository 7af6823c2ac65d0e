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
  /** `-t` or `-ts`: `ip monitor` says when. */
  readonly timestamp: 'long' | 'short' | null
  /** `-4`, `-6`: nothing of the other family. */
  readonly family: 'inet' | 'inet6' | null
  /** `-h`: numbers as 1.50M, with `-iec` in powers of 1024. */
  readonly human: 'si' | 'iec' | null
  /** `-a`: all namespaces. */
  readonly everywhere: boolean
}

/** Joins the lines of one record, with `\\` for line ends when there may be only one line. */
export function record(context: IpContext, lines: readonly string[]): string {
  return `${lines.join(context.oneline ? '\\' : '\n')}\n`
}

/**
 * How a rule failed. `usage`: the text is wrong (exit code 2). `kernel`: the rule set says no, in a sentence that
 * ends in a full stop (1). `batch`: nf_tables refused a rule that iptables itself let pass (4). `bare`: usage, but
 * printed without the program's name. `table`: there is no such table (3). `foreign`: no such chain to be listed (1).
 */
export type FailureKind = 'usage' | 'kernel' | 'batch' | 'bare' | 'table' | 'foreign'

/** What is wrong with a rule text: one sentence in iptables' words, and the line of the file it stands on. */
export class NetfilterError extends Error {
  /** From 1; 0 when the rule came from a command and not from a file. */
  line = 0
  readonly sentence: string
  readonly kind: FailureKind

  constructor(sentence: string, kind: FailureKind = 'usage') {
    super(sentence)
    this.name = 'NetfilterError'
    this.sentence = sentence
    this.kind = kind
  }

  /** Says on which line it happened; the first to say so is right. */
  at(line: number): this {
    if (this.line === 0) {
      this.line = line
      this.message = `line ${line}: ${this.sentence}`
    }
    return this
  }
}

/** The kernel's own check of a rule failed: the command that carried the rule says which it was. */
export class RuleRefused extends Error {
  readonly reason: string
  /** What the kernel's log says of it; empty: nothing. */
  readonly log: string

  constructor(log = '', reason = 'Invalid argument') {
    super(reason)
    this.reason = reason
    this.log = log
  }
}

/** An option without which the extension means nothing (xtables_option_fcheck). */
export function missingOption(extension: string, option: string): NetfilterError {
  return new NetfilterError(`${extension}: option "${option}" must be specified\n`)
}

/** A number that is none, or lies outside of what the option takes. */
export function badValue(
  extension: string,
  option: string,
  low: number,
  high: number | string,
  near = '',
): NetfilterError {
  const where = near === '' ? '' : ` near "${near}"`
  return new NetfilterError(
    `${extension}: bad value for option "${option}"${where}, or out of range (${low}-${high}).\n`,
  )
}

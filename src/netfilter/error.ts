/** What is wrong with a rule text: one sentence, and the line of the file it stands on. */
export class NetfilterError extends Error {
  /** From 1; 0 when the rule came from a command and not from a file. */
  line = 0
  readonly sentence: string

  constructor(sentence: string) {
    super(sentence)
    this.name = 'NetfilterError'
    this.sentence = sentence
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

/** What is wrong with a command, and where it stands: nft shows the line and underlines the place. */
export interface Source {
  /** `/dev/stdin`, a file, or empty for the command line. */
  readonly name: string
  readonly text: string
}

export class NftError extends Error {
  readonly sentence: string
  readonly source: Source | null
  readonly start: number
  readonly end: number
  /** Another place that belongs to it, underlined by `~`. */
  readonly beside: readonly [number, number] | null

  constructor(
    sentence: string,
    source: Source | null = null,
    start = 0,
    end = 0,
    beside: readonly [number, number] | null = null,
  ) {
    super(sentence)
    this.name = 'NftError'
    this.sentence = sentence
    this.source = source
    this.start = start
    this.end = end
    this.beside = beside
  }

  /** As `nft` prints it (erec_print). */
  get text(): string {
    if (this.source === null) return `${this.sentence}\n`
    const { name, text } = this.source
    const begin = text.lastIndexOf('\n', this.start - 1) + 1
    const stop = text.indexOf('\n', begin)
    const line = text.slice(begin, stop < 0 ? text.length : stop)
    const column = this.start - begin
    const last = Math.max(column, Math.min(this.end - begin, line.length + 1) - 1)
    const marks: string[] = Array.from({ length: last + 1 }, (_, i) => (line[i] === '\t' ? '\t' : ' '))
    const { beside } = this
    if (beside !== null && beside[0] >= begin && beside[1] - begin <= line.length) {
      while (marks.length < beside[1] - begin) marks.push(' ')
      for (let i = beside[0] - begin; i < beside[1] - begin; i++) marks[i] = '~'
    }
    for (let i = column; i <= last; i++) marks[i] = '^'
    const number = text.slice(0, begin).split('\n').length
    const place = name === '' ? '' : `${name}:${number}:${column + 1}-${last + 1}: `
    return `${place}Error: ${this.sentence}\n${line}\n${marks.join('')}\n`
  }
}

/** The kernel's refusals (nfnetlink answers with an errno; nft says its sentence). */
export const Refusal = {
  NO_ENTRY: 'No such file or directory',
  EXISTS: 'File exists',
  BUSY: 'Device or resource busy',
  INVALID: 'Invalid argument',
  UNSUPPORTED: 'Operation not supported',
  LOOP: 'Too many links',
  FULL: 'Too many open files in system',
} as const

/** A refusal on its way to the command that says where it belongs. */
export class NftRefused extends Error {
  readonly reason: string
  /** What of the command is underlined. */
  readonly what: 'all' | 'table' | 'chain' | 'name' | 'position' | 'element'

  constructor(reason: string, what: NftRefused['what'] = 'name') {
    super(reason)
    this.reason = reason
    this.what = what
  }
}

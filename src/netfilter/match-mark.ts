/** Matches on the packet's and the flow's mark, and the one that matches everything: the comment. */

import { missingOption, NetfilterError } from './error.ts'
import { bang, Match } from './match.ts'
import type { Packet } from './packet.ts'
import { formatMasked, parseMasked, quote, refuseNot, type Words } from './words.ts'

/** `-m comment --comment "text"` */
export class CommentMatch extends Match {
  readonly name = 'comment'
  text = ''
  #given = false

  override get shareable(): boolean {
    return true
  }

  override option(name: string, words: Words, not: boolean): boolean {
    if (name !== '--comment') return false
    refuseNot(not, name, 'comment')
    if (this.#given) throw new NetfilterError('comment: option "--comment" can only be used once.\n')
    this.text = words.value(name)
    this.#given = true
    if (this.text.length > 255) {
      throw new NetfilterError(
        `comment: bad value for option "--comment" near "${this.text}", or out of range (length 0-255).\n`,
      )
    }
    return true
  }

  override check(): void {
    if (!this.#given) throw missingOption('comment', '--comment')
  }

  override test(): boolean {
    return true
  }

  override save(): string {
    return `--comment ${quote(this.text)}`
  }

  override list(): string {
    return `/* ${this.text} */`
  }
}

/** `-m mark --mark value/mask`, and `-m connmark` for the flow's mark. */
export class MarkMatch extends Match {
  readonly name: 'mark' | 'connmark'
  #ofFlow: boolean
  not = false
  value = 0
  mask = -1
  #given = false

  constructor(name: 'mark' | 'connmark') {
    super()
    this.name = name
    this.#ofFlow = name === 'connmark'
  }

  override get steady(): boolean {
    return !this.#ofFlow
  }

  /** Nothing but the packet's mark is asked for: the rule tests it by itself. */
  get onlyPacket(): boolean {
    return !this.#ofFlow && this.mask !== 0
  }

  override get tracks(): boolean {
    return this.#ofFlow
  }

  override get shareable(): boolean {
    return true
  }

  override option(name: string, words: Words, not: boolean): boolean {
    if (name !== '--mark') return false
    const [value, mask] = parseMasked(words.value(name), name)
    this.value = value
    this.mask = mask
    this.not = not
    this.#given = true
    return true
  }

  override check(): void {
    if (!this.#given) throw missingOption(this.name, '--mark')
  }

  override test(packet: Packet): boolean {
    let mark = packet.frame.mark
    if (this.#ofFlow) {
      const flow = packet.flow
      if (flow === null) return false
      mark = flow.mark
    }
    return ((mark & this.mask) === this.value) !== this.not
  }

  override save(): string {
    return `${bang(this.not)}--mark ${formatMasked(this.value, this.mask)}`
  }

  override list(): string {
    const not = this.not ? '! ' : this.#ofFlow ? ' ' : ''
    return `${this.name} match ${not}${formatMasked(this.value, this.mask)}`
  }
}

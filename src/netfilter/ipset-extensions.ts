/** The words behind an element: timeout, counters, comment, nomatch. */
import { IpSet, type ListSet } from './ipset.ts'
import { SetError } from './ipset-element.ts'
import type { Words } from './words.ts'

export type Change = 'add' | 'del' | 'test'

export function number(words: Words, option: string, most = 0xffffffff): number {
  if (!words.left) throw new SetError(`Missing mandatory argument of option \`${option}'`, true)
  const text = words.next()
  if (!/^(0x[0-9a-f]+|[0-9]+)$/i.test(text)) throw new SetError(`Syntax error: '${text}' is invalid as number`)
  if (Number(text) > most) throw new SetError(`Syntax error: '${text}' is out of range 0-${most}`)
  return Number(text)
}

export function elementExtensions(set: IpSet | ListSet, words: Words, what: Change) {
  const found = { timeout: null as number | null, nomatch: false, packets: 0, bytes: 0, comment: '' }
  const { timeout, counters, comment } = set.options
  while (words.left) {
    const option = words.next()
    if (what !== 'add' && option !== 'nomatch') throw new SetError(`Unknown argument: \`${option}'`, true)
    if (option === 'timeout') {
      found.timeout = number(words, option, 2_147_483)
      if (timeout === null) throw new SetError('Timeout cannot be used: set was created without timeout support')
    } else if (option === 'nomatch' && set instanceof IpSet && set.nets) found.nomatch = true
    else if (option === 'packets' || option === 'bytes') {
      found[option] = number(words, option, Number.MAX_SAFE_INTEGER)
      if (!counters) {
        throw new SetError('Packet/byte counters cannot be used: set was created without counter support')
      }
    } else if (option === 'comment') {
      found.comment = words.next()
      if (!comment) throw new SetError('Comment cannot be used: set was created without comment support')
    } else if (option.startsWith('skb')) {
      throw new SetError('Skbinfo mapping cannot be used: set was created without skbinfo support')
    } else throw new SetError(`Unknown argument: \`${option}'`, true)
  }
  return found
}

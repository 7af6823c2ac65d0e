/** Lists of sets: what `ipset add`, `del` and `test` do to them. */
import { type IpSets, ListEntry, ListSet } from './ipset.ts'
import type { Answer } from './ipset-answer.ts'
import { SetError } from './ipset-element.ts'
import { type Change, elementExtensions } from './ipset-extensions.ts'
import type { Words } from './words.ts'

const SECOND = 1_000_000_000

/** `NAME [before|after NAME] [timeout N …]` */
export function changeList(
  sets: IpSets,
  what: Change,
  name: string,
  list: ListSet,
  text: string,
  words: Words,
  exist: boolean,
  answer: Answer,
): void {
  if (text.includes(',')) throw new SetError('you must specify elements as setname,[before|after],setname')
  const now = sets.now()
  list.expire(now)
  const side = words.peek() === 'before' || words.peek() === 'after' ? words.next() : ''
  if (side !== '' && !words.left) throw new SetError(`Missing mandatory argument of option \`${side}'`, true)
  const beside = side === '' ? null : words.next()
  const extra = elementExtensions(list, words, what)
  const place = sets.find(text)
  if (what === 'test') return test(sets, name, list, text, side, beside, answer)
  if (place === null) throw new SetError('Set to be added/deleted/tested as element does not exist.')
  if (place.set instanceof ListSet) throw new SetError('Sets with list:set type cannot be added to the set.')
  const neighbour = beside === null ? null : sets.find(beside)
  const at = neighbour === null ? -1 : list.indexOf(neighbour)
  if (beside !== null && at < 0) {
    throw new SetError("The set to which you referred with 'before' or 'after' does not exist.")
  }
  const present = list.indexOf(place)
  if (what === 'del') {
    const stands = beside === null || present === (side === 'before' ? at - 1 : at + 1)
    if (present >= 0 && stands) list.entries.splice(present, 1)
    else if (!exist) throw new SetError("Element cannot be deleted from the set: it's not added")
    return
  }
  if (present >= 0 && !exist) throw new SetError("Element cannot be added to the set: it's already added")
  // One that is there keeps its place.
  const entry = present >= 0 ? list.entries[present] : new ListEntry(place)
  const timeout = extra.timeout ?? list.options.timeout ?? 0
  entry.expires = timeout === 0 ? 0 : now + timeout * SECOND
  entry.packets = extra.packets
  entry.bytes = extra.bytes
  entry.comment = extra.comment
  if (present >= 0) return
  if (at < 0) list.entries.push(entry)
  else list.entries.splice(side === 'before' ? at : at + 1, 0, entry)
}

function test(
  sets: IpSets,
  name: string,
  list: ListSet,
  text: string,
  side: string,
  beside: string | null,
  answer: Answer,
): void {
  const place = sets.find(text)
  const present = place === null ? -1 : list.indexOf(place)
  let inside = present >= 0
  if (inside && beside !== null) {
    const neighbour = list.entries[side === 'before' ? present + 1 : present - 1]
    inside = neighbour !== undefined && neighbour.place.name === beside
  }
  // ipset itself says `after`, whatever was asked.
  const spelled = beside === null ? text : `${text} after ${beside}`
  answer.err += inside ? `Warning: ${spelled} is in set ${name}.\n` : `${spelled} is NOT in set ${name}.\n`
  if (!inside) answer.code = 1
}

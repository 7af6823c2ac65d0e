/** `--ring files:5,filesize:1000`: the words of dumpcap's `-b`, and what it says about wrong ones. */
import type { RingSettings } from '../capture/rotation.ts'
import { SECOND } from '../sim/scheduler.ts'

const FOREVER = Number.POSITIVE_INFINITY

/** What each word counts, for sentences. */
const words: Readonly<Record<string, string>> = {
  files: 'number of ring buffer files',
  filesize: 'ring buffer filesize',
  duration: 'ring buffer duration',
  interval: 'ring buffer interval',
  packets: 'ring buffer packet count',
}

/** @throws RangeError in dumpcap's words. */
export function parseRing(text: string): RingSettings {
  const found = new Map<string, number>()
  for (const part of text.split(',')) {
    const colon = part.indexOf(':')
    const word = part.slice(0, Math.max(colon, 0))
    if (!Object.hasOwn(words, word)) throw new RangeError(`Invalid or unknown --ring word ${JSON.stringify(part)}`)
    found.set(word, amount(words[word], part.slice(colon + 1), word === 'duration'))
  }
  const files = found.get('files') ?? FOREVER
  if (files >= 100_000 && files !== FOREVER)
    throw new RangeError('The number of ring buffer files must be less than 100000')
  if (found.size === Number(found.has('files'))) {
    throw new RangeError(
      'Ring buffer requested, but no maximum capture file size, duration, interval, or packets were specified.',
    )
  }
  return {
    files,
    size: (found.get('filesize') ?? FOREVER) * 1000,
    duration: (found.get('duration') ?? FOREVER) * SECOND,
    interval: found.get('interval') ?? FOREVER,
    packets: found.get('packets') ?? FOREVER,
  }
}

function amount(what: string, text: string, fractions: boolean): number {
  if (/^-[0-9]+$/.test(text)) throw new RangeError(`The specified ${what} "${text}" is a negative number`)
  const valid = fractions ? /^[0-9]+(\.[0-9]+)?$/ : /^[0-9]+$/
  if (!valid.test(text)) throw new RangeError(`The specified ${what} "${text}" isn't a decimal number`)
  if (Number(text) === 0) throw new RangeError(`The specified ${what} is zero`)
  return Number(text)
}

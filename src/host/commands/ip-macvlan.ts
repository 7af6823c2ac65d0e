/** The words of `type macvlan`. */
import { MacvlanMode } from '../../link/macvlan.ts'
import { notModelled, ToolError, type Words } from './ip-words.ts'

const MACVLAN_USAGE = `Usage: ... macvlan mode MODE [flag MODE_FLAG] MODE_OPTS [bcqueuelen BC_QUEUE_LEN]

MODE: private | vepa | bridge | passthru | source
MODE_FLAG: null | nopromisc | nodst
MODE_OPTS: for mode "source":
	macaddr { { add | del } <macaddr> | set [ <macaddr> [ <macaddr>  ... ] ] | flush }
BC_QUEUE_LEN: Length of the rx queue for broadcast/multicast: [0-4294967295]`

function takeMode(words: Words): MacvlanMode {
  const mode = words.take()
  if (mode === 'source') throw notModelled('ip link type macvlan mode source')
  if (!(mode in MacvlanMode)) {
    throw new ToolError(
      `Error: argument of "mode" must be "private", "vepa", "bridge", "passthru" or "source", not "${mode}"`,
      1,
    )
  }
  return mode as MacvlanMode
}

export function takeMacvlanMode(words: Words): MacvlanMode | null {
  let mode: MacvlanMode | null = null
  while (!words.done) {
    const word = words.take()
    if (word === 'mode') mode = takeMode(words)
    else if (word === 'nopromisc' && mode !== 'passthru') {
      throw new ToolError('macvlan: nopromisc flag only valid in passthru mode', 255)
    } else if (['flag', 'nopromisc', 'nodst', 'macaddr', 'bcqueuelen', 'bclim'].includes(word)) {
      throw notModelled(`ip link type macvlan ${word}`)
    } else throw new ToolError(`macvlan: unknown option "${word}"?\n${MACVLAN_USAGE}`, 255)
  }
  return mode
}

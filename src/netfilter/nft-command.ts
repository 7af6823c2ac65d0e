/** `nft` behind its options: one batch of commands, done as a whole or not at all. */
import { settleCounters } from '../link/account.ts'
import type { NetDevice } from '../link/device.ts'
import { NftCommands } from './nft-commands.ts'
import { NftError, NftRefused, type Source } from './nft-error.ts'
import type { Token } from './nft-lexer.ts'
import type { NftRuleset } from './nft-ruleset.ts'
import type { PrintOptions } from './nft-value-text.ts'

export interface NftRequest {
  /** Empty for the command line, else the file the text is from. */
  readonly name: string
  readonly text: string
  /** -c: everything is checked, nothing is done. */
  readonly check?: boolean
  readonly echo?: boolean
  readonly handles?: boolean
  readonly stateless?: boolean
  readonly terse?: boolean
  readonly numericPriority?: boolean
  /** -D name=value */
  readonly defines?: readonly string[]
}

export interface NftAnswer {
  readonly out: string
  readonly err: string
  readonly code: number
}

/** What rules name and print of the namespace. */
export interface NftPlace {
  readonly now: () => number
  readonly devices: () => Iterable<NetDevice>
}

export function nft(rules: NftRuleset, place: NftPlace, request: NftRequest): NftAnswer {
  settleCounters()
  const options: PrintOptions = {
    handles: request.handles === true,
    stateless: request.stateless === true,
    terse: request.terse === true,
    numericPriority: request.numericPriority === true,
    now: place.now(),
    deviceName: (index) => find(place, (device) => device.index === index)?.name ?? null,
  }
  // nft ends the words of its command line with a line's end.
  const source: Source = { name: request.name, text: request.name === '' ? `${request.text}\n` : request.text }
  try {
    const commands = new NftCommands(source, definitions(request.defines ?? []))
    commands.rules = rules
    commands.options = options
    commands.printing = options
    commands.now = place.now
    commands.deviceIndex = (name) => find(place, (device) => device.name === name)?.index ?? null
    if (request.echo === true) commands.echo = options
    commands.run()
    try {
      rules.commit(request.check !== true)
    } catch (error) {
      if (error instanceof NftRefused) throw commands.refusedBatch(error)
      throw error
    }
    return { out: commands.out + commands.told + commands.echoed, err: '', code: 0 }
  } catch (error) {
    rules.abort()
    if (!(error instanceof NftError)) throw error
    const unknown = error.sentence.startsWith('podwire: ')
    return { out: '', err: error.text, code: unknown ? 2 : 1 }
  }
}

function find(place: NftPlace, which: (device: NetDevice) => boolean): NetDevice | null {
  for (const device of place.devices()) if (which(device)) return device
  return null
}

function definitions(words: readonly string[]): Map<string, readonly Token[]> {
  const defines = new Map<string, readonly Token[]>()
  for (const word of words) {
    const at = word.indexOf('=')
    const text = word.slice(at + 1)
    const kind = /^[0-9]+$/.test(text) ? 'number' : /^[0-9.]+$/.test(text) ? 'address' : 'word'
    if (at > 0) defines.set(word.slice(0, at), [{ kind, text, start: 0, end: 0 }])
  }
  return defines
}

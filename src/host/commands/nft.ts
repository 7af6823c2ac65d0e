/** nft 1.0.6: nf_tables' own command, in front of the namespace's netfilter. */
import type { NftRequest } from '../../netfilter/netfilter.ts'
import { getopt, has, type Options } from '../getopt.ts'
import type { Process, Program } from '../process.ts'
import { printed } from './ip-words.ts'
import { NFT_HELP } from './nft-help.ts'

const LONG = {
  help: 'h',
  version: 'v',
  file: 'f:',
  define: 'D:',
  interactive: 'i',
  includepath: 'I:',
  check: 'c',
  optimize: 'o',
  handle: 'a',
  stateless: 's',
  terse: 't',
  service: 'S',
  reversedns: 'N',
  guid: 'u',
  numeric: 'n',
  'numeric-priority': 'y',
  'numeric-protocol': 'p',
  'numeric-time': 'T',
  echo: 'e',
  json: 'j',
  debug: 'd:',
}
/** Options that nft has and podwire does not. */
const UNKNOWN: Readonly<Record<string, string>> = { j: 'j', i: 'i', o: 'o', d: 'd', S: 'S', N: 'N', V: 'V', I: 'I' }
const STDIN = '/dev/stdin'

export const nft: Program = async (self) => {
  const found = getopt(self.args.slice(1), 'hvVf:D:iI:coastSNunypTejd:', LONG, false)
  if (found.problem !== null) {
    const { kind, option } = found.problem
    const letter = option.replace(/^-+/, '')
    const long = option.startsWith('--')
    if (kind === 'missing') self.err(`nft: option requires an argument -- '${letter}'\n`)
    else self.err(long ? `nft: unrecognized option '${option}'\n` : `nft: invalid option -- '${letter}'\n`)
    return 1
  }
  if (has(found, 'h')) return printed(self, NFT_HELP)
  if (has(found, 'v')) return printed(self, 'nftables v1.0.6 (Lester Gooch #5)\n')
  const unknown = Object.keys(UNKNOWN).find((letter) => has(found, letter))
  if (unknown !== undefined) {
    self.err(`podwire: nft -${UNKNOWN[unknown]} is not modelled\n`)
    return 2
  }
  const options = {
    check: has(found, 'c'),
    echo: has(found, 'e'),
    handles: has(found, 'a'),
    stateless: has(found, 's'),
    terse: has(found, 't'),
    numericPriority: has(found, 'y') || has(found, 'n'),
    defines: valuesOf(found, 'D'),
  }
  const [file] = valuesOf(found, 'f').slice(-1)
  if (file === undefined) {
    if (found.rest.length > 0) return run(self, { ...options, name: '', text: found.rest.join(' ') })
    self.err(NFT_HELP)
    return 1
  }
  const read = file === '-' || file === STDIN
  const text = read ? await self.stdin.readAll() : self.place.files.get(file)
  if (text !== undefined) return run(self, { ...options, name: read ? STDIN : file, text })
  self.err(`internal:0:0-0: Error: Could not open file "${file}": No such file or directory\n\n\n`)
  return 1
}

function run(self: Process, request: NftRequest): number {
  const { netns } = self
  const answer = netns.netfilter.runNft(request, () => netns.devices.values())
  if (answer.out !== '') self.out(answer.out)
  if (answer.err !== '') self.err(answer.err)
  const lists = /^\s*list\s+(ruleset|tables|chains)\b/.test(request.text)
  if (lists && netns.netfilter.rules.list().length > 0) {
    self.err("# podwire: iptables' tables are not shown here, see iptables-save\n")
  }
  return answer.code
}

/** Every value of an option that may be given more than once. */
function valuesOf({ options }: Options, name: string): string[] {
  return options.filter(([option]) => option === name).map(([, value]) => value)
}

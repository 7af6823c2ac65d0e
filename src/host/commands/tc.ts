/** tc(8) of iproute2 6.1: queueing disciplines at a device's egress. Classes and filters are not modelled. */
import type { Process } from '../process.ts'
import { namespaceNamed } from './ip-netns.ts'
import { abbreviation, notModelled, printed, ToolError, tool, Words } from './ip-words.ts'
import { type TcContext, tcQdisc } from './tc-qdisc.ts'

const VERSION = 'tc utility, iproute2-6.1.0, libbpf 1.1.2'

const USAGE = `Usage:	tc [ OPTIONS ] OBJECT { COMMAND | help }
	tc [-force] -batch filename
where  OBJECT := { qdisc | class | filter | chain |
		    action | monitor | exec }
       OPTIONS := { -V[ersion] | -s[tatistics] | -d[etails] | -r[aw] |
		    -o[neline] | -j[son] | -p[retty] | -c[olor]
		    -b[atch] [filename] | -n[etns] name | -N[umeric] |
		     -nm | -nam[es] | { -cf | -conf } path
		     -br[ief] }
`

interface Settings {
  statistics: boolean
  details: boolean
  json: boolean
  pretty: boolean
  oneline: boolean
  namespace: string | null
}

export const tc = tool(async (self) => {
  const words = new Words(self.args.slice(1))
  const settings: Settings = {
    statistics: false,
    details: false,
    json: false,
    pretty: false,
    oneline: false,
    namespace: null,
  }
  while (words.peek.startsWith('-')) {
    const answer = takeOption(words, settings)
    if (answer !== null) return printed(self, answer)
  }
  if (words.done) return printed(self, USAGE)
  const netns = settings.namespace === null ? self.netns : namespaceNamed(self, settings.namespace)
  return dispatch({ self, netns, ...settings }, words, self)
})

/** What to print instead of running; null to go on. */
function takeOption(words: Words, settings: Settings): string | null {
  const given = words.take()
  const option = given.startsWith('--') ? given.slice(1) : given
  switch (
    abbreviation(
      option,
      '-stats',
      '-statistics',
      '-details',
      '-raw',
      '-pretty',
      '-graph',
      '-Version',
      '-iec',
      '-help',
      '-force',
      '-batch',
      '-netns',
      '-Numeric',
      '-names',
      '-timestamp',
      '-tshort',
      '-json',
      '-oneline',
      '-color',
      '-brief',
    )
  ) {
    case '-stats':
    case '-statistics':
      settings.statistics = true
      return null
    case '-details':
      settings.details = true
      return null
    case '-pretty':
      settings.pretty = true
      return null
    case '-json':
      settings.json = true
      return null
    case '-oneline':
      settings.oneline = true
      return null
    case '-netns':
      settings.namespace = words.take()
      return null
    case '-brief':
    case '-Numeric':
    case '-color':
      return null
    case '-Version':
      return `${VERSION}\n`
    case '-help':
      return USAGE
    case null:
      throw new ToolError(`Option "${given}" is unknown, try "tc -help".`, 255)
    default:
      throw notModelled(`tc ${given}`)
  }
}

function dispatch(context: TcContext, words: Words, self: Process): number {
  const word = words.take()
  const object = abbreviation(word, 'qdisc', 'class', 'filter', 'chain', 'actions', 'monitor', 'exec', 'help')
  if (object === 'qdisc') return tcQdisc(context, words)
  if (object === 'help') return printed(self, USAGE)
  if (object === null) throw new ToolError(`Object "${word}" is unknown, try "tc help".`, 255)
  throw notModelled(`tc ${object}`)
}

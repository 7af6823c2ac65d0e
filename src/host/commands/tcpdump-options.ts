/** tcpdump's command line (tcpdump(1), 4.99.3). */
import { SNAPLEN } from '../../capture/capture-file.ts'
import { getopt, has, type Options, valueOf } from '../getopt.ts'
import { ToolError } from './ip-words.ts'
import type { DumpStyle } from './tcpdump-text.ts'

const short = 'i:nc:evw:r:tSps:Q:DAxXlUKB:Z:qG:C:W:F:LE:M:dT:y:bHIJj:#V:z:OfNhu'
const long: Readonly<Record<string, string>> = {
  interface: 'i:',
  count: 'count',
  print: 'print',
  'absolute-tcp-sequence-numbers': 'S',
  'no-promiscuous-mode': 'p',
  direction: 'Q:',
  number: '#',
  'list-interfaces': 'D',
  'list-data-link-types': 'L',
  linktype: 'y:',
  'buffer-size': 'B:',
  'dont-verify-checksums': 'K',
  'relinquish-privileges': 'Z:',
  'snapshot-length': 's:',
  version: 'version',
  help: 'h',
  'immediate-mode': 'immediate',
  'packet-buffered': 'U',
  nano: 'nano',
  micro: 'micro',
  'time-stamp-precision': 'precision:',
  'time-stamp-type': 'j:',
  'list-time-stamp-types': 'J',
  'monitor-mode': 'I',
}

/** Options whose meaning podwire lacks. */
const missing = ['G', 'C', 'W', 'E', 'M', 'd', 'T', 'b', 'H', 'I', 'J', 'j', 'V', 'z', 'f', 'u']

export const VERSION = 'tcpdump version 4.99.3\nlibpcap version 1.10.3 (with TPACKET_V3)\nOpenSSL 3.0.19 27 Jan 2026\n'
export const USAGE = `${VERSION}Usage: tcpdump [-AbdDefhHIJKlLnNOpqStuUvxX#] [ -B size ] [ -c count ] [--count]
\t\t[ -C file_size ] [ -E algo:secret ] [ -F file ] [ -G seconds ]
\t\t[ -i interface ] [ --immediate-mode ] [ -j tstamptype ]
\t\t[ -M secret ] [ --number ] [ --print ] [ -Q in|out|inout ]
\t\t[ -r file ] [ -s snaplen ] [ -T type ] [ --version ]
\t\t[ -V file ] [ -w file ] [ -W filecount ] [ -y datalinktype ]
\t\t[ --time-stamp-precision precision ] [ --micro ] [ --nano ]
\t\t[ -z postrotate-command ] [ -Z user ] [ expression ]
`

export interface DumpSettings {
  readonly task: 'capture' | 'devices' | 'link-types' | 'version' | 'help'
  readonly device: string | null
  readonly read: string | null
  readonly write: string | null
  /** Text too, though a file is written. */
  readonly print: boolean
  /** `--count`: only how many there were. */
  readonly counting: boolean
  readonly direction: 'in' | 'out' | 'inout'
  readonly promiscuous: boolean
  readonly limit: number
  readonly snaplen: number
  readonly filterFile: string | null
  readonly expression: string
  readonly style: DumpStyle
}

/** @throws ToolError with tcpdump's own sentence. */
export function takeSettings(args: readonly string[]): DumpSettings {
  const found = getopt(args, short, long)
  if (found.problem !== null) {
    const { kind, option } = found.problem
    const letter = option.slice(1)
    let sentence = `invalid option -- '${letter}'`
    if (option.startsWith('--'))
      sentence = kind === 'missing' ? `option '${option}' requires an argument` : `unrecognized option '${option}'`
    else if (kind === 'missing') sentence = `option requires an argument -- '${letter}'`
    throw new ToolError(`tcpdump: ${sentence}\n${USAGE.trimEnd()}`, 1)
  }
  for (const option of missing)
    if (has(found, option)) throw new ToolError(`podwire: tcpdump -${option} is not modelled`, 2)
  const direction = valueOf(found, 'Q') ?? 'inout'
  if (direction !== 'in' && direction !== 'out' && direction !== 'inout')
    throw new ToolError(`tcpdump: unknown capture direction \`${direction}'`, 1)
  const linkType = valueOf(found, 'y')
  if (linkType !== null && !/^(EN10MB|LINUX_SLL2?|DOCSIS)$/i.test(linkType))
    throw new ToolError(`tcpdump: invalid data link type ${linkType}`, 1)
  if (linkType !== null && !/^EN10MB$/i.test(linkType) && !has(found, 'r'))
    throw new ToolError(`podwire: tcpdump -y ${linkType} is not modelled`, 2)
  return {
    task: takeTask(found),
    device: valueOf(found, 'i'),
    read: valueOf(found, 'r'),
    write: valueOf(found, 'w'),
    print: has(found, 'print'),
    counting: has(found, 'count'),
    direction,
    promiscuous: !has(found, 'p'),
    limit: takeCount(valueOf(found, 'c')),
    snaplen: takeSnaplen(valueOf(found, 's')),
    filterFile: valueOf(found, 'F'),
    expression: found.rest.join(' '),
    style: takeStyle(found),
  }
}

function takeTask(found: Options): DumpSettings['task'] {
  if (has(found, 'version')) return 'version'
  if (has(found, 'h')) return 'help'
  if (has(found, 'D')) return 'devices'
  return has(found, 'L') ? 'link-types' : 'capture'
}

function takeStyle(found: Options): DumpStyle {
  const times = (option: string) => found.options.filter(([each]) => each === option).length
  const precision = valueOf(found, 'precision')
  if (precision !== null && !['nano', 'micro'].includes(precision))
    throw new ToolError(`tcpdump: unable to set time stamp precision: ${precision}`, 1)
  // Of -X, -x and -A, tcpdump asks in this order which one was given.
  const letter = ['A', 'x', 'X'].find((each) => has(found, each)) ?? ''
  return {
    numbered: has(found, '#'),
    time: times('t'),
    nanos: has(found, 'nano') || precision === 'nano',
    link: has(found, 'e'),
    verbose: times('v'),
    quick: has(found, 'q'),
    unchecked: has(found, 'K'),
    absolute: has(found, 'S'),
    bytes: letter.repeat(times(letter)),
  }
}

function takeCount(text: string | null): number {
  if (text === null) return Number.POSITIVE_INFINITY
  if (!/^\+?[0-9]*[1-9][0-9]*$/.test(text)) throw new ToolError(`tcpdump: invalid packet count ${text}`, 1)
  return Number(text)
}

function takeSnaplen(text: string | null): number {
  if (text === null) return SNAPLEN
  const length = /^(0x[0-9a-f]+|[0-9]+)$/i.test(text) ? Number(text) : -1
  if (length < 0 || length > SNAPLEN)
    throw new ToolError(`tcpdump: invalid snaplen ${text} (must be >= 0 and <= ${SNAPLEN})`, 1)
  return length === 0 ? SNAPLEN : length
}

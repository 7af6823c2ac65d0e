/** The command line of Debian's traceroute 2.1, read and refused as its libsupp does. */

/** Options that podwire's traceroute has, and what the complaint about a missing value calls it. */
const values: Readonly<Record<string, string>> = {
  f: 'first_ttl',
  m: 'max_ttl',
  N: 'squeries',
  p: 'port',
  q: 'nqueries',
  s: 'src_addr',
  t: 'tos',
  w: 'MAX,HERE,NEAR',
}

/** Options of the real one that podwire's does not have. */
const missing = 'dTreAUD6gizlMOP'

const long: Readonly<Record<string, string>> = {
  first: 'f',
  icmp: 'I',
  'dont-fragment': 'F',
  'max-hops': 'm',
  port: 'p',
  queries: 'q',
  'sim-queries': 'N',
  source: 's',
  tos: 't',
  version: 'V',
  wait: 'w',
}

const longMissing = [
  ...['debug', 'gateway', 'tcp', 'interface', 'flowlabel', 'sendwait'],
  ...['extensions', 'as-path-lookups', 'module', 'options', 'sport', 'fwmark', 'udp', 'dccp', 'protocol', 'mtu'],
  ...['back', 'help'],
]

export interface TracerouteOptions {
  readonly host: string
  /** Where the host stands in the command line. */
  readonly hostAt: number
  readonly byIcmp: boolean
  readonly numeric: boolean
  readonly first: number
  readonly hops: number
  readonly queries: number
  readonly simultaneous: number
  /** Null without -p. */
  readonly port: number | null
  /** Seconds. */
  readonly wait: number
  /** Of the whole IP packet. */
  readonly size: number
  readonly dontFragment: boolean
  readonly tos: number
  /** Null without -s; a name, and where it stands in the command line. */
  readonly source: { readonly name: string; readonly at: number } | null
  /** -V: nothing else is done. */
  readonly version: boolean
}

export const NOTHING: TracerouteOptions = {
  host: '',
  hostAt: 0,
  byIcmp: false,
  numeric: false,
  first: 1,
  hops: 30,
  queries: 3,
  simultaneous: 16,
  port: null,
  wait: 5,
  size: 60,
  dontFragment: false,
  tos: 0,
  source: null,
  version: false,
}

/** A sentence instead when the command line is refused (exit 2). */
export function tracerouteOptions(args: readonly string[]): TracerouteOptions | string {
  const given = new Map<string, number>()
  const operands: { text: string; at: number }[] = []
  let wait = 5
  let source: TracerouteOptions['source'] = null
  let ended = false

  /** What is wrong with the value. */
  const take = (name: string, shown: string, text: string, at: number): string | null => {
    if (name === 's') {
      source = { name: text, at }
      return null
    }
    const parts = name === 'w' ? text.split(',') : [text]
    const numbers = parts.map(name === 'w' ? fraction : integer)
    if (numbers.includes(null) || parts.length > 3) {
      return `Cannot handle \`${shown}' option with arg \`${text}' (argc ${at})`
    }
    if (name !== 'w') given.set(name, numbers[0] as number)
    else if (numbers.length > 1) return `podwire: traceroute -w ${text} is not modelled`
    else wait = numbers[0] as number
    return null
  }

  for (let at = 1; at <= args.length; at++) {
    const arg = args[at - 1]
    if (ended || !arg.startsWith('-') || arg === '-') {
      operands.push({ text: arg, at })
      continue
    }
    if (arg === '--') {
      ended = true
      continue
    }
    if (arg.startsWith('--')) {
      const equals = arg.indexOf('=')
      const shown = equals < 0 ? arg : arg.slice(0, equals)
      const name = long[shown.slice(2)]
      if (longMissing.includes(shown.slice(2))) return `podwire: traceroute ${shown} is not modelled`
      if (name === undefined) return `Bad option \`${shown}' (argc ${at})`
      if (values[name] === undefined) given.set(name, 1)
      else {
        if (equals < 0) return `Option \`${shown}' (argc ${at}) requires an argument: \`${shown}=${values[name]}'`
        const wrong = take(name, shown, arg.slice(equals + 1), at)
        if (wrong !== null) return wrong
      }
      continue
    }
    // A value is the rest of the word only behind the word's first letter.
    for (let letter = 1; letter < arg.length; letter++) {
      const name = arg[letter]
      if (values[name] !== undefined) {
        const rest = arg.slice(letter + 1)
        const lacks = rest === '' ? at >= args.length : letter > 1
        if (lacks) return `Option \`-${name}' (argc ${at}) requires an argument: \`-${name} ${values[name]}'`
        if (rest === '') at++
        const wrong = take(name, `-${name}`, rest === '' ? args[at - 1] : rest, at)
        if (wrong !== null) return wrong
        break
      }
      if (missing.includes(name)) return `podwire: traceroute -${name} is not modelled`
      if (!'In4FV'.includes(name)) return `Bad option \`-${name}' (argc ${at})`
      given.set(name, 1)
    }
  }

  const [host, length, extra] = operands
  if (extra !== undefined) return `Extra arg \`${extra.text}' (position 3, argc ${extra.at})`
  const size = length === undefined ? 60 : integer(length.text)
  if (size === null) {
    return `Cannot handle "packetlen" cmdline arg \`${length.text}' on position 2 (argc ${length.at})`
  }
  if (given.has('V')) return { ...NOTHING, version: true }
  if (host === undefined) return 'Specify "host" missing argument.'
  const hops = given.get('m') ?? 30
  const first = given.get('f') ?? 1
  const queries = given.get('q') ?? 3
  // Its numbers are unsigned: -1 is the largest.
  if (hops > 255 || hops < 0) return 'max hops cannot be more than 255'
  if (first < 1 || first > hops) return 'first hop out of range'
  if (queries < 1 || queries > 10) return 'no more than 10 probes per hop'
  if (wait < 0) return `bad wait specifications \`${wait},0,0' used`
  if (size > 65_000) return `too big packetlen ${size} specified`
  return {
    ...NOTHING,
    host: host.text,
    hostAt: host.at,
    byIcmp: given.has('I'),
    numeric: given.has('n'),
    first,
    hops,
    queries,
    simultaneous: simultaneously(given.get('N')),
    port: given.get('p') ?? null,
    wait,
    size: Math.max(size, 28),
    dontFragment: given.has('F'),
    tos: (given.get('t') ?? 0) & 0xff,
    source,
  }
}

/** None at a time is one at a time. */
function simultaneously(asked: number | undefined): number {
  if (asked === undefined) return 16
  return asked < 0 ? Number.MAX_SAFE_INTEGER : Math.max(asked, 1)
}

/** strtol with base 0, all of the text; null when it is no number. */
function integer(text: string): number | null {
  if (/^[+-]?0[0-7]+$/.test(text)) return Number.parseInt(text, 8)
  return /^[+-]?(\d+|0x[\da-f]+)$/i.test(text) ? (text.startsWith('-') ? -Number(text.slice(1)) : Number(text)) : null
}

function fraction(text: string): number | null {
  return /^[+-]?(\d+\.?\d*|\.\d+)$/.test(text) ? Number(text) : null
}

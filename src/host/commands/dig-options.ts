/** dig's command line: `dig [@SERVER] [NAME] [TYPE] [-FLAG …] [+OPTION …]`. */
import { tryParseIpv4 } from '../../wire/address.ts'
import { reverseName, typeCode } from '../dns-message.ts'

export interface DigOptions {
  server: string | null
  name: string
  type: string
  port: number
  /** What is printed. */
  cmd: boolean
  comments: boolean
  question: boolean
  answer: boolean
  authority: boolean
  additional: boolean
  stats: boolean
  short: boolean
  /** Behind each short answer, who gave it. */
  identify: boolean
  /** How it is asked. */
  search: boolean
  showSearch: boolean
  tcp: boolean
  recurse: boolean
  adFlag: boolean
  cdFlag: boolean
  edns: boolean
  cookie: boolean
  dnssec: boolean
  ignore: boolean
  bufferSize: number
  /** Seconds. */
  timeout: number
  tries: number
  /** Null: as resolv.conf says. */
  ndots: number | null
  /** Null: the search list of resolv.conf. */
  domain: string | null
  /** Of the question: IN, CH or HS. */
  class: string
}

function defaults(): DigOptions {
  return {
    server: null,
    name: '',
    type: 'A',
    port: 53,
    cmd: true,
    comments: true,
    question: true,
    answer: true,
    authority: true,
    additional: true,
    stats: true,
    short: false,
    identify: false,
    search: false,
    showSearch: false,
    tcp: false,
    recurse: true,
    adFlag: true,
    cdFlag: false,
    edns: true,
    cookie: true,
    dnssec: false,
    ignore: false,
    bufferSize: 1232,
    timeout: 5,
    tries: 3,
    ndots: null,
    domain: null,
    class: 'IN',
  }
}

type Switch = { [K in keyof DigOptions]: DigOptions[K] extends boolean ? K : never }[keyof DigOptions]

const SWITCHES: Readonly<Record<string, Switch>> = {
  cmd: 'cmd',
  comments: 'comments',
  question: 'question',
  answer: 'answer',
  authority: 'authority',
  additional: 'additional',
  stats: 'stats',
  short: 'short',
  identify: 'identify',
  search: 'search',
  defname: 'search',
  showsearch: 'showSearch',
  tcp: 'tcp',
  vc: 'tcp',
  recurse: 'recurse',
  rdflag: 'recurse',
  rec: 'recurse',
  adflag: 'adFlag',
  cdflag: 'cdFlag',
  edns: 'edns',
  cookie: 'cookie',
  dnssec: 'dnssec',
  do: 'dnssec',
  ignore: 'ignore',
}

/** What dig knows besides, and podwire does not; behind `no` too. */
const UNMODELLED = (
  'aaflag aaonly badcookie besteffort bufsize class cl coflag crypto dns64prefix dscp ednsflags ednsnegotiation ednsopt ' +
  'expandaaaa expire fail header-only https https-get https-post http-plain idnin idnout keepalive keepopen mapped ' +
  'multiline ndots nsid nssearch onesoa opcode padding proxy qid qr raflag rrcomments split sit subnet tcflag tls ' +
  'tls-ca trace ttlid ttlunits ttl unexpected unknownformat yaml zflag zoneversion time timeout tries retry domain'
).split(' ')

const SECTIONS = ['comments', 'question', 'answer', 'authority', 'additional', 'stats'] as const

function applyPlus(options: DigOptions, text: string): string | null {
  const negated = text.startsWith('no')
  const [key, value] = (negated ? text.slice(2) : text).split('=')
  const name = SWITCHES[key]
  if (key === 'all') for (const section of [...SECTIONS, 'cmd'] as const) options[section] = !negated
  else if (name !== undefined) {
    options[name] = !negated
    if (name === 'short' && !negated) {
      for (const section of [...SECTIONS, 'cmd'] as const) options[section] = section === 'answer'
    }
    if (name === 'showSearch' && !negated) options.search = true
  } else if ((key === 'time' || key === 'timeout') && value !== undefined) options.timeout = Math.max(1, Number(value))
  else if (key === 'tries' && value !== undefined) options.tries = Math.max(1, Number(value))
  else if (key === 'retry' && value !== undefined) options.tries = Number(value) + 1
  else if (key === 'ndots' && value !== undefined) options.ndots = Number(value)
  else if (key === 'bufsize' && value !== undefined) options.bufferSize = Number(value)
  else if (key === 'domain' && value !== undefined) {
    options.domain = value.replace(/\.$/, '')
    options.search = true
  } else return UNMODELLED.includes(key) ? `podwire: dig +${text} is not modelled\n` : `Invalid option: +${text}\n`
  return null
}

/** BIND's words for a class, short; null when it is none. */
function classOf(word: string): string | null {
  const classes: Readonly<Record<string, string>> = { IN: 'IN', CH: 'CH', CHAOS: 'CH', HS: 'HS', HESIOD: 'HS' }
  return classes[word.toUpperCase()] ?? null
}

/** The lookups that the arguments ask for, and what podwire has to say about them. */
export function parseDig(args: readonly string[]): {
  lookups: DigOptions[]
  complaints: string[]
  fatal: string | null
} {
  const globals = defaults()
  const lookups: DigOptions[] = []
  const complaints: string[] = []
  let current: DigOptions | null = null
  const target = () => current ?? globals
  const begin = (name: string, type?: string) => {
    current = { ...globals, name, type: type ?? globals.type }
    lookups.push(current)
  }
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]
    if (arg.startsWith('@')) target().server = arg.slice(1)
    else if (arg.startsWith('+')) {
      const fatal = applyPlus(target(), arg.slice(1))
      if (fatal !== null) return { lookups, complaints, fatal }
    } else if (/^-[xtpqbcf]/.test(arg)) {
      const value = arg.length > 2 ? arg.slice(2) : args[++i]
      if (value === undefined) return { lookups, complaints, fatal: `Invalid option: ${arg}\n` }
      if (arg[1] === 'x') {
        const address = tryParseIpv4(value)
        if (address === null) return { lookups, complaints, fatal: `dig: Invalid IP address ${value}\n` }
        begin(reverseName(address), 'PTR')
      } else if (arg[1] === 't') {
        if (typeCode(value) === null) complaints.push(`;; Warning, ignoring invalid type ${value}\n`)
        else target().type = value.toUpperCase()
      } else if (arg[1] === 'p') target().port = Number(value)
      else if (arg[1] === 'q') begin(value)
      else if (arg[1] === 'c') {
        const known = classOf(value)
        if (known === null) complaints.push(`;; Warning, ignoring invalid class ${value}\n`)
        else target().class = known
      } else return { lookups, complaints, fatal: `podwire: dig ${arg.slice(0, 2)} is not modelled\n` }
    } else if (arg === '-4' || arg === '-m' || arg === '-r') continue
    else if (/^-[hiku6y]/.test(arg))
      return { lookups, complaints, fatal: `podwire: dig ${arg.slice(0, 2)} is not modelled\n` }
    else if (arg.startsWith('-')) return { lookups, complaints, fatal: `Invalid option: ${arg}\n` }
    else if (typeCode(arg) !== null) target().type = arg.toUpperCase()
    else if (classOf(arg) !== null) target().class = classOf(arg) as string
    else begin(arg)
  }
  if (lookups.length === 0) lookups.push({ ...globals, name: '', type: globals.type === 'A' ? 'NS' : globals.type })
  // Options in front of the first name hold for every name; a server does wherever it stands.
  const server = lookups.find((lookup) => lookup.server !== null)?.server ?? null
  for (const lookup of lookups) lookup.server ??= server
  return { lookups, complaints, fatal: null }
}

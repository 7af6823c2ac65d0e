/** host of BIND 9.18: A, AAAA and MX of a name, or the name of an address, one sentence a record. */
import { SECOND } from '../../sim/scheduler.ts'
import { formatIpv4, type Ipv4, tryParseIpv4 } from '../../wire/address.ts'
import { type BindQuery, bindDefaults, candidates, isLegalName, searchBind, serverAddress } from '../dns-bind.ts'
import { resolverConfigOf } from '../dns-config.ts'
import { type DnsMessage, Rcode, reverseName, typeCode, typeOf } from '../dns-message.ts'
import { dataText } from '../dns-text.ts'
import type { Process, Program } from '../process.ts'
import { addressesIn, rcodeName } from '../resolver.ts'

const SENTENCES: Readonly<Record<string, string>> = {
  A: 'has address',
  AAAA: 'has IPv6 address',
  NS: 'name server',
  CNAME: 'is an alias for',
  PTR: 'domain name pointer',
  MX: 'mail is handled by',
  TXT: 'descriptive text',
}
const USAGE = `Usage: host [-aCdilrTvVw] [-c class] [-N ndots] [-t type] [-W time]
            [-R number] [-m flag] [-p port] hostname [server]
       -a is equivalent to -v -t ANY
       -A is like -a but omits RRSIG, NSEC, NSEC3
       -c specifies query class for non-IN data
       -C compares SOA records on authoritative nameservers
       -d is equivalent to -v
       -l lists all hosts in a domain, using AXFR
       -m set memory debugging flag (trace|record|usage)
       -N changes the number of dots allowed before root lookup is done
       -p specifies the port on the server to query
       -r disables recursive processing
       -R specifies number of retries for UDP packets
       -s a SERVFAIL response should stop query
       -t specifies the query type
       -T enables TCP/IP mode
       -U enables UDP mode
       -v enables verbose output
       -V print version number and exit
       -w specifies to wait forever for a reply
       -W specifies how long to wait for a reply
       -4 use IPv4 query transport only
       -6 use IPv6 query transport only
`
const VERSION = '9.18.49-1~deb12u3-Debian'
/** getopt's letters: those that podwire knows, and those it does not. */
const UNMODELLED = 'aACdlmsvwc6'

interface HostOptions {
  type: string | null
  ndots: number | null
  timeout: number
  tries: number
  port: number
  tcp: boolean
  recurse: boolean
  readonly operands: string[]
}

/** The exit code when the arguments are wrong, and that has been said. */
function parseArgs(self: Process): HostOptions | number {
  const options: HostOptions = {
    type: null,
    ndots: null,
    timeout: 5,
    tries: 2,
    port: 53,
    tcp: false,
    recurse: true,
    operands: [],
  }
  const args = self.args.slice(1)
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]
    if (!arg.startsWith('-')) options.operands.push(arg)
    else if (arg === '-T') options.tcp = true
    else if (arg === '-r') options.recurse = false
    else if (arg === '-4' || arg === '-U') continue
    else if (/^-[tNWRp]/.test(arg)) {
      const value = arg.length > 2 ? arg.slice(2) : args[++i]
      if (value === undefined) return misused(self, `host: option requires an argument -- ${arg[1]}\n`)
      if (arg[1] === 't') {
        if (typeCode(value) === null) {
          self.err(`host: invalid type: ${value}\n\n`)
          return 2
        }
        options.type = value.toUpperCase()
      } else if (arg[1] === 'N') options.ndots = Number(value)
      else if (arg[1] === 'W') options.timeout = Math.max(1, Number(value))
      else if (arg[1] === 'R') options.tries = Math.max(0, Number(value)) + 1
      else options.port = Number(value)
    } else if (arg === '-V') {
      self.err(`host ${VERSION}\n`)
      return 0
    } else if (UNMODELLED.includes(arg[1] ?? ' ')) {
      self.err(`podwire: host ${arg.slice(0, 2)} is not modelled\n`)
      return 2
    } else return misused(self, `host: illegal option -- ${arg[1]}\n`)
  }
  return options.operands.length === 0 || options.operands.length > 2 ? misused(self, '') : options
}

function misused(self: Process, sentence: string): number {
  self.err(sentence + USAGE)
  return 1
}

export const host: Program = async (self) => {
  const options = parseArgs(self)
  if (typeof options === 'number') return options
  const [name, server] = options.operands
  const config = resolverConfigOf(self)
  let servers: readonly Ipv4[] = config.nameservers
  if (server !== undefined) {
    const address = await serverAddress(self, server)
    if (address === null) {
      self.err(`host: couldn't get address for '${server}': not found\n`)
      return 1
    }
    servers = [address]
  }
  if (!isLegalName(name)) {
    self.err(`host: '${name}' is not a legal name (label too long)\n`)
    return 1
  }
  const { port, tcp, recurse, tries } = options
  const query: BindQuery = {
    ...bindDefaults,
    type: options.type ?? 'A',
    servers,
    port,
    tcp,
    recurse,
    tries,
    timeout: options.timeout * SECOND,
  }
  let announced = server === undefined
  const ask = async (names: readonly string[], type: string) => {
    const found = await searchBind(self, names, { ...query, type })
    if (found !== null && !announced) {
      const address = formatIpv4(found.reply.server)
      self.out(`Using domain server:\nName: ${server}\nAddress: ${address}#${port}\nAliases: \n\n`)
      announced = true
    }
    if (found === null) self.out(';; no servers could be reached\n')
    return found
  }
  const literal = options.type === null || options.type === 'PTR' ? tryParseIpv4(name) : null
  if (literal !== null) {
    const found = await ask([reverseName(literal)], 'PTR')
    return found === null ? 1 : print(self, `${found.name}.`, found.name, found.reply.message, null)
  }
  const names = candidates(name, { search: config.search, ndots: options.ndots ?? config.ndots })
  const found = await ask(names, query.type)
  if (found === null) return 1
  const code = print(self, name, found.name, found.reply.message, options.type)
  if (code !== 0 || options.type !== null) return code
  const target = addressesIn(found.reply.message, found.name).canonical
  for (const type of ['AAAA', 'MX']) {
    const more = await ask([target], type)
    if (more === null || print(self, target, target, more.reply.message, null) !== 0) return 1
  }
  return 0
}

/** `asked` is what was typed, `name` what was looked up; `type` null when it was not given. */
function print(self: Process, asked: string, name: string, message: DnsMessage, type: string | null): number {
  if (message.rcode !== Rcode.NOERROR) {
    const shown = message.rcode === Rcode.NXDOMAIN ? asked : name
    self.out(`Host ${shown} not found: ${message.rcode}(${rcodeName(message.rcode)})\n`)
    return 1
  }
  for (const record of message.answers) {
    const rtype = typeOf(record.data)
    self.out(`${record.name} ${SENTENCES[rtype] ?? `has ${rtype} record`} ${dataText(record.data)}\n`)
  }
  if (message.answers.length === 0 && type !== null) self.out(`${name} has no ${type} record\n`)
  return 0
}

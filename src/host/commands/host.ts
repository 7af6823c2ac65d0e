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
const USAGE =
  'Usage: host [-aCdilrTvVw] [-c class] [-N ndots] [-t type] [-W time]\n            [-R number] [-m flag] [-p port] hostname [server]\n'

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

/** Null when the arguments are wrong. */
function parseArgs(self: Process): HostOptions | null {
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
      if (value === undefined) return null
      if (arg[1] === 't') {
        if (typeCode(value) === null) {
          self.err(`host: invalid type: ${value}\n`)
          return null
        }
        options.type = value.toUpperCase()
      } else if (arg[1] === 'N') options.ndots = Number(value)
      else if (arg[1] === 'W') options.timeout = Math.max(1, Number(value))
      else if (arg[1] === 'R') options.tries = Math.max(1, Number(value))
      else options.port = Number(value)
    } else self.err(`podwire: host ${arg} is not modelled\n`)
  }
  return options.operands.length === 0 || options.operands.length > 2 ? null : options
}

export const host: Program = async (self) => {
  const options = parseArgs(self)
  if (options === null) {
    self.err(USAGE)
    return 1
  }
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

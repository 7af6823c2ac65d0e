/** nslookup: BIND 9.18's, and busybox's. The layouts are those of the real tools; interactive mode is not there. */
import { SECOND } from '../../sim/scheduler.ts'
import { formatIpv4, type Ipv4, tryParseIpv4 } from '../../wire/address.ts'
import { type BindQuery, bindDefaults, candidates, isLegalName, searchBind, serverAddress } from '../dns-bind.ts'
import { resolverConfigOf } from '../dns-config.ts'
import { type DnsMessage, type DnsRecord, Rcode, reverseName, typeCode, typeOf } from '../dns-message.ts'
import { DNS_PORT } from '../dns-socket.ts'
import { dataText } from '../dns-text.ts'
import type { Process, Program } from '../process.ts'
import { addressesIn, rcodeName } from '../resolver.ts'

const WORDS: Readonly<Record<string, string>> = {
  NS: 'nameserver = ',
  CNAME: 'canonical name = ',
  PTR: 'name = ',
  MX: 'mail exchanger = ',
  TXT: 'text = ',
  SRV: 'service = ',
}

/** Records as both nslookups print them; busybox leaves the dot at the end of names out. */
export function answerText(record: DnsRecord, finalDots: boolean): string {
  const { name, data } = record
  if (data.type === 'A' || data.type === 'AAAA') return `Name:\t${name}\nAddress: ${dataText(data)}\n`
  const dot = finalDots ? '.' : ''
  if (data.type === 'SOA') {
    const names = `${name}\n\torigin = ${data.primary}\n\tmail addr = ${data.mailbox}\n\tserial = ${data.serial}\n`
    const times = `\trefresh = ${data.refresh}\n\tretry = ${data.retry}\n\texpire = ${data.expire}\n`
    return `${names}${times}\tminimum = ${data.minimum}\n`
  }
  const words = WORDS[typeOf(data)] ?? `rdata_${typeCode(typeOf(data))} = `
  return `${name}\t${words}${dataText(data).replace(/\.$/, dot)}\n`
}

interface Settings {
  type: string | null
  port: number
  timeout: number
  tries: number
  recurse: boolean
  search: boolean
  tcp: boolean
}

/** What is wrong with the option, or null. */
function applyOption(settings: Settings, option: string): string | null {
  const [key, value = ''] = option.slice(1).split('=')
  const number = Number(value)
  if (/^(type|ty|querytype|query|qu|q)$/.test(key)) {
    if (typeCode(value) === null) return `unknown query type: ${value}\n`
    settings.type = value.toUpperCase()
  } else if (/^(port|po)$/.test(key)) settings.port = number
  else if (/^(timeout|t)$/.test(key)) settings.timeout = number
  else if (/^(retry|ret)$/.test(key)) settings.tries = number
  else if (key === 'recurse' || key === 'norecurse') settings.recurse = key === 'recurse'
  else if (key === 'search' || key === 'nosearch') settings.search = key === 'search'
  else if (key === 'vc' || key === 'novc') settings.tcp = key === 'vc'
  else if (/^(class|cl)$/.test(key) && value.toUpperCase() === 'IN') return null
  else if (/^(nodebug|nod2|nofail|fail)$/.test(key)) return null
  else if (/^(debug|d2|defname|nodefname|domain|srchlist|class|cl)$/.test(key))
    return `podwire: nslookup -${key} is not modelled\n`
  else return `*** Invalid option: ${key}\n`
  return null
}

/** `nslookup [-OPTION=VALUE …] NAME [SERVER]`. */
export const nslookup: Program = async (self) => {
  const config = resolverConfigOf(self)
  const settings: Settings = {
    type: null,
    port: DNS_PORT,
    timeout: config.timeout ?? 5,
    tries: config.attempts ?? 3,
    recurse: true,
    search: true,
    tcp: false,
  }
  const operands: string[] = []
  for (const arg of self.args.slice(1)) {
    if (!arg.startsWith('-')) operands.push(arg)
    else {
      if (arg === '-version') {
        self.err('nslookup 9.18.49-1~deb12u3-Debian\n')
        return 0
      }
      const complaint = applyOption(settings, arg)
      if (complaint?.startsWith('podwire:') === true) {
        self.err(complaint)
        return 2
      }
      if (complaint !== null) self.out(complaint)
    }
  }
  const [name, server] = operands
  if (name === undefined) {
    self.err("podwire: nslookup's interactive mode is not modelled\n")
    return 1
  }
  if (!isLegalName(name)) {
    self.out(`nslookup: '${name}' is not a legal name (label too long)\n`)
    return 1
  }
  let servers: readonly Ipv4[] = config.nameservers
  if (server !== undefined) {
    const address = await serverAddress(self, server)
    if (address === null) {
      self.out(`nslookup: couldn't get address for '${server}': not found\n`)
      return 1
    }
    servers = [address]
  }
  const query: BindQuery = {
    ...bindDefaults,
    type: settings.type ?? 'A',
    servers,
    port: settings.port,
    timeout: settings.timeout * SECOND,
    tries: settings.tries,
    recurse: settings.recurse,
    tcp: settings.tcp,
    wantsRecursion: true,
  }
  const search = settings.search ? config : { search: [], ndots: config.ndots }
  const code = await lookUp(self, name, server, settings.type, query, candidates(name, search))
  self.out('\n')
  return code
}

async function lookUp(
  self: Process,
  name: string,
  server: string | undefined,
  type: string | null,
  query: BindQuery,
  names: readonly string[],
): Promise<number> {
  const literal = type === null ? tryParseIpv4(name) : null
  if (literal !== null) {
    const found = await searchBind(self, [reverseName(literal)], { ...query, type: 'PTR' })
    return found === null ? unreachable(self) : printReply(self, found.name, found.reply.message, true, 'PTR')
  }
  const found = await searchBind(self, names, query)
  if (found === null) return unreachable(self)
  const { message } = found.reply
  const address = formatIpv4(found.reply.server)
  self.out(`Server:\t\t${server ?? address}\nAddress:\t${address}#${query.port}\n\n`)
  const code = printReply(self, found.name, message, type === null, query.type)
  if (type !== null || code !== 0) return code
  const target = addressesIn(message, found.name).canonical
  const second = await searchBind(self, [target], { ...query, type: 'AAAA' })
  if (second === null) return unreachable(self)
  if (message.answers.length === 0 && second.reply.message.rcode === 0 && second.reply.message.answers.length === 0)
    self.out(`*** Can't find ${target}: No answer\n`)
  return printReply(self, target, second.reply.message, true, 'AAAA')
}

function unreachable(self: Process): number {
  self.out(';; no servers could be reached\n')
  return 1
}

/** `implicit`: the type was not asked for by name. */
function printReply(self: Process, name: string, message: DnsMessage, implicit: boolean, type: string): number {
  if (message.rcode !== Rcode.NOERROR) {
    self.out(`** server can't find ${name}: ${rcodeName(message.rcode)}\n`)
    return 1
  }
  if (!message.authoritative && (!implicit || type === 'A')) self.out('Non-authoritative answer:\n')
  for (const record of message.answers) self.out(answerText(record, true))
  if (message.answers.length === 0 && !implicit) self.out(`*** Can't find ${name}: No answer\n`)
  if (!message.authoritative && type !== 'A' && type !== 'AAAA') {
    self.out('\nAuthoritative answers can be found from:\n')
    for (const record of [...message.authorities, ...message.additionals]) self.out(answerText(record, true))
  }
  return 0
}

/**
 * Names to addresses, as programs get them from their C library: /etc/hosts, then DNS along the search list.
 * glibc's and musl's stub resolvers differ in what they send and when they give up; both are here. This file is
 * also the only one that knows dns-packet, which reads messages (writing them: dns-message.ts).
 *
 * IPv6 addresses are asked for, as getaddrinfo does, and not returned: IPv6 is not modelled.
 */
import { type Answer, type DecodedPacket, decode } from 'dns-packet'
import { type Ipv4, tryParseIpv4 } from '../wire/address.ts'
import { hostSources, hostsByName, hostsOf, libcOf, resolverConfigOf } from './dns-config.ts'
import {
  type DnsData,
  type DnsMessage,
  type DnsRecord,
  dnsMessage,
  type Edns,
  rcodeNames,
  reverseName,
  sameName,
  typeCode,
  typeName,
} from './dns-message.ts'
import { type Lookup, searchGlibc, searchMusl } from './dns-search.ts'
import type { Process } from './process.ts'

/** getaddrinfo's EAI_* codes, and gai_strerror's sentences. */
export const resolverErrors = {
  EAI_NONAME: 'Name or service not known',
  EAI_NODATA: 'No address associated with hostname',
  EAI_AGAIN: 'Temporary failure in name resolution',
  EAI_FAIL: 'Non-recoverable failure in name resolution',
} as const
export type ResolverError = keyof typeof resolverErrors

/** musl's gai_strerror. */
export const muslErrors: Readonly<Record<ResolverError, string>> = {
  EAI_NONAME: 'Name does not resolve',
  EAI_NODATA: 'Name has no usable address',
  EAI_AGAIN: 'Try again',
  EAI_FAIL: 'Non-recoverable error',
}

export interface ResolveOptions {
  /** 4 asks for A records only (AF_INET), 6 for AAAA only; else for both (AF_UNSPEC). */
  readonly family?: 4 | 6 | 'any'
  /** Default: the place's own C library. */
  readonly libc?: 'glibc' | 'musl'
}

export type Resolved =
  | { readonly addresses: readonly Ipv4[]; readonly canonical: string }
  | { readonly error: ResolverError; readonly message: string }

/** getaddrinfo: a literal address, else /etc/hosts and DNS in the order of nsswitch.conf. */
export async function resolve(self: Process, name: string, options: ResolveOptions = {}): Promise<Resolved> {
  const literal = tryParseIpv4(name)
  if (literal !== null) return { addresses: [literal], canonical: name }
  const libc = options.libc ?? libcOf(self)
  const types = options.family === 4 ? ['A'] : options.family === 6 ? ['AAAA'] : ['A', 'AAAA']
  let error: ResolverError = 'EAI_NONAME'
  // musl does not read nsswitch.conf.
  const nsswitch = libc === 'glibc' ? (self.place.files.get('/etc/nsswitch.conf') ?? '') : ''
  for (const source of hostSources(nsswitch)) {
    if (source === 'files' && options.family !== 6) {
      const entries = hostsByName(hostsOf(self), name)
      if (entries.length > 0)
        return { addresses: entries.map((entry) => entry.address), canonical: entries[0].names[0] }
    } else if (source === 'dns' && name !== '') {
      const lookup = await lookUp(self, name, types, libc)
      if (lookup.status === 'found') {
        const found = addressesIn(lookup.messages[0], lookup.name)
        if (found.addresses.length > 0) return found
        error = 'EAI_NODATA'
      } else error = errorOf(lookup)
    }
  }
  return { error, message: (libc === 'musl' ? muslErrors : resolverErrors)[error] }
}

/** gethostbyaddr: the name of an address from /etc/hosts or a PTR record; null when it has none. */
export async function reverse(self: Process, address: Ipv4): Promise<string | null> {
  return (await nameOfAddress(self, address)).name
}

/** The same, and whether it is only that no name server answered. */
export async function nameOfAddress(self: Process, address: Ipv4): Promise<{ name: string | null; again: boolean }> {
  const entry = hostsOf(self).find((known) => known.address === address)
  if (entry !== undefined) return { name: entry.names[0], again: false }
  const lookup = await lookUp(self, `${reverseName(address)}.`, ['PTR'], libcOf(self))
  if (lookup.status !== 'found') return { name: null, again: lookup.status === 'again' }
  const { data } = lookup.messages[0]?.answers.find((record) => record.data.type === 'PTR') ?? { data: null }
  return { name: data?.type === 'PTR' ? data.target : null, again: false }
}

function lookUp(self: Process, name: string, types: readonly string[], libc: 'glibc' | 'musl'): Promise<Lookup> {
  return (libc === 'musl' ? searchMusl : searchGlibc)(self, name, types, resolverConfigOf(self), decodeMessage)
}

function errorOf(lookup: Lookup): ResolverError {
  if (lookup.status === 'nodata') return 'EAI_NODATA'
  if (lookup.status === 'again') return 'EAI_AGAIN'
  return lookup.status === 'failed' ? 'EAI_FAIL' : 'EAI_NONAME'
}

/** How many aliases in a row are believed. */
const LONGEST_CHAIN = 16

/** The addresses of the name in this reply, behind its aliases; the last alias is the canonical name. */
export function addressesIn(message: DnsMessage | null, name: string): { addresses: Ipv4[]; canonical: string } {
  let canonical = name
  const answers = message?.answers ?? []
  for (let link = 0; link < LONGEST_CHAIN; link++) {
    const alias = answers.find((record) => record.data.type === 'CNAME' && sameName(record.name, canonical))
    if (alias === undefined || alias.data.type !== 'CNAME') break
    canonical = alias.data.target
  }
  const addresses: Ipv4[] = []
  for (const record of answers) {
    if (record.data.type === 'A' && sameName(record.name, canonical)) addresses.push(record.data.address)
  }
  return { addresses, canonical }
}

/** The message in these bytes; null when they are none. */
export function decodeMessage(bytes: Uint8Array): DnsMessage | null {
  try {
    return messageOf(decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)))
  } catch {
    // dns-packet throws whatever it stumbles over.
    return null
  }
}

function messageOf(packet: DecodedPacket): DnsMessage | null {
  const flags = packet.flags ?? 0
  const answers = recordsOf(packet.answers ?? [])
  const authorities = recordsOf(packet.authorities ?? [])
  const additionals = recordsOf((packet.additionals ?? []).filter((record) => record.type !== 'OPT'))
  if (answers === null || authorities === null || additionals === null) return null
  return dnsMessage({
    id: packet.id ?? 0,
    response: packet.type === 'response',
    opcode: (flags >>> 11) & 15,
    authoritative: (flags & 0x0400) !== 0,
    truncated: (flags & 0x0200) !== 0,
    recursionDesired: (flags & 0x0100) !== 0,
    recursionAvailable: (flags & 0x0080) !== 0,
    authenticData: (flags & 0x0020) !== 0,
    checkingDisabled: (flags & 0x0010) !== 0,
    rcode: flags & 15,
    questions: (packet.questions ?? []).map((question) => ({
      name: nameOf(question.name),
      type: typeNameOf(question.type),
      class: String(question.class ?? 'IN').replace(/^UNKNOWN_/, ''),
    })),
    answers,
    authorities,
    additionals,
    edns: ednsOf(packet.additionals ?? []),
  })
}

/** dns-packet writes the root as a dot, and backslashes as they are. */
function nameOf(name: string): string {
  return name === '.' ? '' : name.replaceAll('\\', '\\\\')
}

function typeNameOf(type: string): string {
  return type.startsWith('UNKNOWN_') ? typeName(Number(type.slice('UNKNOWN_'.length))) : type
}

function ednsOf(records: readonly Answer[]): Edns | null {
  const opt = records.find((record) => record.type === 'OPT')
  if (opt === undefined || opt.type !== 'OPT') return null
  return {
    size: opt.udpPayloadSize,
    version: opt.ednsVersion,
    dnssecOk: opt.flag_do,
    // The declared type leaves out that every decoded option keeps its bytes.
    options: opt.options.map((option) => ({
      code: Number(option.code),
      bytes: Uint8Array.from(option.data as Uint8Array),
    })),
  }
}

function recordsOf(answers: readonly Answer[]): DnsRecord[] | null {
  const records: DnsRecord[] = []
  for (const answer of answers) {
    const data = dataOf(answer)
    if (data === null || answer.type === 'OPT') return null
    const cls = 'class' in answer ? (answer.class ?? 'IN') : 'IN'
    const other = cls === 'IN' ? {} : { class: cls }
    records.push({ name: nameOf(answer.name), ...other, ttl: answer.ttl ?? 0, data })
  }
  return records
}

/** Null when what stands there is not what the type says. */
function dataOf(answer: Answer): DnsData | null {
  switch (answer.type) {
    case 'A': {
      const address = tryParseIpv4(answer.data)
      return address === null ? null : { type: 'A', address }
    }
    case 'AAAA':
      return { type: 'AAAA', address: answer.data }
    case 'CNAME':
    case 'NS':
    case 'PTR':
      return { type: answer.type, target: nameOf(answer.data) }
    case 'MX':
      return { type: 'MX', preference: answer.data.preference ?? 0, target: nameOf(answer.data.exchange) }
    case 'SRV': {
      const { priority, weight, port, target } = answer.data
      return { type: 'SRV', priority: priority ?? 0, weight: weight ?? 0, port, target: nameOf(target) }
    }
    case 'SOA': {
      const { mname, rname, serial, refresh, retry, expire, minimum } = answer.data
      const times = { serial: serial ?? 0, refresh: refresh ?? 0, retry: retry ?? 0, expire: expire ?? 0 }
      return { type: 'SOA', primary: nameOf(mname), mailbox: nameOf(rname), ...times, minimum: minimum ?? 0 }
    }
    case 'TXT':
      return { type: 'TXT', texts: [answer.data].flat().map((text) => text.toString()) }
    default: {
      const code = typeCode(typeNameOf(answer.type))
      const bytes: unknown = (answer as { data?: unknown }).data
      if (code === null) return null
      return { type: 'OTHER', code, bytes: bytes instanceof Uint8Array ? Uint8Array.from(bytes) : new Uint8Array(0) }
    }
  }
}

/** For messages to people: `NXDOMAIN`. */
export function rcodeName(rcode: number): string {
  return rcodeNames[rcode] ?? `${rcode}`
}

/** What a stub resolver reads before it asks anybody: /etc/resolv.conf, /etc/hosts, /etc/nsswitch.conf. */
import { type Ipv4, LOOPBACK, tryParseIpv4 } from '../wire/address.ts'
import { sameName } from './dns-message.ts'
import type { Process } from './process.ts'

/** resolv.conf(5). */
export interface ResolverConfig {
  readonly nameservers: readonly Ipv4[]
  /** Without final dots. */
  readonly search: readonly string[]
  readonly ndots: number
  /** Seconds; null when the file does not say: programs have their own defaults. */
  readonly timeout: number | null
  readonly attempts: number | null
  /** Options without a number that glibc knows and podwire acts on. */
  readonly flags: readonly ResolverFlag[]
}

const FLAGS = ['single-request', 'single-request-reopen', 'rotate', 'use-vc', 'edns0', 'trust-ad', 'no-aaaa'] as const
export type ResolverFlag = (typeof FLAGS)[number]

/** glibc's MAXNS: further name servers are not used. */
const MOST_NAMESERVERS = 3

/** The number behind `name:`, at most `most` (glibc's RES_MAXNDOTS and friends); null when the option is another. */
function numbered(option: string, name: string, most: number): number | null {
  const found = new RegExp(`^${name}:([0-9]+)$`).exec(option)
  return found === null ? null : Math.min(Number(found[1]), most)
}

/** `hostname` gives the search domain when the file names none, as in glibc. */
export function parseResolvConf(text: string, hostname = ''): ResolverConfig {
  const nameservers: Ipv4[] = []
  let search: string[] | null = null
  let ndots = 1
  let timeout: number | null = null
  let attempts: number | null = null
  const flags = new Set<ResolverFlag>()
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line.trim().split(/\s+/)
    if (keyword === 'nameserver') {
      const address = tryParseIpv4(values[0] ?? '')
      if (address !== null && nameservers.length < MOST_NAMESERVERS) nameservers.push(address)
    } else if (keyword === 'search' || keyword === 'domain') {
      search = (keyword === 'domain' ? values.slice(0, 1) : values).map((domain) => domain.replace(/\.$/, ''))
    } else if (keyword === 'options') {
      for (const option of values) {
        ndots = numbered(option, 'ndots', 15) ?? ndots
        timeout = numbered(option, 'timeout', 30) ?? timeout
        attempts = numbered(option, 'attempts', 5) ?? attempts
        const flag = FLAGS.find((known) => known === option)
        if (flag !== undefined) flags.add(flag)
      }
    }
  }
  if (nameservers.length === 0) nameservers.push(LOOPBACK)
  const dot = hostname.indexOf('.')
  const domains = search ?? (dot < 0 ? [] : [hostname.slice(dot + 1)])
  return { nameservers, search: domains, ndots, timeout, attempts, flags: [...flags] }
}

export interface HostsEntry {
  /** Null for an IPv6 line. */
  readonly address: Ipv4 | null
  readonly text: string
  /** The canonical name first. */
  readonly names: readonly string[]
}

/** hosts(5). Lines without an address and a name are passed over, as the libraries do. */
export function parseHosts(text: string): HostsEntry[] {
  const entries: HostsEntry[] = []
  for (const line of text.split('\n')) {
    const [address, ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
    if (names.length > 0) entries.push({ address: tryParseIpv4(address), text: address, names })
  }
  return entries
}

/** The IPv4 lines of the hosts file that give this name. */
export function hostsByName(entries: readonly HostsEntry[], name: string): (HostsEntry & { readonly address: Ipv4 })[] {
  const wanted = name.replace(/\.$/, '')
  return entries.filter(
    (entry): entry is HostsEntry & { address: Ipv4 } =>
      entry.address !== null && entry.names.some((known) => sameName(known, wanted)),
  )
}

/** The sources of nsswitch.conf(5)'s `hosts:` line, in order. Without the file: files, then dns. */
export function hostSources(text: string): string[] {
  const line = /^\s*hosts:(.*)$/m.exec(text)
  if (line === null) return ['files', 'dns']
  return line[1]
    .replace(/\[[^\]]*\]/g, ' ')
    .trim()
    .split(/\s+/)
}

export function resolverConfigOf(self: Process): ResolverConfig {
  return parseResolvConf(self.place.files.get('/etc/resolv.conf') ?? '', self.place.hostname)
}

export function hostsOf(self: Process): HostsEntry[] {
  return parseHosts(self.place.files.get('/etc/hosts') ?? '')
}

/** Alpine and busybox images have musl; everything else glibc. */
export function libcOf(self: Process): 'glibc' | 'musl' {
  return self.place.files.has('/etc/alpine-release') ? 'musl' : 'glibc'
}

/** musl asks again over TCP since 1.2.4, which Alpine has since 3.18; before, a truncated answer is all there is. */
export function muslUsesTcp(self: Process): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(self.place.files.get('/etc/alpine-release') ?? '') ?? []
  return major === undefined || Number(major) > 3 || Number(minor) >= 18
}

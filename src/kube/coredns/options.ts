/** The words of each plugin in the Corefile, as its options (plugin/*\/setup.go of version 1.11). */
import { parseResolvConf } from '../../host/dns-config.ts'
import { type Nanos, SECOND } from '../../sim/scheduler.ts'
import { type Ipv4, tryParseIpv4 } from '../../wire/address.ts'
import type { CacheOptions } from './cache.ts'
import { CorefileError, type Directive, duration, normalZone, type Words } from './corefile.ts'
import type { ForwardOptions } from './forward.ts'
import type { KubernetesOptions } from './kubernetes.ts'
import { COMBINED, COMMON, type LogRule } from './log.ts'
import type { Renaming, RewriteRule } from './rewrite.ts'
import type { HostsOptions } from './small-plugins.ts'

/** One directive, and where it stands. */
export interface Reader {
  readonly file: string
  readonly directive: Directive
  /** The server block's. */
  readonly zone: string
}

function fault({ file, directive }: Reader, line: number, what: string): CorefileError {
  return new CorefileError(`plugin/${directive.name}: ${file}:${line} - Error during parsing: ${what}`)
}

/** Caddy's ArgErr. */
function miscounted(reader: Reader, line: Words): CorefileError {
  const last = line.words.at(-1) ?? ''
  return fault(reader, line.line, `Wrong argument count or unexpected line ending after '${last}'`)
}

function unmodelled(reader: Reader, line: Words): CorefileError {
  return fault(reader, line.line, `podwire: ${reader.directive.name}'s ${line.words[0]} is not modelled`)
}

function integer(reader: Reader, line: Words, at: number, least: number, most: number): number {
  const text = line.words[at]
  if (text === undefined) throw miscounted(reader, line)
  const value = Number(text)
  if (!/^-?[0-9]+$/.test(text)) throw fault(reader, line.line, `strconv.Atoi: parsing "${text}": invalid syntax`)
  if (value < least || value > most)
    throw fault(reader, line.line, `${line.words[0]} must be in range [${least}, ${most}]: ${value}`)
  return value
}

function zonesOr(words: readonly string[], usual: string): string[] {
  return words.length === 0 ? [usual] : words.map(normalZone)
}

export function kubernetesOptions(reader: Reader): KubernetesOptions {
  const { directive, zone } = reader
  let ttl = 5
  let pods: KubernetesOptions['pods'] = 'disabled'
  let through: readonly string[] | null = null
  let namespaces: string[] | null = null
  const flags = new Set<string>()
  for (const line of directive.block) {
    const [word, ...args] = line.words
    if (word === 'ttl') ttl = integer(reader, line, 1, 0, 3600)
    else if (word === 'pods') {
      if (args.length !== 1) throw miscounted(reader, line)
      if (args[0] !== 'disabled' && args[0] !== 'insecure' && args[0] !== 'verified')
        throw fault(
          reader,
          line.line,
          `wrong value for pods: ${args[0]},  must be one of: disabled, verified, insecure`,
        )
      pods = args[0]
    } else if (word === 'fallthrough') through = args.map(normalZone)
    else if (word === 'namespaces') {
      if (args.length === 0) throw miscounted(reader, line)
      namespaces = [...(namespaces ?? []), ...args]
    } else if (word === 'endpoint_pod_names' || word === 'noendpoints') flags.add(word)
    else if (word === 'ignore') {
      if (args[0] !== 'empty_service') throw fault(reader, line.line, `unable to parse ignore value: '${args[0]}'`)
      flags.add(word)
    } else if (/^(endpoint|tls|kubeconfig|labels|namespace_labels|multicluster)$/.test(word))
      throw unmodelled(reader, line)
    else throw fault(reader, line.line, `unknown property '${word}'`)
  }
  return {
    zones: zonesOr(directive.args, zone),
    ttl,
    pods,
    endpointPodNames: flags.has('endpoint_pod_names'),
    namespaces,
    noEndpoints: flags.has('noendpoints'),
    ignoreEmptyService: flags.has('ignore'),
    through,
  }
}

export function cacheOptions(reader: Reader): CacheOptions {
  const { directive, zone } = reader
  const args = [...directive.args]
  let ttl: number | null = null
  if (args.length > 0 && /^[0-9]+$/.test(args[0])) ttl = Number(args.shift())
  if (ttl !== null && ttl <= 0) throw fault(reader, directive.line, `cache TTL can not be zero or negative: ${ttl}`)
  const zones = zonesOr(args, zone)
  let success = { ttl: ttl ?? 3600, least: 5, capacity: 9984 }
  let denial = { ttl: ttl ?? 1800, least: 5, capacity: 9984 }
  let servfail = 5
  let keepTtl = false
  const off = { success: [] as string[], denial: [] as string[] }
  for (const line of directive.block) {
    const [word, ...values] = line.words
    if (word === 'success' || word === 'denial') {
      if (values.length === 0) throw miscounted(reader, line)
      const known = word === 'success' ? success : denial
      const capacity = integer(reader, line, 1, 1, 2 ** 31 - 1)
      const most = values.length > 1 ? integer(reader, line, 2, 1, 2 ** 31 - 1) : known.ttl
      const least = values.length > 2 ? integer(reader, line, 3, 0, 2 ** 31 - 1) : known.least
      const bounds = { ttl: most, least, capacity }
      if (word === 'success') success = bounds
      else denial = bounds
    } else if (word === 'servfail') servfail = duration(values[0]) ?? (values[0] === '0' ? 0 : 5)
    else if (word === 'disable') {
      if (values[0] !== 'success' && values[0] !== 'denial')
        throw fault(reader, line.line, `cache type for disable must be "success" or "denial"`)
      off[values[0]].push(...(values.length > 1 ? values.slice(1).map(normalZone) : zones))
    } else if (word === 'keepttl') keepTtl = true
    else if (word === 'prefetch' || word === 'serve_stale') throw unmodelled(reader, line)
    else throw miscounted(reader, { line: line.line, words: [word] })
  }
  return { zones, success, denial, servfail, noSuccess: off.success, noDenial: off.denial, keepTtl }
}

export function logRule(reader: Reader): LogRule {
  const { directive, zone } = reader
  const [first, format] = directive.args
  const classes = new Set<'all' | 'success' | 'denial' | 'error'>()
  for (const line of directive.block) {
    const [word, ...values] = line.words
    if (word !== 'class') throw miscounted(reader, line)
    for (const value of values) {
      if (value !== 'all' && value !== 'success' && value !== 'denial' && value !== 'error')
        throw fault(reader, line.line, `invalid Class: ${value}`)
      classes.add(value)
    }
  }
  if (classes.size === 0) classes.add('all')
  const chosen = first?.includes('{') ? first : format
  const text = (chosen ?? '{common}').replace('{common}', COMMON).replace('{combined}', COMBINED)
  return { zone: first === undefined || first.includes('{') ? zone : normalZone(first), format: text, classes }
}

export function hostsOptions(reader: Reader, file: (path: string) => string): HostsOptions {
  const { directive, zone } = reader
  const args = [...directive.args]
  const path = args[0]?.startsWith('/') ? (args.shift() as string) : null
  const lines: string[] = []
  let ttl = 3600
  let reverse = true
  let through: readonly string[] | null = null
  for (const line of directive.block) {
    const [word, ...values] = line.words
    if (word === 'fallthrough') through = values.map(normalZone)
    else if (word === 'no_reverse') reverse = false
    else if (word === 'ttl') ttl = integer(reader, line, 1, 1, 65_535)
    else if (word === 'reload') continue
    else if (values.length === 0) throw fault(reader, line.line, `unknown property '${word}'`)
    else lines.push(line.words.join(' '))
  }
  const usual = path ?? (lines.length === 0 ? '/etc/hosts' : null)
  const written = usual === null ? [] : file(usual).split('\n')
  return { zones: zonesOr(args, zone), lines: [...lines, ...written], ttl, reverse, through }
}

export function forwardOptions(reader: Reader): { options: ForwardOptions; expire: Nanos } {
  const { directive } = reader
  if (directive.args.length < 2) throw miscounted(reader, directive)
  let policy: ForwardOptions['policy'] = 'random'
  let except: string[] = []
  let expire = 10 * SECOND
  let maxFails = 2
  let maxConcurrent = 0
  const flags = new Set<string>()
  for (const line of directive.block) {
    const [word, ...values] = line.words
    if (word === 'policy') {
      const [value] = values
      if (value !== 'random' && value !== 'round_robin' && value !== 'sequential')
        throw fault(reader, line.line, `unknown policy '${value ?? ''}'`)
      policy = value
    } else if (word === 'except') except = [...except, ...values.map(normalZone)]
    else if (word === 'expire') expire = (duration(values[0]) ?? 10) * SECOND
    else if (word === 'max_fails') maxFails = integer(reader, line, 1, 0, 2 ** 31 - 1)
    else if (word === 'max_concurrent') maxConcurrent = integer(reader, line, 1, 0, 2 ** 31 - 1)
    else if (word === 'force_tcp' || word === 'prefer_udp' || word === 'failfast_all_unhealthy_upstreams')
      flags.add(word)
    else if (word === 'health_check' || word === 'tls' || word === 'tls_servername' || word === 'next')
      throw unmodelled(reader, line)
    else throw fault(reader, line.line, `unknown property '${word}'`)
  }
  const options = {
    from: normalZone(directive.args[0]),
    except,
    policy,
    forceTcp: flags.has('force_tcp'),
    preferUdp: flags.has('prefer_udp'),
    maxFails,
    maxConcurrent,
    failFast: flags.has('failfast_all_unhealthy_upstreams'),
  }
  return { options, expire }
}

/** Addresses, with or without a port, and files in the form of resolv.conf. `none`: there may be none. */
export function forwardServers(
  reader: Reader,
  file: (path: string) => string | null,
  none: boolean,
): { address: Ipv4; port: number }[] {
  const { directive } = reader
  const servers: { address: Ipv4; port: number }[] = []
  for (const word of directive.args.slice(1)) {
    const text = word.startsWith('/') ? file(word) : null
    if (text !== null) {
      if (!/^\s*nameserver\s/m.test(text)) continue
      servers.push(...parseResolvConf(text).nameservers.map((address) => ({ address, port: 53 })))
      continue
    }
    const found = /^(?:dns:\/\/)?([0-9.]+)(?::([0-9]+))?$/.exec(word)
    const address = found === null ? null : tryParseIpv4(found[1])
    if (/^(tls|https|grpc|quic):\/\//.test(word))
      throw fault(reader, directive.line, `podwire: forwarding to ${word} is not modelled`)
    if (found === null || address === null)
      throw new CorefileError(`plugin/forward: not an IP address or file: "${word}"`)
    servers.push({ address, port: Number(found[2] ?? 53) })
  }
  if (servers.length === 0 && !none) throw new CorefileError('plugin/forward: no nameservers found')
  return servers
}

export function rewriteRule(reader: Reader): RewriteRule {
  const { directive } = reader
  const words = directive.args.length > 0 ? [...directive.args] : [...(directive.block[0]?.words ?? [])]
  const rest = directive.args.length > 0 ? directive.block : directive.block.slice(1)
  const stop = words[0] !== 'continue'
  if (words[0] === 'continue' || words[0] === 'stop') words.shift()
  const field = words.shift()
  const nothing = { stop, rename: () => null, from: '', to: '', auto: false, answers: [], bounds: null }
  if (field === 'type' || field === 'class') {
    if (words.length !== 2) throw miscounted(reader, directive)
    return { ...nothing, field, from: words[0].toUpperCase(), to: words[1].toUpperCase() }
  }
  if (field !== 'name' && field !== 'ttl')
    throw fault(reader, directive.line, `podwire: rewriting ${field ?? 'nothing'} is not modelled`)
  const kinds = ['exact', 'prefix', 'suffix', 'substring', 'regex']
  const kind = kinds.includes(words[0]) && words.length > 2 ? (words.shift() as string) : 'exact'
  const [from, to, ...options] = words
  if (from === undefined || to === undefined) throw miscounted(reader, directive)
  if (field === 'ttl') {
    const [least, most] = to.includes('-') ? to.split('-') : [to, to]
    const bounds = [Number(least || 0), Number(most || 2 ** 31)] as const
    return { ...nothing, field, rename: renaming(reader, kind, from, from), bounds }
  }
  const answers: { part: 'name' | 'value'; rename: Renaming }[] = []
  let auto = kind === 'exact'
  const lines = [...(options.length > 0 ? [options] : []), ...rest.map((line) => line.words)]
  for (const [word, part, ...pair] of lines) {
    if (word !== 'answer') throw fault(reader, directive.line, `unknown rewrite option '${word}'`)
    if (part === 'auto') auto = true
    else if ((part === 'name' || part === 'value') && pair.length === 2)
      answers.push({ part, rename: renaming(reader, 'regex', pair[0], pair[1]) })
    else throw miscounted(reader, directive)
  }
  return { ...nothing, field, from, to, rename: renaming(reader, kind, from, to), auto, answers }
}

/** CoreDNS compares names with their final dot; here they have none. */
function renaming(reader: Reader, kind: string, from: string, to: string): Renaming {
  if (kind === 'regex') {
    let pattern: RegExp
    try {
      pattern = new RegExp(from)
    } catch {
      throw fault(reader, reader.directive.line, `invalid regex pattern in a name rule: ${from}`)
    }
    return (name) => {
      const found = pattern.exec(`${name}.`)
      if (found === null) return null
      return bare(to.replace(/\{([0-9]+)\}/g, (all, group) => found[Number(group)] ?? all))
    }
  }
  const [old, young] = [from.toLowerCase(), to.toLowerCase()]
  if (kind === 'prefix') return (name) => (name.startsWith(old) ? young + name.slice(old.length) : null)
  if (kind === 'substring') return (name) => (name.includes(old) ? name.replaceAll(old, young) : null)
  if (kind === 'suffix') {
    const [tail, end] = [bare(old), bare(young)]
    return (name) => (name.endsWith(tail) ? name.slice(0, name.length - tail.length) + end : null)
  }
  return (name) => (name === bare(old) ? bare(young) : null)
}

function bare(name: string): string {
  return name.replace(/\.$/, '')
}

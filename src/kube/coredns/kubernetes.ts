/**
 * CoreDNS's kubernetes plugin (plugin/kubernetes and plugin/backend_lookup.go of version 1.11): names of Services,
 * endpoints and pods, and addresses back to names. The zone's name in an answer is spelled as the question has it.
 */
import { type DnsMessage, type DnsRecord, ipv6Bytes, labelsOf, Rcode, sameName } from '../../host/dns-message.ts'
import { formatIpv4, type Ipv4, tryParseIpv4 } from '../../wire/address.ts'
import type { DnsEndpoint, DnsPort, DnsRecords } from './records.ts'
import {
  type DnsRequest,
  type Done,
  type Fallthrough,
  fallsThrough,
  type Handler,
  isWithin,
  replyTo,
  zoneOf,
} from './request.ts'

export interface KubernetesOptions {
  /** Lower case; the first that is no reverse zone is the cluster's domain. */
  readonly zones: readonly string[]
  /** Seconds: of every record and for denials. */
  readonly ttl: number
  readonly pods: 'disabled' | 'insecure' | 'verified'
  /** Endpoints without a hostname are called after their pods, not their addresses. */
  readonly endpointPodNames: boolean
  /** Only these are answered for; null: all. */
  readonly namespaces: readonly string[] | null
  readonly noEndpoints: boolean
  readonly ignoreEmptyService: boolean
  readonly through: Fallthrough
}

/** What the plugin has beside its options. */
export interface KubernetesContext {
  readonly records: DnsRecords
  /** The addresses of the server's own pod. */
  readonly local: () => readonly Ipv4[]
  /** Does this when the time that an answer takes is over. */
  readonly soon: (action: () => void) => void
  /** Asks the whole server another question in the client's place: for aliases that lead elsewhere. */
  readonly lookUp: (request: DnsRequest, name: string, type: string, answer: (reply: DnsMessage) => void) => void
}

const SCHEMA_VERSION = '1.1.0'
const SCHEMA_TTL = 28_800
const LONGEST_SOA_TTL = 300
/** Aliases inside the zone that are followed before CoreDNS gives up. */
const LONGEST_CHAIN = 7

/** One address or alias behind a name of the zone. */
type Host =
  | { readonly kind: 'A'; readonly address: Ipv4 }
  | { readonly kind: 'AAAA'; readonly text: string }
  | { readonly kind: 'CNAME'; readonly target: string }

interface Found {
  readonly host: Host
  /** -1: it has none, and no SRV record. */
  readonly port: number
  /** The name that SRV records give it. */
  readonly name: string
}

/** `none`: NXDOMAIN. */
type Finding = readonly Found[] | 'none'

interface Answer {
  readonly answers: readonly DnsRecord[]
  readonly additionals?: readonly DnsRecord[]
}

export class KubernetesPlugin implements Handler {
  readonly #options: KubernetesOptions
  readonly #context: KubernetesContext
  readonly #next: Handler

  constructor(options: KubernetesOptions, context: KubernetesContext, next: Handler) {
    this.#options = options
    this.#context = context
    this.#next = next
  }

  serve(request: DnsRequest, done: Done): void {
    const matched = zoneOf(this.#options.zones, request.question.name)
    if (matched === null) return this.#next.serve(request, done)
    this.#context.soon(() => this.#answer(request, matched, done))
  }

  #answer(request: DnsRequest, matched: string, done: Done): void {
    const { name, type } = request.question
    // As the question spells it.
    const zone = name.slice(name.length - matched.length)
    if (type === 'AXFR' || type === 'IXFR') return done(Rcode.REFUSED, null)
    const finish = (answer: Answer | 'none') => {
      if (answer === 'none') {
        if (fallsThrough(this.#options.through, name)) return this.#next.serve(request, done)
        return this.#deny(request, zone, Rcode.NXDOMAIN, done)
      }
      if (answer.answers.length === 0) return this.#deny(request, zone, Rcode.NOERROR, done)
      request.write(replyTo(request, { authoritative: true, ...answer }))
      done(Rcode.NOERROR, null)
    }
    if (type === 'A' || type === 'AAAA') {
      return this.#addresses(request, zone, name, [], (records) =>
        finish(records === 'none' ? 'none' : { answers: records }),
      )
    }
    finish(this.#other(request, zone))
  }

  /** Every type but A and AAAA. */
  #other(request: DnsRequest, zone: string): Answer | 'none' {
    const { name, type } = request.question
    const { ttl } = this.#options
    const apex = name.toLowerCase() === zone
    if (type === 'SOA') return { answers: name === zone ? [this.#soa(zone)] : [] }
    if (type === 'NS' && apex) return this.#nameServers(zone)
    if (type === 'TXT') {
      const is = name.toLowerCase() === `dns-version.${zone.toLowerCase()}`
      return { answers: is ? [{ name, ttl: SCHEMA_TTL, data: { type, texts: [SCHEMA_VERSION] } }] : [] }
    }
    if (type === 'PTR') {
      const pointed = this.#pointers(name)
      if (pointed !== null) return pointed
    }
    const found = this.#find(name, zone, type)
    if (found === 'none') return 'none'
    if (type === 'SRV') return this.#services(name, found)
    if (type === 'CNAME' && found[0]?.host.kind === 'CNAME')
      return { answers: [{ name, ttl, data: { type, target: found[0].host.target } }] }
    return { answers: [] }
  }

  #deny(request: DnsRequest, zone: string, rcode: number, done: Done): void {
    request.write(replyTo(request, { authoritative: true, rcode, authorities: [this.#soa(zone)] }))
    done(Rcode.NOERROR, null)
  }

  #soa(zone: string): DnsRecord {
    const { ttl } = this.#options
    const [primary, mailbox] = [`ns.dns.${zone}`, `hostmaster.${zone}`]
    const times = { refresh: 7200, retry: 1800, expire: 86_400, minimum: ttl }
    const serial = this.#context.records.serial()
    return {
      name: zone,
      ttl: Math.min(ttl, LONGEST_SOA_TTL),
      data: { type: 'SOA', primary, mailbox, serial, ...times },
    }
  }

  #exposed(namespace: string): boolean {
    const { namespaces } = this.#options
    return (namespaces === null || namespaces.includes(namespace)) && this.#context.records.hasNamespace(namespace)
  }

  /** _port._protocol.service.namespace.svc, endpoint.service.namespace.svc, service.namespace.svc, pod.namespace.pod */
  #find(name: string, zone: string, type: string): Finding {
    const all = labelsOf(name.toLowerCase())
    const labels = all.slice(0, all.length - labelsOf(zone).length)
    if (labels.join('.') === 'ns.dns' && name.endsWith(`.${zone}`) && zone === zone.toLowerCase())
      return this.#own(zone).map((own) => ({ ...own, name }))
    const kind = labels.at(-1)
    const namespace = labels.at(-2)
    const service = labels.at(-3)
    if (kind === undefined) return []
    if (kind !== 'svc' && kind !== 'pod') return 'none'
    if (namespace === undefined) return []
    if (labels.length > 5 || !this.#exposed(namespace)) return 'none'
    if (service === undefined) return []
    return kind === 'pod'
      ? this.#pod(namespace, service)
      : this.#service(namespace, service, labels.slice(0, -3), zone, type)
  }

  #pod(namespace: string, label: string): Finding {
    const { pods } = this.#options
    if (pods === 'disabled') return 'none'
    const host = addressInLabel(label)
    if (host === null) return 'none'
    if (pods === 'verified') {
      const there = host.kind === 'A' && this.#context.records.hasPod(namespace, host.address)
      if (!there) return 'none'
    }
    return [{ host, port: -1, name: '' }]
  }

  /** `front` is what stands before the Service's name: an endpoint, or _port._protocol. */
  #service(namespace: string, name: string, front: readonly string[], zone: string, type: string): Finding {
    const { records } = this.#context
    const service = records.service(namespace, name)
    if (service === null) return 'none'
    const full = `${name}.${namespace}.svc.${zone}`
    if (service.type === 'external') {
      if (front.length === 1 || tryParseIpv4(service.target) !== null || ipv6Bytes(service.target) !== null)
        return 'none'
      // SRV of what is outside is nobody's business here.
      return type === 'SRV' ? [] : [{ host: { kind: 'CNAME', target: service.target }, port: 0, name: full }]
    }
    const endpoints = service.type === 'headless' || front.length === 1
    if (endpoints && this.#options.noEndpoints) return 'none'
    if (!endpoints && this.#options.ignoreEmptyService && records.endpoints(namespace, name).length === 0) return 'none'
    const [port, protocol] = front.length === 2 ? front.map((label) => label.replace(/^_/, '')) : ['', '']
    const fits = (known: DnsPort) =>
      (port === '' || known.name.toLowerCase() === port) &&
      (protocol === '' || known.protocol.toLowerCase() === protocol)
    const found: Found[] = []
    if (endpoints) {
      for (const endpoint of records.endpoints(namespace, name)) {
        const label = this.#endpointLabel(endpoint)
        if (front.length === 1 && label.toLowerCase() !== front[0]) continue
        for (const known of endpoint.ports.filter(fits))
          found.push({ host: { kind: 'A', address: endpoint.address }, port: known.port, name: `${label}.${full}` })
      }
    } else if (service.type === 'cluster') {
      for (const known of service.ports.filter(fits)) {
        for (const address of service.addresses)
          found.push({ host: { kind: 'A', address }, port: known.port, name: full })
      }
    }
    return found.length === 0 ? 'none' : found
  }

  /** The name that SRV and PTR records give an endpoint, in front of its Service's. */
  #endpointLabel(endpoint: DnsEndpoint): string {
    if (endpoint.hostname !== null) return endpoint.hostname
    if (this.#options.endpointPodNames && endpoint.pod !== null) return endpoint.pod
    return formatIpv4(endpoint.address).replaceAll('.', '-')
  }

  /** A name once for each address; an alias first, with what is behind it. */
  #addresses(
    request: DnsRequest,
    zone: string,
    name: string,
    before: readonly DnsRecord[],
    answer: (records: readonly DnsRecord[] | 'none') => void,
  ): void {
    const type = request.question.type as 'A' | 'AAAA'
    const found = this.#find(name, zone, type)
    if (found === 'none') return answer('none')
    const { ttl } = this.#options
    const records: DnsRecord[] = []
    for (const { host } of found) {
      if (host.kind === 'CNAME') return this.#alias(request, zone, name, host.target, before, answer)
      if (host.kind !== type) continue
      const data = host.kind === 'A' ? ({ type: 'A', address: host.address } as const) : null
      const record: DnsRecord = { name, ttl, data: data ?? { type: 'AAAA', address: (host as { text: string }).text } }
      const twice = records.some((known) => sameData(known, record))
      if (!twice) records.push(record)
    }
    answer(records)
  }

  #alias(
    request: DnsRequest,
    zone: string,
    name: string,
    target: string,
    before: readonly DnsRecord[],
    answer: (records: readonly DnsRecord[]) => void,
  ): void {
    const alias: DnsRecord = { name, ttl: this.#options.ttl, data: { type: 'CNAME', target } }
    if (sameName(name, target) || before.length > LONGEST_CHAIN || before.some((known) => sameData(known, alias)))
      return answer([])
    if (isWithin(target, zone.toLowerCase())) {
      return this.#addresses(request, zone, target, [...before, alias], (behind) =>
        answer(behind === 'none' || behind.length === 0 ? [] : [alias, ...behind]),
      )
    }
    this.#context.lookUp(request, target, request.question.type, (reply) => answer([alias, ...reply.answers]))
  }

  #services(name: string, found: readonly Found[]): Answer {
    const { ttl } = this.#options
    const weight = Math.max(1, Math.floor((100 / (100 * found.length)) * 100))
    const answers: DnsRecord[] = []
    const additionals: DnsRecord[] = []
    const ports = new Set<string>()
    const known = new Set<string>()
    for (const { host, port, name: target } of found) {
      if (port === -1 || host.kind !== 'A') continue
      const pair = `${target}:${port}`
      if (!ports.has(pair)) answers.push({ name, ttl, data: { type: 'SRV', priority: 0, weight, port, target } })
      ports.add(pair)
      const address = `${target} ${host.address}`
      if (!known.has(address)) additionals.push({ name: target, ttl, data: { type: 'A', address: host.address } })
      known.add(address)
    }
    return { answers, additionals }
  }

  /** The Services of the server's own endpoints; its own addresses as long as it is no endpoint. */
  #own(zone: string): Found[] {
    const { records, local } = this.#context
    const found: Found[] = []
    let known = false
    for (const own of local()) {
      for (const { namespace, name, endpoint } of records.endpointsAt(own)) {
        known = true
        const service = records.service(namespace, name)
        const full = `${name}.${namespace}.svc.${zone}`
        if (service?.type === 'headless')
          found.push({ host: { kind: 'A', address: own }, port: -1, name: `${this.#endpointLabel(endpoint)}.${full}` })
        if (service?.type === 'cluster')
          for (const address of service.addresses) found.push({ host: { kind: 'A', address }, port: -1, name: full })
      }
    }
    if (known) return found
    return local().map((address) => ({ host: { kind: 'A', address }, port: -1, name: `ns.dns.${zone}` }))
  }

  #nameServers(zone: string): Answer {
    const { ttl } = this.#options
    const own = this.#own(zone)
    const answers = [...new Set(own.map(({ name }) => name))]
    return {
      answers: answers.map((target) => ({ name: zone, ttl, data: { type: 'NS', target } })),
      additionals: own.flatMap(({ host, name }): DnsRecord[] =>
        host.kind === 'A' ? [{ name, ttl, data: { type: 'A', address: host.address } }] : [],
      ),
    }
  }

  /** Null when no address stands there in reverse. */
  #pointers(name: string): Answer | 'none' | null {
    const { records } = this.#context
    const { ttl, zones } = this.#options
    const found = /^([0-9.]+)\.in-addr\.arpa$/i.exec(name)
    const address = found === null ? null : tryParseIpv4(found[1].split('.').reverse().join('.'))
    if (address === null) return null
    const primary = zones.find((zone) => !/(^|\.)(in-addr|ip6)\.arpa$/.test(zone)) ?? ''
    const service = records.serviceAt(address)
    const mine = (namespace: string) =>
      this.#options.namespaces === null || this.#options.namespaces.includes(namespace)
    const names =
      service !== null && mine(service.namespace)
        ? [`${service.name}.${service.namespace}`]
        : records
            .endpointsAt(address)
            .filter(({ namespace }) => mine(namespace))
            .map((known) => `${this.#endpointLabel(known.endpoint)}.${known.name}.${known.namespace}`)
    if (names.length === 0) return 'none'
    const once = [...new Set(names)]
    return { answers: once.map((known) => ({ name, ttl, data: { type: 'PTR', target: `${known}.svc.${primary}` } })) }
  }
}

/** `10-244-1-2`, or an IPv6 address with dashes for colons. */
function addressInLabel(label: string): Host | null {
  const dashes = label.split('-').length - 1
  if (dashes === 3 && !label.includes('--')) {
    const address = tryParseIpv4(label.replaceAll('-', '.'))
    return address === null ? null : { kind: 'A', address }
  }
  const text = label.replaceAll('-', ':')
  return ipv6Bytes(text) === null ? null : { kind: 'AAAA', text }
}

function sameData(a: DnsRecord, b: DnsRecord): boolean {
  if (a.data.type === 'A' && b.data.type === 'A') return a.data.address === b.data.address
  if (a.data.type === 'AAAA' && b.data.type === 'AAAA') return a.data.address === b.data.address
  if (a.data.type === 'CNAME' && b.data.type === 'CNAME') return sameName(a.data.target, b.data.target)
  return false
}

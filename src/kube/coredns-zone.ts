/**
 * What CoreDNS's kubernetes plugin answers for cluster.local and for reversed addresses, with kubeadm's Corefile
 * (`pods insecure`, `ttl 30`, `fallthrough in-addr.arpa`, `loadbalance`), and what its forward plugin brings from
 * outside. The cache plugin is left out: an answer shows every change at once, and its TTL does not count down.
 */
import {
  type DnsMessage,
  type DnsRecord,
  dnsMessage,
  Rcode,
  reverseName,
  type SrvData,
  sameName,
} from '../host/dns-message.ts'
import type { Random } from '../sim/random.ts'
import { formatIpv4, type Ipv4, tryParseIpv4 } from '../wire/address.ts'

/** A port of a Service or of an endpoint; the name may be empty. */
export interface DnsPort {
  readonly name: string
  /** Upper case, as in manifests. */
  readonly protocol: string
  readonly port: number
}

/** A ready endpoint. */
export interface DnsEndpoint {
  readonly address: Ipv4
  /** Null: named after its address, 10-244-1-2. */
  readonly hostname: string | null
  readonly ports: readonly DnsPort[]
}

export type DnsService =
  | { readonly type: 'cluster'; readonly addresses: readonly Ipv4[]; readonly ports: readonly DnsPort[] }
  | { readonly type: 'headless' }
  | { readonly type: 'external'; readonly target: string }

export interface ServiceName {
  readonly namespace: string
  readonly name: string
}

/** What the server knows, asked anew for every question. Names are lower case. */
export interface DnsRecords {
  hasNamespace(namespace: string): boolean
  service(namespace: string, name: string): DnsService | null
  endpoints(namespace: string, name: string): readonly DnsEndpoint[]
  /** The Service with this cluster address. */
  serviceAt(address: Ipv4): ServiceName | null
  /** The endpoints with this address, under their Services. */
  endpointsAt(address: Ipv4): readonly (ServiceName & { readonly endpoint: DnsEndpoint })[]
  /** The addresses of a name outside the cluster; null when no such name was declared. */
  upstream(name: string): readonly Ipv4[] | null
  /** When the records last changed, in seconds since 1970: the serial of the SOA record. */
  serial(): number
}

const TTL = 30
/** The TTL of names outside; what the real one is, is up to their owners. */
const UPSTREAM_TTL = 30
const SCHEMA_VERSION = '1.1.0'
const SCHEMA_TTL = 28_800
/** Aliases inside the zone that are followed before CoreDNS gives up. */
const LONGEST_CHAIN = 8
const DASHED = /^[0-9]+-[0-9]+-[0-9]+-[0-9]+$/

/** One address behind a name of the zone. */
interface Target {
  readonly address: Ipv4
  readonly port: number
  /** The name that SRV records give it. */
  readonly name: string
}

/** `none`: NXDOMAIN. */
type Found = 'none' | { readonly targets: readonly Target[]; readonly alias: string | null }

type Reply = Pick<DnsMessage, 'answers' | 'authorities' | 'additionals' | 'rcode'>

const NODATA: Found = { targets: [], alias: null }

function reply(fields: Partial<Reply>): Reply {
  return { answers: [], authorities: [], additionals: [], rcode: Rcode.NOERROR, ...fields }
}

/** The name that SRV and PTR records give an endpoint, in front of its Service's. */
export function endpointLabel(endpoint: DnsEndpoint): string {
  return endpoint.hostname ?? formatIpv4(endpoint.address).replaceAll('.', '-')
}

export class CoreDnsZone {
  readonly origin: string
  readonly #records: DnsRecords
  readonly #random: Random

  /** `origin` is the cluster domain. */
  constructor(records: DnsRecords, random: Random, origin = 'cluster.local') {
    this.#records = records
    this.#random = random
    this.origin = origin
  }

  /** The whole reply but its EDNS record; the query has one question. */
  answer(query: DnsMessage): DnsMessage {
    const [question] = query.questions
    const echo = { id: query.id, response: true, recursionDesired: query.recursionDesired, questions: query.questions }
    if (question.class !== 'IN') return dnsMessage({ ...echo, rcode: Rcode.REFUSED })
    const pointed = question.type === 'PTR' ? this.#pointers(question.name) : null
    if (pointed !== null) return dnsMessage({ ...echo, authoritative: true, answers: pointed })
    if (this.#labels(question.name) === null)
      return dnsMessage({ ...echo, recursionAvailable: true, ...this.#outside(question.name, question.type) })
    return dnsMessage({ ...echo, authoritative: true, ...this.#inside(question.name, question.type) })
  }

  /** The labels in front of the zone's name; null for names that are not in the zone. */
  #labels(name: string): readonly string[] | null {
    const lower = name.toLowerCase()
    if (lower === this.origin) return []
    return lower.endsWith(`.${this.origin}`) ? lower.slice(0, -this.origin.length - 1).split('.') : null
  }

  #soa(): DnsRecord {
    const [primary, mailbox] = [`ns.dns.${this.origin}`, `hostmaster.${this.origin}`]
    const times = { refresh: 7200, retry: 1800, expire: 86_400, minimum: TTL }
    return {
      name: this.origin,
      ttl: TTL,
      data: { type: 'SOA', primary, mailbox, serial: this.#records.serial(), ...times },
    }
  }

  #inside(name: string, type: string): Reply {
    const denial = [this.#soa()]
    if (sameName(name, this.origin) && type === 'SOA') return reply({ answers: denial })
    if (sameName(name, this.origin) && type === 'NS') return this.#nameServers()
    if (type === 'TXT' && sameName(name, `dns-version.${this.origin}`))
      return reply({ answers: [{ name, ttl: SCHEMA_TTL, data: { type, texts: [SCHEMA_VERSION] } }] })
    const found = this.#find(name)
    if (found === 'none') return reply({ rcode: Rcode.NXDOMAIN, authorities: denial })
    if (type === 'SRV') {
      const services = this.#srv(name, found)
      return services.answers.length > 0 ? services : reply({ authorities: denial })
    }
    const answers = type === 'A' || type === 'AAAA' || type === 'CNAME' ? this.#addresses(name, type, found, 0) : []
    return answers.length > 0 ? reply({ answers: this.#shuffled(answers) }) : reply({ authorities: denial })
  }

  #find(name: string): Found {
    const labels = this.#labels(name)
    if (labels === null) return 'none'
    const kind = labels.at(-1)
    const namespace = labels.at(-2)
    const service = labels.at(-3)
    if (kind === undefined) return NODATA
    if (labels.join('.') === 'ns.dns') return this.#ownAddress(name)
    if (kind !== 'svc' && kind !== 'pod') return 'none'
    if (labels.length > 5) return 'none'
    if (namespace === undefined) return NODATA
    if (!this.#records.hasNamespace(namespace)) return 'none'
    if (service === undefined) return NODATA
    return kind === 'pod' ? this.#pod(service) : this.#service(namespace, service, labels.slice(0, -3))
  }

  /** `pods insecure`: the address is in the name, whether a pod has it or not. */
  #pod(label: string): Found {
    const address = DASHED.test(label) ? tryParseIpv4(label.replaceAll('-', '.')) : null
    return address === null ? 'none' : { targets: [{ address, port: 0, name: '' }], alias: null }
  }

  /** `front` is what stands before the Service's name: an endpoint, or _port._protocol. */
  #service(namespace: string, name: string, front: readonly string[]): Found {
    const service = this.#records.service(namespace, name)
    if (service === null) return 'none'
    if (service.type === 'external') return front.length > 0 ? 'none' : { targets: [], alias: service.target }
    const full = `${name}.${namespace}.svc.${this.origin}`
    const [port, protocol] = front.length === 2 ? front.map((label) => label.replace(/^_/, '')) : ['', '']
    const fits = (known: DnsPort) =>
      (port === '' || known.name.toLowerCase() === port) &&
      (protocol === '' || known.protocol.toLowerCase() === protocol)
    const targets: Target[] = []
    if (service.type === 'headless' || front.length === 1) {
      for (const endpoint of this.#records.endpoints(namespace, name)) {
        const label = endpointLabel(endpoint)
        if (front.length === 1 && label.toLowerCase() !== front[0]) continue
        for (const known of endpoint.ports) {
          if (fits(known)) targets.push({ address: endpoint.address, port: known.port, name: `${label}.${full}` })
        }
      }
    } else {
      for (const known of service.ports) {
        if (!fits(known)) continue
        for (const address of service.addresses) targets.push({ address, port: known.port, name: full })
      }
    }
    return targets.length === 0 ? 'none' : { targets, alias: null }
  }

  /** A name once for each address; an alias first, with the addresses behind it. */
  #addresses(name: string, type: string, found: Exclude<Found, 'none'>, depth: number): DnsRecord[] {
    if (found.alias !== null) {
      const alias: DnsRecord = { name, ttl: TTL, data: { type: 'CNAME', target: found.alias } }
      if (type === 'CNAME') return [alias]
      if (sameName(name, found.alias) || depth === LONGEST_CHAIN) return []
      if (this.#labels(found.alias) === null) return [alias, ...this.#outside(found.alias, type).answers]
      const next = this.#find(found.alias)
      const behind = next === 'none' ? [] : this.#addresses(found.alias, type, next, depth + 1)
      return behind.length === 0 ? [] : [alias, ...behind]
    }
    if (type !== 'A') return []
    const once = new Set(found.targets.map((target) => target.address))
    return Array.from(once, (address) => ({ name, ttl: TTL, data: { type: 'A', address } }))
  }

  #srv(name: string, found: Exclude<Found, 'none'>): Reply {
    const weight = Math.max(1, Math.floor(100 / found.targets.length))
    const answers: DnsRecord[] = []
    const additionals: DnsRecord[] = []
    const known = new Set<string>()
    for (const target of found.targets) {
      if (target.name === '') continue
      const data: SrvData = { type: 'SRV', priority: 0, weight, port: target.port, target: target.name }
      answers.push({ name, ttl: TTL, data })
      if (!known.has(target.name))
        additionals.push({ name: target.name, ttl: TTL, data: { type: 'A', address: target.address } })
      known.add(target.name)
    }
    return reply({ answers, additionals })
  }

  /** The cluster DNS Service, which CoreDNS finds by its own addresses. */
  #ownAddress(name: string): Found {
    const own = this.#records.service('kube-system', 'kube-dns')
    const addresses = own?.type === 'cluster' ? own.addresses : []
    return { targets: addresses.map((address) => ({ address, port: 53, name })), alias: null }
  }

  #nameServers(): Reply {
    const own = this.#records.service('kube-system', 'kube-dns')
    const target = own === null ? `ns.dns.${this.origin}` : `kube-dns.kube-system.svc.${this.origin}`
    const addresses = own?.type === 'cluster' ? own.addresses : []
    return reply({
      answers: [{ name: this.origin, ttl: TTL, data: { type: 'NS', target } }],
      additionals: addresses.map((address) => ({ name: target, ttl: TTL, data: { type: 'A', address } })),
    })
  }

  /** Null when the address is not the cluster's: the question then goes outside (`fallthrough`). */
  #pointers(name: string): DnsRecord[] | null {
    const found = /^([0-9.]+)\.in-addr\.arpa$/i.exec(name)
    const address = found === null ? null : tryParseIpv4(found[1].split('.').reverse().join('.'))
    if (address === null || reverseName(address) !== name.toLowerCase()) return null
    const service = this.#records.serviceAt(address)
    const names =
      service !== null
        ? [`${service.name}.${service.namespace}`]
        : this.#records
            .endpointsAt(address)
            .map((known) => `${endpointLabel(known.endpoint)}.${known.name}.${known.namespace}`)
    if (names.length === 0) return null
    return names.map((known) => ({ name, ttl: TTL, data: { type: 'PTR', target: `${known}.svc.${this.origin}` } }))
  }

  /**
   * The forward plugin. Names outside are answered from what the topology declares, without packets to a name
   * server: upstream DNS servers are not modelled.
   */
  #outside(name: string, type: string): Reply {
    const addresses = this.#records.upstream(name.toLowerCase())
    if (addresses === null) return reply({ rcode: Rcode.NXDOMAIN })
    if (type !== 'A') return reply({})
    const answers = addresses.map((address): DnsRecord => ({ name, ttl: UPSTREAM_TTL, data: { type: 'A', address } }))
    return reply({ answers: this.#shuffled(answers) })
  }

  /** The loadbalance plugin: addresses in random order behind the aliases. */
  #shuffled(records: readonly DnsRecord[]): DnsRecord[] {
    const aliases = records.filter((record) => record.data.type === 'CNAME')
    const addresses = records.filter((record) => record.data.type !== 'CNAME')
    for (let i = 0; i < addresses.length - 1; i++) {
      const other = i + this.#random.below(addresses.length - i)
      const record = addresses[i]
      addresses[i] = addresses[other]
      addresses[other] = record
    }
    return [...aliases, ...addresses]
  }
}

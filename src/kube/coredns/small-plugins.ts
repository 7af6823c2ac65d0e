/** CoreDNS's plugins of a few lines: loadbalance, hosts, chaos and loop (version 1.11). */
import { type DnsMessage, type DnsRecord, ipv6Bytes, Rcode, sameName } from '../../host/dns-message.ts'
import type { Random } from '../../sim/random.ts'
import { type Ipv4, tryParseIpv4 } from '../../wire/address.ts'
import { type DnsRequest, type Done, type Fallthrough, fallsThrough, type Handler, replyTo, zoneOf } from './request.ts'

/** Every section of a good answer: aliases, then what is no address, then addresses and mail servers shuffled. */
export class LoadBalancePlugin implements Handler {
  readonly #random: Random
  readonly #next: Handler

  constructor(random: Random, next: Handler) {
    this.#random = random
    this.#next = next
  }

  serve(request: DnsRequest, done: Done): void {
    const write = (reply: DnsMessage) => {
      if (reply.rcode !== Rcode.NOERROR) return request.write(reply)
      request.write({
        ...reply,
        answers: this.#turned(reply.answers),
        authorities: this.#turned(reply.authorities),
        additionals: this.#turned(reply.additionals),
      })
    }
    this.#next.serve({ ...request, write }, done)
  }

  #turned(records: readonly DnsRecord[]): readonly DnsRecord[] {
    if (records.length < 2) return records
    const is = (record: DnsRecord, ...types: string[]) => types.includes(record.data.type)
    return [
      ...records.filter((record) => is(record, 'CNAME')),
      ...records.filter((record) => !is(record, 'CNAME', 'A', 'AAAA', 'MX')),
      ...this.#shuffled(records.filter((record) => is(record, 'A', 'AAAA'))),
      ...this.#shuffled(records.filter((record) => is(record, 'MX'))),
    ]
  }

  #shuffled(records: DnsRecord[]): DnsRecord[] {
    for (let i = 0; i < records.length - 1; i++) {
      const other = i + this.#random.below(records.length - i)
      const record = records[i]
      records[i] = records[other]
      records[other] = record
    }
    return records
  }
}

export interface HostsOptions {
  readonly zones: readonly string[]
  /** hosts(5). */
  readonly lines: readonly string[]
  readonly ttl: number
  readonly reverse: boolean
  readonly through: Fallthrough
}

interface HostsLine {
  readonly text: string
  readonly ipv4: Ipv4 | null
  readonly names: readonly string[]
}

export class HostsPlugin implements Handler {
  readonly #options: HostsOptions
  readonly #entries: readonly HostsLine[]
  readonly #next: Handler

  constructor(options: HostsOptions, next: Handler) {
    this.#options = options
    this.#next = next
    this.#entries = options.lines.flatMap((line) => {
      const [text, ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
      const ipv4 = tryParseIpv4(text)
      const known = ipv4 !== null || ipv6Bytes(text) !== null
      return known ? [{ text, ipv4, names: names.map((name) => name.replace(/\.$/, '').toLowerCase()) }] : []
    })
  }

  serve(request: DnsRequest, done: Done): void {
    const { type } = request.question
    const { zones, through } = this.#options
    // Answers are spelled in lower case.
    const name = request.question.name.toLowerCase()
    const answers = this.#answers(name, type)
    if (type === 'PTR' ? answers.length === 0 : zoneOf(zones, name) === null) return this.#next.serve(request, done)
    if (answers.length === 0 && !this.#entries.some((entry) => entry.names.includes(name))) {
      if (fallsThrough(through, name)) return this.#next.serve(request, done)
      // A hosts file has no SOA record that could deny the name.
      return done(Rcode.SERVFAIL, null)
    }
    request.write(replyTo(request, { authoritative: true, answers }))
    done(Rcode.NOERROR, null)
  }

  #answers(name: string, type: string): DnsRecord[] {
    const { ttl, reverse } = this.#options
    if (type === 'PTR') {
      const found = /^([0-9.]+)\.in-addr\.arpa$/.exec(name)
      const address = found === null ? null : tryParseIpv4(found[1].split('.').reverse().join('.'))
      if (address === null || !reverse) return []
      const entries = this.#entries.filter(({ ipv4 }) => ipv4 === address)
      return entries.flatMap(({ names }) => names.map((target) => ({ name, ttl, data: { type, target } as const })))
    }
    return this.#entries.flatMap(({ ipv4, text, names }): DnsRecord[] => {
      if (!names.includes(name)) return []
      if (type === 'A' && ipv4 !== null) return [{ name, ttl, data: { type, address: ipv4 } }]
      return type === 'AAAA' && ipv4 === null ? [{ name, ttl, data: { type, address: text } }] : []
    })
  }
}

/** version.bind, version.server, hostname.bind, id.server and authors.bind of class CH. */
export class ChaosPlugin implements Handler {
  readonly #version: string
  readonly #authors: readonly string[]
  readonly #hostname: string
  readonly #next: Handler

  constructor(version: string, authors: readonly string[], hostname: string, next: Handler) {
    this.#version = version
    this.#authors = authors
    this.#hostname = hostname
    this.#next = next
  }

  serve(request: DnsRequest, done: Done): void {
    const { name, type, class: cls } = request.question
    const texts = cls === 'CH' && type === 'TXT' ? this.#texts(name.toLowerCase()) : null
    if (texts === null) return this.#next.serve(request, done)
    const answers = texts.map(
      (text): DnsRecord => ({ name, class: 'CH', ttl: 0, data: { type: 'TXT', texts: [text] } }),
    )
    request.write(replyTo(request, { answers }))
    done(Rcode.NOERROR, null)
  }

  #texts(name: string): readonly string[] | null {
    if (name === 'version.bind' || name === 'version.server') return [this.#version]
    if (name === 'hostname.bind' || name === 'id.server') return [this.#hostname]
    return name === 'authors.bind' ? this.#authors : null
  }
}

/** Sees how often the server's own question comes back to it. */
export class LoopPlugin implements Handler {
  /** Two random numbers; null once the test is over. */
  name: string | null = null
  #seen = 0
  readonly #found: (request: DnsRequest) => void
  readonly #next: Handler

  constructor(found: (request: DnsRequest) => void, next: Handler) {
    this.#found = found
    this.#next = next
  }

  serve(request: DnsRequest, done: Done): void {
    const { name, type } = request.question
    if (this.name !== null && type === 'HINFO' && sameName(name, this.name)) {
      this.#seen++
      if (this.#seen > 2) this.#found(request)
    }
    this.#next.serve(request, done)
  }
}

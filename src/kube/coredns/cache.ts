/**
 * CoreDNS's cache plugin (plugin/cache of version 1.11): replies by name, type, DO and CD, with a TTL that counts down
 * in whole seconds. Every record of a reply that passes gets the reply's smallest TTL, between five seconds and what
 * the Corefile allows, whether the reply is kept or not; what comes out of the cache says AA.
 */
import { type DnsMessage, type DnsRecord, sameName } from '../../host/dns-message.ts'
import { type Nanos, SECOND } from '../../sim/scheduler.ts'
import { type DnsRequest, type Done, type Handler, kindOf, replyTo, zoneOf } from './request.ts'

export interface CacheOptions {
  /** Names in these are kept; lower case. */
  readonly zones: readonly string[]
  /** Of answers: seconds, at most and at least. */
  readonly success: { readonly ttl: number; readonly least: number; readonly capacity: number }
  /** Of NXDOMAIN and empty answers. */
  readonly denial: { readonly ttl: number; readonly least: number; readonly capacity: number }
  /** Of SERVFAIL: seconds. */
  readonly servfail: number
  /** Not kept in these zones. */
  readonly noSuccess: readonly string[]
  readonly noDenial: readonly string[]
  readonly keepTtl: boolean
}

/** Seconds, for a reply without records. */
const DEFAULT_TTL = 5
const LARGEST_TTL = 3600

interface Item {
  readonly reply: DnsMessage
  readonly kept: Nanos
  readonly ttl: number
}

export class CachePlugin implements Handler {
  readonly #options: CacheOptions
  readonly #now: () => Nanos
  readonly #next: Handler
  readonly #successes = new Map<string, Item>()
  readonly #denials = new Map<string, Item>()

  constructor(options: CacheOptions, now: () => Nanos, next: Handler) {
    this.#options = options
    this.#now = now
    this.#next = next
  }

  serve(request: DnsRequest, done: Done): void {
    if (zoneOf(this.#options.zones, request.question.name) === null) return this.#next.serve(request, done)
    const key = keyOf(request)
    const item = this.#fresh(this.#denials, key, request) ?? this.#fresh(this.#successes, key, request)
    if (item === null) {
      const write = (reply: DnsMessage) => request.write(this.#passing(reply, key, request))
      return this.#next.serve({ ...request, write }, done)
    }
    request.write(this.#again(item, request))
    done(item.reply.rcode, null)
  }

  #fresh(items: ReadonlyMap<string, Item>, key: string, request: DnsRequest): Item | null {
    const item = items.get(key)
    const fresh = item !== undefined && this.#left(item) > 0
    return fresh && sameName(item.reply.questions[0]?.name ?? '', request.question.name) ? item : null
  }

  #left(item: Item): number {
    return item.ttl - Math.floor((this.#now() - item.kept) / SECOND)
  }

  #again(item: Item, request: DnsRequest): DnsMessage {
    const { rcode, recursionAvailable, authenticData } = item.reply
    const ttl = this.#options.keepTtl ? item.ttl : this.#left(item)
    const wanted = request.query.authenticData || request.query.edns?.dnssecOk === true
    return replyTo(request, {
      authoritative: true,
      recursionAvailable,
      rcode,
      authenticData: authenticData && wanted,
      ...withTtl(item.reply, ttl),
    })
  }

  /** What passes on its way to the client, kept if it may be. */
  #passing(reply: DnsMessage, key: string, request: DnsRequest): DnsMessage {
    const { success, denial, servfail, noSuccess, noDenial } = this.#options
    const kind = kindOf(reply)
    const denies = kind === 'nxdomain' || kind === 'nodata'
    const smallest = smallestTtl(reply, kind === 'success' || denies)
    const bounds = denies ? denial : success
    const ttl = kind === 'servfail' ? servfail : Math.min(Math.max(smallest, bounds.least), bounds.ttl)
    const mine = reply.questions[0]
    const matches =
      mine !== undefined && sameName(mine.name, request.question.name) && mine.type === request.question.type
    if (matches && !reply.truncated && kind !== 'other' && ttl > 0) {
      const isDenial = denies || kind === 'servfail'
      const except = isDenial ? noDenial : noSuccess
      if (zoneOf(except, mine.name) === null) {
        const item = { reply, kept: this.#now(), ttl }
        if (isDenial) put(this.#denials, key, item, denial.capacity)
        else {
          put(this.#successes, key, item, success.capacity)
          // An old denial would be found first.
          this.#denials.delete(key)
        }
      }
    }
    const wanted = request.query.authenticData || request.query.edns?.dnssecOk === true
    return { ...reply, edns: null, authenticData: reply.authenticData && wanted, ...withTtl(reply, ttl) }
  }
}

function keyOf({ question, query }: DnsRequest): string {
  const flags = `${query.edns?.dnssecOk === true ? 1 : 0}${query.checkingDisabled ? 1 : 0}`
  return `${flags} ${question.type} ${question.name.toLowerCase()}`
}

function put(items: Map<string, Item>, key: string, item: Item, capacity: number): void {
  items.delete(key)
  if (items.size >= capacity) items.delete(items.keys().next().value as string)
  items.set(key, item)
}

function withTtl(reply: DnsMessage, ttl: number) {
  const set = (records: readonly DnsRecord[]) => records.map((record) => ({ ...record, ttl }))
  return {
    answers: set(reply.answers),
    authorities: set(reply.authorities),
    additionals: set(reply.additionals),
  }
}

function smallestTtl(reply: DnsMessage, counts: boolean): number {
  const records = [...reply.answers, ...reply.authorities, ...reply.additionals]
  if (!counts || records.length === 0) return DEFAULT_TTL
  return Math.min(LARGEST_TTL, ...records.map(({ ttl }) => ttl))
}

/** CoreDNS's forward plugin (plugin/forward of version 1.11). */
import { type DnsMessage, type DnsRecord, dnsMessage, Rcode, sameName } from '../../host/dns-message.ts'
import type { Random } from '../../sim/random.ts'
import { MILLISECOND, type Nanos, SECOND } from '../../sim/scheduler.ts'
import type { Ipv4 } from '../../wire/address.ts'
import { type DnsRequest, type Done, type Handler, isWithin, replyTo, zoneOf } from './request.ts'
import type { Upstream } from './upstream.ts'

export interface ForwardOptions {
  /** Lower case; the root is the empty text. */
  readonly from: string
  /** Names in these go to the next plugin. */
  readonly except: readonly string[]
  readonly policy: 'random' | 'round_robin' | 'sequential'
  readonly forceTcp: boolean
  readonly preferUdp: boolean
  readonly maxFails: number
  /** 0: as many as come. */
  readonly maxConcurrent: number
  readonly failFast: boolean
}

export interface ForwardContext {
  readonly now: () => Nanos
  readonly later: (delay: Nanos, action: () => void) => void
  readonly random: Random
  /** What the topology declares of the world outside, in place of a name server; null: no such name. */
  readonly declared: ((name: string) => readonly Ipv4[] | null) | null
}

/**
 * Between two tries when the kernel refuses at once (no route). CoreDNS tries as fast as it can; nothing of that can be
 * seen from outside.
 */
const BREATH = 10 * MILLISECOND

/** From the first try: later there is no further one. */
const DEADLINE = 5 * SECOND
/** Of names that the topology declares. */
const DECLARED_TTL = 30

export class ForwardPlugin implements Handler {
  readonly #options: ForwardOptions
  readonly #upstreams: readonly Upstream[]
  readonly #context: ForwardContext
  readonly #next: Handler
  #concurrent = 0
  #turn = -1

  constructor(options: ForwardOptions, upstreams: readonly Upstream[], context: ForwardContext, next: Handler) {
    this.#options = options
    this.#upstreams = upstreams
    this.#context = context
    this.#next = next
  }

  serve(request: DnsRequest, done: Done): void {
    const { from, except, maxConcurrent } = this.#options
    const { name } = request.question
    if (!isWithin(name, from) || zoneOf(except, name) !== null) return this.#next.serve(request, done)
    if (this.#upstreams.length === 0 && this.#context.declared !== null) return this.#declared(request, done)
    if (maxConcurrent > 0 && this.#concurrent >= maxConcurrent)
      return done(Rcode.REFUSED, `concurrent queries exceeded maximum ${maxConcurrent}`)
    this.#concurrent++
    const attempt = new Attempt(request, this.#listed(), this.#options, this.#context)
    attempt.run((rcode, error) => {
      this.#concurrent--
      done(rcode, error)
    })
  }

  #listed(): readonly Upstream[] {
    const all = this.#upstreams
    if (this.#options.policy === 'sequential' || all.length === 1) return all
    if (this.#options.policy === 'round_robin') {
      this.#turn = (this.#turn + 1) % all.length
      return [...all.slice(this.#turn), ...all.slice(0, this.#turn)]
    }
    const list = [...all]
    for (let i = list.length - 1; i > 0; i--) {
      const other = this.#context.random.below(i + 1)
      const upstream = list[i]
      list[i] = list[other]
      list[other] = upstream
    }
    return list
  }

  /** Without packets: a topology may say the names of the outside and no name server. */
  #declared(request: DnsRequest, done: Done): void {
    const { name, type } = request.question
    const addresses = this.#context.declared?.(name.toLowerCase()) ?? null
    const data = type === 'A' ? (addresses ?? []) : []
    const answers = data.map((address): DnsRecord => ({ name, ttl: DECLARED_TTL, data: { type: 'A', address } }))
    const rcode = addresses === null ? Rcode.NXDOMAIN : Rcode.NOERROR
    request.write(replyTo(request, { recursionAvailable: true, rcode, answers }))
    done(Rcode.NOERROR, null)
  }
}

/** One question on its way through the list of upstreams, again and again until the deadline. */
class Attempt {
  readonly #request: DnsRequest
  readonly #list: readonly Upstream[]
  readonly #options: ForwardOptions
  readonly #context: ForwardContext
  readonly #began: Nanos
  #at = 0
  #down = 0
  #error: string | null = null

  constructor(request: DnsRequest, list: readonly Upstream[], options: ForwardOptions, context: ForwardContext) {
    this.#request = request
    this.#list = list
    this.#options = options
    this.#context = context
    this.#began = context.now()
  }

  run(done: Done): void {
    const { maxFails, failFast } = this.#options
    while (this.#context.now() - this.#began < DEADLINE) {
      if (this.#at >= this.#list.length) {
        this.#at = 0
        this.#down = 0
      }
      let upstream = this.#list[this.#at++]
      if (upstream.isDown(maxFails)) {
        this.#down++
        if (this.#down < this.#list.length) continue
        if (failFast) break
        // All are down, or the check is: one of them is tried.
        upstream = this.#list[this.#context.random.below(this.#list.length)]
      }
      const transport = this.#options.forceTcp ? 'tcp' : this.#options.preferUdp ? 'udp' : this.#request.transport
      return this.#ask(upstream, transport, done)
    }
    done(Rcode.SERVFAIL, this.#error ?? 'no healthy proxies')
  }

  #ask(upstream: Upstream, transport: 'udp' | 'tcp', done: Done): void {
    const { query, question } = this.#request
    const { recursionDesired, authenticData, checkingDisabled, opcode, edns } = query
    const id = this.#context.random.below(65536)
    const bits = { recursionDesired, authenticData, checkingDisabled, opcode }
    const message = dnsMessage({ id, ...bits, questions: [question], edns })
    const asked = this.#context.now()
    upstream.ask(message, transport, (reply, error) => {
      if (reply === null) {
        this.#error = error
        if (this.#options.maxFails > 0) upstream.check()
        if (this.#down >= this.#list.length) return done(Rcode.SERVFAIL, error)
        if (this.#context.now() > asked) return this.run(done)
        return this.#context.later(BREATH, () => this.run(done))
      }
      if (reply.truncated && transport === 'udp' && this.#options.preferUdp) return this.#ask(upstream, 'tcp', done)
      this.#answered({ ...reply, id: query.id }, done)
    })
  }

  #answered(reply: DnsMessage, done: Done): void {
    const { question, write } = this.#request
    const [asked] = reply.questions
    const fits =
      reply.response &&
      reply.questions.length === 1 &&
      sameName(asked.name, question.name) &&
      asked.type === question.type
    write(fits ? reply : replyTo(this.#request, { rcode: Rcode.FORMERR }))
    done(Rcode.NOERROR, null)
  }
}

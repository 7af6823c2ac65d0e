/**
 * CoreDNS's rewrite plugin (plugin/rewrite of version 1.11), its fields name, type, class and ttl. The answer to a
 * rewritten name carries the question as it was asked; `exact` rules and `answer auto` also put the old name back
 * into the records, `answer name` and `answer value` what they say.
 */
import type { DnsMessage, DnsRecord } from '../../host/dns-message.ts'
import type { DnsRequest, Done, Handler } from './request.ts'

/** How a name becomes another; null when it is not meant. */
export type Renaming = (name: string) => string | null

export interface RewriteRule {
  readonly field: 'name' | 'type' | 'class' | 'ttl'
  readonly stop: boolean
  /** Of names, lower case. */
  readonly rename: Renaming
  readonly from: string
  readonly to: string
  /** Records that are called as the question became are called as it was. */
  readonly auto: boolean
  readonly answers: readonly { readonly part: 'name' | 'value'; readonly rename: Renaming }[]
  /** Of a ttl rule, seconds: at least and at most. */
  readonly bounds: readonly [number, number] | null
}

const NOTHING: readonly { readonly part: 'name' | 'value'; readonly rename: Renaming }[] = []

export class RewritePlugin implements Handler {
  readonly #rules: readonly RewriteRule[]
  readonly #next: Handler

  constructor(rules: readonly RewriteRule[], next: Handler) {
    this.#rules = rules
    this.#next = next
  }

  serve(request: DnsRequest, done: Done): void {
    let { question } = request
    const back: { readonly part: 'name' | 'value'; readonly rename: Renaming }[] = []
    let bounds: readonly [number, number] | null = null
    let done_ = false
    for (const rule of this.#rules) {
      const before = question
      const name = question.name.toLowerCase()
      let hit = false
      if (rule.field === 'name' || rule.field === 'ttl') {
        const renamed = rule.rename(name)
        hit = renamed !== null
        if (renamed !== null && rule.field === 'name') question = { ...question, name: renamed }
        if (hit && rule.field === 'ttl') bounds = rule.bounds
      } else {
        hit = question[rule.field] === rule.from
        if (hit) question = { ...question, [rule.field]: rule.to }
      }
      if (!hit) continue
      if (rule.field === 'name') {
        const became = question.name.toLowerCase()
        const old = before.name.toLowerCase()
        const restore: Renaming = (text) => (text.toLowerCase() === became ? old : null)
        if (rule.auto) back.push({ part: 'name', rename: restore }, { part: 'value', rename: restore })
        back.push(...(rule.answers ?? NOTHING))
      }
      done_ = true
      if (rule.stop) break
    }
    if (!done_) return this.#next.serve(request, done)
    const write = (reply: DnsMessage) => {
      const turned = (records: readonly DnsRecord[]) => records.map((record) => restored(record, back, bounds))
      request.write({
        ...reply,
        questions: [request.question],
        answers: turned(reply.answers),
        authorities: turned(reply.authorities),
        additionals: turned(reply.additionals),
      })
    }
    this.#next.serve({ ...request, question, write }, done)
  }
}

function restored(
  record: DnsRecord,
  rules: readonly { readonly part: 'name' | 'value'; readonly rename: Renaming }[],
  bounds: readonly [number, number] | null,
): DnsRecord {
  let { name, data, ttl } = record
  for (const { part, rename } of rules) {
    if (part === 'name') name = rename(name) ?? name
    else if (data.type === 'CNAME' || data.type === 'NS' || data.type === 'PTR')
      data = { ...data, target: rename(data.target) ?? data.target }
    else if (data.type === 'SRV' || data.type === 'MX') data = { ...data, target: rename(data.target) ?? data.target }
    else if (data.type === 'SOA')
      data = {
        ...data,
        primary: rename(data.primary) ?? data.primary,
        mailbox: rename(data.mailbox) ?? data.mailbox,
      }
  }
  if (bounds !== null) ttl = Math.min(Math.max(ttl, bounds[0]), bounds[1])
  return { ...record, name, data, ttl }
}
